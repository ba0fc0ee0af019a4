"""``onboard migrate``: from AccessKey mode to role mode, planned, shown, asked about, carried out and reported."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import typer

from cli.ending import Declined, exit_code, report_of
from cli.first_start import start_prefect
from cli.inputs import BadInput, read_settings
from cli.interrupt import StoppableClock, interruptible
from cli.prefect_environment import prepare, require_prefect_server

if TYPE_CHECKING:
    from config.settings import Settings
    from flows.migrate_report import MigrationReport

EXIT_WATCHING = 4
_READING = ("inventory", "propose")


@dataclass(frozen=True)
class MigrateChoices:
    """What was given on the command line; ``parameters`` are those of the flow."""

    parameters: dict[str, Any]
    stage: str
    approved: str | None
    yes: bool
    ask_keys: bool
    as_json: bool
    verbose: bool


def run_migrate(choices: MigrateChoices) -> int:
    """Carry the choices out; returns the exit code."""
    prepare(choices.verbose)
    return exit_code(
        lambda: _run_and_show(choices), as_json=choices.as_json, again="start the same command again to go on"
    )


def _run_and_show(choices: MigrateChoices) -> int:
    _require_sense(choices)
    report = _carry_out(choices, read_settings())
    _show(report, choices)
    return {"failed": 1, "watching": EXIT_WATCHING}.get(report.outcome, 0)


def _require_sense(choices: MigrateChoices) -> None:
    given = choices.parameters
    if (given["workspace"] is None) == (given["file"] is None):
        raise BadInput("give --workspace or --csv, one of them", [])
    if given["workspace"] is not None and given["region"] is None:
        raise BadInput("give the --region of the workspace", [])
    if choices.approved is not None:
        from tasks.planning import is_plan_hash

        if not is_plan_hash(choices.approved):
            raise BadInput(f"{choices.approved!r} is no plan's hash", [])
    asks = choices.stage not in _READING and not (choices.yes or choices.approved)
    if (asks or choices.ask_keys) and (choices.as_json or not sys.stdin.isatty()):
        needed = (
            "ONBOARD_ROLLBACK_KEYS in place of --ask-keys"
            if choices.ask_keys
            else "--yes, or --plan with an approved hash"
        )
        raise BadInput(f"nobody can be asked here: give {needed}", [])


def _carry_out(choices: MigrateChoices, settings: Settings) -> MigrationReport:
    """One run; without --yes first one that only plans, which is shown and asked about."""
    if choices.stage in _READING:
        return run_flow(choices, settings, mode="plan")
    approved = choices.approved
    if choices.ask_keys or (approved is None and not choices.yes):
        planned = run_flow(
            replace(choices, parameters={**choices.parameters, "output": None}), settings, mode="plan"
        )
        if planned.outcome != "planned":
            return planned
        if choices.ask_keys:
            settings = _with_keys(planned, settings)
        if approved is None and not choices.yes:
            _show(planned, choices)
            question = f"Carry out exactly this plan for {planned.counts['planned']} data sources?"
            if not typer.confirm(question, default=False):
                raise Declined
            approved = planned.plan.hash if planned.plan is not None else None
    return run_flow(choices, settings, mode="apply", approved_plan=approved)


def _with_keys(planned: MigrationReport, settings: Settings) -> Settings:
    """Ask for the secret of each AccessKey once; what is typed is not shown and not kept. Empty: not given."""
    from config.settings import RollbackKey
    from tasks.migration.keys import key_ids, masked

    wanted: dict[str, list[str]] = {}
    for one in planned.results:
        if one.item is None or one.name in settings.rollback_keys:
            continue
        for key_id in key_ids(one.item.found, one.item.record, one.item.credential_keys).values():
            place = one.name if masked(key_id) else key_id
            if place not in settings.rollback_keys:
                wanted.setdefault(place, []).append(one.name)
    given = dict(settings.rollback_keys)
    for place, names in wanted.items():
        identifier = None
        if place in names:
            identifier = typer.prompt(
                f"AccessKey id of data source {place} (empty: not given)", default="", err=True
            )
            if not identifier:
                continue
        secret = typer.prompt(
            f"Secret of {place}, to put back {', '.join(dict.fromkeys(names))} (empty: not given)",
            default="", hide_input=True, show_default=False, err=True,
        )  # fmt: skip
        if secret:
            given[place] = RollbackKey.model_validate(
                {"access_key_id": identifier, "access_key_secret": secret}
            )
    return settings.model_copy(update={"rollback_keys": given})


def run_flow(choices: MigrateChoices, settings: Settings, **parameters: Any) -> MigrationReport:
    """Run the flow here, against the configured Prefect server or a temporary one, and return its report.

    Raises what the flow raises.
    """
    from cli.show import progress
    from cloud.gate import Gate
    from flows.migrate import migrate_sources
    from flows.migrate_report import MigrationReport
    from tasks.connection import use_gates

    clock = StoppableClock()
    require_prefect_server()
    where = settings.local_cloud or "Alibaba Cloud"
    what = choices.parameters["file"] or f"workspace {choices.parameters['workspace']}"
    title = (
        f"{'Planning the migration of' if parameters['mode'] == 'plan' else 'Migrating'} {what} on {where}"
    )
    call: Any = migrate_sources  # return_state is an argument of every flow, which the type does not show
    with (
        interruptible(clock),
        use_gates(lambda region: Gate(settings, region, clock)),
        progress(title, choices.as_json),
    ):
        start_prefect(choices.as_json)
        state = call(**choices.parameters, **parameters, stage=choices.stage, return_state=True)
        result = state.result(raise_on_failure=False)
    report = report_of(state, result, MigrationReport)
    if report.failure is not None:
        raise report.failure
    return report


def _show(report: MigrationReport, choices: MigrateChoices) -> None:
    if choices.as_json:
        print(json.dumps(report.to_json(), ensure_ascii=False))
        return
    from cli.show_migration import show_migration

    show_migration(report)

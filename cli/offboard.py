"""``onboard offboard``: one data source or a whole CSV file, planned, shown, asked about, taken back and reported."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cli.ending import Declined, exit_code, report_of
from cli.first_start import start_prefect
from cli.inputs import BadInput, read_settings, read_spec
from cli.interrupt import StoppableClock, interruptible
from cli.prefect_environment import prepare, require_prefect_server

if TYPE_CHECKING:
    from config.settings import Settings
    from flows.offboard_report import OffboardingReport

EXIT_CHANGES = 3


@dataclass(frozen=True)
class OffboardChoices:
    """What was given on the command line; ``parameters`` are those of both flows, ``brakes`` those of a file's."""

    spec: Path | None
    file: str | None
    defaults: str | None
    parameters: dict[str, Any]
    brakes: dict[str, int | None]
    dry_run: bool
    yes: bool
    as_json: bool
    verbose: bool


def run_offboard(choices: OffboardChoices) -> int:
    """Carry the choices out; returns the exit code."""
    prepare(choices.verbose)
    return exit_code(
        lambda: _run_and_show(choices), as_json=choices.as_json, again="start the same command again to go on"
    )


def _run_and_show(choices: OffboardChoices) -> int:
    _require_sense(choices)
    report = _carry_out(choices, read_settings())
    _show(report, choices)
    if choices.dry_run and not report.exit_code:
        return EXIT_CHANGES if report.counts.get("planned") else 0
    return report.exit_code


def _require_sense(choices: OffboardChoices) -> None:
    """Raise :class:`BadInput` for choices that do not go together, or when nobody can be asked."""
    if (choices.spec is None) == (choices.file is None):
        raise BadInput("give a specification or --csv, one of them", [])
    if choices.defaults is not None and choices.file is None:
        raise BadInput("--defaults are those of a CSV file, and none is given", [])
    if choices.file is None and any(value is not None for value in choices.brakes.values()):
        raise BadInput("--max-changes and --max-failures are brakes of a CSV file, and none is given", [])
    approved = choices.parameters["approved_plan"]
    if approved is not None:
        from tasks.planning import is_plan_hash

        if not is_plan_hash(approved):
            raise BadInput(f"{approved!r} is no plan's hash", [])
    asks = not (choices.dry_run or choices.yes or approved is not None)
    if asks and (choices.as_json or not sys.stdin.isatty()):
        raise BadInput("nobody can be asked here: give --yes, --dry-run, or --plan with an approved hash", [])


def _carry_out(choices: OffboardChoices, settings: Settings) -> OffboardingReport:
    """One run; without --yes first one that only plans, which is shown and asked about. Raises :class:`Declined`."""
    if choices.dry_run:
        return run_flow(choices, settings, mode="plan")
    if choices.yes or choices.parameters["approved_plan"] is not None:
        return run_flow(choices, settings, mode="apply")
    planned = run_flow(choices, settings, mode="plan")
    count = planned.counts.get("planned", 0)
    if not count or planned.stop is not None or planned.plan is None:
        return planned
    _show(planned, choices)
    question = f"Take back exactly this, {count} data source{'' if count == 1 else 's'}?"
    if not typer.confirm(question, default=False):
        raise Declined
    return run_flow(choices, settings, mode="apply", approved_plan=planned.plan.hash)


def run_flow(choices: OffboardChoices, settings: Settings, **parameters: Any) -> OffboardingReport:
    """Run the flow here, against the configured Prefect server or a temporary one, and return its report.

    Raises what concerns the whole run, such as another plan than the approved one, and what the flow raises.
    """
    from cli.show import progress
    from cloud.gate import Gate
    from flows.offboard import offboard_data_source, offboard_from_csv
    from flows.offboard_report import OffboardingReport
    from tasks.connection import use_gates

    given = {**choices.parameters, **parameters}
    call: Any  # return_state is an argument of every flow, which the type does not show
    if choices.file is not None:
        call, given = (
            offboard_from_csv,
            {**given, **choices.brakes, "source": choices.file, "defaults": choices.defaults},
        )
    else:
        assert choices.spec is not None
        call, given = offboard_data_source, {**given, "spec": read_spec(choices.spec)}
    clock = StoppableClock()
    require_prefect_server()
    where = settings.local_cloud or "Alibaba Cloud"
    doing = "Planning what goes of" if given["mode"] == "plan" else "Offboarding"
    with (
        interruptible(clock),
        use_gates(lambda region: Gate(settings, region, clock)),
        progress(f"{doing} {choices.file or choices.spec} on {where}", choices.as_json),
    ):
        start_prefect(choices.as_json)
        state = call(**given, return_state=True)
        result = state.result(raise_on_failure=False)
    report = report_of(state, result, OffboardingReport)
    if report.failure is not None:
        raise report.failure
    return report


def _show(report: OffboardingReport, choices: OffboardChoices) -> None:
    if choices.as_json:
        print(json.dumps(report.to_json(), ensure_ascii=False))
        return
    from cli.show_offboarding import show_offboarding

    show_offboarding(report)

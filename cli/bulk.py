"""``onboard bulk``: a whole CSV file, planned, shown, asked about, carried out and reported."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from cli.ending import Declined, exit_code, report_of
from cli.first_start import LOADING, say, start_prefect
from cli.inputs import BadInput, read_settings
from cli.interrupt import StoppableClock, interruptible
from cli.prefect_environment import prepare, require_prefect_server

if TYPE_CHECKING:
    from prefect.client.schemas.objects import State

    from config.settings import Settings
    from flows.bulk_report import BulkReport


@dataclass(frozen=True)
class BulkChoices:
    """What was given on the command line; ``parameters`` are those of the flow."""

    file: str
    parameters: dict[str, Any]
    dry_run: bool
    yes: bool
    as_json: bool
    verbose: bool


def run_bulk(choices: BulkChoices) -> int:
    """Run the file; returns the exit code: 0 done, 1 some rows failed, 2 bad input, 3 changes (dry run), 4 stopped."""
    say(LOADING, quiet=choices.as_json)
    prepare(choices.verbose)
    return exit_code(
        lambda: _run_and_show(choices),
        as_json=choices.as_json,
        again="start it again with the same file to go on",
    )


def _run_and_show(choices: BulkChoices) -> int:
    _require_somebody(choices)
    report = _carry_out(choices, read_settings())
    _show(report, choices)
    if report.unwritten:
        print(f"error: {report.unwritten}", file=sys.stderr)
    if choices.dry_run and not report.exit_code:
        return 3 if report.counts()["planned"] else 0
    return report.exit_code or (1 if report.unwritten else 0)


def _require_somebody(choices: BulkChoices) -> None:
    """Writing without a question needs a word for it."""
    approved = choices.parameters.get("approved_plan") is not None
    asks = not (choices.dry_run or choices.yes or approved)
    if asks and (choices.as_json or not sys.stdin.isatty()):
        raise BadInput("nobody can be asked here: give --yes, --dry-run, or --plan with an approved hash", [])


def _carry_out(choices: BulkChoices, settings: Settings) -> BulkReport:
    """One run; without --yes first a run that only plans, which is shown and asked about."""
    if choices.dry_run:
        return run_flow(choices, settings, mode="plan")
    if choices.yes or choices.parameters.get("approved_plan") is not None:
        return run_flow(choices, settings, mode="apply")
    planned = run_flow(choices, settings, mode="plan", report_folder=None)
    _show(planned, choices)
    changed = planned.counts()["planned"]
    if changed and not typer.confirm(f"Carry out exactly this plan for {changed} rows?", default=False):
        raise Declined
    return run_flow(choices, settings, mode="apply", approved_plan=planned.plan_hash or None)


def run_flow(choices: BulkChoices, settings: Settings, **parameters: Any) -> BulkReport:
    """Run the flow here, against the configured Prefect server or a temporary one, and return its report.

    Raises what the flow raises.
    """
    from cli.show import progress
    from cloud.gate import Gate
    from flows.bulk_report import BulkReport
    from tasks.connection import use_gates

    clock = StoppableClock()
    require_prefect_server()
    where = settings.local_cloud or "Alibaba Cloud"
    title = f"{'Planning' if parameters['mode'] == 'plan' else 'Onboarding'} {choices.file} on {where}"
    with (
        interruptible(clock),
        use_gates(lambda region: Gate(settings, region, clock)),
        progress(title, choices.as_json),
    ):
        start_prefect(choices.as_json)
        state, result = _run(choices.file, {**choices.parameters, **parameters})
    return report_of(state, result, BulkReport)


def _run(file: str, parameters: dict[str, Any]) -> tuple[State[Any], object]:
    """Final state and result of the flow. Raises ``KeyboardInterrupt`` for SIGINT and SIGTERM."""
    from prefect.exceptions import TerminationSignal

    try:
        try:
            return asyncio.run(_state_and_result(file, parameters))
        except TerminationSignal:
            # While a flow runs, Prefect's handler has the place of ours for SIGTERM; ours does the same for both.
            signal.raise_signal(signal.SIGINT)
            raise
    except KeyboardInterrupt:
        _wait_for_threads()
        raise


def _wait_for_threads() -> None:
    """Until the rows' threads have seen that they are to end; the interrupt's watch bounds it.

    At the interpreter's end nobody would bound it.
    """
    from flows.bulk_units import THREAD_NAME

    for thread in threading.enumerate():
        if thread.name.startswith(THREAD_NAME):
            thread.join()


async def _state_and_result(file: str, parameters: dict[str, Any]) -> tuple[State[Any], object]:
    from flows.bulk import onboard_from_csv

    call: Any = onboard_from_csv  # return_state is an argument of every flow, which the type does not show
    state: State[Any] = await call(file, **parameters, return_state=True)
    return state, await state.aresult(raise_on_failure=False)


def _show(report: BulkReport, choices: BulkChoices) -> None:
    if choices.as_json:
        print(json.dumps(report.to_json(), ensure_ascii=False))
        return
    from cli.show_bulk import show_bulk

    show_bulk(report)

"""``onboard apply``: run the flow in this process and show its report."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from cli.connect import connect
from cli.ending import Declined, exit_code, report_of
from cli.first_start import LOADING, say, start_prefect
from cli.inputs import BadInput, read_settings, read_spec
from cli.interrupt import StoppableClock, interruptible
from cli.plan import read_approval
from cli.prefect_environment import prepare, require_prefect_server

Approval = tuple[str, "dict[str, str] | None"]
"""Hash of the approved plan and, when they are known, the digests of what it was computed from."""

if TYPE_CHECKING:
    from config.settings import Settings
    from config.spec import DataSourceSpec
    from flows.report import OnboardingReport
    from tasks.planning import Plan


def apply_file(path: Path, *, as_json: bool, yes: bool, approved: str | None, verbose: bool) -> int:
    """Plan, show, ask, apply; returns the exit code."""
    say(LOADING, quiet=as_json)
    return exit_code(
        lambda: _apply(path, as_json=as_json, yes=yes, approved=approved, verbose=verbose),
        as_json=as_json,
        again="apply again to go on",
    )


def _apply(path: Path, *, as_json: bool, yes: bool, approved: str | None, verbose: bool) -> int:
    spec, settings = read_spec(path), read_settings()
    approval = read_approval(approved) if approved is not None else None
    if approval is None and not yes:
        if as_json or not sys.stdin.isatty():
            raise BadInput("nobody can be asked here: give --yes, or --plan with an approved plan", [])
        plan = _confirmed_plan(spec, settings)
        if plan is None:
            return 2
        approval = (plan.hash, dict(plan.readings))
    report = run_flow(spec, settings, quiet=as_json, verbose=verbose, approval=approval)
    _name_what_moved(report, approval)
    if as_json:
        print(json.dumps(report.to_json(), ensure_ascii=False))
    else:
        from cli.show import show_report

        show_report(report)
    if report.failure is not None and report.failure.kind == "PreflightBlocked":
        return 2
    return 1 if report.failure else 0


def _name_what_moved(report: OnboardingReport, approval: Approval | None) -> None:
    """The flow knows the approved hash only; a plan file, or the plan shown here, names the objects that moved."""
    failure, plan = report.failure, report.plan
    if approval is None or failure is None or failure.kind != "PlanMoved" or plan is None:
        return
    from tasks.planning import PlanMoved, require_same

    try:
        require_same(plan, *approval)
    except PlanMoved as error:
        report.failure = replace(failure, what=error.what)


def _confirmed_plan(spec: DataSourceSpec, settings: Settings) -> Plan | None:
    """Show the plan and ask; None when preflight blocks. Raises :class:`Declined`."""
    gate = connect(settings, spec.region)
    from cli.show import show_preflight
    from tasks.connection import step_limits
    from tasks.preflight import run_preflight

    with step_limits(spec, 0):
        preflight = run_preflight(gate, spec)
    show_preflight(preflight)
    if preflight.blocked or preflight.plan is None:
        return None
    if not preflight.plan.empty and not typer.confirm("Apply exactly this plan?", default=False):
        raise Declined
    return preflight.plan


def run_flow(
    spec: DataSourceSpec,
    settings: Settings,
    *,
    quiet: bool,
    verbose: bool,
    approval: Approval | None = None,
) -> OnboardingReport:
    """Run the flow here, against the configured Prefect server or a temporary one, and return its report.

    Raises what the flow raises beyond an onboarding's own errors.
    """
    prepare(verbose)
    from cli.show import progress
    from cloud.gate import Gate
    from flows.onboard import onboard_data_source
    from flows.report import OnboardingReport
    from tasks.connection import use_gate

    where = settings.local_cloud or f"Alibaba Cloud, {spec.region}"
    clock = StoppableClock()
    gate = Gate(settings, spec.region, clock)
    require_prefect_server()
    with interruptible(clock), use_gate(gate), progress(f"Onboarding {spec.name} on {where}", quiet):
        start_prefect(quiet)
        state = onboard_data_source(spec, approved_plan=approval[0] if approval else None, return_state=True)
        result = state.result(raise_on_failure=False)
    return report_of(state, result, OnboardingReport)

"""``onboard apply``: run the flow in this process and show its report."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from cli.inputs import BadInput, read_settings, read_spec, report_bad_input
from cli.prefect_environment import prepare

if TYPE_CHECKING:
    from config.settings import Settings
    from config.spec import DataSourceSpec
    from flows.report import OnboardingReport


def apply_file(path: Path, *, as_json: bool, verbose: bool) -> int:
    """Apply a specification; returns the exit code."""
    try:
        spec, settings = read_spec(path), read_settings()
    except BadInput as error:
        report_bad_input(error, as_json)
        return 2
    try:
        report = run_flow(spec, settings, quiet=as_json, verbose=verbose)
    except KeyboardInterrupt:
        print("interrupted; apply again to go on: what was done is found and not repeated", file=sys.stderr)
        return 130
    if as_json:
        print(json.dumps(report.to_json(), ensure_ascii=False))
    else:
        from cli.show import show_report

        show_report(report)
    return 1 if report.failure else 0


def run_flow(spec: DataSourceSpec, settings: Settings, *, quiet: bool, verbose: bool) -> OnboardingReport:
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
    with use_gate(Gate(settings, spec.region)), progress(f"Onboarding {spec.name} on {where}", quiet):
        state = onboard_data_source(spec, return_state=True)
        result = state.result(raise_on_failure=False)
    if isinstance(result, OnboardingReport):
        return result
    if isinstance(result, BaseException):
        raise result
    raise RuntimeError(f"the flow ended as {state.name} without a report: {state.message}")

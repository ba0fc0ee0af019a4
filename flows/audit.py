"""The flow that audits workspaces or the whole account of a region, on a schedule or at once. It writes nothing there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from prefect import flow
from prefect.runtime import flow_run

from config.forms import Blocks, titled
from flows.audit_files import write_audit
from flows.audit_inputs import read_inputs, run_audit
from flows.audit_report import AuditReport, headline
from flows.audit_summary import publish_audit
from flows.bulk_files import require_folder
from flows.events import audit_ended
from policy.findings import Severity
from tasks.connection import gate_for, use_credentials
from tasks.options import announce, ended, failed

FailOn = Literal["info", "low", "medium", "high"]


def _run_name() -> str:
    """``audit cn-hangzhou``, with the workspaces where they are named."""
    parameters: dict[str, Any] = dict(flow_run.parameters)
    return " ".join(["audit", str(parameters.get("region")), *map(str, parameters.get("workspaces") or ())])


@flow(name="audit", flow_run_name=_run_name, persist_result=False)
def audit_account(
    region: Annotated[str, titled("Region")],
    workspaces: Annotated[list[int] | None, titled("Workspaces")] = None,
    specs: Annotated[list[str] | None, titled("Specifications")] = None,
    csv: Annotated[list[str] | None, titled("CSV files")] = None,
    defaults: Annotated[str | None, titled("Defaults of the CSV files")] = None,
    baseline: Annotated[str | None, titled("Baseline")] = None,
    fail_on: Annotated[FailOn | None, titled("Fail on")] = None,
    report_folder: Annotated[str | None, titled("Folder for reports")] = None,
    credentials: Annotated[Blocks, titled("Credentials")] = None,
) -> AuditReport:
    """Find what is not as it should be: keys, roles, grants, sync tasks, quotas, drift from specifications.

    Args:
        region: Region of the workspaces. Example: cn-hangzhou
        workspaces: Ids of the workspaces to audit. Default: all of the account in the region. Example: [10001]
        specs: Specifications to compare with, YAML files on the worker. Example: ["sources/orders.yaml"]
        csv: CSV files to compare with, paths on the worker or URLs. Example: ["sources.csv"]
        defaults: YAML file with values for empty cells of the CSV files. Example: defaults.yaml
        baseline: YAML file with findings that are accepted, a path on the worker or a URL. Example: baseline.yaml
        fail_on: End as failed when a finding is open that is at least so severe, or something could not be read.
            Example: high
        report_folder: Folder on the worker for the JSON, SARIF, CSV and HTML reports. Example: reports
        credentials: With whose credentials the calls are made. Without, those of the worker's settings.

    Returns:
        A completed state with the report, a failed one when ``fail_on`` says so. Raises
        :class:`config.load.SpecError` for a file, and :class:`flows.bulk_files.FolderUnusable` for a report folder, that
        cannot be used, before anything is read from the cloud.
    """
    if report_folder is not None:
        require_folder(Path(report_folder))
    inputs = read_inputs(region, workspaces, specs or (), csv or (), defaults, baseline)
    blocks: dict[str, str] = {str(persona): block for persona, block in (credentials or {}).items()}
    with use_credentials(blocks, region):
        report = run_audit(gate_for(region), inputs)
    publish_audit(report)
    audit_ended(report)
    if report_folder is not None:
        for path in write_audit(report, Path(report_folder)):
            announce(f"wrote {path}")
    told = headline(report)
    if report.exit_code(Severity(fail_on) if fail_on else None):
        return failed(told, report)
    return ended(told, report)

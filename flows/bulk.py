"""The flow for a whole file: many data sources of mixed types, each row reported, resumable at any point.

Rows are planned together and carried out side by side; what was done is found in the cloud, so that starting the flow
again with the same file goes on where it ended.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, cast

from prefect import flow
from prefect.artifacts import acreate_markdown_artifact, acreate_table_artifact
from prefect.runtime import flow_run
from prefect.states import Completed

from config.csv_file import BulkFile, Row, read_rows
from config.csv_place import shown_place
from config.csv_problems import RowProblem
from config.forms import ApprovalTimeout, Blocks, Mode, PlanHash, titled
from config.settings import Settings
from flows.approval import NotApproved
from flows.artifacts import artifact_key
from flows.bulk_approval import ask_for_file_approval
from flows.bulk_brakes import Brakes
from flows.bulk_files import read_selection, require_folder, write_report
from flows.bulk_form import (
    Count,
    Defaults,
    OnInvalid,
    Only,
    OnlyRows,
    Percent,
    PreviousReport,
    ReportFolder,
    RowsAtOnce,
    ShardCount,
)
from flows.bulk_html import headline
from flows.bulk_merge import merge, whole_hash
from flows.bulk_region import RunOf, by_region, in_region, require_approved
from flows.bulk_report import BulkReport, RowOutcome, RowReport, Stop
from flows.bulk_shards import shards_of
from flows.bulk_summary import bulk_markdown, bulk_table
from flows.events import bulk_ended, file_approval_needed
from flows.metrics import record_run
from tasks.options import announce, ended, failed


@dataclass
class _Rows:
    """The rows of one run, and those that are left out with the reason."""

    file: BulkFile
    selected: list[Row]
    left_out: list[RowReport] = field(default_factory=list)


def _run_name() -> str:
    """``onboard sources.csv``."""
    return f"onboard {shown_place(str(flow_run.parameters.get('source')))}"


@flow(name="onboard from CSV", flow_run_name=_run_name, persist_result=False)
async def onboard_from_csv(
    source: Annotated[str, titled("CSV file")],
    defaults: Annotated[Defaults, titled("Defaults of columns")] = None,
    mode: Annotated[Mode, titled("Plan or apply")] = "apply",
    on_invalid: Annotated[OnInvalid, titled("When a row is invalid")] = "stop",
    max_failures: Annotated[Count, titled("Stop after failures")] = None,
    max_changes: Annotated[Count, titled("Rows that may change")] = None,
    max_changes_percent: Annotated[Percent, titled("Rows that may change, in per cent")] = None,
    only: Annotated[OnlyRows, titled("Only some rows")] = None,
    previous_report: Annotated[PreviousReport, titled("Report of an earlier run")] = None,
    approved_plan: Annotated[PlanHash, titled("Approved plan")] = None,
    require_approval: Annotated[bool, titled("Ask for approval")] = False,
    approval_timeout: Annotated[ApprovalTimeout, titled("Wait for approval, in seconds")] = 86_400,
    rows_at_once: Annotated[RowsAtOnce, titled("Rows at once")] = None,
    shards: Annotated[ShardCount, titled("Spread over workers")] = 1,
    report_folder: Annotated[ReportFolder, titled("Folder for reports")] = None,
    credentials: Annotated[Blocks, titled("Credentials")] = None,
) -> BulkReport:
    """Take every data source of a CSV file through the five steps; a second run of the same file writes nothing.

    Args:
        source: Path or URL of the CSV file, as the worker sees it: local, https, s3 or oss.
            Example: examples/bulk/sources.csv
        defaults: Values for cells that are empty and columns that are not there, from a YAML file or given here.
            Example: examples/bulk/defaults.yaml
        mode: plan shows what would change and writes nothing; apply carries it out. A second apply writes nothing.
        on_invalid: stop refuses a file with an invalid row; skip leaves such rows out and reports them.
        max_failures: Nothing more is written when so many rows or shared roles have failed. Example: 5
        max_changes: The run stops before its first write when more rows would change. Example: 50
        max_changes_percent: The same, as a share of the file's rows. Example: 20
        only: Only rows that ended so in the report of an earlier run. Example: failed
        previous_report: Where the JSON report of that run is; needed for only some rows.
            Example: reports/sources.json
        approved_plan: Carry out only the plan of this hash, as an earlier run with "plan" has shown it; anything else
            is refused. Example: 3f2a91c0b7d4-5e6f70819a2b-c3d4e5f60718
        require_approval: Pause when the plan is there, until somebody approves its hash: on the page of the run, in the menu
            at the right of its name, Resume. Example: true
        approval_timeout: How long to wait for an approval, from 60 to 604800; then the run ends and nothing is written.
            Example: 86400 (a day)
        rows_at_once: Rows under way at the same time. By default so many as keep the edition's request rates full; the
            rates are kept whatever it is. Example: 32
        shards: Over how many workers the rows are spread, as runs of the deployment bulk-shard. Example: 1
        report_folder: Where the worker writes the JSON, CSV and HTML reports. Example: reports
        credentials: With whose credentials the calls are made. Without, those of the worker's settings.

    Returns:
        A completed state with the report when every row is as specified; a failed one, with the report, when rows have
        failed, the run was stopped, or the report's files could not be written. Raises
        :class:`config.csv_problems.CsvInvalid` for a file, and :class:`flows.bulk_files.FolderUnusable` for a report
        folder, that cannot be used, before anything is written.
    """
    began = time.time()
    if report_folder is not None:
        await asyncio.to_thread(require_folder, Path(report_folder))
    file = await asyncio.to_thread(read_file, source, defaults, on_invalid)
    rows = await asyncio.to_thread(_select, file, only, previous_report)
    brakes = Brakes(max_failures, max_changes, max_changes_percent)
    run_of = RunOf(
        file.source,
        mode,
        brakes,
        approved_plan,
        rows_at_once,
        await shards_of(shards),
        {
            "source": source,
            "source_digest": file.digest,
            "defaults": defaults,
            "on_invalid": on_invalid,
            "credentials": credentials,
        },
    )
    regions = by_region(rows.selected)
    blocks: dict[str, str] = {str(persona): block for persona, block in (credentials or {}).items()}
    if require_approval and mode == "apply" and approved_plan is None:
        planned = await _planned_whole(rows, regions, run_of, blocks, began)
        try:
            await _approved(planned, approval_timeout)
        except NotApproved as ending:
            return await _not_approved(planned, ending, report_folder)
        run_of = replace(run_of, approved_plan=planned.plan_hash)
    run_of, stop = await _looked_over(regions, run_of, blocks)
    parts: list[BulkReport] = []
    for region, members in regions.items():
        if stop is None:
            parts.append(await in_region(members, region, run_of, blocks))
            stop = parts[-1].stop
        else:
            parts.append(_not_begun(members, region, run_of, stop))
    report = _whole(rows, parts, run_of, began)
    await _publish(report, report_folder)
    await asyncio.to_thread(bulk_ended, report)
    await asyncio.to_thread(record_run, report, Settings().metrics_file)
    return ended_with(report)


def read_file(source: str, defaults: str | dict[str, Any] | None, on_invalid: OnInvalid) -> BulkFile:
    """The file; raises :class:`CsvInvalid` when it cannot be used, or holds an invalid row and that must stop it."""
    file = read_rows(source, defaults=defaults)
    return file.require_valid() if on_invalid == "stop" else file


def _select(file: BulkFile, only: Only | None, previous_report: str | None) -> _Rows:
    """The rows to run, and reports of those that are left out. Raises :class:`ReportInvalid`."""
    chosen = read_selection(only, previous_report, file.source)
    rows = _Rows(file, [])
    for row in file.rows:
        if chosen is None or (row.spec.workspace, row.spec.name) in chosen:
            rows.selected.append(row)
        else:
            rows.left_out.append(_row(row, RowOutcome.NOT_SELECTED))
    rows.left_out += [_invalid(number, found) for number, found in _by_row(file.problems).items()]
    announce(f"{file.source}: {len(rows.selected)} rows, {len(rows.left_out)} left out")
    return rows


def _by_row(problems: Sequence[RowProblem]) -> dict[int, list[RowProblem]]:
    found: dict[int, list[RowProblem]] = {}
    for problem in problems:
        found.setdefault(problem.row, []).append(problem)
    return found


def _row(row: Row, outcome: RowOutcome) -> RowReport:
    spec = row.spec
    return RowReport(row.number, spec.workspace, spec.name, spec.type, spec.region, spec.role_name, outcome)


def _invalid(number: int, problems: Sequence[RowProblem]) -> RowReport:
    told = tuple(str(problem) for problem in problems)
    return RowReport(
        number, 0, "", "", "", "", RowOutcome.INVALID, problems=told, remedy="correct the row in the file"
    )


async def _planned_whole(
    rows: _Rows, regions: Mapping[str, Sequence[Row]], run_of: RunOf, blocks: dict[str, str], began: float
) -> BulkReport:
    """The plan of all regions."""
    planning = replace(run_of, mode="plan", approved_plan=None)
    plans = [await in_region(members, region, planning, blocks) for region, members in regions.items()]
    return _whole(rows, plans, planning, began)


async def _approved(planned: BulkReport, timeout: int) -> None:
    """Pause until the plan is approved; not for one that changes nothing. Raises as :func:`ask_for_file_approval`."""
    if not any(row.planned for row in planned.rows):
        return
    await _publish(planned, None)
    await asyncio.to_thread(file_approval_needed, planned, timeout)
    await ask_for_file_approval(planned, timeout)


async def _not_approved(planned: BulkReport, ending: NotApproved, report_folder: str | None) -> BulkReport:
    """The plan, with the reason why it was not carried out."""
    planned.stop = Stop("approval", str(ending), "start it again, and have its plan approved")
    await _publish(planned, report_folder)
    await asyncio.to_thread(record_run, planned, Settings().metrics_file)
    return cast(BulkReport, Completed(name=ending.name, message=str(ending), data=planned))


async def _looked_over(
    regions: Mapping[str, Sequence[Row]], run_of: RunOf, blocks: dict[str, str]
) -> tuple[RunOf, Stop | None]:
    """An approval and a bound on changes are about the whole file: several regions are all planned before the first
    write, and what was answered is not asked of each region again. Raises :class:`PlanMoved`.
    """
    brakes = run_of.brakes
    bounded = brakes.changes is not None or brakes.changes_percent is not None
    if len(regions) < 2 or run_of.mode == "plan" or not (bounded or run_of.approved_plan):
        return run_of, None
    planning = replace(run_of, mode="plan", approved_plan=None)
    plans = [await in_region(members, region, planning, blocks) for region, members in regions.items()]
    require_approved(run_of, whole_hash(plans))
    planned = [row for plan in plans for row in plan.rows if row.outcome is RowOutcome.PLANNED]
    touched = sum(bool(row.planned) for row in planned)  # the others only wait for a run
    stop = brakes.before(touched, sum(len(plan.rows) for plan in plans))
    return replace(run_of, approved_plan=None, brakes=Brakes(brakes.failures)), stop


def _not_begun(rows: Sequence[Row], region: str, run_of: RunOf, stop: Stop) -> BulkReport:
    """The rows of a region after the one in which the run was stopped."""
    now = time.time()
    reports = [_row(row, RowOutcome.NOT_STARTED) for row in rows]
    for report in reports:
        report.reason, report.remedy = stop.what, stop.goes_on
    return BulkReport(run_of.source, region, run_of.mode, now, now, reports, stop)


def _whole(rows: _Rows, parts: Sequence[BulkReport], run_of: RunOf, began: float) -> BulkReport:
    """All regions and the rows that were left out, in one report."""
    now = time.time()
    report = merge(parts) if parts else BulkReport(run_of.source, "", run_of.mode, began, now)
    report.started, report.ended, report.plan_hash = began, now, whole_hash(parts)
    report.rows = sorted([*report.rows, *rows.left_out], key=lambda row: row.row)
    return report


async def _publish(report: BulkReport, folder: str | None) -> None:
    """The report as files where a folder is named, and as artifacts, which say where the files are."""
    key = Path(report.source).name
    files = await _write(report, folder)
    await acreate_markdown_artifact(
        key=artifact_key("bulk", 0, key),
        markdown=bulk_markdown(report, files),
        description=f"Onboarding of {report.source}",
    )
    await acreate_table_artifact(
        key=artifact_key("bulk-rows", 0, key),
        table=bulk_table(report),
        description=f"Rows of {report.source}",
    )


async def _write(report: BulkReport, folder: str | None) -> tuple[Path, ...]:
    if folder is None:
        return ()
    try:
        files = await asyncio.to_thread(write_report, report, Path(folder))
    except OSError as error:
        # The work is done and its outcome must be heard all the same.
        report.unwritten = f"the report could not be written to {folder}: {error.strerror or error}"
        return ()
    for path in files:
        announce(f"report: {path}")
    return files


def ended_with(report: BulkReport) -> BulkReport:
    """The final state: completed when every row is as specified, failed when somebody has to do something."""
    message = "; ".join(part for part in (headline(report), report.unwritten) if part)
    if report.exit_code or report.unwritten:
        return failed(message, report)
    return ended(message, report)

"""The rows of one region of a file: planned together, then carried out here or by shards, and reported."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from prefect.runtime import flow_run

from cloud.gate import Gate
from config.csv_file import Row
from config.forms import Mode
from config.limits import DATAWORKS, RAM, STS, rate_group
from config.spec import DataSourceSpec
from flows.artifacts import artifact_key
from flows.bulk_brakes import Brakes
from flows.bulk_floor import floor_seconds
from flows.bulk_merge import merge
from flows.bulk_progress import ProgressBar
from flows.bulk_report import BulkReport, RowReport, Stop, UsagePoint
from flows.bulk_run import BulkRun
from flows.bulk_shards import Shards
from flows.bulk_units import Ready
from flows.metrics import action_calls
from flows.row_turns import RowTurns
from flows.stopping import ends_with_its_call
from tasks.bulk_plan import plan_file, plan_made
from tasks.bulk_preflight import FileCheck, check_file
from tasks.connection import file_limits, gate_for, use_credentials
from tasks.options import announce
from tasks.planning import PlanMoved
from tasks.preflight_findings import PreflightFinding

# A row takes some twenty seconds from its first write to its proof. So many of them keep the rates of the Enterprise
# edition full (20 writes a second, 6 a row), and those of lower editions (5 calls a second).
_ROWS_AT_ONCE = {"dataworks:write": 128, DATAWORKS: 32}


@dataclass(frozen=True)
class RunOf:
    """What a run was asked for, the same for every region. ``parameters`` are handed on to the flows of shards."""

    source: str
    mode: Mode
    brakes: Brakes
    approved_plan: str | None
    rows_at_once: int | None
    shards: int = 1
    parameters: Mapping[str, Any] = field(default_factory=dict)
    ready: Mapping[str, Ready] | None = None
    """Roles with their grants that the flow which started this one has made, after preflight and for all rows."""


def by_region(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """The rows by region, in the order of the file."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.spec.region, []).append(row)
    return found


async def in_region(rows: Sequence[Row], region: str, run_of: RunOf, blocks: dict[str, str]) -> BulkReport:
    """Plan and carry out the rows of one region with the credentials ``blocks`` name, by persona."""
    with use_credentials(blocks, region):
        return await carry_out(rows, region, run_of)


async def carry_out(
    rows: Sequence[Row], region: str, run_of: RunOf, watch: Callable[[BulkRun], None] | None = None
) -> BulkReport:
    """Plan and carry out the rows of one region; ``watch`` is given the run before it writes anything."""
    gate = gate_for(region)
    with RowTurns() as turns, ends_with_its_call(gate):
        return await _carried_out(gate, rows, run_of, turns, watch)


async def _carried_out(
    gate: Gate, rows: Sequence[Row], run_of: RunOf, turns: RowTurns, watch: Callable[[BulkRun], None] | None
) -> BulkReport:
    began = time.time()
    check = await asyncio.to_thread(_planned, gate, [row.spec for row in rows], run_of.ready)
    plan = check.plan
    announce(f"plan {plan.hash}: {len(plan.touched)} of {len(rows)} rows would change")
    require_approved(run_of, plan.hash)
    at_once = run_of.rows_at_once or _ROWS_AT_ONCE[rate_group(DATAWORKS, "CreateFile", gate.settings.edition)]
    run = BulkRun(gate, rows, plan, run_of.brakes, at_once, ready=run_of.ready, turns=turns)
    if check.no_room:
        told = "; ".join(str(error) for error in check.no_room)
        run.stop = Stop("room", told, "make room, then start it again with the same file")
    if watch is not None:
        watch(run)
    if run_of.mode == "plan":
        return _report(gate, run, run.planned(), check.findings, run_of, began)
    elsewhere: BulkReport | None = None
    name, key = f"Onboarding {len(plan.changed)} rows in {gate.region}", Path(run_of.source).name
    async with ProgressBar(name, run.progress, artifact_key("bulk-progress", 0, key)) as bar:
        if run_of.shards > 1 and gate.allowance.limit is None:
            shards = Shards(run, f"{flow_run.id}{gate.region}".replace("-", ""), dict(run_of.parameters))
            elsewhere = await shards.apply(run_of.shards, bar.tell)
            reports = run.all_reports(elsewhere.rows if elsewhere else ())
        else:
            reports = await run.apply(bar.tell)
    report = _report(gate, run, reports, check.findings, run_of, began)
    return report if elsewhere is None else _with_shards(report, elsewhere)


def _with_shards(report: BulkReport, elsewhere: BulkReport) -> BulkReport:
    """The parent's report with the calls and times of its shards; their rows are in it already."""
    floor, rows = report.floor_seconds, report.rows
    elsewhere.source, elsewhere.region, elsewhere.rows = report.source, report.region, []
    whole = merge([replace(report, rows=[]), elsewhere])
    whole.rows, whole.floor_seconds, whole.plan_hash = rows, floor, report.plan_hash
    return whole


def _planned(
    gate: Gate, specs: Sequence[DataSourceSpec], ready: Mapping[str, Ready] | None = None
) -> FileCheck:
    """Everything is read, planned and checked; nothing is written before. What was handed on was checked already."""
    with file_limits():
        if ready is None:
            return check_file(gate, plan_file(gate, specs))
        return FileCheck(plan_made(gate, specs, {name: role for name, (role, _) in ready.items()}), (), ())


def _report(
    gate: Gate,
    run: BulkRun,
    reports: list[RowReport],
    findings: tuple[PreflightFinding, ...],
    run_of: RunOf,
    began: float,
) -> BulkReport:
    return BulkReport(
        source=run_of.source,
        region=gate.region,
        mode=run_of.mode,
        started=began,
        ended=time.time(),
        rows=reports,
        stop=run.stop,
        findings=findings,
        calls={product: gate.journal.total(product) for product in (RAM, STS, DATAWORKS)},
        actions=tuple(action_calls(gate.journal)),
        throttled=gate.journal.throttled,
        retries=gate.journal.retries,
        usage=tuple(
            UsagePoint(one.second, one.group, one.calls, one.allowed, one.throttled, one.seconds)
            for one in gate.rates.usage()
        ),
        floor_seconds=floor_seconds(gate, run.plan),
        plan_hash=run.plan.hash,
    )


def require_approved(run_of: RunOf, found: str) -> None:
    """Raise :class:`PlanMoved` unless this plan was approved, or no approval is asked for."""
    if run_of.approved_plan not in (None, found):
        raise PlanMoved(
            f"the plan is now {found}, approved was {run_of.approved_plan}",
            subject="plan of the file",
            remedy="plan again and have that plan approved",
        )

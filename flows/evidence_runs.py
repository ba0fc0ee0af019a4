"""Which runs have changed something since the pack before, and by which approved plan: asked of the Prefect server.

Prefect cannot tell who pressed a button; what it keeps is who created a run (a user, a schedule, a deployment's event),
the hash of the plan that was approved, and the report. Where no server is named, the evidence says so: an apply on
somebody's own machine leaves no run here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowFilter,
    FlowFilterName,
    FlowRunFilter,
    FlowRunFilterStartTime,
)
from prefect.client.schemas.objects import Artifact, FlowRun
from prefect.exceptions import PrefectException
from prefect.settings import get_current_settings

from config.csv_place import shown_place
from flows.bulk_report import visible
from flows.result import RESULT_TYPE

WRITING_FLOWS = {
    "onboard data source": "apply",
    "onboard from CSV": "apply",
    "offboard data source": "plan",
    "offboard from CSV": "plan",
    "migrate data sources": "plan",
    "expire grants": "apply",
}
"""The flows that may change the cloud, each with its mode where none was given."""
_PAGE = 200
_NOTHING_DONE = frozenset(
    {"unchanged", "planned", "blocked", "invalid", "not started", "not_started", "skipped"}
)


def runs_since(taken_at: int | None, until: int) -> dict[str, Any]:
    """The section ``runs``: those that began after ``taken_at`` (seconds since the epoch; None: all) and until ``until``.

    Raises nothing for a server that does not answer: that is what the section then says.
    """
    url = get_current_settings().api.url
    if not url:
        return _none("no Prefect server was named (PREFECT_API_URL), so that no runs are known")
    try:
        with get_client(sync_client=True) as client:
            found = _read(client, taken_at, until)
            reports = _artifacts(client, found)
            flows = {run.flow_id: client.read_flow(run.flow_id).name for run in found}
    except (httpx.HTTPError, PrefectException) as error:
        return _none(
            f"the Prefect server could not be read ({type(error).__name__}), so that no runs are known"
        )
    runs = [_run(run, flows[run.flow_id], reports.get(str(run.id), [])) for run in found]
    return {"source": "Prefect server", "note": "", "runs": [run for run in runs if run is not None]}


def _none(note: str) -> dict[str, Any]:
    return {"source": "none", "note": note, "runs": []}


def _read(client: SyncPrefectClient, taken_at: int | None, until: int) -> list[FlowRun]:
    """All runs of the flows that write, in the order of their start."""
    began = FlowRunFilterStartTime(after_=_moment(taken_at or 0), before_=_moment(until))
    runs: list[FlowRun] = []
    while True:
        page = client.read_flow_runs(
            flow_filter=FlowFilter(name=FlowFilterName(any_=list(WRITING_FLOWS))),
            flow_run_filter=FlowRunFilter(start_time=began),
            limit=_PAGE,
            offset=len(runs),
        )
        runs += page
        if len(page) < _PAGE:
            return sorted(runs, key=lambda run: (str(run.start_time), str(run.id)))


def _moment(seconds: int) -> Any:
    """A moment of the filter, whose type is Prefect's own."""
    return datetime.fromtimestamp(seconds, timezone.utc)


def _artifacts(client: SyncPrefectClient, runs: Iterable[FlowRun]) -> dict[str, list[Artifact]]:
    """The artifacts for programs and the tables of rows, by run."""
    ids = [run.id for run in runs]
    found: dict[str, list[Artifact]] = {}
    for start in range(0, len(ids), _PAGE // 4):
        some = ids[start : start + _PAGE // 4]
        for artifact in _pages(client, ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=some))):
            if artifact.type == RESULT_TYPE or "bulk-rows" in str(artifact.key):
                found.setdefault(str(artifact.flow_run_id), []).append(artifact)
    return found


def _pages(client: SyncPrefectClient, wanted: ArtifactFilter) -> Iterable[Artifact]:
    offset = 0
    while True:
        page = client.read_artifacts(artifact_filter=wanted, limit=_PAGE, offset=offset)
        yield from page
        if len(page) < _PAGE:
            return
        offset += _PAGE


def _run(run: FlowRun, flow: str, artifacts: list[Artifact]) -> dict[str, Any] | None:
    """One run; None for one that only planned, or is known to have changed nothing."""
    parameters = run.parameters
    report: Mapping[str, Any] = {}
    rows: list[Mapping[str, Any]] = []
    for artifact in sorted(artifacts, key=lambda each: str(each.created)):
        data = artifact.data
        if artifact.type == RESULT_TYPE and isinstance(data, dict):
            report = data
        else:
            rows = _rows(data)
    mode = parameters.get("mode") or WRITING_FLOWS[flow]
    if mode == "plan" or report.get("outcome") in _NOTHING_DONE:
        return None
    approved = parameters.get("approved_plan")
    plan = report.get("plan")
    carried = plan.get("hash") if isinstance(plan, Mapping) else None
    asked = bool(parameters.get("require_approval"))
    return {
        "id": str(run.id),
        "flow": flow,
        "name": visible(run.name),
        "deployment": str(run.deployment_id) if run.deployment_id else "",
        "started_by": _creator(run),
        "started": _text(run.start_time),
        "ended": _text(run.end_time),
        "state": run.state_name or "",
        "plan": str(carried or approved or ""),
        "approval": "hash given" if approved else "asked in the run" if asked else "none",
        "data_sources": sorted(_data_sources(parameters, report, rows)),
        "roles": sorted({str(grant["role"]) for grant in report.get("grants", [])}),
        "file": visible(
            Path(shown_place(str(parameters.get("source") or parameters.get("file") or ""))).name
        ),
    }


def _rows(data: Any) -> list[Mapping[str, Any]]:
    """The rows of a table artifact, which holds them as text."""
    try:
        rows = json.loads(data) if isinstance(data, str) else data
    except ValueError:
        return []
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _data_sources(
    parameters: Mapping[str, Any], report: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]
) -> set[str]:
    """``<workspace>/<name>`` of what the run was about; of a file, the rows that its table shows as changed."""
    found = {
        f"{row.get('workspace')}/{row.get('data source')}"
        for row in rows
        if row.get("outcome") not in _NOTHING_DONE
    }
    spec = parameters.get("spec")
    for one in (report, spec if isinstance(spec, Mapping) else {}):
        name = one.get("data_source") or one.get("name")
        if one.get("workspace") and name:
            found.add(f"{one['workspace']}/{visible(str(name))}")
    return found


def _creator(run: FlowRun) -> str:
    by = run.created_by
    if by is None:
        return ""
    return visible(" ".join(str(part) for part in (by.type, by.display_value) if part)).lower()


def _text(moment: datetime | None) -> str:
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ") if moment is not None else ""

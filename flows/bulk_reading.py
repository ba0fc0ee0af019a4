"""A bulk report read back from its JSON: to run the rest of a file, to merge shards, to draw the page again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from config.sources.base import Environment
from flows.bulk_report import (
    BULK_REPORT_KIND,
    BULK_REPORT_VERSION,
    BulkReport,
    RowOutcome,
    RowReport,
    Shard,
    Stop,
    UsagePoint,
)
from flows.report import STEP_TITLES, Failure, OnboardingReport
from flows.report_parts import read_cell, read_finding, read_step
from tasks.outcome import Outcome, StepReport
from tasks.run import Proof


class ReportInvalid(ValueError):
    """The file is no bulk report, or one of a version that this project does not read."""


def select(report_json: object, outcomes: set[RowOutcome]) -> set[tuple[int, str]]:
    """Workspace and name of each row with one of these outcomes.

    ``report_json`` is what ``json.loads`` gave. Raises :class:`ReportInvalid`.
    """
    found = set()
    for number, row in enumerate(_checked(report_json)["rows"], start=1):
        try:
            key, outcome = (int(row["workspace"]), str(row["data_source"])), RowOutcome(row["outcome"])
        except (KeyError, TypeError, ValueError) as error:
            raise _damaged(f"entry {number} of its rows has no usable {error}") from error
        if outcome in outcomes:
            found.add(key)
    return found


def from_json(report_json: object) -> BulkReport:
    """The report that :meth:`BulkReport.to_json` wrote: the same JSON again; plans and calls of single rows are gone.

    Raises :class:`ReportInvalid`.
    """
    raw = _checked(report_json)
    try:
        return BulkReport(
            source=raw["source"],
            region=raw["region"],
            mode=raw["mode"],
            started=float(raw["started"]),
            ended=float(raw["ended"]),
            rows=[_row(row) for row in raw["rows"]],
            stop=Stop(**raw["stop"]) if raw["stop"] else None,
            findings=tuple(read_finding(finding) for finding in raw["findings"]),
            calls=dict(raw["calls"]),
            actions=tuple(raw.get("actions", ())),  # as for plan_hash
            throttled=int(raw["throttled"]),
            retries=int(raw["retries"]),
            usage=tuple(UsagePoint(**point) for point in raw["usage"]),
            floor_seconds=raw["floor_seconds"],
            shards=tuple(Shard(**shard) for shard in raw["shards"]),
            plan_hash=raw.get("plan_hash", ""),  # reports of earlier releases have none
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(f"{type(error).__name__}: {error}") from error


def _checked(report_json: object) -> Mapping[str, Any]:
    if not isinstance(report_json, Mapping) or report_json.get("kind") != BULK_REPORT_KIND:
        raise ReportInvalid("it is no report of a bulk run: give the JSON file that such a run has written")
    version = report_json.get("version")
    if version != BULK_REPORT_VERSION:
        raise ReportInvalid(
            f"it is a bulk report of version {version!r}, and version {BULK_REPORT_VERSION} is read: "
            "use the release that wrote it, or run the file again"
        )
    if not isinstance(report_json.get("rows"), list):
        raise _damaged("it has no rows")
    return cast("Mapping[str, Any]", report_json)


def _damaged(what: str) -> ReportInvalid:
    return ReportInvalid(f"the bulk report is damaged ({what}): run the file again")


def _row(raw: Mapping[str, Any]) -> RowReport:
    row = RowReport(
        row=int(raw["row"]),
        workspace=int(raw["workspace"]),
        data_source=raw["data_source"],
        type=raw["type"],
        region=raw["region"],
        role=raw["role"],
        outcome=RowOutcome(raw["outcome"]),
        reason=raw["reason"],
        persona=raw["persona"],
        remedy=raw["remedy"],
        seconds=float(raw["seconds"]),
        step_seconds={int(number): float(seconds) for number, seconds in raw["step_seconds"].items()},
        problems=tuple(raw["problems"]),
        planned=tuple(raw["planned"]),
    )
    if raw["onboarding"] is not None:
        row.onboarding = _onboarding(row, raw["onboarding"])
    return row


def _onboarding(row: RowReport, raw: Mapping[str, Any]) -> OnboardingReport:
    steps = [read_step(part) for part in raw["steps"]]
    return OnboardingReport(
        data_source=row.data_source,
        workspace=row.workspace,
        region=row.region,
        type=row.type,
        steps=steps,
        matrix=[read_cell(cell) for cell in raw["connectivity"]],
        proofs=[_proof(run, steps) for run in raw["runs"]],
        failure=Failure(**raw["failure"]) if raw["failure"] else None,
        findings=tuple(read_finding(finding) for finding in raw["findings"]),
        not_approved=raw["not_approved"],
    )


def _proof(raw: Mapping[str, Any], steps: list[StepReport]) -> Proof:
    """A run; its report is the part of step 5 that names its instance."""
    instance = raw["instance_id"]
    told = [step for step in steps if step.number == 5 and step.facts.get("instance_id") == str(instance)]
    report = told[0] if told else StepReport(5, STEP_TITLES[5], "", Outcome.UNCHANGED, "")
    environment = Environment[raw["environment"]]
    return Proof(environment, instance, raw["records_read"], raw["records_written"], report)

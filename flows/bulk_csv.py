"""The rows of a bulk report as CSV, one line a row, for a spreadsheet or a ticket system."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator

from config.sources.base import Environment
from flows.bulk_report import RowReport, visible
from flows.report import STEP_TITLES, OnboardingReport

# What a spreadsheet takes for a formula; the wide forms too, which some read as the plain ones.
_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?")
_ENVIRONMENTS = (Environment.DEV, Environment.PROD)
COLUMNS = (
    *("row", "workspace", "data_source", "type", "region", "role", "outcome", "reason"),
    *(f"step{number}" for number in STEP_TITLES),
    "role_id",
    *(f"data_source_id_{environment.name.lower()}" for environment in _ENVIRONMENTS),
    *("file_id", "node_id"),
    *(f"instance_id_{environment.name.lower()}" for environment in _ENVIRONMENTS),
    *("records_read", "records_written", "connectivity"),
    *("failure_step", "failure_code", "failure_what", "failure_subject"),
    *("persona", "remedy", "request_id"),
    *(f"seconds_step{number}" for number in STEP_TITLES),
    "seconds",
)
"""The header, in order."""


def defused(text: str) -> str:
    """A cell that no spreadsheet executes: an apostrophe before what it would take for a formula; numbers stay.

    Source: OWASP, CSV Injection. Blanks before the sign do not help: some spreadsheets drop them.
    """
    # Judged before the unseen characters go: a tab or a carriage return in front is a sign of its own.
    suspicious = text[:1] in ("\t", "\r")
    shown = visible(text)
    suspicious |= shown.lstrip().startswith(_FORMULA) and not _NUMBER.fullmatch(shown)
    return f"'{shown}" if suspicious else shown


def to_csv(rows: Iterable[RowReport]) -> str:
    """A header and one line a row, in the order given; lines end with CRLF (RFC 4180)."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, restval="", lineterminator="\r\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({column: defused(value) for column, value in _cells(row)})
    return text.getvalue()


def _cells(row: RowReport) -> Iterator[tuple[str, str]]:
    yield "row", str(row.row)
    yield "workspace", str(row.workspace)
    yield "data_source", row.data_source
    yield "type", row.type
    yield "region", row.region
    yield "role", row.role
    yield "outcome", row.outcome.value
    yield "reason", row.reason or "; ".join(row.problems)
    yield "persona", row.who
    yield "remedy", row.how
    if row.onboarding is not None:
        yield from _onboarding(row.onboarding)
    for number in STEP_TITLES:
        if number in row.step_seconds:
            yield f"seconds_step{number}", f"{row.step_seconds[number]:.3f}"
    yield "seconds", f"{row.seconds:.3f}"


def _onboarding(report: OnboardingReport) -> Iterator[tuple[str, str]]:
    for step in report.five_steps:
        yield f"step{step.number}", step.outcome.value
    for part in report.steps:
        facts = part.facts
        if part.number == 1:
            yield "role_id", facts.get("role_id", "")
        elif part.number == 3 and "environment" in facts:
            yield f"data_source_id_{facts['environment'].lower()}", facts.get("data_source_id", "")
        elif part.number == 4:
            yield "file_id", facts.get("file_id", "")
            yield "node_id", facts.get("node_id", "")
    for proof in report.proofs:
        yield f"instance_id_{proof.environment.name.lower()}", str(proof.instance)
    yield "records_read", _total(proof.records_read for proof in report.proofs)
    yield "records_written", _total(proof.records_written for proof in report.proofs)
    yield (
        "connectivity",
        ";".join(
            f"{cell.environment.name}/{cell.resource_group}={cell.state.value}" for cell in report.matrix
        ),
    )
    if report.failure is not None:
        failure = report.failure
        yield "failure_step", str(failure.step)
        yield "failure_code", failure.code
        yield "failure_what", failure.what
        yield "failure_subject", failure.subject
        yield "request_id", failure.request_id


def _total(counts: Iterable[int | None]) -> str:
    """The sum; empty for no run, or when a log no longer tells its count."""
    known = list(counts)
    return str(sum(count or 0 for count in known)) if known and None not in known else ""

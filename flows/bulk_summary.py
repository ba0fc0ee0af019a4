"""The bulk report in Prefect: a short markdown artifact and a table of the rows that somebody wants to see first."""

from __future__ import annotations

import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

from flows.bulk_html import fixer, headline
from flows.bulk_report import BulkReport, FailureGroup, visible
from flows.html_page import duration, moment
from flows.report_parts import plain

CAUSES_SHOWN = 20
"""Causes in the markdown; an artifact is read at a glance, and the reports have all of them."""
FINDINGS_SHOWN = 20
TABLE_ROWS = 500
"""Rows in the table artifact: the browser draws all of them at once."""


def bulk_markdown(report: BulkReport, files: Sequence[Path] = ()) -> str:
    """Headline, counts, why it stopped, causes by who can fix them, speed, findings, and where the report's files are."""
    return "\n".join((*_lines(report), *_places(files)))


def _places(files: Sequence[Path]) -> Iterator[str]:
    """The files by their paths: a browser opens no link from a page to a file."""
    if files:
        yield from (
            "",
            "## The whole report",
            "",
            f"On {plain(socket.gethostname())}, where the flow ran:",
            "",
        )
        yield from (f"- `{str(path.resolve()).replace('`', '')}`" for path in files)


def _lines(report: BulkReport) -> Iterator[str]:
    yield f"# {headline(report)}"
    yield ""
    speed = f", {report.rows_per_second:.1f} rows a second" if report.rows_per_second else ""
    where = f" in {plain(report.region)}" if report.region else ""
    yield f"{plain(report.source)}{where}, {moment(report.started)}, {duration(report.seconds)}{speed}"
    yield from ("", "| outcome | rows |", "|---|---:|")
    yield from (f"| {name.replace('_', ' ')} | {count} |" for name, count in report.counts().items() if count)
    if report.stop is not None:
        yield from (
            "",
            "## The run stopped",
            "",
            f"**{plain(report.stop.what)}.** {plain(report.stop.goes_on)}",
        )
    for groups in report.failures_by_persona().values():
        yield from ("", f"## {plain(fixer(groups))}", "")
        for group in groups[:CAUSES_SHOWN]:
            yield _cause(group)
        if len(groups) > CAUSES_SHOWN:
            yield f"- and {len(groups) - CAUSES_SHOWN} more causes in the report"
    if report.calls:
        total = sum(report.calls.values())
        calls = ", ".join(f"{count} {plain(product)}" for product, count in sorted(report.calls.items()))
        floor = (
            f"; the rates alone take {duration(report.floor_seconds)}"
            if report.floor_seconds is not None
            else ""
        )
        yield from ("", "## Calls", "")
        yield f"{total} calls ({calls}), {report.throttled} throttled, {report.retries} repeated{floor}"
    if report.findings:
        yield from ("", "## Findings", "")
        yield from (f"- {plain(str(finding))}" for finding in report.findings[:FINDINGS_SHOWN])
        if len(report.findings) > FINDINGS_SHOWN:
            yield f"- and {len(report.findings) - FINDINGS_SHOWN} more in the report"


def _cause(group: FailureGroup) -> str:
    rows = ", ".join(str(row.row) for row in group.rows[:10])
    more = f" and {len(group.rows) - 10} more" if len(group.rows) > 10 else ""
    remedy = f" → {plain('; '.join(group.remedies[:3]))}" if group.remedies else ""
    return f"- **{len(group.rows)} ×** {plain(group.what)}{remedy} (`{group.code.replace('`', '')}`, rows {rows}{more})"


def bulk_table(report: BulkReport, limit: int = TABLE_ROWS) -> list[dict[str, str]]:
    """One entry a row, at most ``limit``: failed, blocked and invalid rows first, unchanged ones last."""
    return [
        {
            "row": str(row.row),
            "workspace": str(row.workspace),
            "data source": visible(row.data_source),
            "type": visible(row.type),
            "outcome": row.outcome.words,
            "reason": visible(row.why),
            "who can fix it": visible(row.who),
            "how": visible(row.how),
            "request id": visible(row.failure.request_id) if row.failure else "",
            "time": duration(row.seconds) if row.seconds else "",
        }
        for row in report.urgent_first()[:limit]
    ]

"""How the report of a file looks on a terminal: a headline, counts, what stopped it, causes by who can fix them."""

from __future__ import annotations

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from cli.show import console
from flows.bulk_html import headline
from flows.bulk_report import BulkReport, RowOutcome, RowReport

_ROWS_SHOWN = 50
_CHANGES_SHOWN = 8
_COLOURS = {
    RowOutcome.FAILED: "bold red",
    RowOutcome.BLOCKED: "red",
    RowOutcome.INVALID: "red",
    RowOutcome.NOT_STARTED: "yellow",
    RowOutcome.CREATED: "green",
    RowOutcome.UPDATED: "yellow",
    RowOutcome.PLANNED: "yellow",
    RowOutcome.UNCHANGED: "cyan",
    RowOutcome.NOT_SELECTED: "dim",
}


def show_bulk(report: BulkReport) -> None:
    """Print the report; rows that are as specified are counted, not listed."""
    out = console()
    out.print(f"[bold]{escape(headline(report))}[/bold]")
    counted = ", ".join(f"{n} {name.replace('_', ' ')}" for name, n in report.counts().items() if n)
    out.print(escape(f"{counted or 'no rows'}; {sum(report.calls.values())} calls in {report.seconds:.1f} s"))
    if report.plan_hash:
        out.print(f"plan {report.plan_hash}", markup=False)
    if report.stop is not None:
        out.print(
            f"[yellow]stopped:[/yellow] {escape(report.stop.what)}. To go on: {escape(report.stop.goes_on)}."
        )
    shown = [
        row
        for row in report.urgent_first()
        if row.outcome not in (RowOutcome.UNCHANGED, RowOutcome.NOT_SELECTED)
    ]
    if shown:
        out.print(_table(shown[:_ROWS_SHOWN]))
    if len(shown) > _ROWS_SHOWN:
        out.print(
            f"… and {len(shown) - _ROWS_SHOWN} more rows; --report DIR writes all of them", markup=False
        )
    for group in report.failures_by_cause():
        rows = ", ".join(str(row.row) for row in group.rows[:10]) + (", …" if len(group.rows) > 10 else "")
        who = f"The {group.persona} can fix it" if group.persona else "To fix it"
        remedy = f" {who}: {'; '.join(group.remedies)}." if group.remedies else ""
        out.print(f"[red]{escape(group.code)}[/red] (rows {rows}): {escape(group.what)}.{escape(remedy)}")
    blocking = [finding for finding in report.findings if finding.blocks]
    for finding in blocking or report.findings[:10]:
        out.print(escape(f"finding: {finding}"))
    if not blocking and len(report.findings) > 10:
        out.print(f"… and {len(report.findings) - 10} more findings", markup=False)


def _table(rows: Sequence[RowReport]) -> Table:
    table = Table("row", "data source", "workspace", "outcome", "details", box=None, pad_edge=False)
    for row in rows:
        outcome = f"[{_COLOURS[row.outcome]}]{row.outcome.words}[/]"
        details = _changes(row) if row.outcome is RowOutcome.PLANNED else row.why
        table.add_row(
            str(row.row), escape(row.data_source), str(row.workspace or ""), outcome, escape(details)
        )
    return table


def _changes(row: RowReport) -> str:
    """What the plan does for a row: all of a few changes, the first of many."""
    more = len(row.changes) - _CHANGES_SHOWN
    return "; ".join(row.changes[:_CHANGES_SHOWN]) + (f"; and {more} more" if more > 0 else "")

"""How a migration looks: each data source with what is planned or became of it, then what a person has to do."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli.show import console
from flows.migrate_report import MigrationReport, key_line

_COLOURS = {
    "migrated": "green",
    "unchanged": "cyan",
    "planned": "yellow",
    "stopped": "yellow",
    "watching": "yellow",
    "as it was": "red",
    "needs its key": "bold red",
    "cannot be migrated": "red",
    "failed": "bold red",
}


def show_migration(report: MigrationReport) -> None:
    """Table, notes, errors, unused AccessKeys, plan and calls."""
    out = console()
    table = Table(title=f"Migration of {report.source}", title_justify="left")
    for column in ("data source", "type", "outcome", "stage", "details"):
        table.add_column(column, overflow="fold")
    for one in report.results:
        colour = _COLOURS[one.ending.value]
        outcome = f"[{colour}]{one.ending.value}[/{colour}]"
        table.add_row(escape(one.name), escape(one.type), outcome, one.reached.value, escape(one.reason))
    out.print(table)
    for one in report.results:
        if one.item is not None and one.ending.value == "planned":
            spec = one.item.spec
            names = ", ".join((*spec.grantees.groups, *spec.grantees.users, *spec.grantees.roles))
            text = f"  {one.name}: access {spec.access.value}, role {spec.role_name}, granted to {names}"
            out.print(text, markup=False)
        for note in one.notes:
            out.print(f"  {one.name}: {note}", markup=False)
    _show_errors(out, report)
    for key in report.unused:
        out.print(f"AccessKey to disable, {key_line(key)}", markup=False)
    if report.unread:
        out.print(f"Which AccessKeys nothing uses any more is not known: {report.unread}", markup=False)
    calls = ", ".join(f"{count} {product}" for product, count in report.calls.items() if count)
    out.print(f"Calls: {calls}")
    if report.plan is not None:
        out.print(f"Plan {report.plan.hash}")


def _show_errors(out: Console, report: MigrationReport) -> None:
    for one in report.results:
        if one.error is not None:
            out.print(f"{one.name}: {one.error}", markup=False)
        if one.undone is not None:
            out.print(f"{one.name} is not put back: {one.undone}", markup=False)

"""How an offboarding looks: each data source with what goes or what became of it, then who has to do what."""

from __future__ import annotations

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cli.show import console
from flows.offboard_report import OffboardingReport, SourceReport, told
from tasks.offboarding.choices import StillUsed

_COLOURS = {
    "removed": "green",
    "quarantined": "green",
    "given back": "green",
    "unchanged": "cyan",
    "planned": "yellow",
    "refused": "bold red",
    "failed": "bold red",
    "not started": "dim",
}


def show_offboarding(report: OffboardingReport) -> None:
    """Table, the plan's changes in their order, what was shared, errors, notes, hash and calls."""
    out = console()
    what = "Quarantine" if report.choices.quarantine else "Offboarding"
    table = Table(title=f"{what} of {report.source}", title_justify="left")
    for column in ("data source", "workspace", "outcome", "details"):
        table.add_column(column, overflow="fold")
    for row in report.rows:
        colour = _COLOURS[row.ending.words]
        outcome = f"[{colour}]{row.ending.words}[/{colour}]"
        table.add_row(escape(row.spec.name), str(row.spec.workspace), outcome, escape(_details(row)))
    out.print(table)
    if report.plan is not None and report.mode == "plan":
        for change in report.plan.changes:
            out.print(f"  step {change.step}, {change.persona.value}: {told(change)}", markup=False)
    for step in report.shared:
        out.print(f"  {step.line}", markup=False)
    _show_errors(out, report)
    if report.stop is not None:
        out.print(f"Stopped: {report.stop.what}; {report.stop.goes_on}.", markup=False)
    for note in report.plan.notes if report.plan is not None else ():
        out.print(f"Note: {note}", markup=False)
    calls = ", ".join(f"{count} {product}" for product, count in report.calls.items())
    out.print(f"Calls: {calls}")
    if report.plan is not None and report.mode == "plan":
        out.print(f"Plan {report.plan.hash}")


def _details(row: SourceReport) -> str:
    if row.error is not None:
        return row.error.what
    done = "; ".join(removal.line for removal in row.steps if removal.changes)
    return done or f"{len(row.planned)} changes" * (row.ending.value == "planned")


def _show_errors(out: Console, report: OffboardingReport) -> None:
    """Who can end what: every use by itself."""
    for row in report.rows:
        error = row.error
        if error is None:
            continue
        name = f"{row.spec.name} (workspace {row.spec.workspace})"
        if isinstance(error, StillUsed):
            for use in error.uses:
                text = f"  {name}: {use}. The {use.persona.value} can fix it: {use.remedy}."
                out.print(text, markup=False)
        else:
            out.print(f"  {name}: {error}", markup=False)

"""How reports and progress look: Rich on a terminal, plain lines elsewhere."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tasks.options import listen

if TYPE_CHECKING:
    from flows.report import OnboardingReport
    from tasks.preflight import Preflight

_COLOURS = {
    "created": "green",
    "updated": "yellow",
    "unchanged": "cyan",
    "skipped": "dim",
    "failed": "bold red",
}
_COLOURS |= {"connected": "green", "not connected": "red", "timeout": "red", "refused": "red"}
_PLAIN_WIDTH = 200  # a pipe has no width; wide enough that no id is broken over two lines


def console(file: IO[str] | None = None) -> Console:
    """Standard output, or a file, as Rich sees it."""
    terminal = (file or sys.stdout).isatty()
    return Console(
        file=file,
        highlight=False,
        emoji=False,  # acs:ram:… is no sheep
        width=None if terminal else _PLAIN_WIDTH,
        soft_wrap=not terminal,
    )


@contextmanager
def progress(title: str, quiet: bool) -> Iterator[None]:
    """Show what the tasks announce: a spinner line on a terminal, dated lines elsewhere, nothing when quiet."""
    if quiet:
        yield
        return
    out = console()
    started = time.monotonic()
    status = out.status(escape(title)) if out.is_terminal else None
    if status is None:
        out.print(title, markup=False)

    def hear(message: str) -> None:
        out.print(f"{time.monotonic() - started:6.1f} s  {message}", markup=False)
        if status is not None:
            status.update(escape(message))

    listen(hear)
    try:
        if status is not None:
            with status:
                yield
        else:
            yield
    finally:
        listen(None)


def _coloured(word: str) -> str:
    colour = _COLOURS.get(word)
    return f"[{colour}]{word}[/{colour}]" if colour else word


def show_report(report: OnboardingReport) -> None:
    """The five outcomes, the matrix, the records, and on failure who can fix it and how."""
    out = console()
    table = Table(title=f"{report.data_source} in workspace {report.workspace}", title_justify="left")
    for column in ("step", "", "outcome", "details"):
        table.add_column(column, overflow="fold")
    for step in report.five_steps:
        lines = [": ".join(text for text in (p.subject, p.reason) if text) for p in report.parts(step.number)]
        table.add_row(str(step.number), step.title, _coloured(step.outcome.value), escape("\n".join(lines)))
    out.print(table)
    if report.matrix:
        _show_matrix(out, report)
    if report.records:
        earlier = all(proof.report.outcome.value == "unchanged" for proof in report.proofs)
        out.print(f"Records: {report.records}{' (by earlier runs)' if earlier else ''}")
    for note in (note for step in report.five_steps for note in step.notes):
        out.print(f"Note: {note}", markup=False)
    calls = ", ".join(f"{count} {product}" for product, count in report.calls.items())
    out.print(f"Calls: {calls}")
    if report.failure is not None:
        _show_failure(out, report)


def _show_matrix(out: Console, report: OnboardingReport) -> None:
    groups = list(dict.fromkeys(cell.resource_group for cell in report.matrix))
    table = Table(title="Connectivity", title_justify="left")
    table.add_column("environment")
    for group in groups:
        table.add_column(group)
    for environment in dict.fromkeys(cell.environment for cell in report.matrix):
        row = {c.resource_group: c.state.value for c in report.matrix if c.environment is environment}
        table.add_row(environment.name, *(_coloured(row.get(group, "")) for group in groups))
    out.print(table)
    for cell in report.matrix:
        if not cell.connected:
            text = f"{cell.environment.name} from {cell.resource_group}: {cell.reason}. The {cell.persona} can fix it: {cell.remedy}"
            out.print(f"  {text}", markup=False)


def _show_failure(out: Console, report: OnboardingReport) -> None:
    failure = report.failure
    assert failure is not None
    where = f"step {failure.step}" if failure.step else "before step 1"
    out.print(f"[bold red]Failed[/bold red] at {where}: {escape(failure.subject)}: {escape(failure.what)}.")
    if failure.remedy:
        out.print(f"The {failure.persona or 'operator'} can fix it: {failure.remedy}.", markup=False)
    if failure.code or failure.request_id:
        out.print(f"Code {failure.code or 'none'}, request id {failure.request_id or 'none'}", markup=False)


def show_findings(preflight: Preflight) -> None:
    """Every finding, those that block first."""
    out = console()
    if not preflight.findings:
        out.print("Preflight: nothing to report")
        return
    count = len(preflight.findings)
    out.print(f"Preflight: {count} finding{'' if count == 1 else 's'}")
    for finding in sorted(preflight.findings, key=lambda item: (not item.blocks, item.code)):
        mark = "[bold red]blocks[/bold red]" if finding.blocks else "[yellow]note[/yellow]  "
        out.print(f"  {mark} {escape(str(finding))}")


def show_preflight(preflight: Preflight) -> None:
    """Findings, then the plan: summary first, then each change field by field."""
    out = console()
    show_findings(preflight)
    plan = preflight.plan
    if plan is None:
        out.print("No plan could be computed.")
        return
    counted = ", ".join(f"{count} × {kind}" for kind, count in plan.summary().items()) or "nothing to do"
    out.print(f"\n[bold]Plan for {escape(plan.data_source)} in workspace {plan.workspace}[/bold]: {counted}")
    for change in plan.changes:
        title = f"step {change.step}, {change.persona.value}: {change.kind.value} {change.subject}"
        out.print(f"\n[bold]{escape(title)}[/bold]")
        for difference in change.differences:
            before = "" if difference.before is None else f"{_short(difference.before)} → "
            out.print(f"    {difference.path}: {before}{_short(difference.after)}", markup=False)
    for note in plan.notes:
        out.print(f"Note: {note}", markup=False)
    calls = ", ".join(f"{count} {product}" for product, count in plan.calls.items() if count)
    out.print(f"\nCalls it takes, at the least: {calls}")
    out.print(f"Plan {plan.hash}")


def _short(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)

"""How an audit looks on a terminal: a headline, counts, findings with who can fix them and how; or chains of access."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flows.audit_report import AuditReport, headline, reaching
from flows.bulk_report import visible
from flows.html_page import sentence
from policy.findings import Severity
from tasks.audit.access import AccessChain
from tasks.audit.audit import Audit
from tasks.audit.finding import RULES

_FINDINGS_SHOWN = 200
_UNREAD_SHOWN = 20
_COLOURS = {
    Severity.HIGH: "bold red",
    Severity.MEDIUM: "yellow",
    Severity.LOW: "cyan",
    Severity.INFO: "dim",
}


def show_audit(out: Console, report: AuditReport) -> None:
    """Print findings, the most severe first; then what can be said of them in general, once a rule."""
    audit = report.audit
    out.print(f"[bold]{escape(headline(report))}[/bold]")
    counted = ", ".join(f"{count} {severity}" for severity, count in report.counts().items() if count)
    accepted = f"; {len(report.accepted)} accepted by the baseline" if report.accepted else ""
    calls = sum(audit.calls.values())
    out.print(
        escape(
            f"{counted or 'no findings'}{accepted}; {_plural(audit.data_sources, 'data source')} and "
            f"{_plural(audit.roles, 'role')} of {_workspaces(audit)} in {audit.region}, {calls} calls"
        )
    )
    _show_unread(out, audit)
    shown = report.findings[:_FINDINGS_SHOWN]
    if shown:
        table = _table("severity", "code", "object", "finding", "who")
        for one in shown:
            table.add_row(
                f"[{_COLOURS[one.severity]}]{one.severity.value}[/]",
                one.code,
                _cell(one.subject),
                _cell(f"{RULES[one.code].title}: {one.what}"),
                one.persona.value if one.persona else "",
            )
        out.print(table)
    if len(report.findings) > len(shown):
        more = len(report.findings) - len(shown)
        out.print(f"… and {more} more findings; --format html or json has all of them", markup=False)
    for cause in report.causes():
        first = cause.findings[0]
        told = sentence(cause.remedy)
        if len(cause.findings) == 1 and first.command and first.command not in cause.remedy:
            told += f" {first.command}"
        who = cause.persona or "whoever runs the audit"
        out.print(
            f"[{_COLOURS[cause.severity]}]{cause.code}[/] ({len(cause.findings)} ×, {who})  {_cell(told)}"
        )
    for note in report.notes:
        out.print(f"note: {_cell(note)}")


def show_reach(out: Console, audit: Audit, location: str) -> None:
    """Print every chain to a location; environments that are alike share a line."""
    chains = reaching(audit.chains, location)
    if not chains:
        but = "; but not everything could be read" if audit.unread else ""
        out.print(f"Nothing that was read reaches {_cell(location)} through DataWorks{but}.")
        _show_unread(out, audit)
        return
    people = {one.user for one in chains if one.user}
    keyed = {(one.workspace, one.data_source) for one in chains if one.mode != "role"}
    who = [_plural(len(people), "holder") + " of PassRole"] if people else []
    who += [f"whoever has the key of {_plural(len(keyed), 'data source')}"] if keyed else []
    out.print(f"[bold]{' and '.join(who) or 'Nobody'} may reach {_cell(location)} through DataWorks[/bold]")
    _show_unread(out, audit)
    table = _table(
        "who", "group", "PassRole by", "role", "its policies", "data source", "sync tasks", "location"
    )
    environments: dict[AccessChain, list[str]] = {}
    for one in chains:
        environments.setdefault(replace(one, environment=""), []).append(one.environment)
    for one, where in environments.items():
        table.add_row(*map(_cell, _chain(one, "/".join(where))))
    out.print(table)


def _chain(one: AccessChain, environments: str) -> Sequence[str]:
    by_key = one.mode != "role"
    who = "whoever has the key" if by_key else one.user or "nobody"
    return (
        who,
        one.group,
        ", ".join(one.grants),
        "AccessKey" if by_key else one.role,
        ", ".join(one.policies),
        f"{one.data_source} ({environments}) of {one.workspace}",
        ", ".join(one.tasks),
        f"{one.location} ({one.access})",
    )


def _plural(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def _workspaces(audit: Audit) -> str:
    if not audit.workspaces:
        return "no workspace"
    names = ", ".join(map(str, audit.workspaces[:6]))
    more = len(audit.workspaces) - 6
    word = "workspace" if len(audit.workspaces) == 1 else "workspaces"
    return f"{word} {names}" + (f" and {more} more" if more > 0 else "")


def _show_unread(out: Console, audit: Audit) -> None:
    for text in audit.unread[:_UNREAD_SHOWN]:
        out.print(f"[yellow]not read:[/yellow] {_cell(text)}")
    if len(audit.unread) > _UNREAD_SHOWN:
        out.print(f"… and {len(audit.unread) - _UNREAD_SHOWN} more that could not be read", markup=False)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    return table


def _cell(text: str) -> str:
    """Text of a service: neither Rich's markup nor control characters in it take effect."""
    return escape(visible(text))

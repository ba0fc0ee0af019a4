"""The bulk report as one standalone HTML page.

Without scripts it shows everything; the script only filters, sorts and pages. The rows' facts that the script needs
are attributes of the rows, so that no data has to be embedded in a script.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any
from urllib.parse import quote

from jinja2 import Environment as Templates
from markupsafe import Markup

from flows.artifacts import console_links
from flows.bulk_charts import HEIGHT, STATE_MARKS, WIDTH, heat_map, usage_charts
from flows.bulk_report import BulkReport, FailureGroup, RowOutcome, RowReport
from flows.html_page import asset, content_policy, short, templates
from flows.report import STEP_TITLES, OnboardingReport

CAUSES_SHOWN = 8
"""Causes of one persona that stand open; the others unfold."""
DETAIL_BYTES = 10_500_000
"""Five steps, ids and links are written for rows, those with trouble first, until the rows take this much.

A row beyond it has its line (some 450 bytes: 10,000 rows stay below 15 MB), and its steps in the JSON report."""
_MARKS: Mapping[str, str] = {
    "created": "+",
    "updated": "~",
    "unchanged": "=",
    "skipped": "–",
    "failed": "×",
    "blocked": "⊘",
    "invalid": "!",
    "not_started": "–",
    "planned": "○",
    "not_selected": "·",
}
_DONE = (RowOutcome.CREATED, RowOutcome.UPDATED, RowOutcome.UNCHANGED)
_STOPS: Mapping[str, str] = {
    "failures": "too many rows failed",
    "changes": "more would have changed than was allowed",
    "allowance": "the day's calls are spent",
    "approval": "its plan was not approved",
    "room": "the account has no room for it",
}


def render_html(report: BulkReport) -> str:
    """The page. The same report gives the same bytes."""
    rows = report.urgent_first()
    numbered = enumerate(group for groups in report.failures_by_persona().values() for group in groups)
    causes = list(numbered)
    cause_of = {id(row): number for number, group in causes for row in group.rows}
    style, script = asset("bulk_report.css"), asset("bulk_report.js")
    page = _templates().get_template("bulk_report.html.j2")
    return page.render(
        report=report,
        headline=headline(report),
        policy=content_policy(style, script),
        style=Markup(style),  # noqa: S704  # this project's own file
        script=Markup(script),  # noqa: S704  # as above
        counts=[(RowOutcome(name), count) for name, count in report.counts().items() if count],
        shares=list(_shares(report)),
        personas=[
            (fixer([group for _, group in told]), sum(len(group.rows) for _, group in told), told)
            for persona in dict.fromkeys(group.persona for _, group in causes)
            if (told := [(number, group) for number, group in causes if group.persona == persona])
        ],
        rows=_rows(rows, cause_of),
        types=sorted({row.type for row in rows}),
        workspaces=sorted({row.workspace for row in rows}),
        heat=heat_map(rows),
        charts=usage_charts(report),
        plot=(WIDTH, HEIGHT),
        stops=_STOPS,
        shown_causes=CAUSES_SHOWN,
        titles=STEP_TITLES,
    )


def headline(report: BulkReport) -> str:
    """One sentence: what became of the file."""
    counts = report.counts()
    total = len(report.rows)
    need = sum(counts[name] for name in ("failed", "blocked", "invalid"))
    done = sum(counts[outcome.value] for outcome in _DONE)
    sources = "data source" if total == 1 else "data sources"
    if not total:
        return "The file has no rows"
    if report.stop is not None or counts["not_started"]:
        return f"Stopped with {done:,} of {total:,} {sources} onboarded"
    if report.mode == "plan":
        changed = counts["planned"]
        return f"{changed:,} of {total:,} {sources} would change" + (f", {need:,} cannot" if need else "")
    if need:
        return f"{need:,} of {total:,} {sources} need{'s' if need == 1 else ''} attention"
    chosen = total - counts["not_selected"]
    if chosen == 1:
        return "1 data source is onboarded"
    return f"{'All ' if chosen else ''}{chosen:,} data sources are onboarded"


def fixer(groups: Sequence[FailureGroup]) -> str:
    """Who can fix these causes, which are of one persona: ``The administrator``."""
    if groups[0].persona:
        return f"The {groups[0].persona}"
    outcomes = {row.outcome for group in groups for row in group.rows}
    return "Whoever wrote the file" if outcomes == {RowOutcome.INVALID} else "Whoever runs the file"


@dataclass(frozen=True)
class RowView:
    """A row as the page shows it; without steps, ids and links for a row beyond the page's room."""

    row: RowReport
    cause: int | None
    summary: str
    marks: tuple[tuple[str, str], ...] = ()
    """Outcome of each step with its sign."""
    changes: tuple[str, ...] = ()
    steps: tuple[tuple[int, str, str, str, str, float | None], ...] = ()
    """Number, title, outcome, subject, reason, seconds."""
    ids: tuple[tuple[str, str], ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    cells: str = ""
    cut: bool = False

    @property
    def opens(self) -> bool:
        """Whether there is more to tell than the summary."""
        more = self.steps or self.changes or self.row.how or len(self.row.problems) > 1
        return bool(more) and not self.cut


def _rows(rows: Sequence[RowReport], cause_of: Mapping[int, int]) -> Iterator[Markup]:
    """The rows' markup; once the room for details is used, each row's line only."""
    macros: Any = _templates().get_template("bulk_report_row.html.j2").module
    used = 0
    for row in rows:
        view = _view(row, cause_of.get(id(row)))
        if used > DETAIL_BYTES:
            view = replace(view, cut=view.opens)
        text: Markup = macros.row(view)
        used += len(text.encode("utf-8"))
        yield text


def _view(row: RowReport, cause: int | None) -> RowView:
    report, changes = row.onboarding, row.changes
    summary = short(row.why) or _summary(row, len(changes))
    if report is None:
        return RowView(row, cause, summary, changes=changes)
    steps = report.five_steps
    return RowView(
        row=row,
        cause=cause,
        summary=summary,
        marks=tuple((step.outcome.value, _MARKS[step.outcome.value]) for step in steps),
        changes=changes,
        steps=tuple(
            (
                step.number,
                step.title,
                step.outcome.value,
                short(step.subject),
                short("; ".join((step.reason, *step.notes)) if step.notes else step.reason),
                row.step_seconds.get(step.number),
            )
            for step in steps
        ),
        ids=tuple(_ids(report)),
        links=tuple((name, quote(url, safe=":/?#=&%")) for name, url in console_links(report)),
        cells=_cells(report),
    )


def _summary(row: RowReport, changes: int) -> str:
    """For a row that has nothing to complain about."""
    if changes:
        return f"{changes} change{'s' if changes > 1 else ''} planned"
    return {
        RowOutcome.CREATED: "onboarded",
        RowOutcome.UPDATED: "brought up to date",
        RowOutcome.UNCHANGED: "as specified",
    }.get(row.outcome, "")


def _ids(report: OnboardingReport) -> Iterator[tuple[str, str]]:
    """What a person looks up in a console or tells the vendor's support."""
    for part in report.steps:
        facts, where = part.facts, part.facts.get("environment", "")
        for key in ("role_id", "data_source_id", "file_id", "node_id"):
            if facts.get(key):
                yield f"{key.replace('_', ' ')} {where}".rstrip(), facts[key]
    for proof in report.proofs:
        yield f"instance id {proof.environment.name}", str(proof.instance)
    if report.records:
        yield "records", report.records
    if report.failure:
        failure = report.failure
        told = (("failed on", failure.subject), ("code", failure.code), ("request id", failure.request_id))
        yield from ((label, text) for label, text in told if text)


def _cells(report: OnboardingReport) -> str:
    """The tested connections in one line; those that work are counted."""
    if not report.matrix:
        return ""
    red = [cell for cell in report.matrix if not cell.connected]
    told = [f"{len(report.matrix) - len(red)} of {len(report.matrix)} connected"]
    for cell in red:
        reason = f" ({cell.reason})" if cell.reason else ""
        told.append(f"{cell.environment.name} from {cell.resource_group}: {cell.state.value}{reason}")
    return short("; ".join(told))


def _shares(report: BulkReport) -> Iterator[tuple[str, float, float]]:
    """Outcome, start and width of each part of the bar, in per cent."""
    start = 0.0
    for name, count in report.counts().items():
        if count:
            width = 100 * count / len(report.rows)
            yield name, round(start, 3), round(width, 3)
            start += width


# -- the template --------------------------------------------------------------------------------------


@lru_cache(maxsize=1)
def _templates() -> Templates:
    return templates(
        {"mark": lambda outcome: _MARKS[outcome], "state_mark": lambda state: STATE_MARKS[state]}
    )

"""An audit as one standalone HTML page: what to do and who can do it, every finding, and the picture of access.

Without scripts it shows everything; the script filters, pages, and lights up the chains through a box of the picture.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType

from jinja2 import Environment as Templates
from markupsafe import Markup

from flows.audit_graph import LAYERS, LEFT, NODE, WIDTH, WIDTHS, graph_of, line, placed, rows_of
from flows.audit_report import AuditReport, headline, whose
from flows.html_page import asset, content_policy, templates
from tasks.audit.finding import RULES

CAUSES_SHOWN = 8
"""Causes of one persona that stand open; the others unfold."""
_MARKS: Mapping[str, str] = MappingProxyType({"high": "!", "medium": "▲", "low": "▽", "info": "i"})
"""A sign for each severity: colour is never the only one."""


def render_audit(report: AuditReport) -> str:
    """The page. The same report gives the same bytes."""
    style = f"{asset('bulk_report.css')}\n{asset('audit.css')}"
    script = asset("audit.js")
    rows = rows_of(report.audit.chains)
    graph = graph_of(rows)
    tops, height = placed(graph)
    causes = list(enumerate(report.causes()))
    cause_of = {id(one): number for number, cause in causes for one in cause.findings}
    page = _templates().get_template("audit.html.j2")
    return page.render(
        report=report,
        audit=report.audit,
        headline=headline(report),
        policy=content_policy(style, script),
        style=Markup(style),  # noqa: S704  # this project's own file
        script=Markup(script),  # noqa: S704  # as above
        counts=report.counts(),
        shares=list(_shares(report)),
        personas=[
            (whose(persona), len(findings), [one for one in causes if one[1].persona == persona])
            for persona, findings in report.by_persona().items()
        ],
        cause_of=[cause_of[id(one)] for one in report.findings],
        kinds=sorted({one.kind for one in report.findings}),
        rules=RULES,
        shown_causes=CAUSES_SHOWN,
        rows=rows,
        keyed=len({(row.workspace, row.name) for row in rows if row.by_key}),
        users=sorted({user for row in rows for user in row.people}),
        workspaces=sorted({row.workspace for row in rows}),
        modes=sorted({row.mode for row in rows}),
        graph=graph,
        model=json.dumps(graph.model, separators=(",", ":")),
        lines=[(start, end, line(graph, tops, start, end)) for start, end in graph.lines()],
        key_boxes={box for box, node in enumerate(graph.nodes) if node.kind == "source key"},
        tops=tops,
        height=height,
        width=WIDTH,
        widths=WIDTHS,
        left=LEFT,
        layers=LAYERS,
        node_height=NODE,
    )


def _shares(report: AuditReport) -> Iterator[tuple[str, float, float]]:
    """Severity, start and width of each part of the bar, in per cent."""
    start = 0.0
    for severity, count in report.counts().items():
        if count:
            width = 100 * count / len(report.findings)
            yield severity, round(start, 3), round(width, 3)
            start += width


@lru_cache(maxsize=1)
def _templates() -> Templates:
    return templates({"mark": lambda severity: _MARKS[severity]})

"""The picture of access: who may pass which role, what it allows, which data source is opened with it, and what is there.

Seven layers from left to right: people, group or PassRole policy, role, its policies, data source, its sync tasks,
location. A row of the picture is one data source; environments that are alike share it. A chain is a row together with
one way to the row's role: the page's script lights up exactly the chains through a node, not all that is joined by lines.
Lengths are pixels; the script places what is left of a filter by the same rules as :func:`placed`.
"""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from config.sources.base import Environment
from flows.bulk_report import visible
from tasks.audit.access import AccessChain

LAYERS = ("People", "Group or PassRole", "Role", "Its policies", "Data source", "Sync tasks", "Location")
WIDTHS = (104, 140, 172, 104, 140, 130, 184)
GAP = 34
STEP = 46
"""From one row to the next."""
NODE = 38
"""Height of a node."""
ROWS_DRAWN = 1000
"""Beyond it the picture is no use and the page too large; the table beside it has every row."""
_SIGN = 7.0
"""Width of a sign of the labels, on average, in the widest of the usual fonts; what is wider yet is clipped."""
USER, VIA, ROLE, POLICY, SOURCE, TASK, LOCATION = range(7)
LEFT = tuple(sum(WIDTHS[:layer]) + GAP * layer for layer in range(7))
WIDTH = LEFT[-1] + WIDTHS[-1]
KEY = "AccessKey"
_MODE_KEY = "access key"


@dataclass(frozen=True)
class Way:
    """One way to a role: a user, the group by which the user holds PassRole ("" directly), and the policies with it."""

    user: str
    group: str
    grants: tuple[str, ...]


@dataclass
class Row:
    """A data source as it is opened in ``environments``; ``ways`` lead to its role."""

    workspace: int
    name: str
    type: str
    mode: str
    role: str
    policies: tuple[str, ...]
    tasks: tuple[str, ...]
    location: str
    access: str
    environments: list[str] = field(default_factory=list)
    ways: list[Way] = field(default_factory=list)

    @property
    def by_key(self) -> bool:
        """Whether it is opened with an AccessKey: whoever has the key reaches the location, and no chain tells who."""
        return self.mode == _MODE_KEY

    @property
    def people(self) -> list[str]:
        """Whoever may pass its role, each once."""
        return list(dict.fromkeys(way.user for way in self.ways))


@dataclass(frozen=True)
class Node:
    """A box: ``label`` and ``below`` fit into it, ``title`` says all. ``kind`` decides its colour."""

    layer: int
    label: str
    below: str
    title: str
    kind: str


@dataclass
class Graph:
    """Boxes, and rows as the boxes they are made of: role, policies, data source, tasks, location; -1 for none.

    ``ways`` are the different sets of (user, group or policy, grant), a grant being a place in ``grants``;
    ``row_ways`` says which set leads to a row's role.
    """

    nodes: list[Node] = field(default_factory=list)
    rows: list[tuple[int, int, int, int, int]] = field(default_factory=list)
    ways: list[list[tuple[int, int, int]]] = field(default_factory=list)
    grants: list[str] = field(default_factory=list)
    row_ways: list[int] = field(default_factory=list)
    hidden: int = 0
    """Rows that are not drawn."""

    @property
    def model(self) -> dict[str, Any]:
        """What the script needs beside the boxes."""
        return {
            "rows": self.rows,
            "ways": self.ways,
            "grants": [visible(grant) for grant in self.grants],
            "rowWays": self.row_ways,
            "left": LEFT,
            "widths": WIDTHS,
            "step": STEP,
            "node": NODE,
        }

    def lines(self) -> list[tuple[int, int]]:
        """Every line once, from left to right."""
        found: dict[tuple[int, int], None] = {}
        for row, ways in zip(self.rows, self.row_ways, strict=True):
            for user, via, _ in self.ways[ways]:
                found[user, via] = found[via, row[0]] = None
            boxes = [box for box in row if box >= 0]
            found.update(dict.fromkeys(itertools.pairwise(boxes)))
        return list(found)


# -- rows ----------------------------------------------------------------------------------------------


def rows_of(chains: Iterable[AccessChain]) -> list[Row]:
    """The chains by data source: side by side what the same people reach, then by role; last what a key opens."""
    found: dict[tuple[Any, ...], dict[str, Row]] = {}
    for chain in chains:
        key = (
            *(chain.workspace, chain.data_source, chain.type, chain.mode, chain.role, chain.policies),
            *(chain.tasks, chain.location, chain.access),
        )
        row = found.setdefault(key, {}).setdefault(chain.environment, Row(*_facts(chain)))
        way = Way(chain.user, chain.group, chain.grants)
        if chain.user and way not in row.ways:
            row.ways.append(way)
    rows: list[Row] = []
    for by_environment in found.values():
        alike: dict[frozenset[Way], Row] = {}
        for environment, row in sorted(by_environment.items(), key=lambda item: _place(item[0])):
            alike.setdefault(frozenset(row.ways), row).environments.append(environment)
        rows += alike.values()
    return sorted(rows, key=_order)


def _order(row: Row) -> tuple[Any, ...]:
    ways = sorted((not way.group, way.group, way.user) for way in row.ways)
    return (row.by_key, not ways, ways, row.role, row.workspace, row.name, row.environments, row.location)


def _facts(chain: AccessChain) -> tuple[Any, ...]:
    return (chain.workspace, chain.data_source, chain.type, chain.mode, chain.role, chain.policies,
            chain.tasks, chain.location, chain.access)  # fmt: skip


def _place(environment: str) -> tuple[int, str]:
    known = [one.name for one in (Environment.DEV, Environment.PROD)]
    return (known.index(environment) if environment in known else len(known), environment)


# -- boxes ---------------------------------------------------------------------------------------------


class _Builder:
    def __init__(self) -> None:
        self.graph = Graph()
        self._known: dict[tuple[Any, ...], int] = {}
        self._ways: dict[tuple[tuple[int, int, int], ...], int] = {}
        self._grants: dict[str, int] = {}

    def box(self, key: tuple[Any, ...], layer: int, label: str, below: str, title: str, kind: str) -> int:
        key = (layer, *key)
        if key not in self._known:
            self._known[key] = len(self.graph.nodes)
            fit = fitted(visible(label), WIDTHS[layer]), fitted(visible(below), WIDTHS[layer])
            self.graph.nodes.append(Node(layer, *fit, visible(title), kind))
        return self._known[key]

    def add(self, row: Row) -> None:
        boxes = (
            self._role(row),
            self._policies(row),
            self._source(row),
            self._tasks(row),
            self._location(row),
        )
        ways = tuple((self._user(way), self._via(way), self._grant(way)) for way in row.ways)
        if ways not in self._ways:
            self._ways[ways] = len(self.graph.ways)
            self.graph.ways.append(list(ways))
        self.graph.rows.append(boxes)
        self.graph.row_ways.append(self._ways[ways])

    def _user(self, way: Way) -> int:
        return self.box((way.user,), USER, way.user, "", way.user, "user")

    def _via(self, way: Way) -> int:
        if way.group:
            return self.box(("group", way.group), VIA, way.group, "group", f"group {way.group}", "group")
        label = way.grants[0] if way.grants else "PassRole"
        below = f"and {len(way.grants) - 1} more" if len(way.grants) > 1 else "held directly"
        told = f"PassRole held directly, by {', '.join(way.grants) or 'another policy'}"
        return self.box(("grant", way.grants), VIA, label, below, told, "grant")

    def _grant(self, way: Way) -> int:
        """The policies by which a group passes the role; of what is held directly the box itself tells them."""
        text = f"PassRole by {', '.join(way.grants)}" if way.group and way.grants else ""
        if text not in self._grants:
            self._grants[text] = len(self.graph.grants)
            self.graph.grants.append(text)
        return self._grants[text]

    def _role(self, row: Row) -> int:
        if row.by_key:
            return self.box((KEY,), ROLE, KEY, "whoever has the key", "AccessKey: whoever has the key of "
                            "such a data source reaches what the key reaches", "key")  # fmt: skip
        people = len(row.people)
        below = f"{people or 'nobody'} {'person ' if people == 1 else 'people ' if people else ''}may pass it"
        return self.box((row.role,), ROLE, row.role or "unknown role", below, f"role {row.role}", "role")

    def _policies(self, row: Row) -> int:
        if row.by_key or not row.policies:
            return -1
        more = len(row.policies) - 1
        below = f"and {more} more" if more else "policy"
        told = f"polic{'ies' if more else 'y'} {', '.join(row.policies)}"
        first = row.policies[0]
        # The role stands beside it: what its generated policies are named after is not said again.
        named_after = row.role and first != row.role and first.startswith(row.role)
        label = f"…{first.removeprefix(row.role)}" if named_after else first
        return self.box((row.role, row.policies), POLICY, label, below, told, "policy")

    def _source(self, row: Row) -> int:
        where = "/".join(row.environments)
        told = f"data source {row.name} ({where}) of workspace {row.workspace}, {row.type}, {row.mode} mode"
        key = (row.workspace, row.name, where, len(self.graph.rows))
        kind = "source key" if row.by_key else "source"
        return self.box(key, SOURCE, row.name, f"{row.workspace} {where}", told, kind)

    def _tasks(self, row: Row) -> int:
        if not row.tasks:
            return -1
        more = len(row.tasks) - 1
        below = f"and {more} more" if more else "sync task"
        told = f"sync task{'s' if more else ''} {', '.join(row.tasks)} of workspace {row.workspace}"
        return self.box((len(self.graph.rows),), TASK, row.tasks[0], below, told, "task")

    def _location(self, row: Row) -> int:
        scheme, _, rest = row.location.rpartition("://")
        below = f"{scheme or row.type}, {row.access}"
        told = f"location {row.location}, {row.access}"
        return self.box((row.location, row.access), LOCATION, rest, below, told, "location")


def graph_of(rows: Sequence[Row], limit: int = ROWS_DRAWN) -> Graph:
    """The picture of the first ``limit`` rows."""
    builder = _Builder()
    for row in rows[:limit]:
        builder.add(row)
    builder.graph.hidden = max(0, len(rows) - limit)
    return builder.graph


def fitted(text: str, width: int) -> str:
    """The text as it fits into a box: names differ mostly at their ends, so what is left out is before."""
    room = int((width - 14) / _SIGN)
    if _signs(text) <= room:
        return text
    head, tail = "", ""
    for sign in text:
        if _signs(head + sign) > room // 3:
            break
        head += sign
    for sign in reversed(text):
        if _signs(sign + tail) > room - _signs(head) - 1:
            break
        tail = sign + tail
    return f"{head}…{tail}"


def _signs(text: str) -> int:
    """Widths of a text's signs; those of Chinese take two, marks that combine take none."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(sign) else 2 if unicodedata.east_asian_width(sign) in "WF" else 1
        for sign in text
    )


# -- places --------------------------------------------------------------------------------------------


def placed(graph: Graph) -> tuple[list[float], int]:
    """The top of each box, and the picture's height: a box stands where the first of what it leads to does."""
    columns: dict[int, set[int]] = {}
    for box, node in enumerate(graph.nodes):
        columns.setdefault(node.layer, set()).add(box)
    slots = max((len(boxes) for boxes in columns.values()), default=0)
    tops: dict[int, float] = {}
    for number, row in enumerate(graph.rows):
        for box in row:
            tops.setdefault(box, float(number * STEP))
    tops |= _spread({box: tops[box] for box in columns.get(LOCATION, ())}, slots)
    for ends in (VIA, USER):
        first_of: dict[int, float] = {}
        for row, ways in zip(graph.rows, graph.row_ways, strict=True):
            for user, via, _ in graph.ways[ways]:
                box, to = (via, row[0]) if ends == VIA else (user, via)
                first_of[box] = min(first_of.get(box, tops[to]), tops[to])
        tops |= _spread(first_of, slots)
    return [tops[box] for box in range(len(graph.nodes))], slots * STEP


def _spread(wanted: Mapping[int, float], slots: int) -> dict[int, float]:
    """Places near those wanted, in their order, at least a step apart and inside the picture."""
    order = sorted(wanted, key=lambda box: (wanted[box], box))
    places: list[float] = []
    for box in order:
        places.append(max(wanted[box], places[-1] + STEP if places else 0.0))
    floor = float((slots - 1) * STEP)
    for at in range(len(places) - 1, -1, -1):
        places[at] = min(places[at], floor)
        floor = places[at] - STEP
    return dict(zip(order, places, strict=True))


def line(graph: Graph, tops: Sequence[float], start: int, end: int) -> str:
    """SVG path data of the line between two boxes."""
    x1 = LEFT[graph.nodes[start].layer] + WIDTHS[graph.nodes[start].layer]
    x2, bend = LEFT[graph.nodes[end].layer], GAP / 2
    y1, y2 = (_number(tops[box] + NODE / 2) for box in (start, end))
    # What skips a layer runs straight through it, below no box of its own row.
    return f"M{x1} {y1}C{_number(x1 + bend)} {y1} {_number(x2 - bend)} {y2} {x2} {y2}"


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")

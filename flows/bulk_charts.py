"""What the report's page draws: quota use over time, floor against actual time, the connectivity heat map.

Shapes are SVG path data in the units of :data:`WIDTH` × :data:`HEIGHT`; the page stretches them to its own width.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from config.sources.base import Environment
from flows.bulk_report import BulkReport, RowReport, UsagePoint
from tasks.connectivity import Connection

WIDTH = 480
HEIGHT = 96
_COLUMNS = 120
"""Buckets of time drawn side by side; a longer run is drawn coarser."""
HEAT_ROWS = 200
"""Rows of the heat map that are drawn; rows with other than green cells first, the rest is counted."""


@dataclass(frozen=True)
class UsageChart:
    """One rate group over the run: calls a second as an area, the allowed rate as a line, refusals as ticks."""

    group: str
    area: str
    allowed: str
    ticks: str
    top: float
    calls: int
    throttled: int
    share: float
    """Used part of what was allowed, from the group's first to its last call; 0 to 1."""
    seconds: float


@dataclass
class _Bucket:
    calls: int = 0
    throttled: int = 0
    allowed: float = 0.0


def usage_charts(report: BulkReport) -> list[UsageChart]:
    """One chart a rate group, the busiest group first; all on the run's one axis of time."""
    groups: dict[str, list[UsagePoint]] = {}
    for point in report.usage:
        groups.setdefault(point.group, []).append(point)
    end = max([report.seconds, *(point.second + point.seconds for point in report.usage)], default=0.0)
    charts = [_chart(group, points, end) for group, points in groups.items()]
    return sorted(charts, key=lambda chart: (-chart.share, chart.group))


def _chart(group: str, points: Sequence[UsagePoint], end: float) -> UsageChart:
    # Never finer than what was counted, or the area would be a comb.
    width = max(end / _COLUMNS, *(point.seconds for point in points), 1.0)
    columns = max(1, round(end / width + 0.5))
    buckets = [_Bucket() for _ in range(columns)]
    for point in points:
        bucket = buckets[min(columns - 1, int(point.second / width))]
        bucket.calls += point.calls
        bucket.throttled += point.throttled
        bucket.allowed = max(bucket.allowed, point.allowed)
    allowed = _filled([bucket.allowed for bucket in buckets])
    rates = [bucket.calls / width for bucket in buckets]
    top = max([*rates, *allowed, 1.0])
    granted = sum(point.allowed * point.seconds for point in points)
    calls = sum(point.calls for point in points)
    return UsageChart(
        group=group,
        area=f"M0 {HEIGHT}{_steps(rates, top)}V{HEIGHT}Z",
        allowed=f"M0 {_y(allowed[0], top)}{_steps(allowed, top)}",
        ticks="".join(
            f"M{_number((at + 0.5) * WIDTH / columns)} 0v14"
            for at, one in enumerate(buckets)
            if one.throttled
        ),
        top=top,
        calls=calls,
        throttled=sum(point.throttled for point in points),
        share=min(1.0, calls / granted) if granted else 0.0,
        seconds=end,
    )


def _filled(values: Sequence[float]) -> list[float]:
    """Seconds without a call were not counted; the rate that was allowed in them is that of before, or of after."""
    known = next((value for value in values if value), 0.0)
    filled = []
    for value in values:
        known = value or known
        filled.append(known)
    return filled


def _steps(values: Sequence[float], top: float) -> str:
    """A staircase over the whole width; equal steps are one."""
    path, before = [], None
    for at, value in enumerate(values):
        y = _y(value, top)
        if y != before:
            path.append(f"H{_number(at * WIDTH / len(values))}V{y}")
            before = y
    return f"{''.join(path)}H{WIDTH}"


def _y(value: float, top: float) -> str:
    return _number(HEIGHT - value / top * (HEIGHT - 6))


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


@dataclass(frozen=True)
class HeatCell:
    """One cell of the heat map; ``state`` is empty where nothing was tested."""

    state: str = ""
    reason: str = ""


@dataclass(frozen=True)
class HeatColumn:
    """A resource group in an environment: of ``tested`` rows ``connected`` are reached."""

    environment: str
    resource_group: str
    tested: int
    connected: int


@dataclass
class HeatMap:
    """Rows × (environment, resource group): rows with trouble one by one, the others as a count."""

    columns: list[HeatColumn] = field(default_factory=list)
    rows: list[tuple[RowReport, list[HeatCell]]] = field(default_factory=list)
    green: int = 0
    """Rows of which every tested cell is connected."""
    hidden: int = 0
    """Rows with trouble beyond those that are drawn."""

    @property
    def environments(self) -> list[tuple[str, int]]:
        """Environments with the number of their columns."""
        names = [column.environment for column in self.columns]
        return [(name, names.count(name)) for name in dict.fromkeys(names)]


def heat_map(rows: Iterable[RowReport], limit: int = HEAT_ROWS) -> HeatMap:
    """The connectivity of all rows; rows in the order given, those without any trouble only counted."""
    tested = [(row, row.onboarding.matrix) for row in rows if row.onboarding and row.onboarding.matrix]
    counted: dict[tuple[Environment, str], list[bool]] = {}
    for _, cells in tested:
        for cell in cells:
            counted.setdefault((cell.environment, cell.resource_group), []).append(cell.connected)
    places = sorted(counted, key=lambda place: (-place[0].value, place[1]))
    trouble = [(row, cells) for row, cells in tested if not all(cell.connected for cell in cells)]
    drawn = []
    for row, cells in trouble[:limit]:
        found = {(cell.environment, cell.resource_group): cell for cell in cells}
        drawn.append(
            (row, [HeatCell(c.state.value, c.reason) if (c := found.get(p)) else HeatCell() for p in places])
        )
    return HeatMap(
        columns=[
            HeatColumn(place[0].name, place[1], len(counted[place]), sum(counted[place])) for place in places
        ],
        rows=drawn,
        green=len(tested) - len(trouble),
        hidden=len(trouble) - len(drawn),
    )


STATE_MARKS: dict[str, str] = {
    Connection.CONNECTED.value: "✓",
    Connection.NOT_CONNECTED.value: "×",
    Connection.TIMEOUT.value: "◷",
    Connection.REFUSED.value: "⊘",
    "": "·",
}
"""A sign for each state: colour is never the only one."""

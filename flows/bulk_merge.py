"""One report of the shards of a run: rows in the file's order, counts and quota use added up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from flows.bulk_report import BulkReport, UsagePoint
from tasks.planning import digest


def merge(reports: Sequence[BulkReport]) -> BulkReport:
    """The report of the whole run.

    A bucket of time that several shards used is one bucket, counted from the first shard's start; the stop of the
    first shard that has one is kept. Raises ``ValueError`` for no report, or for reports of different files or modes.
    """
    if not reports:
        raise ValueError("there is no report to merge")
    first = reports[0]
    if any((report.source, report.mode) != (first.source, first.mode) for report in reports):
        raise ValueError("reports of different files or modes cannot be merged")
    started = min(report.started for report in reports)
    floors = [report.floor_seconds for report in reports if report.floor_seconds is not None]
    return BulkReport(
        source=first.source,
        region=", ".join(dict.fromkeys(report.region for report in reports)),
        mode=first.mode,
        started=started,
        ended=max(report.ended for report in reports),
        rows=sorted((row for report in reports for row in report.rows), key=lambda row: row.row),
        stop=next((report.stop for report in reports if report.stop), None),
        findings=tuple(dict.fromkeys(finding for report in reports for finding in report.findings)),
        calls=_sum(report.calls for report in reports),
        actions=_actions(reports),
        throttled=sum(report.throttled for report in reports),
        retries=sum(report.retries for report in reports),
        usage=_usage(reports, started),
        # A shard's floor is that of its rows at the account's whole rates; together they need the sum.
        floor_seconds=sum(floors) if floors else None,
        shards=tuple(
            sorted((shard for report in reports for shard in report.shards), key=lambda s: s.number)
        ),
    )


def whole_hash(plans: Sequence[BulkReport]) -> str:
    """The plan of several regions as one hash to approve, of the same three parts; "" unless each has one."""
    hashes = [plan.plan_hash.split("-") for plan in plans]
    if len(hashes) == 1:
        return plans[0].plan_hash
    if not all(len(parts) > 1 for parts in hashes):
        return ""
    return "-".join(digest(part) for part in zip(*hashes, strict=True))


def _sum(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for counted in counts:
        for name, count in counted.items():
            total[name] = total.get(name, 0) + count
    return dict(sorted(total.items()))


def _actions(reports: Iterable[BulkReport]) -> tuple[Mapping[str, Any], ...]:
    """Calls by action, added up."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for one in (one for report in reports for one in report.actions):
        key = one["product"], one["action"]
        before = found.get(key)
        added = (
            one if before is None else {k: before[k] + v for k, v in one.items() if not isinstance(v, str)}
        )
        found[key] = {**one, **added}
    return tuple(found[key] for key in sorted(found))


def _usage(reports: Sequence[BulkReport], started: float) -> tuple[UsagePoint, ...]:
    """Buckets of all shards on one axis. A worker knows its own share of the account's rate only: shares add up."""
    found: dict[tuple[int, str], list[UsagePoint]] = {}
    for report in reports:
        late = round(report.started - started)
        for point in report.usage:
            found.setdefault((point.second + late, point.group), []).append(point)
    shares = [_shares(report, round(report.started - started)) for report in reports]
    merged = []
    for (second, group), points in sorted(found.items()):
        merged.append(
            UsagePoint(
                second=second,
                group=group,
                calls=sum(point.calls for point in points),
                allowed=sum(_share_at(share.get(group, []), second) for share in shares),
                throttled=sum(point.throttled for point in points),
                seconds=max(point.seconds for point in points),
            )
        )
    return tuple(merged)


def _shares(report: BulkReport, late: int) -> dict[str, list[tuple[int, float]]]:
    """By group, from when on the shard was allowed how many calls a second; nothing after its last call."""
    found: dict[str, list[tuple[int, float]]] = {}
    ends: dict[str, int] = {}
    for point in sorted(report.usage, key=lambda point: point.second):
        found.setdefault(point.group, []).append((point.second + late, point.allowed))
        ends[point.group] = point.second + late + max(1, round(point.seconds))
    for group, known in found.items():
        known.append((ends[group], 0.0))
    return found


def _share_at(known: Sequence[tuple[int, float]], second: int) -> float:
    """The share that was last known: a second without a call of the group has no bucket, but a share."""
    share = 0.0
    for since, allowed in known:
        if since > second:
            break
        share = allowed
    return share

"""The time that a plan takes at the request rates alone: what a run is measured against."""

from __future__ import annotations

from cloud.gate import Gate
from config.limits import DATAWORKS, rate_group, rate_limit
from tasks.bulk_plan import FilePlan


def floor_seconds(gate: Gate, plan: FilePlan) -> float:
    """How long the plan's writes and tests take at the published rates and nothing else: the slowest rate group's time."""
    edition = gate.settings.edition
    seconds: dict[str, float] = {}

    def count(product: str, action: str, calls: int = 1) -> None:
        group = rate_group(product, action, edition)
        taken = calls / rate_limit(product, action, edition).per_second
        seconds[group] = seconds.get(group, 0.0) + taken

    for change in plan.changes:
        for call in change.calls:
            product, _, action = call.partition(":")
            count(product, action)
    for place in plan.changed:
        facts = plan.rows[place].facts
        if facts is not None:
            cells = len(facts.environments) * len(plan.specs[place].resource_groups)
            count(DATAWORKS, "TestNetworkConnection", cells)
    return max(seconds.values(), default=0.0)

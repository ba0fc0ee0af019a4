"""Plans in tests: computing them, and what an apply reports to have changed."""

from __future__ import annotations

import re
from dataclasses import replace

from tasks.plan import compute_plan
from tasks.planning import KNOWN_LATER, Plan, PlannedChange, plain
from tasks.preflight import Preflight, PreflightFinding, run_preflight
from tasks.scheduling import MARK
from tests.tasks.onboarding import Applied, Onboarding


def plan_of(onboarding: Onboarding) -> Plan:
    """The plan of the present moment."""
    return compute_plan(onboarding.gate, onboarding.spec, onboarding.facts())


def preflight_of(onboarding: Onboarding) -> Preflight:
    """All findings of the present moment."""
    return run_preflight(onboarding.gate, onboarding.spec)


def found(onboarding: Onboarding, code: str) -> list[PreflightFinding]:
    """The findings of one code."""
    return [one for one in preflight_of(onboarding).findings if one.code == code]


def changes_of(applied: Applied) -> list[PlannedChange]:
    """What the steps report to have changed, in their order."""
    reports = [applied.role.report, applied.granted.report, *(one.report for one in applied.sources.values())]
    changes = [change for report in reports for change in report.changes]
    if applied.sync_task is not None:
        changes += applied.sync_task.changes
    return [*changes, *(change for proof in applied.proofs.values() for change in proof.report.changes)]


PROVES = re.compile(r"Proves: [0-9a-f]{12}")


def as_planned(change: PlannedChange, role_id: str) -> PlannedChange:
    """A change as the plan could know it: before the role is created, its id is known later."""

    def before(value: object) -> object:
        if isinstance(value, dict):
            return {key: before(item) for key, item in value.items()}
        if isinstance(value, str) and value.startswith(MARK):
            return PROVES.sub(f"Proves: {KNOWN_LATER}", value)
        return KNOWN_LATER if value == role_id else value

    after = before(plain(change.after))
    assert isinstance(after, dict)
    return replace(change, after=after)


def shown(changes: list[PlannedChange] | tuple[PlannedChange, ...]) -> list[dict[str, object]]:
    """Changes as a plan shows them."""
    return [change.to_json() for change in changes]

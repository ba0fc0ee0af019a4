"""A specification is the same in whatever order its keys come: PostgreSQL gives a run's parameters back in another one."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks.rows import TYPES, make_rows
from config.load import parse_spec
from tests.flows.files import apply, gate_of, plan_of, served


def _reordered(part: Any) -> Any:
    """As PostgreSQL's ``jsonb`` keeps it: shorter keys first, then by their bytes."""
    if isinstance(part, dict):
        return {key: _reordered(part[key]) for key in sorted(part, key=lambda key: (len(key), key))}
    return [_reordered(one) for one in part] if isinstance(part, list) else part


@pytest.mark.parametrize("kind", TYPES)
def test_the_plan_has_the_same_hash_and_is_empty_after_the_other_was_applied(kind: str) -> None:
    rows = make_rows(1, roles=1, types=(kind,))
    rows[0].setdefault("sync_task", {}).setdefault("schedule", {})["parameters"] = {
        "a_long_name": "x", "bizdate": "$bizdate", "today": "$[yyyymmdd]",
    }  # fmt: skip
    spec, other = parse_spec(rows[0]), parse_spec(_reordered(rows[0]))
    with served(rows) as cloud:
        gate = gate_of(cloud)
        assert plan_of(gate, [spec]).hash == plan_of(gate, [other]).hash
        assert apply(gate_of(cloud), [spec]).outcomes == ["created"]
        assert plan_of(gate_of(cloud), [other]).changes == ()

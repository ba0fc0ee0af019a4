"""Single onboardings under random trouble: whatever happens, nothing is twice, orphaned or another's, and the next finishes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

import pytest

from emulator.server import RunningCloud
from tests.campaign.drawing import seeds
from tests.campaign.singles import Figures, case_of, prove, smallest

Record = Callable[[str, object], None]


def _prove(local: RunningCloud, seed: int, *, killed: bool, record: Record) -> Figures:
    case, troubles = case_of(seed, killed=killed)
    print(f"seed {seed}: {case}", *troubles, sep="\n  ")  # noqa: T201  # pytest shows it when the case fails
    try:
        figures = prove(local, case, troubles, seed)
    except Exception:
        print("as little as breaks it:", *smallest(local, case, troubles, seed), sep="\n  ")  # noqa: T201  # as above
        raise
    record("campaign", {"kind": "single killed" if killed else "single", **asdict(figures)})
    return figures


@pytest.mark.parametrize("seed", seeds(15, 1.0))
def test_a_single_onboarding_under_random_faults(
    local: RunningCloud, seed: int, record_property: Record
) -> None:
    _prove(local, seed, killed=False, record=record_property)


@pytest.mark.parametrize("seed", seeds(3, 0.5))
def test_a_single_onboarding_that_is_killed_at_random(
    local: RunningCloud, seed: int, record_property: Record
) -> None:
    _prove(local, seed, killed=True, record=record_property)

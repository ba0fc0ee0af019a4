"""A file that is cut off anywhere, met by any fault, or run twice at once ends as if nothing had happened."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from benchmarks.rows import make_rows
from cloud.gate import Gate
from emulator.server import RunningCloud
from tests.flows.files import Applied, apply, gate_of, meaning, served, specs_of
from tests.tasks.onboarding import add_fault

ROWS = make_rows(10, roles=2)
SPECS = specs_of(ROWS)
CALLS = 190
"""About as many calls as one run makes; cutting later cuts nothing."""


class Cut(BaseException):
    """Stands for a killed process: nothing in between may handle it."""


class CutGate(Gate):
    """Makes so many calls, in whatever thread, then the process is gone."""

    left = 0
    _counting = threading.Lock()

    def _one_less(self) -> None:
        with self._counting:
            if self.left <= 0:
                raise Cut
            self.left -= 1

    def read(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The call, unless all are used up."""
        self._one_less()
        return super().read(*args, **kwargs)

    def write(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The call, unless all are used up."""
        self._one_less()
        return super().write(*args, **kwargs)


@pytest.fixture(scope="module")
def cloud() -> Iterator[RunningCloud]:
    with served(ROWS) as running:
        yield running


@pytest.fixture(scope="module")
def uninterrupted(cloud: RunningCloud) -> dict[str, Any]:
    """What one run without trouble leaves behind."""
    _fresh(cloud)
    applied = apply(gate_of(cloud), SPECS)
    assert set(applied.outcomes) == {"created"}
    return meaning(cloud.cloud)


def _fresh(cloud: RunningCloud) -> None:
    cloud.cloud.reset()
    cloud.cloud.settings.enforce_rates = False


def _cut(cloud: RunningCloud, calls: int) -> bool:
    """One run that is cut off after so many calls; whether it was."""
    gate = gate_of(cloud, CutGate)
    assert isinstance(gate, CutGate)
    gate.left = calls
    try:
        apply(gate, SPECS, rows_at_once=4)
    except Cut:
        return True
    return False


def _finished(cloud: RunningCloud) -> Applied:
    """Run without trouble until nothing is left to do; one run must be enough."""
    applied = apply(gate_of(cloud), SPECS)
    assert set(applied.outcomes) <= {"created", "updated", "unchanged"}, [
        report.why for report in applied.reports
    ]
    again = apply(gate_of(cloud), SPECS)
    assert again.plan.changes == ()
    return applied


@pytest.mark.parametrize("seed", range(24))
def test_a_run_that_is_killed_anywhere_even_twice_is_finished_by_the_next(
    cloud: RunningCloud, uninterrupted: dict[str, Any], seed: int
) -> None:
    chance = random.Random(seed)
    _fresh(cloud)
    cut = _cut(cloud, chance.randrange(20, CALLS))
    if chance.random() < 0.5:
        cut |= _cut(cloud, chance.randrange(20, CALLS))
    assert cut
    _finished(cloud)
    assert meaning(cloud.cloud) == uninterrupted


FAULTS: dict[str, list[dict[str, Any]]] = {
    "throttled": [{"status": 429, "code": "Throttling.User", "times": 40, "probability": 0.2}],
    "asked to wait": [
        {
            "status": 429,
            "code": "Throttling.Api",
            "times": 20,
            "probability": 0.2,
            "headers": {"x-acs-retry-after": "2"},
        }
    ],
    "failing": [{"status": 503, "code": "ServiceUnavailable", "times": 40, "probability": 0.2}],
    "cut before": [{"effect": "reset", "times": 40, "probability": 0.15}],
    "answers lost": [{"when": "after", "effect": "reset", "times": 40, "probability": 0.15}],
    "answers torn": [{"when": "after", "effect": "truncate", "times": 30, "probability": 0.15}],
    "failed after the fact": [
        {"when": "after", "status": 500, "code": "InternalError.System", "times": 30, "probability": 0.15}
    ],
    "everything": [
        {"status": 429, "code": "Throttling.User", "times": 20, "probability": 0.1},
        {"status": 503, "code": "ServiceUnavailable", "times": 20, "probability": 0.1},
        {"when": "after", "effect": "reset", "times": 20, "probability": 0.1},
    ],
}


@pytest.mark.parametrize("name", FAULTS)
def test_faults_of_any_kind_leave_the_same_state(
    cloud: RunningCloud, uninterrupted: dict[str, Any], name: str
) -> None:
    _fresh(cloud)
    rules = [add_fault(cloud, **fault) for fault in FAULTS[name]]
    apply(gate_of(cloud), SPECS)
    assert any(rule.hits for rule in rules)
    cloud.cloud.faults.rules.clear()
    _finished(cloud)
    assert meaning(cloud.cloud) == uninterrupted


@pytest.mark.parametrize(
    "settings",
    [{"list_lag_seconds": 5}, {"authorization_lag_seconds": 30}, {"instance_list_empty_polls": 2}],
    ids=str,
)
def test_lists_and_rights_that_are_late_leave_the_same_state(
    cloud: RunningCloud, uninterrupted: dict[str, Any], settings: dict[str, Any]
) -> None:
    _fresh(cloud)
    before = {name: getattr(cloud.cloud.settings, name) for name in settings}
    for name, value in settings.items():
        setattr(cloud.cloud.settings, name, value)
    try:
        apply(gate_of(cloud), SPECS)
    finally:
        for name, value in before.items():
            setattr(cloud.cloud.settings, name, value)
    cloud.cloud.clock.advance(3600)
    _finished(cloud)
    assert meaning(cloud.cloud) == uninterrupted


def test_two_runs_on_the_same_file_at_once_do_no_harm(
    cloud: RunningCloud, uninterrupted: dict[str, Any]
) -> None:
    _fresh(cloud)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: apply(gate_of(cloud), SPECS), range(2)))
    _finished(cloud)
    assert meaning(cloud.cloud) == uninterrupted

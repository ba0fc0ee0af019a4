"""Cut off after each write, and answers that are lost: an apply goes on where it stopped, and does nothing twice."""

from __future__ import annotations

from typing import Any

import pytest

from cloud.errors import CallError, OnboardingError
from cloud.gate import Gate
from emulator.server import RunningCloud
from tests.tasks.onboarding import FULL_APPLY_WRITES, Onboarding, add_fault, example, lose_answer, outline

NUMBERS = range(1, len(FULL_APPLY_WRITES))


class Cut(BaseException):
    """Stands for Ctrl-C or a killed process: nothing in between may handle it."""


class CutGate(Gate):
    """Carries out ``writes`` writes, then the process is gone."""

    left = 0

    def write(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The write, unless all are used up."""
        if self.left == 0:
            raise Cut
        self.left -= 1
        return super().write(*args, **kwargs)


def _uninterrupted(local: RunningCloud) -> dict[str, Any]:
    onboarding = Onboarding(local)
    onboarding.apply()
    wanted = {"writes": onboarding.writes, **outline(local.cloud)}
    local.cloud.reset()
    local.cloud.settings.enforce_rates = False
    return wanted


@pytest.mark.parametrize("writes", NUMBERS)
def test_an_apply_cut_off_after_any_write_is_finished_by_the_next_one(
    local: RunningCloud, writes: int
) -> None:
    wanted = _uninterrupted(local)
    cut = Onboarding(local)
    cut.gate = gate = CutGate(cut.settings, cut.gate.region, cut.clock)
    gate.left = writes
    with pytest.raises(Cut):
        cut.apply()
    assert len(cut.writes) == writes
    again = Onboarding(local)
    again.apply()
    assert again.writes == wanted.pop("writes")
    assert outline(local.cloud) == wanted


@pytest.mark.parametrize("writes", NUMBERS)
def test_a_service_that_fails_after_any_write_is_an_error_and_the_next_apply_finishes(
    local: RunningCloud, writes: int
) -> None:
    wanted = _uninterrupted(local)
    outage = add_fault(
        local, status=503, code="ServiceUnavailable", times=None, skip=_calls_until(local, writes)
    )
    with pytest.raises(OnboardingError) as caught:
        Onboarding(local).apply()
    assert isinstance(caught.value, CallError)
    assert caught.value.code == "ServiceUnavailable"
    assert outage.hits
    local.cloud.faults.rules.clear()
    Onboarding(local).apply()
    wanted.pop("writes")
    assert outline(local.cloud) == wanted


def _calls_until(local: RunningCloud, writes: int) -> int:
    """How many calls an apply makes up to its n-th write."""
    Onboarding(local).apply()
    positions = [number for number, entry in enumerate(local.cloud.journal.entries, 1) if entry.write]
    local.cloud.reset()
    local.cloud.settings.enforce_rates = False
    return positions[writes - 1]


@pytest.mark.parametrize("action", sorted(set(FULL_APPLY_WRITES)))
def test_a_lost_answer_makes_no_duplicate_and_fails_nothing(local: RunningCloud, action: str) -> None:
    wanted = _uninterrupted(local)
    lost = lose_answer(local, action)
    Onboarding(local).apply()
    assert lost.hits == 1
    wanted.pop("writes")
    assert outline(local.cloud) == wanted


def test_every_answer_lost_once_makes_no_duplicate_and_fails_nothing(local: RunningCloud) -> None:
    wanted = _uninterrupted(local)
    rules = [lose_answer(local, action) for action in sorted(set(FULL_APPLY_WRITES))]
    Onboarding(local).apply()
    assert all(rule.hits for rule in rules)
    wanted.pop("writes")
    assert outline(local.cloud) == wanted


@pytest.mark.parametrize("action", ["CreateFolder", "CreateDISyncTask"])
def test_a_lost_answer_below_a_deeper_folder_makes_no_duplicate(local: RunningCloud, action: str) -> None:
    spec = example(sync_task__folder="Business Flow/onboarding/Data Integration/orders")
    lost = lose_answer(local, action)
    Onboarding(local, spec).apply()
    assert lost.hits == 1
    works = local.cloud.state.dataworks
    assert len(works.files) == 1
    assert len({folder.path for folder in works.folders.values()}) == len(works.folders)


def test_a_request_that_never_arrived_is_sent_again(local: RunningCloud) -> None:
    wanted = _uninterrupted(local)
    for action in sorted(set(FULL_APPLY_WRITES)):
        add_fault(local, action=action, when="before", effect="reset", times=1)
    Onboarding(local).apply()
    wanted.pop("writes")
    assert outline(local.cloud) == wanted


def test_throttling_of_every_action_is_waited_out(local: RunningCloud) -> None:
    wanted = _uninterrupted(local)
    for action in {*FULL_APPLY_WRITES, "GetRole", "ListDataSources", "GetInstance"}:
        add_fault(local, action=action, status=429, code="Throttling.User", times=2)
    onboarding = Onboarding(local)
    onboarding.apply()
    wanted.pop("writes")
    assert outline(local.cloud) == wanted
    assert onboarding.clock.slept


def test_a_run_under_way_is_watched_by_the_next_apply_and_not_started_again(local: RunningCloud) -> None:
    local.cloud.settings.instance_steps = 3
    cut = Onboarding(local)
    add_fault(local, action="GetInstance", status=403, code="Forbidden.Access", times=1)
    with pytest.raises(CallError):
        cut.apply()
    (instance,) = local.cloud.state.dataworks.instances.values()
    assert instance.status != "SUCCESS"
    again = Onboarding(local).apply()
    assert len(local.cloud.state.dataworks.instances) == 2
    assert next(iter(again.proofs.values())).instance == instance.id

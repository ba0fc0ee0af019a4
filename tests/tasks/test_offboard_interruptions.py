"""Cut off at any call, answers that are lost, a service that fails: the next run goes on, and everything is gone."""

from __future__ import annotations

from typing import Any

import pytest

from cloud.errors import CallError, DeploymentFailed
from cloud.gate import Gate
from config.spec import DataSourceSpec
from emulator.server import RunningCloud
from tests.tasks.offboarding import Offboarding, standing
from tests.tasks.onboarding import Onboarding, add_fault, example, lose_answer

DEEP = "Business Flow/onboarding/Data Integration/orders/daily"
WRITES = (
    "OfflineNode", "DeleteFile", "DeleteDataSource", "DeleteDataSource", "DetachPolicyFromGroup", "DetachPolicyFromUser",
    "DeletePolicy", "DetachPolicyFromRole", "DeletePolicy", "DeleteRole", "DeleteFolder", "DeleteFolder", "DeleteBusiness",
)  # fmt: skip
"""The writing calls of an offboarding, in order."""


def spec() -> DataSourceSpec:
    """The example with its sync task in a folder of its own."""
    return example(sync_task__folder=DEEP)


class Cut(BaseException):
    """Stands for Ctrl-C or a killed process: nothing in between may handle it."""


class CutGate(Gate):
    """Makes ``left`` calls (``writes_only``: so many writes), then the process is gone."""

    left = 0
    writes_only = False

    def _call(self, *args: Any, write: bool, **kwargs: Any) -> dict[str, Any]:
        if write or not self.writes_only:
            if self.left == 0:
                raise Cut
            self.left -= 1
        return super()._call(*args, write=write, **kwargs)


def onboarded(local: RunningCloud) -> str:
    """Onboard; returns what stood before."""
    first = standing(local.cloud, data=False)
    Onboarding(local, spec()).apply()
    return first


def cut_off(local: RunningCloud, left: int, *, writes_only: bool) -> bool:
    """Run until the process is gone; False when it came to its end."""
    offboarding = Offboarding(local, [spec()])
    gate = CutGate(offboarding.gate.settings, offboarding.gate.region, offboarding.gate.clock)
    gate.left, gate.writes_only = left, writes_only
    offboarding.gate = gate
    try:
        offboarding.apply()
    except Cut:
        return True
    return False


def test_the_writes_of_an_offboarding_in_their_order(local: RunningCloud) -> None:
    first = onboarded(local)
    assert tuple(Offboarding(local, [spec()]).writes_of_apply()) == WRITES
    assert standing(local.cloud, data=False) == first


@pytest.mark.parametrize("writes", range(len(WRITES)))
def test_cut_off_before_any_write_the_next_run_finishes_and_repeats_nothing(
    local: RunningCloud, writes: int
) -> None:
    first = onboarded(local)
    before = len(local.cloud.journal.writes)
    assert cut_off(local, writes, writes_only=True)
    Offboarding(local, [spec()]).apply()
    assert tuple(entry.action for entry in local.cloud.journal.writes[before:]) == WRITES
    assert standing(local.cloud, data=False) == first
    assert Offboarding(local, [spec()]).writes_of_apply() == []


def test_cut_off_again_and_again_it_comes_to_its_end(local: RunningCloud) -> None:
    first = onboarded(local)
    before = len(local.cloud.journal.writes)
    calls = 60  # what a run reads first; each try gets a little further
    while cut_off(local, calls, writes_only=False):
        calls += 3
    assert standing(local.cloud, data=False) == first
    assert tuple(entry.action for entry in local.cloud.journal.writes[before:]) == WRITES


@pytest.mark.parametrize("action", sorted(set(WRITES)))
def test_a_lost_answer_repeats_nothing_and_fails_nothing(local: RunningCloud, action: str) -> None:
    first = onboarded(local)
    lost = lose_answer(local, action)
    assert tuple(Offboarding(local, [spec()]).writes_of_apply()) == WRITES
    assert lost.hits == 1
    assert standing(local.cloud, data=False) == first


@pytest.mark.parametrize("action", sorted(set(WRITES)))
def test_a_refused_call_is_an_error_and_the_next_run_finishes(local: RunningCloud, action: str) -> None:
    first = onboarded(local)
    add_fault(local, action=action, status=403, code="Forbidden.Access", times=1)
    with pytest.raises(CallError):
        Offboarding(local, [spec()]).apply()
    Offboarding(local, [spec()]).apply()
    assert standing(local.cloud, data=False) == first


def test_a_node_that_its_package_leaves_behind_is_an_error_that_names_it(local: RunningCloud) -> None:
    onboarded(local)
    local.cloud.settings.deployment_error = "the node is locked"
    with pytest.raises(DeploymentFailed, match="still in DEV: the node is locked"):
        Offboarding(local, [spec()]).apply()
    assert [node.environment for node in local.cloud.state.dataworks.nodes] == ["DEV"]
    with pytest.raises(DeploymentFailed, match="still in DEV"):
        Offboarding(local, [spec()]).apply()
    assert [one for one in local.cloud.state.dataworks.data_sources if one.name == "oss_orders"]


def test_policies_are_deleted_as_soon_as_the_service_has_seen_that_nobody_holds_them(
    local: RunningCloud,
) -> None:
    first = onboarded(local)
    for action in ("DeletePolicy", "DeleteRole"):
        add_fault(local, action=action, status=409, code="DeleteConflict.Role.Policy", times=3)
    Offboarding(local, [spec()]).apply()
    assert standing(local.cloud, data=False) == first

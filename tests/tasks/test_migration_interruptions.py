"""Cut off after each write, forward and on the way back: the same command again ends as if nothing had happened."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from emulator.server import RunningCloud
from tests.tasks.migrating import GROUP, SANDBOX, Moving, endings, migratable, reading_task, remains
from tests.tasks.onboarding import lose_answer
from tests.tasks.test_interruptions import Cut, CutGate

NAME = "orders"
FORWARD = (
    "CreatePolicy", "CreateRole", "AttachPolicyToRole", "TagResources", "CreatePolicy", "AttachPolicyToUser",
    "AttachPolicyToUser", "AttachPolicyToUser", "CreateDataSource", "CreateDISyncTask", "UpdateFile", "SubmitFile",
    "RunCycleDagNodes", "TagResources", "UpdateDataSource", "OfflineNode", "DeleteFile", "UntagResources",
    "DeleteDataSource",
)  # fmt: skip
"""The writing calls of a migration in a basic workspace, in order."""
BACK = (
    *FORWARD[:15], "UpdateDataSource", "OfflineNode", "DeleteFile", "DeleteDataSource", "UntagResources",
    "DetachPolicyFromUser", "DetachPolicyFromUser", "DetachPolicyFromUser", "DeletePolicy", "DetachPolicyFromRole",
    "DeletePolicy", "DeleteRole",
)  # fmt: skip
"""Those of one whose first watched run fails."""


def _fails(local: RunningCloud) -> None:
    for node in local.cloud.state.dataworks.nodes:
        node.content = reading_task(NAME, object=["absent/*.csv"])


def _nothing(local: RunningCloud) -> None:
    del local


def _ready(local: RunningCloud, change: Callable[[RunningCloud], None]) -> dict[str, Any]:
    """A basic workspace with one data source and one resource group."""
    local.cloud.settings.scheduler_runs = True
    works = local.cloud.state.dataworks
    works.resource_groups = [one for one in works.resource_groups if one.identifier == GROUP]
    migratable(local.cloud, workspace=SANDBOX)
    change(local)
    return copy.deepcopy(remains(local.cloud))


def _outline(found: dict[str, Any]) -> dict[str, Any]:
    """Without what each run makes anew: ids and dates of the role, and what the scheduled task has written."""
    roles = {
        name: (role["trust_policy"], role["tags"], sorted(one["policy"] for one in role["attachments"]))
        for name, role in found["roles"].items()
    }
    sources = [(*one[:5], *one[6:]) for one in found["data sources"]]
    return {**found, "roles": roles, "data sources": sources, "data": None}


_known: dict[Callable[[RunningCloud], None], dict[str, Any]] = {}


def _wanted(
    local: RunningCloud, change: Callable[[RunningCloud], None], writes: tuple[str, ...]
) -> dict[str, Any]:
    """What a migration that nothing interrupts leaves behind; found out once."""
    if change not in _known:
        _ready(local, change)
        Moving(local, SANDBOX).migrate()
        assert [entry.action for entry in local.cloud.journal.writes] == list(writes)
        _known[change] = copy.deepcopy(_outline(remains(local.cloud)))
        local.cloud.reset()
        local.cloud.settings.enforce_rates = False
    return _known[change]


@pytest.mark.parametrize("writes", range(1, len(FORWARD)))
def test_a_migration_cut_off_after_any_write_is_finished_by_the_next(
    local: RunningCloud, writes: int
) -> None:
    _cut_off(local, writes, _nothing, FORWARD, "migrated")


@pytest.mark.parametrize("writes", range(15, len(BACK)))
def test_a_way_back_cut_off_after_any_write_is_finished_by_the_next(local: RunningCloud, writes: int) -> None:
    _cut_off(local, writes, _fails, BACK, "as it was")


def _cut_off(
    local: RunningCloud,
    writes: int,
    change: Callable[[RunningCloud], None],
    all_writes: tuple[str, ...],
    ending: str,
) -> None:
    wanted = _wanted(local, change, all_writes)
    before = _ready(local, change)
    cut = Moving(local, SANDBOX, gate=CutGate)
    assert isinstance(cut.gate, CutGate)
    cut.gate.left = writes
    with pytest.raises(Cut):
        cut.migrate()
    migration = Moving(local, SANDBOX).migrate()
    # What was cut off on the way back may be back already: then the next run begins anew, and ends the same.
    assert set(endings(migration).values()) <= {ending}
    assert _outline(remains(local.cloud)) == wanted
    if change is _fails:
        assert remains(local.cloud)["data sources"] == before["data sources"]


@pytest.mark.parametrize("action", sorted(set(BACK)))
def test_a_lost_answer_makes_no_duplicate_and_fails_nothing(local: RunningCloud, action: str) -> None:
    wanted = _wanted(local, _fails, BACK)
    _ready(local, _fails)
    lost = lose_answer(local, action)
    assert endings(Moving(local, SANDBOX).migrate()) == {NAME: "as it was"}
    assert lost.hits == 1
    assert _outline(remains(local.cloud)) == wanted

"""What a campaign looks for is found when it is there: a rule that nothing can break proves nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from cloud.errors import StepError
from emulator.cloud import LocalCloud
from emulator.server import RunningCloud
from emulator.state import Attachment
from tests.campaign import singles
from tests.campaign.invariants import check_error, others_of
from tests.campaign.singles import Case
from tests.tasks.starting_states import document, policy

CASE = Case("oss", "read", 10001, sessions=False)


def _data_source_twice(cloud: LocalCloud) -> None:
    works = cloud.state.dataworks
    works.data_sources.append(works.data_sources[-1].model_copy(update={"id": 1}))


def _file_twice(cloud: LocalCloud) -> None:
    works = cloud.state.dataworks
    works.files[1] = next(iter(works.files.values())).model_copy(update={"id": 1})


def _node_twice(cloud: LocalCloud) -> None:
    works = cloud.state.dataworks
    works.nodes.append(works.nodes[-1].model_copy(update={"id": 1}))


def _grant_twice(cloud: LocalCloud) -> None:
    held = cloud.state.ram.users["carol"].attachments
    held.append(held[-1])


def _orphaned_policy(cloud: LocalCloud) -> None:
    policy(cloud, "DataWorks-left-behind", document("oss:GetObject"))


def _grant_to_a_stranger(cloud: LocalCloud) -> None:
    held = cloud.state.ram.users["mallory"].attachments
    held.append(Attachment(policy=CASE.spec().pass_role_policy_name))


@pytest.mark.parametrize(
    "harm",
    [_data_source_twice, _file_twice, _node_twice, _grant_twice, _orphaned_policy, _grant_to_a_stranger],
)
def test_what_is_twice_or_orphaned_is_found(local: RunningCloud, harm: Callable[[LocalCloud], None]) -> None:
    goal = singles.wanted(local, CASE)
    spec = singles.fresh(local, CASE)
    singles.apply(singles.onboarding(local, CASE, spec))
    goal.check_whole(local.cloud)
    harm(local.cloud)
    with pytest.raises(AssertionError):
        goal.check_parts(local.cloud)


def test_a_change_of_another_s_object_is_found(local: RunningCloud) -> None:
    singles.fresh(local, CASE)
    before = others_of(local.cloud)
    local.cloud.state.ram.roles["somebody-else"].description = "changed"
    assert others_of(local.cloud) != before


@pytest.mark.parametrize("error", [KeyError("Data"), StepError("something")])
def test_an_error_without_a_name_of_its_own_is_found(error: Exception) -> None:
    with pytest.raises(AssertionError):
        check_error(error)

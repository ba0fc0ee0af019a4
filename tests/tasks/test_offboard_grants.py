"""Quarantine takes the grants and nothing else; folded policies shrink by one role, and go with their last one."""

from __future__ import annotations

import json

import pytest

from cloud.dataworks.data_sources import find_data_source, update_data_source
from cloud.errors import PermissionDenied
from config.names import is_folded_policy
from config.sources.base import Environment
from config.spec import DataSourceSpec
from emulator.server import RunningCloud
from emulator.state import Attachment
from tests.tasks.grantees import CAROL, CAROLS_FOLDED, PLATFORM, attach_foreign, attachments, held
from tests.tasks.offboarding import QUARANTINE, Offboarding, standing
from tests.tasks.onboarding import ALLOW_USE, ROLE, Onboarding, example
from tests.tasks.starting_states import document, policy


def without_grants(local: RunningCloud) -> str:
    """What stands, whoever holds what."""
    state = json.loads(standing(local.cloud))
    for kind in ("users", "groups"):
        for one in state["ram"][kind].values():
            del one["attachments"]
    return json.dumps(state)


def test_quarantine_takes_the_grants_and_keeps_everything_else(local: RunningCloud) -> None:
    Onboarding(local).apply()
    before, whole = without_grants(local), standing(local.cloud)
    offboarding = Offboarding(local, [example()], QUARANTINE)

    assert offboarding.writes_of_apply() == ["DetachPolicyFromGroup", "DetachPolicyFromUser"]

    assert without_grants(local) == before
    assert standing(local.cloud) != whole
    assert ALLOW_USE not in (*held(local, CAROL), *held(local, PLATFORM))
    assert offboarding.writes_of_apply() == []


def test_nobody_can_use_a_source_in_quarantine(local: RunningCloud) -> None:
    Onboarding(local).apply()
    Offboarding(local, [example()], QUARANTINE).apply()
    gate = Onboarding(local).gate
    found = find_data_source(gate, 10001, "oss_orders", Environment.PROD)
    assert found is not None
    with pytest.raises(PermissionDenied, match="ram:PassRole"):
        update_data_source(gate, 10001, found, found.content, "again")


def test_onboarding_again_ends_a_quarantine(local: RunningCloud) -> None:
    Onboarding(local).apply()
    attached = [(one.policy, one.type) for one in attachments(local, CAROL)]
    before = without_grants(local)
    Offboarding(local, [example()], QUARANTINE).apply()
    assert Onboarding(local).writes_of_apply() == ["AttachPolicyToGroup", "AttachPolicyToUser"]
    assert without_grants(local) == before
    assert [(one.policy, one.type) for one in attachments(local, CAROL)] == attached


def test_removal_after_quarantine_returns_to_the_first_state(local: RunningCloud) -> None:
    first = standing(local.cloud, data=False)
    Onboarding(local).apply()
    Offboarding(local, [example()], QUARANTINE).apply()
    writes = Offboarding(local, [example()]).writes_of_apply()
    assert not [one for one in writes if one in ("DetachPolicyFromGroup", "DetachPolicyFromUser")]
    assert standing(local.cloud, data=False) == first


def test_a_holder_that_the_specification_does_not_name_loses_the_grant_and_the_plan_says_so(
    local: RunningCloud,
) -> None:
    first = standing(local.cloud, data=False)
    Onboarding(local).apply()
    local.cloud.state.ram.users["mallory"].attachments.append(Attachment(policy=ALLOW_USE))
    plan = Offboarding(local, [example()]).apply()
    assert any("user mallory holds the grant" in note for note in plan.notes)
    assert standing(local.cloud, data=False) == first


def test_a_stale_list_of_holders_neither_adds_nor_hides_a_detachment(local: RunningCloud) -> None:
    first = standing(local.cloud, data=False)
    local.cloud.settings.list_lag_seconds = 3600
    Onboarding(local).apply()
    Offboarding(local, [example()]).apply()
    assert standing(local.cloud, data=False) == first
    assert Offboarding(local, [example()]).writes_of_apply() == []


# -- folded policies -----------------------------------------------------------------------------------


def source(number: int) -> DataSourceSpec:
    """A data source without sync task, for carol alone."""
    return example(name=f"source_{number}", sync_task=None, grantees={"users": ["carol"]})


def full(local: RunningCloud) -> None:
    """Carol has a single place left: every grant of hers is folded."""
    attach_foreign(local, CAROL, 9 - len(held(local, CAROL)))


def folded(local: RunningCloud) -> str:
    """The text of carol's folded policy."""
    return local.cloud.state.ram.policies[CAROLS_FOLDED].default_version().document


def test_a_folded_policy_shrinks_by_the_role_that_goes_and_goes_with_the_last(local: RunningCloud) -> None:
    full(local)
    seen = [standing(local.cloud)]
    for number in range(3):
        Onboarding(local, source(number)).apply()
        seen.append(standing(local.cloud))
    assert [one for one in held(local, CAROL) if is_folded_policy(one)] == [CAROLS_FOLDED]
    for number in (2, 1, 0):
        Offboarding(local, [source(number)]).apply()
        assert standing(local.cloud) == seen[number]
        assert Offboarding(local, [source(number)]).writes_of_apply() == []


def test_the_grants_of_the_others_are_untouched_whoever_goes_first(local: RunningCloud) -> None:
    full(local)
    specs = [source(number) for number in range(3)]
    for spec in specs:
        Onboarding(local, spec).apply()
    Offboarding(local, [specs[0]]).apply()
    assert specs[0].role_name.lower() not in folded(local)
    for spec in specs[1:]:
        assert Onboarding(local, spec).writes_of_apply() == []


def test_what_others_wrote_into_a_folded_policy_stays(local: RunningCloud) -> None:
    full(local)
    Onboarding(local, source(0)).apply()
    ram = local.cloud.state.ram
    text = json.loads(folded(local))
    theirs = json.loads(document("oss:GetObject"))["Statement"]
    ram.policies[CAROLS_FOLDED].default_version().document = json.dumps(
        {**text, "Statement": text["Statement"] + theirs}
    )
    Offboarding(local, [source(0)]).apply()
    assert json.loads(folded(local))["Statement"] == theirs
    assert CAROLS_FOLDED in held(local, CAROL)


def test_a_folded_policy_of_somebody_who_is_no_grantee_any_more_is_found(local: RunningCloud) -> None:
    full(local)
    Onboarding(local, source(0)).apply()
    now = example(name="source_0", sync_task=None, grantees={"groups": ["data-platform"]})
    Onboarding(local, now).apply()
    Offboarding(local, [now]).apply()
    assert CAROLS_FOLDED not in local.cloud.state.ram.policies
    assert ROLE not in local.cloud.state.ram.roles


def test_a_folded_policy_without_our_tag_is_left_alone(local: RunningCloud) -> None:
    arn = f"acs:ram::1234567890123456:role/{ROLE.lower()}"
    Onboarding(local).apply()
    policy(local.cloud, "DataWorks-user-dave-AllowUse-1", document("ram:PassRole", resource=arn))
    before = local.cloud.state.ram.policies["DataWorks-user-dave-AllowUse-1"].model_copy(deep=True)
    Offboarding(local, [example()]).apply()
    assert local.cloud.state.ram.policies["DataWorks-user-dave-AllowUse-1"] == before


@pytest.mark.parametrize("alone", [True, False])
def test_quarantine_of_a_folded_grant_is_ended_by_onboarding_again(local: RunningCloud, alone: bool) -> None:
    full(local)
    if not alone:
        Onboarding(local, source(1)).apply()
    Onboarding(local, source(0)).apply()
    before = folded(local)
    Offboarding(local, [source(0)], QUARANTINE).apply()
    assert (CAROLS_FOLDED in held(local, CAROL)) is not alone
    assert alone or source(0).role_name.lower() not in folded(local)
    assert Offboarding(local, [source(0)], QUARANTINE).writes_of_apply() == []
    Onboarding(local, source(0)).apply()
    assert folded(local) == before
    assert CAROLS_FOLDED in held(local, CAROL)

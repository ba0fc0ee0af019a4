"""PassRole on many roles against the local cloud: written once, within the limits, and it works."""

from __future__ import annotations

import pytest

from cloud.errors import Conflict, LimitExceeded, NotOurs
from config.limits import CUSTOM_POLICIES_PER_ENTITY
from config.names import is_folded_policy
from emulator.server import RunningCloud
from emulator.state import Attachment
from policy import PolicyKind, minified, parse_policy
from tasks.grant_plan import plan_grants
from tasks.outcome import Outcome
from tasks.pass_role import ensure_folded, ensure_grant, ensure_grants, grant_changes, read_grant, read_grants
from tasks.plan import compute_plan
from tasks.role import ensure_role
from tasks.role_group import Entity
from tests.tasks.grantees import (
    ACCOUNT,
    CAROL,
    CAROLS_FOLDED,
    DI,
    PIPELINE,
    PLATFORM,
    PLATFORMS_FOLDED,
    attach_foreign,
    attachments,
    grant,
    groups,
    held,
    may_pass,
    ready,
    writes,
)
from tests.tasks.onboarding import ALLOW_USE, ROLE, Onboarding, calls, example
from tests.tasks.plans import found
from tests.tasks.starting_states import PIPELINE_ROLE, document, pipeline_role, policy

GRANTEES: dict[str, tuple[Entity, dict[str, list[str]]]] = {
    "group": (PLATFORM, {"groups": ["data-platform"]}),
    "user": (CAROL, {"users": ["carol"]}),
    "role": (PIPELINE, {"roles": [PIPELINE_ROLE]}),
}


@pytest.mark.parametrize(
    ("kind", "count"), [*((kind, 11) for kind in GRANTEES), *(("group", n) for n in (1, 9, 10, 50, 200))]
)
def test_roles_of_mixed_types_are_granted_within_the_limits_and_a_second_run_writes_nothing(
    local: RunningCloud, kind: str, count: int
) -> None:
    pipeline_role(local.cloud)
    entity, grantees = GRANTEES[kind]
    wanted = groups(count, grantees=grantees)
    onboarding = Onboarding(local)
    plan, granted = grant(onboarding, wanted)
    made = held(local, entity)
    assert len(made) <= CUSTOM_POLICIES_PER_ENTITY
    assert all(map(is_folded_policy, made)) is (count > 9)
    for name in made:
        assert local.cloud.state.ram.policies[name].tags["managed-by"] == "dataworks-onboarding"
    for group in wanted:
        for service in group.services:
            assert may_pass(local, entity, group, service)
        assert not may_pass(local, entity, group, "ecs.aliyuncs.com")
        assert granted[group.role_name].report.outcome is Outcome.CREATED
    # One version of each folded policy, whatever the number of its roles.
    assert writes(local).count("CreatePolicy") == len(made)
    assert writes(local).count("CreatePolicyVersion") == 0
    before, journal = len(local.cloud.journal.writes), len(local.cloud.journal.entries)
    plan, granted = grant(onboarding, wanted)
    assert plan.changes == ()
    assert {one.report.outcome for one in granted.values()} == {Outcome.UNCHANGED}
    assert len(local.cloud.journal.writes) == before
    assert len(local.cloud.journal.entries) - journal < 10 + len(made)
    for group in (wanted[0], wanted[-1]):
        again = ensure_grant(onboarding.gate, group, ACCOUNT, ready(group))
        assert again.report.outcome is Outcome.UNCHANGED
        assert again.policy == granted[group.role_name].policy
    assert len(local.cloud.journal.writes) == before


def test_roles_added_later_extend_a_folded_policy_once_and_versions_stay_within_five(
    local: RunningCloud,
) -> None:
    attach_foreign(local, PLATFORM, 9)
    onboarding = Onboarding(local)
    for first in range(0, 21, 3):
        plan, _ = grant(onboarding, groups(first + 3))
        assert [change.subject for change in plan.changes][:1] == [f"custom policy {PLATFORMS_FOLDED}"]
    versions = local.cloud.state.ram.policies[PLATFORMS_FOLDED].versions
    assert len(versions) == 5
    assert writes(local).count("CreatePolicyVersion") == 6
    assert len(held(local, PLATFORM)) == CUSTOM_POLICIES_PER_ENTITY
    for group in groups(21):
        assert may_pass(local, PLATFORM, group, DI)


def test_one_full_grantee_stops_no_other_role_and_is_found_before_a_write(local: RunningCloud) -> None:
    attach_foreign(local, CAROL, 10)
    blocked, fine = groups(2, grantees={"users": ["carol"]}), groups(2, first=2)
    onboarding = Onboarding(local)
    wanted = [*blocked, *fine]
    plan = plan_grants(wanted, ACCOUNT, read_grants(onboarding.gate, wanted))
    assert {*plan.refused} == {group.role_name for group in blocked}
    (problem,) = plan.problems
    assert "PassRole on 2 roles finds no place" in str(problem)
    assert writes(local) == []
    with pytest.raises(LimitExceeded, match="user carol"):
        plan.changes_of(blocked[0])
    granted = ensure_grants(
        onboarding.gate, wanted, plan, {group.role_name: ready(group) for group in wanted}
    )
    assert {*granted} == {group.role_name for group in fine}


def test_a_role_that_is_refused_to_one_grantee_is_granted_to_nobody(local: RunningCloud) -> None:
    attach_foreign(local, CAROL, 10)
    (group,) = groups(1, grantees={"users": ["carol"], "groups": ["data-platform"]})
    onboarding = Onboarding(local)
    with pytest.raises(LimitExceeded):
        ensure_grant(onboarding.gate, group, ACCOUNT, ready(group))
    plan, granted = grant(onboarding, [group])
    assert (plan.changes, granted, writes(local)) == ((), {}, [])


# -- one data source -----------------------------------------------------------------------------------


def test_the_grantee_of_a_folded_grant_creates_and_runs_with_it(local: RunningCloud) -> None:
    for entity in (CAROL, PLATFORM):
        attach_foreign(local, entity, 9)
    onboarding = Onboarding(local)
    plan = compute_plan(onboarding.gate, onboarding.spec, onboarding.facts())

    applied = onboarding.apply()

    assert ALLOW_USE not in local.cloud.state.ram.policies
    assert held(local, CAROL)[-1] == CAROLS_FOLDED
    assert [entry.caller for entry in calls(local, "CreateDataSource")] == ["carol", "carol"]
    assert [proof.records_written for proof in applied.proofs.values()] == [5, 5]
    assert applied.granted.policy == f"{PLATFORMS_FOLDED}, {CAROLS_FOLDED}"
    assert f"user carol by {CAROLS_FOLDED}" in applied.granted.report.reason
    assert applied.granted.report.changes == tuple(change for change in plan.changes if change.step == 2)
    again = Onboarding(local)
    assert again.writes_of_apply() == []
    assert compute_plan(again.gate, again.spec, again.facts()).empty
    assert found(again, "PRE032") == found(again, "PRE012") == []


def test_single_data_sources_share_the_tenth_place(local: RunningCloud) -> None:
    attach_foreign(local, CAROL, 9)
    onboarding = Onboarding(local)
    wanted = groups(4, grantees={"users": ["carol"]})
    for group in wanted:
        role = ensure_role(onboarding.gate, group)
        outcome = ensure_grant(onboarding.gate, group, ACCOUNT, role).report.outcome
        assert outcome is (Outcome.CREATED if group is wanted[0] else Outcome.UPDATED)
    assert held(local, CAROL)[9:] == [CAROLS_FOLDED]
    assert all(may_pass(local, CAROL, group, DI) for group in wanted)


def test_a_folded_policy_of_an_interrupted_run_is_attached_and_extended(local: RunningCloud) -> None:
    attach_foreign(local, CAROL, 9)
    onboarding = Onboarding(local)
    first, second = groups(2, grantees={"users": ["carol"]})
    ensure_grant(onboarding.gate, first, ACCOUNT, ready(first))
    attachments(local, CAROL).pop()
    for group in (second, first):
        ensure_grant(onboarding.gate, group, ACCOUNT, ready(group))
    assert held(local, CAROL)[9:] == [CAROLS_FOLDED]
    assert may_pass(local, CAROL, first, DI)
    assert may_pass(local, CAROL, second, DI)


def test_many_roles_of_an_interrupted_run_are_attached_and_not_written_again(local: RunningCloud) -> None:
    onboarding = Onboarding(local)
    wanted = groups(60)
    grant(onboarding, wanted)
    made = held(local, PLATFORM)
    del attachments(local, PLATFORM)[-1]
    before = len(local.cloud.journal.writes)
    grant(onboarding, wanted)
    assert held(local, PLATFORM) == made
    assert writes(local)[before:] == ["AttachPolicyToGroup"]


def test_a_policy_of_that_name_which_is_not_ours_is_refused_or_adopted(local: RunningCloud) -> None:
    attach_foreign(local, CAROL, 8)
    policy(local.cloud, CAROLS_FOLDED, document("oss:GetObject"))
    attachments(local, CAROL).append(Attachment(policy=CAROLS_FOLDED))
    onboarding = Onboarding(local)
    grantees = {"users": ["carol"]}
    (group,) = groups(1, grantees=grantees)
    with pytest.raises(NotOurs):
        ensure_grant(onboarding.gate, group, ACCOUNT, ready(group))
    assert writes(local) == []
    (adopting,) = groups(1, grantees=grantees, role={"adopt": True})
    ensure_grant(onboarding.gate, adopting, ACCOUNT, ready(adopting))
    adopted = local.cloud.state.ram.policies[CAROLS_FOLDED]
    assert adopted.tags["managed-by"] == "dataworks-onboarding"
    assert "another-bucket" in adopted.default_version().document
    assert may_pass(local, CAROL, adopting, DI)


def test_what_another_run_has_written_since_the_plan_stays(local: RunningCloud) -> None:
    attach_foreign(local, PLATFORM, 9)
    onboarding = Onboarding(local)
    mine, theirs = groups(2), groups(2, first=2)
    plan = plan_grants(mine, ACCOUNT, read_grants(onboarding.gate, mine))
    grant(onboarding, theirs)
    ensure_folded(onboarding.gate, plan, PLATFORM)
    for group in (*mine, *theirs):
        assert may_pass(local, PLATFORM, group, DI)


def test_a_folded_policy_that_others_have_filled_since_the_plan_is_not_written_over(
    local: RunningCloud,
) -> None:
    attach_foreign(local, PLATFORM, 9)
    onboarding = Onboarding(local)
    mine = groups(10)
    plan = plan_grants(mine, ACCOUNT, read_grants(onboarding.gate, mine))
    theirs = groups(40, first=10)
    while not (full := plan_grants(theirs, ACCOUNT, read_grants(onboarding.gate, theirs))).refused:
        theirs = groups(len(theirs) + 1, first=10)
    grant(onboarding, theirs)
    del full
    before = local.cloud.state.ram.policies[PLATFORMS_FOLDED].model_copy(deep=True)
    with pytest.raises(Conflict, match="no room"):
        ensure_folded(onboarding.gate, plan, PLATFORM)
    assert local.cloud.state.ram.policies[PLATFORMS_FOLDED] == before


# -- who else ------------------------------------------------------------------------------------------


def test_a_grantee_who_was_taken_out_still_passes_the_role_by_a_folded_policy_and_is_found(
    local: RunningCloud,
) -> None:
    attach_foreign(local, CAROL, 9)
    Onboarding(local).apply()
    without = Onboarding(local, example(grantees={"users": ["alice"], "groups": ["data-platform"]}))

    (finding,) = found(without, "PRE032")

    assert finding.subject == f"custom policy {CAROLS_FOLDED}"
    assert "user carol holds it" in finding.what
    assert f"take role {ROLE} out of its document" in finding.remedy


def test_a_folded_policy_on_somebody_else_is_found(local: RunningCloud) -> None:
    attach_foreign(local, CAROL, 9)
    onboarding = Onboarding(local)
    onboarding.apply()
    local.cloud.state.ram.users["mallory"].attachments.append(Attachment(policy=CAROLS_FOLDED))

    (finding,) = found(onboarding, "PRE032")

    assert "user mallory holds it" in finding.what
    assert "detach it from user mallory" in finding.remedy


def test_the_grant_s_documents_are_those_that_applying_leaves_behind(local: RunningCloud) -> None:
    attach_foreign(local, PLATFORM, 9)
    onboarding = Onboarding(local)
    (group,) = groups(1)
    plan = plan_grants([group], ACCOUNT, {group.role_name: read_grant(onboarding.gate, group)})
    ((name, wanted),) = plan.documents(group).items()
    ensure_grant(onboarding.gate, group, ACCOUNT, ready(group))
    text = local.cloud.state.ram.policies[name].default_version().document
    assert parse_policy(text, PolicyKind.IDENTITY) == parse_policy(minified(wanted), PolicyKind.IDENTITY)
    assert grant_changes(group, ACCOUNT, read_grant(onboarding.gate, group)) == ()

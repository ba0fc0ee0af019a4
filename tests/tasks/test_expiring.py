"""Grants with an end date: the cloud ends them, plan and apply take them away, and so does the removal without a spec."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from cloud.errors import Conflict, PermissionDenied
from cloud.ram import Grantee
from cloud.ram_removal import detach_policy
from config.personas import Persona
from config.scheduler import scheduler_time
from emulator.server import RunningCloud
from emulator.state import Attachment
from tasks.audit.audit import audit
from tasks.custom_policy import read_policies
from tasks.expiring import (
    expiry_limits,
    expiry_policy,
    last_day,
    plan_expiry,
    read_timed,
    remove_ended,
    timed_grants,
)
from tasks.folding import read_folded
from tasks.outcome import Outcome
from tasks.planning import Kind
from tests.tasks.grantees import CAROL, CAROLS_FOLDED, PLATFORM, grant, groups, held, writes
from tests.tasks.offboarding import Offboarding, standing
from tests.tasks.onboarding import ALLOW_USE, ROLE, Onboarding, add_fault, example, lose_answer, outline
from tests.tasks.personas import PERSONA_ROLES, Steps, assuming, for_roles, give_personas, minimal
from tests.tasks.plans import found, plan_of
from tests.tasks.starting_states import document, policy

DAY = 86_400


def today(local: RunningCloud) -> date:
    """The local cloud's day."""
    return scheduler_time(local.cloud.clock.now()).date()


def until(local: RunningCloud, days: int, **more: Any) -> dict[str, Any]:
    """The example's grantees, of which carol's grant ends in some days."""
    end = today(local) + timedelta(days=days)
    return {"groups": ["data-platform"], "users": [{"name": "carol", "until": end}], **more}


def pass_days(local: RunningCloud, days: int) -> None:
    """Move the local cloud's clock."""
    local.cloud.clock.advance(days * DAY)


def document_of(local: RunningCloud, name: str) -> str:
    return local.cloud.state.ram.policies[name].default_version().document


def carols(local: RunningCloud) -> list[str]:
    """The ends in Carol's folded policy; none when there is no such policy."""
    policies = read_policies(Onboarding(local).gate, [CAROLS_FOLDED])
    ((found_policy, tags),) = policies.values()
    return sorted({end for _, end in read_folded(found_policy, tags).ending}) if found_policy else []


# -- granted until a day -------------------------------------------------------------------------------


def test_a_grant_that_ends_is_its_grantee_s_alone_and_says_until_when(local: RunningCloud) -> None:
    onboarding = Onboarding(local, example(grantees=until(local, 3)))
    plan = plan_of(onboarding)
    applied = onboarding.apply()

    assert held(local, CAROL) == [CAROLS_FOLDED]
    assert held(local, PLATFORM) == [ALLOW_USE]
    (end,) = carols(local)
    assert last_day(end) == today(local) + timedelta(days=3)
    assert end.endswith("T00:00:00+08:00")
    assert "acs:CurrentTime" not in document_of(local, ALLOW_USE)
    assert f"user carol until {today(local) + timedelta(days=3)}" in applied.granted.report.reason
    assert "carol" in applied.granted.holders
    assert applied.granted.report.changes == tuple(one for one in plan.changes if one.step == 2)
    again = Onboarding(local, example(grantees=until(local, 3)))
    assert again.writes_of_apply() == []
    assert plan_of(again).empty
    assert found(again, "PRE032") == found(again, "PRE012") == []


def test_the_cloud_itself_ends_the_grant_with_the_day(local: RunningCloud) -> None:
    onboarding = Onboarding(local, example(grantees=until(local, 1)))
    onboarding.apply()
    second = example(name="more_orders", role={"name": ROLE}, grantees=until(local, 1), sync_task=None)
    pass_days(local, 1)
    Onboarding(local, second).apply()  # its last day
    pass_days(local, 1)
    third = Onboarding(local, second.model_copy(update={"name": "late_orders"}))
    facts, role = third.facts(), third.role()
    before = len(local.cloud.state.dataworks.data_sources)
    with pytest.raises(PermissionDenied):
        # Step 2 is left out: nobody has taken anything away yet.
        third.sources(facts, role, onboarding.grant(onboarding.role()))
    assert len(local.cloud.state.dataworks.data_sources) == before


@pytest.mark.parametrize("grantee", ["user", "group"])
def test_after_its_day_plan_shows_the_removal_and_apply_removes_it(local: RunningCloud, grantee: str) -> None:
    end = today(local) + timedelta(days=1)
    others: dict[str, Any] = {"users": ["alice"]}
    timed = {"carol": "users", "data-platform": "groups"}["carol" if grantee == "user" else "data-platform"]
    name, entity = ("carol", CAROL) if grantee == "user" else ("data-platform", PLATFORM)
    spec = example(
        grantees={**others, timed: [*others.get(timed, []), {"name": name, "until": end}]}, sync_task=None
    )
    (folded,) = {CAROL: [CAROLS_FOLDED], PLATFORM: ["DataWorks-group-data-platform-AllowUse-1"]}[entity]
    first = Onboarding(local, spec)
    first.grant(first.role())
    assert held(local, entity) == [folded]
    pass_days(local, 2)

    onboarding = Onboarding(local, spec)
    (detach, delete) = (change for change in plan_of(onboarding).changes if change.step == 2)
    assert (detach.kind, delete.kind) == (Kind.DETACH, Kind.DELETE)
    assert detach.subject == delete.subject == f"custom policy {folded}"
    assert detach.before["entity"].endswith(name)
    granted = onboarding.grant(onboarding.role())

    assert granted.report.changes == (detach, delete)
    assert granted.report.outcome is Outcome.UPDATED
    assert held(local, entity) == []
    assert folded not in local.cloud.state.ram.policies
    assert ALLOW_USE in local.cloud.state.ram.policies
    count = len(writes(local))
    again = onboarding.grant(onboarding.role())
    assert (again.report.outcome, len(writes(local))) == (Outcome.UNCHANGED, count)


def test_a_folded_policy_shrinks_by_what_has_ended_and_keeps_the_rest(local: RunningCloud) -> None:
    end = today(local) + timedelta(days=1)
    many = {"users": [{"name": "carol", "until": end}]}
    later = {"users": [{"name": "carol", "until": end + timedelta(days=30)}]}
    ending, lasting = groups(3, grantees=many), groups(2, first=3, grantees=later)
    onboarding = Onboarding(local)
    plan, _ = grant(onboarding, [*ending, *lasting])
    assert [change.kind for change in plan.changes] == [Kind.CREATE, Kind.ATTACH]
    assert held(local, CAROL) == [CAROLS_FOLDED]
    assert len(carols(local)) == 2
    pass_days(local, 2)

    plan, granted = grant(onboarding, ending)

    assert [change.kind for change in plan.changes] == [Kind.UPDATE]
    assert {one.report.outcome for one in granted.values()} == {Outcome.UPDATED}
    assert all(one.report.reason == "granted to nobody any more" for one in granted.values())
    assert held(local, CAROL) == [CAROLS_FOLDED]
    assert [last_day(found_end) for found_end in carols(local)] == [end + timedelta(days=30)]
    for group in lasting:
        assert group.role_name in document_of(local, CAROLS_FOLDED)
    assert grant(onboarding, ending)[0].changes == ()


# -- dates that change ---------------------------------------------------------------------------------


def test_a_permanent_grant_that_gets_an_end_is_replaced_and_other_holders_keep_theirs(
    local: RunningCloud,
) -> None:
    Onboarding(local).apply()
    assert held(local, CAROL) == held(local, PLATFORM) == [ALLOW_USE]
    onboarding = Onboarding(local, example(grantees=until(local, 5)))
    assert [change.kind for change in plan_of(onboarding).changes] == [Kind.DETACH, Kind.CREATE, Kind.ATTACH]

    onboarding.apply()

    assert held(local, CAROL) == [CAROLS_FOLDED]
    assert held(local, PLATFORM) == [ALLOW_USE]
    assert writes(local)[-1] == "DetachPolicyFromUser"  # last: the grantee is never without a grant
    assert Onboarding(local, onboarding.spec).writes_of_apply() == []


def test_a_grant_that_loses_its_end_becomes_permanent(local: RunningCloud) -> None:
    Onboarding(local, example(grantees=until(local, 5))).apply()
    Onboarding(local).apply()
    assert carols(local) == []
    assert held(local, CAROL) == [CAROLS_FOLDED]  # what a grantee holds is completed, not replaced
    assert Onboarding(local).writes_of_apply() == []
    pass_days(local, 10)
    assert expire(local) == []
    assert Onboarding(local, example(sync_task=None, name="oss_orders")).writes_of_apply() == []
    assert plan_of(Onboarding(local)).empty


@pytest.mark.parametrize("days", [2, 30])
def test_an_end_that_is_moved_is_moved_in_the_cloud(local: RunningCloud, days: int) -> None:
    Onboarding(local, example(grantees=until(local, 10))).apply()
    moved = Onboarding(local, example(grantees=until(local, days)))
    moved.apply()
    (end,) = carols(local)
    assert last_day(end) == today(local) + timedelta(days=days)
    assert Onboarding(local, moved.spec).writes_of_apply() == []


def test_a_permanent_grant_whose_end_is_past_when_it_is_written_is_taken_away(local: RunningCloud) -> None:
    Onboarding(local).apply()
    onboarding = Onboarding(local, example(grantees=until(local, -1)))
    (change,) = plan_of(onboarding).changes
    assert (change.kind, change.subject) == (Kind.DETACH, f"custom policy {ALLOW_USE}")
    onboarding.grant(onboarding.role())
    assert held(local, CAROL) == []
    assert held(local, PLATFORM) == [ALLOW_USE]


def test_a_policy_of_somebody_else_is_not_taken_away(local: RunningCloud) -> None:
    policy(local.cloud, ALLOW_USE, document("ram:PassRole"))
    local.cloud.state.ram.users["carol"].attachments.append(Attachment(policy=ALLOW_USE))
    end = today(local) - timedelta(days=1)
    onboarding = Onboarding(local, example(grantees={"users": [{"name": "carol", "until": end}]}))
    role = onboarding.role()
    count = len(writes(local))
    assert onboarding.grant(role).report.outcome is Outcome.UNCHANGED
    assert held(local, CAROL) == [ALLOW_USE]
    assert len(writes(local)) == count


def test_the_minimal_policies_are_enough_to_give_and_to_take_a_grant_that_ends(local: RunningCloud) -> None:
    end = today(local) + timedelta(days=1)
    base = for_roles()
    timed = base.grantees.model_copy(
        update={"users": ("alice",), "until": (f"user:alice={end.isoformat()}",)}
    )
    spec = base.model_copy(update={"grantees": timed})
    give_personas(local, spec)
    Steps(assuming(local, spec)).apply()
    assert any(name.startswith("DataWorks-user-alice") for name in local.cloud.state.ram.policies)
    pass_days(local, 2)
    Steps(assuming(local, spec)).apply()
    assert not any(name.startswith("DataWorks-user-alice") for name in local.cloud.state.ram.policies)


# -- without a specification ---------------------------------------------------------------------------


def expire(local: RunningCloud, workspace: int | None = None) -> list[str]:
    """Remove what has ended; returns the calls that wrote."""
    onboarding = Onboarding(local)
    before = len(writes(local))
    remove_ended(onboarding.gate, read_timed(onboarding.gate, workspace))
    return writes(local)[before:]


def test_what_has_ended_is_found_and_removed_without_a_specification(local: RunningCloud) -> None:
    Onboarding(local, example(grantees=until(local, 1))).apply()
    onboarding = Onboarding(local)
    timed = read_timed(onboarding.gate)
    now = scheduler_time(local.cloud.clock.now())
    (line,) = timed_grants(timed, now)
    assert (line.holder, line.role, line.until, line.ended) == (
        "user carol", ROLE, today(local) + timedelta(days=1), False,
    )  # fmt: skip
    assert plan_expiry(timed, now).changes == ()
    assert expire(local) == []
    pass_days(local, 2)
    now = scheduler_time(local.cloud.clock.now())
    expiry = plan_expiry(read_timed(onboarding.gate), now)
    assert [change.kind for change in expiry.changes] == [Kind.DETACH, Kind.DELETE]
    assert expire(local) == ["DetachPolicyFromUser", "DeletePolicy"]
    assert held(local, CAROL) == []
    assert held(local, PLATFORM) == [ALLOW_USE]
    assert expire(local) == []


def test_only_grants_on_roles_of_the_workspace_are_removed(local: RunningCloud) -> None:
    Onboarding(local, example(grantees=until(local, 1))).apply()
    pass_days(local, 2)
    assert expire(local, 10002) == []
    assert expire(local, 10001) == ["DetachPolicyFromUser", "DeletePolicy"]


def test_a_dated_statement_of_somebody_else_s_policy_is_left(local: RunningCloud) -> None:
    Onboarding(local, example(grantees=until(local, 1))).apply()
    local.cloud.state.ram.policies[CAROLS_FOLDED].tags.clear()
    pass_days(local, 2)
    assert expire(local) == []
    assert held(local, CAROL) == [CAROLS_FOLDED]


def test_a_policy_that_was_taken_over_since_it_was_read_is_left(local: RunningCloud) -> None:
    Onboarding(local, example(grantees=until(local, 1))).apply()
    pass_days(local, 2)
    onboarding = Onboarding(local)
    timed = read_timed(onboarding.gate)
    local.cloud.state.ram.policies[CAROLS_FOLDED].tags.clear()
    with pytest.raises(Conflict, match="does not carry the tag"):
        remove_ended(onboarding.gate, timed)
    assert held(local, CAROL) == [CAROLS_FOLDED]


@pytest.mark.parametrize("action", ["DetachPolicyFromUser", "DeletePolicy"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_an_interrupted_removal_goes_on(local: RunningCloud, action: str, when: str) -> None:
    Onboarding(local, example(grantees=until(local, 1))).apply()
    pass_days(local, 2)
    if when == "before":
        add_fault(local, action=action, status=403, code="NoPermission", times=1)
    else:
        lose_answer(local, action)
    try:
        expire(local)
    except PermissionDenied:
        assert when == "before"
    expire(local)
    assert CAROLS_FOLDED not in local.cloud.state.ram.policies
    assert held(local, CAROL) == []


def test_the_removal_ends_as_applying_does(local: RunningCloud) -> None:
    spec = example(grantees=until(local, 1), sync_task=None)
    ends = []
    for by_removal in (True, False):
        local.cloud.reset()
        Onboarding(local, spec).apply()
        local.cloud.clock.advance(2 * DAY)
        if by_removal:
            expire(local)
            assert plan_of(Onboarding(local, spec)).empty
        else:
            onboarding = Onboarding(local, spec)
            onboarding.grant(onboarding.role())
        ends.append(outline(local.cloud))
        local.cloud.clock.set_offset(0)
    assert ends[0] == ends[1]
    assert CAROLS_FOLDED not in ends[0]["policies"]


# -- the audit -----------------------------------------------------------------------------------------


def test_the_audit_knows_who_may_pass_a_role_until_when(local: RunningCloud) -> None:
    Onboarding(local, example(grantees=until(local, 3))).apply()
    onboarding = Onboarding(local)

    def seen() -> tuple[bool, set[tuple[str, str]]]:
        found_audit = audit(onboarding.gate)
        codes = {(one.code, one.subject) for one in found_audit.findings if one.code in ("AUD307", "AUD308")}
        return any(chain.user == "carol" for chain in found_audit.chains), codes

    assert seen() == (True, {("AUD308", "user carol")})
    pass_days(local, 4)
    assert seen() == (False, {("AUD307", "user carol")})
    expire(local)
    assert seen() == (False, set())


# -- offboarding ---------------------------------------------------------------------------------------


def test_offboarding_takes_the_grant_that_ends_and_leaves_those_of_other_roles(local: RunningCloud) -> None:
    first, second = (
        example(name=name, sync_task=None, grantees=until(local, 5)) for name in ("first", "second")
    )
    before = standing(local.cloud)
    Onboarding(local, first).apply()
    only_first = document_of(local, CAROLS_FOLDED)
    Onboarding(local, second).apply()

    Offboarding(local, [second]).apply()

    assert held(local, CAROL) == [CAROLS_FOLDED]
    assert document_of(local, CAROLS_FOLDED) == only_first
    Offboarding(local, [first]).apply()
    assert CAROLS_FOLDED not in local.cloud.state.ram.policies
    assert standing(local.cloud) == before


def test_the_removal_needs_no_more_than_it_declares_and_its_sessions_may_do_no_more(
    local: RunningCloud,
) -> None:
    end = today(local) + timedelta(days=1)
    for name, days in (("first", 0), ("second", 30)):
        grantees = {"users": [{"name": "carol", "until": end + timedelta(days=days)}]}
        Onboarding(local, example(name=name, sync_task=None, grantees=grantees)).until_sources()
    pass_days(local, 2)
    spec = for_roles()
    give_personas(local, spec, {**minimal(spec), Persona.ADMINISTRATOR: expiry_policy()})
    gate = assuming(local, spec).gate

    def remove() -> list[str]:
        before = len(writes(local))
        with expiry_limits():
            remove_ended(gate, read_timed(gate, 10001))
        return writes(local)[before:]

    assert remove() == ["CreatePolicyVersion"]  # one grant of two has ended
    pass_days(local, 31)
    assert remove() == ["DetachPolicyFromUser", "DeletePolicy"]
    local.cloud.state.ram.roles[PERSONA_ROLES[Persona.ADMINISTRATOR]].attachments.append(
        Attachment(policy="AdministratorAccess", type="System")
    )
    with expiry_limits(), pytest.raises(PermissionDenied):
        detach_policy(gate, Grantee.GROUP, "data-platform", ALLOW_USE)

"""A role of many data sources is planned and written once, and one of them applied alone changes nothing."""

from __future__ import annotations

from typing import Any

import pytest

from cloud import ram
from cloud.errors import AlreadyExists, LimitExceeded, NotOurs
from cloud.ram import Grantee
from config.limits import TAGS_PER_RESOURCE
from config.names import source_tag
from config.spec import DataSourceSpec
from emulator.server import RunningCloud
from emulator.state_ram import Role
from policy import PolicyKind, Request, Source, evaluate_identity, parse_policy
from tasks.account_room import full_quotas, require_fitting, rows_that_fit
from tasks.custom_policy import list_names
from tasks.folding import Allocation
from tasks.outcome import Outcome
from tasks.pass_role import ensure_grant, grant_changes, read_grant, read_grants
from tasks.planning import Kind
from tasks.role import access_document, ensure_role, read_role, read_roles, role_changes, role_found
from tasks.role_group import RoleGroup, Sources, group_of, groups_of
from tests.emulator.sources import example as example_of
from tests.tasks.onboarding import Onboarding, calls, example
from tests.tasks.starting_states import document, trust

ACCOUNT = "1234567890123456"
MANY = "source:many"


def source(number: int, **changes: Any) -> DataSourceSpec:
    """One of many data sources of the role ``Shared``, each with a prefix of its own."""
    fields: dict[str, Any] = {
        "name": f"orders_{number}",
        "role": {"name": "Shared"},
        "location": {"bucket": "shop-orders", "prefix": f"{number}/"},
        "sync_task": None,
    }
    return example(**fields | changes)


def shared(count: int, **changes: Any) -> RoleGroup:
    """The first ``count`` of them."""
    return RoleGroup(tuple(source(number, **changes) for number in range(count)))


def small(count: int) -> RoleGroup:
    """Data sources of one location: their documents are one, so that any number fits."""
    return shared(count, location={"bucket": "shop-orders", "prefix": "orders/"})


def writes(local: RunningCloud) -> list[str]:
    return [entry.action for entry in local.cloud.journal.writes]


# -- the group itself ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"role": {"name": "Other"}}, "role.name"),
        ({"role": {"name": "Shared", "policy": "Other-Access"}}, "role.policy"),
        ({"role": {"name": "Shared", "adopt": True}}, "role.adopt"),
        ({"region": "cn-shanghai"}, "region"),
        ({"grantees": {"users": ["alice"]}}, "grantees.users"),
    ],
)
def test_data_sources_that_disagree_are_no_group(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(ValueError, match=field):
        RoleGroup((source(1), source(2, **changes)))


def test_a_group_has_each_data_source_once_and_at_least_one() -> None:
    with pytest.raises(ValueError, match="twice"):
        RoleGroup((source(1), source(1)))
    with pytest.raises(ValueError, match="at least one"):
        RoleGroup(())


def test_specifications_are_grouped_by_role_whatever_the_case_of_its_name_is() -> None:
    other = source(3, role={"name": "Other"})
    assert [len(group.specs) for group in groups_of([source(1), other, source(2)])] == [2, 1]
    with pytest.raises(ValueError, match=r"role\.name"):
        groups_of([source(1), source(2, role={"name": "SHARED"})])


def test_the_document_of_a_group_allows_what_each_of_its_data_sources_needs() -> None:
    group = shared(5)
    whole = [Source("p", "custom policy", group.access_document)]
    for spec in group.specs:
        for statement in access_document(spec).statements:
            for action in statement.actions:
                for resource in statement.resources:
                    request = Request(action, resource, {}, frozenset({"oss:Prefix", "oss:Delimiter"}))
                    alone = evaluate_identity(request, [Source("p", "custom policy", access_document(spec))])
                    assert evaluate_identity(request, whole).outcome == alone.outcome


def test_a_group_of_one_is_what_its_data_source_is_alone() -> None:
    spec = example()
    assert group_of(spec).access_document == access_document(spec)
    assert group_of(spec).title == "data source oss_orders in workspace 10001"
    assert shared(12).title == "12 data sources"


# -- written once --------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 2, 12])
def test_a_group_is_written_once_and_a_second_run_of_any_part_of_it_writes_nothing(
    local: RunningCloud, count: int
) -> None:
    onboarding = Onboarding(local)
    group = shared(count)
    role = ensure_role(onboarding.gate, group)
    granted = ensure_grant(onboarding.gate, group, ACCOUNT, role)
    once = ["CreatePolicy", "CreateRole", "AttachPolicyToRole", "CreatePolicy"]
    assert writes(local) == [*once, "AttachPolicyToGroup", "AttachPolicyToUser"]
    assert (role.report.outcome, granted.report.outcome) == (Outcome.CREATED, Outcome.CREATED)
    before = len(local.cloud.journal.writes)
    parts: list[Sources] = [group, *group.specs]
    for part in parts:
        again = ensure_role(onboarding.gate, part)
        assert again.report.outcome is Outcome.UNCHANGED
        assert again.document == role.document
        assert ensure_grant(onboarding.gate, part, ACCOUNT, again).report.outcome is Outcome.UNCHANGED
    assert len(local.cloud.journal.writes) == before


def test_data_sources_of_several_types_and_accesses_share_a_role_and_stay_as_they_are_alone(
    local: RunningCloud,
) -> None:
    gate = Onboarding(local).gate
    same = {"role": source(1).role, "grantees": source(1).grantees, "sync_task": None}
    kinds = tuple(example_of(name).model_copy(update=same) for name in ("loghub", "tablestore"))
    wider = source(7, location={"bucket": "shop-orders", "prefix": "1/"}, access="read_write")
    group = RoleGroup((source(1), wider, *kinds))
    ensure_grant(gate, group, ACCOUNT, ensure_role(gate, group))
    before = len(local.cloud.journal.writes)
    parts: list[Sources] = [*group.specs, group]
    for part in parts:
        ensure_grant(gate, part, ACCOUNT, ensure_role(gate, part))
    assert len(local.cloud.journal.writes) == before


def test_a_group_keeps_what_a_data_source_outside_it_needs(local: RunningCloud) -> None:
    gate = Onboarding(local).gate
    ensure_role(gate, source(99))
    ensure_role(gate, shared(3))
    text = local.cloud.state.ram.policies["Shared-Access"].default_version().document
    assert "shop-orders/99/*" in text
    parse_policy(text, PolicyKind.IDENTITY)


# -- read at once --------------------------------------------------------------------------------------


def test_many_roles_are_read_as_one_by_one_and_what_is_not_there_costs_no_call(local: RunningCloud) -> None:
    gate = Onboarding(local).gate
    there = [group_of(source(n, role={"name": f"Role-{n}"})) for n in range(12)]
    absent = [group_of(source(n, role={"name": f"Absent-{n}"})) for n in range(30)]
    for group in there:
        ensure_grant(gate, group, ACCOUNT, ensure_role(gate, group))
    groups = [*there, *absent]
    single = {group.role_name: (read_role(gate, group), read_grant(gate, group)) for group in groups}
    before = len(local.cloud.journal.entries)

    listed = list_names(gate)
    roles, grants = read_roles(gate, groups, listed), read_grants(gate, groups, listed)

    made = [entry.action for entry in local.cloud.journal.entries[before:]]
    assert {name: (roles[name], grants[name]) for name in roles} == single
    # Of the twelve grants the first nine are policies of their own, the others one folded policy a grantee.
    assert made.count("ListTagResources") == 4
    assert (made.count("GetRole"), made.count("GetPolicy")) == (12, 12 + 9 + 2)
    assert made.count("ListPoliciesForGroup") == made.count("ListPoliciesForUser") == 1
    assert len(made) == 55


def test_what_nothing_is_to_do_for_is_known_without_a_call(local: RunningCloud) -> None:
    gate = Onboarding(local).gate
    group = shared(3)
    ready = ensure_role(gate, group)
    (state,) = read_roles(gate, [group]).values()
    before = len(local.cloud.journal.entries)
    found = role_found(group, state)
    assert len(local.cloud.journal.entries) == before
    assert (found.role_id, found.document, found.changed_at) == (
        ready.role_id,
        ready.document,
        ready.changed_at,
    )
    assert found.report.outcome is Outcome.UNCHANGED
    with pytest.raises(ValueError, match="not as specified"):
        role_found(shared(4), state)


def test_a_role_that_a_stale_list_does_not_show_is_found_when_it_is_to_be_created(
    local: RunningCloud,
) -> None:
    gate = Onboarding(local).gate
    group = shared(2)
    stale = list_names(gate)
    ensure_role(gate, group)
    (state,) = read_roles(gate, [group], stale).values()
    assert (state.role, state.policy) == (None, None)
    assert [change.kind for change in role_changes(group, state)] == [Kind.CREATE, Kind.CREATE, Kind.ATTACH]
    assert ensure_role(gate, group).report.outcome is Outcome.UNCHANGED


# -- somebody else was faster --------------------------------------------------------------------------


def test_a_foreign_role_made_since_the_reading_is_not_used(local: RunningCloud) -> None:
    gate = Onboarding(local).gate
    local.cloud.state.ram.roles["Shared"] = Role(
        name="Shared", id="300000000000009999", trust_policy=trust("di.dataworks.aliyuncs.com")
    )
    with pytest.raises(AlreadyExists, match="since it was looked for"):
        ram.create_role(gate, "Shared", trust("di.dataworks.aliyuncs.com"), "Ours", {})
    assert local.cloud.state.ram.roles["Shared"].tags == {}


def test_a_foreign_policy_made_since_the_reading_is_not_used(local: RunningCloud) -> None:
    gate = Onboarding(local).gate
    ram.create_policy(gate, "P", document("oss:GetObject"), "Ours", {})
    assert ram.create_policy(gate, "P", document("oss:GetObject"), "Ours", {}).version == "v1"
    for text, description in ((document("oss:PutObject"), "Ours"), (document("oss:GetObject"), "Theirs")):
        with pytest.raises(AlreadyExists):
            ram.create_policy(gate, "P", text, description, {})


@pytest.mark.parametrize("ours", [True, False])
def test_a_role_that_another_run_makes_in_between_is_kept_when_it_is_ours_and_refused_when_not(
    local: RunningCloud, monkeypatch: pytest.MonkeyPatch, ours: bool
) -> None:
    onboarding = Onboarding(local)
    original = ram.create_role

    def slower(*arguments: Any) -> ram.Role:
        monkeypatch.setattr(ram, "create_role", original)
        if ours:
            ensure_role(onboarding.gate, source(2))
        else:
            original(onboarding.gate, "Shared", trust("ecs.aliyuncs.com"), "Theirs", {})
        return original(*arguments)

    monkeypatch.setattr(ram, "create_role", slower)
    if not ours:
        with pytest.raises(NotOurs):
            ensure_role(onboarding.gate, source(1))
        return
    ensure_role(onboarding.gate, source(1))
    held = local.cloud.state.ram
    for tags in (held.roles["Shared"].tags, held.policies["Shared-Access"].tags):
        assert {source_tag(10001, "orders_1")[0], source_tag(10001, "orders_2")[0]} <= {*tags}


# -- tags ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [17, 18, 19, 20, 21, 300])
def test_a_role_of_any_number_of_data_sources_is_tagged_and_a_second_run_writes_nothing(
    local: RunningCloud, count: int
) -> None:
    gate = Onboarding(local).gate
    group = small(count)
    ensure_grant(gate, group, ACCOUNT, ensure_role(gate, group))
    held = local.cloud.state.ram
    named = count <= TAGS_PER_RESOURCE - 2
    for one in (held.roles["Shared"], held.policies["Shared-Access"], held.policies["SharedAllowUse"]):
        assert len(one.tags) == (count + 1 if named else 2)
        assert (MANY in one.tags) is not named
    before = len(local.cloud.journal.writes)
    parts: list[Sources] = [group, group.specs[0], group.specs[-1]]
    for part in parts:
        ensure_grant(gate, part, ACCOUNT, ensure_role(gate, part))
    assert len(local.cloud.journal.writes) == before


def test_data_sources_that_come_one_by_one_are_named_until_one_place_is_left(local: RunningCloud) -> None:
    gate = Onboarding(local).gate
    same = {"bucket": "shop-orders", "prefix": "orders/"}
    for number in range(22):
        ensure_role(gate, source(number, location=same))
    tags = local.cloud.state.ram.roles["Shared"].tags
    assert len(tags) == TAGS_PER_RESOURCE
    assert MANY in tags
    before = len(local.cloud.journal.writes)
    for number in range(22):
        assert ensure_role(gate, source(number, location=same)).report.outcome is Outcome.UNCHANGED
    assert len(local.cloud.journal.writes) == before


@pytest.mark.parametrize("fill", [{MANY: "served"}, {f"team-{number}": "x" for number in range(18)}])
def test_where_not_everybody_is_named_everybody_s_statements_stay(
    local: RunningCloud, fill: dict[str, str]
) -> None:
    gate = Onboarding(local).gate
    ensure_role(gate, source(1))
    local.cloud.state.ram.policies["Shared-Access"].tags |= fill
    ensure_role(gate, source(2))
    ensure_role(gate, source(1))
    text = local.cloud.state.ram.policies["Shared-Access"].default_version().document
    assert "shop-orders/1/*" in text
    assert "shop-orders/2/*" in text
    assert {*fill} <= {*local.cloud.state.ram.policies["Shared-Access"].tags}


def test_an_adopted_role_without_place_for_the_tag_is_refused_before_a_write(local: RunningCloud) -> None:
    gate = Onboarding(local).gate
    local.cloud.state.ram.roles["Shared"] = Role(
        name="Shared",
        id="300000000000009999",
        trust_policy=trust("ecs.aliyuncs.com"),
        tags={f"team-{number}": "x" for number in range(20)},
    )
    adopting = source(1, role={"name": "Shared", "adopt": True})
    with pytest.raises(LimitExceeded, match="20 tags"):
        ensure_role(gate, adopting)
    assert writes(local) == []


# -- room ----------------------------------------------------------------------------------------------

NOBODY = Allocation({}, {}, {})


def test_a_shared_document_that_is_too_large_names_the_role_and_how_many_rows_fit(
    local: RunningCloud,
) -> None:
    group = shared(300)
    with pytest.raises(LimitExceeded) as caught:
        require_fitting(group)
    problem, fit = caught.value, rows_that_fit(group)
    assert problem.subject == "role Shared"
    assert f"the first {fit} of them fit" in problem.what
    gate = Onboarding(local).gate
    state = read_role(gate, group)
    assert role_changes(RoleGroup(group.specs[:fit]), state)
    with pytest.raises(LimitExceeded):
        role_changes(RoleGroup(group.specs[: fit + 1]), state)
    assert ensure_role(gate, RoleGroup(group.specs[:fit])).report.outcome is Outcome.CREATED


def test_roles_and_policies_over_the_account_s_quota_are_counted() -> None:
    groups = [group_of(source(number, role={"name": f"Role-{number}"})) for number in range(3)]
    roles = [*(f"r{number}" for number in range(998)), "role-0"]
    policies = [f"p{number}" for number in range(1498)]
    found = full_quotas(roles, policies, groups, NOBODY)
    assert [problem.subject for problem in found] == ["quota of roles", "quota of custom policies"]
    assert "2 more are needed, 1 do not fit" in found[0].what
    assert "3 more are needed, 1 do not fit" in found[1].what
    assert full_quotas(roles[1:], policies[1:], groups, NOBODY) == []


def test_the_changes_of_a_group_are_those_of_a_plan(local: RunningCloud) -> None:
    gate = Onboarding(local).gate
    group = shared(3)
    planned = (
        *role_changes(group, read_role(gate, group)),
        *grant_changes(group, ACCOUNT, read_grant(gate, group)),
    )
    role = ensure_role(gate, group)
    granted = ensure_grant(gate, group, ACCOUNT, role)
    assert (*role.report.changes, *granted.report.changes) == planned
    assert (Grantee.GROUP, "data-platform") in group.entities
    assert len(calls(local, "CreatePolicy")) == 2

"""Preflight: each finding once, with who can fix it, how, and whether it blocks; nothing is ever written."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from config.limits import POLICIES_PER_ACCOUNT, ROLES_PER_ACCOUNT, Edition, daily_calls
from config.personas import Persona
from emulator.server import RunningCloud
from emulator.state import Attachment, ResourceGroup, WorkspaceMember
from tasks.preflight import CODES, PreflightBlocked, require_clear
from tests.emulator.sources import example as example_of
from tests.tasks.onboarding import ALLOW_USE, POLICY, ROLE, Onboarding, add_fault, calls, example
from tests.tasks.personas import PERSONA_ROLES, assuming, for_roles, give_personas
from tests.tasks.plans import found, preflight_of
from tests.tasks.starting_states import allow, document, foreign_role, holds, holds_statements, policy, trust

ADMINISTRATOR, CREATOR, DEVELOPER = Persona.ADMINISTRATOR, Persona.CREATOR, Persona.DEVELOPER
SLR = "AliyunServiceRoleForDataWorksDI"
DATAWORKS = ("dataworks:*",)


# -- nothing to say ------------------------------------------------------------------------------------


def test_a_good_specification_in_a_good_cloud_has_no_finding_before_and_after(local: RunningCloud) -> None:
    before = preflight_of(Onboarding(local))
    assert (before.findings, before.blocked) == ((), False)
    assert before.plan is not None
    assert not before.plan.empty
    Onboarding(local).apply()
    after = preflight_of(Onboarding(local))
    assert after.findings == ()
    assert after.plan is not None
    assert after.plan.empty


# -- each code -----------------------------------------------------------------------------------------

Prepare = Callable[[RunningCloud], None]
Case = tuple[str, dict[str, Any], dict[str, Any], Prepare, str, Persona, bool, str]


def _nothing(local: RunningCloud) -> None:
    del local


def _members_are_secret(local: RunningCloud) -> None:
    deny = {**allow("dataworks:ListProjectMembers"), "Effect": "Deny"}
    holds_statements(local, "carol", allow(*DATAWORKS), deny)


def _dave_is_no_member(local: RunningCloud) -> None:
    space = local.cloud.state.dataworks.workspaces[10001]
    space.members = [one for one in space.members if one.user != "dave"]


def _carol_is_a_guest(local: RunningCloud) -> None:
    for member in local.cloud.state.dataworks.workspaces[10001].members:
        if member.user == "carol":
            member.roles = ["role_project_guest"]


def _carol_may_not_pass(local: RunningCloud) -> None:
    holds_statements(local, "carol", allow(*DATAWORKS), {**allow("ram:PassRole"), "Effect": "Deny"})


def _policies_are_secret(local: RunningCloud) -> None:
    deny = {**allow("ram:ListPoliciesForUser", "ram:ListGroupsForUser"), "Effect": "Deny"}
    holds_statements(local, "alice", allow("ram:*"), deny)


def _dave_has_no_rights(local: RunningCloud) -> None:
    holds(local, "dave", None)


def _dave_may_not_deploy(local: RunningCloud) -> None:
    holds_statements(local, "dave", allow(*DATAWORKS), {**allow("dataworks:DeployFile"), "Effect": "Deny"})


def _alice_may_not_tag(local: RunningCloud) -> None:
    holds_statements(
        local, "alice", allow("ram:Get*", "ram:List*", "ram:Create*", "ram:Update*", "ram:Attach*")
    )


def _alice_in_the_office_only(local: RunningCloud) -> None:
    office = {"IpAddress": {"acs:SourceIp": ["127.0.0.1"]}}
    holds_statements(local, "alice", allow("ram:Get*", "ram:List*"), allow("ram:*", Condition=office))


def _no_service_linked_role(local: RunningCloud) -> None:
    del local.cloud.state.ram.roles[SLR]


def _service_linked_role_is_secret(local: RunningCloud) -> None:
    deny = {**allow("ram:GetRole"), "Effect": "Deny", "Resource": [f"acs:ram:*:*:role/{SLR}"]}
    holds_statements(local, "alice", allow("ram:*"), deny)


def _new_data_studio(local: RunningCloud) -> None:
    local.cloud.state.dataworks.workspaces[10001].new_data_studio = True


def _policies(count: int) -> Prepare:
    def fill(local: RunningCloud) -> None:
        for number in range(count):
            policy(local.cloud, f"p-{number}", document("oss:GetObject"))

    return fill


def _roles(local: RunningCloud) -> None:
    first = local.cloud.state.ram.roles[SLR]
    for number in range(ROLES_PER_ACCOUNT - 1):
        name = f"r-{number}"
        local.cloud.state.ram.roles[name] = first.model_copy(update={"name": name, "attachments": []})


def _counts_are_secret(local: RunningCloud) -> None:
    holds_statements(local, "alice", allow("ram:*"), {**allow("ram:ListPolicies"), "Effect": "Deny"})


GROUPS = [f"S_res_group_{number}" for number in range(80)]


def _many_groups(local: RunningCloud) -> None:
    for number, name in enumerate(GROUPS):
        local.cloud.state.dataworks.resource_groups.append(ResourceGroup(id=60_000 + number, identifier=name))


def _foreign(local: RunningCloud) -> None:
    foreign_role(local.cloud, example())


BASIC = {"edition": Edition.BASIC}
MANY = {"resource_groups": [*GROUPS, "S_res_group_1001_1"]}
CASES: list[Case] = [
    ("PRE001", {"workspace": 404}, {}, _nothing, "workspace 404", CREATOR, True, "the workspace does not exist"),
    ("PRE001", {}, {"administrator": "mallory"}, _nothing, "user carol", ADMINISTRATOR, True, "may not call ram:GetUser"),
    ("PRE002", {"grantees": {"users": ["nobody", "carol", "erin"]}}, {}, _nothing, "RAM user nobody", ADMINISTRATOR, True, "does not exist"),
    ("PRE002", {"grantees": {"users": ["carol", "erin"], "roles": ["None"]}}, {}, _nothing, "RAM role None", ADMINISTRATOR, True, "does not exist"),
    ("PRE002", {"sync_task__scheduling_resource_group": "S_res_group_1001_1"}, {}, _nothing, "scheduling resource group S_res_group_1001_1", DEVELOPER, True, "does not exist"),
    ("PRE003", {}, {}, _foreign, f"role {ROLE}", ADMINISTRATOR, True, "does not carry the tag"),
    ("PRE010", {}, {}, _members_are_secret, "members of workspace 10001", ADMINISTRATOR, False, "cannot be read"),
    ("PRE011", {}, {}, _dave_is_no_member, "workspace 10001", CREATOR, True, "dave (developer) is no member"),
    ("PRE011", {}, {}, _carol_is_a_guest, "workspace 10001", CREATOR, True, "has only the roles role_project_guest"),
    ("PRE012", {"grantees": {"users": ["carol"]}}, {}, _nothing, "erin (executor)", ADMINISTRATOR, True, "will not hold ram:PassRole"),
    ("PRE012", {}, {}, _carol_may_not_pass, "carol (creator)", ADMINISTRATOR, True, "denied ram:PassRole"),
    ("PRE012", {"grantees": {"users": ["carol"]}}, {}, _policies_are_secret, "erin (executor)", ADMINISTRATOR, False, "is not known"),
    ("PRE013", {}, {}, _policies_are_secret, "dave (developer)", ADMINISTRATOR, False, "cannot be read"),
    ("PRE014", {}, {}, _dave_has_no_rights, "dave (developer)", ADMINISTRATOR, False, "dataworks:SubmitFile"),
    ("PRE014", {}, {}, _dave_may_not_deploy, "dave (developer)", ADMINISTRATOR, True, "call dataworks:DeployFile"),
    ("PRE014", {}, {}, _alice_may_not_tag, "alice (administrator)", ADMINISTRATOR, True, "call ram:TagResources"),
    ("PRE015", {}, {}, _alice_in_the_office_only, "alice (administrator)", ADMINISTRATOR, False, "ram:CreateRole"),
    ("PRE020", {}, {}, _no_service_linked_role, f"role {SLR}", ADMINISTRATOR, False, "does not exist"),
    ("PRE020", {}, {}, _service_linked_role_is_secret, f"role {SLR}", ADMINISTRATOR, False, "is not known"),
    ("PRE021", {}, {}, _new_data_studio, "workspace retail", DEVELOPER, True, "new Data Studio"),
    ("PRE022", {}, {}, _policies(POLICIES_PER_ACCOUNT - 1), "quota of custom policies", ADMINISTRATOR, True, f"of {POLICIES_PER_ACCOUNT} are used"),
    ("PRE022", {}, {}, _policies(POLICIES_PER_ACCOUNT - 200), "quota of custom policies", ADMINISTRATOR, False, "needs 2 more"),
    ("PRE022", {}, {}, _roles, "quota of roles", ADMINISTRATOR, True, f"{ROLES_PER_ACCOUNT} of {ROLES_PER_ACCOUNT} are used"),
    ("PRE022", {}, {}, _counts_are_secret, "quota of custom policies", ADMINISTRATOR, False, "cannot be counted"),
    ("PRE023", MANY, BASIC, _many_groups, "basic edition", CREATOR, True, f"allows {daily_calls(Edition.BASIC)} a day"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "changes", "settings", "prepare", "subject", "persona", "blocks", "what"),
    CASES,
    ids=[f"{case[0]}-{case[3].__name__.strip('_')}-{case[4].split()[0]}" for case in CASES],
)
def test_a_finding_says_what_who_how_and_whether_it_blocks(
    local: RunningCloud, code: str, changes: dict[str, Any], settings: dict[str, Any], prepare: Prepare, subject: str,
    persona: Persona, blocks: bool, what: str,
) -> None:  # fmt: skip
    prepare(local)
    preflight = preflight_of(Onboarding(local, example(**changes), **settings))
    found = [one for one in preflight.findings if (one.code, one.subject) == (code, subject)]
    assert len(found) == 1, [str(one) for one in preflight.findings]
    assert what in found[0].what
    assert found[0].persona is persona
    assert found[0].blocks is blocks
    assert found[0].remedy or code == "PRE015"
    assert str(found[0]).startswith(f"{code} {subject}: ")
    assert preflight.blocked or not blocks
    assert local.cloud.journal.writes == ()


def test_a_prerequisite_outside_ram_is_told_with_its_statements(local: RunningCloud) -> None:
    (first, second) = found(Onboarding(local, example_of("hologres")), "PRE040")
    assert 'GRANT SELECT ON TABLE "public"."orders" TO "v4_(known after apply)";' in first.remedy
    assert "development environment" in second.what
    assert not first.blocks


def test_every_code_of_preflight_is_provoked_above() -> None:
    elsewhere = {"PRE030", "PRE031", "PRE032", "PRE033"}  # tests/tasks/test_unmanaged.py
    assert {*CODES} == {*(case[0] for case in CASES), "PRE040", *elsewhere}


# -- roles as callers and grantees ---------------------------------------------------------------------


def test_a_session_of_a_grantee_role_will_hold_pass_role(local: RunningCloud) -> None:
    spec = for_roles()
    give_personas(local, spec)
    assert found(assuming(local, spec), "PRE012") == []
    give_personas(local, example())
    without = found(assuming(local, example()), "PRE012")
    assert [one.subject for one in without] == [
        "onboarding-creator/onboarding-creator (creator)", "onboarding-executor/onboarding-executor (executor)"
    ]  # fmt: skip
    assert [one.remedy for one in without] == [
        "add role onboarding-creator to grantees", "add role onboarding-executor to grantees"
    ]  # fmt: skip
    # Its policies cannot be read with the administrator's minimal policy, so it is not known.
    assert not any(one.blocks for one in without)
    administrator = local.cloud.state.ram.roles[PERSONA_ROLES[ADMINISTRATOR]]
    administrator.attachments.append(Attachment(policy="AliyunRAMReadOnlyAccess", type="System"))
    assert all(one.blocks for one in found(assuming(local, example()), "PRE012"))


def test_a_session_whose_role_may_pass_every_role_needs_no_grant(local: RunningCloud) -> None:
    spec = example(grantees={"users": ["carol"]})
    give_personas(local, spec)
    policy(local.cloud, "PassAny", document("ram:PassRole", resource="*"))
    for persona in (CREATOR, Persona.EXECUTOR):
        role = local.cloud.state.ram.roles[PERSONA_ROLES[persona]]
        role.attachments.append(Attachment(policy="PassAny"))
    administrator = local.cloud.state.ram.roles[PERSONA_ROLES[ADMINISTRATOR]]
    administrator.attachments.append(Attachment(policy="AliyunRAMReadOnlyAccess", type="System"))
    onboarding = assuming(local, spec)
    assert found(onboarding, "PRE012") == []
    assert found(onboarding, "PRE013") == []
    assert found(onboarding, "PRE014") == []


# -- lint ----------------------------------------------------------------------------------------------

BROAD = {"pass_role": "broad", "pass_role_reason": "One role for each tenant, made elsewhere"}


def _lint(local: RunningCloud, **changes: Any) -> dict[str, str]:
    preflight = preflight_of(Onboarding(local, example(**changes)))
    assert not preflight.blocked
    return {one.code: one.what for one in preflight.findings if one.code.startswith("RAM")}


def test_a_broad_grant_is_found_and_accepted_with_a_reason(local: RunningCloud) -> None:
    assert "ram:PassRole is allowed on '*'" in _lint(local, role=BROAD)["RAM201"]
    reason = "Agreed with the security office in January"
    accepted = preflight_of(
        Onboarding(local, example(role=BROAD, ignore=[{"code": "RAM201", "reason": reason}]))
    )
    assert accepted.findings == ()
    assert accepted.plan is not None
    assert [
        note for note in accepted.plan.notes if note.startswith("ignored RAM201, ") and note.endswith(reason)
    ]


def test_the_vendor_s_list_has_actions_that_no_task_needs(local: RunningCloud) -> None:
    told = _lint(local, permissions="vendor", access="read_write")
    assert "oss:PutBucket" in told["RAM305"]
    assert "RAM306" in told


def test_what_an_adopted_role_trusts_and_what_its_policy_keeps_is_found(local: RunningCloud) -> None:
    foreign_role(local.cloud, example())
    policy(local.cloud, POLICY, document("oss:*", resource="*"))
    policy(local.cloud, ALLOW_USE, document("ram:PassRole", resource="*"))
    told = _lint(local, role={"adopt": True})
    assert "ecs.aliyuncs.com" in told["RAM103"]
    assert "'oss:*' is allowed" in told["RAM302"]
    assert {"RAM201", "RAM203"} <= {*told}


def test_what_a_shared_policy_holds_for_another_source_is_found(local: RunningCloud) -> None:
    Onboarding(local).apply()
    shared = local.cloud.state.ram.policies[POLICY]
    shared.tags["source:10001:other"] = "served"
    text = json.loads(shared.default_version().document)
    text["Statement"].append({"Effect": "Allow", "Action": "oss:Put*", "Resource": "*"})
    shared.default_version().document = json.dumps(text)
    assert {"RAM303", "RAM304"} <= {*_lint(local)}


def test_a_drifted_document_that_applying_replaces_is_not_linted(local: RunningCloud) -> None:
    Onboarding(local).apply()
    local.cloud.state.ram.policies[POLICY].default_version().document = document("oss:*", resource="*")
    local.cloud.state.ram.roles[ROLE].trust_policy = trust("ecs.aliyuncs.com")
    assert _lint(local) == {}


# -- all at once ---------------------------------------------------------------------------------------


def test_everything_is_reported_at_once_and_raised_as_one_error(local: RunningCloud) -> None:
    _carol_is_a_guest(local)
    foreign_role(local.cloud, example())
    spec = example(
        grantees={"users": ["carol", "nobody"]}, role=BROAD, resource_groups=["S_res_group_1001_1", "S_none"],
        sync_task__writer={
            "type": "odps", "datasource": "odps_second", "table": "ods_orders", "partition": "pt=${bizdate}",
            "truncate": True, "column": ["id", "customer", "amount"],
        },
    )  # fmt: skip
    preflight = preflight_of(Onboarding(local, spec))
    assert preflight.plan is None
    assert [one.code for one in preflight.findings] == ["PRE002"] * 4 + ["PRE011", "PRE012", "PRE003"]
    with pytest.raises(PreflightBlocked) as caught:
        require_clear(preflight, spec)
    assert caught.value.findings == preflight.findings
    assert caught.value.code == "PRE002, PRE011, PRE012, PRE003"
    for text in (
        "RAM user nobody",
        "S_none",
        "odps_second (DEV)",
        "carol (creator)",
        "erin (executor)",
        ROLE,
    ):
        assert text in caught.value.what
    assert local.cloud.journal.writes == ()


def test_a_question_that_is_refused_does_not_hide_the_others(local: RunningCloud) -> None:
    _dave_is_no_member(local)
    spec = example(grantees={"users": ["carol", "nobody"]}, resource_groups=["S_res_group_1001_1", "S_none"])
    told = [(one.code, one.subject) for one in preflight_of(Onboarding(local, spec)).findings]
    assert told[:3] == [
        ("PRE002", "RAM user nobody"), ("PRE002", "Data Integration resource group S_none"),
        ("PRE001", "data source odps_first"),
    ]  # fmt: skip
    assert {code for code, _ in told[3:]} == {"PRE001", "PRE003", "PRE011", "PRE012"}


def test_what_does_not_block_is_no_error(local: RunningCloud) -> None:
    _no_service_linked_role(local)
    spec = example()
    preflight = preflight_of(Onboarding(local, spec))
    assert len(preflight.findings) == 1
    require_clear(preflight, spec)


def test_a_question_that_can_be_asked_again_is_asked_again_not_reported(local: RunningCloud) -> None:
    fault = add_fault(local, action="ListUsersForGroup", effect="reset", times=1)
    assert preflight_of(Onboarding(local)).findings == ()
    assert fault.hits == 1
    assert len(calls(local, "ListUsersForGroup")) >= 2


def test_without_a_sync_task_developer_and_executor_are_not_asked_for(local: RunningCloud) -> None:
    space = local.cloud.state.dataworks.workspaces[10001]
    space.members = [WorkspaceMember(user="carol", roles=["role_project_pe"])]
    spec = example(sync_task=None, grantees={"users": ["carol"]})
    assert [one.code for one in preflight_of(Onboarding(local, spec)).findings] == []

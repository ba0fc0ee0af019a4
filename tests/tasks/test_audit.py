"""What an audit says of a small account, and what it says of what it could not read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cloud.errors import Refused
from emulator.server import RunningCloud
from emulator.state import Attachment, DataSource
from emulator.state_ram import Member, Policy, PolicyVersion, Role
from tasks.audit.audit import Audit, audit
from tasks.audit.code import read_code
from tasks.audit.finding import RULES
from tests.tasks.onboarding import ALLOW_USE, POLICY, ROLE, Onboarding, example, sandbox_example
from tests.tasks.starting_states import allow, holds_statements


def _codes(found: Audit) -> set[tuple[str, str]]:
    return {(one.code, one.subject) for one in found.findings}


def _source(local: RunningCloud, environment: int) -> DataSource:
    found = local.cloud.state.dataworks.data_sources
    return next(one for one in found if (one.name, one.environment) == ("oss_orders", environment))


def _deny(local: RunningCloud, user: str, action: str) -> None:
    """A further policy denies a user an action."""
    ram, name = local.cloud.state.ram, f"not-for-{user}"
    document = json.dumps({"Version": "1", "Statement": [{**allow(action), "Effect": "Deny"}]})
    version = PolicyVersion(id="v1", document=document, created=1.0)
    ram.policies[name] = Policy(name=name, created=1.0, updated=1.0, versions=[version])
    ram.users[user].attachments.append(Attachment(policy=name))


def test_an_onboarded_data_source_has_no_findings(local: RunningCloud) -> None:
    onboarding = Onboarding(local)
    onboarding.apply()

    found = audit(onboarding.gate, specs=[onboarding.spec])

    assert found.findings == ()
    assert found.unread == ()
    assert (found.workspaces, found.data_sources, found.roles) == ((10001, 10002), 1, 1)


def test_a_basic_workspace_has_no_development_to_be_out_of_step_with(local: RunningCloud) -> None:
    onboarding = Onboarding(local, sandbox_example())
    onboarding.apply()

    assert audit(onboarding.gate, [10002], [onboarding.spec]).findings == ()


def test_an_audit_changes_nothing(local: RunningCloud) -> None:
    onboarding = Onboarding(local)
    onboarding.apply()
    before = local.cloud.state.model_dump()

    audit(onboarding.gate, specs=[onboarding.spec])

    assert local.cloud.state.model_dump() == before


# -- chains ------------------------------------------------------------------------------------------------


def test_a_chain_leads_from_a_user_to_the_location(local: RunningCloud) -> None:
    onboarding = Onboarding(local)
    onboarding.apply()

    chains = [one for one in audit(onboarding.gate).chains if one.environment == "PROD"]

    (erin,) = [one for one in chains if one.user == "erin"]
    assert (erin.location, erin.access, erin.mode) == ("oss://shop-orders/orders/", "read", "role")
    assert (erin.role, erin.policies, erin.grants, erin.group) == (
        ROLE,
        (POLICY,),
        (ALLOW_USE,),
        "data-platform",
    )
    assert (erin.data_source, erin.workspace, erin.tasks) == ("oss_orders", 10001, ("oss_orders_to_ods",))
    (alice,) = [one for one in chains if one.user == "alice"]
    assert alice.grants == ("AliyunRAMFullAccess",)
    (carol,) = [one for one in chains if one.user == "carol"]
    assert carol.group == ""


def test_a_denied_user_has_no_chain(local: RunningCloud) -> None:
    onboarding = Onboarding(local)
    onboarding.apply()
    _deny(local, "carol", "ram:PassRole")

    found = audit(onboarding.gate)

    assert "carol" not in {one.user for one in found.chains}
    assert ("AUD306", "user carol") in _codes(found)


def test_a_role_that_does_not_trust_the_service_reaches_nothing(local: RunningCloud) -> None:
    onboarding = Onboarding(local)
    onboarding.apply()
    role = local.cloud.state.ram.roles[ROLE]
    role.trust_policy = role.trust_policy.replace("di.dataworks.aliyuncs.com", "ecs.aliyuncs.com")

    found = audit(onboarding.gate)

    assert found.chains == ()
    assert _codes(found) == {("AUD201", f"role {ROLE}"), ("AUD204", f"role {ROLE}")}


def test_a_data_source_with_a_key_is_a_chain_without_role_and_user(local: RunningCloud) -> None:
    onboarding = Onboarding(local)
    onboarding.apply()
    for environment in (0, 1):
        content = {"endpoint": "http://oss-cn-hangzhou-internal.aliyuncs.com", "bucket": "shop-orders"}
        keys = {"accessId": "LTAImadeUpForTests", "accessKey": "made-up-secret"}
        _source(local, environment).content = json.dumps({**content, **keys})

    found = audit(onboarding.gate)

    assert {(one.mode, one.role, one.user, one.access) for one in found.chains} == {
        ("access key", "", "", "read")
    }
    keyed = [one for one in found.findings if one.code == "AUD101"]
    assert {one.command for one in keyed} == {"onboard migrate --workspace 10001 --only oss_orders"}
    assert "LTAI" not in json.dumps([one.to_json() for one in found.findings])


# -- rules -------------------------------------------------------------------------------------------------


def test_a_role_made_by_hand_in_the_place_of_its_own_is_another_s(local: RunningCloud) -> None:
    onboarding = Onboarding(local)
    onboarding.apply()
    ram = local.cloud.state.ram
    ram.roles["by-hand"] = Role(
        name="by-hand",
        id="300000000000000777",
        created=1.0,
        updated=1.0,
        trust_policy=ram.roles[ROLE].trust_policy,
    )
    content = json.loads(_source(local, 1).content)
    _source(local, 1).content = json.dumps({**content, "authIdentity": "300000000000000777"})

    assert ("AUD103", "data source oss_orders (PROD) of workspace 10001") in _codes(audit(onboarding.gate))


def test_a_role_of_a_workspace_that_was_not_asked_for_is_not_called_unused(local: RunningCloud) -> None:
    onboarding = Onboarding(local)
    onboarding.apply()
    for environment in (0, 1):
        local.cloud.state.dataworks.data_sources.remove(_source(local, environment))

    assert ("AUD208", f"role {ROLE}") not in _codes(audit(onboarding.gate, [10002]))
    assert ("AUD208", f"role {ROLE}") in _codes(audit(onboarding.gate, [10001]))


def test_a_holder_who_owns_a_task_of_the_role_is_not_idle(local: RunningCloud) -> None:
    onboarding = Onboarding(local)
    onboarding.apply()
    state = local.cloud.state
    state.ram.groups["data-platform"].members.append(Member(user="mallory"))
    members = state.dataworks.workspaces[10001].members
    members.append(members[0].model_copy(update={"user": "mallory", "roles": ["role_project_guest"]}))
    assert ("AUD305", "user mallory") in _codes(audit(onboarding.gate))

    for file in state.dataworks.files.values():
        file.owner = state.ram.users["mallory"].id

    assert ("AUD305", "user mallory") not in _codes(audit(onboarding.gate))


def test_only_failures_since_the_last_success_count(local: RunningCloud) -> None:
    onboarding = Onboarding(local)
    onboarding.apply()
    instances = local.cloud.state.dataworks.instances
    (first,) = [one for one in instances.values() if one.environment == "PROD"]
    for number, status in enumerate(("FAILURE", "FAILURE", "SUCCESS"), 1):
        instances[first.id + number] = first.model_copy(
            update={"id": first.id + number, "status": status, "created": first.created + number}
        )
    assert "AUD401" not in {one.code for one in audit(onboarding.gate).findings}

    del instances[first.id + 3]

    (finding,) = audit(onboarding.gate).findings
    assert finding.code == "AUD401"
    assert finding.what.startswith("its last 2 runs in production failed")


def test_a_quota_is_told_above_eighty_percent(local: RunningCloud) -> None:
    onboarding = Onboarding(local)
    roles = local.cloud.state.ram.roles
    (linked,) = roles.values()
    for number in range(800):
        roles[f"r{number}"] = linked.model_copy(update={"name": f"r{number}", "id": f"38{number:016d}"})

    (finding,) = audit(onboarding.gate).findings

    assert (finding.code, finding.subject, finding.what) == ("AUD501", "quota of roles", "801 of 1000 used")


def test_a_holder_who_is_in_no_specification_is_drift(local: RunningCloud) -> None:
    onboarding = Onboarding(local)
    onboarding.apply()
    without_carol = example(grantees={"users": ["alice"], "groups": ["data-platform"]})

    found = audit(onboarding.gate, specs=[without_carol])

    assert {(one.code, one.detail) for one in found.findings} == {
        ("AUD601", f"user carol on role {ROLE}"),
        ("AUD602", " to user alice"),
    }


def test_drift_is_told_field_by_field(local: RunningCloud) -> None:
    onboarding = Onboarding(local)
    onboarding.apply()
    content = json.loads(_source(local, 1).content)
    _source(local, 1).content = json.dumps(
        {**content, "endpoint": "http://oss-cn-hangzhou.aliyuncs.com", "tag": "x"}
    )

    found = [one for one in audit(onboarding.gate, specs=[onboarding.spec]).findings if one.code == "AUD601"]

    assert {one.detail for one in found} == {"content.endpoint", "content.tag"}
    assert {one.subject for one in found} == {"data source oss_orders (PROD) of workspace 10001"}
    (endpoint,) = [one for one in found if one.detail == "content.endpoint"]
    assert '"http://oss-cn-hangzhou.aliyuncs.com"' in endpoint.what
    assert len({one.fingerprint for one in found}) == len(found)


# -- what was not read -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "told"),
    [
        ("ram:ListUsers", "users:"),
        ("ram:ListRoles", "roles:"),
        ("ram:GetRole", f"trust policy of role {ROLE}:"),
        ("ram:GetPolicy", f"custom policy {POLICY}:"),
        ("ram:ListEntitiesForPolicy", f"holders of custom policy {POLICY}:"),
        ("ram:ListUsersForGroup", "members of group data-platform:"),
    ],
)
def test_a_refused_read_is_told_and_the_rest_is_read(local: RunningCloud, action: str, told: str) -> None:
    onboarding = Onboarding(local)
    onboarding.apply()
    deny = {**allow(action), "Effect": "Deny"}
    holds_statements(local, "alice", allow("ram:*"), allow("dataworks:*"), deny)

    found = audit(onboarding.gate)

    assert any(text.startswith(told) for text in found.unread), found.unread
    assert found.data_sources == 1
    assert "AUD208" not in {one.code for one in found.findings}


@pytest.mark.parametrize(
    "action",
    [
        "ram:ListPolicies",
        "ram:GetPolicy",
        "ram:ListEntitiesForPolicy",
        "ram:ListUsersForGroup",
        "ram:ListUsers",
    ],
)
def test_what_could_not_be_read_takes_no_right_from_anybody(local: RunningCloud, action: str) -> None:
    onboarding = Onboarding(local)
    onboarding.apply()
    deny = {**allow(action), "Effect": "Deny"}
    holds_statements(local, "alice", allow("ram:*"), allow("dataworks:*"), deny)

    found = audit(onboarding.gate)

    assert found.unread
    assert {"AUD206", "AUD306"} & {one.code for one in found.findings} == set()


@pytest.mark.parametrize(
    "action", ["ListFiles", "ListNodes", "ListDataSources", "ListProjectMembers", "ListInstances"]
)
def test_a_workspace_that_is_read_in_part_has_no_findings_about_the_rest(
    local: RunningCloud, action: str
) -> None:
    onboarding = Onboarding(local)
    onboarding.apply()
    for user in ("carol", "dave", "erin"):
        _deny(local, user, f"dataworks:{action}")

    found = audit(onboarding.gate)

    assert any("of workspace 10001:" in text for text in found.unread)
    assert found.findings == ()


def test_a_workspace_that_does_not_exist_is_told(local: RunningCloud) -> None:
    found = audit(Onboarding(local).gate, [10001, 99999])

    assert found.workspaces == (10001,)
    assert any(text.startswith("workspace 99999:") for text in found.unread)


def test_workspaces_that_may_not_be_listed_end_the_audit(local: RunningCloud) -> None:
    deny = {**allow("dataworks:ListProjects"), "Effect": "Deny"}
    holds_statements(local, "carol", allow("dataworks:*"), deny)

    with pytest.raises(Refused, match=r"ListProjects|not allowed|permission"):
        audit(Onboarding(local).gate)


def test_a_specification_of_another_region_is_told(local: RunningCloud) -> None:
    location = {"bucket": "shop-orders", "prefix": "orders/"}
    spec = example(region="cn-shanghai", location=location)

    found = audit(Onboarding(local).gate, specs=[spec])

    assert any("it is of region cn-shanghai" in text for text in found.unread)


# -- code --------------------------------------------------------------------------------------------------


def _task(**parameters: Any) -> str:
    reader = {"stepType": "oss", "category": "reader", "parameter": {"datasource": "orders", **parameters}}
    writer = {"stepType": "odps", "category": "writer", "parameter": {"datasource": "odps_first"}}
    return json.dumps({"type": "job", "steps": [reader, writer, {"stepType": "x", "category": "processor"}]})


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        (_task(), ()),
        (_task(accessId="${id}", accessKey="${key}"), ()),
        (_task(accessId="***", accessKey="***"), ()),
        (_task(accessId="LTAI5tMadeUpForTests0001", accessKey="s"), ("0001",)),
        (_task(accessId="someotherform", accessKey="s"), ("", "form")),
        (_task(accessKey="s"), ("",)),
    ],
)
def test_static_keys_are_found_in_the_code_of_a_sync_task(text: str, keys: tuple[str, ...]) -> None:
    assert read_code(text, sync_task=True).keys == keys


def test_the_code_of_a_sync_task_tells_its_data_sources_and_keeps_no_secret() -> None:
    found = read_code(_task(accessKey="made-up-secret", object=["a/*"]), sync_task=True)

    assert [(one.data_source, one.writes) for one in found.uses] == [("orders", False), ("odps_first", True)]
    assert found.uses[0].parameters == {"datasource": "orders", "object": ["a/*"]}
    assert "made-up-secret" not in repr(found)


def test_code_that_is_no_json_is_not_read_as_a_sync_task() -> None:
    assert not read_code("select 1", sync_task=True).readable
    assert read_code("select 1", sync_task=False).readable


def test_codes_are_in_order_and_say_what_to_do() -> None:
    assert list(RULES) == sorted(RULES)
    assert all(rule.title and rule.description and rule.fix for rule in RULES.values())

"""Whose policies decide, and when they begin to."""

from __future__ import annotations

import json
from typing import Any

import pytest
from alibabacloud_ram20150501 import models as m

from emulator.server import RunningCloud
from tests.emulator.clients import ACCOUNT, TRUST_DI, Key, document, key_of, ram, refused

MALLORY = key_of("mallory")


def policy(local: RunningCloud, name: str, text: str, *, user: str = "", group: str = "") -> None:
    """Make a policy and attach it."""
    client = ram(local)
    client.create_policy(m.CreatePolicyRequest(policy_name=name, policy_document=text))
    grant = {"policy_name": name, "policy_type": "Custom"}
    if user:
        client.attach_policy_to_user(m.AttachPolicyToUserRequest(user_name=user, **grant))
    if group:
        client.attach_policy_to_group(m.AttachPolicyToGroupRequest(group_name=group, **grant))


def get_user(local: RunningCloud, key: Key = MALLORY, name: str = "carol") -> Any:
    """A call that needs ram:GetUser on the user."""
    return ram(local, key).get_user(m.GetUserRequest(user_name=name)).body.user


def test_nobody_may_do_what_no_policy_allows(local: RunningCloud) -> None:
    with refused("NoPermission", 403, "You are not authorized to do this action."):
        get_user(local)


def test_the_account_itself_may_do_everything(local: RunningCloud) -> None:
    assert get_user(local, Key("LTAIlocalRoot", "local-secret-root")).user_name == "carol"


def test_a_policy_of_the_user_counts(local: RunningCloud) -> None:
    policy(local, "p", document("ram:GetUser"), user="mallory")
    assert get_user(local).user_name == "carol"


def test_a_policy_of_a_group_counts_while_the_user_is_in_it(local: RunningCloud) -> None:
    policy(local, "p", document("ram:GetUser"), group="data-platform")
    assert get_user(local, key_of("dave")).user_name == "carol"
    with refused("NoPermission"):
        get_user(local)
    ram(local).remove_user_from_group(
        m.RemoveUserFromGroupRequest(user_name="dave", group_name="data-platform")
    )
    with refused("NoPermission"):
        get_user(local, key_of("dave"))


@pytest.mark.parametrize("where", [{"user": "dave"}, {"group": "data-platform"}])
def test_a_deny_beats_every_allow(local: RunningCloud, where: dict[str, str]) -> None:
    policy(local, "allow", document("ram:*"), user="dave")
    policy(local, "deny", document("ram:GetUser", effect="Deny"), **where)
    with refused("NoPermission") as caught:
        get_user(local, key_of("dave"))
    assert caught.value.access_denied_detail["NoPermissionType"] == "ExplicitDeny"
    assert ram(local, key_of("dave")).list_users(m.ListUsersRequest()).status_code == 200


def test_a_policy_counts_for_its_resources_only(local: RunningCloud) -> None:
    text = document("ram:GetUser", resource=f"acs:ram:*:{ACCOUNT}:user/carol")
    policy(local, "p", text, user="mallory")
    assert get_user(local).user_name == "carol"
    with refused("NoPermission"):
        get_user(local, name="alice")


def test_a_condition_that_fails_takes_the_statement_away(local: RunningCloud) -> None:
    statement = {
        "Effect": "Allow",
        "Action": "ram:GetUser",
        "Resource": "*",
        "Condition": {"IpAddress": {"acs:SourceIp": ["10.0.0.0/8"]}},
    }
    policy(local, "p", json.dumps({"Version": "1", "Statement": [statement]}), user="mallory")
    with refused("NoPermission") as caught:
        get_user(local)
    assert caught.value.access_denied_detail["NoPermissionType"] == "ImplicitDeny"


@pytest.mark.parametrize(
    ("missing", "resource"),
    [("policy", f"acs:ram:*:{ACCOUNT}:role/worker"), ("role", "acs:ram:*:system:policy/AliyunOSSFullAccess")],
)
def test_attaching_needs_both_the_role_and_the_policy(
    local: RunningCloud, missing: str, resource: str
) -> None:
    ram(local).create_role(m.CreateRoleRequest(role_name="worker", assume_role_policy_document=TRUST_DI))
    policy(local, "half", document("ram:AttachPolicyToRole", resource=resource), user="mallory")
    request = m.AttachPolicyToRoleRequest(
        role_name="worker", policy_name="AliyunOSSFullAccess", policy_type="System"
    )
    with refused("NoPermission"):
        ram(local, MALLORY).attach_policy_to_role(request)
    other = {"policy": "acs:ram:*:system:policy/*", "role": f"acs:ram:*:{ACCOUNT}:role/*"}[missing]
    policy(local, "other-half", document("ram:AttachPolicyToRole", resource=other), user="mallory")
    assert ram(local, MALLORY).attach_policy_to_role(request).status_code == 200


def test_tagging_needs_every_named_resource(local: RunningCloud) -> None:
    for name in ("r1", "r2"):
        ram(local).create_role(m.CreateRoleRequest(role_name=name, assume_role_policy_document=TRUST_DI))
    only = document("ram:TagResources", resource=f"acs:ram:*:{ACCOUNT}:role/r1")
    policy(local, "p", only, user="mallory")

    def tag(*names: str) -> Any:
        pairs = [m.TagResourcesRequestTag(key="a", value="b")]
        request = m.TagResourcesRequest(resource_type="role", resource_names=list(names), tag=pairs)
        return ram(local, MALLORY).tag_resources(request)

    assert tag("r1").status_code == 200
    with refused("NoPermission"):
        tag("r1", "r2")
    assert local.cloud.state.ram.roles["r2"].tags == {}


def test_a_list_needs_all_objects_of_the_kind(local: RunningCloud) -> None:
    policy(local, "p", document("ram:ListUsers", resource=f"acs:ram:*:{ACCOUNT}:user/carol"), user="mallory")
    with refused("NoPermission"):
        ram(local, MALLORY).list_users(m.ListUsersRequest())


def test_a_grant_becomes_effective_after_the_lag(local: RunningCloud) -> None:
    local.cloud.settings.authorization_lag_seconds = 30
    policy(local, "p", document("ram:GetUser"), user="mallory")
    listed = ram(local).list_policies_for_user(m.ListPoliciesForUserRequest(user_name="mallory")).body
    assert [one.policy_name for one in listed.policies.policy] == ["p"]  # visible at once
    with refused("NoPermission"):
        get_user(local)
    local.cloud.clock.advance(29)
    with refused("NoPermission"):
        get_user(local)
    local.cloud.clock.advance(2)
    assert get_user(local).user_name == "carol"


def test_a_withdrawal_becomes_effective_after_the_lag(local: RunningCloud) -> None:
    policy(local, "p", document("ram:GetUser"), user="mallory")
    local.cloud.settings.authorization_lag_seconds = 30
    ram(local).detach_policy_from_user(
        m.DetachPolicyFromUserRequest(user_name="mallory", policy_name="p", policy_type="Custom")
    )
    assert get_user(local).user_name == "carol"
    local.cloud.clock.advance(31)
    with refused("NoPermission"):
        get_user(local)


def test_each_change_has_its_own_lag(local: RunningCloud) -> None:
    local.cloud.settings.authorization_lag_seconds = 30
    policy(local, "p", document("ram:GetUser"), user="mallory")
    local.cloud.clock.advance(20)
    policy(local, "q", document("ram:ListUsers"), user="mallory")
    local.cloud.clock.advance(15)
    assert get_user(local).user_name == "carol"
    with refused("NoPermission"):
        ram(local, MALLORY).list_users(m.ListUsersRequest())
    local.cloud.clock.advance(16)
    assert ram(local, MALLORY).list_users(m.ListUsersRequest()).status_code == 200

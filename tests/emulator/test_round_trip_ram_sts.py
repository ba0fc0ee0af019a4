"""Every action of RAM and STS, through the vendor's SDK, with every field filled that can be.

What the SDK's model gives back must be the JSON that was sent: a key the model does not know would be dropped, a
wrong type or wrapper would be lost. And every key the model declares must be sent, but for those of ``LEFT_OUT``.
"""

from __future__ import annotations

import copy
import inspect
import re
from collections.abc import Callable
from typing import Any

import pytest
from alibabacloud_ram20150501 import models as m
from alibabacloud_ram20150501.client import Client as RamClient
from alibabacloud_sts20150401 import models as s
from alibabacloud_sts20150401.client import Client as StsClient

from emulator.registry import ACTIONS
from emulator.server import RunningCloud
from emulator.state import Attachment, Policy, PolicyVersion
from tests.emulator.clients import ACCOUNT, TRUST_ACCOUNT, assume, config, document, key_of, refused

# Keys of the models that the local cloud never sends, each with its reason.
LEFT_OUT = {
    "GetPolicy": {"Policy.PolicyDocument"},  # deprecated; the text is in DefaultPolicyVersion
    "GetRole": {"Role.LatestDeletionTask"},  # only after DeleteServiceLinkedRole, which is not built
    "GetUser": {"User.LastLoginDate"},  # there is no console to log on to
    "GetCallerIdentity": {"UserId"},  # of a user or the account; the call is made by a role
}


def recording(client: Any) -> list[Any]:
    """The JSON bodies that the SDK's client receives from now on, before they become models."""
    bodies: list[Any] = []
    receive = client.call_api

    def call_api(params: Any, request: Any, runtime: Any) -> Any:
        result = receive(params, request, runtime)
        bodies.append(copy.deepcopy(result["body"]))
        return result

    client.call_api = call_api
    return bodies


TAG = {"Key": "team", "Value": "data"}


def _tags(kind: str) -> Any:
    return [getattr(m, f"{kind}RequestTag")(key=TAG["Key"], value=TAG["Value"])]


@pytest.fixture
def filled(local: RunningCloud) -> RunningCloud:
    """Two of everything (so that a page of one is truncated), the first one with every field filled."""
    client = RamClient(config(local, key_of("alice")))
    for name in ("Full-1", "Full-2"):
        client.create_role(
            m.CreateRoleRequest(
                role_name=name,
                assume_role_policy_document=TRUST_ACCOUNT,
                description="a role",
                max_session_duration=7200,
                allow_console_login=True,
                tag=_tags("CreateRole"),
            )
        )
        client.create_policy(
            m.CreatePolicyRequest(
                policy_name=name,
                policy_document=document("oss:GetObject"),
                description="a policy",
                tag=_tags("CreatePolicy"),
            )
        )
        client.create_policy_version(
            m.CreatePolicyVersionRequest(policy_name=name, policy_document=document("oss:PutObject"))
        )
        client.create_user(
            m.CreateUserRequest(
                user_name=name,
                display_name="Full",
                comments="a user",
                email="full@example.com",
                mobile_phone="86-13900000000",
            )
        )
        client.create_group(m.CreateGroupRequest(group_name=name, comments="a group"))
    for name in ("Full-1", "Full-2"):
        client.add_user_to_group(m.AddUserToGroupRequest(user_name=name, group_name="Full-1"))
    grant = {"policy_name": "Full-1", "policy_type": "Custom"}
    client.attach_policy_to_role(m.AttachPolicyToRoleRequest(role_name="Full-1", **grant))
    client.attach_policy_to_user(m.AttachPolicyToUserRequest(user_name="Full-1", **grant))
    client.attach_policy_to_group(m.AttachPolicyToGroupRequest(group_name="Full-1", **grant))
    client.attach_policy_to_user(
        m.AttachPolicyToUserRequest(
            user_name="alice", policy_name="AliyunSTSAssumeRoleAccess", policy_type="System"
        )
    )
    local.cloud.journal.clear()
    return local


_FULL = {"policy_name": "Full-1", "policy_type": "Custom"}
_OTHER = {"policy_name": "Full-2", "policy_type": "Custom"}
_NAMES = {"resource_type": "role", "resource_names": ["Full-1"]}

RAM_CALLS: dict[str, Callable[[RamClient], Any]] = {
    "CreateRole": lambda c: c.create_role(
        m.CreateRoleRequest(role_name="New", assume_role_policy_document=TRUST_ACCOUNT, description="d")
    ),
    "GetRole": lambda c: c.get_role(m.GetRoleRequest(role_name="Full-1")),
    "UpdateRole": lambda c: c.update_role(
        m.UpdateRoleRequest(
            role_name="Full-1",
            new_description="other",
            new_max_session_duration=3600,
            new_allow_console_login=False,
            new_assume_role_policy_document=TRUST_ACCOUNT,
        )
    ),
    "DeleteRole": lambda c: c.delete_role(m.DeleteRoleRequest(role_name="Full-2")),
    "ListRoles": lambda c: c.list_roles(m.ListRolesRequest(max_items=1, tag=_tags("ListRoles"))),
    "CreatePolicy": lambda c: c.create_policy(
        m.CreatePolicyRequest(policy_name="New", policy_document=document("oss:GetObject"), description="d")
    ),
    "GetPolicy": lambda c: c.get_policy(m.GetPolicyRequest(**_FULL)),
    "ListPolicies": lambda c: c.list_policies(m.ListPoliciesRequest(max_items=1, tag=_tags("ListPolicies"))),
    "DeletePolicy": lambda c: c.delete_policy(
        m.DeletePolicyRequest(policy_name="Full-2", cascading_delete=True)
    ),
    "UpdatePolicyDescription": lambda c: c.update_policy_description(
        m.UpdatePolicyDescriptionRequest(policy_name="Full-1", new_description="other")
    ),
    "CreatePolicyVersion": lambda c: c.create_policy_version(
        m.CreatePolicyVersionRequest(
            policy_name="Full-1", policy_document=document("oss:*"), set_as_default=True
        )
    ),
    "ListPolicyVersions": lambda c: c.list_policy_versions(m.ListPolicyVersionsRequest(**_FULL)),
    "GetPolicyVersion": lambda c: c.get_policy_version(m.GetPolicyVersionRequest(version_id="v2", **_FULL)),
    "SetDefaultPolicyVersion": lambda c: c.set_default_policy_version(
        m.SetDefaultPolicyVersionRequest(policy_name="Full-1", version_id="v2")
    ),
    "DeletePolicyVersion": lambda c: c.delete_policy_version(
        m.DeletePolicyVersionRequest(policy_name="Full-1", version_id="v2")
    ),
    "AttachPolicyToRole": lambda c: c.attach_policy_to_role(
        m.AttachPolicyToRoleRequest(role_name="Full-1", **_OTHER)
    ),
    "AttachPolicyToUser": lambda c: c.attach_policy_to_user(
        m.AttachPolicyToUserRequest(user_name="Full-1", **_OTHER)
    ),
    "AttachPolicyToGroup": lambda c: c.attach_policy_to_group(
        m.AttachPolicyToGroupRequest(group_name="Full-1", **_OTHER)
    ),
    "DetachPolicyFromRole": lambda c: c.detach_policy_from_role(
        m.DetachPolicyFromRoleRequest(role_name="Full-1", **_FULL)
    ),
    "DetachPolicyFromUser": lambda c: c.detach_policy_from_user(
        m.DetachPolicyFromUserRequest(user_name="Full-1", **_FULL)
    ),
    "DetachPolicyFromGroup": lambda c: c.detach_policy_from_group(
        m.DetachPolicyFromGroupRequest(group_name="Full-1", **_FULL)
    ),
    "ListPoliciesForRole": lambda c: c.list_policies_for_role(
        m.ListPoliciesForRoleRequest(role_name="Full-1")
    ),
    "ListPoliciesForUser": lambda c: c.list_policies_for_user(
        m.ListPoliciesForUserRequest(user_name="Full-1")
    ),
    "ListPoliciesForGroup": lambda c: c.list_policies_for_group(
        m.ListPoliciesForGroupRequest(group_name="Full-1")
    ),
    "ListEntitiesForPolicy": lambda c: c.list_entities_for_policy(m.ListEntitiesForPolicyRequest(**_FULL)),
    "CreateUser": lambda c: c.create_user(
        m.CreateUserRequest(user_name="New", display_name="N", comments="c", email="e", mobile_phone="p")
    ),
    "GetUser": lambda c: c.get_user(m.GetUserRequest(user_name="Full-1")),
    "ListUsers": lambda c: c.list_users(m.ListUsersRequest(max_items=1)),
    "CreateGroup": lambda c: c.create_group(m.CreateGroupRequest(group_name="New", comments="c")),
    "GetGroup": lambda c: c.get_group(m.GetGroupRequest(group_name="Full-1")),
    "ListGroups": lambda c: c.list_groups(m.ListGroupsRequest(max_items=1)),
    "ListGroupsForUser": lambda c: c.list_groups_for_user(m.ListGroupsForUserRequest(user_name="Full-1")),
    "ListUsersForGroup": lambda c: c.list_users_for_group(
        m.ListUsersForGroupRequest(group_name="Full-1", max_items=1)
    ),
    "AddUserToGroup": lambda c: c.add_user_to_group(
        m.AddUserToGroupRequest(user_name="Full-1", group_name="Full-2")
    ),
    "RemoveUserFromGroup": lambda c: c.remove_user_from_group(
        m.RemoveUserFromGroupRequest(user_name="Full-1", group_name="Full-1")
    ),
    "TagResources": lambda c: c.tag_resources(m.TagResourcesRequest(tag=_tags("TagResources"), **_NAMES)),
    "UntagResources": lambda c: c.untag_resources(m.UntagResourcesRequest(tag_keys=["team"], **_NAMES)),
    "ListTagResources": lambda c: c.list_tag_resources(
        m.ListTagResourcesRequest(resource_type="role", tag=_tags("ListTagResources"), page_size=1)
    ),
}

STS_CALLS: dict[str, Callable[[StsClient], Any]] = {
    "AssumeRole": lambda c: c.assume_role(
        s.AssumeRoleRequest(
            role_arn=f"acs:ram::{ACCOUNT}:role/full-1",
            role_session_name="alice",
            source_identity="alice@example.com",
            policy=document("oss:GetObject"),
        )
    ),
    "GetCallerIdentity": lambda c: c.get_caller_identity(),
}


def keys_of_model(models: Any, model: type) -> dict[str, type | None]:
    """The keys a model declares, each with the model of its value."""
    keys: dict[str, type | None] = {}
    for part in re.split(r"(?=m\.get\('\w+'\) is not None)", inspect.getsource(model.from_map))[1:]:  # type: ignore[attr-defined]  # of the SDK
        name = re.match(r"m\.get\('(\w+)'\)", part)
        nested = re.search(r"main_models\.(\w+)\(\)", part)
        assert name is not None
        keys[name[1]] = getattr(models, nested[1]) if nested else None
    return keys


def missing_and_extra(models: Any, model: type, sent: Any, path: str = "") -> tuple[set[str], set[str]]:
    """Paths the model declares that were not sent, and paths sent that it does not declare."""
    declared = keys_of_model(models, model)
    missing = {path + key for key in declared if key not in sent}
    extra = {path + key for key in sent if key not in declared}
    for key, nested in declared.items():
        values = sent.get(key, [])
        for value in (values if isinstance(values, list) else [values]) if nested else ():
            less, more = missing_and_extra(models, nested, value, f"{path}{key}.")  # type: ignore[arg-type]  # not None: see above
            missing, extra = missing | less, extra | more
        if key in sent and nested and isinstance(values, list):
            assert values, f"{path}{key} is empty: the scenario shows nothing"
    return missing, extra


def check(models: Any, action: str, response: Any, sent: Any) -> None:
    """The three promises of this module."""
    assert response.status_code == 200
    assert response.body.to_map() == sent
    missing, extra = missing_and_extra(models, type(response.body), sent)
    assert extra == set()
    assert missing == LEFT_OUT.get(action, set())


@pytest.mark.parametrize("action", RAM_CALLS)
def test_ram_answers_are_the_sdks_models(filled: RunningCloud, action: str) -> None:
    client = RamClient(config(filled, key_of("alice")))
    bodies = recording(client)
    response = RAM_CALLS[action](client)
    assert [entry.action for entry in filled.cloud.journal.entries] == [action]
    check(m, action, response, *bodies)


@pytest.mark.parametrize("action", STS_CALLS)
def test_sts_answers_are_the_sdks_models(filled: RunningCloud, action: str) -> None:
    key = key_of("alice") if action == "AssumeRole" else assume(filled, "Full-1")
    client = StsClient(config(filled, key))
    bodies = recording(client)
    response = STS_CALLS[action](client)
    check(s, action, response, *bodies)


def test_every_built_action_of_ram_and_sts_makes_the_round_trip() -> None:
    assert {one.name for one in ACTIONS.values() if one.product.name == "ram"} == set(RAM_CALLS)
    assert {one.name for one in ACTIONS.values() if one.product.name == "sts"} == set(STS_CALLS)


@pytest.mark.parametrize("action", RAM_CALLS)
def test_a_user_without_policies_is_refused_every_action_of_ram(filled: RunningCloud, action: str) -> None:
    before = filled.cloud.save()["state"]
    with refused("NoPermission", 403) as caught:
        RAM_CALLS[action](RamClient(config(filled, key_of("mallory"))))
    assert caught.value.access_denied_detail["AuthAction"] == f"ram:{action}"
    assert filled.cloud.save()["state"] == before


@pytest.mark.parametrize("action", RAM_CALLS)
def test_the_permission_of_the_same_name_is_enough(filled: RunningCloud, action: str) -> None:
    ram_state = filled.cloud.state.ram
    ram_state.policies["exactly"] = Policy(
        name="exactly", versions=[PolicyVersion(id="v1", document=document(f"ram:{action}"))]
    )
    ram_state.users["mallory"].attachments.append(Attachment(policy="exactly"))
    assert RAM_CALLS[action](RamClient(config(filled, key_of("mallory")))).status_code == 200

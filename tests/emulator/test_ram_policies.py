"""Policies and their versions through the vendor's SDK."""

from __future__ import annotations

from typing import Any

import pytest
from alibabacloud_ram20150501 import models as m

from config import limits
from emulator.ram.system_policies import SYSTEM_POLICIES
from emulator.server import RunningCloud
from emulator.state import Policy, PolicyVersion
from policy import PolicyKind, parse_policy
from tests.emulator.clients import TRUST_DI, document, key_of, ram, refused

READ, WRITE = document("oss:GetObject"), document("oss:PutObject")
ROTATE = "DeleteOldestNonDefaultVersionWhenLimitExceeded"


def create(local: RunningCloud, name: str | None = "reader", text: str | None = READ, **more: Any) -> Any:
    """CreatePolicy."""
    request = m.CreatePolicyRequest(policy_name=name, policy_document=text, **more)
    return ram(local).create_policy(request).body.policy


def read(local: RunningCloud, name: str = "reader", kind: str = "Custom") -> Any:
    """GetPolicy."""
    return ram(local).get_policy(m.GetPolicyRequest(policy_name=name, policy_type=kind)).body


def add_version(local: RunningCloud, text: str = WRITE, **more: Any) -> Any:
    """CreatePolicyVersion of "reader"."""
    request = m.CreatePolicyVersionRequest(policy_name="reader", policy_document=text, **more)
    return ram(local).create_policy_version(request).body.policy_version


def delete(local: RunningCloud, name: str = "reader", **more: Any) -> None:
    """DeletePolicy."""
    ram(local).delete_policy(m.DeletePolicyRequest(policy_name=name, **more))


def delete_version(local: RunningCloud, version: str) -> None:
    """DeletePolicyVersion of "reader"."""
    ram(local).delete_policy_version(m.DeletePolicyVersionRequest(policy_name="reader", version_id=version))


def set_default(local: RunningCloud, version: str) -> None:
    """SetDefaultPolicyVersion of "reader"."""
    ram(local).set_default_policy_version(
        m.SetDefaultPolicyVersionRequest(policy_name="reader", version_id=version)
    )


def versions(local: RunningCloud) -> dict[str, bool]:
    """The versions of "reader", and which is the default."""
    request = m.ListPolicyVersionsRequest(policy_name="reader", policy_type="Custom")
    found = ram(local).list_policy_versions(request).body.policy_versions.policy_version
    return {one.version_id: one.is_default_version for one in found}


def test_a_new_policy_has_the_default_version_v1(local: RunningCloud) -> None:
    made = create(local, description="reads")
    assert (made.policy_type, made.default_version, made.description) == ("Custom", "v1", "reads")
    body = read(local)
    assert body.default_policy_version.policy_document == READ
    assert body.policy.attachment_count == 0


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"name": "dot.name"}, "InvalidParameter.PolicyName.InvalidChars"),
        ({"name": "under_score"}, "InvalidParameter.PolicyName.InvalidChars"),
        ({"name": "x" * 129}, "InvalidParameter.PolicyName.Length"),
        ({"name": None}, "MissingParameter.PolicyName"),
        ({"text": None}, "MissingParameter.PolicyDocument"),
        ({"text": READ + " " * 6144}, "InvalidParameter.PolicyDocument.Length"),
        ({"text": "not json"}, "MalformedPolicyDocument"),
        ({"text": TRUST_DI}, "MalformedPolicyDocument"),
        ({"description": "x" * 1025}, "InvalidParameter.Description.Length"),
    ],
)
def test_a_wrong_parameter_is_refused_and_nothing_is_made(
    local: RunningCloud, parameters: dict[str, Any], code: str
) -> None:
    before = set(local.cloud.state.ram.policies)
    with refused(code, 400):
        create(local, **parameters)
    assert set(local.cloud.state.ram.policies) == before


def test_a_document_of_6144_characters_is_accepted_and_one_more_is_not(local: RunningCloud) -> None:
    create(local, "full", READ + " " * (6144 - len(READ)))
    with refused("InvalidParameter.PolicyDocument.Length"):
        create(local, "over", READ + " " * (6145 - len(READ)))


@pytest.mark.parametrize("name", ["reader", "AliyunOSSFullAccess"])
def test_a_name_is_taken_by_custom_and_system_policies(local: RunningCloud, name: str) -> None:
    create(local)
    with refused("EntityAlreadyExists.Policy", 409, "The group does already EXIST."):
        create(local, name)


def test_the_quota_of_policies(local: RunningCloud) -> None:
    policies = local.cloud.state.ram.policies
    for number in range(limits.POLICIES_PER_ACCOUNT - len(policies)):
        version = PolicyVersion(id="v1", document=READ)
        policies[f"fill-{number}"] = Policy(name=f"fill-{number}", versions=[version])
    with refused("LimitExceeded.Policy", 409, "The count of policy beyond the current limits."):
        create(local)


def test_a_version_that_is_not_set_as_default_leaves_the_old_text_in_force(local: RunningCloud) -> None:
    create(local)
    assert add_version(local).is_default_version is False
    assert read(local).default_policy_version.policy_document == READ
    assert add_version(local, set_as_default=True).version_id == "v3"
    assert read(local).default_policy_version.policy_document == WRITE
    assert read(local).policy.default_version == "v3"


def test_the_default_version_can_be_set_back(local: RunningCloud) -> None:
    create(local)
    add_version(local, set_as_default=True)
    set_default(local, "v1")
    assert versions(local) == {"v1": True, "v2": False}
    assert read(local).default_policy_version.policy_document == READ


def test_the_sixth_version_is_refused(local: RunningCloud) -> None:
    create(local)
    for _ in range(4):
        add_version(local)
    with refused("LimitExceeded.Policy.Version", 409):
        add_version(local)
    assert list(versions(local)) == ["v1", "v2", "v3", "v4", "v5"]


def test_rotation_deletes_the_oldest_version_that_is_not_the_default(local: RunningCloud) -> None:
    create(local)
    for _ in range(4):
        add_version(local)
    assert add_version(local, rotate_strategy=ROTATE).version_id == "v6"
    assert list(versions(local)) == ["v1", "v3", "v4", "v5", "v6"]
    add_version(local, rotate_strategy=ROTATE, set_as_default=True)
    assert versions(local) == {"v1": False, "v4": False, "v5": False, "v6": False, "v7": True}
    add_version(local, rotate_strategy=ROTATE)
    assert "v1" not in versions(local)


def test_an_unknown_rotation_is_refused(local: RunningCloud) -> None:
    create(local)
    with refused("InvalidParameter.RotateStrategy", 400):
        add_version(local, rotate_strategy="Always")


def test_numbers_of_deleted_versions_are_not_used_again(local: RunningCloud) -> None:
    create(local)
    assert add_version(local).version_id == "v2"
    delete_version(local, "v2")
    assert add_version(local).version_id == "v3"


def test_the_default_version_cannot_be_deleted(local: RunningCloud) -> None:
    create(local)
    text = "The default policy version CAN NOT been deleted directly."
    with refused("DeleteConflict.Policy.Version.Default", 409, text):
        delete_version(local, "v1")


@pytest.mark.parametrize(
    ("version", "code", "status"),
    [
        ("v9", "EntityNotExist.Policy.Version", 404),
        ("9", "InvalidParameter.VersionId.Format", 400),
        ("v0", "InvalidParameter.VersionId.Format", 400),
    ],
)
def test_versions_that_are_not_there(local: RunningCloud, version: str, code: str, status: int) -> None:
    create(local)
    for call in (delete_version, set_default):
        with refused(code, status):
            call(local, version)
    with refused(code, status):
        ram(local).get_policy_version(
            m.GetPolicyVersionRequest(policy_name="reader", policy_type="Custom", version_id=version)
        )


def test_a_policy_with_versions_is_deleted_only_with_them(local: RunningCloud) -> None:
    create(local)
    add_version(local)
    with refused("DeleteConflict.Policy.Version", 409):
        delete(local)
    delete(local, cascading_delete=True)
    with refused("EntityNotExist.Policy", 404, "The policy does not exist."):
        read(local)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("user", "DeleteConflict.Policy.User"),
        ("group", "DeleteConflict.Policy.Group"),
        ("role", "DeleteConflict.Role.Policy"),
    ],
)
def test_an_attached_policy_cannot_be_deleted_even_cascading(
    local: RunningCloud, kind: str, code: str
) -> None:
    create(local)
    client = ram(local)
    client.create_role(m.CreateRoleRequest(role_name="Worker", assume_role_policy_document=TRUST_DI))
    grant = {"policy_name": "reader", "policy_type": "Custom"}
    {
        "user": lambda: client.attach_policy_to_user(m.AttachPolicyToUserRequest(user_name="carol", **grant)),
        "group": lambda: client.attach_policy_to_group(
            m.AttachPolicyToGroupRequest(group_name="data-platform", **grant)
        ),
        "role": lambda: client.attach_policy_to_role(
            m.AttachPolicyToRoleRequest(role_name="Worker", **grant)
        ),
    }[kind]()
    for cascading in (False, True):
        with refused(code, 409):
            delete(local, cascading_delete=cascading)
    assert read(local).policy.attachment_count == 1


def test_the_code_of_a_policy_attached_to_a_role_is_a_setting(local: RunningCloud) -> None:
    local.cloud.settings.policy_attached_to_role_code = "DeleteConflict.Policy.Role"
    test_an_attached_policy_cannot_be_deleted_even_cascading(local, "role", "DeleteConflict.Policy.Role")


def test_the_description_changes_alone(local: RunningCloud) -> None:
    create(local, description="before")
    ram(local).update_policy_description(
        m.UpdatePolicyDescriptionRequest(policy_name="reader", new_description="after")
    )
    assert read(local).policy.description == "after"
    with refused("InvalidParameter.NewDescription.Length"):
        ram(local).update_policy_description(
            m.UpdatePolicyDescriptionRequest(policy_name="reader", new_description="x" * 1025)
        )


def test_a_system_policy_is_read_by_its_type(local: RunningCloud) -> None:
    body = read(local, "AliyunOSSReadOnlyAccess", "System")
    assert body.default_policy_version.policy_document == SYSTEM_POLICIES["AliyunOSSReadOnlyAccess"]
    with refused("EntityNotExist.Policy"):
        read(local, "AliyunOSSReadOnlyAccess", "Custom")
    with refused("InvalidParameter.PolicyType", 400, 'The parameter - "PolicyType" is incorrect.'):
        read(local, kind="Other")
    with refused("MissingParameter.PolicyType"):
        ram(local).get_policy(m.GetPolicyRequest(policy_name="reader"))


def test_a_system_policy_cannot_be_changed(local: RunningCloud) -> None:
    with refused("EntityNotExist.Policy"):
        delete(local, "AliyunOSSReadOnlyAccess")


def test_the_list_has_both_types_unless_narrowed(local: RunningCloud) -> None:
    create(local)

    def listed(kind: str | None = None) -> set[tuple[str, str]]:
        body = ram(local).list_policies(m.ListPoliciesRequest(policy_type=kind)).body
        return {(one.policy_type, one.policy_name) for one in body.policies.policy}

    assert ("Custom", "reader") in listed("Custom")
    assert listed("System") == {("System", name) for name in SYSTEM_POLICIES}
    assert listed() == listed("Custom") | listed("System")
    with refused("InvalidParameter.PolicyType"):
        listed("Other")


def test_the_attachment_count_of_a_list_is_that_of_the_policy(local: RunningCloud) -> None:
    body = ram(local).list_policies(m.ListPoliciesRequest(policy_type="System")).body
    counts = {one.policy_name: one.attachment_count for one in body.policies.policy}
    assert counts["AliyunDataWorksFullAccess"] == 4  # alice, carol, dave, erin
    assert counts["AdministratorAccess"] == 0


@pytest.mark.parametrize("name", SYSTEM_POLICIES)
def test_the_texts_of_system_policies_follow_the_grammar(name: str) -> None:
    assert parse_policy(SYSTEM_POLICIES[name], PolicyKind.IDENTITY).statements


def test_a_new_version_decides_at_once(local: RunningCloud) -> None:
    create(local, text=document("ram:GetUser"))
    ram(local).attach_policy_to_user(
        m.AttachPolicyToUserRequest(user_name="mallory", policy_name="reader", policy_type="Custom")
    )
    mallory = ram(local, key_of("mallory"))
    assert mallory.get_user(m.GetUserRequest(user_name="carol")).status_code == 200
    add_version(local, document("ram:ListUsers"), set_as_default=True)
    with refused("NoPermission"):
        mallory.get_user(m.GetUserRequest(user_name="carol"))
    assert mallory.list_users(m.ListUsersRequest()).status_code == 200

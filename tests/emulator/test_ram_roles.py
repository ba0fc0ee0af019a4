"""Roles through the vendor's SDK."""

from __future__ import annotations

import json
from typing import Any

import pytest
from alibabacloud_ram20150501 import models as m

from config import limits
from emulator.server import RunningCloud
from emulator.state import Role
from tests.emulator.clients import ACCOUNT, TRUST_ACCOUNT, TRUST_DI, document, ram, refused


def create(local: RunningCloud, name: str | None = "Worker", **more: Any) -> Any:
    """CreateRole; the trust policy is that of Data Integration unless given."""
    parameters = {"role_name": name, "assume_role_policy_document": TRUST_DI, **more}
    return ram(local).create_role(m.CreateRoleRequest(**parameters)).body.role


def read(local: RunningCloud, name: str = "Worker") -> Any:
    """GetRole."""
    return ram(local).get_role(m.GetRoleRequest(role_name=name)).body.role


def update(local: RunningCloud, name: str = "Worker", **more: Any) -> Any:
    """UpdateRole."""
    return ram(local).update_role(m.UpdateRoleRequest(role_name=name, **more)).body.role


def delete(local: RunningCloud, name: str = "Worker") -> None:
    """DeleteRole."""
    ram(local).delete_role(m.DeleteRoleRequest(role_name=name))


def names(local: RunningCloud, **more: Any) -> list[str]:
    """The names of one page of ListRoles."""
    return [role.role_name for role in ram(local).list_roles(m.ListRolesRequest(**more)).body.roles.role]


def test_the_name_keeps_its_case_and_the_arn_is_lower_case(local: RunningCloud) -> None:
    role = create(local, "My-Role.1")
    assert (role.role_name, role.arn) == ("My-Role.1", f"acs:ram::{ACCOUNT}:role/my-role.1")


def test_lower_casing_the_arn_is_a_setting(local: RunningCloud) -> None:
    local.cloud.settings.lowercase_role_arn = False
    assert create(local, "My-Role").arn == f"acs:ram::{ACCOUNT}:role/My-Role"


def test_the_trust_policy_comes_back_as_it_was_sent(local: RunningCloud) -> None:
    spaced = json.dumps(json.loads(TRUST_DI), indent=3)
    assert create(local, assume_role_policy_document=spaced).assume_role_policy_document == spaced
    assert read(local).assume_role_policy_document == spaced


def test_a_document_may_come_back_respelled(local: RunningCloud) -> None:
    local.cloud.settings.preserve_document_text = False
    spaced = json.dumps(json.loads(TRUST_DI), indent=3)
    kept = create(local, assume_role_policy_document=spaced).assume_role_policy_document
    assert kept != spaced
    assert json.loads(kept)["Statement"][0]["Principal"] == {"Service": ["di.dataworks.aliyuncs.com"]}


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"role_name": "under_score"}, "InvalidParameter.RoleName.InvalidChars"),
        ({"role_name": "slash/name"}, "InvalidParameter.RoleName.InvalidChars"),
        ({"role_name": "line\n"}, "InvalidParameter.RoleName.InvalidChars"),
        ({"role_name": "数据"}, "InvalidParameter.RoleName.InvalidChars"),
        ({"role_name": "x" * 65}, "InvalidParameter.RoleName.Length"),
        ({"role_name": None}, "MissingParameter.RoleName"),
        ({"assume_role_policy_document": None}, "MissingParameter.AssumeRolePolicyDocument"),
        (
            {"assume_role_policy_document": TRUST_DI + " " * 2048},
            "InvalidParameter.AssumeRolePolicyDocument.Length",
        ),
        ({"assume_role_policy_document": "{"}, "MalformedPolicyDocument"),
        ({"assume_role_policy_document": document("oss:GetObject")}, "MalformedPolicyDocument"),
        ({"description": "x" * 1025}, "InvalidParameter.Description.Length"),
        ({"max_session_duration": 3599}, "InvalidParameter.MaxSessionDuration"),
        ({"max_session_duration": 43_201}, "InvalidParameter.MaxSessionDuration"),
    ],
)
def test_a_wrong_parameter_is_refused_and_nothing_is_made(
    local: RunningCloud, parameters: dict[str, Any], code: str
) -> None:
    before = set(local.cloud.state.ram.roles)
    with refused(code, 400):
        create(local, **parameters)
    assert set(local.cloud.state.ram.roles) == before


def test_a_malformed_document_is_refused_with_the_place(local: RunningCloud) -> None:
    with refused("MalformedPolicyDocument") as caught:
        create(local, assume_role_policy_document='{"Version":"1","Statement":[{"Effect":"Maybe"}]}')
    assert "Statement[0].Effect" in caught.value.data["Message"]


@pytest.mark.parametrize("name", ["x", "x" * 64, "A.b-9"])
def test_names_at_the_limits_are_accepted(local: RunningCloud, name: str) -> None:
    assert create(local, name).role_name == name


@pytest.mark.parametrize("again", ["Worker", "worker", "WORKER"])
def test_a_name_is_taken_whatever_its_case(local: RunningCloud, again: str) -> None:
    create(local)
    with refused("EntityAlreadyExists.Role", 409, "The role does already EXIST."):
        create(local, again)


def test_the_quota_of_roles(local: RunningCloud) -> None:
    roles = local.cloud.state.ram.roles
    for number in range(limits.ROLES_PER_ACCOUNT - len(roles)):
        roles[f"fill-{number}"] = Role(name=f"fill-{number}", trust_policy=TRUST_DI)
    with refused("LimitExceeded.Role", 409, "The count of roles beyond the current limits."):
        create(local)


@pytest.mark.parametrize("call", [read, update, delete])
def test_a_role_that_does_not_exist(local: RunningCloud, call: Any) -> None:
    with refused("EntityNotExist.Role", 404, "The role does not exist."):
        call(local, "nobody")


def test_an_update_changes_what_it_names_and_nothing_else(local: RunningCloud) -> None:
    made = create(local, description="before", max_session_duration=7200)
    local.cloud.clock.advance(60)
    changed = update(local, new_description="after")
    assert changed.description == "after"
    assert (changed.max_session_duration, changed.role_id) == (7200, made.role_id)
    assert changed.assume_role_policy_document == TRUST_DI
    assert changed.update_date > changed.create_date
    assert update(local, new_assume_role_policy_document=TRUST_ACCOUNT).description == "after"
    assert read(local).assume_role_policy_document == TRUST_ACCOUNT


def test_an_update_that_is_refused_changes_nothing(local: RunningCloud) -> None:
    create(local, description="before")
    before = read(local).to_map()
    with refused("MalformedPolicyDocument"):
        update(local, new_description="after", new_assume_role_policy_document="{}")
    with refused("InvalidParameter.NewAssumeRolePolicyDocument.Length"):
        update(local, new_description="after", new_assume_role_policy_document=TRUST_DI + " " * 2048)
    assert read(local).to_map() == before


def test_a_role_with_a_policy_cannot_be_deleted(local: RunningCloud) -> None:
    create(local)
    grant = {"policy_name": "AliyunOSSFullAccess", "policy_type": "System", "role_name": "Worker"}
    ram(local).attach_policy_to_role(m.AttachPolicyToRoleRequest(**grant))
    text = "The role CAN NOT has any attached policy while deleting the role."
    with refused("DeleteConflict.Role.Policy", 409, text):
        delete(local)
    ram(local).detach_policy_from_role(m.DetachPolicyFromRoleRequest(**grant))
    delete(local)
    with refused("EntityNotExist.Role"):
        read(local)


def test_a_role_made_again_has_another_id(local: RunningCloud) -> None:
    first = create(local).role_id
    delete(local)
    assert create(local).role_id != first


def test_a_service_linked_role_belongs_to_its_service(local: RunningCloud) -> None:
    name = "AliyunServiceRoleForDataWorksDI"
    before = read(local, name).to_map()
    assert before["IsServiceLinkedRole"] is True
    for call in (
        lambda: delete(local, name),
        lambda: update(local, name, new_description="mine"),
        lambda: ram(local).attach_policy_to_role(
            m.AttachPolicyToRoleRequest(
                role_name=name, policy_name="AliyunOSSFullAccess", policy_type="System"
            )
        ),
    ):
        with refused("InvalidOperation.ServiceLinkedRole", 400):
            call()
    assert read(local, name).to_map() == before


def test_pages_hold_every_role_once(local: RunningCloud) -> None:
    made = [f"r{number:02}" for number in range(25)]
    for name in made:
        create(local, name)
    client, marker, found, pages = ram(local), None, [], 0
    while True:
        body = client.list_roles(m.ListRolesRequest(marker=marker, max_items=10)).body
        found += [role.role_name for role in body.roles.role]
        pages += 1
        if not body.is_truncated:
            break
        marker = body.marker
    assert body.marker is None
    assert [name for name in found if name in made] == made
    assert len(found) == len(set(found)) == len(local.cloud.state.ram.roles)
    assert pages == 3


def test_a_role_deleted_between_two_pages_neither_repeats_nor_hides_another(local: RunningCloud) -> None:
    for name in ("r1", "r2", "r3", "r4"):
        create(local, name)
    client = ram(local)
    first = client.list_roles(m.ListRolesRequest(max_items=3)).body
    shown = [role.role_name for role in first.roles.role]
    delete(local, shown[-1])
    rest = client.list_roles(m.ListRolesRequest(marker=first.marker)).body
    seen = shown + [role.role_name for role in rest.roles.role]
    assert {"r1", "r2", "r3", "r4"} <= set(seen)
    assert len(seen) == len(set(seen))


def test_a_page_has_a_hundred_items_unless_told(local: RunningCloud) -> None:
    for number in range(110):
        local.cloud.state.ram.roles[f"fill-{number}"] = Role(name=f"fill-{number}", trust_policy=TRUST_DI)
    assert len(names(local)) == 100
    assert len(names(local, max_items=1000)) > 110


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"max_items": 0}, "InvalidParameter.MaxItems"),
        ({"max_items": 1001}, "InvalidParameter.MaxItems"),
        ({"marker": "no marker!"}, "InvalidParameter.Marker"),
        ({"marker": "gA=="}, "InvalidParameter.Marker"),
    ],
)
def test_a_wrong_page_is_refused(local: RunningCloud, parameters: dict[str, Any], code: str) -> None:
    with refused(code, 400):
        names(local, **parameters)


def test_a_list_can_be_narrowed_by_tags(local: RunningCloud) -> None:
    def tag(key: str, value: str | None = None) -> Any:
        return [m.ListRolesRequestTag(key=key, value=value)]

    create(local, "ours", tag=[m.CreateRoleRequestTag(key="managed-by", value="us")])
    create(local, "theirs", tag=[m.CreateRoleRequestTag(key="managed-by", value="them")])
    create(local, "nobodys")
    assert names(local, tag=tag("managed-by", "us")) == ["ours"]
    assert names(local, tag=tag("managed-by")) == ["ours", "theirs"]
    assert names(local, tag=tag("other")) == []

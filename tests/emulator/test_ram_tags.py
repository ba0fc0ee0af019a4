"""Tags of roles and policies, as JSON text (the SDK) and in the older spelling."""

from __future__ import annotations

from typing import Any

import pytest
from alibabacloud_ram20150501 import models as m

from emulator.server import RunningCloud
from tests.emulator.clients import TRUST_DI, Acs3, document, ram, refused


@pytest.fixture
def ready(local: RunningCloud) -> RunningCloud:
    """Roles r1 and r2, policies r1 and r2."""
    for name in ("r1", "r2"):
        ram(local).create_role(m.CreateRoleRequest(role_name=name, assume_role_policy_document=TRUST_DI))
        ram(local).create_policy(
            m.CreatePolicyRequest(policy_name=name, policy_document=document("oss:GetObject"))
        )
    return local


def tag(local: RunningCloud, kind: str, names: list[str] | None, **tags: str) -> None:
    """TagResources."""
    pairs = [m.TagResourcesRequestTag(key=key, value=value) for key, value in tags.items()]
    request = m.TagResourcesRequest(resource_type=kind, resource_names=names, tag=pairs or None)
    ram(local).tag_resources(request)


def untag(local: RunningCloud, kind: str, names: list[str], **more: Any) -> None:
    """UntagResources."""
    ram(local).untag_resources(m.UntagResourcesRequest(resource_type=kind, resource_names=names, **more))


def tags(local: RunningCloud, kind: str, **more: Any) -> list[tuple[str, str, str]]:
    """ListTagResources."""
    body = ram(local).list_tag_resources(m.ListTagResourcesRequest(resource_type=kind, **more)).body
    assert {one.resource_type for one in body.tag_resources} <= {kind}
    return [(one.resource_name, one.tag_key, one.tag_value) for one in body.tag_resources]


@pytest.mark.parametrize("kind", ["role", "policy"])
def test_tags_are_added_replaced_and_removed(ready: RunningCloud, kind: str) -> None:
    tag(ready, kind, ["r1", "r2"], team="data", stage="dev")
    tag(ready, kind, ["r1"], stage="prod")
    assert tags(ready, kind) == [
        ("r1", "stage", "prod"),
        ("r1", "team", "data"),
        ("r2", "stage", "dev"),
        ("r2", "team", "data"),
    ]
    untag(ready, kind, ["r1"], tag_keys=["stage", "absent"])
    assert tags(ready, kind, resource_names=["r1"]) == [("r1", "team", "data")]
    untag(ready, kind, ["r1", "r2"], all=True)
    assert tags(ready, kind) == []


def test_named_keys_win_over_all(ready: RunningCloud) -> None:
    tag(ready, "role", ["r1"], team="data", stage="dev")
    untag(ready, "role", ["r1"], tag_keys=["team"], all=True)
    assert tags(ready, "role") == [("r1", "stage", "dev")]


def test_tags_of_roles_and_policies_of_one_name_are_apart(ready: RunningCloud) -> None:
    tag(ready, "role", ["r1"], team="data")
    assert tags(ready, "policy") == []


def test_all_resources_are_tagged_or_none(ready: RunningCloud) -> None:
    with refused("EntityNotExist.Role", 404):
        tag(ready, "role", ["r1", "nobody"], team="data")
    with refused("EntityNotExist.Policy", 404):
        tag(ready, "policy", ["r1", "nobody"], team="data")
    assert tags(ready, "role") == tags(ready, "policy") == []


def test_a_list_is_narrowed_by_tag(ready: RunningCloud) -> None:
    tag(ready, "role", ["r1"], team="data")
    tag(ready, "role", ["r2"], team="web")
    wanted = [m.ListTagResourcesRequestTag(key="team", value="web")]
    assert tags(ready, "role", tag=wanted) == [("r2", "team", "web")]


def test_pages_hold_every_tag_once(ready: RunningCloud) -> None:
    tag(ready, "role", ["r1", "r2"], a="1", b="2", c="3")
    client, token, found = ram(ready), None, []
    for _ in range(3):
        request = m.ListTagResourcesRequest(resource_type="role", page_size=2, next_token=token)
        body = client.list_tag_resources(request).body
        found += [(one.resource_name, one.tag_key) for one in body.tag_resources]
        token = body.next_token
    assert token is None
    assert found == [(name, key) for name in ("r1", "r2") for key in "abc"]


def test_a_resource_has_at_most_twenty_tags(ready: RunningCloud) -> None:
    tag(ready, "role", ["r1"], **{f"k{number}": "v" for number in range(20)})
    tag(ready, "role", ["r1"], k0="other")
    with refused("LimitExceeded.Role.Tag", 409):
        tag(ready, "role", ["r1"], one_more="v")


@pytest.mark.parametrize(
    ("kind", "names", "values", "code"),
    [
        ("user", ["r1"], {"a": "1"}, "InvalidParameter.ResourceType"),
        ("role", None, {"a": "1"}, "MissingParameter.ResourceNames"),
        ("role", ["r1"] * 51, {"a": "1"}, "InvalidParameter.ResourceNames"),
        ("role", ["r1"], {}, "MissingParameter.Tag"),
        ("role", ["r1"], {"a" * 129: "1"}, "InvalidParameter.Tag"),
        ("role", ["r1"], {"a": "1" * 257}, "InvalidParameter.Tag"),
        ("role", ["r1"], {f"k{n}": "" for n in range(21)}, "InvalidParameter.Tag"),
    ],
)
def test_wrong_parameters_are_refused(
    ready: RunningCloud, kind: str, names: list[str] | None, values: dict[str, str], code: str
) -> None:
    with refused(code, 400):
        tag(ready, kind, names, **values)
    assert tags(ready, "role") == []


def test_untagging_names_keys_or_all(ready: RunningCloud) -> None:
    with refused("MissingParameter.TagKeys", 400):
        untag(ready, "role", ["r1"])


def test_the_older_spelling_of_lists_works(ready: RunningCloud) -> None:
    numbered = {
        "ResourceType": "role",
        "ResourceNames.1": "r1",
        "Tag.1.Key": "team",
        "Tag.1.Value": "data",
        "Tag.2.Key": "empty",
    }
    assert Acs3(ready, "TagResources", query=numbered).sign().send().status == 200
    assert tags(ready, "role") == [("r1", "empty", ""), ("r1", "team", "data")]
    removed = {"ResourceType": "role", "ResourceNames.1": "r1", "TagKeys.1": "team", "TagKeys.2": "empty"}
    assert Acs3(ready, "UntagResources", query=removed).sign().send().status == 200
    assert tags(ready, "role") == []
    made = {"RoleName": "r3", "AssumeRolePolicyDocument": TRUST_DI, "Tag.1.Key": "a", "Tag.1.Value": "b"}
    assert Acs3(ready, "CreateRole", query=made).sign().send().status == 200
    assert tags(ready, "role") == [("r3", "a", "b")]

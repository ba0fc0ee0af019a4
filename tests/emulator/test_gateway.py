"""From request to answer: where parameters may be, formats, and the shape of refusals."""

from __future__ import annotations

from urllib.parse import urlencode
from xml.etree import ElementTree

import pytest
from alibabacloud_ram20150501 import models

from emulator.registry import ACTIONS, RAM, action
from emulator.server import RunningCloud
from tests.emulator.clients import (
    ALICE,
    DATAWORKS_VERSION,
    RAM_VERSION,
    Acs3,
    Reply,
    http_call,
    key_of,
    ram,
    refused,
    v1_parameters,
)


def v1_get(local: RunningCloud, **parameters: str) -> Reply:
    """A GET of the older dialect."""
    query = v1_parameters(ALICE, "GET", {"Version": RAM_VERSION, **parameters})
    return http_call(local, "GET", f"/?{urlencode(query)}")


def test_parameters_may_be_in_the_query(local: RunningCloud) -> None:
    reply = Acs3(local, "GetUser", query={"UserName": "carol"}).sign().send()
    assert reply.json["User"]["UserName"] == "carol"


def test_parameters_may_be_in_the_form(local: RunningCloud) -> None:
    reply = Acs3(local, "GetUser", form={"UserName": "carol"}).sign().send()
    assert reply.json["User"]["UserName"] == "carol"


def test_parameters_may_be_in_both_and_the_form_wins(local: RunningCloud) -> None:
    call = Acs3(local, "CreateUser", query={"UserName": "u1", "Comments": "query"}, form={"Comments": "form"})
    user = call.sign().send().json["User"]
    assert (user["UserName"], user["Comments"]) == ("u1", "form")


def test_parameters_may_be_in_a_get(local: RunningCloud) -> None:
    reply = Acs3(local, "GetUser", query={"UserName": "carol"}, method="GET").sign().send()
    assert reply.json["User"]["UserName"] == "carol"


def test_the_older_dialect_may_be_sent_as_a_form_with_everything_in_it(local: RunningCloud) -> None:
    parameters = {"Action": "GetUser", "Version": RAM_VERSION, "UserName": "carol", "Format": "JSON"}
    body = urlencode(v1_parameters(ALICE, "POST", parameters)).encode()
    headers = {"content-type": "application/x-www-form-urlencoded"}
    assert http_call(local, "POST", "/", headers, body).json["User"]["UserName"] == "carol"


def test_the_older_dialect_answers_xml_unless_asked_for_json(local: RunningCloud) -> None:
    reply = v1_get(local, Action="ListGroups")
    assert reply.headers["content-type"] == "text/xml;charset=utf-8"
    root = ElementTree.fromstring(reply.body)  # noqa: S314  # the local cloud's own answer
    assert root.tag == "ListGroupsResponse"
    assert [node.text for node in root.findall("Groups/Group/GroupName")] == ["data-platform"]
    assert root.findtext("IsTruncated") == "false"
    assert v1_get(local, Action="ListGroups", Format="JSON").json["IsTruncated"] is False


def test_a_refusal_in_xml_has_the_same_parts(local: RunningCloud) -> None:
    reply = v1_get(local, Action="GetUser", UserName="nobody")
    root = ElementTree.fromstring(reply.body)  # noqa: S314  # the local cloud's own answer
    assert (reply.status, root.tag) == (404, "Error")
    assert [child.tag for child in root] == ["RequestId", "HostId", "Code", "Message", "Recommend"]
    assert root.findtext("Code") == "EntityNotExist.User"


def test_a_refusal_names_host_request_and_a_page_to_read(local: RunningCloud) -> None:
    reply = Acs3(local, "GetUser", query={"UserName": "nobody"}).sign().send()
    assert reply.status == 404
    body = reply.json
    assert body["Message"] == "The user does not exist."
    assert local.url.endswith(body["HostId"])
    assert body["Recommend"] == (
        f"https://api.aliyun.com/troubleshoot?q=EntityNotExist.User&product=Ram&requestId={body['RequestId']}"
    )
    assert "AccessDeniedDetail" not in body


def test_each_answer_has_its_own_request_id(local: RunningCloud) -> None:
    ids = {Acs3(local, "ListUsers").sign().send().json["RequestId"] for _ in range(3)}
    assert len(ids) == 3


def test_a_refusal_of_permission_says_which_action_and_whose_policy(local: RunningCloud) -> None:
    with refused("NoPermission", 403) as caught:
        ram(local, key_of("mallory")).get_user(models.GetUserRequest(user_name="alice"))
    detail = caught.value.access_denied_detail
    assert detail["AuthAction"] == "ram:GetUser"
    assert detail["AuthPrincipalType"] == "SubUser"
    assert detail["AuthPrincipalOwnerId"] == local.cloud.state.account_id
    assert detail["AuthPrincipalDisplayName"] == local.cloud.state.ram.users["mallory"].id
    assert detail["NoPermissionType"] == "ImplicitDeny"
    assert detail["PolicyType"] == "AccountLevelIdentityBasedPolicy"
    assert detail["EncodedDiagnosticMessage"]


def test_an_action_nobody_knows_is_not_found(local: RunningCloud) -> None:
    reply = Acs3(local, "MakeCoffee").sign().send()
    assert (reply.status, reply.json["Code"]) == (404, "InvalidAction.NotFound")


def test_a_known_action_that_is_not_built_says_so_by_name(local: RunningCloud) -> None:
    reply = Acs3(local, "CreateLoginProfile").sign().send()
    assert (reply.status, reply.json["Code"]) == (400, "NotImplemented")
    assert "Resource Access Management CreateLoginProfile (2015-05-01)" in reply.json["Message"]


def test_an_action_of_another_version_is_not_found(local: RunningCloud) -> None:
    reply = Acs3(local, "ListUsers", DATAWORKS_VERSION).sign().send()
    assert reply.json["Code"] == "InvalidAction.NotFound"


@pytest.mark.parametrize("version", ["2014-05-26", ""])
def test_an_unknown_version_is_refused(local: RunningCloud, version: str) -> None:
    reply = Acs3(local, "ListUsers", version).sign().send()
    assert (reply.status, reply.json["Code"]) == (400, "InvalidVersion")


def test_a_request_without_action_is_refused(local: RunningCloud) -> None:
    reply = http_call(local, "GET", f"/?Version={RAM_VERSION}&Format=JSON")
    assert (reply.status, reply.json["Code"]) == (400, "MissingAction")


def test_a_missing_parameter_is_named(local: RunningCloud) -> None:
    reply = Acs3(local, "GetUser").sign().send()
    assert (reply.status, reply.json["Code"]) == (400, "MissingParameter.UserName")
    assert reply.json["Message"] == "Parameter UserName is required."


def test_the_code_of_a_missing_parameter_is_a_setting(local: RunningCloud) -> None:
    local.cloud.settings.missing_parameter_code = "Missing{name}"
    assert Acs3(local, "GetUser").sign().send().json["Code"] == "MissingUserName"


@pytest.mark.parametrize("value", ["many", "1.5", "1_0", " 1", "9" * 5000])
def test_a_parameter_of_the_wrong_type_is_named(local: RunningCloud, value: str) -> None:
    reply = Acs3(local, "ListUsers", query={"MaxItems": value}).sign().send()
    assert (reply.status, reply.json["Code"]) == (400, "InvalidParameter.MaxItems")


@pytest.mark.parametrize("value", ["x", "{}", "[" * 100_000])
def test_a_list_that_is_no_json_list_is_named(local: RunningCloud, value: str) -> None:
    reply = Acs3(local, "ListRoles", form={"Tag": value}).sign().send()
    assert (reply.status, reply.json["Code"]) == (400, "InvalidParameter.Tag")


def test_parameters_are_checked_before_permission(local: RunningCloud) -> None:
    assert (
        Acs3(local, "GetUser", key=key_of("mallory")).sign().send().json["Code"]
        == "MissingParameter.UserName"
    )


def test_a_long_document_fits_in_the_query(local: RunningCloud) -> None:
    sent = '{"Version":"1","Statement":[{"Effect":"Allow","Action":["oss:GetObject"],"Resource":["*"]}]}'
    padded = sent + " " * (6144 - len(sent))
    query = {"PolicyName": "long", "PolicyDocument": padded}
    assert Acs3(local, "CreatePolicy", query=query).sign().send().status == 200


def test_a_body_over_ten_megabytes_is_refused(local: RunningCloud) -> None:
    reply = http_call(local, "POST", "/", body=b"x" * (10 * 1024 * 1024 + 1))
    assert reply.status == 413


def test_the_journal_has_who_what_and_the_outcome_but_no_secret(local: RunningCloud) -> None:
    ram(local).create_user(models.CreateUserRequest(user_name="u1"))
    with refused("NoPermission"):
        ram(local, key_of("mallory")).list_users(models.ListUsersRequest())
    made, denied = local.cloud.journal.entries
    assert (made.action, made.caller, made.object, made.write, made.status) == (
        "CreateUser",
        "alice",
        "u1",
        True,
        200,
    )
    assert (denied.action, denied.caller, denied.write, denied.code) == (
        "ListUsers",
        "mallory",
        False,
        "NoPermission",
    )
    assert "secret" not in repr(local.cloud.journal.to_json())


def test_an_action_cannot_be_registered_twice() -> None:
    before = dict(ACTIONS)
    with pytest.raises(ValueError, match="registered twice"):
        action(RAM, "GetUser")(lambda call: {})
    assert before == ACTIONS

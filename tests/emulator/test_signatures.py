"""Signature verification against the vendor's published vectors, and against what a wrong client may send."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from alibabacloud_ram20150501 import models

from emulator.server import RunningCloud
from emulator.signatures import (
    MalformedAuthorization,
    acs3_signature,
    acs3_string_to_sign,
    parse_acs3,
    v1_signature,
    v1_string_to_sign,
)
from emulator.state import Attachment
from emulator.wire import HttpRequest
from tests.emulator.clients import ALICE, TRUST_ACCOUNT, Acs3, Key, assume, http_call, now, ram, v1_parameters

EMPTY_SHA256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_acs3_reproduces_the_vendors_run_instances_vector() -> None:
    headers = {
        "host": "ecs.cn-shanghai.aliyuncs.com",
        "x-acs-action": "RunInstances",
        "x-acs-content-sha256": EMPTY_SHA256,
        "x-acs-date": "2023-10-26T10:22:32Z",
        "x-acs-signature-nonce": "3156853299f313e23d1673dc12e1703d",
        "x-acs-version": "2014-05-26",
    }
    query = "ImageId=win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd&RegionId=cn-shanghai"
    request = HttpRequest("POST", "/", query, headers, b"")
    to_sign = acs3_string_to_sign(request, headers)
    assert to_sign == "ACS3-HMAC-SHA256\n7ea06492da5221eba5297e897ce16e55f964061054b7695beedaac1145b1e259"
    signature = acs3_signature("YourAccessKeySecret", to_sign)
    assert signature == "06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"


def test_v1_reproduces_the_vendors_describe_regions_vector() -> None:
    parameters = {
        "AccessKeyId": "testid",
        "Action": "DescribeRegions",
        "Format": "XML",
        "SignatureMethod": "HMAC-SHA1",
        "SignatureNonce": "3ee8c1b8-83d3-44af-a94f-4e0ad82fd6cf",
        "SignatureVersion": "1.0",
        "Timestamp": "2016-02-23T12:46:24Z",
        "Version": "2014-05-26",
    }
    to_sign = v1_string_to_sign("GET", parameters)
    assert to_sign.startswith("GET&%2F&AccessKeyId%3Dtestid%26Action%3DDescribeRegions")
    assert v1_signature("testsecret", to_sign) == "OLeaidS1JvxuMvnyHOwuJ+uX5qY="


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer x",
        "ACS3-HMAC-SHA256",
        "ACS3-HMAC-SHA256 Credential=a,Signature=b",
        "acs3-hmac-sha256 Credential=a",
    ],
)
def test_a_malformed_authorization_header_is_an_error(header: str) -> None:
    with pytest.raises(MalformedAuthorization):
        parse_acs3(header)


def test_a_correct_signature_is_accepted_whatever_the_characters(local: RunningCloud) -> None:
    call = Acs3(local, "CreateUser", query={"UserName": "u1", "DisplayName": "数据 ~*+'()!/:,?@&=%"})
    reply = call.sign().send()
    assert reply.status == 200
    assert reply.json["User"]["DisplayName"] == "数据 ~*+'()!/:,?@&=%"


def test_a_changed_parameter_is_refused(local: RunningCloud) -> None:
    call = Acs3(local, "GetUser", query={"UserName": "alice"}).sign()
    call.query = {"UserName": "carol"}
    reply = call.send()
    assert (reply.status, reply.json["Code"]) == (400, "SignatureDoesNotMatch")
    assert "server string to sign is:ACS3-HMAC-SHA256" in reply.json["Message"]


def test_a_wrong_secret_is_refused(local: RunningCloud) -> None:
    reply = Acs3(local, "ListUsers", key=Key(ALICE.id, "wrong")).sign().send()
    assert reply.json["Code"] == "SignatureDoesNotMatch"


def test_a_changed_body_is_refused_though_the_headers_are_signed(local: RunningCloud) -> None:
    call = Acs3(local, "GetUser", form={"UserName": "alice"}).sign()
    call.body = b"UserName=carol"
    reply = call.send()
    assert reply.json["Code"] == "SignatureDoesNotMatch"
    assert "x-acs-content-sha256" in reply.json["Message"]


def test_a_changed_signature_of_the_older_dialect_is_refused(local: RunningCloud) -> None:
    query = v1_parameters(ALICE, "GET", {"Action": "ListUsers", "Version": "2015-05-01", "Format": "JSON"})
    query["MaxItems"] = "1"
    reply = http_call(local, "GET", f"/?{urlencode(query)}")
    assert reply.json["Code"] == "SignatureDoesNotMatch"


def test_a_nonce_counts_once(local: RunningCloud) -> None:
    call = Acs3(local, "ListUsers").sign()
    assert call.send().status == 200
    reply = call.send()
    assert (reply.status, reply.json["Code"]) == (400, "SignatureNonceUsed")


def test_a_nonce_may_be_used_again_after_its_lifetime(local: RunningCloud) -> None:
    call = Acs3(local, "ListUsers").sign()
    assert call.send().status == 200
    local.cloud.clock.advance(901)
    assert call.send().status == 200


def test_one_nonce_serves_two_keys(local: RunningCloud) -> None:
    nonce = {"x-acs-signature-nonce": "the-same"}
    root = Key("LTAIlocalRoot", "local-secret-root")
    assert Acs3(local, "ListUsers", headers=dict(nonce)).sign().send().status == 200
    assert Acs3(local, "ListUsers", headers=dict(nonce), key=root).sign().send().status == 200


@pytest.mark.parametrize("offset", [-901, 901])
def test_a_date_more_than_fifteen_minutes_away_is_refused(local: RunningCloud, offset: float) -> None:
    reply = Acs3(local, "ListUsers", headers={"x-acs-date": now(offset)}).sign().send()
    assert (reply.status, reply.json["Code"]) == (400, "InvalidTimeStamp.Expired")


def test_a_date_within_fifteen_minutes_is_accepted(local: RunningCloud) -> None:
    assert Acs3(local, "ListUsers", headers={"x-acs-date": now(-880)}).sign().send().status == 200


def test_an_unreadable_date_is_refused(local: RunningCloud) -> None:
    reply = Acs3(local, "ListUsers", headers={"x-acs-date": "yesterday"}).sign().send()
    assert (reply.status, reply.json["Code"]) == (400, "InvalidTimeStamp.Format")


@pytest.mark.parametrize(
    "header", ["host", "x-acs-action", "x-acs-version", "x-acs-date", "x-acs-signature-nonce"]
)
def test_a_header_that_decides_must_be_signed(local: RunningCloud, header: str) -> None:
    reply = Acs3(local, "ListUsers", leave_out=(header,)).sign().send()
    assert (reply.status, reply.json["Code"]) == (400, "IncompleteSignature")
    assert header in reply.json["Message"]


def test_a_signed_header_that_was_not_sent_is_refused(local: RunningCloud) -> None:
    call = Acs3(local, "ListUsers").sign()
    del call.headers["x-acs-date"]
    reply = call.send()
    assert reply.json["Code"] == "IncompleteSignature"
    assert "x-acs-date" in reply.json["Message"]


def test_a_malformed_authorization_header_is_refused(local: RunningCloud) -> None:
    call = Acs3(local, "ListUsers").sign()
    call.headers["authorization"] = "ACS3-HMAC-SHA256 nonsense"
    assert call.send().json["Code"] == "IncompleteSignature"


def test_an_unknown_key_is_refused(local: RunningCloud) -> None:
    reply = Acs3(local, "ListUsers", key=Key("LTAInobody", "x")).sign().send()
    assert (reply.status, reply.json["Code"]) == (404, "InvalidAccessKeyId.NotFound")


def test_a_disabled_key_is_refused(local: RunningCloud) -> None:
    local.cloud.state.ram.users["alice"].access_keys[0].active = False
    reply = Acs3(local, "ListUsers").sign().send()
    assert (reply.status, reply.json["Code"]) == (400, "InvalidAccessKeyId.Inactive")


def test_a_request_without_signature_is_refused(local: RunningCloud) -> None:
    reply = http_call(local, "GET", "/?Action=ListUsers&Version=2015-05-01&Format=JSON")
    assert (reply.status, reply.json["Code"]) == (400, "MissingAccessKeyId")


@pytest.mark.parametrize("name", ["AccessKeyId", "SignatureNonce", "Timestamp", "SignatureMethod"])
def test_the_older_dialect_names_the_parameter_that_is_missing(local: RunningCloud, name: str) -> None:
    query = v1_parameters(ALICE, "GET", {"Action": "ListUsers", "Version": "2015-05-01", "Format": "JSON"})
    del query[name]
    assert http_call(local, "GET", f"/?{urlencode(query)}").json["Code"] == f"Missing{name}"


@pytest.fixture
def session(local: RunningCloud) -> Key:
    """A session of a role that alice may assume."""
    ram(local).create_role(
        models.CreateRoleRequest(role_name="Worker", assume_role_policy_document=TRUST_ACCOUNT)
    )
    local.cloud.state.ram.users["alice"].attachments.append(
        Attachment(policy="AliyunSTSAssumeRoleAccess", type="System")
    )
    return assume(local, "Worker")


def test_a_session_without_its_token_is_refused(local: RunningCloud, session: Key) -> None:
    reply = Acs3(local, "GetCallerIdentity", "2015-04-01", key=Key(session.id, session.secret)).sign().send()
    assert (reply.status, reply.json["Code"]) == (400, "MissingSecurityToken")


def test_a_session_with_another_token_is_refused(local: RunningCloud, session: Key) -> None:
    other = Key(session.id, session.secret, "CAISother")
    reply = Acs3(local, "GetCallerIdentity", "2015-04-01", key=other).sign().send()
    assert (reply.status, reply.json["Code"]) == (400, "InvalidSecurityToken.MismatchWithAccessKey")


def test_a_session_ends_when_it_expires(local: RunningCloud, session: Key) -> None:
    assert Acs3(local, "GetCallerIdentity", "2015-04-01", key=session).sign().send().status == 200
    local.cloud.clock.advance(3601)
    reply = Acs3(local, "GetCallerIdentity", "2015-04-01", key=session).sign().send()
    assert (reply.status, reply.json["Code"]) == (400, "InvalidSecurityToken.Expired")

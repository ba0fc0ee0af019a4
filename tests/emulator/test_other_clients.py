"""Clients that nobody here wrote: the older core SDK, libcloud, the credentials library, the SDK's older dialect."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from alibabacloud_credentials.client import Client as CredentialsClient
from alibabacloud_credentials.models import Config as CredentialsConfig
from alibabacloud_ram20150501 import models
from alibabacloud_ram20150501.client import Client as RamClient
from alibabacloud_sts20150401.client import Client as StsClient
from alibabacloud_tea_openapi.utils_models import Config
from aliyunsdkcore.acs_exception.exceptions import ServerException
from aliyunsdkcore.client import AcsClient
from aliyunsdkdataworks_public.request.v20200518.ListProjectsRequest import ListProjectsRequest
from aliyunsdkram.request.v20150501.CreatePolicyRequest import CreatePolicyRequest
from aliyunsdkram.request.v20150501.CreateRoleRequest import CreateRoleRequest
from aliyunsdkram.request.v20150501.GetRoleRequest import GetRoleRequest
from aliyunsdkram.request.v20150501.ListUsersRequest import ListUsersRequest
from aliyunsdksts.request.v20150401.AssumeRoleRequest import AssumeRoleRequest
from aliyunsdksts.request.v20150401.GetCallerIdentityRequest import GetCallerIdentityRequest
from libcloud.common.aliyun import AliyunXmlResponse, SignedAliyunConnection

from emulator.server import RunningCloud
from tests.emulator.clients import (
    ACCOUNT,
    ALICE,
    TRUST_ACCOUNT,
    dataworks,
    document,
    key_of,
    ram,
    refused,
    sts,
)

ROLE = f"acs:ram::{ACCOUNT}:role/worker"


@pytest.fixture
def ready(local: RunningCloud) -> RunningCloud:
    """A role that alice may assume, with a reading policy."""
    client = ram(local)
    client.create_role(
        models.CreateRoleRequest(role_name="Worker", assume_role_policy_document=TRUST_ACCOUNT)
    )
    client.attach_policy_to_role(
        models.AttachPolicyToRoleRequest(
            role_name="Worker", policy_name="AliyunRAMReadOnlyAccess", policy_type="System"
        )
    )
    client.attach_policy_to_user(
        models.AttachPolicyToUserRequest(
            user_name="alice", policy_name="AliyunSTSAssumeRoleAccess", policy_type="System"
        )
    )
    return local


class CoreSdk:
    """The older core SDK pointed at a local cloud."""

    def __init__(self, local: RunningCloud, user: str) -> None:
        parts = urlsplit(local.url)
        self.host = parts.hostname
        key = key_of(user)
        self.client = AcsClient(key.id, key.secret, "cn-hangzhou", port=parts.port, auto_retry=False)

    def call(self, request: Any, **parameters: Any) -> Any:
        """The answer of a request class with its parameters set."""
        for name, value in parameters.items():
            getattr(request, f"set_{name}")(value)
        request.set_endpoint(self.host)
        request.set_protocol_type("http")
        return json.loads(self.client.do_action_with_exception(request))


def test_the_older_core_sdk_works_with_ram(local: RunningCloud) -> None:
    sdk = CoreSdk(local, "alice")
    made = sdk.call(
        CreateRoleRequest(), RoleName="R-1", AssumeRolePolicyDocument=TRUST_ACCOUNT, Description="数据 ~*+"
    )
    assert made["Role"]["Arn"] == f"acs:ram::{ACCOUNT}:role/r-1"
    assert sdk.call(GetRoleRequest(), RoleName="R-1")["Role"]["Description"] == "数据 ~*+"
    policy = sdk.call(CreatePolicyRequest(), PolicyName="p", PolicyDocument=document("oss:GetObject"))
    assert policy["Policy"]["DefaultVersion"] == "v1"
    users = sdk.call(ListUsersRequest())["Users"]["User"]
    assert "alice" in {user["UserName"] for user in users}


def test_the_older_core_sdk_reads_refusals(local: RunningCloud) -> None:
    with pytest.raises(ServerException) as caught:
        CoreSdk(local, "alice").call(GetRoleRequest(), RoleName="nobody")
    assert (caught.value.get_error_code(), caught.value.get_http_status()) == ("EntityNotExist.Role", 404)
    with pytest.raises(ServerException) as caught:
        CoreSdk(local, "mallory").call(ListUsersRequest())
    assert (caught.value.get_error_code(), caught.value.get_http_status()) == ("NoPermission", 403)


def test_the_older_core_sdk_works_with_sts(ready: RunningCloud) -> None:
    sdk = CoreSdk(ready, "alice")
    assert sdk.call(GetCallerIdentityRequest())["Arn"].endswith("user/alice")
    issued = sdk.call(AssumeRoleRequest(), RoleArn=ROLE, RoleSessionName="core")
    assert issued["Credentials"]["AccessKeyId"].startswith("STS.")


def test_the_older_core_sdk_works_with_dataworks(local: RunningCloud) -> None:
    answer = CoreSdk(local, "alice").call(ListProjectsRequest(), PageSize=10, PageNumber=1)
    identifiers = {one["ProjectIdentifier"] for one in answer["PageResult"]["ProjectList"]}
    assert identifiers == {"retail", "sandbox"}


class LibcloudRam(SignedAliyunConnection):
    """libcloud's signed connection, for RAM."""

    version = "2015-05-01"
    responseCls = AliyunXmlResponse  # noqa: N815  # libcloud's own name
    service_name = "Ram"


@pytest.fixture
def libcloud_ram(local: RunningCloud) -> Iterator[Any]:
    """A libcloud connection of alice."""
    parts = urlsplit(local.url)
    untyped: Any = LibcloudRam  # libcloud has no annotations
    connection = untyped(
        user_id=ALICE.id,
        key=ALICE.secret,
        secure=False,
        host=parts.hostname,
        port=parts.port,
        timeout=5,
        api_version="2015-05-01",
    )
    yield connection
    connection.connection.session.close()


def test_libcloud_reads_xml_answers(libcloud_ram: Any) -> None:
    tree = libcloud_ram.request("/", params={"Action": "GetUser", "UserName": "alice"}).object
    assert tree.tag == "GetUserResponse"
    assert tree.findtext("User/UserName") == "alice"


def test_libcloud_reads_xml_refusals(libcloud_ram: Any) -> None:
    with pytest.raises(Exception, match=r"EntityNotExist\.User"):
        libcloud_ram.request("/", params={"Action": "GetUser", "UserName": "nobody"})


def test_the_sdks_older_dialect_works_for_all_three_products(ready: RunningCloud) -> None:
    from alibabacloud_dataworks_public20200518 import models as dataworks_models

    role = ram(ready, signature_algorithm="v2").get_role(models.GetRoleRequest(role_name="Worker")).body.role
    assert role.role_name == "Worker"
    assert sts(ready, signature_algorithm="v2").get_caller_identity().body.identity_type == "RAMUser"
    projects = dataworks(ready, signature_algorithm="v2").list_projects(
        dataworks_models.ListProjectsRequest()
    )
    assert projects.body.page_result.total_count == 2
    with refused("EntityNotExist.Role", 404):
        ram(ready, signature_algorithm="v2").get_role(models.GetRoleRequest(role_name="nobody"))


def _role_credentials(local: RunningCloud, **more: Any) -> Config:
    provider = CredentialsClient(
        CredentialsConfig(
            type="ram_role_arn",
            access_key_id=ALICE.id,
            access_key_secret=ALICE.secret,
            role_arn=ROLE,
            role_session_name="provider",
            sts_endpoint=local.url,
            **more,
        )
    )
    return Config(
        credential=provider, endpoint=urlsplit(local.url).netloc, protocol="http", region_id="cn-hangzhou"
    )


def test_the_credentials_library_assumes_a_role_and_the_sdk_calls_with_its_session(
    ready: RunningCloud,
) -> None:
    config = _role_credentials(ready)
    identity = StsClient(config).get_caller_identity().body
    assert identity.arn == f"acs:ram::{ACCOUNT}:assumed-role/worker/provider"
    assert RamClient(config).list_users(models.ListUsersRequest()).status_code == 200
    assumed = [entry for entry in ready.cloud.journal.entries if entry.action == "AssumeRole"]
    assert len(assumed) == 1  # one session serves both calls


def test_a_session_policy_of_the_credentials_library_narrows(ready: RunningCloud) -> None:
    client = RamClient(_role_credentials(ready, policy=document("ram:GetUser").replace(" ", "")))
    assert client.get_user(models.GetUserRequest(user_name="alice")).status_code == 200
    with refused("NoPermission") as caught:
        client.list_users(models.ListUsersRequest())
    assert caught.value.access_denied_detail["PolicyType"] == "SessionPolicy"

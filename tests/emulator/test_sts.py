"""STS through the vendor's SDK: AssumeRole and GetCallerIdentity."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import Any

import pytest
from alibabacloud_ram20150501 import models
from alibabacloud_sts20150401 import models as sts_models

from emulator.server import RunningCloud
from tests.emulator.clients import (
    ACCOUNT,
    TRUST_ACCOUNT,
    TRUST_DI,
    Key,
    assume,
    document,
    key_of,
    ram,
    refused,
    sts,
)

ARN = f"acs:ram::{ACCOUNT}:role/worker"
ROOT = Key("LTAIlocalRoot", "local-secret-root")


def trust(*principals: str, condition: Any = None) -> str:
    """A trust policy for users or roles."""
    statement: dict[str, Any] = {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"RAM": list(principals)},
    }
    if condition is not None:
        statement["Condition"] = condition
    return json.dumps({"Version": "1", "Statement": [statement]})


def make_role(
    local: RunningCloud, name: str = "Worker", trust_policy: str = TRUST_ACCOUNT, **more: Any
) -> None:
    """A role."""
    request = models.CreateRoleRequest(role_name=name, assume_role_policy_document=trust_policy, **more)
    ram(local).create_role(request)


def grant(local: RunningCloud, policy: str, user: str = "", role: str = "") -> None:
    """Attach a system policy."""
    if user:
        ram(local).attach_policy_to_user(
            models.AttachPolicyToUserRequest(user_name=user, policy_name=policy, policy_type="System")
        )
    else:
        ram(local).attach_policy_to_role(
            models.AttachPolicyToRoleRequest(role_name=role, policy_name=policy, policy_type="System")
        )


def ask(local: RunningCloud, key: Key | None = None, **more: Any) -> Any:
    """AssumeRole of the role "Worker"."""
    parameters = {"role_arn": ARN, "role_session_name": "night-run", **more}
    return sts(local, key or key_of("carol")).assume_role(sts_models.AssumeRoleRequest(**parameters)).body


@pytest.fixture
def ready(local: RunningCloud) -> RunningCloud:
    """Role "Worker" trusts the account; carol may assume roles."""
    make_role(local)
    grant(local, "AliyunSTSAssumeRoleAccess", user="carol")
    return local


def test_a_session_has_key_secret_token_and_a_date(ready: RunningCloud) -> None:
    before = ready.cloud.clock.now()
    body = ask(ready)
    credentials = body.credentials
    assert credentials.access_key_id.startswith("STS.")
    assert len(credentials.access_key_secret) >= 40
    assert len(credentials.security_token) >= 200
    expires = datetime.strptime(credentials.expiration, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    assert before + 3599 <= expires.timestamp() <= before + 3605
    role_id = ready.cloud.state.ram.roles["Worker"].id
    assert body.assumed_role_user.assumed_role_id == f"{role_id}:night-run"
    assert body.assumed_role_user.arn == f"{ARN}/night-run"
    assert len(role_id) == 18
    assert role_id.isdigit()
    assert body.source_identity is None


def test_each_session_is_another_and_older_ones_stay_valid(ready: RunningCloud) -> None:
    first, second = assume(ready, "Worker", key_of("carol")), assume(ready, "Worker", key_of("carol"))
    assert len({first.id, second.id, first.secret, second.secret, first.token, second.token}) == 6
    for key in (first, second):
        assert sts(ready, key).get_caller_identity().body.identity_type == "AssumedRoleUser"


@pytest.mark.parametrize("name", ["Worker", "WORKER", "worker"])
def test_the_case_of_the_role_name_does_not_matter(ready: RunningCloud, name: str) -> None:
    body = ask(ready, role_arn=f"acs:ram::{ACCOUNT}:role/{name}")
    assert body.assumed_role_user.arn == f"{ARN}/night-run"


@pytest.mark.parametrize(
    ("parameters", "code"),
    [
        ({"role_arn": "worker"}, "InvalidParameter.RoleArn"),
        ({"role_arn": f"acs:ram:cn-hangzhou:{ACCOUNT}:role/worker"}, "InvalidParameter.RoleArn"),
        ({"role_arn": None}, "MissingParameter.RoleArn"),
        ({"role_session_name": None}, "MissingParameter.RoleSessionName"),
        ({"role_session_name": "x"}, "InvalidParameter.RoleSessionName"),
        ({"role_session_name": "x" * 65}, "InvalidParameter.RoleSessionName"),
        ({"role_session_name": "with space"}, "InvalidParameter.RoleSessionName"),
        ({"duration_seconds": 899}, "InvalidParameter.DurationSeconds"),
        ({"duration_seconds": 3601}, "InvalidParameter.DurationSeconds"),
        ({"duration_seconds": 43_201}, "InvalidParameter.DurationSeconds"),
        ({"external_id": "x"}, "InvalidParameter.ExternalId"),
        ({"source_identity": "acs:someone"}, "InvalidParameter.SourceIdentity"),
        ({"policy": "{"}, "InvalidParameter.PolicyGrammar"),
        ({"policy": TRUST_DI}, "InvalidParameter.PolicyGrammar"),
        ({"policy": document("oss:GetObject") + " " * 2048}, "InvalidParameter.PolicySize"),
    ],
)
def test_a_wrong_parameter_is_refused_with_its_code(
    ready: RunningCloud, parameters: dict[str, Any], code: str
) -> None:
    with refused(code, 400):
        ask(ready, **parameters)
    assert ready.cloud.state.sessions == {}


@pytest.mark.parametrize("duration", [900, 3600])
def test_durations_at_the_bounds_are_accepted(ready: RunningCloud, duration: int) -> None:
    before = ready.cloud.clock.now()
    ask(ready, duration_seconds=duration)
    (session,) = ready.cloud.state.sessions.values()
    assert before + duration <= session.expires <= before + duration + 5


def test_the_longest_duration_is_the_roles_own(local: RunningCloud) -> None:
    make_role(local, max_session_duration=7200)
    grant(local, "AliyunSTSAssumeRoleAccess", user="carol")
    ask(local, duration_seconds=7200)
    with refused("InvalidParameter.DurationSeconds"):
        ask(local, duration_seconds=7201)


def test_a_role_that_does_not_exist_has_its_own_text(ready: RunningCloud) -> None:
    with refused("EntityNotExist.Role", 404, "The specified Role not exists ."):
        ask(ready, role_arn=f"acs:ram::{ACCOUNT}:role/nobody")
    with refused("EntityNotExist.Role", 404):
        ask(ready, role_arn="acs:ram::9999999999999999:role/worker")


def test_existence_is_checked_before_permission(ready: RunningCloud) -> None:
    with refused("EntityNotExist.Role"):
        ask(ready, key_of("mallory"), role_arn=f"acs:ram::{ACCOUNT}:role/nobody")


def test_a_caller_needs_a_policy_of_its_own(ready: RunningCloud) -> None:
    with refused("NoPermission", 403) as caught:
        ask(ready, key_of("mallory"))
    detail = caught.value.access_denied_detail
    assert detail["AuthAction"] == "sts:AssumeRole"
    assert detail["PolicyType"] == "AccountLevelIdentityBasedPolicy"


@pytest.mark.parametrize("trust_policy", [TRUST_DI, trust(f"acs:ram::{ACCOUNT}:user/dave")])
def test_a_caller_the_role_does_not_trust_is_refused_by_the_trust_policy(
    local: RunningCloud, trust_policy: str
) -> None:
    make_role(local, trust_policy=trust_policy)
    grant(local, "AliyunSTSAssumeRoleAccess", user="carol")
    with refused("NoPermission", 403) as caught:
        ask(local)
    assert caught.value.access_denied_detail["PolicyType"] == "AssumeRolePolicy"
    assert caught.value.access_denied_detail["NoPermissionType"] == "ImplicitDeny"


def test_trust_in_one_user_is_enough_for_that_user(local: RunningCloud) -> None:
    make_role(local, trust_policy=trust(f"acs:ram::{ACCOUNT}:user/carol"))
    grant(local, "AliyunSTSAssumeRoleAccess", user="carol")
    assert ask(local).credentials.access_key_id


def test_replacing_the_trust_policy_shuts_the_account_out(ready: RunningCloud) -> None:
    ask(ready)
    ram(ready).update_role(
        models.UpdateRoleRequest(role_name="Worker", new_assume_role_policy_document=TRUST_DI)
    )
    with refused("NoPermission"):
        ask(ready)


def test_the_account_itself_may_not_assume_a_role(ready: RunningCloud) -> None:
    with refused("NoPermission", 403, "Roles may not be assumed by root accounts."):
        ask(ready, ROOT)


def test_an_external_id_is_asked_for_by_the_trust_policy(local: RunningCloud) -> None:
    condition = {"StringEquals": {"sts:ExternalId": "abc-123"}}
    make_role(local, trust_policy=trust(f"acs:ram::{ACCOUNT}:root", condition=condition))
    grant(local, "AliyunSTSAssumeRoleAccess", user="carol")
    assert ask(local, external_id="abc-123").credentials.access_key_id
    for wrong in (None, "other"):
        with refused("NoPermission") as caught:
            ask(local, external_id=wrong)
        assert caught.value.access_denied_detail["PolicyType"] == "AssumeRolePolicy"


def test_a_role_may_assume_another_role_and_the_source_identity_sticks(ready: RunningCloud) -> None:
    make_role(ready, "Second", trust(f"acs:ram::{ACCOUNT}:role/worker"))
    grant(ready, "AliyunSTSAssumeRoleAccess", role="Worker")
    first = assume(ready, "Worker", key_of("carol"), source_identity="carol@example.com")
    second = sts(ready, first).assume_role(
        sts_models.AssumeRoleRequest(role_arn=f"acs:ram::{ACCOUNT}:role/second", role_session_name="chain")
    )
    assert second.body.source_identity == "carol@example.com"
    with refused("InvalidParameter.SourceIdentity"):
        assume(ready, "Second", first, source_identity="mallory")
    with refused("NoPermission"):  # carol is not named by the second role
        assume(ready, "Second", key_of("carol"))


def test_a_session_may_do_what_the_role_may_at_the_time_of_the_call(ready: RunningCloud) -> None:
    session = assume(ready, "Worker", key_of("carol"))
    with refused("NoPermission") as caught:
        ram(ready, session).list_users(models.ListUsersRequest())
    assert caught.value.access_denied_detail["AuthPrincipalType"] == "AssumedRoleUser"
    assert caught.value.access_denied_detail["AuthPrincipalDisplayName"] == "Worker:test"
    grant(ready, "AliyunRAMReadOnlyAccess", role="Worker")
    assert ram(ready, session).list_users(models.ListUsersRequest()).status_code == 200


def test_a_session_policy_narrows_and_never_widens(ready: RunningCloud) -> None:
    grant(ready, "AliyunRAMReadOnlyAccess", role="Worker")
    session = assume(ready, "Worker", key_of("carol"), policy=document("ram:GetUser", "ram:CreateUser"))
    client = ram(ready, session)
    assert client.get_user(models.GetUserRequest(user_name="carol")).status_code == 200
    with refused("NoPermission") as caught:
        client.list_users(models.ListUsersRequest())
    assert caught.value.access_denied_detail["PolicyType"] == "SessionPolicy"
    with refused("NoPermission") as caught:
        client.create_user(models.CreateUserRequest(user_name="u1"))
    assert caught.value.access_denied_detail["PolicyType"] == "AccountLevelIdentityBasedPolicy"


@pytest.mark.parametrize("again", [False, True])
def test_deleting_the_role_ends_its_sessions_even_if_it_is_made_again(
    ready: RunningCloud, again: bool
) -> None:
    session = assume(ready, "Worker", key_of("carol"))
    ram(ready).delete_role(models.DeleteRoleRequest(role_name="Worker"))
    if again:
        make_role(ready)
    with refused("InvalidSecurityToken.Expired", 400):
        sts(ready, session).get_caller_identity()


def test_a_role_can_be_assumed_only_after_the_lag(local: RunningCloud) -> None:
    grant(local, "AliyunSTSAssumeRoleAccess", user="carol")
    local.cloud.settings.authorization_lag_seconds = 30
    make_role(local)
    with refused("EntityNotExist.Role"):
        ask(local)
    local.cloud.clock.advance(31)
    assert ask(local).credentials.access_key_id


def test_the_identity_of_a_user_of_the_account_and_of_a_session(ready: RunningCloud) -> None:
    user = sts(ready, key_of("carol")).get_caller_identity().body.to_map()
    user_id = ready.cloud.state.ram.users["carol"].id
    assert user == {
        "AccountId": ACCOUNT,
        "Arn": f"acs:ram::{ACCOUNT}:user/carol",
        "IdentityType": "RAMUser",
        "PrincipalId": user_id,
        "RequestId": user["RequestId"],
        "UserId": user_id,
    }
    account = sts(ready, ROOT).get_caller_identity().body
    assert (account.identity_type, account.arn) == ("Account", f"acs:ram::{ACCOUNT}:root")
    assert (account.principal_id, account.user_id, account.role_id) == (ACCOUNT, ACCOUNT, None)
    session = sts(ready, assume(ready, "Worker", key_of("carol"))).get_caller_identity().body
    role_id = ready.cloud.state.ram.roles["Worker"].id
    assert session.identity_type == "AssumedRoleUser"
    assert session.arn == f"acs:ram::{ACCOUNT}:assumed-role/worker/test"
    assert (session.principal_id, session.role_id, session.user_id) == (f"{role_id}:test", role_id, None)


def test_everybody_may_ask_for_their_identity(local: RunningCloud) -> None:
    assert sts(local, key_of("mallory")).get_caller_identity().body.arn.endswith("user/mallory")

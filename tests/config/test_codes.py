"""The table of error codes."""

from __future__ import annotations

from collections import Counter

import pytest

from config.code_table import ROWS
from config.codes import CODES, Kind, lookup
from config.personas import Persona

DOCUMENTED = [
    "InvalidParameter.RoleName.InvalidChars",
    "InvalidParameter.RoleName.Length",
    "InvalidParameter.PolicyName.InvalidChars",
    "InvalidParameter.PolicyName.Length",
    "InvalidParameter.UserName.InvalidChars",
    "InvalidParameter.GroupName.Length",
    "InvalidParameter.NewUserName.Length",
    "InvalidParameter.PolicyType",
    "InvalidParameter.PolicyDocument.Length",
    "InvalidParameter.AssumeRolePolicyDocument.Length",
    "InvalidParameter.NewAssumeRolePolicyDocument.Length",
    "InvalidParameter.Description.Length",
    "InvalidParameter.Comments.Length",
    "InvalidParameter.VersionId.Format",
    "MalformedPolicyDocument",
    "NoPermission",
    "Inactive",
    "EntityNotExist.Role",
    "EntityNotExist.Policy",
    "EntityNotExist.Policy.Version",
    "EntityNotExist.User",
    "EntityNotExist.Group",
    "EntityNotExist.User.Policy",
    "EntityNotExist.Group.Policy",
    "EntityNotExist.Role.Policy",
    "EntityAlreadyExists.Role",
    "EntityAlreadyExists.Policy",
    "EntityAlreadyExists.User.Policy",
    "EntityAlreadyExists.Group.Policy",
    "EntityAlreadyExists.Role.Policy",
    "EntityAlreadyExists.User",
    "EntityAlreadyExists.Group",
    "EntityAlreadyExists.User.Group",
    "DeleteConflict.Role.Policy",
    "DeleteConflict.Policy.User",
    "DeleteConflict.Policy.Group",
    "DeleteConflict.Policy.Version",
    "DeleteConflict.Policy.Version.Default",
    "DeleteConflict.User.Policy",
    "DeleteConflict.User.Group",
    "DeleteConflict.User.AccessKey",
    "DeleteConflict.User.LoginProfile",
    "DeleteConflict.User.MFADevice",
    "DeleteConflict.Group.User",
    "DeleteConflict.Group.Policy",
    "LimitExceeded.Role",
    "LimitExceeded.Policy",
    "LimitExceeded.Policy.Version",
    "LimitExceeded.User.Policy",
    "LimitExceeded.Group.Policy",
    "LimitExceeded.Role.Policy",
    "Throttling",
    "Throttling.User",
    "Throttling.Api",
    "InternalError",
    "ServiceUnavailable",
    "MissingAction",
    "InvalidAction.NotFound",
    "InvalidVersion",
    "InvalidAccessKeyId.NotFound",
    "InvalidAccessKeyId.Inactive",
    "InvalidAccessKeySecret",
    "SignatureDoesNotMatch",
    "InvalidTimeStamp.Expired",
    "InvalidTimeStamp.Format",
    "SignatureNonceUsed",
    "InvalidSecurityToken.Expired",
    "InvalidSecurityToken.Malformed",
    "InvalidSecurityToken.MismatchWithAccessKey",
    "MissingSecurityToken",
    "InvalidParameter.DurationSeconds",
    "InvalidParameter.RoleArn",
    "InvalidParameter.RoleSessionName",
    "InvalidParameter.ExternalId",
    "InvalidParameter.SerialNumber",
    "InvalidParameter.TokenCode",
    "InvalidParameter.PolicyGrammar",
    "InvalidParameter.PolicySize",
    "InvalidParameter.ContentType",
    "AuthenticationFail.ApiUsername",
    "AuthenticationFail.ApiPassword",
    "InternalError.System",
    "InternalError.UserId.Missing",
    "Forbidden.Not.Server",
    "Forbidden.Access",
    "ResourceNotAuthorized.Api",
    "Throttling.System",
    "Throttling.Api.Risk",
    "Throttling.Resource",
    "Invalid.DI.Parameter",
    "Forbidden.DI.NoPrivilege",
    "InternalError.DI.Parameter",
    "Param.Invalid",
    "Invalid.Tenant.ConnectionNotExists",
    "Invalid.Tenant.ProjectNotExists",
    "Invalid.Tenant.UserNotInProject",
    "Invalid.Tenant.UserAlreadyInProject",
    "Invalid.Tenant.UserNotInTenant",
    "Invalid.Tenant.UserIsNotProjectOwnerOrAdmin",
    "DataSource.CheckRamRoleFailure",
    "ConnectionAlreadyExist",
    "1201111279",
    "InternalError.Meta.TenantTimeOut",
    "InternalError.Meta.Unknown",
    "Rejected.Throttling",
]


@pytest.mark.parametrize("code", DOCUMENTED)
def test_documented_code_is_in_the_table(code: str) -> None:
    assert code in CODES


def test_no_code_is_in_the_table_twice() -> None:
    assert [code for code, count in Counter(row.code for row in ROWS).items() if count > 1] == []


@pytest.mark.parametrize("code", sorted(CODES))
def test_code_has_a_kind_a_status_and_a_remedy_and_somebody_when_waiting_does_not_help(code: str) -> None:
    known = lookup(code)
    assert known.code == code
    assert known.kind is not Kind.UNKNOWN
    assert 400 <= known.status <= 599
    assert known.remedy.endswith(".")
    assert known.remedy[0].isupper()
    assert known.kind.retryable == (known.persona is None)


@pytest.mark.parametrize("code", ["Throttling.Api.Risk", "Throttling.Resource"])
def test_used_up_quota_is_never_retried(code: str) -> None:
    assert lookup(code).kind is Kind.DAILY_QUOTA
    assert not lookup(code).kind.retryable


@pytest.mark.parametrize(
    "code", ["Forbidden.Not.Server", "InternalError.DI.Parameter", "Invalid.Wkbench.Thing"]
)
def test_permanent_refusal_with_status_500_is_not_retried(code: str) -> None:
    assert lookup(code).status == 500
    assert not lookup(code).kind.retryable


@pytest.mark.parametrize(
    ("code", "kind", "status"),
    [
        ("Throttling.Something", Kind.THROTTLED, 400),
        ("EntityNotExist.AccessKey", Kind.NOT_FOUND, 404),
        ("EntityAlreadyExist.Role", Kind.ALREADY_EXISTS, 409),
        ("EntityAlreadyExists.AccessKey", Kind.ALREADY_EXISTS, 409),
        ("DeleteConflict.Policy.Role", Kind.CONFLICT, 409),
        ("LimitExceeded.User", Kind.LIMIT_EXCEEDED, 409),
        ("InvalidParameter.Anything.Length", Kind.INVALID, 400),
        ("MissingProjectId", Kind.INVALID, 400),
        ("InvalidEnvType", Kind.INVALID, 400),
        ("InvalidSecurityToken.New", Kind.CREDENTIALS, 400),
        ("InvalidAccessKeyId.New", Kind.CREDENTIALS, 404),
        ("InvalidTimeStamp.New", Kind.CLOCK, 400),
    ],
)
def test_undocumented_code_of_a_family_has_the_kind_of_the_family(code: str, kind: Kind, status: int) -> None:
    assert code not in CODES
    known = lookup(code)
    assert (known.code, known.kind, known.status, known.message) == (code, kind, status, "")


@pytest.mark.parametrize("code", ["", "9990020002", "Throttle", "entitynotexist.role"])
def test_foreign_code_is_unknown_and_not_retried(code: str) -> None:
    known = lookup(code)
    assert (known.kind, known.status, known.persona) == (Kind.UNKNOWN, 0, None)
    assert not known.kind.retryable


def test_failed_role_check_is_for_the_administrator() -> None:
    assert lookup("DataSource.CheckRamRoleFailure").persona is Persona.ADMINISTRATOR
    assert "ram:PassRole" in lookup("DataSource.CheckRamRoleFailure").remedy


def test_service_text_is_kept_with_its_own_errors() -> None:
    assert lookup("EntityAlreadyExists.Policy").message == "The group does already EXIST."

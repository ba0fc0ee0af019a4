"""STS: AssumeRole and GetCallerIdentity.

Source: vendor's pages of both actions. AssumeRole checks in this order: parameters, existence of the role, the
caller's own policies (``sts:AssumeRole`` on the role), the role's trust policy. The order is assumed.
"""

from __future__ import annotations

import base64
import re
import secrets
import string

from config import limits
from emulator.authorization import Caller, decide, denial, effective_role, parsed, request_context, role_arn
from emulator.clock import iso8601
from emulator.errors import AccessDenied, ApiError
from emulator.registry import STS, Answer, Call, Needed, Param, action
from emulator.state import Role, Session
from policy import Decision, PolicyKind, PolicySyntaxError, evaluate_trust

_ROLE_ARN = re.compile(r"acs:ram::([0-9]+):role/([A-Za-z0-9.\-]{1,64})")
_SESSION_NAME = re.compile(
    rf"[A-Za-z0-9.@\-_]{{{limits.SESSION_NAME_CHARACTERS_MINIMUM},{limits.SESSION_NAME_CHARACTERS}}}"
)
_EXTERNAL_ID = re.compile(r"[\w+=,.@:/\-]{2,1224}", re.ASCII)
_SOURCE_IDENTITY = re.compile(r"(?!acs:|aliyun:|alibabacloud:)[\w+=,.@\-]{2,64}", re.ASCII)
_TOKEN_BYTES = 192  # real tokens have some hundred characters; clients must not assume a length
_ALPHANUMERIC = string.ascii_letters + string.digits
_REFUSED = "You are not authorized to do this action. You should be authorized by RAM."
_ACCOUNT_REFUSED = "Roles may not be assumed by root accounts."


def _random(length: int) -> str:
    return "".join(secrets.choice(_ALPHANUMERIC) for _ in range(length))


def _checked(call: Call, parameter: str, pattern: re.Pattern[str]) -> str:
    """A parameter of the given form. Raises ``InvalidParameter.<parameter>``."""
    value = call.text(parameter)
    if not pattern.fullmatch(value):
        raise ApiError(
            f"InvalidParameter.{parameter}", f"The parameter {parameter} is wrongly formed.", status=400
        )
    return value


def _session_policy(call: Call) -> str | None:
    """The session policy. Raises ``InvalidParameter.PolicySize`` or ``.PolicyGrammar``."""
    if not call.given("Policy"):
        return None
    text = call.text("Policy")
    if len(text) > limits.SESSION_POLICY_CHARACTERS:
        raise ApiError("InvalidParameter.PolicySize")
    try:
        parsed(text, PolicyKind.SESSION)
    except PolicySyntaxError as error:
        raise ApiError("InvalidParameter.PolicyGrammar") from error
    return text


def _refuse(call: Call, needed: Needed, decision: Decision, layer: str | None = None) -> None:
    """Raise the refusal unless the decision allows; one code for every cause, the detail names the layer."""
    if decision.allowed:
        return
    detail = denial(call.cloud, call.caller, needed, decision)
    if layer is not None:
        detail["PolicyType"] = layer
    raise AccessDenied("NoPermission", _REFUSED, status=403, detail=detail)


def _authorize(call: Call, role: Role, arn: str, external_id: str | None) -> None:
    """Both sides must allow: the caller's own policies and the role's trust policy."""
    if call.caller.kind == "account":
        raise ApiError("NoPermission", _ACCOUNT_REFUSED, status=403)
    needed = Needed("sts:AssumeRole", arn)
    context = request_context(call.cloud)
    if external_id is not None:
        context["sts:ExternalId"] = (external_id,)
    _refuse(call, needed, decide(call.cloud, call.caller, needed, context))
    trust = parsed(role.trust_policy, PolicyKind.TRUST)
    _refuse(call, needed, evaluate_trust(trust, call.caller.for_trust(), context), "AssumeRolePolicy")


def _new_session(
    call: Call, role: Role, duration: int, policy: str | None, source_identity: str | None
) -> Session:
    session = Session(
        access_key_id=f"STS.{_random(25)}",
        secret=_random(44),
        token=base64.b64encode(secrets.token_bytes(_TOKEN_BYTES)).decode(),
        role=role.name,
        role_id=role.id,
        session_name=call.text("RoleSessionName"),
        expires=call.cloud.clock.now() + duration,
        policy=policy,
        source_identity=source_identity,
    )
    call.cloud.state.sessions[session.access_key_id] = session
    return session


def _source_identity(call: Call) -> str | None:
    """What the session is marked with: a caller that is marked itself hands its own mark on."""
    given = _checked(call, "SourceIdentity", _SOURCE_IDENTITY) if call.given("SourceIdentity") else None
    own = call.caller.source_identity
    if own is not None and given not in (None, own):
        raise ApiError(
            "InvalidParameter.SourceIdentity", "The parameter SourceIdentity is wrongly formed.", status=400
        )
    return own or given


@action(
    STS,
    "AssumeRole",
    Param("RoleArn", required=True),
    Param("RoleSessionName", required=True),
    Param("DurationSeconds", int),
    Param("Policy"),
    Param("ExternalId"),
    Param("SourceIdentity"),
)
def assume_role(call: Call) -> Answer:
    """A new session; older ones of the role stay valid until they expire."""
    match = _ROLE_ARN.fullmatch(_checked(call, "RoleArn", _ROLE_ARN))
    assert match is not None  # _checked matched the same pattern
    account, name = match.groups()
    session_name = _checked(call, "RoleSessionName", _SESSION_NAME)
    external_id = _checked(call, "ExternalId", _EXTERNAL_ID) if call.given("ExternalId") else None
    source_identity = _source_identity(call)
    policy = _session_policy(call)
    duration = call.number("DurationSeconds", limits.SESSION_SECONDS_DEFAULT)
    if not limits.SESSION_SECONDS_MINIMUM <= duration <= limits.ROLE_SESSION_SECONDS_MAXIMUM:
        raise ApiError("InvalidParameter.DurationSeconds")
    role = effective_role(call.cloud, name) if account == call.cloud.state.account_id else None
    if role is None:
        raise ApiError("EntityNotExist.Role", "The specified Role not exists .")
    if duration > role.max_session_duration:
        raise ApiError("InvalidParameter.DurationSeconds")
    arn = role_arn(call.cloud, role.name)
    _authorize(call, role, arn, external_id)
    session = _new_session(call, role, duration, policy, source_identity)
    marked = {} if source_identity is None else {"SourceIdentity": source_identity}
    return {
        "Credentials": {
            "AccessKeyId": session.access_key_id,
            "AccessKeySecret": session.secret,
            "SecurityToken": session.token,
            "Expiration": iso8601(session.expires),
        },
        "AssumedRoleUser": {"Arn": f"{arn}/{session_name}", "AssumedRoleId": f"{role.id}:{session_name}"},
        **marked,
    }


@action(STS, "GetCallerIdentity")
def get_caller_identity(call: Call) -> Answer:
    """Who the credentials belong to; every identity may ask."""
    return {"AccountId": call.caller.account_id, **_identity(call.caller)}


def _identity(caller: Caller) -> Answer:
    if caller.kind == "account":
        return {
            "IdentityType": "Account",
            "Arn": caller.arn,
            "PrincipalId": caller.account_id,
            "UserId": caller.account_id,
        }
    if caller.kind == "user":
        return {"IdentityType": "RAMUser", "Arn": caller.arn, "PrincipalId": caller.id, "UserId": caller.id}
    name = caller.arn.partition(":role/")[2]
    return {
        "IdentityType": "AssumedRoleUser",
        "Arn": f"acs:ram::{caller.account_id}:assumed-role/{name}/{caller.session_name}",
        "PrincipalId": f"{caller.id}:{caller.session_name}",
        "RoleId": caller.id,
    }

"""From the SDK's exceptions and answers to this project's errors: the only place that knows both.

The SDK's classes do not tell what may be retried (a throttled call is a ``ClientException`` or a
``ThrottlingException`` depending on a header; some 5xx are permanent), so the code decides: :mod:`config.codes`.
``UnretryableException`` carries the signed request, token included: nothing of it is kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cloud import errors
from cloud.deadline import DeadlinePassed
from config.codes import Kind, lookup
from config.personas import Persona

_BY_KIND: Mapping[Kind, type[errors.CallError]] = {
    Kind.THROTTLED: errors.Throttled,
    Kind.DAILY_QUOTA: errors.DailyAllowanceSpent,
    Kind.TRANSIENT: errors.TemporaryFailure,
    Kind.NOT_FOUND: errors.NotFound,
    Kind.ALREADY_EXISTS: errors.AlreadyExists,
    Kind.CONFLICT: errors.Conflict,
    Kind.LIMIT_EXCEEDED: errors.LimitExceeded,
    Kind.PERMISSION: errors.PermissionDenied,
    Kind.CREDENTIALS: errors.CredentialsRefused,
    Kind.CLOCK: errors.ClockWrong,
    Kind.INVALID: errors.InvalidRequest,
    Kind.UNSUPPORTED: errors.Unsupported,
    Kind.UNKNOWN: errors.UnclassifiedRefusal,
}

# The SDK appends this to every message; the request id is a field of its own here.
_SDK_DECORATION = re.compile(r"^code: \d+, | request id: [0-9A-Za-z-]*$")
# SignatureDoesNotMatch repeats the string to sign, and with it every parameter.
_STRING_TO_SIGN = re.compile(r"\s*server string to sign is:.*\Z", re.DOTALL | re.IGNORECASE)

CREDENTIALS_TRIED = (
    "set ONBOARD_IDENTITIES__DEFAULT__ACCESS_KEY_ID and …__ACCESS_KEY_SECRET (or those of the persona), or "
    "ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET; also tried: OIDC variables, "
    "~/.aliyun/config.json, ALIBABA_CLOUD_CREDENTIALS_FILE, the ECS instance role"
)


@dataclass(frozen=True)
class CallContext:
    """What a call was about, for its error: API action, object, persona and the caller's name when known."""

    action: str
    subject: str
    persona: Persona
    caller: str
    write: bool


def from_exception(error: BaseException, context: CallContext) -> errors.CallError | None:
    """This project's error for an exception of the SDK or of a deadline; None when it is neither."""
    from alibabacloud_credentials.exceptions import CredentialException
    from darabonba import exceptions as darabonba
    from Tea import exceptions as tea

    if isinstance(error, DeadlinePassed):
        return _build(errors.OutcomeUnknown, str(error), context)
    if isinstance(error, darabonba.ResponseException):
        return _from_response(error, context)
    if isinstance(error, CredentialException):
        return _no_credentials(context)
    if isinstance(error, (darabonba.ValidateException, tea.ValidateException)):
        return _not_accepted(context)
    if isinstance(error, (tea.TeaException, tea.RetryError, darabonba.RetryError)):
        return _from_unanswered(error, context)
    return None


def _from_response(error: Any, context: CallContext) -> errors.CallError:
    """A refusal with a code and a status."""
    text = _STRING_TO_SIGN.sub("", _SDK_DECORATION.sub("", str(error.message or "")))
    retry_after = getattr(error, "retry_after", None)
    return refusal(
        code=_text(error.code),
        message=_text(text),
        status=int(error.status_code or 0),
        request_id=_request_id(error),
        context=context,
        denied=getattr(error, "access_denied_detail", None),
        retry_after=float(retry_after) / 1000 if retry_after else None,
    )


def _request_id(error: Any) -> str:
    data = error.data if isinstance(error.data, Mapping) else {}
    return str(data.get("RequestId") or data.get("requestId") or _text(getattr(error, "request_id", "")))


def _text(value: Any) -> str:
    """The SDK writes "None" for what an answer leaves out."""
    return "" if value in (None, "None") else str(value)


def refusal(
    *,
    code: str,
    message: str,
    status: int,
    request_id: str,
    context: CallContext,
    denied: Mapping[str, str] | None = None,
    retry_after: float | None = None,
) -> errors.CallError:
    """The error of a coded refusal: its type from the code, then from the status when the code is unknown."""
    known = lookup(code)
    kind = known.kind
    if kind is Kind.UNKNOWN:
        kind = _kind_of_status(status, denied)
    message = message or code or f"HTTP status {status}, without a reason"
    what = f"{context.action} was refused: {message}"
    persona, remedy = known.persona, known.remedy
    if kind is Kind.PERMISSION:
        what, persona, remedy = _permission(context, denied, message, known.persona, known.remedy)
    return _BY_KIND[kind](
        what,
        action=context.action,
        status=status,
        subject=context.subject,
        persona=persona,
        remedy=remedy,
        request_id=request_id,
        code=code,
        retry_after=retry_after,
        denied=denied,
    )


def _kind_of_status(status: int, denied: Mapping[str, str] | None) -> Kind:
    """What a status says when its code is not in the table."""
    if denied or status == 403:
        return Kind.PERMISSION
    return {401: Kind.CREDENTIALS, 404: Kind.NOT_FOUND, 409: Kind.CONFLICT, 429: Kind.THROTTLED}.get(
        status, Kind.TRANSIENT if status >= 500 else Kind.UNKNOWN
    )


def _permission(
    context: CallContext, denied: Mapping[str, str] | None, message: str, persona: Persona | None, remedy: str
) -> tuple[str, Persona | None, str]:
    """A refusal for want of permission names the caller, the missing action and who grants it."""
    action = (denied or {}).get("AuthAction", "")
    who = f"{context.caller} ({context.persona.value})" if context.caller else f"the {context.persona.value}"
    if action == "ram:PassRole":
        return (
            f"{who} may not pass the role to DataWorks (ram:PassRole): {message}",
            Persona.ADMINISTRATOR,
            f"add {context.caller or 'the user'}, or a group it is in, to the specification's grantees and apply again",
        )
    if action:
        policy = (denied or {}).get("PolicyType", "")
        layer = f" ({policy}, {(denied or {}).get('NoPermissionType', '')})" if policy else ""
        return (
            f"{who} may not call {action}{layer}: {message}",
            Persona.ADMINISTRATOR,
            f"allow {action} to {who}",
        )
    return (
        f"{who} may not do this ({context.action}): {message}",
        persona or Persona.ADMINISTRATOR,
        remedy or f"allow it to {who}",
    )


def _from_unanswered(error: BaseException, context: CallContext) -> errors.CallError:
    """No usable answer: not connected, connection lost, time-out, or a body that is no JSON object.

    The inner exception's text may hold the URL with all parameters, so only its type is looked at.
    """
    from alibabacloud_credentials.exceptions import CredentialException
    from requests.exceptions import ConnectionError as RequestsConnectionError
    from requests.exceptions import ConnectTimeout
    from urllib3.exceptions import NewConnectionError

    chain: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in chain:
        chain.append(link)
        inner = getattr(link, "inner_exception", None)
        link = inner if isinstance(inner, BaseException) else link.__cause__ or link.__context__
    if any(isinstance(link, CredentialException) for link in chain):
        return _no_credentials(context)
    for link in chain:
        reason = getattr(link.args[0], "reason", None) if link.args else None
        if isinstance(link, ConnectTimeout) or (
            isinstance(link, RequestsConnectionError) and isinstance(reason, NewConnectionError)
        ):
            return _build(errors.NotSent, "no connection could be made to the endpoint", context)
    kinds = " < ".join(dict.fromkeys(type(link).__name__ for link in chain))
    return _build(errors.OutcomeUnknown, f"the answer was lost or unreadable ({kinds})", context)


def unreadable(context: CallContext) -> errors.CallError:
    """HTTP 200 with a body that is not the action's: whether a write was carried out is not known."""
    return _build(errors.OutcomeUnknown, "the answer has not the documented form", context)


def out_of_time(context: CallContext) -> errors.CallError:
    """The deadline passed while a repeat waited for its turn under the rate: it was not sent."""
    return _build(errors.NotSent, "no time was left to repeat the call", context)


def _not_accepted(context: CallContext) -> errors.CallError:
    """The SDK refused the request before it was sent. Its text may repeat a parameter."""
    return errors.InvalidRequest(
        f"{context.action} was not sent: the SDK calls a parameter invalid",
        action=context.action,
        subject=context.subject,
        persona=context.persona,
        remedy="correct the object's values in the specification, then apply again",
    )


def _no_credentials(context: CallContext) -> errors.CallError:
    return errors.CredentialsRefused(
        f"no credentials were found for the {context.persona.value}",
        action=context.action,
        subject=context.subject,
        persona=context.persona,
        remedy=CREDENTIALS_TRIED,
    )


def _build(kind: type[errors.CallError], what: str, context: CallContext) -> errors.CallError:
    remedy = "check the network and the endpoint, then apply again; what was done is found and not repeated"
    return kind(
        f"{context.action}: {what}",
        action=context.action,
        subject=context.subject,
        persona=None,
        remedy=remedy,
    )


# Without these an answer says nothing: a proxy, or a service in trouble, has sent something else than the action's.
_HOLDS: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "sts:AssumeRole": (("Credentials",),),
    "sts:GetCallerIdentity": (("Arn",), ("AccountId",), ("IdentityType",)),
    "ram:GetRole": (("Role",),),
    "ram:GetPolicy": (("Policy",), ("DefaultPolicyVersion",)),
    "dataworks:GetProject": (("Data",),),
    "dataworks:GetFile": (("Data", "File"),),
    "dataworks:SubmitFile": (("Data",),),
    "dataworks:DeployFile": (("Data",),),
    "dataworks:GetDeployment": (("Data", "Deployment"),),
    "dataworks:GetInstance": (("Data",),),
}


def check_answer(body: Mapping[str, Any], context: CallContext) -> None:
    """The second and third failure channel: HTTP 200 that means no, or nothing. Raises :class:`errors.CallError`.

    ``Success: false`` with ErrorCode (IDE and operation actions), ``Data.Status: fail`` or ``false`` with Message
    (data integration actions). ``ConnectStatus`` is a result, not a failure, and is left to its reader.
    """
    request_id = str(body.get("RequestId", ""))
    if body.get("Success") is False:
        code = str(body.get("ErrorCode") or "")
        message = str(body.get("ErrorMessage") or "the service answered Success: false without a reason")
        raise _task_refusal(code, message, _status(body.get("HttpStatusCode")), request_id, context)
    data = body.get("Data")
    # Identity, not equality: a workspace's Status 0 means available, and 0 == False.
    if isinstance(data, Mapping) and (data.get("Status") == "fail" or data.get("Status") is False):
        raise _task_refusal("", str(data.get("Message") or "no reason was given"), 200, request_id, context)
    if not all(_holds(body, path) for path in _HOLDS.get(context.action, ())):
        raise unreadable(context)


def _holds(body: Mapping[str, Any], path: tuple[str, ...]) -> bool:
    found: Any = body
    for name in path:
        found = found.get(name) if isinstance(found, Mapping) else None
    return found is not None


def _status(value: Any) -> int:
    """HttpStatusCode is a number or, with data sources, a text."""
    text = str(value or "")
    return int(text) if text.isdecimal() else 200


def _task_refusal(
    code: str, message: str, status: int, request_id: str, context: CallContext
) -> errors.CallError:
    if code and lookup(code).kind is not Kind.UNKNOWN:
        return refusal(code=code, message=message, status=status, request_id=request_id, context=context)
    return errors.TaskRefused(
        f"{context.action} was refused: {message}",
        action=context.action,
        status=status,
        subject=context.subject,
        persona=context.persona,
        remedy="correct what the service names, then apply again",
        request_id=request_id,
        code=code,
    )

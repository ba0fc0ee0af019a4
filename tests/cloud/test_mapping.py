"""From the SDK's exceptions to the one tree of errors: nothing is left over, and only what may be told is kept."""

from __future__ import annotations

import importlib
import inspect
from types import SimpleNamespace
from typing import Any

import pytest
from alibabacloud_credentials.exceptions import CredentialException
from alibabacloud_tea_openapi.exceptions import ClientException, ServerException, ThrottlingException

from cloud import errors
from cloud.deadline import DeadlinePassed
from cloud.errors import CallError
from cloud.mapping import CREDENTIALS_TRIED, CallContext, from_exception
from config.codes import CODES, ErrorCode
from config.kinds import Kind
from config.personas import Persona
from tests.cloud.gates import everything_told

CONTEXT = CallContext("ram:CreateRole", "role OnboardRole", Persona.ADMINISTRATOR, "alice", True)
SECRET = "token-that-nobody-may-see"
EXPECTED = {
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
MODULES = (
    "darabonba.exceptions",
    "Tea.exceptions",
    "alibabacloud_tea_openapi.exceptions",
    "alibabacloud_credentials.exceptions",
)


def client_exception(code: str | None, status: int, message: str = "No.", **more: Any) -> ClientException:
    """As the SDK makes it from an answer: every text decorated, what is absent spelled "None"."""
    return ClientException(
        status_code=status,
        code=f"{code}",
        message=f"code: {status}, {message} request id: REQ-1",
        data={"RequestId": "REQ-1"},
        request_id="REQ-1",
        **more,
    )


def mapped(error: BaseException) -> CallError:
    """The mapped error, which must be there."""
    found = from_exception(error, CONTEXT)
    assert found is not None
    return found


@pytest.mark.parametrize("code", CODES.values(), ids=lambda code: code.code)
def test_every_known_code_becomes_the_error_of_its_kind_with_person_remedy_and_request_id(
    code: ErrorCode,
) -> None:
    error = mapped(client_exception(code.code, code.status or 400))
    assert type(error) is EXPECTED[code.kind]
    assert (error.code, error.status, error.request_id) == (code.code, code.status or 400, "REQ-1")
    assert (error.action, error.subject) == ("ram:CreateRole", "role OnboardRole")
    assert error.remedy
    assert error.persona is (
        code.persona or Persona.ADMINISTRATOR if code.kind is Kind.PERMISSION else code.persona
    )
    assert "REQ-1" in str(error)
    assert isinstance(error, errors.RetryableError) is code.kind.retryable


def test_every_kind_has_its_own_error() -> None:
    assert set(EXPECTED) == set(Kind)
    assert len(set(EXPECTED.values())) == len(Kind)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.UnclassifiedRefusal),
        (401, errors.CredentialsRefused),
        (403, errors.PermissionDenied),
        (404, errors.NotFound),
        (409, errors.Conflict),
        (418, errors.UnclassifiedRefusal),
        (429, errors.Throttled),
        (500, errors.TemporaryFailure),
        (503, errors.TemporaryFailure),
    ],
)
@pytest.mark.parametrize("code", ["Never.Heard.Of", None])
def test_an_unknown_or_absent_code_falls_back_to_its_status(
    code: str | None, status: int, kind: type[CallError]
) -> None:
    error = mapped(client_exception(code, status))
    assert type(error) is kind
    assert error.code == (code or "")
    assert "None" not in str(error)


def test_an_answer_that_says_nothing_is_told_by_its_status() -> None:
    silent = ServerException(
        status_code=502, code="None", message="code: 502, None request id: None", data={}, request_id="None"
    )
    error = mapped(silent)
    assert str(error).startswith(
        "role OnboardRole: ram:CreateRole was refused: HTTP status 502, without a reason."
    )
    assert error.request_id == ""


def test_the_sdk_s_decoration_is_removed_from_the_service_s_message() -> None:
    error = mapped(client_exception("EntityNotExist.Role", 404, "The role does not exist."))
    assert error.what == "ram:CreateRole was refused: The role does not exist"


@pytest.mark.parametrize("spelling", ["server string to sign is:", "Server String to Sign is:"])
def test_the_string_to_sign_is_cut_out_of_a_message(spelling: str) -> None:
    text = (
        f"Specified signature is not matched with our calculation. {spelling}POST\n/\nDescription={SECRET}\n"
    )
    error = mapped(client_exception("SignatureDoesNotMatch", 400, text))
    assert isinstance(error, errors.CredentialsRefused)
    assert error.what.endswith("not matched with our calculation")
    assert SECRET not in everything_told(error)


def test_a_throttling_header_is_honoured_in_seconds() -> None:
    throttled = ThrottlingException(
        status_code=429, code="Throttling.User", message="code: 429, slow request id: R", retry_after=1500
    )
    error = mapped(throttled)
    assert type(error) is errors.Throttled
    assert error.retry_after == 1.5


def test_a_throttling_header_does_not_make_another_refusal_retryable() -> None:
    error = mapped(
        ThrottlingException(status_code=500, code="Forbidden.Not.Server", message="", retry_after=10)
    )
    assert not isinstance(error, errors.RetryableError)


def test_a_passed_deadline_leaves_the_outcome_unknown() -> None:
    assert type(mapped(DeadlinePassed("no answer within 3 s"))) is errors.OutcomeUnknown


def test_missing_credentials_list_the_places_that_were_tried() -> None:
    error = mapped(CredentialException(f"chain failed {SECRET}"))
    assert type(error) is errors.CredentialsRefused
    assert error.persona is Persona.ADMINISTRATOR
    assert error.remedy == CREDENTIALS_TRIED
    assert SECRET not in everything_told(error)


def _exception_classes() -> list[type[BaseException]]:
    found = {
        member
        for module in MODULES
        for _, member in inspect.getmembers(importlib.import_module(module), inspect.isclass)
        if issubclass(member, BaseException)
    }
    return sorted(found, key=lambda one: f"{one.__module__}.{one.__qualname__}")


def _instance(kind: type[BaseException]) -> BaseException:
    """An instance that carries a secret wherever its class has room for one."""
    inner = RuntimeError(f"https://ram.aliyuncs.com/?Signature={SECRET}")

    by_argument: dict[str, Any] = {
        "dic": {"code": None, "message": SECRET, "data": {"x": SECRET}},
        "_context": SimpleNamespace(http_request={"authorization": SECRET}, exception=inner),
        "request": {"authorization": SECRET},
        "ex": inner,
        "arg": SECRET,
        "message": SECRET,
    }
    if kind.__init__ is Exception.__init__:
        return kind(SECRET)
    wanted = inspect.signature(kind).parameters.values()
    needed = [
        one
        for one in wanted
        if one.default is inspect.Parameter.empty and one.kind is one.POSITIONAL_OR_KEYWORD
    ]
    return kind(*(by_argument[one.name] for one in needed))


def test_the_walk_finds_the_exceptions_of_all_four_packages() -> None:
    names = {f"{kind.__module__.partition('.')[0]}.{kind.__name__}" for kind in _exception_classes()}
    assert names >= {
        "darabonba.UnretryableException",
        "darabonba.RetryError",
        "darabonba.ValidateException",
        "Tea.TeaException",
        "Tea.RequiredArgumentException",
        "alibabacloud_tea_openapi.ThrottlingException",
        "alibabacloud_credentials.CredentialException",
    }


@pytest.mark.parametrize("kind", _exception_classes(), ids=lambda kind: f"{kind.__module__}.{kind.__name__}")
def test_no_exception_of_the_sdk_is_left_unmapped_and_none_tells_what_it_carries(
    kind: type[BaseException],
) -> None:
    error = mapped(_instance(kind))
    assert error.action == "ram:CreateRole"
    assert error.remedy
    assert SECRET not in everything_told(error)


def test_a_request_the_sdk_refuses_to_send_is_no_reason_to_repeat() -> None:
    for module in ("darabonba.exceptions", "Tea.exceptions"):
        error = mapped(importlib.import_module(module).RequiredArgumentException("RoleName"))
        assert type(error) is errors.InvalidRequest


@pytest.mark.parametrize("foreign", [KeyError("x"), ZeroDivisionError(), RuntimeError("ours")])
def test_what_is_neither_the_sdk_s_nor_a_deadline_is_not_hidden(foreign: Exception) -> None:
    assert from_exception(foreign, CONTEXT) is None

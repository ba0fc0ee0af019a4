"""Whatever goes wrong, an error tells no secret, no token, no address with parameters and no body of a request."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import SecretStr

from cloud import errors
from cloud.gate import Gate
from cloud.ram import create_role as create_ram_role
from config.limits import DATAWORKS
from config.personas import Persona
from config.settings import Identities, IdentitySettings
from emulator.server import RunningCloud
from emulator.state import Session
from tests.clock import LocalClock
from tests.cloud.gates import (
    MARK,
    TRUST,
    add_fault,
    calls_of,
    create_role,
    document,
    everything_told,
    read_role,
)
from tests.settings import REGION, settings_for

KEY, SECRET, TOKEN = "STS.LocalSession", "secret-of-the-session", "token-of-the-session"
FORBIDDEN = (
    SECRET,
    TOKEN,
    KEY,
    MARK,
    "Signature",
    "Authorization",
    "x-acs-security-token",
    "AssumeRolePolicyDocument=",
)
HTML = "<html><body>502 Bad Gateway</body></html>"

Faults = dict[str, Any]
LOST: dict[str, Faults] = {
    "reset": {"effect": "reset"},
    "reset after": {"effect": "reset", "when": "after"},
    "close": {"effect": "close"},
    "truncate": {"effect": "truncate"},
    "html 502": {"status": 502, "body": HTML},
    "html 200": {"status": 200, "body": HTML},
    "empty 200": {"status": 200, "body": ""},
    "empty 503": {"status": 503, "body": ""},
    "text as json": {"status": 200, "body": "ok", "content_type": "application/json"},
    "list": {"status": 200, "body": '[{"Role": {}}]', "content_type": "application/json"},
    "empty object": {"status": 200, "body": "{}", "content_type": "application/json"},
    "other keys": {"status": 200, "body": '{"a": 1}', "content_type": "application/json"},
    "other types": {
        "status": 200,
        "body": '{"RequestId": "R", "Role": "x"}',
        "content_type": "application/json",
    },
    "error list": {"status": 500, "body": "[1]", "content_type": "application/json"},
    "silence": {"delay": 0.4},
}
ANSWERED: dict[str, tuple[Faults, type[errors.CallError]]] = {
    "throttle": ({"status": 400, "code": "Throttling.User"}, errors.Throttled),
    "throttle with header": (
        {"status": 429, "code": "Throttling", "headers": {"x-acs-retry-after": "700"}},
        errors.Throttled,
    ),
    "failure of the service": ({"status": 503, "code": "ServiceUnavailable"}, errors.TemporaryFailure),
    "unknown 500": ({"status": 500, "code": "What.Is.This"}, errors.TemporaryFailure),
    "permanent 500": ({"status": 500, "code": "Forbidden.Not.Server"}, errors.Refused),
    "denied": ({"status": 403, "code": "NoPermission"}, errors.PermissionDenied),
    "token": ({"status": 400, "code": "InvalidSecurityToken.Expired"}, errors.CredentialsRefused),
    "redirect to nowhere": (
        {"status": 302, "body": "", "headers": {"location": "http://127.0.0.1:1/?x=y"}},
        errors.RetryableError,
    ),
}


def session_gate(local: RunningCloud, **overrides: Any) -> Gate:
    """A gate with temporary credentials of a role that may administer RAM."""
    setup = Gate(settings_for(local), REGION, LocalClock(local.cloud))
    role = create_ram_role(setup, "Administration", TRUST, "", {})
    ram = local.cloud.state.ram
    ram.roles["Administration"].attachments = ram.users["alice"].attachments
    local.cloud.state.sessions[KEY] = Session(
        access_key_id=KEY,
        secret=SECRET,
        token=TOKEN,
        role="Administration",
        role_id=role.role_id,
        session_name="test",
        expires=local.cloud.clock.now() + 3600,
    )
    identity = IdentitySettings(
        access_key_id=KEY, access_key_secret=SecretStr(SECRET), security_token=SecretStr(TOKEN)
    )
    settings = settings_for(local, identities=Identities(default=identity), retry_attempts=2, **overrides)
    return Gate(settings, REGION, LocalClock(local.cloud))


def provoke(call: Callable[[], object], log: pytest.LogCaptureFixture) -> errors.CallError:
    """The error of a call, after looking at all it tells and at what was logged on the way."""
    with log.at_level(logging.DEBUG, logger="onboarding"), pytest.raises(errors.CallError) as caught:
        call()
    error = caught.value
    told = everything_told(error) + "\n".join(
        r.getMessage() for r in log.records if r.name.startswith("onboarding")
    )
    for forbidden in FORBIDDEN:
        assert forbidden not in told
    assert error.__cause__ is None
    assert error.remedy
    assert error.action in str(error)
    return error


def test_the_session_of_these_tests_is_a_working_one(local: RunningCloud) -> None:
    """Else every test below would only see refused credentials."""
    create_role(session_gate(local), "Made")
    assert local.cloud.state.ram.roles["Made"].description == MARK
    assert local.cloud.journal.entries[-1].caller == "Administration:test"


@pytest.mark.parametrize("fault", LOST.values(), ids=LOST.keys())
def test_a_lost_or_unreadable_answer_to_a_write_tells_nothing_and_is_not_repeated(
    local: RunningCloud, caplog: pytest.LogCaptureFixture, fault: Faults
) -> None:
    gate = session_gate(local, read_timeout=0.1)
    add_fault(local, action="CreateRole", times=None, **fault)
    before = calls_of(local, "CreateRole")
    assert type(provoke(lambda: create_role(gate, "Doubtful"), caplog)) is errors.OutcomeUnknown
    assert calls_of(local, "CreateRole") == before + 1


@pytest.mark.parametrize("fault", LOST.values(), ids=LOST.keys())
def test_a_lost_or_unreadable_answer_to_a_read_is_asked_for_again(
    local: RunningCloud, caplog: pytest.LogCaptureFixture, fault: Faults
) -> None:
    gate = session_gate(local, read_timeout=0.1)
    rule = add_fault(local, action="GetRole", times=1, **fault)
    before = calls_of(local, "GetRole")
    assert read_role(gate)["Role"]["RoleId"]
    assert (rule.hits, calls_of(local, "GetRole")) == (1, before + 2)
    assert [record.code for record in gate.journal.records] == ["OutcomeUnknown", ""]
    rule.times = None
    assert type(provoke(lambda: read_role(gate), caplog)) is errors.OutcomeUnknown


@pytest.mark.parametrize(("fault", "kind"), ANSWERED.values(), ids=ANSWERED.keys())
def test_an_answered_failure_tells_nothing_of_the_request(
    local: RunningCloud, caplog: pytest.LogCaptureFixture, fault: Faults, kind: type[errors.CallError]
) -> None:
    gate = session_gate(local)
    add_fault(local, action="CreateRole", times=None, **fault)
    assert isinstance(provoke(lambda: create_role(gate, "Refused"), caplog), kind)


def test_a_refused_connection_tells_nothing_and_was_not_sent(
    local: RunningCloud, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
        gate = session_gate(local, local_cloud=f"http://127.0.0.1:{port}")
        error = provoke(lambda: create_role(gate, "Nowhere"), caplog)
    assert type(error) is errors.NotSent
    assert [record.attempt for record in gate.journal.records] == [1, 2]


def test_a_body_in_a_form_is_not_told_either(local: RunningCloud, caplog: pytest.LogCaptureFixture) -> None:
    """CreateDISyncTask sends its content as a form, not in the address."""
    gate = session_gate(local)
    add_fault(local, action="CreateDISyncTask", times=None, effect="reset")
    parameters = {"ProjectId": 10001, "TaskType": "DI_OFFLINE", "TaskName": "orders", "TaskContent": MARK}
    error = provoke(
        lambda: gate.write(DATAWORKS, "CreateDISyncTask", parameters, persona=Persona.DEVELOPER), caplog
    )
    assert type(error) is errors.OutcomeUnknown


def test_a_refused_document_is_not_repeated_in_the_error(
    local: RunningCloud, caplog: pytest.LogCaptureFixture
) -> None:
    gate = session_gate(local)
    add_fault(local, action="CreatePolicy", times=None, status=400, code="MalformedPolicyDocument")
    parameters = {"PolicyName": "P", "PolicyDocument": document(f"oss:{MARK}")}
    error = provoke(
        lambda: gate.write("ram", "CreatePolicy", parameters, persona=Persona.ADMINISTRATOR), caplog
    )
    assert type(error) is errors.InvalidRequest


def test_an_error_holds_no_link_to_the_sdk_s_exception(local: RunningCloud) -> None:
    """The SDK's exception holds the signed request; tools that print contexts would print it."""
    gate = session_gate(local)
    for fault in ({"effect": "reset"}, {"status": 404, "code": "EntityNotExist.Role"}):
        add_fault(local, action="GetRole", times=2, **fault)
        with pytest.raises(errors.CallError) as caught:
            read_role(gate)
        assert caught.value.__context__ is None

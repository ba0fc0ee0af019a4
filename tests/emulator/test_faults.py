"""Faults through the vendor's SDK: what a client sees of each kind."""

from __future__ import annotations

import time
from typing import Any

import pytest
from alibabacloud_ram20150501 import models
from alibabacloud_tea_openapi.exceptions import ClientException, ServerException, ThrottlingException
from darabonba.exceptions import UnretryableException

from emulator.faults import Fault, Faults
from emulator.server import RunningCloud
from tests.emulator.clients import Acs3, Key, control, ram, refused


def get_alice(local: RunningCloud, **config: Any) -> Any:
    """A reading call."""
    return ram(local, **config).get_user(models.GetUserRequest(user_name="alice"))


def create_user(local: RunningCloud, name: str = "u1") -> Any:
    """A writing call."""
    return ram(local).create_user(models.CreateUserRequest(user_name=name))


def test_a_code_is_answered_with_its_documented_status_and_text(local: RunningCloud) -> None:
    local.cloud.faults.rules = [Fault(action="GetUser", code="ServiceUnavailable")]
    with pytest.raises(ServerException) as caught:
        get_alice(local)
    assert (caught.value.code, caught.value.status_code) == ("ServiceUnavailable", 503)
    assert get_alice(local).body.user.user_name == "alice"


def test_status_code_and_text_may_be_given(local: RunningCloud) -> None:
    local.cloud.faults.rules = [Fault(code="Odd.Code", status=418, message="short and stout")]
    with refused("Odd.Code", 418, "short and stout"):
        get_alice(local)


def test_a_throttling_header_becomes_the_sdks_throttling_exception(local: RunningCloud) -> None:
    local.cloud.faults.rules = [Fault(code="Throttling.User", headers={"x-acs-retry-after": "1500"})]
    with pytest.raises(ThrottlingException) as caught:
        get_alice(local)
    assert caught.value.retry_after == 1500


def test_throttling_without_the_header_is_a_plain_client_exception(local: RunningCloud) -> None:
    local.cloud.faults.rules = [Fault(code="Throttling.User")]
    with pytest.raises(ClientException) as caught:
        get_alice(local)
    assert not isinstance(caught.value, ThrottlingException)


def test_before_means_that_nothing_has_happened(local: RunningCloud) -> None:
    local.cloud.faults.rules = [Fault(action="CreateUser", code="ServiceUnavailable")]
    with refused("ServiceUnavailable"):
        create_user(local)
    assert "u1" not in local.cloud.state.ram.users


def test_after_means_that_it_has_happened_and_the_answer_is_lost(local: RunningCloud) -> None:
    local.cloud.faults.rules = [Fault(action="CreateUser", when="after", effect="reset")]
    with pytest.raises(UnretryableException):
        create_user(local)
    assert "u1" in local.cloud.state.ram.users
    with refused("EntityAlreadyExists.User", 409):
        create_user(local)


@pytest.mark.parametrize("effect", ["reset", "close", "truncate"])
def test_a_broken_connection_has_no_code(local: RunningCloud, effect: Any) -> None:
    local.cloud.faults.rules = [Fault(effect=effect)]
    with pytest.raises(UnretryableException) as caught:
        get_alice(local)
    assert caught.value.code is None
    assert get_alice(local).body.user.user_name == "alice"


@pytest.mark.parametrize("status", [502, 200])
def test_a_body_that_is_no_json_has_no_code(local: RunningCloud, status: int) -> None:
    local.cloud.faults.rules = [Fault(status=status, body="<html>Bad Gateway</html>")]
    with pytest.raises(UnretryableException) as caught:
        get_alice(local)
    assert caught.value.code is None


def test_a_delay_beyond_the_read_timeout_fails_the_call(local: RunningCloud) -> None:
    local.cloud.faults.rules = [Fault(delay=1.0)]
    with pytest.raises(UnretryableException):
        get_alice(local, read_timeout=100)


def test_a_delay_alone_changes_nothing_else(local: RunningCloud) -> None:
    local.cloud.faults.rules = [Fault(delay=0.2)]
    started = time.monotonic()
    assert get_alice(local).body.user.user_name == "alice"
    assert time.monotonic() - started >= 0.2


def test_skip_lets_calls_pass_and_times_limits_the_strikes(local: RunningCloud) -> None:
    local.cloud.faults.rules = [Fault(action="GetUser", code="InternalError", skip=2, times=2)]
    outcomes = []
    for _ in range(6):
        try:
            get_alice(local)
            outcomes.append("ok")
        except ServerException as error:
            outcomes.append(error.code)
    assert outcomes == ["ok", "ok", "InternalError", "InternalError", "ok", "ok"]


def test_a_rule_meets_only_its_product_and_action(local: RunningCloud) -> None:
    local.cloud.faults.rules = [
        Fault(product="sts", code="InternalError"),
        Fault(action="ListUsers", code="InternalError"),
    ]
    assert get_alice(local).body.user.user_name == "alice"
    assert [rule.hits for rule in local.cloud.faults.rules] == [0, 0]


def test_the_first_matching_rule_wins(local: RunningCloud) -> None:
    local.cloud.faults.rules = [
        Fault(action="GetUser", code="First", status=400),
        Fault(code="Second", status=400),
    ]
    with refused("First"):
        get_alice(local)
    with refused("Second"):
        get_alice(local)


def test_without_a_limit_a_rule_strikes_for_ever(local: RunningCloud) -> None:
    local.cloud.faults.rules = [Fault(code="InternalError", times=None)]
    for _ in range(3):
        with refused("InternalError", 500):
            get_alice(local)


def test_chance_repeats_exactly() -> None:
    def strikes(seed: int) -> list[bool]:
        faults = Faults(seed)
        faults.rules = [Fault(probability=0.5, times=None, code="x")]
        return [faults.strike("ram", "GetUser", "before") is not None for _ in range(100)]

    assert strikes(1) == strikes(1)
    assert strikes(1) != strikes(2)
    assert 30 < sum(strikes(1)) < 70


def test_a_probability_of_zero_never_strikes() -> None:
    faults = Faults()
    faults.rules = [Fault(probability=0, times=None, code="x")]
    assert all(faults.strike("ram", "GetUser", "before") is None for _ in range(50))


def test_an_unauthenticated_call_meets_no_fault(local: RunningCloud) -> None:
    local.cloud.faults.rules = [Fault(code="InternalError")]
    reply = Acs3(local, "ListUsers", key=Key("LTAInobody", "x")).sign().send()
    assert reply.json["Code"] == "InvalidAccessKeyId.NotFound"
    assert local.cloud.faults.rules[0].hits == 0


def test_the_journal_marks_what_a_fault_did(local: RunningCloud) -> None:
    local.cloud.faults.rules = [Fault(code="InternalError")]
    with refused("InternalError"):
        get_alice(local)
    get_alice(local)
    assert [entry.fault for entry in local.cloud.journal.entries] == [True, False]


def test_faults_are_set_over_http(local: RunningCloud) -> None:
    assert control(local, "PUT", "faults", [{"action": "GetUser", "code": "InternalError"}]).status == 200
    with refused("InternalError"):
        get_alice(local)
    assert control(local, "GET", "faults").json["result"][0]["hits"] == 1
    added = control(local, "POST", "faults", {"code": "ServiceUnavailable"}).json["result"]
    assert [rule["code"] for rule in added] == ["InternalError", "ServiceUnavailable"]
    assert control(local, "DELETE", "faults").json["result"] == []
    get_alice(local)

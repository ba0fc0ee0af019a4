"""Published call rates and the daily allowance, on a clock that stands still."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from alibabacloud_dataworks_public20200518 import models as dataworks_models
from alibabacloud_ram20150501 import models
from alibabacloud_tea_openapi.exceptions import AlibabaCloudException, ThrottlingException

from config.limits import Edition
from emulator.server import RunningCloud
from tests.emulator.clients import Key, StandingClock, dataworks, ram, refused, sts


@pytest.fixture
def timed(local: RunningCloud) -> RunningCloud:
    """A local cloud that enforces rates and whose clock stands."""
    local.cloud.settings.enforce_rates = True
    local.cloud.clock = StandingClock()
    return local


def accepted(call: Callable[[], Any], tries: int) -> int:
    """How many of so many calls were not throttled; the throttled ones must be the last."""
    outcomes = []
    for _ in range(tries):
        try:
            call()
            outcomes.append(True)
        except AlibabaCloudException as error:
            outcomes.append(not error.code.startswith("Throttling"))
    assert outcomes == sorted(outcomes, reverse=True)
    return sum(outcomes)


def _attach(local: RunningCloud) -> Callable[[], Any]:
    request = models.AttachPolicyToUserRequest(
        user_name="mallory", policy_name="AliyunOSSFullAccess", policy_type="System"
    )
    client = ram(local)
    return lambda: client.attach_policy_to_user(request)


@pytest.mark.parametrize(
    ("action", "rate"), [("get", 100), ("create", 20), ("attach", 10), ("identity", 100)]
)
def test_one_call_too_many_is_throttled_and_a_second_later_it_is_free(
    timed: RunningCloud, action: str, rate: int
) -> None:
    client, tokens = ram(timed), sts(timed)
    call: Callable[[], Any] = {
        "get": lambda: client.get_user(models.GetUserRequest(user_name="alice")),
        "create": lambda: client.create_user(models.CreateUserRequest(user_name="same")),
        "attach": _attach(timed),
        "identity": tokens.get_caller_identity,
    }[action]
    assert accepted(call, rate + 2) == rate
    timed.cloud.clock.advance(1)
    assert accepted(call, 1) == 1


def test_throttling_has_the_documented_code_and_text(timed: RunningCloud) -> None:
    call = _attach(timed)
    accepted(call, 10)
    with refused("Throttling.User", 400, "Request was denied due to user flow control."):
        call()


def test_status_and_header_of_throttling_are_settings(timed: RunningCloud) -> None:
    timed.cloud.settings.throttling_status = 429
    timed.cloud.settings.retry_after_header = True
    call = _attach(timed)
    accepted(call, 10)
    with pytest.raises(ThrottlingException) as caught:
        call()
    assert caught.value.status_code == 429
    assert 0 < caught.value.retry_after <= 1001


def test_actions_of_ram_are_counted_apart_and_callers_together(timed: RunningCloud) -> None:
    accepted(_attach(timed), 11)
    ram(timed).get_user(models.GetUserRequest(user_name="alice"))
    root = ram(timed, Key("LTAIlocalRoot", "local-secret-root"))
    with refused("Throttling.User"):
        root.attach_policy_to_user(
            models.AttachPolicyToUserRequest(
                user_name="carol", policy_name="AliyunOSSFullAccess", policy_type="System"
            )
        )


def test_a_factor_multiplies_every_rate(timed: RunningCloud) -> None:
    timed.cloud.settings.rate_factor = 2
    assert accepted(_attach(timed), 25) == 20


def test_rates_can_be_switched_off(timed: RunningCloud) -> None:
    timed.cloud.settings.enforce_rates = False
    assert accepted(_attach(timed), 15) == 15


def _list_projects(local: RunningCloud) -> Callable[[], Any]:
    client = dataworks(local)
    return lambda: client.list_projects(dataworks_models.ListProjectsRequest())


@pytest.mark.parametrize(("edition", "rate"), [(Edition.STANDARD, 5), (Edition.ENTERPRISE, 50)])
def test_dataworks_counts_by_edition_and_answers_429(
    timed: RunningCloud, edition: Edition, rate: int
) -> None:
    timed.cloud.settings.edition = edition
    call = _list_projects(timed)
    assert accepted(call, rate + 1) == rate
    with refused("Throttling.User", 429):
        call()


def test_the_basic_edition_has_a_hundred_calls_a_day_failed_ones_included(timed: RunningCloud) -> None:
    timed.cloud.settings.edition = Edition.BASIC
    timed.cloud.settings.rate_factor = 100
    call = _list_projects(timed)
    client = dataworks(timed)
    for _ in range(40):
        with pytest.raises(AlibabaCloudException):
            client.get_project(dataworks_models.GetProjectRequest())
    assert accepted(call, 61) == 60
    with refused("Throttling.Api.Risk", 429):
        call()
    timed.cloud.clock.advance(86_400)
    assert accepted(call, 1) == 1

"""The journal of calls: what was asked, never with what."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor

import pytest

from cloud import errors
from cloud.gate import Gate, ProgrammingError
from cloud.journal import CallJournal, CallRecord
from config.limits import DATAWORKS, RAM, STS
from config.personas import Persona
from emulator.server import RunningCloud
from tests.cloud.gates import MARK, add_fault, create_role, gate_of, read_role
from tests.cloud.shop import Shop
from tests.settings import settings_for


def test_a_call_is_recorded_with_person_action_object_and_request_id(local: RunningCloud) -> None:
    gate = gate_of(local)
    create_role(gate)
    (record,) = gate.journal.records
    assert (record.persona, record.action, record.subject) == (
        "administrator",
        "ram:CreateRole",
        "role OnboardRole",
    )
    assert (record.write, record.code, record.attempt) == (True, "", 1)
    assert record.request_id == local.cloud.journal.entries[-1].request_id
    assert 0 < record.seconds < 5


def test_every_try_is_recorded_with_its_code(local: RunningCloud) -> None:
    add_fault(local, action="GetRole", status=503, code="ServiceUnavailable")
    add_fault(local, action="GetRole", effect="reset")
    gate = gate_of(local)
    read_role(gate)
    told = [(one.attempt, one.code) for one in gate.journal.records]
    assert told == [(1, "ServiceUnavailable"), (2, "OutcomeUnknown"), (3, "")]
    assert gate.journal.counts == {"ram:GetRole": 3}


def test_totals_are_counted_by_product(local: RunningCloud) -> None:
    gate = gate_of(local)
    read_role(gate)
    gate.read(STS, "GetCallerIdentity", {}, persona=Persona.CREATOR)
    gate.read(DATAWORKS, "GetProject", {"ProjectId": 10001}, persona=Persona.CREATOR)
    totals = {product: gate.journal.total(product) for product in (RAM, STS, DATAWORKS, None)}
    assert totals == {RAM: 1, STS: 1, DATAWORKS: 1, None: 3}


def test_no_value_of_a_parameter_is_recorded_or_logged(
    local: RunningCloud, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, logger="onboarding"):
        shop = Shop(local)
        create_role(shop.gate, "Marked")
        assert shop.ended.succeeded
    told = "\n".join(repr(one) for one in shop.gate.journal.records) + caplog.text
    assert len(shop.gate.journal.records) > 20
    for value in (
        MARK,
        "Statement",
        shop.role.role_id,
        "shop-orders",
        "stepType",
        "aliyuncs",
        "local-secret",
        "retail_root",
    ):
        assert value not in told


def test_the_journal_keeps_the_newest_calls_and_counts_all() -> None:
    journal = CallJournal(keep=2)
    for number in range(5):
        code = "Throttling.User" if number < 2 else ""
        record = CallRecord(
            "creator",
            "ram:GetRole",
            f"role {number}",
            False,
            "R",
            code,
            1 + number % 2,
            0.1,
            throttled=number < 2,
        )
        journal.add(record)
    assert [one.subject for one in journal.records] == ["role 3", "role 4"]
    assert (journal.total(), journal.throttled, journal.retries) == (5, 2, 2)
    assert journal.counts == {"ram:GetRole": 5}


def test_throttled_answers_and_repeats_are_counted_whatever_their_code(local: RunningCloud) -> None:
    add_fault(local, action="GetRole", times=1, status=400, code="Throttling")
    add_fault(local, action="GetRole", times=1, status=429, code="Unheard.Of")
    add_fault(local, action="GetRole", times=1, status=503, code="ServiceUnavailable")
    gate = gate_of(local)
    read_role(gate)
    assert (gate.journal.total(), gate.journal.throttled, gate.journal.retries) == (4, 2, 3)


def test_no_call_is_lost_between_threads(local: RunningCloud) -> None:
    gate = gate_of(local)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: read_role(gate), range(80)))
    assert gate.journal.total() == 80
    assert len({one.request_id for one in gate.journal.records}) == 80


# -- faults of this project itself ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("product", "action", "parameters", "told"),
    [
        (RAM, "GetRole", {"RoleName": "r", "Rolename": "r"}, "ram:GetRole has no parameter Rolename"),
        (RAM, "CreateRole", {"Tags": []}, "ram:CreateRole has no parameter Tags"),
        (STS, "GetCallerIdentity", {"RoleName": "r"}, "sts:GetCallerIdentity has no parameter RoleName"),
        (DATAWORKS, "GetWorkspace", {}, "the SDK has no action dataworks:GetWorkspace"),
    ],
)
def test_an_unknown_action_or_parameter_is_a_programming_error_and_is_not_sent(
    local: RunningCloud, product: str, action: str, parameters: dict[str, object], told: str
) -> None:
    gate = gate_of(local)
    with pytest.raises(ProgrammingError, match=told) as caught:
        gate.read(product, action, parameters, persona=Persona.ADMINISTRATOR)
    assert not isinstance(caught.value, errors.OnboardingError)
    assert not local.cloud.journal.entries


def test_a_parameter_without_a_value_is_left_out(local: RunningCloud) -> None:
    gate = gate_of(local)
    body = gate.read(RAM, "ListRoles", {"Marker": None, "MaxItems": 10}, persona=Persona.ADMINISTRATOR)
    assert body["Roles"]


def test_a_gate_uses_the_machine_s_clock_unless_it_is_given_one(local: RunningCloud) -> None:
    gate = Gate(settings_for(local), "cn-hangzhou")
    local.cloud.clock.advance(10_000)
    assert gate.clock.now() < local.cloud.clock.now() - 9_000
    gate.clock.sleep(0)

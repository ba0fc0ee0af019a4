"""Sessions of an assumed role: limited to what a step declares, renewed in time, shared by threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from cloud import errors
from cloud.gate import ProgrammingError
from cloud.sessions import session_scope
from cloud.sts import caller_identity
from config.limits import RAM
from config.personas import Persona
from emulator.server import RunningCloud
from tests.cloud.gates import add_fault, calls_of, create_role, document, everything_told, read_role
from tests.cloud.roles import OPERATOR, assuming, operator_role

READ_ONLY = {Persona.ADMINISTRATOR: document("ram:GetRole")}
WRITES = {Persona.ADMINISTRATOR: document("ram:GetRole", "ram:CreateRole")}


def test_calls_are_made_as_the_role_and_the_session_is_named_after_the_persona(local: RunningCloud) -> None:
    gate = assuming(local, operator_role(local))
    identity = caller_identity(gate, Persona.CREATOR)
    assert identity.kind == "AssumedRoleUser"
    assert gate.caller_name(Persona.CREATOR) == "operator/onboarding-creator"
    read_role(gate)
    assert local.cloud.journal.entries[-1].caller == f"{OPERATOR}:onboarding-administrator"


def test_one_session_serves_many_calls_and_threads(local: RunningCloud) -> None:
    gate = assuming(local, operator_role(local))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: read_role(gate), range(40)))
    assert calls_of(local, "AssumeRole") == 1


def test_a_session_is_renewed_before_it_ends(local: RunningCloud) -> None:
    gate = assuming(local, operator_role(local))
    for advance, sessions in ((0, 1), (3200, 1), (200, 2), (3200, 2), (400, 3)):
        local.cloud.clock.advance(advance)
        read_role(gate)
        assert calls_of(local, "AssumeRole") == sessions


def test_a_step_s_session_can_do_what_the_step_declares_and_nothing_else(local: RunningCloud) -> None:
    gate = assuming(local, operator_role(local))
    with session_scope(READ_ONLY):
        read_role(gate)
        with pytest.raises(errors.PermissionDenied) as caught:
            create_role(gate)
        assert caught.value.denied["AuthAction"] == "ram:CreateRole"
    with session_scope(WRITES):
        create_role(gate)
    assert calls_of(local, "AssumeRole") == 2


def test_the_limits_end_with_the_step_also_when_it_fails(local: RunningCloud) -> None:
    gate = assuming(local, operator_role(local))
    with pytest.raises(KeyError), session_scope(READ_ONLY):
        raise KeyError
    create_role(gate)


def test_a_persona_the_step_does_not_declare_makes_no_call(local: RunningCloud) -> None:
    gate = assuming(local, operator_role(local))
    before = len(local.cloud.journal.entries)
    with session_scope(READ_ONLY), pytest.raises(ProgrammingError, match="declares no call of the creator"):
        gate.read(RAM, "GetRole", {"RoleName": OPERATOR}, persona=Persona.CREATOR)
    assert len(local.cloud.journal.entries) == before


def test_a_role_that_may_not_be_assumed_is_a_refusal_that_names_it(local: RunningCloud) -> None:
    arn = operator_role(local, StringEquals={"sts:ExternalId": "team-a"})
    gate = assuming(local, arn)
    with pytest.raises(errors.PermissionDenied) as caught:
        read_role(gate)
    assert caught.value.action == "sts:AssumeRole"
    assert caught.value.subject == f"role {arn}"
    assert read_role(assuming(local, arn, external_id="team-a"))["Role"]


def test_a_lost_answer_of_assume_role_is_asked_for_again(local: RunningCloud) -> None:
    gate = assuming(local, operator_role(local))
    add_fault(local, action="AssumeRole", when="after", effect="reset")
    assert read_role(gate)["Role"]
    assert calls_of(local, "AssumeRole") == 2


def test_no_secret_of_a_session_is_told(local: RunningCloud) -> None:
    gate = assuming(local, operator_role(local))
    add_fault(local, action="CreateRole", effect="reset", times=None)
    with pytest.raises(errors.OutcomeUnknown) as caught:
        create_role(gate)
    (session,) = local.cloud.state.sessions.values()
    told = everything_told(caught.value) + repr(gate.journal.records) + repr(vars(gate))
    for secret in (session.secret, session.token, "local-secret-alice"):
        assert secret not in told

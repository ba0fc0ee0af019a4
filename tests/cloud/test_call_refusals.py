"""Refusals as they come over the wire: who was refused what, and who can repair it."""

from __future__ import annotations

import json

import pytest
from pydantic import SecretStr

from cloud import errors
from cloud.dataworks.data_sources import create_data_source
from cloud.gate import Gate
from cloud.ram import create_role as create_ram_role
from cloud.sts import caller_identity
from config.personas import Persona
from config.settings import Identities, IdentitySettings
from config.sources.base import Environment
from emulator.server import RunningCloud
from tests.clock import LocalClock
from tests.cloud.gates import (
    MARK,
    TRUST,
    add_fault,
    answer,
    calls_of,
    create_role,
    everything_told,
    gate_of,
    gate_of_personas,
    read_role,
)
from tests.settings import REGION, settings_for

WORKSPACE = 10001


def test_a_refused_caller_is_named_with_the_missing_action(local: RunningCloud) -> None:
    gate = gate_of(local, "mallory")
    caller_identity(gate, Persona.ADMINISTRATOR)
    with pytest.raises(errors.PermissionDenied) as caught:
        create_role(gate)
    error = caught.value
    assert "mallory (administrator) may not call ram:CreateRole" in str(error)
    assert error.denied["AuthAction"] == "ram:CreateRole"
    assert error.persona is Persona.ADMINISTRATOR
    assert error.remedy == "allow ram:CreateRole to mallory (administrator)"
    assert error.request_id == local.cloud.journal.entries[-1].request_id
    assert calls_of(local, "CreateRole") == 1


def test_a_caller_whose_name_is_not_known_is_named_by_persona(local: RunningCloud) -> None:
    with pytest.raises(errors.PermissionDenied, match="the administrator may not call ram:CreateRole"):
        create_role(gate_of(local, "mallory"))


def test_a_refused_pass_role_names_the_person_and_the_grantees(local: RunningCloud) -> None:
    gate = gate_of_personas(local)
    caller_identity(gate, Persona.CREATOR)
    role = create_ram_role(gate, "OnboardRole", TRUST, "", {})
    content = {
        "endpoint": "http://oss-cn-hangzhou-internal.aliyuncs.com",
        "bucket": "shop-orders",
        "regionId": REGION,
        "authType": "RamRole",
        "authIdentity": role.role_id,
    }
    with pytest.raises(errors.PermissionDenied) as caught:
        create_data_source(gate, WORKSPACE, "oss_src", "oss", Environment.DEV, content, "")
    error = caught.value
    assert "carol (creator) may not pass the role to DataWorks (ram:PassRole)" in str(error)
    assert error.persona is Persona.ADMINISTRATOR
    assert "add carol, or a group it is in, to the specification's grantees" in error.remedy
    assert error.subject == "data source oss_src (DEV)"
    assert calls_of(local, "CreateDataSource") == 1


def test_a_permanent_failure_of_the_server_is_not_repeated(local: RunningCloud) -> None:
    add_fault(local, action="GetRole", code="Forbidden.Not.Server", status=500, times=None)
    with pytest.raises(errors.Refused) as caught:
        read_role(gate_of(local))
    assert not isinstance(caught.value, errors.RetryableError)
    assert calls_of(local, "GetRole") == 1


def test_a_spent_daily_allowance_is_not_repeated(local: RunningCloud) -> None:
    add_fault(local, action="GetRole", code="Throttling.Api.Risk", status=429, times=None)
    with pytest.raises(errors.DailyAllowanceSpent):
        read_role(gate_of(local))
    assert calls_of(local, "GetRole") == 1


@pytest.mark.parametrize("write", [False, True], ids=["query", "with a document"])
def test_a_wrong_secret_is_refused_without_the_string_to_sign(local: RunningCloud, write: bool) -> None:
    wrong = IdentitySettings(
        access_key_id="LTAIlocalAlice", access_key_secret=SecretStr("not-the-secret-of-alice")
    )
    settings = settings_for(local, identities=Identities(default=wrong))
    gate = Gate(settings, REGION, LocalClock(local.cloud))
    with pytest.raises(errors.CredentialsRefused) as caught:
        create_role(gate) if write else read_role(gate)
    assert caught.value.code == "SignatureDoesNotMatch"
    told = everything_told(caught.value)
    for forbidden in ("to sign is", "x-acs-", MARK, "not-the-secret-of-alice", "LTAIlocalAlice"):
        assert forbidden not in told


def test_an_error_body_without_code_and_message_is_told_by_its_status(local: RunningCloud) -> None:
    answer(local, "GetRole", {"RequestId": "REQ-7"}, status=404)
    with pytest.raises(errors.NotFound) as caught:
        read_role(gate_of(local))
    assert "None" not in str(caught.value)
    assert caught.value.request_id == "REQ-7"


def test_a_malformed_document_is_an_invalid_request(local: RunningCloud) -> None:
    with pytest.raises(errors.InvalidRequest) as caught:
        create_ram_role(gate_of(local), "OnboardRole", json.dumps({"Version": "1"}), "", {})
    assert caught.value.code == "MalformedPolicyDocument"
    assert caught.value.persona is Persona.ADMINISTRATOR

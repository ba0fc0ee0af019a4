"""The controls under ``/_emulator/``."""

from __future__ import annotations

from typing import Any

import pytest
from alibabacloud_ram20150501 import models

from emulator.registry import ACTIONS
from emulator.server import RunningCloud
from tests.emulator.clients import TRUST_ACCOUNT, Key, assume, control, ram, refused


def _change(local: RunningCloud) -> None:
    ram(local).create_role(
        models.CreateRoleRequest(role_name="r1", assume_role_policy_document=TRUST_ACCOUNT)
    )


def test_health_tells_the_account_and_what_is_built(local: RunningCloud) -> None:
    reply = control(local, "GET", "health")
    assert reply.status == 200
    assert reply.json["result"] == {"ready": True, "account": "1234567890123456", "actions": len(ACTIONS)}


def test_saved_state_comes_back_equal_after_a_reset(local: RunningCloud) -> None:
    _change(local)
    control(local, "PATCH", "settings", {"rate_factor": 2})
    control(local, "POST", "clock", {"advance": 60})
    saved = control(local, "GET", "state").json["result"]
    control(local, "POST", "reset")
    assert "r1" not in control(local, "GET", "state").json["result"]["state"]["ram"]["roles"]
    assert control(local, "PUT", "state", saved).status == 200
    assert control(local, "GET", "state").json["result"] == saved
    role = ram(local).get_role(models.GetRoleRequest(role_name="r1")).body.role
    assert role.assume_role_policy_document == TRUST_ACCOUNT


def test_a_session_survives_saving_and_loading(local: RunningCloud) -> None:
    _change(local)
    ram(local).attach_policy_to_user(
        models.AttachPolicyToUserRequest(
            user_name="alice", policy_name="AliyunSTSAssumeRoleAccess", policy_type="System"
        )
    )
    session = assume(local, "r1")
    saved = control(local, "GET", "state").json["result"]
    control(local, "POST", "reset")
    control(local, "PUT", "state", saved)
    with refused("NoPermission"):  # the key is known again; the role has no policies
        ram(local, session).list_users(models.ListUsersRequest())


def test_reset_clears_changes_faults_journal_settings_and_clock(local: RunningCloud) -> None:
    _change(local)
    control(local, "PUT", "faults", [{"code": "InternalError"}])
    control(local, "PATCH", "settings", {"lowercase_role_arn": False})
    control(local, "POST", "clock", {"advance": 60})
    assert control(local, "POST", "reset").json == {"result": {"reset": True}}
    assert "r1" not in local.cloud.state.ram.roles
    assert control(local, "GET", "faults").json["result"] == []
    assert control(local, "GET", "journal").json["result"] == []
    assert control(local, "GET", "settings").json["result"]["lowercase_role_arn"] is True
    assert control(local, "GET", "clock").json["result"]["offset"] == 0


def test_the_journal_can_be_narrowed_to_writes_and_cleared(local: RunningCloud) -> None:
    _change(local)
    ram(local).list_users(models.ListUsersRequest())
    assert [one["action"] for one in control(local, "GET", "journal").json["result"]] == [
        "CreateRole",
        "ListUsers",
    ]
    writes = control(local, "GET", "journal?writes=true").json["result"]
    assert [one["action"] for one in writes] == ["CreateRole"]
    control(local, "DELETE", "journal")
    assert control(local, "GET", "journal").json["result"] == []


def test_the_clock_moves_forward(local: RunningCloud) -> None:
    before = control(local, "GET", "clock").json["result"]["now"]
    after = control(local, "POST", "clock", {"advance": 3600}).json["result"]
    assert after["offset"] == 3600
    assert after["now"] - before >= 3600


def test_settings_that_are_not_named_stay(local: RunningCloud) -> None:
    before = control(local, "GET", "settings").json["result"]
    after = control(local, "PATCH", "settings", {"throttling_status": 429}).json["result"]
    assert after == {**before, "throttling_status": 429}


@pytest.mark.parametrize(
    ("method", "name", "body", "words"),
    [
        ("POST", "clock", {"advance": -1}, "only moves forward"),
        ("POST", "clock", b'{"advance": NaN}', "only moves forward"),
        ("POST", "clock", {"advance": 1e18}, "year 9999"),
        ("POST", "clock", {"advance": "soon"}, "number of seconds"),
        ("POST", "clock", {}, "'advance'"),
        ("POST", "clock", [], "JSON object"),
        ("POST", "clock", b"{", "not JSON"),
        ("POST", "clock", b"[" * 100_000, "not JSON"),
        ("POST", "clock", b"\xff", "not JSON"),
        ("PATCH", "settings", {"no_such_setting": 1}, "no_such_setting"),
        ("PATCH", "settings", {"rate_factor": 0}, "rate_factor"),
        ("POST", "faults", {"effect": "explode"}, "effect"),
        ("POST", "faults", {"probability": 2}, "probability"),
        ("PUT", "faults", {"code": "x"}, "list"),
        ("PUT", "state", {}, "'state'"),
        ("PUT", "state", {"state": {"account_id": 5}}, "account_id"),
        ("PUT", "state", {"state": {}, "clock_offset": -5}, "offset"),
        ("PUT", "state", {"state": {}, "clock_offset": "x"}, "number"),
    ],
)
def test_bad_input_is_refused_with_its_place(
    local: RunningCloud, method: str, name: str, body: Any, words: str
) -> None:
    saved = local.cloud.save()
    reply = control(local, method, name, body)
    assert reply.status == 400
    assert words in reply.json["result"]["error"]
    assert local.cloud.save() == saved
    assert local.cloud.faults.rules == []


def test_a_state_that_does_not_fit_together_is_refused_without_its_secrets(local: RunningCloud) -> None:
    saved = local.cloud.save()
    saved["state"]["ram"]["users"]["alice"]["attachments"] = [{"policy": "no-such-policy"}]
    reply = control(local, "PUT", "state", saved)
    assert reply.status == 400
    assert "alice has the Custom policy no-such-policy, which does not exist" in reply.json["result"]["error"]
    assert b"local-secret" not in reply.body


@pytest.mark.parametrize(
    ("method", "name"), [("GET", "nothing"), ("POST", "health"), ("GET", "_json"), ("GET", "")]
)
def test_an_unknown_control_is_not_found(local: RunningCloud, method: str, name: str) -> None:
    assert control(local, method, name).status == 404


def test_controls_need_no_signature_but_actions_do(local: RunningCloud) -> None:
    assert control(local, "GET", "health").status == 200
    with refused("SignatureDoesNotMatch"):
        ram(local, Key("LTAIlocalAlice", "wrong")).list_users(models.ListUsersRequest())

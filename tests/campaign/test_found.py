"""Counter-examples that campaigns have found, each with as little trouble as shows it; mended ones stay without their mark."""

from __future__ import annotations

import pytest

from emulator.server import RunningCloud
from tests.campaign.drawing import Trouble
from tests.campaign.singles import Case, prove

CASE = Case("oss", "read", 10001, sessions=False)
SEED = 1
_EMPTY = {"status": 200, "content_type": "application/json", "body": '{"RequestId": "X"}'}


@pytest.mark.parametrize(
    "action",
    [
        "GetCallerIdentity",
        "GetRole",
        "GetProject",
        "GetFile",
        "SubmitFile",
        "DeployFile",
        "GetDeployment",
        "GetInstance",
    ],
)
def test_an_answer_that_holds_nothing_but_its_request_id_is_a_named_error(
    local: RunningCloud, action: str
) -> None:
    hollow = Trouble(rules=(("an empty answer", {"action": action, "when": "after", **_EMPTY}),))
    prove(local, CASE, [hollow], SEED)

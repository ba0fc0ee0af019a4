"""The flow on a real Prefect server: a plan, exactly that plan, a second run, and what is told."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cloud.gate import Gate
from emulator.server import RunningCloud
from flows.offboard import offboard_data_source
from tasks.connection import use_gate
from tests.clock import LocalClock
from tests.emulator.shop import Shop, oss_reader, task
from tests.flows.offboarded import Seen
from tests.settings import REGION, settings_per_persona
from tests.tasks.offboarding import standing
from tests.tasks.onboarding import Onboarding, add_fault, example


def single(local: RunningCloud, **parameters: Any) -> Seen:
    gate = Gate(settings_per_persona(local), REGION, LocalClock(local.cloud))
    with use_gate(gate):
        return Seen(offboard_data_source(example(), return_state=True, **parameters))


@pytest.mark.usefixtures("prefect_server")
def test_a_plan_then_exactly_this_plan_then_nothing_left_to_do(local: RunningCloud) -> None:
    first = standing(local.cloud, data=False)
    Onboarding(local).apply()
    before = len(local.cloud.journal.writes)

    planned = single(local)
    assert planned.endings == ["planned"]
    assert planned.report.plan is not None
    assert len(local.cloud.journal.writes) == before
    assert planned.report.plan.hash in str(planned.artifact("onboarding-offboarding-plan", "markdown").data)

    wrong = "-".join([*planned.report.plan.hash.split("-")[:2], "0" * 12])
    refused = single(local, mode="apply", approved_plan=wrong)
    assert refused.state.is_failed()
    assert "not the approved plan" in (refused.state.message or "")
    assert len(local.cloud.journal.writes) == before

    done = single(local, mode="apply", approved_plan=planned.report.plan.hash)
    assert done.state.is_completed()
    assert done.endings == ["removed"]
    assert standing(local.cloud, data=False) == first
    told = done.artifact("onboarding-offboarding-result", "result").data
    assert told == json.loads(json.dumps(done.report.to_json()))
    assert [step["number"] for step in told["rows"][0]["steps"]] == [1, 2]
    assert [step["number"] for step in told["shared"]] == [3, 4, 5]
    assert "removed" in str(done.artifact("onboarding-offboarding-10001", "markdown").data)

    again = single(local, mode="apply")
    assert again.endings == ["unchanged"]
    assert len(local.cloud.journal.writes) - before == sum(len(c.calls) for c in planned.report.plan.changes)


@pytest.mark.usefixtures("prefect_server")
def test_quarantine_then_removal(local: RunningCloud) -> None:
    first = standing(local.cloud, data=False)
    Onboarding(local).apply()
    assert single(local, mode="apply", quarantine=True).endings == ["quarantined"]
    assert single(local, mode="apply", quarantine=True).endings == ["unchanged"]
    assert single(local, mode="apply").endings == ["removed"]
    assert standing(local.cloud, data=False) == first


@pytest.mark.usefixtures("prefect_server")
def test_what_still_uses_it_fails_the_run_and_is_named(local: RunningCloud) -> None:
    Onboarding(local).apply()
    Shop(local).create_task(task(reader=oss_reader(datasource="oss_orders")), name="other_reader")
    before = standing(local.cloud)
    seen = single(local, mode="apply")
    assert seen.state.is_failed()
    assert seen.endings == ["refused"]
    assert seen.report.exit_code == 2
    (use,) = seen.report.to_json()["rows"][0]["uses"]
    assert (use["subject"], use["persona"]) == ("sync task other_reader", "developer")
    assert r"other\_reader" in str(seen.artifact("onboarding-offboarding-10001", "markdown").data)
    assert standing(local.cloud) == before


@pytest.mark.usefixtures("prefect_server")
@pytest.mark.parametrize(("action", "step"), [("DeleteRole", 4), ("DeleteBusiness", 5)])
def test_a_step_that_fails_is_told_and_the_next_run_goes_on(
    local: RunningCloud, action: str, step: int
) -> None:
    first = standing(local.cloud, data=False)
    Onboarding(local).apply()
    add_fault(local, action=action, status=403, code="Forbidden.Access", times=1)
    seen = single(local, mode="apply")
    assert seen.endings == ["failed"]
    assert seen.report.to_json()["rows"][0]["failure"]["step"] == step
    assert single(local, mode="apply").endings == ["removed"]
    assert standing(local.cloud, data=False) == first

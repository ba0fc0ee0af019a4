"""A file is onboarded by its schedule: nobody starts the run, a worker does it, the cloud and the report show it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from benchmarks.rows import make_rows, write_csv
from tests.flows.files import gate_of, persona_environment, plan_of, served, specs_of
from tests.flows.installations import BOTH, POOL, Installation, installation, until
from tests.flows.scale_worker import worker

pytestmark = [pytest.mark.servers, pytest.mark.timeout(300)]
ROWS = make_rows(6, roles=2)
_DEPLOYMENT = "onboard from CSV/bulk-onboard"
_AHEAD_SECONDS = 12
_RUN_SECONDS = 120.0


@pytest.fixture(scope="module", params=BOTH)
def installed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    with installation(request.param, tmp_path_factory.mktemp(request.param)) as running:
        yield running


def _schedule(begins: datetime, source: Path) -> dict[str, Any]:
    """Once a day from a moment on, with parameters of its own, as a person sets it in the browser."""
    every_day = {"interval": 86_400, "anchor_date": begins.isoformat(), "timezone": "UTC"}
    return {"schedule": every_day, "active": True, "parameters": {"source": str(source)}, "slug": "soon"}


def test_a_schedule_onboards_the_file_when_its_time_has_come(installed: Installation, tmp_path: Path) -> None:
    source = tmp_path / "nightly sources.csv"
    write_csv(ROWS, source)
    deployment = installed.deployment(_DEPLOYMENT)["id"]
    chosen = {"flow_runs": {"deployment_id": {"any_": [deployment]}}, "sort": "EXPECTED_START_TIME_ASC"}
    assert installed.ask("POST", "flow_runs/filter", chosen) == []
    with (
        served(ROWS) as cloud,
        worker(installed.server, POOL, tmp_path, settings=persona_environment(cloud)) as working,
    ):
        begins = datetime.now(timezone.utc) + timedelta(seconds=_AHEAD_SECONDS)
        # As a deploy of prefect.yaml does it. What is changed at a deployment is looked at within five seconds; a schedule
        # that is added beside it, within a minute only.
        installed.ask("PATCH", f"deployments/{deployment}", {"schedules": [_schedule(begins, source)]})
        found = installed.ask("GET", f"deployments/{deployment}/schedules")
        made = {one["slug"]: one for one in found}["soon"]

        def told() -> str:
            return working.log.read_text(encoding="utf-8")[-3000:]

        # Made by the server's scheduler, ahead of their time.
        until(lambda: bool(installed.ask("POST", "flow_runs/filter", chosen)), 60, told)
        first, *others = installed.ask("POST", "flow_runs/filter", chosen)
        assert first["auto_scheduled"]
        assert datetime.fromisoformat(first["expected_start_time"].replace("Z", "+00:00")) == begins
        assert first["created_by"]["id"] == made["id"]
        state = installed.ended(first["id"], _RUN_SECONDS, told)
        assert state["type"] == "COMPLETED", state["message"] + told()
        assert datetime.fromisoformat(state["timestamp"].replace("Z", "+00:00")) > begins
        assert {installed.state(one["id"])["type"] for one in others} <= {"SCHEDULED"}
        assert state["message"] == "All 6 data sources are onboarded"
        works = cloud.cloud.state.dataworks
        assert {row["name"] for row in ROWS} <= {one.name for one in works.data_sources}
        assert {one.status for one in works.instances.values()} == {"SUCCESS"}
        assert plan_of(gate_of(cloud), specs_of(ROWS)).changes == ()
    artifacts = installed.artifacts(first["id"])
    (rows,) = (data for key, data in artifacts.items() if key.startswith("onboarding-bulk-rows-"))
    assert {row["data source"]: row["outcome"] for row in json.loads(rows)} == {
        row["name"]: "created" for row in ROWS
    }
    (told_there,) = (
        data
        for key, data in artifacts.items()
        if key.startswith("onboarding-bulk-")
        and not key.startswith(("onboarding-bulk-rows-", "onboarding-bulk-progress-"))
    )
    assert "All 6 data sources are onboarded" in told_there

"""A file over several workers on PostgreSQL and Redis, one of which dies: nothing twice, nothing missing."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.rows import make_rows, write_csv
from cli.servers.scale import ScaleServer, missing, scale_server
from emulator.server import RunningCloud
from tests.flows.files import gate_of, persona_environment, plan_of, served, specs_of
from tests.flows.scale_worker import run_prefect, worker
from tests.flows.server import ROOT, plain_environment
from tests.tasks.onboarding import add_fault

_REASON = missing()
pytestmark = [
    pytest.mark.skipif(_REASON is not None, reason=_REASON or ""),
    pytest.mark.timeout(420),  # four servers, two workers, five flow runs in processes of their own
]
ROWS = make_rows(60, roles=4)
_SECONDS = 240.0


@pytest.fixture(scope="module")
def scale(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScaleServer]:
    with scale_server(tmp_path_factory.mktemp("shards")) as server:
        run_prefect(server, "work-pool", "create", "onboarding", "--type", "process")
        run_prefect(server, "deploy", "--name", "bulk-shard")
        yield server


def _until(happens: Callable[[], bool], seconds: float, what: str) -> None:
    ends = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < ends, f"{what}: not within {seconds:.0f} seconds"
        time.sleep(0.1)  # other processes have no clock to inject


@contextmanager
def _onboarding(
    scale: ScaleServer, folder: Path, settings: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """``onboard bulk`` over two shards, in a process of its own, which does not outlive the block."""
    command = [
        sys.executable,
        "-m",
        "cli",
        "bulk",
        str(folder / "rows.csv"),
        "--yes",
        "--json",
        "--shards",
        "2",
    ]
    environment = {**plain_environment(), **scale.environment, **settings}
    with (folder / "parent.json").open("w", encoding="utf-8") as out:
        parent = subprocess.Popen(command, env=environment, cwd=ROOT, stdout=out, start_new_session=True)
        try:
            yield parent
        finally:
            parent.kill()
            parent.wait()


def _started(cloud: RunningCloud) -> int:
    return sum(entry.action == "CreateDISyncTask" for entry in cloud.cloud.journal.entries)


def test_a_worker_that_dies_is_replaced_and_every_row_is_done_once(
    scale: ScaleServer, tmp_path: Path
) -> None:
    write_csv(ROWS, tmp_path / "rows.csv")
    with served(ROWS, advance_by="clock", deployment_steps=1, instance_steps=1) as cloud:
        settings = {
            **persona_environment(cloud),
            "ONBOARD_SHARD_SILENCE": "30",
            "ONBOARD_POLL_INTERVAL_INITIAL": "0.5",
        }
        with (
            worker(scale, "onboarding", tmp_path, name="one", limit=1, settings=settings),
            worker(scale, "onboarding", tmp_path, name="two", limit=1, settings=settings) as lost,
            _onboarding(scale, tmp_path, settings) as parent,
        ):
            _until(lambda: _started(cloud) > 0 and bool(lost.flow_runs()), _SECONDS, "the shards begin")
            lost.lose_machine()
            assert parent.wait(_SECONDS) == 0
        report = json.loads((tmp_path / "parent.json").read_text(encoding="utf-8"))
        assert report["counts"]["created"] == 60
        assert sorted(shard["attempts"] for shard in report["shards"]) == [1, 2]
        works = cloud.cloud.state.dataworks
        assert (
            Counter(one.name for one in works.data_sources if one.name != "odps_first").most_common(1)[0][1]
            == 1
        )
        assert len(works.files) == len(works.deployments) == len(works.instances) == 60
        assert {one.status for one in works.instances.values()} == {"SUCCESS"}
        assert plan_of(gate_of(cloud), specs_of(ROWS)).changes == ()


def test_rows_of_a_role_that_fails_are_blocked_and_the_others_are_done(
    scale: ScaleServer, tmp_path: Path
) -> None:
    write_csv(ROWS, tmp_path / "rows.csv")
    with served(ROWS, advance_by="clock", deployment_steps=1, instance_steps=1) as cloud:
        add_fault(cloud, action="CreateRole", times=1, status=400, code="InvalidParameter.Description.Length")
        settings = {**persona_environment(cloud), "ONBOARD_POLL_INTERVAL_INITIAL": "0.5"}
        with (
            worker(scale, "onboarding", tmp_path, name="three", limit=2, settings=settings),
            _onboarding(scale, tmp_path, settings) as parent,
        ):
            assert parent.wait(_SECONDS) == 1
        report = json.loads((tmp_path / "parent.json").read_text(encoding="utf-8"))
        assert report["counts"]["created"] == 45
        assert report["counts"]["blocked"] == 15
        works = cloud.cloud.state.dataworks
        assert len(works.files) == len(works.instances) == 45

"""Prefect on PostgreSQL and Redis, with real workers: what holds, and what happens when a worker dies."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
import redis
import yaml
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings

from cli.servers.processes import Command, running
from cli.servers.scale import EVENT_STREAM, ScaleServer, missing, scale_server
from emulator.server import RunningCloud
from tests.flows.scale_worker import run_prefect, worker
from tests.flows.server import ROOT, local_cloud_environment, plain_environment
from tests.tasks.onboarding import EXAMPLE

_REASON = missing()
pytestmark = [
    pytest.mark.skipif(_REASON is not None, reason=_REASON or ""),
    # Four servers start for the first test, and a lost machine shows only when its heartbeats stay out.
    pytest.mark.timeout(300),
]
_RUN_SECONDS = 90.0


@pytest.fixture(scope="module")
def scale(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ScaleServer]:
    """The module's server; this process's clients use it."""
    settings = {"PREFECT_SERVER_SERVICES_FOREMAN_LOOP_SECONDS": "1"}  # how often it looks for dead workers
    with (
        scale_server(tmp_path_factory.mktemp("scale"), settings) as server,
        temporary_settings({PREFECT_API_URL: server.api, PREFECT_HOME: server.home}),
    ):
        yield server


@pytest.fixture
def client(scale: ScaleServer) -> Iterator[SyncPrefectClient]:
    """A client of the module's server."""
    with get_client(sync_client=True) as client:
        yield client


def _until(happens: Callable[[], bool], seconds: float, what: Callable[[], str] = lambda: "") -> None:
    ends = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < ends, f"not within {seconds:.0f} seconds\n{what()}"
        time.sleep(0.2)  # other processes have no clock to inject


def _query(scale: ScaleServer, statement: str, *values: object) -> list[Any]:
    async def ask() -> list[Any]:
        connection = await asyncpg.connect(scale.database)
        try:
            return [row[0] for row in await connection.fetch(statement, *values)]
        finally:
            await connection.close()

    return asyncio.run(ask())


def _pool_that_holds(client: SyncPrefectClient, name: str) -> UUID:
    """A process work pool and a deployment on it whose runs wait for a file."""
    client.create_work_pool(WorkPoolCreate(name=name, type="process"))
    flow_id = client.create_flow_from_name("hold")
    return client.create_deployment(
        flow_id, name, work_pool_name=name, path=str(ROOT), entrypoint="tests/flows/scale_flow.py:hold"
    )


def _hold(client: SyncPrefectClient, deployment: UUID, folder: Path) -> UUID:
    parameters = {"folder": str(folder), "go": str(folder / "go")}
    return client.create_flow_run_from_deployment(deployment, parameters=parameters).id


def _state(client: SyncPrefectClient, flow_run: UUID) -> str:
    state = client.read_flow_run(flow_run).state
    return state.type.value if state is not None else ""


def _runs_on(folder: Path, flow_run: UUID) -> str:
    return (folder / str(flow_run)).read_text(encoding="ascii").split()[1]


def test_the_migrations_ran_on_postgresql(scale: ScaleServer) -> None:
    tables = _query(scale, "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
    assert {"flow_run", "task_run", "events"} <= set(tables)
    assert len(_query(scale, "SELECT version_num FROM alembic_version")) == 1


def test_a_worker_completes_the_deployment_of_prefect_yaml_and_its_events_travel_through_redis(
    scale: ScaleServer, client: SyncPrefectClient, local: RunningCloud, tmp_path: Path
) -> None:
    declared, *_ = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
    pool = declared["work_pool"]["name"]
    run_prefect(scale, "work-pool", "create", pool, "--type", "process")
    run_prefect(scale, "deploy", "--name", declared["name"])
    deployment = client.read_deployment_by_name(f"onboard data source/{declared['name']}")
    spec = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    run = client.create_flow_run_from_deployment(deployment.id, parameters={"spec": spec}).id
    with worker(scale, pool, tmp_path, settings=local_cloud_environment(local)) as worked:

        def told() -> str:
            return worked.log.read_text(encoding="utf-8")[-3000:]

        _until(lambda: _state(client, run) in {"COMPLETED", "FAILED", "CRASHED"}, _RUN_SECONDS, told)
        assert _state(client, run) == "COMPLETED", told()
    assert len(local.cloud.state.dataworks.instances) == 2
    # The API process has no services: what is in the database came through the stream to the other process.
    resource = f"prefect.flow-run.{run}"
    find = "SELECT event FROM events WHERE resource_id = $1"
    _until(lambda: "prefect.flow-run.Completed" in _query(scale, find, resource), 30)
    with redis.Redis.from_url(f"{scale.store}/0") as store:
        delivered = {group["name"]: group["last-delivered-id"] for group in store.xinfo_groups(EVENT_STREAM)}
    assert delivered[b"event-persister"] != b"0-0"


def test_two_workers_share_the_runs_of_a_pool_and_a_run_outlives_its_worker(
    scale: ScaleServer, client: SyncPrefectClient, tmp_path: Path
) -> None:
    deployment = _pool_that_holds(client, "shared")
    runs = [_hold(client, deployment, tmp_path) for _ in range(2)]
    with (
        worker(scale, "shared", tmp_path, name="one", limit=1) as killed,
        worker(scale, "shared", tmp_path, name="two", limit=1),
    ):
        _until(lambda: all((tmp_path / str(run)).exists() for run in runs), _RUN_SECONDS)
        assert {_runs_on(tmp_path, run) for run in runs} == {"one", "two"}
        killed.kill()
        assert len(killed.flow_runs()) == 1
        (tmp_path / "go").touch()
        _until(lambda: [_state(client, run) for run in runs] == ["COMPLETED"] * 2, _RUN_SECONDS)


def test_a_flow_run_lost_with_its_machine_stays_running_until_the_automation_of_the_docs_crashes_it(
    scale: ScaleServer, client: SyncPrefectClient, tmp_path: Path
) -> None:
    page = (ROOT / "docs" / "scale.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    (automation,) = [block for block in blocks if "posture: Proactive" in block]
    (tmp_path / "automation.yaml").write_text(automation, encoding="utf-8")
    run_prefect(scale, "automation", "create", "--from-file", str(tmp_path / "automation.yaml"))
    deployment = _pool_that_holds(client, "lost")
    often = {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30"}
    lost, well = _hold(client, deployment, tmp_path), _hold(client, deployment, tmp_path)
    with (
        worker(scale, "lost", tmp_path, name="one", limit=1, settings=often) as one,
        worker(scale, "lost", tmp_path, name="two", limit=1, settings=often) as two,
    ):
        _until(lambda: all((tmp_path / str(run)).exists() for run in (lost, well)), _RUN_SECONDS)
        machine, other = (one, two) if _runs_on(tmp_path, lost) == "one" else (two, one)
        machine.lose_machine()
        assert machine.flow_runs() == ()

        def status() -> dict[str, str]:
            return {
                found.name: str(found.status.value) for found in client.read_workers_for_work_pool("lost")
            }

        _until(lambda: status()[machine.name] == "OFFLINE", _RUN_SECONDS)
        assert status()[other.name] == "ONLINE"
        assert _state(client, lost) == "RUNNING"
        _until(lambda: _state(client, lost) == "CRASHED", _RUN_SECONDS)
        assert _state(client, well) == "RUNNING"
        (tmp_path / "go").touch()
        again = _hold(client, deployment, tmp_path)

        def told() -> str:
            states = {str(run): _state(client, run) for run in (lost, well, again)}
            return f"{states}\n{other.log.read_text(encoding='utf-8')[-3000:]}"

        _until(
            lambda: [_state(client, run) for run in (well, again)] == ["COMPLETED"] * 2, _RUN_SECONDS, told
        )
        assert _runs_on(tmp_path, again) == other.name


def test_no_server_process_complains(scale: ScaleServer) -> None:
    logs = [scale.home.parent / f"{name}.log" for name in ("prefect-api", "prefect-services", "redis")]
    told = [line for log in logs for line in log.read_text(encoding="utf-8").splitlines()]
    assert not [line for line in told if "| ERROR" in line or "Traceback" in line]


def test_the_addresses_with_their_passwords_are_in_no_repr_and_no_log(scale: ScaleServer) -> None:
    shown = repr(scale) + "".join(log.read_text(encoding="utf-8") for log in scale.home.parent.glob("*.log"))
    for address in (scale.database, scale.store):
        password = address.rpartition("@")[0].rpartition(":")[2]
        assert len(password) == 32
        assert password not in shown


def test_a_process_ends_with_its_block_also_when_the_block_fails(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match="on purpose"),
        running(Command(["sleep", "100"], {}, tmp_path / "log")) as process,
    ):
        raise ValueError("on purpose")
    assert process.returncode == -signal.SIGTERM


def test_a_process_ends_when_the_process_that_has_started_it_is_killed(tmp_path: Path) -> None:
    starts = (
        "import pathlib, sys, time\n"
        "from cli.servers.processes import Command, running\n"
        "with running(Command(['sleep', '100'], {}, pathlib.Path(sys.argv[1]))) as process:\n"
        "    print(process.pid, flush=True)\n"
        "    time.sleep(100)\n"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", starts, str(tmp_path / "log")],
        env=plain_environment(), cwd=ROOT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert starter.stdout is not None
    with starter.stdout as answer:
        started = int(answer.readline())
    starter.kill()
    starter.wait(10)

    def ended() -> bool:
        try:
            os.kill(started, 0)
        except ProcessLookupError:
            return True
        # Nobody may be there to collect it: a zombie has ended, too.
        return Path(f"/proc/{started}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] == "Z"

    _until(ended, 10)

"""The deployment for other systems on a real server, and its runs carried out by a thread of this process.

A worker would start a process for each run, which takes most of a test's time; what it adds is proved in test_server.py.
"""

from __future__ import annotations

import contextvars
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import ObjectAlreadyExists
from prefect.flow_engine import run_flow

from cloud.gate import Gate
from emulator.server import RunningCloud
from flows.onboard import onboard_data_source
from tasks.connection import use_gate
from tests.clock import LocalClock
from tests.flows.server import PrefectServer, plain_environment, stop
from tests.settings import REGION, settings_per_persona

POOL = "no-worker-ever"
_LOOK_SECONDS = 0.2
_START_SECONDS = 60.0
_END_SECONDS = 60.0


def deploy(
    client: SyncPrefectClient, name: str = "onboard-api", parameters: dict[str, Any] | None = None
) -> DeploymentResponse:
    """A deployment as a client makes it, in a work pool on which no worker looks."""
    with suppress(ObjectAlreadyExists):  # another module of this session was here first
        client.create_work_pool(WorkPoolCreate(name=POOL, type="process"))
    # Annotated: both are coroutines in an asynchronous caller only, which their types do not tell.
    declared: Any = onboard_data_source.to_deployment(name=name, parameters=parameters, work_pool_name=POOL)
    identifier: UUID = declared.apply(work_pool_name=POOL)
    return client.read_deployment(identifier)


@contextmanager
def carried_out(deployment: DeploymentResponse, local: RunningCloud) -> Iterator[None]:
    """While the block lasts, the deployment's runs that are due are carried out one after the other."""
    over = threading.Event()
    gate = Gate(settings_per_persona(local), REGION, LocalClock(local.cloud))

    def work() -> None:
        with get_client(sync_client=True) as client:
            while not over.wait(_LOOK_SECONDS):
                _carry_out(client, deployment.id)

    # A thread starts with an empty context, in which this process's settings would not be known.
    context = contextvars.copy_context()
    thread = threading.Thread(target=lambda: context.run(work), name="hands", daemon=True)
    with use_gate(gate):
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join(_END_SECONDS)
    assert not thread.is_alive(), "a run has not ended"


def _carry_out(client: SyncPrefectClient, deployment: UUID) -> None:
    due = client.read_flow_runs(
        deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment])),
        flow_run_filter=FlowRunFilter(
            state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.SCHEDULED]))
        ),
    )
    for flow_run in due:
        run_flow(onboard_data_source, flow_run=flow_run, return_type="state")


@contextmanager
def guarded_api(server: PrefectServer, password: str) -> Iterator[str]:
    """The API of a server once more, with a password; both use one database. The value is its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # Without a lifespan: migrations and background services are the first server's business.
    command = [sys.executable, "-m", "uvicorn", "--factory", "prefect.server.api.server:create_app"]
    command += ["--lifespan", "off", "--log-level", "critical", "--port", str(port)]
    environment = {
        **plain_environment(),
        "DO_NOT_TRACK": "1",
        "PREFECT_HOME": str(server.home),
        "PREFECT_SERVER_API_AUTH_STRING": password,
    }
    process = subprocess.Popen(
        command, env=environment, cwd=server.home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    address = f"http://127.0.0.1:{port}/api"
    ends = time.monotonic() + _START_SECONDS
    try:
        while not _answers(f"{address}/health"):
            assert process.poll() is None, "the guarded API has ended"
            assert time.monotonic() < ends, "the guarded API has not started"
            time.sleep(0.1)  # another process's start has no clock to inject
        yield address
    finally:
        stop(process)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).is_success
    except httpx.HTTPError:
        return False

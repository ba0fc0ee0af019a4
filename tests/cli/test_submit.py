"""``onboard submit`` against a real server: what it starts, what it says while it waits, and its exit codes."""

from __future__ import annotations

import contextvars
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock
from uuid import UUID, uuid4

import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.settings import (
    PREFECT_API_AUTH_STRING,
    PREFECT_API_URL,
    PREFECT_CLIENT_MAX_RETRIES,
    PREFECT_HOME,
    temporary_settings,
)
from prefect.states import Cancelled
from typer.testing import CliRunner, Result

from cli.main import app
from cli.submit import ServerLost, follow, submit
from config.load import load_spec
from emulator.server import RunningCloud
from tests.cli.commands import example_mapping, write_spec
from tests.flows.deployed import POOL, carried_out, deploy, guarded_api
from tests.flows.server import PrefectServer, plain_environment
from tests.flows.test_api import Shell, blocks
from tests.tasks.onboarding import Onboarding, example
from tests.tasks.plans import plan_of

pytestmark = pytest.mark.servers

_PAUSE_SECONDS = 60.0
DONE, FAILED, BAD_INPUT, NOT_APPROVED, STILL_RUNNING = 0, 1, 2, 3, 4


@pytest.fixture(scope="module")
def deployment(prefect_server: PrefectServer) -> Iterator[DeploymentResponse]:
    """``onboard-api`` on the session's server, which this process's clients use."""
    with (
        temporary_settings({PREFECT_API_URL: prefect_server.api, PREFECT_HOME: prefect_server.home}),
        get_client(sync_client=True) as client,
    ):
        yield deploy(client)


@pytest.fixture
def spec(tmp_path: Path) -> str:
    """A specification without a sync task."""
    return _short(tmp_path, "S_res_group_1001_1")


def _short(folder: Path, resource_group: str) -> str:
    mapping = {**example_mapping(), "resource_groups": [resource_group]}
    mapping.pop("sync_task")
    return write_spec(folder, mapping)


def _submit(*arguments: str) -> Result:
    with mock.patch.dict(os.environ, plain_environment(), clear=True):
        return CliRunner().invoke(app, ["submit", *arguments])


def _json(done: Result) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(done.stdout)
    return document


class FastClock:
    """Time that passes as soon as somebody waits; ``at`` calls something in that second."""

    def __init__(self, at: dict[int, Callable[[], None]] | None = None) -> None:
        self._seconds = 0.0
        self._at = at or {}

    def now(self) -> float:
        """Seconds since it was made."""
        return self._seconds

    def sleep(self, seconds: float) -> None:
        """Go on at once."""
        self._seconds += seconds
        self._at.pop(int(self._seconds), lambda: None)()


# -- to the end ----------------------------------------------------------------------------------------


def test_waiting_ends_with_the_report_and_a_second_run_writes_nothing(
    deployment: DeploymentResponse, local: RunningCloud, spec: str
) -> None:
    with carried_out(deployment, local):
        first = _submit(spec, "--wait")
        second = _submit(spec, "--wait", "--json")
    assert first.exit_code == DONE, first.output
    assert "oss_orders in workspace 10001" in first.stdout
    assert "created" in first.stdout
    assert "Completed: created: oss_orders in workspace 10001" in first.stdout
    assert second.exit_code == DONE, second.output
    assert _json(second)["created"] is True
    assert _json(second)["result"]["outcome"] == "unchanged"
    assert _json(second)["state"]["type"] == "COMPLETED"
    assert "Completed" in second.stderr


def test_a_blocked_run_is_told_as_apply_tells_it(
    deployment: DeploymentResponse, local: RunningCloud, tmp_path: Path
) -> None:
    with carried_out(deployment, local):
        done = _submit(_short(tmp_path, "S_res_group_none"), "--wait")
    assert done.exit_code == BAD_INPUT, done.output
    assert "Failed at before step 1" in done.stdout
    assert "can fix it" in done.stdout


# -- approval ------------------------------------------------------------------------------------------


def _paused(client: SyncPrefectClient, deployment: UUID) -> UUID:
    """The deployment's run that waits for an approval."""
    ends = time.monotonic() + _PAUSE_SECONDS
    wanted = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=[StateType.PAUSED])))
    while time.monotonic() < ends:
        for found in client.read_flow_runs(
            deployment_filter=DeploymentFilter(id=DeploymentFilterId(any_=[deployment])),
            flow_run_filter=wanted,
        ):
            return found.id
        time.sleep(0.2)  # a run on a real server has no clock to inject
    raise AssertionError("no run has paused")


@contextmanager
def _decided(shell: Shell, deployment: UUID, decision: str, plan_hash: str) -> Iterator[None]:
    """Somebody decides with the page's own call as soon as the deployment's run has paused."""
    call = blocks()["Approve a paused run"].replace("approve", decision)
    done: list[Any] = []

    def decide() -> None:
        with get_client(sync_client=True) as client:
            run = _paused(client, deployment)
        time.sleep(1.5)  # longer than a look of the command, which is to see the pause
        done.append(shell.run(blocks()[""], call, RUN=str(run), HASH=plan_hash))

    context = contextvars.copy_context()
    thread = threading.Thread(target=lambda: context.run(decide), name="somebody", daemon=True)
    thread.start()
    yield
    thread.join(_PAUSE_SECONDS)
    assert [one.returncode for one in done] == [0], done


@pytest.mark.parametrize(
    ("decision", "code", "told"),
    [
        ("approve", DONE, "Completed: created: oss_orders"),
        ("reject", NOT_APPROVED, "was rejected; nothing was written"),
    ],
)
def test_a_paused_run_is_told_with_how_to_approve_it(
    prefect_server: PrefectServer, deployment: DeploymentResponse, local: RunningCloud, tmp_path: Path,
    spec: str, decision: str, code: int, told: str,
) -> None:  # fmt: skip
    del deployment  # it has brought this process's clients to the server
    wanted = plan_of(Onboarding(local, example(sync_task=None, resource_groups=["S_res_group_1001_1"])))
    with get_client(sync_client=True) as client:
        four_eyes = deploy(client, "four-eyes", {"require_approval": True})
    shell = Shell(tmp_path, {"PREFECT_API_URL": prefect_server.api})
    with carried_out(four_eyes, local), _decided(shell, four_eyes.id, decision, wanted.hash):
        done = _submit(spec, "--wait", "--deployment", "four-eyes")
    assert done.exit_code == code, done.output
    assert "Paused: it waits for an approval" in done.stdout
    assert "press Resume" in done.stdout
    assert told in done.stdout
    assert bool(local.cloud.journal.writes) is (decision == "approve")


# -- keys ----------------------------------------------------------------------------------------------


def test_a_known_key_starts_nothing_and_the_command_says_so(
    deployment: DeploymentResponse, spec: str
) -> None:
    key = str(uuid4())
    first = _submit(spec, "--json", "--idempotency-key", key)
    second = _submit(spec, "--json", "--idempotency-key", key)
    assert (first.exit_code, second.exit_code) == (DONE, DONE)
    assert _json(second) == {**_json(first), "created": False, "state": _json(second)["state"]}
    run = _json(first)["flow_run_id"]
    assert f"run {run} already exists for this key" in second.stderr
    assert f"no worker of work pool {POOL} is online" in first.stderr
    assert _json(first)["url"].endswith(f"/runs/flow-run/{run}")
    _cancel(UUID(run))


def test_a_known_key_for_another_specification_is_an_error(
    deployment: DeploymentResponse, spec: str, tmp_path: Path
) -> None:
    key = str(uuid4())
    run = _json(_submit(spec, "--json", "--idempotency-key", key))["flow_run_id"]
    (tmp_path / "other").mkdir()
    done = _submit(write_spec(tmp_path / "other", name="others"), "--idempotency-key", key)
    assert done.exit_code == BAD_INPUT
    assert f"run {run} has this key already, for another specification" in done.stderr
    _cancel(UUID(run))


def test_without_a_key_every_command_starts_a_run_of_its_own(
    deployment: DeploymentResponse, spec: str
) -> None:
    started = [_json(_submit(spec, "--json")) for _ in range(2)]
    assert [one["created"] for one in started] == [True, True]
    assert len({one["flow_run_id"] for one in started}) == 2
    for one in started:
        _cancel(UUID(one["flow_run_id"]))


# -- waiting in vain -----------------------------------------------------------------------------------


def _cancel(run: UUID) -> None:
    with get_client(sync_client=True) as client:
        client.set_flow_run_state(run, Cancelled(message="not needed"), force=True)


def test_a_cancelled_run_is_told_and_ends_with_1(deployment: DeploymentResponse, spec: str) -> None:
    key = str(uuid4())
    _cancel(UUID(_json(_submit(spec, "--json", "--idempotency-key", key))["flow_run_id"]))
    done = _submit(spec, "--wait", "--idempotency-key", key)
    assert done.exit_code == FAILED
    assert "it is Cancelled; no second one was started" in done.stdout
    assert "the run has left no result; it ended as Cancelled: not needed" in done.stderr


def test_too_short_a_time_ends_with_4_and_how_to_come_back(deployment: DeploymentResponse, spec: str) -> None:
    done = _submit(spec, "--wait", "--timeout", "1")
    assert done.exit_code == STILL_RUNNING
    assert "not done within 1 s; the run goes on" in done.stdout
    key = done.stdout.rpartition("--idempotency-key ")[2].strip()
    again = _json(_submit(spec, "--json", "--idempotency-key", key))
    assert again["created"] is False
    _cancel(UUID(again["flow_run_id"]))


def test_a_run_that_no_worker_takes_is_told_after_some_seconds(
    deployment: DeploymentResponse, spec: str
) -> None:
    said: list[str] = []
    with get_client(sync_client=True) as client:
        found, submission = submit(client, load_spec(spec), "onboard-api", None)
        clock = FastClock({20: lambda: _cancel(submission.run.id)})
        assert follow(client, submission, found, said.append, clock, timeout=None)
    assert found.id == deployment.id
    assert f"  15.0 s  no worker of work pool {POOL} is online" in said[1]
    assert "Cancelled: not needed" in said[-1]


# -- refused before anything is started -----------------------------------------------------------------


def test_a_wrong_specification_is_refused_before_the_server_is_asked(tmp_path: Path) -> None:
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        done = _submit(write_spec(tmp_path, workspace="orders"), "--json")
    assert done.exit_code == BAD_INPUT
    assert [problem["path"] for problem in _json(done)["problems"]] == ["workspace"]


def test_an_unknown_deployment_is_refused_with_those_that_exist(
    deployment: DeploymentResponse, spec: str
) -> None:
    done = _submit(spec, "--deployment", "onboard-apj")
    assert done.exit_code == BAD_INPUT
    assert "no deployment 'onboard-apj'" in done.stderr
    assert deployment.name in done.stderr.partition("it has: ")[2]


def test_wrong_credentials_are_refused_right_ones_pass_and_a_lost_server_is_told(
    deployment: DeploymentResponse, prefect_server: PrefectServer, spec: str
) -> None:
    assert deployment.id
    right = {PREFECT_API_AUTH_STRING: "admin:right"}
    with ExitStack() as server:
        url = server.enter_context(guarded_api(prefect_server, "admin:right"))
        with temporary_settings({PREFECT_API_URL: url}):
            for wrong in ({}, {PREFECT_API_AUTH_STRING: "admin:wrong"}):
                with temporary_settings(wrong):
                    done = _submit(spec)
                assert done.exit_code == BAD_INPUT, done.output
                assert "refuses the credentials (401); set PREFECT_API_AUTH_STRING" in done.stderr
                assert "admin:wrong" not in done.output
            with temporary_settings(right), get_client(sync_client=True) as client:
                found, submission = submit(client, load_spec(spec), "onboard-api", None)
                assert submission.created
                server.close()
                with (
                    temporary_settings({PREFECT_CLIENT_MAX_RETRIES: 0}),
                    pytest.raises(ServerLost, match="does not answer"),
                ):
                    follow(client, submission, found, lambda line: None, FastClock(), timeout=None)
    _cancel(submission.run.id)


@pytest.mark.parametrize(
    ("url", "told"),
    [(None, "no Prefect server is configured"), ("unused", "no Prefect server answers at")],
    ids=["none configured", "none there"],
)
def test_a_missing_server_is_told(spec: str, url: str | None, told: str) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = url and f"http://127.0.0.1:{free.getsockname()[1]}/api"
        with temporary_settings({PREFECT_API_URL: address}):
            done = _submit(spec)
    assert done.exit_code == BAD_INPUT
    assert told in done.stderr

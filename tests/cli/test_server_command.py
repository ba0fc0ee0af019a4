"""``onboard server`` as a person starts it: everything answers, a worker onboards, Ctrl-C ends it, the next start goes on."""

from __future__ import annotations

import os
import re
import signal
import socket
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from cli.servers.processes import free_port
from cli.servers.scale import missing
from tests.cli.commands import onboard, read_until, started
from tests.flows.server import ROOT
from tests.tasks.onboarding import EXAMPLE

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.servers,
]  # each scenario starts all servers two or three times, on a machine that may be busy
_RUN_SECONDS = 120.0
_END_SECONDS = 10.0
_KILLED_SECONDS = 15.0
_REASON = missing()
_ENDED = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
_PERSON = {
    # What a person's shell may hold must not matter.
    "PREFECT_API_URL": "http://127.0.0.1:9/api",
    "PREFECT_SERVER_API_HOST": "0.0.0.0",  # noqa: S104  # it must not be obeyed
    "ONBOARD_LOCAL_CLOUD": "http://127.0.0.1:9",
    "HTTP_PROXY": "http://127.0.0.1:9",
}


class Started:
    """A running ``onboard server``: its process, the addresses it has printed, its folder."""

    def __init__(self, process: subprocess.Popen[str], folder: Path, said: str) -> None:
        self.process = process
        self.folder = folder
        self.said = said
        self.ui = _after("Prefect UI", said)
        self.cloud = _after("Local cloud", said)
        self._api = httpx.Client(base_url=f"{_after('Prefect API', said)}/", trust_env=False, timeout=30)

    def close(self) -> None:
        """Close the connections of :meth:`get` and :meth:`post`."""
        self._api.close()

    def get(self, path: str) -> Any:
        """A JSON answer of Prefect's API."""
        return self._api.get(path).raise_for_status().json()

    def post(self, path: str, content: object) -> Any:
        """As :meth:`get`, with a question."""
        found: list[httpx.Response] = []

        def answered() -> bool:
            found.append(self._api.post(path, json=content))
            # SQLite is locked by another write: Prefect's own clients ask again, too.
            return found[-1].status_code != httpx.codes.SERVICE_UNAVAILABLE

        _until(answered, 30)
        return found[-1].raise_for_status().json()

    def run(self, spec: Any) -> str:
        """Start the deployment ``onboard``; the id of the flow run."""
        deployment = self.get("deployments/name/onboard data source/onboard")["id"]
        created = self.post(f"deployments/{deployment}/create_flow_run", {"parameters": {"spec": spec}})
        return str(created["id"])

    def ended(self, flow_run: str) -> dict[str, Any]:
        """The final state of a flow run."""
        _until(lambda: self.get(f"flow_runs/{flow_run}")["state_type"] in _ENDED, _RUN_SECONDS)
        state: dict[str, Any] = self.get(f"flow_runs/{flow_run}")["state"]
        return state

    def end(self, signum: signal.Signals) -> tuple[str, str, float]:
        """Send the signal to the command alone: what it says to the end, its errors, and the seconds it takes."""
        began = time.monotonic()
        self.process.send_signal(signum)
        said, told = self.process.communicate(timeout=60)
        return said, told, time.monotonic() - began


@contextmanager
def server(folder: Path, *options: str) -> Iterator[Started]:
    """Start it on free ports and wait until it says that it is ready."""
    arguments = ("server", "--folder", str(folder), "--port", "0", "--cloud-port", "0", *options)
    with started(*arguments, environment=_PERSON) as process:
        running = Started(process, folder, read_until(process, "Ctrl-C ends all of it"))
        try:
            yield running
        finally:
            running.close()


def _after(name: str, said: str) -> str:
    found = re.search(rf"^ +{name} +(\S+)", said, re.MULTILINE)
    assert found, said
    return found.group(1)


def _until(happens: Callable[[], bool], seconds: float) -> None:
    ends = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < ends, f"not within {seconds:.0f} seconds"
        time.sleep(0.1)  # other processes have no clock to inject


def _left(folder: Path) -> list[str]:
    """Processes whose command line or environment names the folder, but this one."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            told = (entry / "cmdline").read_bytes() + b"\0" + (entry / "environ").read_bytes()
            state = (entry / "stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
        except OSError:
            continue  # ended meanwhile, or not ours
        # Nobody may be there to collect it: a zombie has ended, too.
        if str(folder).encode() in told and state != "Z" and int(entry.name) != os.getpid():
            found.append(told.replace(b"\0", b" ").decode(errors="replace")[:200])
    return found


def _spec() -> Any:
    return yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))


def _listening_elsewhere(ports: list[int]) -> list[str]:
    """Sockets that listen on one of the ports on another address than 127.0.0.1 (``/proc/net``: hexadecimal)."""
    lines = [
        line.split()
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text(encoding="ascii").splitlines()[1:]
    ]
    listening = [line[1].split(":") for line in lines if line[3] == "0A"]
    return [address for address, port in listening if int(port, 16) in ports and address != "0100007F"]


def _everything_is_there(running: Started) -> None:
    names = {one["name"] for one in running.post("deployments/filter", {})}
    declared = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
    assert {one["name"] for one in declared} == names
    blocks = {one["name"] for one in running.post("block_documents/filter", {})}
    assert {f"local-{persona}" for persona in ("administrator", "creator", "developer", "executor")} <= blocks
    pools = {one["name"] for one in running.post("work_pools/filter", {})}
    assert {one["work_pool"]["name"] for one in declared} == pools
    page = httpx.get(running.ui, trust_env=False, timeout=30, follow_redirects=True)
    assert "<html" in page.text
    settings = httpx.get(f"{running.ui}/ui-settings", trust_env=False, timeout=30).json()
    assert settings["api_url"] == f"{running.ui}/api"
    ports = [int(url.rpartition(":")[2]) for url in (running.ui, running.cloud)]
    assert _listening_elsewhere(ports) == []
    environment = running.folder / "environment.sh"
    assert stat.S_IMODE(environment.stat().st_mode) == 0o600


def _onboarded_by_a_worker(running: Started) -> str:
    flow_run = running.run(_spec())
    state = running.ended(flow_run)
    assert state["type"] == "COMPLETED", state
    assert state["message"].startswith("created: oss_orders in workspace 10001")
    return flow_run


def _nothing_new_for_the_same_specification(running: Started, earlier: str) -> None:
    assert running.get(f"flow_runs/{earlier}")["state"]["type"] == "COMPLETED"
    state = running.ended(running.run(_spec()))
    assert state["message"].startswith("unchanged: oss_orders in workspace 10001"), state


def _latency(running: Started, seconds: float) -> None:
    """How long the local cloud takes for an answer: a run then lasts long enough to be ended."""
    changed = {"answer_latency_seconds": seconds}
    httpx.patch(f"{running.cloud}/_emulator/settings", json=changed, trust_env=False).raise_for_status()


def _no_key_was_told(folder: Path, said: str) -> None:
    logs = "".join(log.read_text(encoding="utf-8") for log in (folder / "logs").glob("*.log"))
    assert logs
    assert "local-secret" not in logs + said


def test_what_was_done_survives_an_end_in_the_middle_of_a_run_and_nothing_survives_kill_9(
    tmp_path: Path,
) -> None:
    with server(tmp_path) as first:
        _everything_is_there(first)
        done = _onboarded_by_a_worker(first)
        other = onboard("server", "--folder", str(tmp_path), environment=_PERSON)
        assert (other.returncode, other.stdout) == (2, "")
        assert f"another `onboard server` runs in {tmp_path}" in other.stderr
        _latency(first, 1)
        under_way = first.run(_spec())
        _until(lambda: first.get(f"flow_runs/{under_way}")["state_type"] == "RUNNING", _RUN_SECONDS)
        said, told, seconds = first.end(signal.SIGTERM)
        assert (first.process.returncode, told) == (0, ""), said
        assert "1 flow run that had been under way marked as crashed" in said
        assert f"what was done stays in {tmp_path}" in said
        assert seconds < _END_SECONDS
        assert _left(tmp_path) == []
    with server(tmp_path) as second:
        assert "with what it knew" in second.said
        lost = second.get(f"flow_runs/{under_way}")["state"]
        assert lost["type"] == "CRASHED"
        assert "start it again to go on" in lost["message"]
        _latency(second, 0)
        _nothing_new_for_the_same_specification(second, done)
        script = (
            f'. {tmp_path}/environment.sh && echo "$PREFECT_API_URL" && '
            'curl -s --noproxy "*" "$ONBOARD_LOCAL_CLOUD/_emulator/health"'
        )
        shell = subprocess.run(
            ["/bin/sh", "-c", script], capture_output=True, text=True, check=True, timeout=30
        ).stdout
        assert f"{second.ui}/api" in shell
        assert '"ready":true' in shell.replace(" ", "")
        second.process.kill()
        second.process.communicate(timeout=10)
        _until(lambda: _left(tmp_path) == [], _KILLED_SECONDS)
    _no_key_was_told(tmp_path, first.said + second.said + said)


@pytest.mark.skipif(_REASON is not None, reason=_REASON or "")
def test_on_postgresql_and_redis_it_survives_too_and_a_part_that_dies_ends_all_of_it(
    reachable_folder: Path,
) -> None:
    folder = reachable_folder
    with server(folder, "--scale", "--workers", "1") as first:
        _everything_is_there(first)
        done = _onboarded_by_a_worker(first)
        said, told, seconds = first.end(signal.SIGINT)
        assert (first.process.returncode, told) == (0, ""), said
        assert seconds < _END_SECONDS
        assert _left(folder) == []
    with server(folder, "--scale", "--workers", "1") as second:
        _nothing_new_for_the_same_specification(second, done)
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                told = (entry / "cmdline").read_text(encoding="utf-8", errors="replace")
                mine = str(folder).encode() in (entry / "environ").read_bytes()
                if mine and "\0worker\0start\0" in told:
                    os.kill(int(entry.name), signal.SIGKILL)
        _, told = second.process.communicate(timeout=60)
        assert second.process.returncode == 1
        assert re.search(rf"worker-\S+ has ended by itself.*{folder}/logs/worker-\S+\.log", told)
        assert _left(folder) == []
    _no_key_was_told(folder, first.said + second.said)


@pytest.fixture
def reachable_folder() -> Iterator[Path]:
    """A folder that PostgreSQL's account can reach when the tests run as root: pytest's own are closed to it."""
    with tempfile.TemporaryDirectory(prefix="onboarding-server-") as name:
        Path(name).chmod(0o711)
        yield Path(name)


def test_ctrl_c_while_it_starts_leaves_nothing(tmp_path: Path) -> None:
    arguments = ("server", "--folder", str(tmp_path), "--port", "0", "--cloud-port", "0")
    with started(*arguments, environment=_PERSON) as process:
        said = read_until(process, "starting Prefect")
        assert "makes its database" in said
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        assert process.returncode == 130
        assert _left(tmp_path) == []


@pytest.mark.parametrize("option", ["--port", "--cloud-port"])
def test_a_port_in_use_is_said_before_anything_starts(tmp_path: Path, option: str) -> None:
    ports = {"--port": "0", "--cloud-port": "0"}
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ports[option] = str(taken.getsockname()[1])
        words = [word for pair in ports.items() for word in pair]
        done = onboard("server", "--folder", str(tmp_path), *words, environment=_PERSON)
    assert (done.returncode, done.stdout) == (2, "")
    assert f"error: port {ports[option]} is in use" in done.stderr
    assert f"choose another {option}" in done.stderr
    assert _left(tmp_path) == []


def test_one_port_for_both_is_refused(tmp_path: Path) -> None:
    port = str(free_port())
    done = onboard("server", "--folder", str(tmp_path), "--port", port, "--cloud-port", port)
    assert done.returncode == 2
    assert "asked for twice" in done.stderr


def test_a_broken_state_of_the_local_cloud_is_said_and_nothing_stays(tmp_path: Path) -> None:
    (tmp_path / "cloud.json").write_text("{", encoding="utf-8")
    done = onboard(
        "server", "--folder", str(tmp_path), "--port", "0", "--cloud-port", "0", environment=_PERSON
    )
    assert done.returncode == 2
    assert f"error: state file {tmp_path}/cloud.json: it is broken" in done.stderr
    assert "Traceback" not in done.stderr
    assert _left(tmp_path) == []


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = onboard("server", "--folder", str(tmp_path / "file"))
    assert done.returncode == 2
    assert "the folder cannot be used" in done.stderr

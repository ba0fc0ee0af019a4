"""The processes around a measured run: a Prefect server with the settings of ``docs/scale.md``, workers, and the run."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config.limits import Edition

ROOT = Path(__file__).resolve().parents[1]
HEADROOM = 0.98
"""``ONBOARD_RATE_HEADROOM`` of the measured runs, a choice: nobody else uses the account, so that two per cent is enough."""
POOL = "onboarding"
"""The work pool that prefect.yaml deploys to."""

_START_SECONDS = 90.0
_STOP_SECONDS = 10.0
_RUN_SECONDS = 3600.0
_TUNED = {
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "500",
}


class NotStarted(Exception):
    """A process that is needed did not come up in time; the end of its log says why."""


class RunFailed(Exception):
    """A measured process ended with an error; its standard error says which."""


@dataclass(frozen=True)
class Prefect:
    """A running Prefect server: its API, and a folder for the homes and logs of its clients."""

    api: str
    folder: Path

    def environment(self, client: str) -> dict[str, str]:
        """What makes a process use it; ``client`` names the process's own Prefect home."""
        return {
            **plain_environment(),
            "PREFECT_API_URL": self.api,
            "PREFECT_HOME": str(self.folder / client),
            "PREFECT_LOGGING_LEVEL": "WARNING",
        }

    def command(self, *arguments: str) -> None:
        """Run ``prefect`` with these arguments in the project's folder. Raises :class:`RunFailed`."""
        _finished([sys.executable, "-m", "prefect", "--no-prompt", *arguments], self.environment("command"))


def plain_environment() -> dict[str, str]:
    """This process's environment without what belongs to Prefect, this project, the vendor or a proxy."""
    ours = ("PREFECT_", "ONBOARD_", "ALIBABA_CLOUD_")
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(ours) and not name.lower().endswith("_proxy")
    }
    return {
        **kept,
        "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true",
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        # The pull step of prefect.yaml reads it; a shell sets it, make does not.
        "PWD": str(ROOT),
    }


def run_settings(edition: Edition = Edition.ENTERPRISE) -> dict[str, str]:
    """The settings of a measured run that are not the defaults."""
    return {"ONBOARD_EDITION": edition.value, "ONBOARD_RATE_HEADROOM": str(HEADROOM)}


@contextmanager
def prefect_server(folder: Path) -> Iterator[Prefect]:
    """A Prefect server on SQLite in a process of its own until the block ends. Raises :class:`NotStarted`."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    environment = {**plain_environment(), **_TUNED, "PREFECT_HOME": str(folder / "server")}
    api = f"http://127.0.0.1:{port}/api"
    with running([*command, "--no-ui"], environment, folder / "server.log") as process:
        ends = time.monotonic() + _START_SECONDS
        while not _healthy(api):
            if process.poll() is not None or time.monotonic() > ends:
                log = (folder / "server.log").read_text(encoding="utf-8")
                raise NotStarted(f"the Prefect server did not come up:\n{log[-2000:]}")
            time.sleep(0.2)
        yield Prefect(api, folder)


def _healthy(api: str) -> bool:
    try:
        with urllib.request.urlopen(f"{api}/health", timeout=5) as answer:  # noqa: S310  # our own loopback URL
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


@contextmanager
def workers(prefect: Prefect, count: int, settings: Mapping[str, str]) -> Iterator[None]:
    """The shards' deployment and ``count`` process workers of one run each, until the block ends.

    ``settings`` are environment variables that the workers' flow runs inherit. Raises :class:`RunFailed`.
    """
    prefect.command("work-pool", "create", POOL, "--type", "process")
    prefect.command("deploy", "--name", "bulk-shard")
    with ExitStack() as stack:
        for number in range(count):
            name = f"worker-{number + 1}"
            command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", POOL, "--name", name]
            environment = {
                **prefect.environment(name),
                **settings,
                "PREFECT_WORKER_QUERY_SECONDS": "1",
            }
            stack.enter_context(
                running([*command, "--limit", "1"], environment, prefect.folder / f"{name}.log")
            )
        yield


@contextmanager
def running(
    command: list[str], environment: Mapping[str, str], log: Path
) -> Iterator[subprocess.Popen[bytes]]:
    """A process in the project's folder until the block ends; it is ended with everything it has started."""
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603  # a fixed program
            command,
            env=dict(environment),
            cwd=ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            yield process
        finally:
            _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    for signum in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, signum)
        except ProcessLookupError:
            break
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            continue
    process.wait(_STOP_SECONDS)


def told_by(module: str, wanted: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """Run ``python -m module`` with ``wanted`` as its one JSON argument; returns the JSON on its last line of output.

    Raises :class:`RunFailed`.
    """
    printed = _finished([sys.executable, "-m", module, json.dumps(wanted)], environment)
    found: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return found


def _finished(command: list[str], environment: Mapping[str, str]) -> str:
    ended = subprocess.run(  # noqa: S603  # a fixed program
        command,
        env=dict(environment),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=_RUN_SECONDS,
        check=False,
    )
    if ended.returncode:
        raise RunFailed(f"{' '.join(command[1:4])} ended with {ended.returncode}:\n{ended.stderr[-2000:]}")
    return ended.stdout

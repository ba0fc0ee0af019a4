"""One real Prefect server for all tests of a session, and settings of a process that talks to a local cloud."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

import pytest

from emulator.server import RunningCloud

ROOT = Path(__file__).resolve().parents[2]
_START_SECONDS = 90.0
_STOP_SECONDS = 10.0
_QUIET = {"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
_PEOPLE = {"ADMINISTRATOR": "alice", "CREATOR": "carol", "DEVELOPER": "dave", "EXECUTOR": "erin"}


@dataclass(frozen=True)
class PrefectServer:
    """A running server: its API, and the home of clients that talk to it."""

    api: str
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        """What makes another process use it."""
        return {**_QUIET, "PREFECT_API_URL": self.api, "PREFECT_HOME": str(self.home)}


_KEY = pytest.StashKey[PrefectServer]()


def shared_server(config: pytest.Config) -> PrefectServer:
    """The session's server, started when it is first asked for and ended with the session."""
    if _KEY not in config.stash:
        config.stash[_KEY] = _start(config)
    return config.stash[_KEY]


def _start(config: pytest.Config) -> PrefectServer:
    folder = tempfile.TemporaryDirectory(prefix="onboarding-prefect-")
    config.add_cleanup(folder.cleanup)
    home = Path(folder.name)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    log = (home / "server.log").open("w", encoding="utf-8")
    config.add_cleanup(log.close)
    command = [
        sys.executable,
        "-m",
        "prefect",
        "server",
        "start",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--no-ui",
    ]
    environment = {**plain_environment(), **_QUIET, "PREFECT_HOME": str(home)}
    process = subprocess.Popen(
        command, env=environment, cwd=home, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
    )
    config.add_cleanup(lambda: stop(process))
    api = f"http://127.0.0.1:{port}/api"
    ends = time.monotonic() + _START_SECONDS
    while not _healthy(api):
        if process.poll() is not None or time.monotonic() > ends:
            raise RuntimeError(
                f"no Prefect server:\n{(home / 'server.log').read_text(encoding='utf-8')[-3000:]}"
            )
        time.sleep(0.2)  # another process's start has no clock to inject
    return PrefectServer(api, home)


def _healthy(api: str) -> bool:
    try:
        with urllib.request.urlopen(f"{api}/health", timeout=5) as answer:  # noqa: S310  # our own loopback URL
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def stop(process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    """End a process that was started with a session of its own, and everything it has started."""
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


def group_is_empty(process: subprocess.Popen[str], seconds: float = 10.0) -> bool:
    """Whether no process of its session is left, at the latest after ``seconds``."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        try:
            os.killpg(process.pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)  # other processes' end has no clock to inject
    return False


def plain_environment() -> dict[str, str]:
    """This process's environment without anything that belongs to Prefect, this project or the vendor."""
    ours = ("PREFECT_", "ONBOARD_", "ALIBABA_CLOUD_")
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith(ours)},
        "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true",
        "PYTHONPATH": str(ROOT),
        # A shell sets it, make and service managers do not; prefect.yaml's pull step reads it.
        "PWD": str(ROOT),
    }


def local_cloud_environment(local: RunningCloud, **people: str) -> dict[str, str]:
    """Settings of a process that onboards on a local cloud, looking often; ``people`` as upper-case personas."""
    environment = {
        "ONBOARD_LOCAL_CLOUD": local.url,
        "ONBOARD_EDITION": "enterprise",
        "ONBOARD_POLL_INTERVAL_INITIAL": "0.05",
        "ONBOARD_POLL_INTERVAL_MAXIMUM": "0.2",
    }
    for persona, user in {**_PEOPLE, **people}.items():
        environment[f"ONBOARD_IDENTITIES__{persona}__ACCESS_KEY_ID"] = f"LTAIlocal{user.capitalize()}"
        environment[f"ONBOARD_IDENTITIES__{persona}__ACCESS_KEY_SECRET"] = f"local-secret-{user}"
    return environment

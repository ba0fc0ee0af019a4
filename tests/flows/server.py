"""One real Prefect server for all tests of a session, and settings of a process that talks to a local cloud."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from cli.servers.prefect_server import QUIET, ROOT, PrefectServer, api_of, healthy, own_environment
from cli.servers.processes import free_port
from emulator.server import RunningCloud

__all__ = [
    "ROOT",
    "PrefectServer",
    "group_is_empty",
    "local_cloud_environment",
    "plain_environment",
    "shared_server",
    "stop",
]
_START_SECONDS = 90.0
_STOP_SECONDS = 10.0
_PEOPLE = {"ADMINISTRATOR": "alice", "CREATOR": "carol", "DEVELOPER": "dave", "EXECUTOR": "erin"}
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
    port = free_port()
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
    environment = {**plain_environment(), **QUIET, "PREFECT_HOME": str(home)}
    process = subprocess.Popen(
        command, env=environment, cwd=home, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
    )
    config.add_cleanup(lambda: stop(process))
    api = api_of(port)
    ends = time.monotonic() + _START_SECONDS
    while not healthy(api):
        if process.poll() is not None or time.monotonic() > ends:
            raise RuntimeError(
                f"no Prefect server:\n{(home / 'server.log').read_text(encoding='utf-8')[-3000:]}"
            )
        time.sleep(0.2)  # another process's start has no clock to inject
    return PrefectServer(api, home)


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
    return own_environment()


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

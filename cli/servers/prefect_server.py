"""A Prefect server on SQLite, and what servers of both kinds have in common."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx

from cli.servers.processes import LOOPBACK, Command, Group, wait_for

ROOT = Path(__file__).resolve().parents[2]
"""The checkout, with ``prefect.yaml``; an installed package has none."""
QUIET = {"DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
TUNED = {
    # Prefect's own values leave the server minutes behind after some thousands of task runs.
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "500",
}
"""Settings of all server processes, see ``docs/scale.md``."""
_LEASES = {
    # Kept in memory, the default, a slot that was taken before a restart is never given back (watched for 400 s with
    # 3.8.8); kept in files it is free again when its lease has run out.
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
}

_OURS = ("PREFECT_", "ONBOARD_", "ALIBABA_CLOUD_")
_ANSWER_SECONDS = 5


@dataclass(frozen=True)
class PrefectServer:
    """A running server: its API, and the home of clients that talk to it."""

    api: str
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        """What makes another process use it."""
        return {**QUIET, "PREFECT_API_URL": self.api, "PREFECT_HOME": str(self.home)}


def own_environment() -> dict[str, str]:
    """This process's environment without the person's settings and without proxies, which would capture loopback calls.

    ``PWD`` is the checkout: the pull step of ``prefect.yaml`` reads it.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(_OURS) and not name.lower().endswith("_proxy")
    }
    return {
        **kept,
        "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true",
        "PYTHONPATH": str(ROOT),
        "PYTHONUNBUFFERED": "1",  # a log is read while it is written
        "PWD": str(ROOT),
    }


def prefect(*arguments: str) -> list[str]:
    """The command line of Prefect's own command."""
    return [sys.executable, "-m", "prefect", "--no-prompt", *arguments]


def server_environment(home: Path, port: int, settings: Mapping[str, str]) -> dict[str, str]:
    """The environment of a server process whose files are in ``home`` and whose API is on a port of loopback."""
    return {
        **own_environment(),
        **QUIET,
        **TUNED,
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_API_HOST": LOOPBACK,
        "PREFECT_SERVER_API_PORT": str(port),
        "PREFECT_SERVER_UI_API_URL": api_of(
            port
        ),  # the browser's: it does not follow the port of a command line
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        **settings,
    }


def start_on_sqlite(
    servers: Group, folder: Path, home: Path, port: int, settings: Mapping[str, str]
) -> PrefectServer:
    """Start one process with API, UI and services on loopback; its database is in ``home``, its log in ``folder``.

    The first start makes the database, which takes ten to twenty seconds. Raises
    :class:`cli.servers.processes.StartFailed`.
    """
    log = folder / "prefect-server.log"
    arguments = prefect("server", "start", "--host", LOOPBACK, "--port", str(port))
    environment = server_environment(home, port, {**_LEASES, **settings})
    process = servers.start(Command(arguments, environment, log, cwd=home))
    api = api_of(port)
    wait_for("the Prefect server", lambda: healthy(api), process, log)
    return PrefectServer(api, home)


def api_of(port: int) -> str:
    """The address of the API on a port of loopback."""
    return f"http://{LOOPBACK}:{port}/api"


def healthy(api: str) -> bool:
    """Whether a Prefect API answers."""
    try:
        return (
            httpx.get(f"{api}/health", timeout=_ANSWER_SECONDS, trust_env=False).status_code == httpx.codes.OK
        )
    except httpx.TransportError:
        return False

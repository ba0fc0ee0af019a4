"""The processes around a measured run: a Prefect server with the settings of ``docs/scale.md``, workers, and the run."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.servers.prefect_server import QUIET, ROOT, own_environment, start_on_sqlite
from cli.servers.prefect_server import prefect as prefect_command
from cli.servers.processes import Command, free_port, group
from cli.servers.scale import missing, scale_server
from config.limits import Edition

HEADROOM = 0.98
"""``ONBOARD_RATE_HEADROOM`` of the measured runs, a choice: nobody else uses the account, so that two per cent is enough."""
POOL = "onboarding"
"""The work pool that prefect.yaml deploys to."""

_RUN_SECONDS = 3600.0


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
        _finished(prefect_command(*arguments), self.environment("command"))


def plain_environment() -> dict[str, str]:
    """This process's environment without what belongs to Prefect, this project, the vendor or a proxy."""
    return {**own_environment(), **QUIET}


def run_settings(edition: Edition = Edition.ENTERPRISE) -> dict[str, str]:
    """The settings of a measured run that are not the defaults."""
    return {"ONBOARD_EDITION": edition.value, "ONBOARD_RATE_HEADROOM": str(HEADROOM)}


@contextmanager
def prefect_server(folder: Path) -> Iterator[Prefect]:
    """A Prefect server on SQLite in a process of its own until the block ends.

    Raises :class:`cli.servers.processes.StartFailed`.
    """
    home = folder / "server"
    home.mkdir()
    with group() as servers:
        yield Prefect(start_on_sqlite(servers, folder, home, free_port(), {}).api, folder)


@contextmanager
def prefect_server_for_workers(folder: Path) -> Iterator[Prefect]:
    """A Prefect server on PostgreSQL and Redis, as several workers need it; on SQLite where these are not installed.

    SQLite has one writer at a time, and the states of two workers' task runs keep it busy. Raises
    :class:`cli.servers.processes.StartFailed`.
    """
    if missing() is not None:
        with prefect_server(folder) as prefect:
            yield prefect
        return
    with scale_server(folder / "server") as server:
        yield Prefect(server.api, folder)


@contextmanager
def workers(prefect: Prefect, count: int, settings: Mapping[str, str]) -> Iterator[None]:
    """The shards' deployment and ``count`` process workers of one run each, until the block ends.

    ``settings`` are environment variables that the workers' flow runs inherit. Raises :class:`RunFailed`.
    """
    prefect.command("work-pool", "create", POOL, "--type", "process")
    prefect.command("deploy", "--name", "bulk-shard")
    with group() as started:
        for number in range(count):
            name = f"worker-{number + 1}"
            arguments = prefect_command("worker", "start", "--pool", POOL, "--name", name, "--limit", "1")
            environment = {
                **prefect.environment(name),
                **settings,
                "PREFECT_WORKER_QUERY_SECONDS": "1",
            }
            started.start(Command(arguments, environment, prefect.folder / f"{name}.log", cwd=ROOT))
        yield


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

"""Real workers of a process work pool, which can be killed as a lost machine would take them."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cli.servers.marks import kill_marked, marked, new_mark
from cli.servers.prefect_server import ROOT, PrefectServer, prefect
from cli.servers.processes import STOP_SECONDS, running
from cli.servers.workers import worker_command
from tests.flows.server import plain_environment


@dataclass(frozen=True)
class Worker:
    """A worker. Its flow runs are processes of their own, each with a session of its own."""

    name: str
    log: Path
    _process: subprocess.Popen[bytes] = field(repr=False)
    _mark: Mapping[str, str] = field(repr=False)

    def kill(self) -> None:
        """``kill -9`` of the worker alone: the flow runs that it has started stay."""
        self._process.kill()
        self._process.wait(STOP_SECONDS)

    def lose_machine(self) -> None:
        """``kill -9`` of the worker and of every flow run that it has started, as when its machine is lost."""
        self.kill()
        kill_marked(self._mark)

    def flow_runs(self) -> tuple[int, ...]:
        """Process ids of the flow runs that it has started and that are still there."""
        return tuple(pid for pid in marked(self._mark) if pid != self._process.pid)


@contextlib.contextmanager
def worker(
    server: PrefectServer,
    pool: str,
    folder: Path,
    *,
    name: str = "worker",
    settings: Mapping[str, str] | None = None,
    limit: int | None = None,
    cwd: Path = ROOT,
) -> Iterator[Worker]:
    """A worker of ``pool`` that asks for work every second and runs ``limit`` flow runs at a time.

    ``folder`` gets its log; ``settings`` are further variables of its environment, which its flow runs inherit; it runs
    in ``cwd``. With the block end the worker and whatever it has started.
    """
    log = folder / f"{name}.log"
    mark = new_mark("SCALE_WORKER_MARK")
    often = {"PREFECT_WORKER_HEARTBEAT_SECONDS": "2"}
    command = worker_command(
        server, pool, name, log, {**often, **(settings or {}), **mark}, limit=limit, cwd=cwd
    )
    try:
        with running(command) as process:
            yield Worker(name, log, process, mark)
    finally:
        kill_marked(mark)


def run_prefect(server: PrefectServer, *arguments: str) -> None:
    """Run Prefect's own command against a server, in the project's folder; it must succeed."""
    done = subprocess.run(
        prefect(*arguments), env={**plain_environment(), **server.environment}, cwd=ROOT,
        capture_output=True, text=True, timeout=150, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr

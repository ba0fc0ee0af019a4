"""Real workers of a process work pool, which can be killed as a lost machine would take them."""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.flows.scale_processes import LOOK_SECONDS, STOP_SECONDS, end, running, without_proxies
from tests.flows.scale_server import prefect
from tests.flows.server import ROOT, PrefectServer, plain_environment

_MARK = "SCALE_WORKER_MARK"


@dataclass(frozen=True)
class Worker:
    """A worker. Its flow runs are processes of their own, each with a session of its own."""

    name: str
    log: Path
    _process: subprocess.Popen[bytes] = field(repr=False)
    _mark: str = field(repr=False)

    def kill(self) -> None:
        """``kill -9`` of the worker alone: the flow runs that it has started stay."""
        self._process.kill()
        self._process.wait(STOP_SECONDS)

    def lose_machine(self) -> None:
        """``kill -9`` of the worker and of every flow run that it has started, as when its machine is lost."""
        self.kill()
        _kill_marked(self._mark)

    def flow_runs(self) -> tuple[int, ...]:
        """Process ids of the flow runs that it has started and that are still there."""
        return tuple(pid for pid in _marked(self._mark) if pid != self._process.pid)


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
    mark = secrets.token_hex(16)
    environment = {
        **without_proxies(plain_environment()),
        **server.environment,
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PREFECT_WORKER_HEARTBEAT_SECONDS": "2",
        "PWD": str(cwd),
        **(settings or {}),
        _MARK: mark,
    }
    command = prefect("worker", "start", "--pool", pool, "--type", "process", "--name", name)
    if limit is not None:
        command += ["--limit", str(limit)]
    with running(command, environment, log, cwd=cwd) as process:
        try:
            yield Worker(name, log, process, mark)
        finally:
            end(process, signal.SIGTERM)
            _kill_marked(mark)


def _marked(mark: str) -> tuple[int, ...]:
    """Processes whose environment holds the mark: children inherit it, while session and parent change."""
    wanted = f"{_MARK}={mark}".encode("ascii")
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):  # ended meanwhile, or another user's
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
    return tuple(found)


def _kill_marked(mark: str) -> None:
    ends = time.monotonic() + STOP_SECONDS
    while (found := _marked(mark)) and time.monotonic() < ends:
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(LOOK_SECONDS)  # other processes' end has no clock to inject

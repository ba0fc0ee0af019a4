"""Processes that end with a ``with`` block, and with this process when it is killed; Linux only.

The kernel's parent-death signal ends them when no ``finally`` can. It is asked for with ``setpriv``, which also leaves
root behind: PostgreSQL refuses to run as root.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

START_SECONDS = 90.0
"""Longest wait for a process to answer or a command to end."""
STOP_SECONDS = 15.0
"""How long a process may take to end before it is killed."""
LOOK_SECONDS = 0.1
"""Pause between two looks at another process."""

_SERVICE_ACCOUNT = "postgres"  # made by Debian's package


def program(name: str) -> str | None:
    """The path of a program, PostgreSQL's newest server programs included, or None."""
    # Debian keeps the server's programs of each major version out of PATH.
    versions = sorted(
        Path("/usr/lib/postgresql").glob("[0-9]*/bin"), key=lambda found: int(found.parent.name)
    )
    path = os.pathsep.join([*map(str, reversed(versions)), os.environ.get("PATH", os.defpath)])
    return shutil.which(name, path=path)


def service_account() -> pwd.struct_passwd | None:
    """Who runs PostgreSQL and Redis: None is whoever runs the tests, unless that is root."""
    return pwd.getpwnam(_SERVICE_ACCOUNT) if os.geteuid() == 0 else None


def bare_environment() -> dict[str, str]:
    """An environment for programs that need none."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"}


def without_proxies(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without proxy variables: they would capture loopback calls."""
    return {name: value for name, value in environment.items() if not name.lower().endswith("_proxy")}


@contextlib.contextmanager
def running(
    command: Sequence[str],
    environment: Mapping[str, str],
    log: Path,
    *,
    signum: signal.Signals = signal.SIGTERM,
    written: str = "",
    cwd: Path = Path("/"),
    as_service: bool = False,
) -> Iterator[subprocess.Popen[bytes]]:
    """A process with a session of its own, ended with the block: asked with ``signum``, forced after 15 seconds.

    ``written`` is its standard input, ``log`` its output, ``as_service`` runs it as :func:`service_account`. Start it
    from the main thread: the kernel ends it with the thread that has started it.
    """
    with log.open("wb") as told:
        process = subprocess.Popen(
            [*_prefix(as_service, signum), *command], env=dict(environment), cwd=cwd, stdin=subprocess.PIPE,
            stdout=told, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        try:
            assert process.stdin is not None
            with process.stdin as pipe:
                pipe.write(written.encode("ascii"))
            yield process
        finally:
            end(process, signum)


def end(process: subprocess.Popen[bytes], signum: signal.Signals) -> None:
    """End a process of :func:`running`, if it is still there."""
    if process.poll() is not None:
        return
    process.send_signal(signum)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        # Its group, not it alone: it had no chance to end what it has started.
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(STOP_SECONDS)


def run(
    command: Sequence[str], environment: Mapping[str, str], log: Path, *, as_service: bool = False
) -> None:
    """Run a command to its end. Raises ``RuntimeError`` with the end of its output when it fails."""
    with log.open("wb") as told:
        done = subprocess.run(
            [*_prefix(as_service, signal.SIGTERM), *command], env=dict(environment), cwd="/",
            stdin=subprocess.DEVNULL, stdout=told, stderr=subprocess.STDOUT, timeout=START_SECONDS, check=False,
        )  # fmt: skip
    if done.returncode != 0:
        raise RuntimeError(f"{log.stem} failed:\n{_end_of(log)}")


def wait_for(what: str, ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a process answers. Raises ``RuntimeError`` when it ends before, or after 90 seconds."""
    ends = time.monotonic() + START_SECONDS
    while not ready():
        if process.poll() is not None or time.monotonic() > ends:
            raise RuntimeError(f"{what} did not start:\n{_end_of(log)}")
        time.sleep(LOOK_SECONDS)  # another process's start has no clock to inject


def free_port() -> int:
    """A port on loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _prefix(as_service: bool, signum: signal.Signals) -> list[str]:
    # One setpriv for both: the kernel forgets the parent-death signal when the user changes after it.
    prefix = [str(program("setpriv")), "--pdeathsig", signum.name.removeprefix("SIG")]
    account = service_account() if as_service else None
    if account is not None:
        prefix += [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
    return prefix


def _end_of(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-3000:]

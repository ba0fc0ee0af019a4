"""Processes that end with a ``with`` block, and with this process when it is killed.

On Linux the kernel's parent-death signal ends them when no ``finally`` can. It is asked for with ``setpriv``, which also
leaves root behind: PostgreSQL refuses to run as root. Elsewhere they end with the block only.
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
from dataclasses import dataclass
from pathlib import Path

LOOPBACK = "127.0.0.1"
START_SECONDS = 180.0
"""Longest wait for a process to answer or a command to end."""
STOP_SECONDS = 15.0
"""How long a process may take to end before it is killed, unless said otherwise."""
LOOK_SECONDS = 0.1
"""Pause between two looks at another process."""

_SERVICE_ACCOUNT = "postgres"  # made by Debian's package
_TOLD_CHARACTERS = 3000


class StartFailed(RuntimeError):
    """A process did not start, or a command failed: says which, with the path and the end of its log."""


@dataclass(frozen=True)
class Command:
    """What is started: its arguments, environment and log, the folder it runs in, and whose process it is.

    ``as_service`` runs it as :func:`service_account`; ``written`` is its standard input.
    """

    arguments: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    cwd: Path = Path("/")
    as_service: bool = False
    signum: signal.Signals = signal.SIGTERM
    written: str = ""


class Group:
    """Processes that are ended together: all are asked at once, and what has not ended in time is killed."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._started: list[tuple[subprocess.Popen[bytes], Command]] = []

    def start(self, command: Command, *, reads_output: bool = False) -> subprocess.Popen[bytes]:
        """Start a process with a session of its own.

        With ``reads_output`` its output is a pipe and its log has its errors. Call it from the main thread: the kernel
        ends the process with the thread that has started it.
        """
        with command.log.open("wb") as told:
            process = subprocess.Popen(  # noqa: S603  # this project's own commands, without a shell
                [*_prefix(command), *command.arguments], env=dict(command.environment), cwd=command.cwd,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE if reads_output else told,
                stderr=told if reads_output else subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip
        self._started.append((process, command))
        assert process.stdin is not None
        # It may have ended already: whoever waits for it says so.
        with contextlib.suppress(BrokenPipeError), process.stdin as pipe:
            pipe.write(command.written.encode("ascii"))
        return process

    def ended(self) -> Command | None:
        """The command of a process that has ended by itself, if there is one."""
        return next((command for process, command in self._started if process.poll() is not None), None)

    def end(self) -> None:
        """End them, if they are still there."""
        alive = [(process, command) for process, command in self._started if process.poll() is None]
        for process, command in alive:
            process.send_signal(command.signum)
        until = time.monotonic() + self._seconds
        for process, _ in alive:
            try:
                process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                # Its group, not it alone: it had no chance to end what it has started.
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(STOP_SECONDS)
        for process, _ in self._started:
            if process.stdout is not None:
                process.stdout.close()


@contextlib.contextmanager
def group(seconds: float = STOP_SECONDS) -> Iterator[Group]:
    """A group that ends with the block; its processes get ``seconds`` for it."""
    made = Group(seconds)
    try:
        yield made
    finally:
        made.end()


@contextlib.contextmanager
def running(command: Command) -> Iterator[subprocess.Popen[bytes]]:
    """One process, ended with the block."""
    with group() as alone:
        yield alone.start(command)


def run(*commands: Command) -> None:
    """Run commands at the same time, to their ends.

    Raises :class:`StartFailed` for the first that fails or takes longer than 180 seconds.
    """
    until = time.monotonic() + START_SECONDS
    with group(seconds=1.0) as together:
        for process, command in [(together.start(command), command) for command in commands]:
            try:
                code = process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                raise failed(command, f"took longer than {START_SECONDS:.0f} seconds") from None
            if code != 0:
                raise failed(command, f"failed with code {code}")


def wait_for(what: str, ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until a process answers. Raises :class:`StartFailed` when it ends before, or after 180 seconds."""
    ends = time.monotonic() + START_SECONDS
    while not ready():
        if process.poll() is not None or time.monotonic() > ends:
            raise StartFailed(f"{what} did not start; its log is {log}:\n{_end_of(log)}")
        time.sleep(LOOK_SECONDS)


def failed(command: Command, what: str) -> StartFailed:
    """The error that says what a command did, with the end of its log."""
    return StartFailed(f"{command.log.stem} {what}; its log is {command.log}:\n{_end_of(command.log)}")


def program(name: str) -> str | None:
    """The path of a program, PostgreSQL's newest server programs included, or None."""
    # Debian keeps the server's programs of each major version out of PATH.
    versions = sorted(
        Path("/usr/lib/postgresql").glob("[0-9]*/bin"), key=lambda found: int(found.parent.name)
    )
    path = os.pathsep.join([*map(str, reversed(versions)), os.environ.get("PATH", os.defpath)])
    return shutil.which(name, path=path)


def service_account() -> pwd.struct_passwd | None:
    """Who runs PostgreSQL and Redis: None is whoever runs this, unless that is root.

    Raises ``KeyError`` when root has no account ``postgres`` to give them to.
    """
    return pwd.getpwnam(_SERVICE_ACCOUNT) if os.geteuid() == 0 else None


def bare_environment() -> dict[str, str]:
    """An environment for programs that need none."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"}


def free_port() -> int:
    """A port on loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def is_free(port: int) -> bool:
    """Whether a server could listen on a port of loopback now."""
    with socket.socket() as probe:
        # As servers do: connections that were closed a moment ago do not hold a port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


def _prefix(command: Command) -> list[str]:
    setpriv = program("setpriv")
    if setpriv is None:
        return []
    # One setpriv for both: the kernel forgets the parent-death signal when the user changes after it.
    prefix = [setpriv, "--pdeathsig", command.signum.name.removeprefix("SIG")]
    account = service_account() if command.as_service else None
    if account is not None:
        prefix += [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
    return prefix


def _end_of(log: Path) -> str:
    return log.read_text(encoding="utf-8", errors="replace")[-_TOLD_CHARACTERS:]

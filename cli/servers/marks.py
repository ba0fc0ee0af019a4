"""Processes found by a mark in their environment, and a keeper that ends them when nobody else is left to do so.

Flow runs are processes with sessions of their own, and a worker that is killed leaves them behind. Children inherit the
environment, while session and parent change. Linux only: elsewhere no process is found.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

_LOOK_SECONDS = 0.1
_KILL_SECONDS = 15.0
_GRACE_SECONDS = 8.0  # what the parent-death signal has told to end may write its data first


def new_mark(variable: str) -> dict[str, str]:
    """The variable that marks a process and all it starts."""
    return {variable: secrets.token_hex(16)}


def marked(mark: Mapping[str, str]) -> tuple[int, ...]:
    """Ids of the processes that bear the mark, as far as this user may look."""
    wanted = _text(mark).encode("ascii")
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # ended meanwhile, or another user's
            if wanted in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return tuple(found)


def kill_marked(mark: Mapping[str, str]) -> None:
    """Kill whatever bears the mark, and what it has started meanwhile."""
    ends = time.monotonic() + _KILL_SECONDS
    while (found := marked(mark)) and time.monotonic() < ends:
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        time.sleep(_LOOK_SECONDS)


@contextlib.contextmanager
def kept(mark: Mapping[str, str]) -> Iterator[None]:
    """Let no marked process outlive this one, however it ends, by more than eight seconds."""
    keeper = subprocess.Popen(  # noqa: S603  # this module itself
        [sys.executable, "-m", "cli.servers.marks", _text(mark)],
        stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        cwd=Path(__file__).resolve().parents[2],
    )  # fmt: skip
    assert keeper.stdin is not None
    try:
        yield
    finally:
        kill_marked(mark)
        keeper.stdin.close()
        keeper.wait(_KILL_SECONDS)


def _text(mark: Mapping[str, str]) -> str:
    ((variable, value),) = mark.items()
    return f"{variable}={value}"


def main() -> None:
    """Wait until standard input ends, with the process that has started this one; then end what it has left."""
    variable, _, value = sys.argv[1].partition("=")
    mark = {variable: value}
    while os.read(sys.stdin.fileno(), 4096):
        pass
    ends = time.monotonic() + _GRACE_SECONDS
    while marked(mark) and time.monotonic() < ends:
        time.sleep(_LOOK_SECONDS)
    kill_marked(mark)


if __name__ == "__main__":
    main()

"""A local cloud in a process of its own that ends with the block, or with this process: on any system."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from cli.servers.processes import StartFailed

_STOP_SECONDS = 10


@contextmanager
def emulator_process(
    *arguments: str, seconds: float, cwd: str | None = None
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Start ``python -m emulator`` on a free port; yields its process id and what it announces (URL and keys).

    Raises :class:`cli.servers.processes.StartFailed` when it has not announced itself within
    ``seconds``.
    """
    command = [sys.executable, "-m", "emulator", "--port", "0", "--json", "--until-stdin-closes", *arguments]
    # A session of its own: Ctrl-C ends this program, and this program ends the local cloud, in this order.
    process = subprocess.Popen(  # noqa: S603  # a fixed program
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=cwd, start_new_session=True
    )
    assert process.stdin is not None
    assert process.stdout is not None
    late = threading.Timer(seconds, process.kill)
    late.start()
    try:
        line = process.stdout.readline()
        late.cancel()
        if not line:
            code = process.wait(_STOP_SECONDS)
            raise StartFailed(f"the local cloud did not start: it ended with code {code}")
        yield process.pid, json.loads(line)
    finally:
        late.cancel()
        process.stdin.close()  # it stops when its standard input ends
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(_STOP_SECONDS)
        process.stdout.close()

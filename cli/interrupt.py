"""Ctrl-C while a flow runs in this process.

Prefect runs tasks in threads and waits for them at the end of a flow, so that an interrupt would last as long as the
longest wait of a task, up to an hour. Waiting tasks are told to stop instead; what still runs after a short time, such
as a call that is being answered, is ended with the process.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from cloud.clock import StoppableClock

__all__ = ["EXIT_INTERRUPTED", "StoppableClock", "interruptible"]

EXIT_INTERRUPTED = 130
_GRACE_SECONDS = 5.0


@contextmanager
def interruptible(clock: StoppableClock) -> Iterator[None]:
    """Let Ctrl-C or SIGTERM end the block within seconds, whatever its threads wait for. For the main thread only."""
    over = threading.Event()

    def watch() -> None:
        if not over.wait(_GRACE_SECONDS):
            _end_process()

    def interrupt(signum: int, frame: FrameType | None) -> None:
        del signum, frame
        clock.stop()
        threading.Thread(target=watch, name="interrupt", daemon=True).start()
        raise KeyboardInterrupt

    # SIGTERM, a supervisor's way to say the same, would otherwise leave the temporary Prefect server behind.
    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        over.set()
        for number, handler in before.items():
            signal.signal(number, handler)


def _end_process() -> None:
    """End this process and the temporary Prefect server it may have started; nothing is unwound."""
    from prefect.server.api.server import SubprocessASGIServer

    SubprocessASGIServer().stop()
    print("interrupted while a call was being answered; apply again to go on", file=sys.stderr, flush=True)
    os._exit(EXIT_INTERRUPTED)

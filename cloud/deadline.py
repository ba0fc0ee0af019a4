"""A total deadline for a blocking call.

The SDK's timeouts hold for each read of a socket: an answer that drips one byte a second never ends. The call runs
in a thread of its own; when the deadline passes, the thread is left behind (it is a daemon) and the caller goes on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class DeadlinePassed(Exception):
    """The call did not end in time; whether it was carried out is not known."""


class _Outcome(Generic[T]):
    value: T
    error: BaseException | None = None


def within(seconds: float, call: Callable[[], T]) -> T:
    """The result of ``call``, or its exception, within ``seconds``. Raises :class:`DeadlinePassed`."""
    outcome: _Outcome[T] = _Outcome()
    ended = threading.Event()

    def run() -> None:
        try:
            outcome.value = call()
        except BaseException as error:  # noqa: BLE001  # handed to the waiting thread, which raises it
            outcome.error = error
        finally:
            ended.set()

    threading.Thread(target=run, name="cloud-call", daemon=True).start()
    if not ended.wait(seconds):
        raise DeadlinePassed(f"no answer within {seconds:g} s")
    if outcome.error is not None:
        raise outcome.error
    return outcome.value

"""Writes that may have been carried out although their answer was lost.

Almost no action takes a client token, so an ambiguous failure is resolved by looking, never by repeating blindly.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import tenacity

from cloud.errors import AlreadyExists, OutcomeUnknown, TemporaryFailure
from cloud.gate import Gate

T = TypeVar("T")
_AMBIGUOUS = (OutcomeUnknown, TemporaryFailure)


def write_once(gate: Gate, act: Callable[[], object], look_up: Callable[[], T | None]) -> T:
    """Carry out ``act`` and return what ``look_up`` then finds.

    ``look_up`` returns the wanted state, or None while it is not there. After an ambiguous failure, or when the
    object already exists, it is asked first; only when it finds nothing is ``act`` repeated.
    A write that succeeded is looked for until the retry budget is spent, because lists may be stale.
    Raises what ``act`` raised last, or :class:`OutcomeUnknown` when success cannot be seen.
    """
    settings = gate.settings
    done = False
    for attempt in tenacity.Retrying(
        sleep=gate.clock.sleep,
        stop=tenacity.stop_after_attempt(settings.retry_attempts),
        wait=tenacity.wait_random_exponential(
            multiplier=settings.retry_wait_initial, max=settings.retry_wait_maximum
        ),
        retry=tenacity.retry_if_exception_type((*_AMBIGUOUS, AlreadyExists)),
        reraise=True,
    ):
        with attempt:
            try:
                if not done:
                    act()
                    done = True
            except (*_AMBIGUOUS, AlreadyExists):
                found = look_up()
                if found is None:
                    raise
                return found
            found = look_up()
            if found is None:
                raise OutcomeUnknown("the change was accepted but cannot be seen yet")
            return found
    raise AssertionError("tenacity ends with a value or an exception")

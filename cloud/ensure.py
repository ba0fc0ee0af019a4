"""Writes that may have been carried out although their answer was lost.

Almost no action takes a client token, so an ambiguous failure is resolved by looking, never by repeating blindly.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import tenacity

from cloud.errors import AlreadyExists, CallError, OutcomeUnknown, Refused, TemporaryFailure
from cloud.gate import Gate

T = TypeVar("T")
_AMBIGUOUS = (OutcomeUnknown, TemporaryFailure)
LOOKS = 5  # before something is started again that nothing prevents from being started twice


def write_once(
    gate: Gate, act: Callable[[], object], look_up: Callable[[], T | None], *, subject: str, looks: int = 1
) -> T:
    """Carry out ``act`` and return what ``look_up`` then finds.

    ``look_up`` returns the wanted state, or None while it is not there. After an ambiguous failure, or when the
    object already exists, it is asked first; only when it finds nothing is ``act`` repeated. Where nothing but the
    look prevents a second object, ``looks`` says how often it is asked before that, ``poll_interval_initial``
    seconds apart, because a list may not show at once what was made. A repeat that is refused is followed by such
    looks too: not every action has a documented code for "exists already".
    A write that succeeded is looked for until the retry budget is spent, because lists may be stale.
    Raises what ``act`` raised last, or :class:`OutcomeUnknown` when success cannot be seen.
    """
    settings = gate.settings
    accepted = False
    doubt: CallError | None = None  # why it is not known whether the last try was carried out
    repeated = False
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
            # A doubt that a failed look left behind must be settled before anything is repeated.
            if not accepted and doubt is None:
                try:
                    act()
                    accepted = True
                except (*_AMBIGUOUS, AlreadyExists) as error:
                    doubt = error
                except Refused as error:
                    if not repeated:
                        raise
                    doubt, looks = error, LOOKS  # perhaps it is a duplicate that no list shows yet
            found = _look(gate, look_up, 1 if accepted else looks)
            if found is not None:
                return found
            if doubt is None:
                raise OutcomeUnknown(
                    "the change was accepted but cannot be seen yet",
                    subject=subject,
                    remedy="apply again; what was done is found and not repeated",
                )
            unresolved = doubt
            if not isinstance(doubt, AlreadyExists):
                doubt, repeated = None, True  # it is not there, so it may be repeated
            raise unresolved
    raise AssertionError("tenacity ends with a value or an exception")


def _look(gate: Gate, look_up: Callable[[], T | None], looks: int) -> T | None:
    found = look_up()
    for _ in range(looks - 1):
        if found is not None:
            return found
        gate.clock.sleep(gate.settings.poll_interval_initial)
        found = look_up()
    return found

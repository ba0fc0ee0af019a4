"""Waiting for something to become true, visibly and for a bounded time."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from cloud.errors import OnboardingError, TimedOut
from cloud.gate import Gate
from config.personas import Persona

T = TypeVar("T")
Announce = Callable[[str], None]


def poll(
    gate: Gate,
    look: Callable[[], T],
    done: Callable[[T], bool],
    *,
    what: str,
    subject: str,
    timeout: float,
    announce: Announce,
    describe: Callable[[T], str] = str,
    persona: Persona | None = None,
    remedy: str = "",
    paced: bool = False,
) -> T:
    """Look until ``done``; the pause grows from the initial to the maximum poll interval (seconds).

    ``paced``: ``look`` waits for its turn by itself where onboardings share their looks, so that no pause is added.
    ``announce`` receives one line per changed description. Raises :class:`TimedOut` after ``timeout`` seconds.
    """
    settings = gate.settings
    started = gate.clock.now()
    pause = settings.poll_interval_initial
    last = ""
    while True:
        seen = look()
        if done(seen):
            return seen
        waited = gate.clock.now() - started
        description = describe(seen)
        if description != last:
            announce(f"{what}: {description} ({waited:.0f} s of {timeout:.0f} s)")
            last = description
        if waited >= timeout:
            raise TimedOut(
                f"{what}: still {description} after {waited:.0f} s",
                subject=subject,
                persona=persona,
                remedy=remedy
                or "look into the console, then apply again; what was done is found and not repeated",
            )
        if paced and gate.shared is not None:
            continue
        gate.clock.sleep(min(pause, max(0.0, timeout - waited)))
        pause = min(pause * 1.5, settings.poll_interval_maximum)


def until_effective(
    gate: Gate,
    act: Callable[[], T],
    *,
    refusals: tuple[type[OnboardingError], ...],
    changed_at: float,
    what: str,
    announce: Announce,
) -> T:
    """Carry out ``act``; a refusal within the propagation time of a change is "not yet effective", not final.

    ``changed_at`` (seconds since the epoch) is when the role, trust or grant was last changed, as the cloud tells;
    ``settings.propagation_timeout`` (seconds) bounds the wait, also when the cloud's clock is ahead of this
    machine's. Raises the last refusal.
    """
    settings = gate.settings
    started = gate.clock.now()
    pause = settings.poll_interval_initial
    while True:
        try:
            return act()
        except refusals:
            now = gate.clock.now()
            elapsed = max(now - started, now - changed_at)
            if elapsed >= settings.propagation_timeout:
                raise
            announce(f"{what} not yet effective, {elapsed:.0f} s of {settings.propagation_timeout:.0f} s")
            gate.clock.sleep(min(pause, settings.propagation_timeout - elapsed + 0.001))
            pause = min(pause * 1.5, settings.poll_interval_maximum)

"""Client-side rate limits: never more calls in a window than the published rate, less a headroom.

The vendor counts calls per account in windows of one second; a token bucket with a burst would pass the limit at
a window's edge, so the last calls' times are kept instead. Rates and groups: :mod:`config.limits`.
"""

from __future__ import annotations

import threading
from collections import deque

from cloud.clock import Clock
from config.limits import Edition, rate_group, rate_limit


class RateLimits:
    """One account's rate groups; safe to use from threads. ``headroom`` is the used share of a rate (0 to 1)."""

    def __init__(self, edition: Edition, headroom: float, clock: Clock) -> None:
        self._edition = edition
        self._headroom = headroom
        self._clock = clock
        self._lock = threading.Lock()
        self._calls: dict[str, deque[float]] = {}

    def acquire(self, product: str, action: str) -> float:
        """Wait until a call may be made and count it; returns the seconds waited."""
        group = rate_group(product, action, self._edition)
        limit = rate_limit(product, action, self._edition)
        share = limit.calls * self._headroom
        allowed = max(1, int(share))
        # A share below one call is one call in a longer window.
        window = limit.seconds * max(1.0, allowed / share)
        waited = 0.0
        while True:
            with self._lock:
                calls = self._calls.setdefault(group, deque())
                now = self._clock.now()
                while calls and calls[0] <= now - window:
                    calls.popleft()
                if len(calls) < allowed:
                    calls.append(now)
                    return waited
                pause = calls[0] + window - now
            # Outside the lock: other groups must not wait for this one.
            self._clock.sleep(pause)
            waited += pause

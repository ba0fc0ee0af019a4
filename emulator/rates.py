"""Published call rates, enforced: a window of one second per group, and DataWorks' daily allowance.

Source: vendor's pages ``api-ram-2015-05-01-quota``, ``api-sts-2015-04-01-quota`` and "Use DataWorks OpenAPI".
The numbers are :mod:`config.limits`'; failed calls count, as the vendor says.
"""

from __future__ import annotations

from collections.abc import Callable

from config.limits import Edition, RateLimit, daily_calls, rate_group
from config.scheduler import scheduler_time
from emulator.clock import Clock
from emulator.errors import ApiError
from emulator.settings import EmulatorSettings


class RateLimiter:
    """Counters of the current window of each group."""

    def __init__(self, limit_of: Callable[[str, str, Edition], RateLimit]) -> None:
        self._limit_of = limit_of
        self._windows: dict[str, tuple[int, int]] = {}
        self._today: tuple[int, int] = (0, 0)

    def count(self, clock: Clock, settings: EmulatorSettings, product: str, action: str) -> None:
        """Count a call. Raises ``Throttling.*`` when it is one too many."""
        if not settings.enforce_rates:
            return
        now = clock.now()
        if product == "dataworks":
            self._count_day(now, settings)
        limit = self._limit_of(product, action, settings.edition)
        group = rate_group(product, action, settings.edition)
        window = int(now / limit.seconds)
        seen, calls = self._windows.get(group, (window, 0))
        calls = calls + 1 if seen == window else 1
        self._windows[group] = (window, calls)
        if calls > limit.calls * settings.rate_factor:
            wait_ms = int(((window + 1) * limit.seconds - now) * 1000) + 1
            headers = {"x-acs-retry-after": str(wait_ms)} if settings.retry_after_header else {}
            if product == "dataworks":
                raise ApiError("Throttling.User", status=429, headers=headers)
            raise ApiError(
                "Throttling.User",
                "Request was denied due to user flow control.",
                status=settings.throttling_status,
                headers=headers,
            )

    def _count_day(self, now: float, settings: EmulatorSettings) -> None:
        allowance = daily_calls(settings.edition)
        day = scheduler_time(now).toordinal()  # where the vendor's day begins is not documented
        seen, calls = self._today
        calls = calls + 1 if seen == day else 1
        self._today = (day, calls)
        if allowance is not None and calls > allowance:
            raise ApiError("Throttling.Api.Risk", status=429)

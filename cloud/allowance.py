"""The DataWorks calls of a day: counted before they are made, because refused ones count too.

Source: vendor's page "Use DataWorks OpenAPI": the Basic edition has 100 calls a day and account, failed ones
included; one more answers 429 Throttling.Api.Risk until the next day. The page does not say where a day begins:
midnight of the scheduler's zone (:mod:`config.scheduler`) is assumed.
"""

from __future__ import annotations

import threading
from datetime import date, datetime, time, timedelta

from cloud.clock import Clock
from cloud.errors import DailyAllowanceSpent
from config.personas import Persona
from config.scheduler import SCHEDULER_ZONE, scheduler_time

# A refusal so soon after midnight may be of the day before: calls take time, and the clocks are not the same.
_AFTER_MIDNIGHT_SECONDS = 300


class DailyAllowance:
    """What is left of today's DataWorks calls; safe to use from threads.

    ``limit`` is the number of calls a day (None: no limit is known), ``used`` how many others have made today before
    this began; what others make meanwhile is not known here, and the service's own refusal ends the day, see
    :meth:`refused`. ``reserve`` calls are not promised to new work by :meth:`fits`, for repeats and longer waits of
    the work that has begun; :meth:`take` gives them out.
    """

    def __init__(self, limit: int | None, clock: Clock, reserve: int = 0, *, used: int = 0) -> None:
        self.limit = limit
        self.reserve = reserve
        self._clock = clock
        self._lock = threading.Lock()
        self._day = self._today()
        self._used = used
        self._refused = False

    @property
    def remaining(self) -> int | None:
        """Calls that may still be made today, never below 0; None: no limit is known."""
        with self._lock:
            return self._remaining()

    @property
    def next_day(self) -> datetime:
        """When the next day begins, with its zone."""
        return datetime.combine(self._today() + timedelta(days=1), time(), SCHEDULER_ZONE)

    def fits(self, calls: int) -> bool:
        """Whether today's rest, less the reserve, is enough for so many calls.

        Ask before work is begun, so that it is not cut in its middle. ``calls`` includes what work under way still
        needs: nothing is set aside here.
        """
        remaining = self.remaining
        return remaining is None or remaining - self.reserve >= calls

    def check(self, *, action: str = "", subject: str = "") -> None:
        """Raise :class:`DailyAllowanceSpent` when no call is left; counts nothing."""
        with self._lock:
            spent = self._remaining() == 0
        if spent:
            raise self._spent(action, subject)

    def take(self, *, action: str = "", subject: str = "") -> None:
        """Count one call, to be made now. Raises :class:`DailyAllowanceSpent` instead when none is left."""
        with self._lock:
            spent = self._remaining() == 0
            if not spent:
                self._used += 1
        if spent:
            raise self._spent(action, subject)

    def refused(self, error: DailyAllowanceSpent) -> None:
        """The service says that today's calls are spent: none is left, whatever was counted here.

        The error's remedy then says when the next day begins. In the first five minutes of a day nothing is
        concluded: the answer may be of the day before.
        """
        today = datetime.combine(self._today(), time(), SCHEDULER_ZONE)
        if self._clock.now() - today.timestamp() < _AFTER_MIDNIGHT_SECONDS:
            return
        with self._lock:
            self._remaining()  # a day that has begun is taken up first, it would clear the refusal
            self._refused = True
        error.remedy = f"{error.remedy}; {self._when()}" if error.remedy else self._when()

    def _remaining(self) -> int | None:
        """With the lock held."""
        today = self._today()
        # Only forward: a clock that is set back over midnight does not give the calls of a day twice.
        if today > self._day:
            self._day, self._used, self._refused = today, 0, False
        if self._refused:
            return 0
        return None if self.limit is None else max(0, self.limit - self._used)

    def _today(self) -> date:
        return scheduler_time(self._clock.now()).date()

    def _when(self) -> str:
        return f"the next day begins at {self.next_day:%Y-%m-%d %H:%M} {self.next_day.tzname()}"

    def _spent(self, action: str, subject: str) -> DailyAllowanceSpent:
        of = "as the service says" if self._refused else f"{self.limit} of {self.limit}"
        return DailyAllowanceSpent(
            f"today's DataWorks calls are used up ({of}); the call was not made",
            action=action,
            subject=subject,
            persona=Persona.ADMINISTRATOR,
            remedy=f"{self._when()}: start again then, what was done is found and not repeated; "
            "or move the account to a higher DataWorks edition",
        )

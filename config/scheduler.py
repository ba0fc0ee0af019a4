"""The scheduler's calendar: business dates are days of China Standard Time (UTC+8), wherever a client runs.

Source: vendor's page "Scheduling parameters": the business date is the day before the run. That every region of API
2020-05-18 uses UTC+8 is assumed; a client elsewhere would otherwise ask for a day that has not ended.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone

SCHEDULER_ZONE = timezone(timedelta(hours=8))


def scheduler_time(epoch_seconds: float) -> datetime:
    """A moment (seconds since the epoch) in the scheduler's zone."""
    return datetime.fromtimestamp(epoch_seconds, tz=SCHEDULER_ZONE)


def scheduler_today() -> date:
    """Today, in the scheduler's zone."""
    return datetime.now(SCHEDULER_ZONE).date()


def end_of_day(day: date) -> datetime:
    """The moment at which a day has ended in the scheduler's zone: the first one of the next day."""
    return datetime.combine(day + timedelta(days=1), time(), SCHEDULER_ZONE)


def last_business_date() -> date:
    """The business date of a run that starts now: yesterday, in the scheduler's zone."""
    return scheduler_today() - timedelta(days=1)

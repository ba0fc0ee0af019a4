"""Scheduling parameters: what ``bizdate=$bizdate`` means on a business date, and putting the values into a task.

Known forms: ``$bizdate`` (yyyymmdd of the business date), ``$cyctime`` (scheduled time), ``$gmtdate`` (today),
``${<format>±n}`` (around the business date), ``$[<format>±n]``, ``$[<format>±n/24]`` and ``±n/24/60`` (around the
scheduled time, in days, hours, minutes). Anything else is a constant. Source: vendor's page "Scheduling parameters".
The business date is the day before the run, in the scheduler's zone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from config.scheduler import scheduler_time

_FORMAT = (
    ("yyyy", "%Y"),
    ("mm", "%m"),
    ("dd", "%d"),
    ("hh24", "%H"),
    ("hh", "%I"),
    ("mi", "%M"),
    ("ss", "%S"),
)
_AROUND_BUSINESS_DATE = re.compile(r"\$\{(?P<format>[ymd]+)(?P<shift>[+-]\d+)?\}")
_AROUND_SCHEDULE = re.compile(
    r"\$\[(?P<format>(?:yyyy|mm|dd|hh24|hh|mi|ss|[-: ])+?)(?P<shift>[+-]\d+(?:/24(?:/60)?)?)?\]"
)
_PLACEHOLDER = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def date_of(epoch_seconds: float) -> datetime:
    """The moment in the scheduler's zone."""
    return scheduler_time(epoch_seconds)


def scheduled_time(business_date: datetime, cron: str) -> datetime:
    """When the instance of a business date is due: the day after, at the hour of a six-field cron expression."""
    fields = cron.split()
    second, minute, hour = (int(field) if field.isdigit() else 0 for field in [*fields, "0", "0", "0"][:3])
    return business_date + timedelta(days=1, hours=hour, minutes=minute, seconds=second)


def assignments(text: str) -> dict[str, str]:
    """``a=x b=y`` as a mapping; a word without ``=`` is no assignment and is left out."""
    pairs = (word.split("=", 1) for word in text.split() if "=" in word)
    return dict(pairs)


def evaluate(expression: str, business_date: datetime, scheduled: datetime, now: datetime) -> str:
    """The value of one parameter on a business date."""
    fixed = {
        "$bizdate": f"{business_date:%Y%m%d}",
        "$cyctime": f"{scheduled:%Y%m%d%H%M%S}",
        "$gmtdate": f"{now:%Y%m%d}",
    }
    if expression in fixed:
        return fixed[expression]
    match = _AROUND_BUSINESS_DATE.fullmatch(expression)
    if match:
        return _formatted(business_date + timedelta(days=int(match["shift"] or 0)), match["format"])
    match = _AROUND_SCHEDULE.fullmatch(expression)
    if match:
        return _formatted(scheduled + _shift(match["shift"]), match["format"])
    return expression


def _shift(text: str | None) -> timedelta:
    if not text:
        return timedelta()
    number, *divisors = text.split("/")
    unit = (timedelta(days=1), timedelta(hours=1), timedelta(minutes=1))[len(divisors)]
    return int(number) * unit


def _formatted(moment: datetime, pattern: str) -> str:
    for word, directive in _FORMAT:
        pattern = pattern.replace(word, directive)
    return moment.strftime(pattern)


def values(configured: str, overrides: str, *, business_date: float, cron: str, now: float) -> dict[str, str]:
    """All parameters of an instance: ``bizdate``, then those of the node, then those of the run."""
    day = date_of(business_date)
    scheduled = scheduled_time(day, cron)
    expressions = {"bizdate": "$bizdate", **assignments(configured), **assignments(overrides)}
    return {name: evaluate(text, day, scheduled, date_of(now)) for name, text in expressions.items()}


def substitute(value: Any, parameters: Mapping[str, str]) -> Any:
    """``${name}`` replaced in every text of a JSON value; a name nobody gave a value stays as it is."""
    if isinstance(value, str):
        return _PLACEHOLDER.sub(lambda match: parameters.get(match[1], match[0]), value)
    if isinstance(value, list):
        return [substitute(item, parameters) for item in value]
    if isinstance(value, dict):
        return {key: substitute(item, parameters) for key, item in value.items()}
    return value

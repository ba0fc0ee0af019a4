"""When a sync task runs: the Quartz expression of DataWorks, its cycle, parameters and reruns.

Source: UpdateFile (CronExpress, CycleType, ParaValue, RerunMode, AutoRerunTimes, AutoRerunIntervalMillis).
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from config import limits

_DAY_MINUTES = 24 * 60
_MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
_WEEKDAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
_PART = re.compile(r"(?P<first>\*|\d+)(?:-(?P<last>\d+))?(?:/(?P<every>\d+))?")
_PARAMETER_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Cycle(str, Enum):
    """UpdateFile.CycleType: DAY for at most one run a day, NOT_DAY for hours and minutes."""

    DAY = "DAY"
    NOT_DAY = "NOT_DAY"


class RerunMode(str, Enum):
    """UpdateFile.RerunMode: which finished runs may be run again."""

    ALL_ALLOWED = "ALL_ALLOWED"
    FAILURE_ALLOWED = "FAILURE_ALLOWED"
    ALL_DENIED = "ALL_DENIED"


def run_minutes(cron: str) -> tuple[int, ...]:
    """Minutes after midnight at which a day's runs start; raise ``ValueError`` with the rule a cron breaks.

    Six fields: second, minute, hour, day of month, month, day of week. Each is ``*``, ``?`` (day fields), a
    number, a range ``a-b``, a step ``a/n`` or a list of these; months and weekdays also by name, the last day
    of the month ``L``.
    """
    fields = cron.split()
    if len(fields) != 6:
        raise ValueError(
            f"a schedule has 6 fields (second minute hour day month weekday), this one has {len(fields)}"
        )
    second, minute, hour, day, month, weekday = fields
    if not second.isdigit() or int(second) > 59:
        raise ValueError("the second is one number from 0 to 59")
    minutes = _values(minute, "minute", 0, 59)
    hours = _values(hour, "hour", 0, 23)
    _values(_numbered(month, _MONTHS, 1), "month", 1, 12)
    if day not in ("?", "L"):
        _values(day, "day", 1, 31)
    if weekday != "?":
        _values(_numbered(weekday, _WEEKDAYS, 1), "weekday", 1, 7)
    if day == weekday == "?":
        raise ValueError("only one of day and weekday may be '?'")
    if day not in ("?", "*") and weekday not in ("?", "*"):
        raise ValueError("only one of day and weekday may be given, the other is '?'")
    times = sorted(at_hour * 60 + at_minute for at_hour in hours for at_minute in minutes)
    following = [*times[1:], times[0] + _DAY_MINUTES]
    shortest = min(after - before for before, after in zip(times, following, strict=True))
    if shortest < limits.SCHEDULE_INTERVAL_MINUTES_MINIMUM:
        raise ValueError(
            f"runs must be at least {limits.SCHEDULE_INTERVAL_MINUTES_MINIMUM} minutes apart, "
            f"here some are {shortest} apart"
        )
    if len(times) == 1 and times[0] < limits.SCHEDULE_EARLIEST_MINUTE:
        raise ValueError(f"a daily run starts at 00:{limits.SCHEDULE_EARLIEST_MINUTE:02} at the earliest")
    return tuple(times)


def _numbered(field: str, names: list[str], first: int) -> str:
    """Names of months or weekdays as numbers."""
    for number, name in enumerate(names, start=first):
        field = re.sub(rf"\b{name}\b", str(number), field, flags=re.IGNORECASE)
    return field


def _values(field: str, what: str, lowest: int, highest: int) -> set[int]:
    values: set[int] = set()
    for part in field.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise ValueError(f"the {what} {part!r} is not '*', a number, a range a-b or a step a/n")
        first = lowest if match["first"] == "*" else int(match["first"])
        every = int(match["every"] or 1)
        if match["last"]:
            last = int(match["last"])
        else:
            last = highest if match["first"] == "*" or match["every"] else first
        if (match["first"] == "*" and match["last"]) or every == 0 or not lowest <= first <= last <= highest:
            raise ValueError(f"the {what} {part!r} is not within {lowest} to {highest}")
        values.update(range(first, last + 1, every))
    return values


def _check_cron(cron: str) -> str:
    run_minutes(cron)
    return " ".join(cron.split())


def _check_parameters(parameters: dict[str, str]) -> dict[str, str]:
    for name, value in parameters.items():
        if not _PARAMETER_NAME.fullmatch(name):
            raise ValueError(f"the parameter name {name!r} is not made of letters, digits and '_'")
        if not value or re.search(r"\s", value):
            raise ValueError(
                f"the value of parameter {name!r} is empty or holds a space, which separates parameters"
            )
    return parameters


class Schedule(BaseModel):
    """When a deployed sync task runs by itself."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    cron: Annotated[str, AfterValidator(_check_cron)] = Field(
        description="Quartz expression of six fields: second minute hour day month weekday.",
        examples=["00 30 05 * * ?"],
    )
    parameters: Annotated[dict[str, str], AfterValidator(_check_parameters)] = Field(
        default_factory=lambda: {"bizdate": "$bizdate"},
        description="Scheduling parameters, used as ${name} in the reader and writer.",
        examples=[{"bizdate": "$bizdate"}],
    )
    rerun_mode: RerunMode = Field(
        default=RerunMode.ALL_ALLOWED,
        description="Which finished runs may be run again.",
        examples=["ALL_ALLOWED"],
    )
    auto_rerun_times: int = Field(
        default=0,
        ge=0,
        le=limits.AUTO_RERUN_TIMES_MAXIMUM,
        description="How often a failed run is repeated by itself.",
        examples=[3],
    )
    auto_rerun_interval: int = Field(
        default=120,
        ge=0,
        le=limits.AUTO_RERUN_INTERVAL_SECONDS_MAXIMUM,
        description="Pause before a failed run is repeated, in seconds.",
        examples=[120],
    )

    @property
    def cycle(self) -> Cycle:
        """DAY when the task runs at most once a day, else NOT_DAY."""
        return Cycle.DAY if len(run_minutes(self.cron)) == 1 else Cycle.NOT_DAY

    @property
    def parameter_text(self) -> str:
        """UpdateFile.ParaValue, for example ``bizdate=$bizdate``.

        By name: a specification that has been through a database with another order of keys (PostgreSQL's) is the same.
        """
        return " ".join(f"{name}={value}" for name, value in sorted(self.parameters.items()))

"""Schedules of sync tasks."""

from __future__ import annotations

import re

import pytest
from pydantic import ValidationError

from config.schedule import Cycle, Schedule, run_minutes


@pytest.mark.parametrize(
    ("cron", "runs", "cycle"),
    [
        ("00 30 05 * * ?", 1, Cycle.DAY),
        ("00 15 * * * ?", 24, Cycle.NOT_DAY),
        ("00 00/10 * * * ?", 144, Cycle.NOT_DAY),
        ("00 05 00 * * 2,5", 1, Cycle.DAY),
        ("00 20 00 1 * ?", 1, Cycle.DAY),
        ("00 20 00 L * ?", 1, Cycle.DAY),
        ("0 0 8-20/4 ? JAN-JUN MON,FRI", 4, Cycle.NOT_DAY),
        ("0 0/5 * * * ?", 288, Cycle.NOT_DAY),
    ],
)
def test_vendors_expressions_are_accepted_with_their_cycle(cron: str, runs: int, cycle: Cycle) -> None:
    assert len(run_minutes(cron)) == runs
    assert Schedule(cron=cron).cycle is cycle


@pytest.mark.parametrize(
    ("cron", "rule"),
    [
        ("30 05 * * ?", "6 fields"),
        ("0 0 5 * * ? 2026", "6 fields"),
        ("* 30 05 * * ?", "the second is one number"),
        ("60 30 05 * * ?", "the second is one number"),
        ("00 60 05 * * ?", "minute '60' is not within 0 to 59"),
        ("00 30 24 * * ?", "hour '24' is not within 0 to 23"),
        ("00 30 05 32 * ?", "day '32' is not within 1 to 31"),
        ("00 30 05 ? 13 1", "month '13' is not within 1 to 12"),
        ("00 30 05 ? * 8", "weekday '8' is not within 1 to 7"),
        ("00 30 5-3 * * ?", "hour '5-3' is not within"),
        ("00 */0 5 * * ?", "minute '*/0' is not within"),
        ("00 x 05 * * ?", "minute 'x' is not"),
        ("00 30 05 ? * ?", "only one of day and weekday may be '?'"),
        ("00 30 05 1 * 2", "only one of day and weekday may be given"),
        ("00 0/4 * * * ?", "at least 5 minutes apart, here some are 4 apart"),
        ("00 0/7 * * * ?", "at least 5 minutes apart, here some are 4 apart"),
        ("00 2,58 0,23 * * ?", "here some are 4 apart"),
        ("00 04 00 * * ?", "starts at 00:05 at the earliest"),
    ],
)
def test_broken_expression_is_refused_with_the_rule(cron: str, rule: str) -> None:
    with pytest.raises(ValueError, match=re.escape(rule)):
        run_minutes(cron)


def test_parameters_are_sent_as_one_text() -> None:
    schedule = Schedule(cron="0 5 0 * * ?", parameters={"bizdate": "$bizdate", "hour": "$[hh24]"})
    assert schedule.parameter_text == "bizdate=$bizdate hour=$[hh24]"


def test_business_date_is_a_parameter_by_default() -> None:
    assert Schedule(cron="0 5 0 * * ?").parameter_text == "bizdate=$bizdate"


@pytest.mark.parametrize("parameters", [{"a b": "1"}, {"a": "1 b=2"}, {"a": ""}, {"1": "a"}])
def test_parameter_that_would_become_another_is_refused(parameters: dict[str, str]) -> None:
    with pytest.raises(ValidationError, match="parameter"):
        Schedule(cron="0 5 0 * * ?", parameters=parameters)

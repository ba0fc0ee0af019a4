"""The benchmarks of files, small: what they run, what they refuse to measure, and how lines are judged."""

from __future__ import annotations

import pytest

from benchmarks.bulk import RowsFailed, Run, bulk_again, plan_onboarded, require_all
from benchmarks.cloud import JournalSummary
from benchmarks.measured import Measured, at_least, at_most, only_told
from benchmarks.measures import BENCHMARKS, ROWS
from benchmarks.processes import RunFailed, plain_environment, told_by


def _run(**counts: int) -> Run:
    calls = JournalSummary({"dataworks:GetProject": 3, "ram:GetRole": 1}, writes=0, throttled=1)
    return Run(2, 12.0, 10.0, calls, {"counts": counts, "message": "ended", "cpu_seconds": 1.0})


def _by_end(lines: list[Measured]) -> dict[str, Measured]:
    return {line.what.rpartition(": ")[2]: line for line in lines}


def test_a_run_is_measured_in_floors_and_throttled_answers_in_parts_of_all_calls() -> None:
    run = _run(created=2)
    assert run.floors == pytest.approx(1.2)
    assert run.throttled_share == pytest.approx(0.25)


def test_a_run_in_which_a_row_failed_is_no_measurement() -> None:
    require_all(_run(created=2), "created", 2)
    with pytest.raises(RowsFailed, match="2 rows should be created"):
        require_all(_run(created=1, failed=1), "created", 2)


def test_lines_are_met_at_their_limit_and_not_beyond() -> None:
    assert at_most("calls", 60, 60).met
    assert not at_most("calls", 61, 60).met
    assert at_least("times", 8, 8).met
    assert not at_least("times", 7.9, 8, "{:.1f}").met
    assert only_told("share", "1 %", {}).met is None


def test_every_benchmark_has_a_number_of_rows() -> None:
    assert set(BENCHMARKS) == set(ROWS)


@pytest.mark.timeout(120)  # two processes
def test_planning_onboarded_rows_finds_nothing_to_do_in_a_process_of_its_own() -> None:
    (found,) = plan_onboarded(10, 1)
    assert (found["rows"], found["touched"], found["refused"]) == (10, 0, 0)
    assert 0 < found["seconds"] < 60
    assert 20 * 2**20 < found["resident_bytes"] < 500 * 2**20


@pytest.mark.timeout(180)  # a Prefect server, a local cloud and a run, each a process
def test_onboarded_rows_cost_listings_and_no_write() -> None:
    lines = _by_end(bulk_again(10))
    assert lines["writes"].figures["found"] == 0
    # Callers 4, lists 8, four for each of two roles, grants of one group, tags.
    assert 10 < lines["calls in all"].figures["found"] < 30
    assert lines["wall time"].figures["found"] > 0


def test_a_measured_process_that_fails_says_why() -> None:
    with pytest.raises(RunFailed, match="KeyError: 'what'"):
        told_by("benchmarks.run", {}, plain_environment())

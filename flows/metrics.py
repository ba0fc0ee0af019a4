"""What runs have done, for Prometheus: calls, throttled answers, retries, rows and runs by outcome.

The text is of the exposition format 0.0.4 (https://prometheus.io/docs/instrumenting/exposition_formats/), as the textfile
collector of node_exporter reads it. A run lives too short to be scraped, so each adds what it did to one file, and
the counters in it only grow. Durations are seconds.
"""

from __future__ import annotations

import fcntl
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from cloud.journal import CallJournal
from flows.bulk_reading import ReportInvalid
from flows.bulk_report import BULK_REPORT_KIND, BULK_REPORT_VERSION, BulkReport, RowOutcome
from flows.report import REPORT_VERSION, OnboardingReport
from tasks.options import announce
from tasks.outcome import Outcome

SOURCE_OUTCOMES = ("created", "updated", "unchanged", "planned", "not_approved", "failed")
"""What a run over one data source can come to."""
FILE_OUTCOMES = ("done", "planned", "failed", "stopped")
"""What a run over a file can come to; ``failed``: some rows need somebody."""


@dataclass(frozen=True)
class Family:
    """A metric: its type, what it means, and the endings of its series' names."""

    kind: Literal["counter", "gauge", "summary"]
    help: str

    @property
    def endings(self) -> tuple[str, ...]:
        """A summary has two series."""
        return ("_sum", "_count") if self.kind == "summary" else ("",)


FAMILIES: Mapping[str, Family] = {
    "onboarding_runs_total": Family("counter", "Flow runs, by what they ran over and their outcome."),
    "onboarding_rows_total": Family("counter", "Rows of CSV files, by outcome."),
    "onboarding_calls_total": Family("counter", "Calls of the cloud, repeated ones included."),
    "onboarding_throttled_total": Family("counter", "Calls that were refused for being over a rate."),
    "onboarding_retries_total": Family("counter", "Calls that repeated an earlier try."),
    "onboarding_action_calls_total": Family("counter", "Calls of the cloud by action."),
    "onboarding_action_throttled_total": Family("counter", "Throttled calls by action, of those timed."),
    "onboarding_action_retries_total": Family("counter", "Repeated calls by action, of those timed."),
    "onboarding_action_seconds": Family("summary", "Duration of a call; of a run's newest 10,000 calls."),
    "onboarding_run_seconds": Family("summary", "Wall time of runs over files."),
    "onboarding_last_run_timestamp_seconds": Family("gauge", "When the newest run over a file ended."),
}
_SERIES = {f"{name}{ending}": name for name, family in FAMILIES.items() for ending in family.endings}
_LINE = re.compile(r"([a-z_]+)(\{.*\})? (\S+)")

Series = tuple[str, str]
"""Name, and labels as they are written."""
Values = dict[Series, float]


def exposition(report: Mapping[str, Any]) -> str:
    """The metrics of one run, from the JSON form of its report. Raises :class:`ReportInvalid` for anything else.

    The key ``actions`` (see :func:`action_calls`) may be added to a report.
    """
    return _text(_values(report))


def action_calls(journal: CallJournal) -> list[dict[str, Any]]:
    """Calls by action: all are counted; throttled, repeats and seconds are of the records the journal keeps."""
    rows: dict[str, dict[str, Any]] = {}
    for name, calls in sorted(journal.counts.items()):
        product, _, action = name.partition(":")
        rows[name] = {
            "product": product, "action": action, "calls": calls,
            "timed": 0, "throttled": 0, "retries": 0, "seconds": 0.0,
        }  # fmt: skip
    for record in journal.records:
        row = rows.get(record.action)
        if row is None:
            continue  # came in after the counting
        row["timed"] += 1
        row["throttled"] += record.throttled
        row["retries"] += record.attempt > 1
        row["seconds"] += record.seconds
    return list(rows.values())


def record_run(
    report: OnboardingReport | BulkReport, metrics_file: str | None, journal: CallJournal | None = None
) -> None:
    """Add a run to the metrics file, when there is one. A file that cannot be written is said and stops no run."""
    if metrics_file is None:
        return
    plain = report.to_json() if isinstance(report, OnboardingReport) else _without_rows(report)
    if journal is not None:
        plain["actions"] = action_calls(journal)
    try:
        add_to_file(Path(metrics_file), plain)
    except (OSError, ReportInvalid) as error:
        announce(f"metrics: {metrics_file} could not be written: {error}")


def _without_rows(report: BulkReport) -> dict[str, Any]:
    """What is counted of a file's report; its rows one by one are many, and not needed."""
    counted = {"counts": report.counts(), "exit_code": report.exit_code}
    return {**replace(report, rows=[]).to_json(), **counted}


def add_to_file(path: Path, report: Mapping[str, Any]) -> None:
    """Add a run's counters to those in the file and replace its gauges; readers see the old text or the new one.

    Runs of several processes wait for each other. Raises ``OSError``, and :class:`ReportInvalid` for a file with other
    content, which is left alone.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.with_name(f".{path.name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        values = _read(path)
        for series, value in _values(report).items():
            gauge = FAMILIES[_SERIES[series[0]]].kind == "gauge"
            values[series] = value if gauge else values.get(series, 0.0) + value
        # No other ending in .prom: the collector would read it.
        fresh = path.with_name(f".{path.name}.new")
        fresh.write_text(_text(values), encoding="utf-8")
        fresh.replace(path)


# -- what is counted -----------------------------------------------------------------------------------


def _values(report: Mapping[str, Any]) -> Values:
    try:
        if report.get("kind") == BULK_REPORT_KIND and report.get("version") == BULK_REPORT_VERSION:
            found = [*_of_file(report)]
        elif report.get("version") == REPORT_VERSION and "data_source" in report:
            found = [*_of_source(report)]
        else:
            raise ReportInvalid("this is no report of a run that this version can read")
        found += [*_of_calls(report)]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        if isinstance(error, ReportInvalid):
            raise
        raise ReportInvalid(f"the report is not complete: {type(error).__name__}: {error}") from None
    values: Values = {}
    for name, labels, value in found:
        series = name, _labels(labels)
        values[series] = values.get(series, 0.0) + value
    return values


_Found = Iterator[tuple[str, Mapping[str, str], float]]


def _of_source(report: Mapping[str, Any]) -> _Found:
    """A run over one data source; every outcome is named, so that the first of a kind is an increase."""
    skipped = all(step["outcome"] == Outcome.SKIPPED.value for step in report["steps"])
    if report["failure"] is not None:
        outcome = "failed"
    elif report["not_approved"]:
        outcome = "not_approved"
    else:
        outcome = "planned" if skipped else str(report["outcome"])
    yield from _runs("data source", SOURCE_OUTCOMES, outcome)


def _of_file(report: Mapping[str, Any]) -> _Found:
    exit_code = int(report["exit_code"])
    planned = report["mode"] == "plan" and exit_code == 0
    outcome = "planned" if planned else {0: "done", 1: "failed"}.get(exit_code, "stopped")
    yield from _runs("file", FILE_OUTCOMES, outcome)
    for row in RowOutcome:
        yield "onboarding_rows_total", {"outcome": row.value}, float(report["counts"][row.value])
    yield "onboarding_run_seconds_sum", {"kind": "file"}, float(report["seconds"])
    yield "onboarding_run_seconds_count", {"kind": "file"}, 1.0
    yield "onboarding_last_run_timestamp_seconds", {"kind": "file"}, float(report["ended"])
    yield "onboarding_throttled_total", {}, float(report["throttled"])
    yield "onboarding_retries_total", {}, float(report["retries"])


def _runs(kind: str, outcomes: Iterable[str], outcome: str) -> _Found:
    for one in outcomes:
        yield "onboarding_runs_total", {"kind": kind, "outcome": one}, float(one == outcome)


def _of_calls(report: Mapping[str, Any]) -> _Found:
    for product, calls in report["calls"].items():
        yield "onboarding_calls_total", {"product": str(product)}, float(calls)
    actions = report.get("actions", ())
    for row in actions:
        labels = {"product": str(row["product"]), "action": str(row["action"])}
        for name in ("calls", "throttled", "retries"):
            yield f"onboarding_action_{name}_total", labels, float(row[name])
        yield "onboarding_action_seconds_sum", labels, float(row["seconds"])
        yield "onboarding_action_seconds_count", labels, float(row["timed"])
        if "throttled" not in report:  # a data source's report does not hold the sums
            yield "onboarding_throttled_total", {}, float(row["throttled"])
            yield "onboarding_retries_total", {}, float(row["retries"])


# -- the text ------------------------------------------------------------------------------------------


def _labels(labels: Mapping[str, str]) -> str:
    """``{a="b"}``, escaped as the format asks; "" without labels."""
    written = []
    for name, value in sorted(labels.items()):
        escaped = value.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
        written.append(f'{name}="{escaped}"')
    return f"{{{','.join(written)}}}" if written else ""


def _text(values: Values) -> str:
    lines: list[str] = []
    for name, family in FAMILIES.items():
        own = sorted(series for series in values if _SERIES[series[0]] == name)
        if own:
            lines += [f"# HELP {name} {family.help}", f"# TYPE {name} {family.kind}"]
            lines += [f"{series[0]}{series[1]} {_number(values[series])}" for series in own]
    return "\n".join([*lines, ""])


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() else repr(round(value, 6))


def _read(path: Path) -> Values:
    """What is in the file; nothing when there is none. Raises :class:`ReportInvalid` for what is not of this module."""
    if not path.exists():
        return {}
    values: Values = {}
    for line in path.read_text(encoding="utf-8").split("\n"):
        if not line or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line)
        if found is None or found[1] not in _SERIES:
            raise ReportInvalid(f"{path.name} holds something else than metrics of onboarding runs")
        try:
            values[found[1], found[2] or ""] = float(found[3])
        except ValueError:
            raise ReportInvalid(f"{path.name} holds something that is no number") from None
    return values

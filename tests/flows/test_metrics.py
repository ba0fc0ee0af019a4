"""Prometheus text of runs: a format that a strict reader takes, counters that add up over runs and processes."""

from __future__ import annotations

import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prefect.settings import PREFECT_PROFILES_PATH, load_profiles, temporary_settings
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner

from benchmarks.rows import make_rows, write_csv
from cli.main import app
from cloud.gate import Gate
from cloud.journal import CallJournal, CallRecord
from config.settings import Settings
from emulator.server import RunningCloud
from flows.bulk_merge import merge
from flows.bulk_reading import ReportInvalid, from_json
from flows.bulk_report import RowOutcome, Stop
from flows.metrics import FAMILIES, action_calls, add_to_file, exposition, record_run
from flows.onboard import onboard_data_source
from flows.report import Failure, OnboardingReport
from tasks.connection import use_gate
from tasks.outcome import Outcome, StepReport
from tests.clock import LocalClock
from tests.flows.bulk_runs import onboard
from tests.flows.bulk_samples import every_outcome, row
from tests.flows.bulk_samples import report as bulk_report
from tests.flows.files import served
from tests.flows.server import ROOT, PrefectServer
from tests.settings import REGION, settings_per_persona
from tests.tasks.onboarding import example

Read = dict[tuple[str, frozenset[tuple[str, str]]], float]
_LINE = re.compile(
    r'[a-z_:][a-z0-9_:]*(\{[a-z_]+="(?:[^"\\\n]|\\[\\n"])*"(?:,[a-z_]+="(?:[^"\\\n]|\\[\\n"])*")*\})? [0-9.e+-]+'
)


def strictly(text: str) -> Read:
    """The series of a text that keeps every rule of the format; checked beyond what Prometheus's own parser checks."""
    assert text.endswith("\n")
    families: list[str] = []
    helped: set[str] = set()
    for line in text.splitlines():
        if line.startswith("# HELP "):
            name = line.split(" ")[2]
            assert name not in helped, "a family's lines belong together"
            helped.add(name)
        elif line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            assert name in helped
            assert kind in {"counter", "gauge", "summary"}
            families.append(name)
        else:
            assert _LINE.fullmatch(line), line
            assert re.split(r"[{ ]", line)[0].removesuffix("_sum").removesuffix("_count") == families[-1]
    assert len(families) == len({*families})
    read: Read = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation
        for sample in family.samples:
            series = sample.name, frozenset(sample.labels.items())
            assert series not in read, f"twice: {series}"
            assert sample.value >= 0
            read[series] = sample.value
    return read


def value(read: Read, name: str, **labels: str) -> float:
    """One series."""
    return read[name, frozenset(labels.items())]


def _source(outcome: Outcome = Outcome.CREATED, **fields: Any) -> dict[str, Any]:
    report = OnboardingReport("oss_orders", 10001, "cn-hangzhou", "oss", calls={"ram": 7, "dataworks": 20})
    report.steps = [StepReport(1, "RAM role", "role", outcome, "")]
    for name, given_value in fields.items():
        setattr(report, name, given_value)
    return report.to_json()


FAILURE = Failure(3, "PermissionDenied", "may not", "data source", "creator", "let it", "Forbidden", "R-1")


@pytest.mark.parametrize(
    ("report", "outcome"),
    [
        (_source(), "created"),
        (_source(Outcome.UNCHANGED), "unchanged"),
        (_source(failure=FAILURE), "failed"),
        (_source(steps=[]), "planned"),
        (_source(steps=[], not_approved="rejected"), "not_approved"),
    ],
)
def test_a_run_over_one_source_counts_once_under_its_outcome(report: dict[str, Any], outcome: str) -> None:
    read = strictly(exposition(report))
    runs = {
        dict(labels)["outcome"]: n for (name, labels), n in read.items() if name == "onboarding_runs_total"
    }
    assert runs == {**dict.fromkeys(runs, 0.0), outcome: 1.0}
    assert len(runs) == 6
    assert value(read, "onboarding_calls_total", product="dataworks") == 20


def test_a_run_over_a_file_counts_its_rows_by_outcome_and_its_calls() -> None:
    report = every_outcome()
    read = strictly(exposition(report.to_json()))
    for outcome, rows in report.counts().items():
        assert value(read, "onboarding_rows_total", outcome=outcome) == rows
    assert value(read, "onboarding_calls_total", product="ram") == report.calls["ram"]
    assert value(read, "onboarding_throttled_total") == report.throttled
    assert value(read, "onboarding_retries_total") == report.retries
    assert value(read, "onboarding_run_seconds_sum", kind="file") == pytest.approx(report.seconds, abs=0.01)


@pytest.mark.parametrize(
    ("fields", "outcome"),
    [
        ({}, "done"),
        ({"mode": "plan"}, "planned"),
        ({"rows": [row(2, RowOutcome.FAILED)]}, "failed"),
        ({"stop": Stop("failures", "2 of at most 2", "mend")}, "stopped"),
    ],
)
def test_a_run_over_a_file_has_one_outcome(fields: dict[str, Any], outcome: str) -> None:
    rows = fields.pop("rows", [row(2, RowOutcome.CREATED)])
    read = strictly(exposition(bulk_report(rows, **{"stop": None, **fields}).to_json()))
    assert value(read, "onboarding_runs_total", kind="file", outcome=outcome) == 1


def test_calls_are_counted_and_timed_by_action() -> None:
    journal = CallJournal()
    for attempt, seconds, throttled in ((1, 0.25, True), (2, 0.5, False)):
        journal.add(
            CallRecord(
                "creator", "dataworks:CreateDataSource", "x", True, "R", "", attempt, seconds, throttled
            )
        )
    journal.add(CallRecord("administrator", "ram:GetRole", "r", False, "R", "", 1, 0.125))
    read = strictly(exposition({**_source(), "actions": action_calls(journal)}))
    created = {"product": "dataworks", "action": "CreateDataSource"}
    assert value(read, "onboarding_action_calls_total", **created) == 2
    assert value(read, "onboarding_action_throttled_total", **created) == 1
    assert value(read, "onboarding_action_retries_total", **created) == 1
    assert value(read, "onboarding_action_seconds_sum", **created) == 0.75
    assert value(read, "onboarding_action_seconds_count", **created) == 2
    assert value(read, "onboarding_throttled_total") == 1
    assert value(read, "onboarding_retries_total") == 1


def test_calls_the_journal_no_longer_keeps_are_counted_but_not_timed() -> None:
    journal = CallJournal(keep=3)
    for _ in range(10):
        journal.add(CallRecord("creator", "dataworks:GetFile", "x", False, "R", "", 1, 0.5))
    (found,) = action_calls(journal)
    assert (found["calls"], found["timed"], found["seconds"]) == (10, 3, 1.5)


@given(st.text())
def test_any_text_in_a_label_is_escaped_and_read_back_the_same(text: str) -> None:
    text = text.replace("\r", "").replace("\x00", "")
    lines = exposition({**_source(), "calls": {text: 3}})
    (found,) = [
        sample.labels["product"]
        for family in text_string_to_metric_families(lines)
        for sample in family.samples
        if sample.name == "onboarding_calls_total"
    ]
    assert found == text


@pytest.mark.parametrize(
    "report",
    [
        {},
        {"version": 2, "data_source": "x"},
        {"kind": "bulk report", "version": 9},
        {"kind": "bulk report", "version": 1},
    ],
)
def test_what_is_no_report_is_refused(report: dict[str, Any]) -> None:
    with pytest.raises(ReportInvalid):
        exposition(report)


# -- the file of a textfile collector --------------------------------------------------------------------


def test_runs_add_up_in_the_file_and_the_newest_time_stands(tmp_path: Path) -> None:
    path = tmp_path / "new" / "onboarding.prom"
    first, second = every_outcome().to_json(), {**every_outcome().to_json(), "ended": 2_000_000_000.0}
    for report in (first, second, _source(), _source(failure=FAILURE)):
        add_to_file(path, report)
    read = strictly(path.read_text("utf-8"))
    assert value(read, "onboarding_rows_total", outcome="failed") == 2 * first["counts"]["failed"]
    assert value(read, "onboarding_runs_total", kind="data source", outcome="created") == 1
    assert value(read, "onboarding_runs_total", kind="data source", outcome="failed") == 1
    assert value(read, "onboarding_last_run_timestamp_seconds", kind="file") == 2_000_000_000
    assert [one.name for one in path.parent.glob("*.prom")] == ["onboarding.prom"]


def test_the_file_of_a_run_says_the_same_as_its_report(tmp_path: Path) -> None:
    path = tmp_path / "onboarding.prom"
    record_run(every_outcome(), str(path))
    assert strictly(path.read_text("utf-8")) == strictly(exposition(every_outcome().to_json()))


def test_runs_that_end_at_the_same_time_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "onboarding.prom"
    # Each opens the lock file anew, as processes of their own do.
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(add_to_file, path, _source()) for _ in range(100)]:
            done.result()
    read = strictly(path.read_text("utf-8"))
    assert value(read, "onboarding_runs_total", kind="data source", outcome="created") == 100


def test_a_file_with_other_content_is_left_alone_and_the_run_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "node.prom"
    path.write_text("node_load1 0.5\n", encoding="utf-8")
    report = OnboardingReport("oss_orders", 10001, "cn-hangzhou", "oss")
    record_run(report, str(path))
    assert path.read_text("utf-8") == "node_load1 0.5\n"
    with pytest.raises(ReportInvalid, match=r"node\.prom holds something else"):
        add_to_file(path, report.to_json())


def test_the_setting_names_a_file_that_the_collector_reads() -> None:
    assert Settings(metrics_file="/tmp/x.prom").metrics_file == "/tmp/x.prom"  # noqa: S108  # nothing is written
    with pytest.raises(ValueError, match="metrics_file"):
        Settings(metrics_file="/tmp/x.txt")  # noqa: S108  # as above


def test_a_run_writes_its_calls_by_action_to_the_file(
    local: RunningCloud, prefect_server: PrefectServer, tmp_path: Path
) -> None:
    del prefect_server  # the flow's calls go there
    path = tmp_path / "onboarding.prom"
    settings = settings_per_persona(local, metrics_file=str(path))
    gate = Gate(settings, REGION, LocalClock(local.cloud))
    spec = example(sync_task=None, resource_groups=["S_res_group_1001_1"])
    with use_gate(gate):
        onboard_data_source(spec, return_state=True)
    read = strictly(path.read_text("utf-8"))
    assert value(read, "onboarding_runs_total", kind="data source", outcome="created") == 1
    assert value(read, "onboarding_action_calls_total", product="dataworks", action="CreateDataSource") == 2
    assert value(read, "onboarding_calls_total", product="dataworks") == gate.journal.total("dataworks")
    assert "local-secret" not in path.read_text("utf-8")


# -- the command, and what the page says -----------------------------------------------------------------


def test_the_command_prints_the_metrics_of_a_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_LOGGING_LEVEL", "CRITICAL")
    path = tmp_path / "report.json"
    path.write_text(json.dumps(every_outcome().to_json()), encoding="utf-8")
    done = CliRunner().invoke(app, ["metrics", str(path)])
    assert done.exit_code == 0
    assert strictly(done.stdout) == strictly(exposition(every_outcome().to_json()))


@pytest.mark.parametrize("text", ["[]", "{", "{}", None])
def test_the_command_refuses_a_file_that_is_no_report(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "report.json"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    done = CliRunner().invoke(app, ["metrics", str(path)])
    assert done.exit_code == 2
    assert str(path) in done.stderr


def test_every_metric_is_described() -> None:
    page = (ROOT / "docs" / "operations.md").read_text("utf-8")
    for name in FAMILIES:
        assert f"`{name}`" in page


def test_the_profiles_of_the_page_hold_settings_that_prefect_knows(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "operations.md").read_text("utf-8")
    (block,) = re.findall(r"```toml\n(.*?)```", page, re.DOTALL)
    path = tmp_path / "profiles.toml"
    path.write_text(block, encoding="utf-8")
    written = dict.fromkeys(re.findall(r"^(PREFECT_\w+)", block, re.MULTILINE))
    with temporary_settings({PREFECT_PROFILES_PATH: path}):
        profiles = load_profiles(include_defaults=False)
    known: set[str] = set()
    for profile in profiles:
        profiles[profile].validate_settings()
        known |= {setting.name for setting in profiles[profile].settings}
    assert known == {*written}


def test_a_run_over_a_file_writes_its_calls_by_action_to_the_file(
    prefect_server: PrefectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del prefect_server
    rows = make_rows(3, roles=1)
    write_csv(rows, tmp_path / "rows.csv")
    monkeypatch.setenv("ONBOARD_METRICS_FILE", str(tmp_path / "onboarding.prom"))
    with served(rows) as cloud:
        seen = onboard(cloud, tmp_path / "rows.csv")
    read = strictly((tmp_path / "onboarding.prom").read_text(encoding="utf-8"))
    by_action = {key: n for key, n in read.items() if key[0] == "onboarding_action_calls_total"}
    assert sum(by_action.values()) == sum(seen.report.calls.values()) > 0
    assert value(read, "onboarding_action_calls_total", product="dataworks", action="CreateDataSource") == 3
    assert value(read, "onboarding_throttled_total") == 0
    assert from_json(seen.report.to_json()).actions == tuple(seen.report.to_json()["actions"])
    twice = merge([seen.report, seen.report])
    assert {one["action"]: one["calls"] for one in twice.actions}["CreateDataSource"] == 6

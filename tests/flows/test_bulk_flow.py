"""A whole file on a real Prefect server: what a reader sees of planning, a first run, the rest of it, and a second run."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import jsonschema
import pytest
from prefect import flow

from benchmarks.rows import REGION, make_account, make_rows, write_csv
from cloud.gate import Gate
from config.csv_problems import CsvInvalid
from config.load import parse_spec
from emulator.account import AccountFile
from emulator.cloud import LocalCloud
from emulator.server import RunningCloud, serve_in_thread
from flows.bulk_files import FolderUnusable
from flows.bulk_reading import ReportInvalid, from_json
from flows.bulk_report import RowReport
from flows.bulk_run import BulkRun
from flows.bulk_steps import STEPS
from tasks.planning import PlanMoved, is_plan_hash
from tests.clock import LocalClock
from tests.flows.bulk_runs import Seen, onboard, prefect_leaks_sockets
from tests.flows.files import NO_BRAKES, gate_of, numbered, plan_of, served
from tests.flows.server import ROOT
from tests.tasks.onboarding import add_fault

pytestmark = pytest.mark.usefixtures("prefect_server")

ROWS = make_rows(8, roles=2)
SCHEMA = json.loads((ROOT / "docs" / "schemas" / "bulk-report-1.json").read_text(encoding="utf-8"))
WORKSPACE = str(ROWS[0]["workspace"])
STEP_NAMES = ("1 role of {}", "2 PassRole for {}", "3 data source {}", "4 sync task of {}", "5 run of {}")


def without(row: Mapping[str, Any], *fields: str) -> dict[str, Any]:
    """The row without some of its fields."""
    return {name: value for name, value in row.items() if name not in fields}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bulk")


@pytest.fixture(scope="module")
def cloud() -> Iterator[RunningCloud]:
    with served(ROWS) as running:
        yield running


@pytest.fixture(scope="module")
def runs(prefect_server: object, cloud: RunningCloud, folder: Path) -> dict[str, Seen]:
    """Plan; another plan than the approved one; the approved one with a refusal in it; the rest; once more."""
    del prefect_server
    source, reports = folder / "My Sources.csv", folder / "reports"
    # Workspace and region are in no cell: the defaults have them.
    write_csv([without(row, "workspace", "region") for row in ROWS], source)
    defaults = {"workspace": int(WORKSPACE), "region": REGION}
    seen = {"plan": onboard(cloud, source, defaults=defaults, mode="plan")}
    seen["moved"] = onboard(cloud, source, defaults=defaults, approved_plan="-".join(["0" * 12] * 3))
    add_fault(cloud, action="CreateDISyncTask", status=400, code="InvalidParameter", times=1)
    seen["first"] = onboard(
        cloud,
        source,
        defaults=defaults,
        approved_plan=seen["plan"].report.plan_hash,
        report_folder=str(reports),
    )
    previous = str(reports / "My-Sources.report.json")
    seen["rest"] = onboard(cloud, source, defaults=defaults, only=["failed"], previous_report=previous)
    seen["again"] = onboard(cloud, source, defaults=defaults)
    return seen


@pytest.fixture(scope="module")
def first(runs: dict[str, Seen]) -> Seen:
    return runs["first"]


# -- plan ----------------------------------------------------------------------------------------------


def test_a_plan_writes_nothing_makes_no_task_runs_and_names_every_row(runs: dict[str, Seen]) -> None:
    planned = runs["plan"]
    assert planned.writes == ()
    assert planned.ran.task_runs == ()
    assert planned.state.is_completed()
    assert planned.outcomes == ["planned"] * len(ROWS)
    for row in planned.report.rows:
        assert f"create data source {row.data_source} (PROD)" in row.planned
    assert is_plan_hash(planned.report.plan_hash)


def test_another_plan_than_the_approved_one_is_refused_before_any_write(runs: dict[str, Seen]) -> None:
    moved = runs["moved"]
    assert isinstance(moved.result, PlanMoved)
    assert moved.state.is_failed()
    assert runs["plan"].report.plan_hash in moved.ran.message
    assert moved.writes == ()
    assert moved.ran.task_runs == ()


# -- a run ---------------------------------------------------------------------------------------------


def test_the_run_is_named_after_the_file_and_ends_with_a_headline(runs: dict[str, Seen], first: Seen) -> None:
    assert first.ran.flow_run.name.startswith("onboard ")
    assert first.ran.flow_run.name.endswith("My Sources.csv")
    assert first.state.is_failed()
    assert first.ran.message == "1 of 8 data sources needs attention"
    assert (runs["rest"].state.is_completed(), runs["rest"].ran.message) == (
        True,
        "1 data source is onboarded",
    )
    assert runs["again"].state.is_completed()


def test_each_row_shows_its_five_steps_as_task_runs_with_messages_a_person_can_read(first: Seen) -> None:
    (failed,) = [row for row in first.report.rows if row.outcome.value == "failed"]
    wanted = {
        form.format(row["name"])
        for row in ROWS
        for form in STEP_NAMES
        if not (row["name"] == failed.data_source and form.startswith("5"))
    }
    assert Counter(one.name for one in first.ran.task_runs) == Counter(dict.fromkeys(wanted, 1))
    for row in ROWS:
        messages = first.final_messages(row["name"])
        if row["name"] == failed.data_source:
            assert "InvalidParameter" in messages[3]
            continue
        assert "role DataWorks-bench-" in messages[0]
        assert messages[2].startswith(f"created: data source {row['name']} (PROD) (id ")
        assert "1 of 1" in messages[2]
        assert "3 read, 3 written" in messages[4] or "3 records" in messages[4]
    assert {one.state.type.value for one in first.ran.task_runs if one.state} == {"COMPLETED", "FAILED"}


def test_the_tasks_of_a_row_are_a_chain(first: Seen) -> None:
    identifiers = {one.id: one.name for one in first.ran.task_runs}
    # Which row the fault has met is not known beforehand.
    created = [row.data_source for row in first.report.rows if row.outcome.value == "created"]
    assert len(created) == len(ROWS) - 1
    for name in created:
        for before, after in pairwise(STEP_NAMES):
            inputs = first.ran.task(after.format(name)).task_inputs.values()
            parents = {identifiers[one.id] for sources in inputs for one in sources if hasattr(one, "id")}
            assert parents == {before.format(name)}


def test_the_report_tells_what_became_of_each_row_as_the_cloud_has_it(
    cloud: RunningCloud, first: Seen
) -> None:
    assert Counter(first.outcomes) == {"created": 7, "failed": 1}
    (failed,) = [row for row in first.report.rows if row.outcome.value == "failed"]
    assert failed.failure is not None
    assert (failed.failure.step, failed.failure.code) == (4, "InvalidParameter")
    assert failed.failure.request_id
    assert failed.failure.remedy
    state = cloud.cloud.state
    ids = {(one.name, str(one.id)) for one in state.dataworks.data_sources if one.name != "odps_first"}
    told = set()
    for row in first.report.rows:
        assert row.onboarding is not None
        told.add((row.data_source, row.onboarding.step(3).facts["data_source_id"]))
        assert row.onboarding.step(1).facts["role_id"] == state.ram.roles[row.role].id
    assert told == ids


def test_the_rest_of_a_file_is_run_by_the_report_of_the_run_before(
    cloud: RunningCloud, runs: dict[str, Seen]
) -> None:
    rest, first = runs["rest"], runs["first"]
    assert Counter(rest.outcomes) == {"created": 1, "not_selected": 7}
    (failed,) = [row.data_source for row in first.report.rows if row.outcome.value == "failed"]
    assert rest.row(failed).outcome.value == "created"
    assert {one.name.rpartition(" ")[2] for one in rest.ran.task_runs} == {failed}
    state = cloud.cloud.state
    instances = [one.status for one in state.dataworks.instances.values()]
    assert instances == ["SUCCESS"] * len(ROWS)
    assert len(state.dataworks.files) == len(ROWS)
    assert {row.role for row in first.report.rows} == {
        n for n in state.ram.roles if n.startswith("DataWorks-")
    }


def test_unchanged_rows_make_no_task_runs_and_are_counted(runs: dict[str, Seen]) -> None:
    again = runs["again"]
    assert again.writes == ()
    assert again.ran.task_runs == ()
    assert again.report.counts()["unchanged"] == len(ROWS)
    assert again.report.exit_code == 0


# -- what is left to read ------------------------------------------------------------------------------


def test_summary_and_table_are_artifacts_and_progress_ends_at_a_hundred(
    runs: dict[str, Seen], first: Seen
) -> None:
    text = str(first.ran.artifact("onboarding-bulk-0-my-sources-csv").data)
    assert text.startswith(f"# {first.ran.message}")
    assert "| created | 7 |" in text
    assert "InvalidParameter" in text
    told = first.ran.artifact("onboarding-bulk-rows-").data
    table = json.loads(told) if isinstance(told, str) else cast(list[dict[str, str]], told)
    assert [one["outcome"] for one in cast(list[dict[str, str]], table)] == ["failed"] + ["created"] * 7
    for name in ("first", "rest", "again"):
        artifacts = runs[name].ran.artifacts
        (progress,) = [one for one in artifacts if one.type == "progress"]
        assert progress.data == 100.0, name
        assert {one.type for one in artifacts} == {"progress", "markdown", "table"}


def test_report_files_are_written_and_say_the_same(first: Seen, folder: Path) -> None:
    stem = folder / "reports" / "My-Sources.report"
    assert {path.name for path in stem.parent.iterdir()} == {
        f"{stem.name}.{end}" for end in ("json", "csv", "html")
    }
    raw = json.loads(stem.with_name(f"{stem.name}.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator(SCHEMA).validate(raw)
    assert raw == first.report.to_json()
    assert from_json(raw).counts() == first.report.counts()
    text = stem.with_name(f"{stem.name}.csv").read_text(encoding="utf-8")
    lines = list(csv.DictReader(io.StringIO(text)))
    assert [line["outcome"] for line in lines] == first.outcomes
    page = stem.with_name(f"{stem.name}.html").read_text(encoding="utf-8")
    assert all(row["name"] in page for row in ROWS)


def test_no_secret_key_or_signature_is_shown_anywhere(runs: dict[str, Seen], folder: Path) -> None:
    texts = [path.read_text(encoding="utf-8") for path in (folder / "reports").iterdir()]
    texts += [seen.ran.everything_told for name, seen in runs.items() if name != "moved"]
    texts.append("\n".join([runs["moved"].ran.message, *(one.message for one in runs["moved"].ran.logs)]))
    assert all(any(word in text for word in ("My Sources", "oss_00000", "moved")) for text in texts)
    for secret in ("bench-secret", "LTAIbench", "Signature=", "ACS3-HMAC", "SecurityToken"):
        assert not [text for text in texts if secret in text], secret


# -- other files ---------------------------------------------------------------------------------------


def test_invalid_rows_stop_the_file_before_anything_is_read_or_are_left_out_and_reported(
    cloud: RunningCloud, folder: Path
) -> None:
    source = folder / "invalid.csv"
    write_csv([*ROWS[:2], {**ROWS[2], "access": "all"}], source)
    asked = len(cloud.cloud.journal.entries)
    stopped = onboard(cloud, source)
    assert isinstance(stopped.result, CsvInvalid)
    assert stopped.state.is_failed()
    assert "access" in stopped.ran.message
    assert len(cloud.cloud.journal.entries) == asked
    skipped = onboard(cloud, source, on_invalid="skip", max_changes_percent=0)
    assert skipped.outcomes == ["unchanged", "unchanged", "invalid"]
    assert skipped.ran.message == "1 of 3 data sources needs attention"
    (problem,) = skipped.report.rows[2].problems
    assert "access" in problem
    assert "all" in problem


def test_a_bound_on_changes_or_failures_stops_the_flow_and_is_its_message(folder: Path) -> None:
    source = folder / "bounds.csv"
    write_csv(ROWS, source)
    with served(ROWS) as local:
        stopped = onboard(local, source, max_changes=7)
        assert stopped.writes == ()
        assert stopped.outcomes == ["not_started"] * 8
        assert stopped.ran.message == "Stopped with 0 of 8 data sources onboarded"
        assert stopped.report.exit_code == 4
        assert "at most 7 may" in str(stopped.ran.artifact("onboarding-bulk-0-").data)
        add_fault(local, action="CreateDISyncTask", status=400, code="InvalidParameter", times=None)
        failed = onboard(local, source, max_failures=1, rows_at_once=1)
        assert failed.outcomes == ["failed"] + ["not_started"] * 7
        assert failed.report.stop is not None
        assert failed.report.stop.kind == "failures"
        assert failed.state.is_failed()


def test_only_needs_the_report_of_an_earlier_run(cloud: RunningCloud, folder: Path) -> None:
    source = folder / "only.csv"
    write_csv(ROWS, source)
    alone = onboard(cloud, source, only=["failed"])
    assert isinstance(alone.result, ReportInvalid)
    assert "previous_report" in alone.ran.message
    assert alone.writes == ()


def test_a_report_that_cannot_be_written_is_said_beside_the_outcome(
    cloud: RunningCloud, folder: Path
) -> None:
    source, reports = folder / "unwritten.csv", folder / "taken"
    write_csv(ROWS[:1], source)
    (reports / "unwritten.report.json" / "x").mkdir(parents=True)
    seen = onboard(cloud, source, report_folder=str(reports))
    assert seen.outcomes == ["unchanged"]
    assert seen.state.is_failed()
    assert seen.ran.message.startswith("1 data source is onboarded; the report could not be written to ")
    assert [path.name for path in reports.iterdir()] == ["unwritten.report.json"]
    (folder / "a file").write_text("", encoding="utf-8")
    refused = onboard(cloud, source, report_folder=str(folder / "a file"))
    assert isinstance(refused.result, FolderUnusable)


def test_a_step_that_fails_for_a_while_is_repeated_by_its_task(folder: Path) -> None:
    specs = [parse_spec(ROWS[0])]
    steps = [step.with_options(retry_delay_seconds=0, retry_jitter_factor=0.0) for step in STEPS]
    with served(ROWS) as local:
        gate = gate_of(local)
        rule = add_fault(
            local,
            action="CreateDISyncTask",
            status=503,
            code="ServiceUnavailable",
            times=gate.settings.retry_attempts,
        )

        @flow(name="one row")
        async def one_row() -> list[RowReport]:
            run = BulkRun(gate, numbered(specs), plan_of(gate, specs), NO_BRAKES, 1, steps)
            return await run.apply(lambda progress: None)

        with prefect_leaks_sockets():
            (report,) = asyncio.run(one_row())
        assert rule.hits == gate.settings.retry_attempts
    assert report.outcome.value == "created"
    assert report.onboarding is not None
    assert [step.number for step in report.onboarding.steps] == [1, 2, 3, 4, 5]


# -- two regions ---------------------------------------------------------------------------------------

ELSEWHERE = "cn-shanghai"


@contextmanager
def two_regions(source: Path) -> Iterator[tuple[RunningCloud, RunningCloud]]:
    """A file with two rows here and two elsewhere, and a local cloud for each region."""
    here = make_rows(2, roles=1)
    text = (
        json.dumps(here)
        .replace(REGION, ELSEWHERE)
        .replace(WORKSPACE, "30001")
        .replace("bench-0000", "other-0000")
    )
    there: list[dict[str, Any]] = json.loads(text)
    write_csv([here[0], there[0], here[1], there[1]], source)
    account = json.loads(json.dumps(make_account(there, enforce_rates=False)).replace(REGION, ELSEWHERE))
    with served(here) as first, serve_in_thread(LocalCloud(AccountFile.model_validate(account))) as second:
        yield first, second


def test_the_regions_of_a_file_are_onboarded_one_after_the_other(folder: Path) -> None:
    source = folder / "regions.csv"
    with two_regions(source) as (here, there):
        clouds = {REGION: here, ELSEWHERE: there}

        def gate(region: str) -> Gate:
            return Gate(gate_of(clouds[region]).settings, region, LocalClock(clouds[region].cloud))

        def writes() -> int:
            return sum(len(each.cloud.journal.writes) for each in clouds.values())

        planned = onboard(here, source, gates=gate, mode="plan")
        assert is_plan_hash(planned.report.plan_hash)
        stopped = onboard(here, source, gates=gate, max_changes=3)
        assert stopped.outcomes == ["not_started"] * 4
        other = "-".join([*planned.report.plan_hash.split("-")[:2], "0" * 12])
        moved = onboard(here, source, gates=gate, approved_plan=other)
        assert isinstance(moved.result, PlanMoved)
        assert writes() == 0
        applied = onboard(here, source, gates=gate, approved_plan=planned.report.plan_hash, max_changes=4)
        assert applied.outcomes == ["created"] * 4
        assert applied.report.region == f"{REGION}, {ELSEWHERE}"
        assert [row.region for row in applied.report.rows] == [REGION, ELSEWHERE] * 2
        assert applied.report.plan_hash == planned.report.plan_hash
        for each in clouds.values():
            assert len(each.cloud.state.dataworks.instances) == 2

"""A whole file on a real Prefect server: what a reader sees of planning, a first run, the rest of it, and a second run."""

from __future__ import annotations

import asyncio
import csv
import io
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import jsonschema
import pytest
from prefect.client.schemas.objects import State

from benchmarks.rows import REGION, make_rows, write_csv
from emulator.server import RunningCloud
from flows.bulk import onboard_from_csv
from flows.bulk_reading import from_json
from flows.bulk_report import BulkReport, RowReport
from tasks.connection import use_gate
from tasks.planning import PlanMoved
from tests.flows.files import gate_of, served
from tests.flows.runs import Ran, look_up
from tests.flows.server import ROOT
from tests.tasks.onboarding import add_fault

pytestmark = pytest.mark.usefixtures("prefect_server")

ROWS = make_rows(8, roles=2)
SCHEMA = json.loads((ROOT / "docs" / "schemas" / "bulk-report-1.json").read_text(encoding="utf-8"))
WORKSPACE = str(ROWS[0]["workspace"])
STEP_NAMES = ("1 role of {}", "2 PassRole for {}", "3 data source {}", "4 sync task of {}", "5 run of {}")


@dataclass(frozen=True)
class Seen:
    """One flow run: its report or error, what the server shows of it, and the writing calls it made."""

    result: Any
    state: State[Any]
    ran: Ran
    writes: tuple[str, ...]

    @property
    def report(self) -> BulkReport:
        """The flow's result, which must be a report."""
        assert isinstance(self.result, BulkReport), self.result
        return self.result

    @property
    def outcomes(self) -> list[str]:
        """Of the rows, in the file's order."""
        return [row.outcome.value for row in self.report.rows]

    def row(self, name: str) -> RowReport:
        """The report of a data source."""
        (found,) = [row for row in self.report.rows if row.data_source == name]
        return found

    def final_messages(self, name: str) -> list[str]:
        """The messages of a row's task runs, in the order of its steps."""
        runs = sorted(
            (one for one in self.ran.task_runs if one.name.endswith(name)), key=lambda one: one.name
        )
        return [(one.state.message or "") if one.state else "" for one in runs]


def onboard(local: RunningCloud, source: Path, **parameters: Any) -> Seen:
    """Run the flow in this process, with a clock that never sleeps."""

    async def run() -> tuple[State[Any], Any]:
        call: Any = onboard_from_csv
        state: State[Any] = await call(str(source), **parameters, return_state=True)
        return state, await state.aresult(raise_on_failure=False)

    before = len(local.cloud.journal.writes)
    with use_gate(gate_of(local)):
        state, result = asyncio.run(run())
    writes = tuple(entry.action for entry in local.cloud.journal.writes[before:])
    return Seen(result, state, look_up(state, result), writes)


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
    assert planned.report.plan_hash in planned.ran.message or planned.report.plan_hash


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
    assert first.ran.message == "1 of 8 rows failed" or "1" in first.ran.message
    assert runs["rest"].state.is_completed()
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
    name = ROWS[0]["name"]
    identifiers = {one.id: one.name for one in first.ran.task_runs}
    for before, after in zip(STEP_NAMES, STEP_NAMES[1:], strict=False):
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
    ids = {
        (one.name, str(one.id)) for one in state.dataworks.data_sources.values() if one.name != "odps_first"
    }
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
    texts += [seen.ran.everything_told for seen in runs.values()]
    assert all("My Sources" in text for text in texts)
    for secret in ("bench-secret", "LTAIbench", "Signature=", "ACS3-HMAC", "SecurityToken"):
        assert not [text for text in texts if secret in text], secret

"""``onboard bulk``: exit codes, what is said where, who is asked, and that a run that is ended anywhere can go on."""

from __future__ import annotations

import json
import os
import pty
import random
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings
from typer.testing import CliRunner

from benchmarks.rows import make_rows, write_csv
from cli.first_start import LOADING
from cli.main import app
from emulator.server import RunningCloud
from tasks.options import listen
from tests.cli.commands import COMMAND, started
from tests.flows.bulk_runs import prefect_leaks_sockets
from tests.flows.files import meaning, persona_environment, served
from tests.flows.server import ROOT, PrefectServer, group_is_empty, plain_environment
from tests.tasks.onboarding import add_fault

DONE, FAILED, BAD_INPUT, CHANGES, STOPPED, INTERRUPTED = 0, 1, 2, 3, 4, 130
ROWS = make_rows(4, roles=2)
WRITES = 26
"""How many writing calls the file takes."""
_SECONDS = 60.0


class Bulk:
    """The command in this process and in others, against a local cloud of a module's own and a Prefect server."""

    def __init__(self, local: RunningCloud, server: PrefectServer, folder: Path) -> None:
        self.local = local
        self.server = server
        self.folder = folder
        self.file = folder / "sources.csv"
        write_csv(ROWS, self.file)

    @property
    def environment(self) -> dict[str, str]:
        """Of every process that runs the command."""
        intervals = {"ONBOARD_POLL_INTERVAL_INITIAL": "0.05", "ONBOARD_POLL_INTERVAL_MAXIMUM": "0.2"}
        return {**self.server.environment, **persona_environment(self.local), **intervals}

    def __call__(self, *arguments: str, file: Path | None = None) -> tuple[int, str, str]:
        """Exit code, standard output, standard error."""
        settings = {PREFECT_API_URL: self.server.api, PREFECT_HOME: self.server.home}
        with (
            mock.patch.dict("os.environ", self.environment),
            temporary_settings(settings),
            prefect_leaks_sockets(),
        ):
            result = CliRunner().invoke(app, ["bulk", str(file or self.file), *arguments])
            listen(None)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
        return result.exit_code, result.stdout, result.stderr

    def report(self, *arguments: str) -> tuple[int, dict[str, Any]]:
        """Exit code, and the JSON document that must be all of standard output."""
        code, out, _ = self(*arguments, "--json")
        told: dict[str, Any] = json.loads(out)
        return code, told

    @property
    def writes(self) -> int:
        """How many writing calls the local cloud has seen."""
        return len(self.local.cloud.journal.writes)

    def has_written(self, calls: int) -> bool:
        """Whether it has seen so many."""
        return self.writes >= calls

    def fresh(self) -> None:
        """The account as it was."""
        self.local.cloud.reset()
        self.local.cloud.settings.enforce_rates = False


@pytest.fixture(scope="module")
def _cloud() -> Iterator[RunningCloud]:
    with served(ROWS) as running:
        yield running


@pytest.fixture
def bulk(_cloud: RunningCloud, prefect_server: PrefectServer, tmp_path: Path) -> Bulk:
    command = Bulk(_cloud, prefect_server, tmp_path)
    command.fresh()
    return command


def outcomes(report: dict[str, Any]) -> list[str]:
    """Of the rows, in the file's order."""
    return [row["outcome"] for row in report["rows"]]


# -- one file, from its plan to nothing left to do -----------------------------------------------------


def test_plan_then_exactly_this_plan_then_the_rest_then_nothing_left_to_do(bulk: Bulk) -> None:
    code, planned = bulk.report("--dry-run")
    assert code == CHANGES
    assert outcomes(planned) == ["planned"] * 4
    assert bulk.writes == 0

    wrong = "-".join([*planned["plan_hash"].split("-")[:2], "0" * 12])
    code, told = bulk.report("--plan", wrong)
    assert (code, told["outcome"]) == (FAILED, "failed")
    assert planned["plan_hash"] in told["error"]
    assert bulk.writes == 0

    add_fault(bulk.local, action="CreateDISyncTask", status=400, code="InvalidParameter", times=1)
    reports = bulk.folder / "reports"
    code, out, _ = bulk("--plan", planned["plan_hash"], "--report", str(reports))
    assert code == FAILED
    assert "1 of 4 data sources needs attention" in out
    assert "InvalidParameter" in out
    assert "The developer can fix it" in out
    assert "\x1b" not in out

    rest = str(reports / "sources.report.json")
    code, told = bulk.report("--yes", "--only", "failed", "--from", rest)
    assert (code, sorted(outcomes(told))) == (DONE, ["created"] + ["not_selected"] * 3)

    before = bulk.writes
    code, out, err = bulk("--yes")
    assert (code, err) == (DONE, f"{LOADING}\n")
    assert "All 4 data sources are onboarded" in out
    assert "4 unchanged" in out
    assert bulk("--dry-run")[0] == DONE
    assert bulk.writes == before


def test_a_brake_ends_with_4_and_says_how_it_goes_on(bulk: Bulk) -> None:
    code, out, _ = bulk("--yes", "--max-changes", "3")
    assert code == STOPPED
    assert "4 rows would change, at most 3 may" in out
    assert "higher bound" in out
    assert bulk.writes == 0


# -- what cannot be used -------------------------------------------------------------------------------


def test_a_bad_file_ends_with_2_names_every_problem_and_asks_the_cloud_nothing(bulk: Bulk) -> None:
    rows = [dict(row) for row in ROWS]
    rows[0]["access"] = "all"
    rows[1]["region"] = "nowhere at all"
    rows[3]["name"] = rows[2]["name"]
    write_csv(rows, bulk.file)
    code, told = bulk.report("--yes")
    assert (code, told["outcome"]) == (BAD_INPUT, "bad input")
    named = {problem["path"]: problem for problem in told["problems"]}
    assert {
        "row 2, column access",
        "row 3, column region",
        "row 4, column name",
        "row 5, column name",
    } <= set(named)
    assert named["row 2, column access"]["value"] == "'all'"
    assert named["row 2, column access"]["rule"]
    code, out, err = bulk("--yes")
    assert (code, out.count("\n")) == (BAD_INPUT, 1)  # what was begun, no report
    assert "row 2" in err
    assert "access" in err
    assert "Traceback" not in err
    assert bulk.local.cloud.journal.entries == ()


BAD: dict[str, Callable[[Path], list[str]]] = {
    "no such file": lambda folder: ["--yes", "--defaults", str(folder / "none.yaml")],
    "belong together": lambda folder: ["--yes", "--only", "failed"],
    "give both or neither": lambda folder: ["--yes", "--from", str(folder / "sources.csv")],
    "is no JSON file": lambda folder: ["--yes", "--only", "failed", "--from", str(folder / "sources.csv")],
    "there is no such file": lambda folder: [
        "--yes",
        "--only",
        "failed",
        "--from",
        str(folder / "none.json"),
    ],
    "no report of a bulk run": lambda folder: [
        "--yes",
        "--only",
        "failed",
        "--from",
        str(folder / "other.json"),
    ],
    "no report can be written to": lambda folder: ["--yes", "--report", str(folder / "sources.csv")],
    "nobody can be asked here": lambda folder: [],
}


@pytest.mark.parametrize("told", BAD)
def test_what_cannot_be_used_ends_with_2_and_asks_the_cloud_nothing(bulk: Bulk, told: str) -> None:
    (bulk.folder / "other.json").write_text("{}", encoding="utf-8")
    code, out, err = bulk(*BAD[told](bulk.folder))
    assert (code, out.count("\n")) == (BAD_INPUT, 1 if BAD[told](bulk.folder) else 0)
    assert told in err
    assert "Traceback" not in err
    assert bulk.local.cloud.journal.entries == ()


def test_a_file_that_is_not_there_ends_with_2(bulk: Bulk) -> None:
    code, _, err = bulk("--yes", file=bulk.folder / "none.csv")
    assert code == BAD_INPUT
    assert "none.csv" in err
    assert bulk.local.cloud.journal.entries == ()


def test_a_report_that_cannot_be_written_does_not_hide_what_was_done(bulk: Bulk) -> None:
    reports = bulk.folder / "reports"
    (reports / "sources.report.json" / "x").mkdir(parents=True)
    code, out, err = bulk("--yes", "--report", str(reports), "--json")
    assert code == FAILED
    assert outcomes(json.loads(out)) == ["created"] * 4
    assert err.startswith("error: the report could not be written to ")


# -- at a terminal -------------------------------------------------------------------------------------


def test_a_plan_that_has_moved_since_it_was_shown_is_not_carried_out(bulk: Bulk) -> None:
    outer, inner = pty.openpty()
    environment = {**plain_environment(), **bulk.environment, "COLUMNS": "300", "TERM": "dumb"}
    process = subprocess.Popen(
        [*COMMAND, "bulk", str(bulk.file)], env=environment, cwd=ROOT, stdin=inner, stdout=inner, stderr=inner
    )
    os.close(inner)
    shown = b""
    try:
        while b"Carry out exactly this plan for 4 rows?" not in shown:
            shown += os.read(outer, 65536)
        write_csv(ROWS[:3], bulk.file)
        os.write(outer, b"y\n")
        while True:
            try:
                shown += os.read(outer, 65536)
            except OSError:  # the other side is closed: it has ended
                break
        assert process.wait(30) == FAILED
    finally:
        process.kill()
        process.wait()
        os.close(outer)
    assert b"the plan is now" in shown
    assert bulk.writes == 0


# -- ended before its end ------------------------------------------------------------------------------


def _until(reached: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait for another process's work, which has no clock to inject."""
    ends = time.monotonic() + _SECONDS
    while not reached():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < ends
        time.sleep(0.005)  # another process has no clock to inject


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_waiting_run_ends_within_seconds_with_130_and_the_next_one_goes_on(bulk: Bulk, sent: int) -> None:
    settings = bulk.local.cloud.settings
    settings.instance_steps = 1_000_000
    with started("bulk", str(bulk.file), "--yes", environment=bulk.environment) as process:
        assert process.stderr is not None
        _until(lambda: len(bulk.local.cloud.state.dataworks.instances) == 4, process)
        process.send_signal(sent)
        assert process.wait(20) == INTERRUPTED
        told = process.stderr.read()
        assert "to go on" in told
        assert "Traceback" not in told
        assert group_is_empty(process)
    settings.instance_steps = 1
    code, report = bulk.report("--yes")
    assert code == DONE, report
    proven = {
        one.node for one in bulk.local.cloud.state.dataworks.instances.values() if one.status == "SUCCESS"
    }
    assert len(proven) == 4


@pytest.fixture(scope="module")
def uninterrupted(
    _cloud: RunningCloud, prefect_server: PrefectServer, tmp_path_factory: Any
) -> dict[str, Any]:
    """What one run without trouble leaves behind."""
    command = Bulk(_cloud, prefect_server, tmp_path_factory.mktemp("whole"))
    command.fresh()
    assert command("--yes")[0] == DONE
    assert command.writes == WRITES
    return meaning(_cloud.cloud)


@pytest.mark.parametrize("seed", range(3))
def test_a_killed_process_is_finished_by_the_next_even_when_killed_twice(
    bulk: Bulk, uninterrupted: dict[str, Any], seed: int
) -> None:
    bulk.fresh()
    for at in sorted(random.Random(seed).sample(range(1, WRITES), 2)):
        with started("bulk", str(bulk.file), "--yes", environment=bulk.environment) as process:
            _until(partial(bulk.has_written, at), process)
            process.kill()
            assert process.wait(10) == -signal.SIGKILL
    code, report = bulk.report("--yes")
    assert code == DONE, report
    assert set(outcomes(report)) <= {"created", "updated", "unchanged"}
    assert meaning(bulk.local.cloud) == uninterrupted
    assert bulk.report("--dry-run")[0] == DONE

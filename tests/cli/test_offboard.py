"""``onboard offboard``: the worked example of the docs, exit codes, who is asked, and what is said where."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings
from typer.testing import CliRunner

from cli.main import app
from config.csv_write import csv_text, to_row
from emulator.server import RunningCloud
from tasks.options import listen
from tests.cli.commands import example_mapping, write_spec
from tests.emulator.shop import Shop, oss_reader, task
from tests.flows.server import ROOT, PrefectServer, local_cloud_environment
from tests.tasks.offboarding import standing
from tests.tasks.onboarding import Onboarding, example

DONE, FAILED, BAD_INPUT, CHANGES, STOPPED = 0, 1, 2, 3, 4
SPEC = str(ROOT / "examples" / "offboard" / "orders.yaml")
PAGE = ROOT / "docs" / "offboard.md"
_BLOCK = re.compile(r"^```console\n(.*?)^```", re.MULTILINE | re.DOTALL)

Onboard = Callable[..., tuple[int, str, str]]


@pytest.fixture
def onboard(local: RunningCloud, prefect_server: PrefectServer) -> Iterator[Onboard]:
    """Commands in this process, against a local cloud and the session's Prefect server."""
    settings = {PREFECT_API_URL: prefect_server.api, PREFECT_HOME: prefect_server.home}
    pace = {"ONBOARD_POLL_INTERVAL_INITIAL": "0.01", "ONBOARD_POLL_INTERVAL_MAXIMUM": "0.05"}

    def run(*arguments: str) -> tuple[int, str, str]:
        result = CliRunner().invoke(app, [*arguments])
        listen(None)
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
        return result.exit_code, result.stdout, result.stderr

    environment = {**local_cloud_environment(local), **pace}
    with mock.patch.dict("os.environ", environment), temporary_settings(settings):
        yield run


def _example() -> list[tuple[list[str], list[str]]]:
    """The commands of the worked example, each with the lines that the page shows of its output."""
    page = PAGE.read_text(encoding="utf-8")
    section = page[page.index("## Worked example") : page.index("## A whole file")]
    found: list[tuple[list[str], list[str]]] = []
    for line in "".join(_BLOCK.findall(section)).splitlines():
        if line.startswith("$ onboard "):
            found.append((shlex.split(line.removeprefix("$ onboard ")), []))
        else:
            found[-1][1].append(line.strip())
    return found


def test_the_worked_example_of_the_docs_does_what_the_page_says(
    local: RunningCloud, onboard: Onboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    first = standing(local.cloud)
    codes = []
    for arguments, shown in _example():
        code, out, _ = onboard(*arguments)
        codes.append(code)
        lines = [line.strip() for line in out.splitlines()]
        assert [line for line in shown if line not in lines] == [], out
    assert codes == [DONE, CHANGES, DONE, DONE, DONE]
    assert standing(local.cloud) == first
    writes = len(local.cloud.journal.writes)
    assert onboard("offboard", SPEC, "--dry-run")[0] == DONE
    assert len(local.cloud.journal.writes) == writes


def test_exactly_the_approved_plan_and_no_other(
    local: RunningCloud, onboard: Onboard, tmp_path: Path
) -> None:
    Onboarding(local, example(sync_task=None)).apply()
    mapping = example_mapping()
    del mapping["sync_task"]
    path = write_spec(tmp_path, mapping)
    code, out, _ = onboard("offboard", path, "--dry-run", "--json")
    planned = json.loads(out)
    assert (code, planned["outcome"]) == (CHANGES, "planned")
    writes = len(local.cloud.journal.writes)
    wrong = "-".join([*planned["plan"]["hash"].split("-")[:2], "0" * 12])
    code, out, _ = onboard("offboard", path, "--plan", wrong, "--json")
    assert (code, json.loads(out)["outcome"]) == (FAILED, "failed")
    assert len(local.cloud.journal.writes) == writes
    code, out, _ = onboard("offboard", path, "--plan", planned["plan"]["hash"], "--json")
    assert (code, json.loads(out)["outcome"]) == (DONE, "removed")


def test_what_still_uses_it_is_said_with_who_can_end_it(local: RunningCloud, onboard: Onboard) -> None:
    Onboarding(local).apply()
    Shop(local).create_task(task(reader=oss_reader(datasource="oss_orders")), name="other_reader")
    writes = len(local.cloud.journal.writes)
    code, out, _ = onboard("offboard", str(ROOT / "examples" / "oss.yaml"), "--yes")
    assert code == BAD_INPUT
    assert "sync task other_reader reads it. The developer can fix it: delete these sync tasks" in out
    assert len(local.cloud.journal.writes) == writes


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "give a specification or --csv"),
        ([SPEC, "--csv", "x.csv", "--yes"], "give a specification or --csv"),
        ([SPEC], "nobody can be asked here"),
        ([SPEC, "--plan", "abc"], "is no plan's hash"),
        ([SPEC, "--yes", "--max-changes", "3"], "brakes of a CSV file"),
        ([SPEC, "--yes", "--defaults", "x.yaml"], "--defaults are those of a CSV file"),
        (["nowhere.yaml", "--yes"], "nowhere.yaml"),
    ],
)
def test_choices_that_make_no_sense_are_refused_before_anything_is_written(
    local: RunningCloud, onboard: Onboard, arguments: list[str], words: str
) -> None:
    code, out, err = onboard("offboard", *arguments)
    assert code == BAD_INPUT
    assert words in out + err
    assert not local.cloud.journal.writes


def test_a_file_with_its_brake(local: RunningCloud, onboard: Onboard, tmp_path: Path) -> None:
    specs = [example(name=f"oss_{number}", sync_task=None) for number in range(2)]
    path = tmp_path / "sources.csv"
    path.write_text(
        csv_text([to_row(spec) for spec in specs], header=["name"], line_end="\n"), encoding="utf-8"
    )
    for spec in specs:
        Onboarding(local, spec).apply()
    writes = len(local.cloud.journal.writes)
    code, out, _ = onboard("offboard", "--csv", str(path), "--yes", "--max-changes", "1")
    assert code == STOPPED
    assert "2 of 2 rows would change, at most 1 may" in out
    assert len(local.cloud.journal.writes) == writes
    code, out, _ = onboard("offboard", "--csv", str(path), "--yes", "--json")
    assert (code, json.loads(out)["counts"]) == (DONE, {"removed": 2})


def test_the_minimal_policies_of_taking_back_are_printed(onboard: Onboard) -> None:
    code, out, _ = onboard("permissions", SPEC, "--offboard", "--json")
    assert code == DONE
    policies = json.loads(out)
    assert sorted(policies) == ["administrator", "creator", "developer", "executor"]
    assert "ram:DeleteRole" in json.dumps(policies["administrator"])
    assert "ram:CreateRole" not in out
    assert onboard("permissions", "--offboard")[0] == BAD_INPUT

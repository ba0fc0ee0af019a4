"""``onboard adopt``: files, exit codes, and the worked example of the documentation."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
import yaml
from typer.testing import CliRunner

from cli.main import app
from config.csv_file import read_rows
from config.load import load_spec
from emulator.account import load_account
from emulator.cloud import LocalCloud
from emulator.server import RunningCloud, serve_in_thread
from tests.flows.server import ROOT, local_cloud_environment

PAGE = (ROOT / "docs" / "adopt.md").read_text(encoding="utf-8")
SECRET = "local-secret-carol"
PEOPLE = dict.fromkeys(("ADMINISTRATOR", "CREATOR", "DEVELOPER", "EXECUTOR"), "alice")


@pytest.fixture(scope="module")
def account() -> Iterator[RunningCloud]:
    """The account of the documentation's example."""
    with serve_in_thread(LocalCloud(load_account(ROOT / "examples" / "adopt" / "account.yaml"))) as running:
        running.cloud.settings.enforce_rates = False
        yield running


@pytest.fixture
def run(account: RunningCloud) -> Iterator[CliRunner]:
    """Commands in this process; what they set in its environment ends with the test."""
    account.cloud.reset()
    account.cloud.settings.enforce_rates = False
    with mock.patch.dict("os.environ", local_cloud_environment(account, **PEOPLE)):
        yield CliRunner()


def _adopt(run: CliRunner, *arguments: str) -> tuple[int, str, str]:
    done = run.invoke(app, ["adopt", "--workspace", "10001", "--region", "cn-hangzhou", *arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stdout, done.stderr


def _block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
    return str(found)


def test_the_example_of_the_documentation_is_what_happens(
    run: CliRunner, account: RunningCloud, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, _ = _adopt(run, "--output", "adopted")
    planned = run.invoke(app, ["plan", "adopted/orders.yaml"])
    assert code == 0
    said = [line for line in out.splitlines() if not re.match(r"Adopting|\s+[\d.]+ s  ", line)]
    assert said == _block("text").splitlines()
    text = (tmp_path / "adopted" / "orders.yaml").read_text(encoding="utf-8")
    without_comments = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    assert without_comments.strip() == _block("yaml").strip()
    assert (planned.exit_code, "nothing to do" in planned.stdout) == (0, True)
    assert account.cloud.journal.writes == ()


def test_without_output_the_specifications_are_on_standard_output(run: CliRunner) -> None:
    code, out, err = _adopt(run)
    assert code == 0
    assert [document["name"] for document in yaml.safe_load_all(out)] == ["access_log", "orders"]
    assert "cannot be adopted: it is opened with an AccessKey" in err
    assert SECRET not in out + err


def test_csv_is_read_back_by_bulk(run: CliRunner, tmp_path: Path) -> None:
    path = tmp_path / "new" / "adopted.csv"
    code, out, _ = _adopt(run, "--format", "csv", "--output", str(path))
    assert code == 0
    assert f"Written: {path}" in out
    rows = read_rows(path).require_valid().rows
    assert [row.spec.name for row in rows] == ["access_log", "orders"]


def test_a_name_is_adopted_alone_into_one_file(run: CliRunner, tmp_path: Path) -> None:
    path = tmp_path / "orders.yaml"
    assert _adopt(run, "--name", "orders", "--output", str(path))[0] == 0
    assert load_spec(path).role.name == "datalake"
    assert [each.name for each in tmp_path.iterdir()] == ["orders.yaml"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--output", "there.yaml"), "exists already"),
        (("--output", "new.csv"), "does not look like YAML"),
        (("--format", "csv", "--output", "new.yaml"), "does not look like CSV"),
        (("--output", "both.yaml"), "do not fit into the one file"),
        (("--name", "nothing"), "no data source nothing"),
    ],
)
def test_what_cannot_be_done_is_bad_input_and_writes_nothing(
    run: CliRunner, tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    (tmp_path / "there.yaml").write_text("mine", encoding="utf-8")
    given = [str(tmp_path / one) if one.endswith((".yaml", ".csv")) else one for one in arguments]
    code, out, err = _adopt(run, *given)
    assert code == 2
    assert words in err
    assert out.count("Written") == 0
    assert [each.read_text(encoding="utf-8") for each in tmp_path.iterdir()] == ["mine"]


def test_files_in_a_folder_are_not_written_over(run: CliRunner, tmp_path: Path) -> None:
    (tmp_path / "orders.yaml").write_text("mine", encoding="utf-8")
    code, _, err = _adopt(run, "--output", str(tmp_path))
    assert code == 2
    assert "orders.yaml exist already" in err
    assert [each.name for each in tmp_path.iterdir()] == ["orders.yaml"]


def test_json_tells_everything_and_nothing_else(run: CliRunner, tmp_path: Path) -> None:
    code, out, err = _adopt(run, "--json", "--tag", "--output", str(tmp_path / "x"))
    told = json.loads(out)
    assert code == 0
    assert told["outcome"] == "adopted"
    assert [one["no_changes"] for one in told["adopted"]] == [True, True]
    assert told["left"][0]["command"] == "onboard migrate --workspace 10001 --only returns"
    assert "role datalake" in told["tagged"]
    assert sorted(told["files"]) == [
        str(tmp_path / "x" / f"{name}.yaml") for name in ("access_log", "orders")
    ]
    assert SECRET not in out + err


def test_what_plans_to_changes_is_said_by_the_exit_code(run: CliRunner, account: RunningCloud) -> None:
    account.cloud.state.ram.roles["datalake"].attachments.clear()
    code, out, err = _adopt(run, "--name", "orders")
    assert code == 3
    assert "NOT as it is" in err
    assert (
        "# - applying it changes step 1: attach custom policy" in out or "applying it changes step 1" in out
    )

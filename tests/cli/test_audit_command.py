"""``onboard audit``: the worked example of its page, exit codes, forms, the baseline, and what is said where."""

from __future__ import annotations

import csv
import io
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
from typer.testing import CliRunner

from cli.main import app
from config.baseline import load_baseline
from emulator.account import load_account
from emulator.cloud import LocalCloud
from emulator.server import RunningCloud, serve_in_thread
from tests.flows.server import ROOT, local_cloud_environment
from tests.tasks.onboarding import add_fault

ACCOUNT = ROOT / "examples" / "audit" / "account.yaml"
BASELINE = str(ROOT / "examples" / "audit" / "baseline.yaml")
PAGE = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8")
HERE = ("--region", "cn-hangzhou")
FOUND = ["AUD101", "AUD203", "AUD205", "AUD301"]
CLEAN, FOUND_SOMETHING, BAD_INPUT = 0, 1, 2


class Command:
    """The command in this process; ``calls`` are those that the local cloud has seen."""

    def __init__(self, local: RunningCloud) -> None:
        self.local = local
        self._runner = CliRunner()

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, standard output, standard error."""
        result = self._runner.invoke(app, ["audit", *arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
        return result.exit_code, result.stdout, result.stderr

    @property
    def calls(self) -> int:
        return len(self.local.cloud.journal.entries)


@pytest.fixture(scope="module")
def _drifted() -> Iterator[RunningCloud]:
    with serve_in_thread(LocalCloud(load_account(ACCOUNT))) as running:
        yield running


@pytest.fixture
def audit(_drifted: RunningCloud, monkeypatch: pytest.MonkeyPatch) -> Iterator[Command]:
    """The command on the account of the worked example, in the repository's folder."""
    _drifted.cloud.reset()
    _drifted.cloud.settings.enforce_rates = False
    monkeypatch.chdir(ROOT)
    with mock.patch.dict("os.environ", local_cloud_environment(_drifted)):
        yield Command(_drifted)


# -- the page ------------------------------------------------------------------------------------------


def _examples() -> list[tuple[str, str]]:
    """Commands of the page with what they are said to print."""
    blocks = re.findall(r"^```console\n\$ onboard audit (.*)\n((?:.+\n)+)```$", PAGE, re.MULTILINE)
    return [(command, told.rstrip("\n")) for command, told in blocks]


@pytest.mark.parametrize(("command", "told"), _examples())
def test_a_command_of_the_page_prints_what_the_page_says(audit: Command, command: str, told: str) -> None:
    code, out, _ = audit(*shlex.split(command))
    assert [line.rstrip() for line in out.rstrip().splitlines()] == told.splitlines()
    assert code == (FOUND_SOMETHING if "--fail-on" in command else CLEAN)


def test_the_page_has_its_worked_example_and_every_option() -> None:
    assert len(_examples()) == 3
    options = {option for one in _typer_options() for option in one}
    assert {option for option in options if option.startswith("--") and option not in PAGE} == set()


def _typer_options() -> list[list[str]]:
    import typer.main

    group = typer.main.get_command(app)
    return [parameter.opts for parameter in group.commands["audit"].params]  # type: ignore[attr-defined]  # the app is a group


def test_nothing_is_written_to_the_cloud(audit: Command) -> None:
    assert audit(*HERE)[0] == CLEAN
    assert not audit.local.cloud.journal.writes


# -- exit codes ----------------------------------------------------------------------------------------


def test_without_fail_on_an_audit_that_was_made_ends_with_0(audit: Command) -> None:
    assert audit(*HERE)[0] == CLEAN


def test_with_fail_on_it_ends_with_1_until_everything_is_accepted(audit: Command, tmp_path: Path) -> None:
    assert audit(*HERE, "--fail-on", "high")[0] == FOUND_SOMETHING
    baseline = str(tmp_path / "baseline.yaml")
    code, out, told = audit(
        *HERE, "--fail-on", "info", "--write-baseline", baseline, "--reason", "known since the start"
    )
    assert code == CLEAN
    assert "4 accepted" in out
    assert f"wrote {baseline}: 4 accepted findings" in told
    assert audit(*HERE, "--fail-on", "info", "--baseline", baseline)[0] == CLEAN


def test_what_could_not_be_read_is_said_and_not_clean(audit: Command) -> None:
    add_fault(audit.local, action="ListFiles", status=403, code="Forbidden.Access", times=None)
    code, out, _ = audit(*HERE, "--fail-on", "high", "--baseline", BASELINE)
    assert code == FOUND_SOMETHING
    assert "but not everything could be read" in out
    assert "not read: tasks of workspace 10001" in out


def test_credentials_that_are_refused_end_it_with_1(audit: Command) -> None:
    wrong = local_cloud_environment(audit.local, ADMINISTRATOR="nobody", CREATOR="nobody")
    with mock.patch.dict("os.environ", wrong):
        code, out, told = audit(*HERE)
    assert code == 1
    assert out == ""
    assert told.startswith("error: ")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "name the region"),
        (("--region", "cn-shanghai", "--spec", "examples/oss.yaml"), "the audit is of cn-shanghai"),
        ((*HERE, "--spec", "missing.yaml"), "no such file"),
        ((*HERE, "--csv", "missing.csv"), "no such file"),
        ((*HERE, "--baseline", "missing.yaml"), "no such file"),
        ((*HERE, "--baseline", "examples/oss.yaml"), "is not a known key"),
        ((*HERE, "--write-baseline", "new.yaml"), "--reason: say why"),
        ((*HERE, "--write-baseline", "new.yaml", "--reason", "short"), "at least 10 characters"),
        ((*HERE, "--reason", "a reason for nothing"), "--reason and --expires are for"),
        ((*HERE, "--write-baseline", "examples/oss.yaml", "--baseline", BASELINE, "--reason", "long enough"), "exists"),
        ((*HERE, "--reach", "oss://shop", "--format", "html"), "chains are written as table, json, csv"),
        ((*HERE, "--reach", "oss://shop", "--fail-on", "low"), "it tells chains, not findings"),
        ((*HERE, "--reach", "s3://shop"), "s3:// is not understood; known are "),
        ((*HERE, "--reach", "oss://"), "give a location"),
    ],
)  # fmt: skip
def test_bad_input_ends_with_2_before_the_cloud_is_asked(
    audit: Command, arguments: tuple[str, ...], told: str
) -> None:
    before = audit.calls
    code, out, said = audit(*arguments)
    assert code == BAD_INPUT
    assert told in said
    assert out == ""
    assert audit.calls == before


def test_bad_input_is_json_where_json_is_asked_for(audit: Command) -> None:
    code, out, _ = audit(*HERE, "--baseline", "missing.yaml", "--format", "json")
    assert code == BAD_INPUT
    assert json.loads(out)["outcome"] == "bad input"


def test_a_last_day_that_is_over_is_refused(audit: Command, tmp_path: Path) -> None:
    path = tmp_path / "baseline.yaml"
    code, _, told = audit(
        *HERE, "--write-baseline", str(path), "--reason", "known since the start", "--expires", "2020-01-31"
    )
    assert code == BAD_INPUT
    assert "2020-01-31 is over" in told
    assert not path.exists()


# -- forms ---------------------------------------------------------------------------------------------


def test_json_is_one_document(audit: Command) -> None:
    code, out, _ = audit(*HERE, "--format", "json")
    told = json.loads(out)
    assert code == CLEAN
    assert [one["code"] for one in told["findings"]] == FOUND
    assert told["findings"][0]["command"] == "onboard migrate --workspace 10001 --only legacy_export"


@pytest.mark.parametrize(
    ("name", "start"),
    [
        ("audit.json", '{\n "kind": "audit report"'),
        ("audit.sarif", '{\n "$schema": "https://docs.oasis-open.org/sarif'),
        ("audit.html", "<!doctype html>"),
        ("audit.csv", "status,severity,code"),
        ("audit.txt", "4 findings need attention now"),
    ],
)
def test_a_files_name_decides_its_form(audit: Command, tmp_path: Path, name: str, start: str) -> None:
    code, out, _ = audit(*HERE, "--output", str(tmp_path / name))
    assert (code, out) == (CLEAN, "")
    assert (tmp_path / name).read_text(encoding="utf-8").lstrip().startswith(start)


def test_the_form_that_is_asked_for_wins_over_the_files_name(audit: Command, tmp_path: Path) -> None:
    audit(*HERE, "--output", str(tmp_path / "audit.json"), "--format", "csv")
    assert (tmp_path / "audit.json").read_text(encoding="utf-8").startswith("status,")


def test_a_file_that_cannot_be_written_is_bad_input(audit: Command, tmp_path: Path) -> None:
    code, _, told = audit(*HERE, "--output", str(tmp_path))
    assert code == BAD_INPUT
    assert "--output: cannot write" in told
    before = audit.calls
    for option in ("--output", "--write-baseline"):
        code, _, told = audit(
            *HERE, option, str(tmp_path / "none" / "file"), "--reason", "long enough to say"
        )
        assert code == BAD_INPUT
        assert f"{option}: there is no folder" in told
    assert audit.calls == before


def test_no_form_holds_a_secret_or_more_than_the_end_of_a_key(audit: Command) -> None:
    for form in ("table", "json", "sarif", "html", "csv"):
        code, out, told = audit(*HERE, "--format", form)
        assert code == CLEAN
        assert "made-up-secret" not in out + told
        assert "LTAI5t" not in out + told
        assert "AUD101" in out


# -- chains --------------------------------------------------------------------------------------------


def test_reach_tells_each_chain_once_and_who_has_a_key(audit: Command) -> None:
    _, out, _ = audit(*HERE, "--reach", "oss://shop-orders", "--format", "json")
    chains = json.loads(out)["chains"]
    assert [chain["user"] for chain in chains] == ["alice", "carol", "erin", "mallory"]
    assert chains[2]["group"] == "data-platform"
    _, out, _ = audit(*HERE, "--reach", "supplier-export")
    assert out.startswith("whoever has the key of 1 data source may reach supplier-export")


def test_reach_as_csv_has_one_line_a_chain(audit: Command) -> None:
    _, out, _ = audit(*HERE, "--reach", "oss://shop-orders", "--format", "csv")
    lines = list(csv.DictReader(io.StringIO(out)))
    assert [line["grants"] for line in lines][-1] == "PassAnyRole"


def test_a_location_that_nobody_reaches_is_told_with_what_could_not_be_read(audit: Command) -> None:
    code, out, _ = audit(*HERE, "--reach", "oss://elsewhere")
    assert code == CLEAN
    assert out.startswith("Nothing that was read reaches oss://elsewhere")
    add_fault(audit.local, action="ListFiles", status=403, code="Forbidden.Access", times=None)
    assert "not read: " in audit(*HERE, "--reach", "oss://elsewhere")[1]


# -- the baseline --------------------------------------------------------------------------------------


def test_writing_a_baseline_again_changes_nothing_and_keeps_reasons(audit: Command, tmp_path: Path) -> None:
    path = tmp_path / "baseline.yaml"
    path.write_text(Path(BASELINE).read_text(encoding="utf-8"), encoding="utf-8")
    write = (
        *HERE,
        "--write-baseline",
        str(path),
        "--reason",
        "known since the start",
        "--expires",
        "2999-12-31",
    )
    audit(*write)
    first = path.read_text(encoding="utf-8")
    reasons = {entry.code: entry.reason for entry in load_baseline(path).ignore}
    assert reasons["AUD101"].startswith("The supplier's bucket")
    assert reasons["AUD301"] == "known since the start"
    audit(*write)
    assert path.read_text(encoding="utf-8") == first


def test_specifications_are_compared(audit: Command) -> None:
    _, out, _ = audit("--spec", "examples/oss.yaml", "--format", "json")
    told = json.loads(out)
    assert told["region"] == "cn-hangzhou"
    assert [one["code"] for one in told["findings"] if one["code"].startswith("AUD6")]

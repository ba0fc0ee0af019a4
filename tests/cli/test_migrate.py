"""``onboard migrate``: what is shown, who is asked, and the example of docs/migrate.md from its first to its last line."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings
from typer.testing import CliRunner

from cli.main import app
from emulator.account import load_account
from emulator.cloud import LocalCloud
from emulator.server import RunningCloud, serve_in_thread
from tests.flows.server import ROOT, PrefectServer, local_cloud_environment
from tests.tasks.migrating import KEY_ID, SECRET, contents, migratable

ARGUMENTS = ("migrate", "--workspace", "10001", "--region", "cn-hangzhou")
PAGE = ROOT / "docs" / "migrate.md"
ACCOUNT = ROOT / "examples" / "migrate" / "account.yaml"
BAD_INPUT = 2


def onboard(*arguments: str) -> tuple[int, str, str]:
    """Exit code, standard output, standard error of a command in this process."""
    result = CliRunner().invoke(app, [*arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result.exit_code, result.stdout, result.stderr


@pytest.fixture
def shop(local: RunningCloud, prefect_server: PrefectServer) -> Iterator[RunningCloud]:
    """A data source with a key, and this process's settings for the local cloud."""
    migratable(local.cloud)
    server = temporary_settings({PREFECT_API_URL: prefect_server.api, PREFECT_HOME: prefect_server.home})
    with mock.patch.dict("os.environ", local_cloud_environment(local)), server:
        yield local


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("migrate",), "give --workspace or --csv"),
        (("migrate", "--workspace", "10001"), "give the --region"),
        (ARGUMENTS, "nobody can be asked here: give --yes"),
        ((*ARGUMENTS, "--ask-keys", "--yes"), "ONBOARD_ROLLBACK_KEYS in place of --ask-keys"),
        ((*ARGUMENTS, "--plan", "x"), "is no plan's hash"),
    ],
)
def test_bad_input_is_told_before_anything_is_read(
    shop: RunningCloud, arguments: tuple[str, ...], told: str
) -> None:
    code, _, err = onboard(*arguments)
    assert code == BAD_INPUT
    assert told in err
    assert not shop.cloud.journal.entries


def test_a_file_with_errors_is_bad_input(shop: RunningCloud, tmp_path: Path) -> None:
    file = tmp_path / "sources.csv"
    file.write_text("name,workspace\norders,many\n", encoding="utf-8")
    code, _, err = onboard("migrate", "--csv", str(file), "--yes")
    assert code == BAD_INPUT
    assert "workspace" in err
    assert not shop.cloud.journal.entries


def test_propose_shows_and_writes_proposals_and_changes_nothing(shop: RunningCloud, tmp_path: Path) -> None:
    code, out, _ = onboard(*ARGUMENTS, "--stage", "propose", "--output", str(tmp_path))
    assert code == 0
    assert "access read, role DataWorks-10001-orders, granted to carol, dave, erin" in out
    assert "its key was not given" in out
    assert (tmp_path / "orders.yaml").exists()
    assert not shop.cloud.journal.writes


def test_the_hash_that_was_shown_is_carried_out_as_json(shop: RunningCloud) -> None:
    code, out, _ = onboard(*ARGUMENTS, "--stage", "propose", "--watch-runs", "0", "--json")
    approved = json.loads(out)["plan"]["hash"]
    code, out, _ = onboard(*ARGUMENTS, "--plan", approved, "--watch-runs", "0", "--json")
    assert code == 0, out
    told = json.loads(out)
    assert told["outcome"] == "done"
    assert told["counts"] == {"migrated": 1}
    assert told["unused_access_keys"][0]["key_id"] == KEY_ID
    assert SECRET not in out


def test_keys_come_from_the_environment_and_are_shown_nowhere(shop: RunningCloud) -> None:
    given = json.dumps({KEY_ID: {"access_key_secret": SECRET}})
    with mock.patch.dict("os.environ", {"ONBOARD_ROLLBACK_KEYS": given}):
        code, out, err = onboard(*ARGUMENTS, "--stage", "trial", "--yes")
    assert code == 0, out + err
    assert "its key was not given" not in out
    assert SECRET not in out + err
    assert contents(shop.cloud, "orders")[0]["accessId"] == KEY_ID


# -- the page's example --------------------------------------------------------------------------------


def _blocks(language: str) -> list[str]:
    return re.findall(
        rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )


def _commands() -> list[str]:
    return [
        line[2:]
        for block in _blocks("console")
        for line in block.splitlines()
        if line.startswith(("$ onboard migrate", "$ onboard plan"))
    ]


def test_the_example_of_the_page_runs_and_says_what_the_page_says(
    prefect_server: PrefectServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = temporary_settings({PREFECT_API_URL: prefect_server.api, PREFECT_HOME: prefect_server.home})
    shown = ""
    with serve_in_thread(LocalCloud(load_account(ACCOUNT))) as running, server:
        monkeypatch.chdir(tmp_path)
        keys = json.loads(re.findall(r"ONBOARD_ROLLBACK_KEYS='(.*?)'", PAGE.read_text(encoding="utf-8"))[0])
        environment = {**local_cloud_environment(running), "ONBOARD_ROLLBACK_KEYS": json.dumps(keys)}
        with mock.patch.dict("os.environ", environment):
            commands = _commands()
            assert len(commands) >= 3
            for command in commands:
                code, out, err = onboard(*shlex.split(command)[1:])
                assert code == 0, command + out + err
                shown += out
        told = _blocks("text")
        assert told
        for line in (line.strip() for block in told for line in block.splitlines() if line.strip()):
            assert line in shown, f"the page says {line!r}, the commands said:\n{shown}"
        names = {one.name for one in running.cloud.state.dataworks.data_sources}
        assert not [name for name in names if "_migration_" in name]
        assert {content["authType"] for content in contents(running.cloud, "orders")} == {"RamRole"}

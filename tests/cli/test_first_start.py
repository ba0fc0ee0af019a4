"""A machine on which Prefect was never started: the command says at once what it does, and how far it is."""

from __future__ import annotations

import re
import sqlite3
import time
from itertools import pairwise
from pathlib import Path

import pytest

from cli.first_start import LOADING, _how_far, _order
from emulator.server import RunningCloud
from tests.cli.commands import onboard, started
from tests.flows.server import local_cloud_environment
from tests.tasks.onboarding import EXAMPLE

_SECONDS = 100.0


def _database(folder: Path, revision: str) -> Path:
    path = folder / "prefect.db"
    with sqlite3.connect(path) as made:
        made.execute("CREATE TABLE alembic_version (version_num TEXT)")
        made.execute("INSERT INTO alembic_version VALUES (?)", (revision,))
    made.close()
    return path


def test_how_far_is_counted_in_the_order_in_which_changes_are_made(tmp_path: Path) -> None:
    order = _order()
    assert len(order) == len(set(order)) > 100
    path = _database(tmp_path, order[9])
    assert _how_far(path) == f"making its database: 10 of {len(order)} changes"


@pytest.mark.parametrize("revision", ["", "newer"])
def test_a_database_that_is_complete_or_of_another_release_is_not_counted(
    tmp_path: Path, revision: str
) -> None:
    told = _how_far(_database(tmp_path, revision or _order()[-1]))
    assert told == ("bringing its database up to date" if revision else "starting the server")


def test_without_a_database_there_is_nothing_to_count(tmp_path: Path) -> None:
    assert _how_far(tmp_path / "none.db") == _how_far(None) == "starting the server"
    assert not (tmp_path / "none.db").exists()


@pytest.mark.servers
@pytest.mark.timeout(300)
def test_the_first_apply_on_a_machine_is_never_silent(local: RunningCloud, tmp_path: Path) -> None:
    home = tmp_path / "prefect"
    environment = {**local_cloud_environment(local), "PREFECT_HOME": str(home)}
    began = time.monotonic()
    heard: list[tuple[float, str]] = []
    with started("apply", str(EXAMPLE), "--yes", environment=environment) as process:
        assert process.stderr is not None
        heard += [(time.monotonic() - began, line.rstrip()) for line in process.stderr]
        assert process.wait(_SECONDS) == 0, heard
    lines = [line for _, line in heard]
    assert lines[0] == LOADING
    assert heard[0][0] < 5  # 0.6 s on two cores; this machine may be busy
    assert any(f"makes Prefect's database, {home}/prefect.db" in line for line in lines)
    assert any(re.search(r"making its database: \d+ of \d+ changes", line) for line in lines)
    assert re.match(r"Prefect is ready, after \d+ s", lines[-1])
    told = [at for at, _ in heard]
    ready = next(at for at, line in heard if line.startswith("starting Prefect"))
    pauses = [later - earlier for earlier, later in pairwise(told) if earlier >= ready]
    assert max(pauses) < 10
    again = onboard("apply", str(EXAMPLE), "--yes", environment=environment)
    assert again.returncode == 0
    assert "makes Prefect's database" not in again.stderr
    quiet = onboard("apply", str(EXAMPLE), "--yes", "--json", environment=environment)
    assert (quiet.returncode, quiet.stderr) == (0, "")

"""``onboard demo`` from start to end, and stopped in the middle: nothing it started stays behind."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import pytest

from tests.cli.commands import read_until, started
from tests.flows.server import group_is_empty


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A cache of the tests' own: Prefect's database is made anew once. Settings of the person are not used."""
    home = tmp_path_factory.mktemp("demo")
    return {
        "XDG_CACHE_HOME": str(home),
        "ONBOARD_LOCAL_CLOUD": "http://127.0.0.1:9",
        "PREFECT_API_URL": "http://127.0.0.1:9/api",
    }


def _runs_of(folder: str) -> list[int]:
    """Processes whose environment names the folder: those a demo started, in whatever session."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            environment = (entry / "environ").read_bytes()
        except OSError:
            continue  # ended meanwhile, or not ours
        if folder.encode() in environment:
            found.append(int(entry.name))
    return found


def test_the_demo_makes_everything_then_finds_nothing_left_to_do_and_stops_it_all(
    environment: dict[str, str],
) -> None:
    with started("demo", environment=environment) as process:
        said, told = process.communicate(timeout=110)
        assert process.returncode == 0, said + told
        assert group_is_empty(process)
    assert _runs_of(environment["XDG_CACHE_HOME"]) == []
    first, second = re.findall(r"(\d+) writing calls, by the local cloud's journal", said)
    assert int(first) > 10
    assert int(second) == 0
    assert said.count("Records: 10 read, 10 written") == 2
    assert "Where to look next" in said
    assert "Traceback" not in told
    assert "local-secret" not in said + told


def test_ctrl_c_in_the_middle_of_the_demo_leaves_no_process(environment: dict[str, str]) -> None:
    with started("demo", environment=environment) as process:
        said = read_until(process, "step 1, RAM role")
        assert _runs_of(environment["XDG_CACHE_HOME"])
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=40)
        assert process.returncode == 130, said + told
        assert "interrupted" in told
        assert "Traceback" not in told
        assert group_is_empty(process)
    assert _runs_of(environment["XDG_CACHE_HOME"]) == []

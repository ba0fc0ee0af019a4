"""Real processes that are killed at random moments; the long campaign only, because each takes seconds to start."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import yaml

from benchmarks.rows import make_rows, write_csv
from emulator.server import RunningCloud
from tests.campaign import files, singles
from tests.campaign.drawing import SCALE, seeds
from tests.campaign.invariants import others_of
from tests.campaign.singles import Case, Figures, calm
from tests.cli.commands import started
from tests.flows.files import persona_environment, served, specs_of
from tests.flows.server import PrefectServer, local_cloud_environment
from tests.tasks.onboarding import add_fault

Record = Callable[[str, object], None]
pytestmark = pytest.mark.skipif(not SCALE, reason="`make campaign` kills real processes")
_SECONDS = 90.0
_INTERVALS = {"ONBOARD_POLL_INTERVAL_INITIAL": "0.05", "ONBOARD_POLL_INTERVAL_MAXIMUM": "0.2"}


def _killed_at(local: RunningCloud, process: subprocess.Popen[str], calls: int) -> str:
    """Kill it when the local cloud has answered so many calls; how it ended."""
    ends = time.monotonic() + _SECONDS
    while len(local.cloud.journal.entries) < calls:
        if process.poll() is not None:
            assert process.returncode == 0, process.communicate()
            return "done"
        assert time.monotonic() < ends
        time.sleep(0.002)  # another process has no clock to inject
    process.kill()
    assert process.wait(10) == -signal.SIGKILL
    return "killed"


def _twice(draw: random.Random, calls: int) -> list[int]:
    return [draw.randrange(5, calls) for _ in range(draw.choice((1, 2)))]


@pytest.mark.parametrize("seed", seeds(1, 0.04))
def test_a_process_that_applies_and_is_killed(
    local: RunningCloud, prefect_server: PrefectServer, tmp_path: Path, seed: int, record_property: Record
) -> None:
    draw = random.Random(f"process {seed}")
    case = replace(Case.of(draw), sessions=False)
    goal = singles.wanted(local, case)
    spec = singles.fresh(local, case)
    others = others_of(local.cloud)
    path = tmp_path / "spec.yaml"
    path.write_text(yaml.safe_dump(spec.model_dump(mode="json", exclude_unset=True)), encoding="utf-8")
    environment = {**prefect_server.environment, **local_cloud_environment(local), **_INTERVALS}
    figures = Figures()
    for calls in _twice(draw, 75):
        local.cloud.journal.clear()
        lost = add_fault(local, when="after", effect="reset", times=None, probability=draw.choice((0.0, 0.1)))
        with started("apply", str(path), "--yes", environment=environment) as process:
            figures.ended = _killed_at(local, process, calls)
        figures.hits["answer lost"] = figures.hits.get("answer lost", 0) + lost.hits
        goal.check_parts(local.cloud)
        assert others_of(local.cloud) == others
        calm(local)
    singles.finish(local, case, spec, goal)
    assert others_of(local.cloud) == others
    figures.repeated_runs = goal.repeated_runs(local.cloud)
    record_property("campaign", {"kind": "process of one killed", **asdict(figures)})


@pytest.mark.parametrize("seed", seeds(1, 0.02))
def test_a_process_that_onboards_a_file_and_is_killed(
    prefect_server: PrefectServer, tmp_path: Path, seed: int, record_property: Record
) -> None:
    draw = random.Random(f"process of a file {seed}")
    rows = make_rows(8, roles=2)
    specs = specs_of(rows)
    write_csv(rows, tmp_path / "sources.csv")
    figures = Figures()
    with served(rows) as local:
        goal = files.wanted_of(local, specs)
        files.fresh(local, specs)
        others = others_of(local.cloud)
        environment = {**prefect_server.environment, **persona_environment(local), **_INTERVALS}
        for calls in _twice(draw, 150):
            local.cloud.journal.clear()
            with started("bulk", str(tmp_path / "sources.csv"), "--yes", environment=environment) as process:
                figures.ended = _killed_at(local, process, calls)
            goal.check_parts(local.cloud)
            assert others_of(local.cloud) == others
            calm(local)
        files.finish(local, specs, goal)
        assert others_of(local.cloud) == others
        figures.repeated_runs = goal.repeated_runs(local.cloud)
    record_property("campaign", {"kind": "process of a file killed", **asdict(figures)})

"""Runs that are cancelled half-way, and runs of the same data source at once, by real workers on both kinds of servers."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.rows import make_rows, write_csv
from emulator.cloud import LocalCloud
from emulator.server import RunningCloud
from tests.flows.files import apply, gate_of, meaning, persona_environment, plan_of, served, specs_of
from tests.flows.installations import BOTH, POOL, Installation, installation, until
from tests.flows.scale_worker import Worker, worker

pytestmark = [pytest.mark.servers, pytest.mark.timeout(500)]
ROWS = make_rows(6, roles=2)
SPECS = specs_of(ROWS)
_ONBOARD = "onboard data source/onboard"
_BULK = "onboard from CSV/bulk-onboard"
_RUN_SECONDS = 240.0
_SLOW_SECONDS = 0.4
_LATER_SECONDS = 3.0
_WRITTEN_ONCE = ("CreateDataSource", "CreateDISyncTask", "SubmitFile", "RunCycleDagNodes")


@pytest.fixture(scope="module", params=BOTH)
def installed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Installation]:
    with installation(request.param, tmp_path_factory.mktemp(request.param)) as running:
        yield running


@pytest.fixture(scope="module")
def cloud() -> Iterator[RunningCloud]:
    with served(ROWS) as running:
        yield running


@pytest.fixture(scope="module")
def working(
    installed: Installation, cloud: RunningCloud, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Worker]:
    """A worker that onboards on the module's local cloud."""
    often = {"ONBOARD_POLL_INTERVAL_INITIAL": "0.1", "ONBOARD_POLL_INTERVAL_MAXIMUM": "0.5"}
    settings = {**persona_environment(cloud), **often}
    with worker(installed.server, POOL, tmp_path_factory.mktemp("worker"), settings=settings) as started:
        yield started


@pytest.fixture
def slow(cloud: RunningCloud) -> Iterator[RunningCloud]:
    """The module's local cloud as its account has it, and slow enough to be met half-way."""
    cloud.cloud.reset()
    cloud.cloud.settings.enforce_rates = False
    cloud.cloud.settings.answer_latency_seconds = _SLOW_SECONDS
    yield cloud
    cloud.cloud.settings.answer_latency_seconds = 0


@pytest.fixture(scope="module")
def uninterrupted() -> Any:
    """What one run over the file without trouble leaves behind."""
    with served(ROWS) as alone:
        assert set(apply(gate_of(alone), SPECS).outcomes) == {"created"}
        return _meaning(alone.cloud)


@pytest.fixture
def source(tmp_path: Path) -> str:
    write_csv(ROWS, tmp_path / "sources.csv")
    return str(tmp_path / "sources.csv")


def _meaning(cloud: LocalCloud) -> Any:
    """What the cloud means. Parameters of a run come back from PostgreSQL with their keys in another order."""

    def read(part: Any) -> Any:
        if isinstance(part, str) and part.startswith("{"):
            return read(json.loads(part))
        if isinstance(part, dict):
            return {key: read(value) for key, value in part.items()}
        return [read(one) for one in part] if isinstance(part, (list, tuple)) else part

    return read(meaning(cloud))


def _counted(cloud: RunningCloud) -> Counter[str]:
    """Writing calls that were carried out, by action."""
    return Counter(entry.action for entry in cloud.cloud.journal.writes if not entry.code)


def _told(working: Worker) -> str:
    return working.log.read_text(encoding="utf-8")[-4000:]


def _cancelled(
    installed: Installation,
    working: Worker,
    cloud: RunningCloud,
    deployment: str,
    parameters: dict[str, Any],
    processes: int = 1,
) -> None:
    """Start a run, cancel it when it has made its first data source, and see that all its processes end there."""
    said_before = len(working.log.read_text(encoding="utf-8"))

    def stopped() -> int:
        return working.log.read_text(encoding="utf-8")[said_before:].count("stopped: what was written by now")

    flow_run = installed.start(deployment, parameters)
    until(lambda: _counted(cloud)["CreateDataSource"] > 0, _RUN_SECONDS, lambda: _told(working))
    installed.ask("POST", f"flow_runs/{flow_run}/set_state", {"state": {"type": "CANCELLING"}})
    # A worker hears of it by an event, which takes seconds on PostgreSQL and Redis: the run must not be over by then.
    cloud.cloud.settings.answer_latency_seconds = _LATER_SECONDS
    until(lambda: stopped() >= processes, 60, lambda: _told(working))
    calls = len(cloud.cloud.journal.entries)
    assert _counted(cloud)["RunCycleDagNodes"] == 0
    assert installed.ended(flow_run, 60, lambda: _told(working))["type"] == "CANCELLED"
    until(lambda: not working.flow_runs(), 60)
    # Its data sources are free for the next run, and nothing more was asked of the cloud.
    assert installed.variables("onboarding-turn-") == installed.variables("onboarding-run-") == []
    assert len(cloud.cloud.journal.entries) == calls
    cloud.cloud.settings.answer_latency_seconds = 0


def test_a_cancelled_run_ends_after_its_call_and_the_next_one_ends_as_if_nothing_had_happened(
    installed: Installation, working: Worker, slow: RunningCloud
) -> None:
    with served(ROWS) as alone:
        apply(gate_of(alone), SPECS[:1])
        wanted = _meaning(alone.cloud)
    _cancelled(installed, working, slow, _ONBOARD, {"spec": ROWS[0]})
    again = installed.start(_ONBOARD, {"spec": ROWS[0]})
    done = installed.ended(again, _RUN_SECONDS, lambda: _told(working))
    assert done["type"] == "COMPLETED", done
    assert _meaning(slow.cloud) == wanted
    assert {_counted(slow)[action] for action in _WRITTEN_ONCE} == {1}


def test_a_cancelled_file_ends_after_its_calls_and_the_next_run_ends_as_if_nothing_had_happened(
    installed: Installation, working: Worker, slow: RunningCloud, source: str, uninterrupted: Any
) -> None:
    _cancelled(installed, working, slow, _BULK, {"source": source})
    again = installed.start(_BULK, {"source": source})
    done = installed.ended(again, _RUN_SECONDS, lambda: _told(working))
    assert done["type"] == "COMPLETED", done
    assert _meaning(slow.cloud) == uninterrupted
    assert {_counted(slow)[action] for action in _WRITTEN_ONCE} == {len(ROWS)}


def test_the_shards_of_a_cancelled_file_end_with_it(
    installed: Installation, working: Worker, slow: RunningCloud, source: str
) -> None:
    chosen = {"flows": {"name": {"any_": ["onboard shard of CSV"]}}}
    _cancelled(installed, working, slow, _BULK, {"source": source, "shards": 2}, processes=2)
    shards = installed.ask("POST", "flow_runs/filter", chosen)
    assert [shard["state"]["type"] for shard in shards] == ["CANCELLED"]


def test_two_runs_of_one_data_source_at_once_never_write_both(
    installed: Installation, working: Worker, slow: RunningCloud
) -> None:
    runs = [installed.start(_ONBOARD, {"spec": ROWS[0]}) for _ in range(2)]
    states = [installed.ended(run, _RUN_SECONDS, lambda: _told(working)) for run in runs]
    assert {state["type"] for state in states} == {"COMPLETED"}, states
    assert sorted(state["message"].partition(":")[0] for state in states) == ["created", "unchanged"]
    assert sum("which onboards the same data source" in installed.logs(run) for run in runs) == 1
    assert {_counted(slow)[action] for action in _WRITTEN_ONCE} == {1}


def test_a_file_and_one_of_its_data_sources_at_once_never_write_both(
    installed: Installation, working: Worker, slow: RunningCloud, source: str, uninterrupted: Any
) -> None:
    runs = [installed.start(_BULK, {"source": source}), installed.start(_ONBOARD, {"spec": ROWS[0]})]
    states = [installed.ended(run, _RUN_SECONDS, lambda: _told(working)) for run in runs]
    assert {state["type"] for state in states} == {"COMPLETED"}, states
    assert {_counted(slow)[action] for action in _WRITTEN_ONCE} == {len(ROWS)}
    assert _meaning(slow.cloud) == uninterrupted
    assert plan_of(gate_of(slow), SPECS).changes == ()


def test_two_runs_over_a_file_at_once_never_write_both(
    installed: Installation, working: Worker, slow: RunningCloud, source: str, uninterrupted: Any
) -> None:
    runs = [installed.start(_BULK, {"source": source}) for _ in range(2)]
    states = [installed.ended(run, _RUN_SECONDS, lambda: _told(working)) for run in runs]
    assert {state["type"] for state in states} == {"COMPLETED"}, states
    assert {_counted(slow)[action] for action in _WRITTEN_ONCE} == {len(ROWS)}
    assert _meaning(slow.cloud) == uninterrupted


def test_where_a_limit_is_set_that_says_so_a_second_run_is_refused(
    installed: Installation, working: Worker, slow: RunningCloud
) -> None:
    deployment = installed.deployment(_ONBOARD)["id"]
    limits = {"concurrency_limit": 1, "concurrency_options": {"collision_strategy": "CANCEL_NEW"}}
    installed.ask("PATCH", f"deployments/{deployment}", limits)
    try:
        first = installed.start(_ONBOARD, {"spec": ROWS[0]})
        until(lambda: installed.state(first)["type"] == "RUNNING", _RUN_SECONDS, lambda: _told(working))
        second = installed.start(_ONBOARD, {"spec": ROWS[0]})
        states = [installed.ended(run, _RUN_SECONDS, lambda: _told(working)) for run in (second, first)]
    finally:
        installed.ask("PATCH", f"deployments/{deployment}", {"concurrency_limit": None})
    assert [state["type"] for state in states] == ["CANCELLED", "COMPLETED"], states
    assert {_counted(slow)[action] for action in _WRITTEN_ONCE} == {1}

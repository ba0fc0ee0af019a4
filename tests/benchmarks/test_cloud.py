"""The local cloud of the benchmarks, in its own process: latency, rates, controls, and what is measured on it."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.cloud import BenchmarkCloud, local_cloud
from benchmarks.onboarded import write_account
from benchmarks.rows import TYPES, make_account, make_rows
from benchmarks.sequential import run_sequentially
from benchmarks.throughput import Question, measure
from cli.servers.processes import StartFailed

ROWS = make_rows(len(TYPES), roles=1)
ROLE = Question("ram", "GetRole", {"RoleName": "AliyunServiceRoleForDataWorksDI"})


def test_every_answer_is_late_by_the_latency_and_controls_are_not() -> None:
    with local_cloud(make_account(ROWS), latency=0.2) as cloud:
        started = time.monotonic()
        measure(cloud, [ROLE], calls=4, connections=4)
        assert time.monotonic() - started >= 0.2
        assert cloud.control("GET", "settings")["answer_latency_seconds"] == 0.2
        assert cloud.summary().calls == {"ram:GetRole": 4}


def test_calls_over_the_published_rate_are_throttled_and_counted() -> None:
    question = Question("dataworks", "ListDataSources", {"ProjectId": "20001"})
    with local_cloud(make_account(ROWS), latency=0, edition="standard") as cloud:
        with pytest.raises(RuntimeError, match=r"Throttling\.User"):
            measure(cloud, [question], calls=40, connections=40)
        found = cloud.summary()
        assert found.throttled > 0
        assert found.dataworks == found.total
        assert found.writes == 0
        cloud.clear_journal()
        assert cloud.summary().total == 0


def test_the_process_ends_with_its_block() -> None:
    with local_cloud(make_account(ROWS)) as cloud:
        pid = cloud.pid
        assert Path(f"/proc/{pid}").exists()
    assert not Path(f"/proc/{pid}").exists()


def test_an_account_may_be_a_json_file(tmp_path: Path) -> None:
    with local_cloud(write_account(make_account(ROWS), tmp_path)) as cloud:
        assert "20001" in cloud.control("GET", "state")["state"]["dataworks"]["workspaces"]


def test_a_faulty_account_is_told(tmp_path: Path) -> None:
    path = tmp_path / "account.json"
    path.write_text("{", encoding="utf-8")
    with pytest.raises(StartFailed, match="code 2"), local_cloud(path):
        pytest.fail("it must not start")


def test_the_sequential_script_onboards_every_type_to_the_end_of_its_run() -> None:
    account = make_account(ROWS)
    with local_cloud(account, latency=0, rates=False, deployment_steps=0, instance_steps=0) as cloud:
        found = run_sequentially(cloud, ROWS)
        instances = cloud.control("GET", "state")["state"]["dataworks"]["instances"].values()
        assert [one["status"] for one in instances] == ["SUCCESS"] * len(ROWS)
        assert all(one["records_written"] == 3 for one in instances)
        assert cloud.summary().throttled == 0
    assert (found.rows, found.roles) == (len(ROWS), 1)
    assert found.scaled(10, 1) == pytest.approx(found.row_seconds * 2 + found.role_seconds)


def test_an_unknown_benchmark_is_bad_input() -> None:
    command = [sys.executable, "-m", "benchmarks", "nosuch"]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert ended.returncode == 2
    assert "nosuch" in ended.stderr


def test_the_environment_points_each_persona_at_its_own_user() -> None:
    cloud = BenchmarkCloud("http://127.0.0.1:1", 0)
    keys = {name: value for name, value in cloud.environment().items() if name.endswith("_ID")}
    assert len(set(keys.values())) == len(keys) == 4
    assert set(cloud.environment(personas=False)) >= {
        "ONBOARD_LOCAL_CLOUD",
        "ONBOARD_IDENTITIES__DEFAULT__ACCESS_KEY_ID",
    }

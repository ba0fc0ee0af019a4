"""The state file of ``python -m emulator --state``: what one process knew, the next one knows."""

from __future__ import annotations

import json
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from alibabacloud_ram20150501 import models

from emulator.account import load_account
from emulator.cloud import LocalCloud
from emulator.server import RunningCloud
from emulator.state_file import StateFile, StateFileError
from tests.emulator.clients import Key, http_call, ram
from tests.emulator.test_server import ROOT, announced, process


def _cloud(found: Any) -> RunningCloud:
    return RunningCloud(found["url"], LocalCloud())


def _client(found: Any) -> Any:
    alice = next(key for key in found["keys"] if key["user"] == "alice")
    return ram(_cloud(found), Key(alice["access_key_id"], alice["access_key_secret"]))


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_what_was_made_before_the_signal_is_there_at_the_next_start(
    tmp_path: Path, signum: signal.Signals
) -> None:
    options = ("--port", "0", "--json", "--state", str(tmp_path / "state.json"))
    with process(*options) as first:
        client = _client(announced(first))
        client.create_user(models.CreateUserRequest(user_name="u1"))
        first.send_signal(signum)
        out, err = first.communicate(timeout=10)
        assert (first.returncode, out, err) == (0, "", "")
    with process(*options) as second:
        user = _client(announced(second)).get_user(models.GetUserRequest(user_name="u1")).body.user
    assert user.user_name == "u1"


def test_the_file_holds_keys_and_is_readable_by_its_owner_only(tmp_path: Path) -> None:
    StateFile(tmp_path / "state.json").write(LocalCloud(load_account()).save())
    assert stat.S_IMODE((tmp_path / "state.json").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


def test_a_change_is_in_the_file_while_the_process_runs(tmp_path: Path) -> None:
    """So that ``kill -9`` costs the last moments only. The pause between two looks is shortened here."""
    path = tmp_path / "state.json"
    program = (
        "import sys; from emulator import __main__, server; server._KEEP_SECONDS = 0.05\n"
        "sys.exit(__main__.main(sys.argv[1:]))"
    )
    started = subprocess.Popen(
        [sys.executable, "-c", program, "--port", "0", "--json", "--state", str(path)],
        cwd=ROOT, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        _client(announced(started)).create_user(models.CreateUserRequest(user_name="u1"))
        ends = time.monotonic() + 10
        while "u1" not in json.loads(path.read_bytes())["state"]["ram"]["users"]:
            assert time.monotonic() < ends
            time.sleep(0.02)  # another process's work has no clock to inject
    finally:
        started.kill()
        started.communicate()


def test_without_the_option_nothing_is_written(tmp_path: Path) -> None:
    with process("--port", "0", "--json") as started:
        http_call(_cloud(announced(started)), "GET", "/_emulator/health")
        started.send_signal(signal.SIGTERM)
        started.communicate(timeout=10)
        assert started.returncode == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "it is broken"),
        ("[]", "'state', an object"),
        ("[" * 100_000, "it is broken"),
        ('{"state": {"ram": {"users": {"alice": {"nickname": "local-secret"}}}}}', "ram.users.alice"),
        ('{"state": {}, "clock_offset": -1}', "clock's offset"),
    ],
)
def test_a_broken_file_is_refused_and_stays_as_it_was(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "state.json"
    path.write_text(text, encoding="utf-8")
    cloud = LocalCloud(load_account())
    before = cloud.save()
    with pytest.raises(StateFileError) as refused:
        StateFile(path).load(cloud, load_account().state.data)
    told = str(refused.value)
    assert told.startswith(f"state file {path}: it is broken: ")
    assert words in told
    assert told.endswith("move it away to start from the account file again")
    assert "local-secret" not in told
    assert path.read_text(encoding="utf-8") == text
    assert cloud.save() == before


def test_a_broken_file_ends_the_process_with_2(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    path.write_text("{", encoding="utf-8")
    with process("--port", "0", "--state", str(path)) as started:
        out, err = started.communicate(timeout=20)
    assert (started.returncode, out) == (2, "")
    assert err.startswith(f"error: state file {path}: it is broken")
    assert len(err.splitlines()) == 1


def test_a_folder_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "nowhere" / "state.json"
    with pytest.raises(StateFileError, match=r"it cannot be written: No such file or directory"):
        StateFile(path).write(LocalCloud().save())


def test_a_directory_in_its_place_is_refused(tmp_path: Path) -> None:
    cloud = LocalCloud()
    with pytest.raises(StateFileError, match="cannot be read"):
        StateFile(tmp_path).load(cloud, cloud.state.data)


def test_orders_and_logs_of_a_new_day_arrive_and_what_was_written_stays(tmp_path: Path) -> None:
    path = tmp_path / "state.json"
    earlier, account = LocalCloud(load_account()), load_account()
    data = earlier.state.data
    kept = data.buckets["shop-orders"].objects
    before = dict(kept)
    today = next(name for name in kept if name.endswith("part-0.csv") and "20200101" not in name)
    kept["orders/dt=20240101/part-0.csv"] = kept.pop(today)
    logs = data.log_projects["shop-logs"].logstores
    store = next(iter(logs))
    entries = [entry.model_copy() for entry in logs[store].entries]
    logs[store].entries = entries[:1]
    data.maxcompute["retail"].tables["ods_orders"].partitions["pt=20240101"] = [["1", "ada", "10.50"]]
    StateFile(path).write(earlier.save())
    later = LocalCloud(account)
    assert StateFile(path).load(later, account.state.data)
    found = later.state.data
    assert found.buckets["shop-orders"].objects == {
        **before,
        "orders/dt=20240101/part-0.csv": before[today],
    }
    assert found.log_projects["shop-logs"].logstores[store].entries == entries
    assert found.maxcompute["retail"].tables["ods_orders"].partitions["pt=20240101"]
    assert StateFile(path).load(later, account.state.data)  # a second start of the same day adds nothing
    assert len(later.state.data.log_projects["shop-logs"].logstores[store].entries) == len(entries)

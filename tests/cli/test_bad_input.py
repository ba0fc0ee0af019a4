"""Bad input of every class ends with exit code 2, says all that is wrong, and no call reaches the cloud."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cli.main import app
from emulator.server import RunningCloud
from tests.cli.commands import example_mapping, onboard, write_spec
from tests.flows.server import local_cloud_environment

Change = Callable[[dict[str, Any]], None]


def _set(path: str, value: Any) -> Change:
    def change(mapping: dict[str, Any]) -> None:
        *parents, last = path.split(".")
        target = mapping
        for parent in parents:
            target = target[parent]
        target[last] = value

    return change


def _without(path: str) -> Change:
    def change(mapping: dict[str, Any]) -> None:
        *parents, last = path.split(".")
        target = mapping
        for parent in parents:
            target = target[parent]
        del target[last]

    return change


BROKEN: dict[str, tuple[str, Change]] = {
    "name missing": ("name", _without("name")),
    "name starts with a digit": ("name", _set("name", "1st")),
    "description too long": ("description", _set("description", "x" * 81)),
    "workspace is text": ("workspace", _set("workspace", "retail")),
    "workspace is zero": ("workspace", _set("workspace", 0)),
    "region malformed": ("region", _set("region", "Hangzhou")),
    "type unknown": ("type", _set("type", "ftp")),
    "environments empty": ("environments", _set("environments", [])),
    "environment unknown": ("environments[0]", _set("environments", ["TEST"])),
    "environment twice": ("environments", _set("environments", ["DEV", "DEV"])),
    "bucket malformed": ("location.bucket", _set("location.bucket", "Shop_Orders")),
    "bucket in the endpoint": (
        "location.endpoint",
        _set("location.endpoint", "http://shop-orders.oss-cn-hangzhou-internal.aliyuncs.com"),
    ),
    "location unknown key": ("location.path", _set("location.path", "orders/")),
    "access unknown": ("access", _set("access", "everything")),
    "access missing": ("access", _without("access")),
    "permissions unknown": ("permissions", _set("permissions", "all")),
    "role name with underscore": ("role.name", _set("role", {"name": "my_role"})),
    "policy name with dot": ("role.policy", _set("role", {"policy": "my.policy"})),
    "nobody is granted": ("grantees", _set("grantees", {})),
    "user twice": ("grantees.users", _set("grantees", {"users": ["carol", "carol"]})),
    "no resource group": ("resource_groups", _set("resource_groups", [])),
    "resource group malformed": ("resource_groups[0]", _set("resource_groups", ["a b"])),
    "task on an untested resource group": (
        "sync_task.resource_group",
        _set("sync_task.resource_group", "S_res_group_1001_9"),
    ),
    "task name with a blank": ("sync_task.name", _set("sync_task.name", "my task")),
    "folder too short": ("sync_task.folder", _set("sync_task.folder", "Business Flow")),
    "cron malformed": ("sync_task.schedule.cron", _set("sync_task.schedule.cron", "daily")),
    "no writer": ("sync_task.writer", _without("sync_task.writer")),
    "writer without table": ("sync_task.writer", _without("sync_task.writer.table")),
    "credentials in the reader": ("sync_task.reader", _set("sync_task.reader.accessId", "LTAI")),
    "reader where only writing is allowed": ("sync_task", _set("access", "write")),
    "business date in the future": ("sync_task.business_date", _set("sync_task.business_date", "2999-01-01")),
    "concurrency zero": ("sync_task.concurrency", _set("sync_task.concurrency", 0)),
    "dirty records negative": ("sync_task.dirty_records", _set("sync_task.dirty_records", -1)),
    "unknown key": ("resourcegroups", _set("resourcegroups", ["S_res_group_1001_1"])),
    "unknown key of the task": ("sync_task.speed", _set("sync_task.speed", 3)),
}


@pytest.fixture
def environment(local: RunningCloud, monkeypatch: pytest.MonkeyPatch) -> RunningCloud:
    """Settings in this process's environment, as a person has them."""
    for name, value in local_cloud_environment(local).items():
        monkeypatch.setenv(name, value)
    return local


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_rule_ends_apply_with_2_and_its_path_before_any_call(
    environment: RunningCloud, tmp_path: Path, name: str
) -> None:
    path, change = BROKEN[name]
    mapping = copy.deepcopy(example_mapping())
    change(mapping)
    done = CliRunner().invoke(app, ["apply", "--yes", "--json", write_spec(tmp_path, mapping)])
    assert done.exit_code == 2
    problems = json.loads(done.stdout)["problems"]
    assert any(problem["path"].startswith(path) for problem in problems), problems
    assert all(problem["rule"] for problem in problems)
    assert environment.cloud.journal.entries == ()


FILES: dict[str, tuple[bytes, str]] = {
    "no mapping": (b"- a\n- b\n", "not a mapping"),
    "empty": (b"", "is empty"),
    "bad YAML": (b"name: [oss\n", "line"),
    "tab": (b"name:\n\tx: 1\n", "line"),
    "key twice": (b"name: a\nname: b\n", "given twice"),
    "alias": (b"a: &a [1]\nb: *a\n", "aliases"),
    "tag": (b"name: !!python/object/apply:os.system ['true']\n", "tag"),
    "no UTF-8": ("name: 商店".encode("gbk"), "UTF-8"),
}


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("command", ["apply", "check", "plan"])
def test_a_file_that_is_no_specification_ends_with_2(
    environment: RunningCloud, tmp_path: Path, name: str, command: str
) -> None:
    content, told = FILES[name]
    path = tmp_path / "spec.yaml"
    path.write_bytes(content)
    done = CliRunner().invoke(app, [command, str(path)])
    assert done.exit_code == 2
    assert environment.cloud.journal.entries == ()
    if command == "check":
        assert told in done.stderr


@pytest.mark.parametrize("command", ["apply", "check", "plan"])
def test_a_missing_file_ends_with_2(environment: RunningCloud, tmp_path: Path, command: str) -> None:
    done = CliRunner().invoke(app, [command, str(tmp_path / "none.yaml")])
    assert done.exit_code == 2
    assert "there is no such file" in done.stderr
    assert environment.cloud.journal.entries == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ONBOARD_LOCAL_CLOUD", "ftp://127.0.0.1"),
        ("ONBOARD_EDITION", "golden"),
        ("ONBOARD_RETRY_ATTEMPTS", "0"),
        ("ONBOARD_POLL_INTERVAL_INITIAL", "soon"),
        ("ONBOARD_IDENTITIES__CREATOR__ACCESS_KEY_SECRET", ""),
    ],
)
def test_a_setting_that_cannot_be_used_ends_with_2_and_its_name(
    environment: RunningCloud, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str, value: str
) -> None:
    if value:
        monkeypatch.setenv(name, value)
    else:
        monkeypatch.delenv(name)
    done = CliRunner().invoke(app, ["apply", "--yes", write_spec(tmp_path)])
    assert done.exit_code == 2
    assert name.rpartition("__")[0] in done.stderr or name in done.stderr
    assert "local-secret" not in done.stderr
    assert environment.cloud.journal.entries == ()


def test_all_problems_of_a_file_are_told_at_once(tmp_path: Path) -> None:
    mapping = example_mapping()
    for _, change in (BROKEN["name starts with a digit"], BROKEN["access unknown"], BROKEN["cron malformed"]):
        change(mapping)
    done = CliRunner().invoke(app, ["check", write_spec(tmp_path, mapping)])
    assert done.exit_code == 2
    for path in ("name:", "access:", "sync_task.schedule.cron:"):
        assert path in done.stderr


def test_nobody_to_ask_ends_with_2_before_any_call(local: RunningCloud, tmp_path: Path) -> None:
    done = onboard("apply", write_spec(tmp_path), environment=local_cloud_environment(local))
    assert done.returncode == 2
    assert "--yes" in done.stderr
    assert local.cloud.journal.entries == ()


@pytest.mark.parametrize("arguments", [["apply"], ["frobnicate"], ["check", "--nope", "x"]])
def test_wrong_usage_ends_with_2(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, arguments).exit_code == 2

"""Defaults for the rows of a CSV file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from config.csv_file import read_rows
from config.csv_problems import CsvInvalid
from config.limits import SPECIFICATION_BYTES
from tests.config.csv_files import plain_row, read, row_of, text_of, told

COMMON = {
    "workspace": 10001,
    "region": "cn-hangzhou",
    "access": "read",
    "grantees": {"users": ["carol"]},
    "resource_groups": ["S_res_group_1001_1"],
}
SHORT = "name,type,location.bucket\norders,oss,shop-orders\n"


@pytest.mark.parametrize(
    "defaults",
    [
        COMMON,
        {**COMMON, "grantees": "", "grantees.users": "carol"} | {"grantees": {}},
        {
            **COMMON,
            "workspace": "10001",
            "resource_groups": "S_res_group_1001_1",
            "grantees": '{"users": ["carol"]}',
        },
        {key.upper(): value for key, value in COMMON.items()},
    ],
)
def test_defaults_are_nested_or_dotted_values_or_cells(defaults: dict[str, Any]) -> None:
    full = "name,type,location.bucket,workspace,region,access,grantees.users,resource_groups\n"
    row = "orders,oss,shop-orders,10001,cn-hangzhou,read,carol,S_res_group_1001_1\n"
    (made,) = read(SHORT, defaults=defaults).require_valid().rows
    assert made.spec == read(full + row).require_valid().rows[0].spec


def test_a_cell_wins_over_a_default_and_an_empty_one_does_not() -> None:
    text = "name,type,location.bucket,access\na,oss,shop-orders,read_write\nb,oss,shop-orders,\n"
    found = read(text, defaults=COMMON).require_valid()
    assert [row.spec.access.value for row in found.rows] == ["read_write", "read"]


def test_defaults_of_the_sync_task_hold_for_rows_that_have_one() -> None:
    task_defaults = {
        "sync_task": {"folder": "Business Flow/x/Data Integration", "schedule": {"cron": "00 30 05 * * ?"}}
    }
    with_task = {key: cell for key, cell in row_of("adb_mysql").items() if key not in ("sync_task.folder", "sync_task.schedule.cron")}  # fmt: skip
    found = read(text_of(plain_row("plain"), with_task), defaults=task_defaults).require_valid()
    plain, other = (row.spec.sync_task for row in found.rows)
    assert plain is None
    assert other is not None
    assert other.folder == "Business Flow/x/Data Integration"
    assert other.schedule is not None


def test_a_part_given_as_json_is_left_as_it_is() -> None:
    row = row_of("adb_mysql")
    row = {key: cell for key, cell in row.items() if not key.startswith("sync_task.writer.")}
    row["sync_task.writer"] = '{"type": "odps", "datasource": "odps_first", "table": "x", "column": ["*"]}'
    row["sync_task.schedule"] = "null"
    row.pop("sync_task.schedule.cron")
    defaults = {"sync_task": {"writer": {"partition": "pt=1"}, "schedule": {"cron": "00 30 05 * * ?"}}}
    task = read(text_of(row), defaults=defaults).require_valid().rows[0].spec.sync_task
    assert task is not None
    assert "partition" not in task.writer
    assert task.schedule is None


def test_defaults_of_the_location_hold_for_types_that_have_the_field() -> None:
    bucketless = {key: cell for key, cell in plain_row("a").items() if key != "location.bucket"}
    logs = row_of("loghub")
    defaults = {"location": {"bucket": "shop-orders", "project": "other-logs"}}
    found = read(text_of(bucketless, logs), defaults=defaults).require_valid()
    assert [row.spec.location.model_dump().get("bucket") for row in found.rows] == ["shop-orders", None]


def test_unknown_keys_and_unreadable_values_are_told_with_everything_else() -> None:
    defaults = {
        "regoin": "cn-hangzhou",
        "workspace": "many",
        "role": "x",
        "grantees": ["carol"],
        "sync_task": {"folderr": "x", "schedule.cron": "a", "schedule": {"cron": "b"}},
        "location.accessKeySecret": "hush",
    }
    with pytest.raises(CsvInvalid) as caught:
        read("name,nam,access\nx,y,peek\n", defaults=defaults, defaults_source="deploy.yaml")
    assert [str(problem) for problem in caught.value.problems] == [
        "deploy.yaml, regoin: is not a known field; did you mean region?",
        "deploy.yaml, workspace: is a whole number, written with digits only (found 'many')",
        "deploy.yaml, role: is not JSON: Expecting value at character 1 (found 'x')",
        "deploy.yaml, grantees: is a mapping of fields (found a list of 1)",
        "deploy.yaml, sync_task.folderr: is not a known field; did you mean sync_task.folder?",
        "deploy.yaml, sync_task.schedule.cron: has two defaults",
        "deploy.yaml, location.accessKeySecret: is not a known field",
        "sources.csv, row 1, column nam: is not a known column; did you mean name?",
        "sources.csv, row 2, column access: Input should be 'read', 'write' or 'read_write' (found 'peek')",
    ]


def test_wrong_defaults_are_told_beside_a_file_that_cannot_be_read() -> None:
    with pytest.raises(CsvInvalid) as caught:
        read("nam\n", defaults={"regoin": "x"}, defaults_source="deploy.yaml")
    assert [problem.source for problem in caught.value.problems] == ["deploy.yaml", "sources.csv"]


def test_a_wrong_default_is_told_where_it_is_used() -> None:
    found = told(SHORT, defaults={**COMMON, "access": "peek"}, defaults_source="deploy.yaml")
    assert found == [
        "row 2, column access: Input should be 'read', 'write' or 'read_write'; by the defaults of deploy.yaml (found 'peek')"
    ]


def test_defaults_are_read_from_a_yaml_file(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(SHORT, encoding="utf-8")
    (tmp_path / "defaults.yaml").write_text(
        "workspace: 10001\nregion: cn-hangzhou\naccess: read\ngrantees: {users: [carol]}\nresource_groups: [g]\n",
        encoding="utf-8-sig",
    )
    found = read_rows(tmp_path / "rows.csv", defaults=str(tmp_path / "defaults.yaml"))
    assert found.require_valid().rows[0].spec.resource_groups == ("g",)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "there is no such file"),
        (b"a: [", "line 1, column 5: expected the node content, but found '<stream end>'"),
        (b"- a\n", "holds a list, not a mapping of keys to values"),
        (b"a: \xff\n", "is not UTF-8 text; save the file in UTF-8"),
        (b"#" * (SPECIFICATION_BYTES + 1), "is larger than 1048576 bytes; is this the right file?"),
    ],
)
def test_an_unreadable_file_of_defaults_is_named(tmp_path: Path, content: bytes | None, reason: str) -> None:
    path = tmp_path / "defaults.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CsvInvalid) as caught:
        read(text_of(plain_row()), defaults=path)
    assert [str(problem) for problem in caught.value.problems] == [f"{path}: {reason}"]

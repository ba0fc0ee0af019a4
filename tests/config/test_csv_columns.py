"""Columns are the specification's fields."""

from __future__ import annotations

from typing import Any

import pytest

from config.csv_cells import Kind
from config.csv_columns import columns, find_column, kind_of
from config.csv_example import example_specification
from config.csv_file import parse_rows
from config.csv_write import csv_text, to_row
from config.load import json_schema
from config.sources import source_types


def test_every_field_of_the_specification_is_a_column_and_every_column_a_field() -> None:
    schema = json_schema()
    found: set[str] = set()

    def walk(part: dict[str, Any], start: str) -> None:
        part = schema["$defs"][part["$ref"].rpartition("/")[2]] if "$ref" in part else part
        for option in part.get("anyOf", []):
            walk(option, start)
        for name, field in part.get("properties", {}).items():
            found.add(start + name)
            # Below the keys of a reader or writer, structures are JSON in one cell.
            if not start.startswith(("sync_task.reader.", "sync_task.writer.")):
                walk(field, f"{start}{name}.")

    walk(schema, "")
    assert set(columns()) == found


def test_every_column_says_what_it_means() -> None:
    assert [column.name for column in columns().values() if not column.description] == []


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("workspace", Kind.INTEGER),
        ("environments", Kind.LIST),
        ("ignore", Kind.LISTED),
        ("role.adopt", Kind.BOOLEAN),
        ("location.tables", Kind.LIST),
        ("sync_task.business_date", Kind.DATE),
        ("sync_task.reader", Kind.MAPPING),
        ("sync_task.reader.column", Kind.LIST),
        ("sync_task.reader.skipHeader", Kind.BOOLEAN),
        ("sync_task.reader.partition", Kind.TEXT_OR_LIST),
        ("sync_task.writer.primaryKey", Kind.LISTED),
        ("sync_task.schedule.rerun_mode", Kind.TEXT),
        ("sync_task.schedule.parameters", Kind.MAPPING),
    ],
)
def test_the_kind_of_a_column_follows_from_the_annotation(name: str, kind: Kind) -> None:
    assert columns()[name].kind is kind


def test_an_annotation_nobody_has_decided_about_is_an_error() -> None:
    with pytest.raises(TypeError, match=r"no way is known to write .*complex.* in a cell"):
        kind_of(complex)


def test_a_field_of_some_types_says_which_use_and_which_need_it() -> None:
    tables = columns()["location.tables"]
    assert (tables.used_by, tables.required_by, tables.required) == (
        ("hologres", "tablestore"),
        ("tablestore",),
        False,
    )


@pytest.mark.parametrize(
    ("header", "name"),
    [
        (" Name ", "name"),
        ("SYNC_TASK.READER.FILEFORMAT", "sync_task.reader.fileFormat"),
        ("sync_task.Reader.newKey", "sync_task.reader.newKey"),
        ("sync_task.reader.", None),
        ("sync_task.reader. ", None),
        ("location.", None),
        ("names", None),
        ("", None),
    ],
)
def test_headers_are_compared_without_case_and_spaces(header: str, name: str | None) -> None:
    found = find_column(header)
    assert (found.name if found else None) == name


@pytest.mark.parametrize("source_type", source_types())
def test_the_example_of_a_type_is_valid_as_a_row_and_has_a_sync_task(source_type: str) -> None:
    spec = example_specification(source_type)
    assert spec.type == source_type
    assert spec.sync_task is not None
    (row,) = parse_rows(csv_text([to_row(spec)]).encode(), source="a.csv").require_valid().rows
    assert row.spec == spec

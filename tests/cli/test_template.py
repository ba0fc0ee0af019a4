"""``onboard template csv`` and ``onboard schema csv``."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from cli.template import template_text
from config.csv_cells import formula_rule
from config.csv_columns import columns
from config.csv_file import parse_rows, read_rows
from config.sources import source_types


@pytest.mark.parametrize("plain", [True, False])
@pytest.mark.parametrize("every", [True, False])
def test_the_template_is_valid_as_it_is_with_a_row_of_each_type(plain: bool, every: bool) -> None:
    text = template_text(plain=plain, every=every)
    found = parse_rows(text.encode(), source="template.csv").require_valid()
    assert [row.spec.type for row in found.rows] == list(source_types())
    assert found.rows[0].number == (2 if plain else 6)


@pytest.mark.parametrize("source_type", source_types())
def test_a_template_for_one_type_has_only_columns_it_can_use(source_type: str) -> None:
    header, *rows = csv.reader(io.StringIO(template_text([source_type], plain=True, every=False)))
    assert len(rows) == 1
    unused = [name for name in header if name.startswith("location.") and columns()[name].used_by]
    assert all(source_type in columns()[name].used_by for name in unused)


def test_notes_say_of_each_column_whether_how_and_what_and_no_cell_is_a_formula() -> None:
    table = list(csv.reader(io.StringIO(template_text(every=True))))
    assert [row[0] for row in table] == [
        "#",
        "required",
        "written as",
        "default",
        "meaning",
        *[""] * len(source_types()),
    ]
    assert all(all(row) for row in (table[1], table[2], table[4]))
    assert [cell for row in table for cell in row if cell and formula_rule(cell)] == []


def test_a_written_template_opens_as_utf_8_in_excel_and_is_never_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "sources.csv"
    done = CliRunner().invoke(app, ["template", "csv", "--type", "oss", "--type", "loghub", "-o", str(path)])
    assert (done.exit_code, done.stdout) == (
        0,
        f"{path}: header and one example row for each of oss, loghub\n",
    )
    content = path.read_bytes()
    assert content.startswith(b"\xef\xbb\xbf#,name,")
    assert [row.spec.type for row in read_rows(path).require_valid().rows] == ["oss", "loghub"]
    again = CliRunner().invoke(app, ["template", "csv", "-o", str(path)])
    assert again.exit_code == 2
    assert "exists" in again.stderr
    assert path.read_bytes() == content


def test_a_template_on_standard_output_can_be_read() -> None:
    done = CliRunner().invoke(app, ["template", "csv", "--plain", "--type", "hologres"])
    assert done.exit_code == 0
    assert len(parse_rows(done.stdout_bytes, source="stdout").require_valid().rows) == 1


def test_an_unknown_type_and_an_unwritable_place_are_bad_input(tmp_path: Path) -> None:
    unknown = CliRunner().invoke(app, ["template", "csv", "--type", "floppy"])
    assert (unknown.exit_code, unknown.stdout) == (2, "")
    assert "unknown source type floppy; known are: adb_mysql" in unknown.stderr
    nowhere = CliRunner().invoke(app, ["template", "csv", "-o", str(tmp_path / "absent" / "a.csv")])
    assert nowhere.exit_code == 2
    assert "cannot be written: No such file or directory" in nowhere.stderr


def test_schema_csv_lists_every_column() -> None:
    done = CliRunner().invoke(app, ["schema", "csv", "--json"])
    assert done.exit_code == 0
    listed = json.loads(done.stdout)
    assert [each["column"] for each in listed] == list(columns())
    bucket = next(each for each in listed if each["column"] == "location.bucket")
    assert bucket == {
        "column": "location.bucket", "required": False, "required_by": ["oss"], "written_as": "text", "choices": [],
        "used_by": ["oss"], "default": "", "example": "shop-orders", "part": False, "meaning": "Bucket name.",
    }  # fmt: skip
    table = CliRunner().invoke(app, ["schema", "csv"])
    assert table.exit_code == 0
    assert "for adb_mysql, hologres" in table.stdout


def test_schema_without_a_form_is_still_the_json_schema() -> None:
    assert json.loads(CliRunner().invoke(app, ["schema"]).stdout)["title"] == "DataSourceSpec"

"""CSV files as spreadsheets and people write them: what is accepted, and how the rest is refused."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path

import pytest

from config import csv_file, csv_text
from config.csv_file import read_rows
from config.csv_problems import CsvInvalid, RowProblem
from config.limits import CSV_CELL_CHARACTERS, CSV_COLUMNS
from config.load import SpecError
from tests.config.csv_files import one_of_each, plain_row, read, row_of, text_of, told
from tests.config.source_specs import EXAMPLES, spec_of

HEADER = ",".join(plain_row())


def line(name: str = "orders", **changes: str) -> str:
    return text_of(plain_row(name, **changes)).splitlines()[1]


def test_a_row_of_each_type_is_read_as_its_specification() -> None:
    rows = one_of_each()
    found = read(text_of(*rows)).require_valid()
    assert [row.spec for row in found.rows] == [spec_of(row["type"]) for row in rows]
    assert [row.number for row in found.rows] == [2, 3, 4, 5, 6]
    assert (found.source, found.records) == ("sources.csv", 5)


def test_the_example_file_is_valid_with_its_defaults_and_names_nothing_of_the_other_examples() -> None:
    found = read_rows(
        EXAMPLES / "bulk" / "sources.csv", defaults=EXAMPLES / "bulk" / "defaults.yaml"
    ).require_valid()
    assert sorted(row.spec.type for row in found.rows) == [
        "adb_mysql",
        "hologres",
        "loghub",
        "oss",
        "tablestore",
    ]
    taken = {spec.name for spec in map(spec_of, ("adb_mysql", "hologres", "loghub", "oss", "tablestore"))}
    assert taken.isdisjoint(row.spec.name for row in found.rows)
    assert all(row.spec.sync_task is not None for row in found.rows)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_separators_line_ends_and_byte_order_mark_do_not_matter(
    delimiter: str, line_end: str, mark: str
) -> None:
    rows = one_of_each()
    found = read(mark + text_of(*rows, delimiter=delimiter, line_end=line_end))
    assert [row.spec for row in found.require_valid().rows] == [spec_of(row["type"]) for row in rows]


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("inside", ["\n", "\r\n", "\r"])
def test_line_ends_inside_a_cell_stay_what_they_are(line_end: str, inside: str) -> None:
    row = plain_row(description=f"two{inside}lines")
    (found,) = read(text_of(row, line_end=line_end)).require_valid().rows
    assert found.spec.description == row["description"]


@pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "SEP=;", "\r\n;;;\r\n  \r\nsep=;"])
def test_excels_separator_line_is_obeyed_and_blank_lines_before_the_header_are_skipped(first: str) -> None:
    assert len(read(f"{first}\r\n{text_of(plain_row(), delimiter=';')}").require_valid().rows) == 1


def test_commas_in_a_quoted_cell_do_not_make_the_comma_the_separator() -> None:
    row = plain_row(description="a, b, c, d, e, f, g, h, i, j, k")
    assert read(text_of(row, delimiter=";")).require_valid().rows[0].spec.description == row["description"]


def test_columns_may_stand_in_any_order_and_case() -> None:
    row = row_of("oss")
    text = text_of(row, header=reversed(list(row)))
    header, rest = text.split("\r\n", 1)
    found = read(f" {header.upper().replace(',', ' , ')}\r\n{rest}").require_valid()
    assert found.rows[0].spec == spec_of("oss")


def test_blank_rows_and_notes_are_skipped_and_rows_keep_the_line_they_begin_in() -> None:
    rows = [
        plain_row("first", description="two\nlines"),
        {"#": "not yet", "name": "=1", "type": "floppy"},
        plain_row("second"),
        plain_row("third"),
    ]
    header, first_a, first_b, note, second, third, _ = (
        text_of(*rows, header=["#"]).replace("\r", "").split("\n")
    )
    lines = [header, first_a, first_b, "", ",,, ,,,,,,", note, second, "", third, "", ""]
    found = read("\r\n".join(lines)).require_valid()
    assert [(row.number, row.spec.name) for row in found.rows] == [(2, "first"), (7, "second"), (9, "third")]
    assert found.records == 3


def test_cells_missing_at_the_end_are_empty_and_empty_ones_too_many_do_not_matter() -> None:
    text = text_of({**plain_row(), "description": "", "role.name": ""}, header=plain_row())
    header, row, *_ = text.split("\r\n")
    found = read(
        f"{header}\r\n{row.rstrip(',')}\r\n{row.replace('orders', 'others', 1)},,, ,\r\n"
    ).require_valid()
    assert [each.spec.name for each in found.rows] == ["orders", "others"]


def test_a_row_that_breaks_off_names_what_it_lacks() -> None:
    assert told(f"{HEADER}\nincomplete,10001,cn-hangzhou\n") == [
        "row 2, column type: is required",
        "row 2, column location: is required",
        "row 2, column access: is required",
        "row 2, column grantees: is required",
        "row 2, column resource_groups: is required",
    ]


def test_cells_beyond_the_header_and_below_no_name_are_refused() -> None:
    text = f"{HEADER},\n{line()},,,surplus\n{line('others')},stray\n"
    assert told(text) == [
        "row 2: cell 11 is beyond the header's 9 columns; is a separator not quoted? (found 'surplus')",
        "row 3: cell 9 stands below no column name; is a separator not quoted? (found 'stray')",
    ]


@pytest.mark.parametrize(
    ("changes", "told_of"),
    [
        ({"workspace": "ten"}, "column workspace: is a whole number, written with digits only (found 'ten')"),
        ({"workspace": "10001.0"}, "column workspace: is a whole number, written with digits only (found '10001.0')"),
        ({"workspace": "9" * 5000}, f"column workspace: is a whole number, written with digits only (found '{'9' * 56}...)"),
        ({"workspace": "-1"}, "column workspace: Input should be greater than or equal to 1 (found -1)"),
        ({"workspace": "1.0001E+4"}, "column workspace: is a number that a spreadsheet has shortened"),
        ({"sync_task__owner": "2.01235E+17"}, "column sync_task.owner: is a number that a spreadsheet has shortened"),
        ({"sync_task__run": "perhaps"}, "column sync_task.run: is true or false (also yes, no, 1, 0) (found 'perhaps')"),
        ({"sync_task__business_date": "31.01.2026"}, "column sync_task.business_date: Input should be a valid date"),
        ({"resource_groups": "a;;b"}, "column resource_groups: item 2 of the list is empty (found 'a;;b')"),
        ({"resource_groups": "a;b c"}, "column resource_groups: [1]: a resource group identifier looks like"),
        ({"grantees__users": "carol;carol"}, "column grantees.users: 'carol' is named twice (found a list of 2)"),
        ({"environments": "DEV;TEST"}, "column environments: [1]: an environment is DEV or PROD (found 'TEST')"),
        ({"ignore": "[{]"}, "column ignore: is not JSON: Expecting property name enclosed in double quotes at character 3"),
        ({"ignore": '{"code": "RAM201"}'}, "column ignore: is a JSON list, which starts with ["),
        ({"ignore": '[{"code": "RAM201"}]'}, "column ignore: [0].reason: is required"),
        ({"ignore": "[" * 100_000}, f"column ignore: has 100000 characters; a cell has at most {CSV_CELL_CHARACTERS}"),
        ({"ignore": "[" * 60_000}, "column ignore: is JSON nested too deep"),
        ({"ignore": "[NaN]"}, "column ignore: is not JSON: NaN is no number"),
        ({"sync_task__schedule__parameters": '{"a": "1", "a": "2"}'}, "gives a key twice in one JSON object"),
        ({"sync_task__schedule__cron": "every day"}, "column sync_task.schedule.cron: a schedule has 6 fields"),
        ({"sync_task__reader__surprise": "x"}, "column sync_task.reader.surprise: is not a known key (found 'x')"),
        ({"sync_task__reader": "[1]"}, "column sync_task.reader: is a JSON object, which starts with {"),
        ({"location__project": "shop-logs"}, "column location.project: is not a known key (found 'shop-logs')"),
        ({"location__prefix": "/orders"}, "column location.prefix: a prefix does not start with '/'"),
        ({"type": "floppy"}, "column type: unknown source type 'floppy'; known are: adb_mysql"),
        ({"name": "2024_orders"}, "column name: a data source name may hold only letters, digits and '_'"),
    ],
    ids=lambda value: "" if isinstance(value, str) else str(value)[:60],
)  # fmt: skip
def test_a_broken_cell_is_told_with_row_column_value_and_rule(changes: dict[str, str], told_of: str) -> None:
    found = told(text_of(row_of("oss", **changes)))
    assert any(text.startswith("row 2, ") and told_of in text for text in found), found


@pytest.mark.parametrize(
    "cell", ["=1+1", "+SUM(A1)", "-cmd|' /C calc'!A0", "@SUM(1)", "\t=1", "\r=1", "  =1", "-"]
)
def test_a_formula_is_refused(cell: str) -> None:
    (problem,) = told(plain_row(description=cell))
    assert problem.startswith(
        "row 2, column description: starts like a formula, which a spreadsheet would execute"
    )


@pytest.mark.parametrize(
    ("cell", "text"), [("-1", "-1"), ("+4.5", "+4.5"), ('"=1+1"', "=1+1"), ("a=b", "a=b")]
)
def test_plain_numbers_and_quoted_formulas_are_text(cell: str, text: str) -> None:
    assert read(text_of(plain_row(description=cell))).require_valid().rows[0].spec.description == text


@pytest.mark.parametrize(
    ("cell", "groups"),
    [
        ("a;b", ("a", "b")),
        (" a ; b ", ("a", "b")),
        ('["a", "b"]', ("a", "b")),
        ("a", ("a",)),
    ],
)
def test_lists_are_separated_by_semicolons_or_json(cell: str, groups: tuple[str, ...]) -> None:
    assert (
        read(text_of(plain_row(resource_groups=cell))).require_valid().rows[0].spec.resource_groups == groups
    )


def test_a_semicolon_inside_an_item_has_a_backslash() -> None:
    row = row_of("oss", sync_task__reader__object=r"orders/a\;b*;orders/c\\;orders/d\e")
    task = read(text_of(row)).require_valid().rows[0].spec.sync_task
    assert task is not None
    assert task.reader["object"] == ["orders/a;b*", "orders/c\\", "orders/d\\e"]


@pytest.mark.parametrize(
    ("cell", "flag"), [("TRUE", True), ("Yes", True), ("1", True), ("false", False), ("0", False)]
)
def test_flags_are_written_as_spreadsheets_and_people_do(cell: str, flag: bool) -> None:
    assert read(text_of(plain_row(role__adopt=cell))).require_valid().rows[0].spec.role.adopt is flag


def test_a_part_may_be_json_and_cells_of_its_fields_add_to_it() -> None:
    row = {key: cell for key, cell in row_of("adb_mysql").items() if not key.startswith("sync_task.writer.")}
    row["sync_task.writer.table"] = "ods_adb_orders"
    row["sync_task.writer"] = (
        '{"type": "odps", "datasource": "odps_first", "table": "x", "column": ["id", "amount"]}'
    )
    task = read(text_of(row)).require_valid().rows[0].spec.sync_task
    assert task is not None
    assert task.writer == {"type": "odps", "datasource": "odps_first", "table": "ods_adb_orders", "column": ["id", "amount"]}  # fmt: skip


def test_every_problem_of_header_and_rows_is_told_at_once() -> None:
    text = (
        "name,workspace,Region,region,buckt,location.buckett,access,grantees.users,sync_task.name\n"
        "2x,ten,cn-hangzhou,,,,read,=1,task\n"
    )
    assert told(text) == [
        "row 1, column region: is there twice, in places 3 and 4",
        "row 1, column buckt: is not a known column",
        "row 1, column location.buckett: is not a known column; did you mean location.bucket?",
        "row 1, column type: is required: there is no such column, and no default",
        "row 1, column location: is required: there is no column of location.*, and no default",
        "row 1, column resource_groups: is required: there is no such column, and no default",
        "row 1, column sync_task.folder: is required: there is no such column, and no default",
        "row 1, column sync_task.reader: is required: there is no column of sync_task.reader.*, and no default",
        "row 1, column sync_task.writer: is required: there is no column of sync_task.writer.*, and no default",
        "row 1, column sync_task.resource_group: is required: there is no such column, and no default",
        "row 2, column workspace: is a whole number, written with digits only (found 'ten')",
        "row 2, column grantees.users: starts like a formula, which a spreadsheet would execute; "
        "write text that must start so as JSON text, \"=...\" with its quotes (found '=1')",
        "row 2, column name: a data source name may hold only letters, digits and '_', and start with a letter (found '2x')",
    ]  # fmt: skip


def test_valid_rows_are_there_beside_the_problems_of_others() -> None:
    found = read(text_of(plain_row("good"), plain_row("bad", access="peek"), plain_row("fine")))
    assert [row.spec.name for row in found.rows] == ["good", "fine"]
    assert [problem.row for problem in found.problems] == [3]
    assert found.records == 3
    with pytest.raises(CsvInvalid, match=r"sources\.csv: 1 problem\n  sources\.csv, row 3, column access: "):
        found.require_valid()


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", "row 1: is empty: a header with the names of the columns is needed"),
        (b"\r\n ,,\r\n", "row 1: is empty: a header with the names of the columns is needed"),
        (b"\xef\xbb\xbf", "row 1: is empty: a header with the names of the columns is needed"),
        (b"sep=;", "row 1: is empty: a header with the names of the columns is needed"),
        (b"sep=|\nname|type\n", "row 1: the separator is a comma, a semicolon or a tab (found '|')"),
        (b"hello\n", "row 1: the first line names none of the known columns"),
        (b"name|type|region\n", "row 1: the first line names none of the known columns"),
        (b"orders,10001,cn-hangzhou,oss\n", "row 1: the first line names none of the known columns"),
        ("name,type\nä".encode("utf-16"), "row 1: is UTF-16 or UTF-32, by its first bytes 0xFF 0xFE; save the file as UTF-8"),
        ("name,type\n".encode("utf-16-be"), "row 1: line 1 holds a NUL byte; looks like UTF-16; save the file as UTF-8"),
        ("name,type\n".encode("utf-16-le"), "row 1: line 1 holds a NUL byte; looks like UTF-16; save the file as UTF-8"),
        (b"name,type\norders,o\0ss\n", "row 2: line 2 holds a NUL byte; is this a text file?"),
        ("name,description\nx,Bestellungen für".encode("latin-1"), "row 2: line 2 is not UTF-8 (bytes 0xFC 0x72; looks like Latin-1 or Windows-1252); save the file as UTF-8: in Excel as type 'CSV UTF-8'"),
        ("name,description\nx,y\nx,订单".encode("gbk"), "row 3: line 3 is not UTF-8 (bytes 0xB6 0xA9; looks like GBK); save the file as UTF-8"),
        (f'{HEADER}\n{line()}\n"open,quote\n'.encode(), "row 3: a quote that opens a cell here is never closed"),
        (f'{HEADER}\n"a"b,c\n'.encode(), "row 2: text stands behind a closing quote; a quote inside a quoted cell is written twice"),
        (f'{HEADER}\n"{"x" * 200_000}\n'.encode(), f"row 2: a cell is longer than {CSV_CELL_CHARACTERS} characters; is a quote not closed?"),
        (b"name" + b"," * 2_000_000, "row 1: has a line of more than 1048576 characters; is this the right file?"),
        (b"name" + b",x" * CSV_COLUMNS, f"row 1: has more than {CSV_COLUMNS} columns; is this the right file?"),
    ],
    ids=lambda value: value[:50] if isinstance(value, str) else "",
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_refused_with_the_reason(content: bytes, expected: str) -> None:
    with pytest.raises(CsvInvalid) as caught:
        read(content)
    assert any(str(problem).startswith(f"sources.csv, {expected}") for problem in caught.value.problems), (
        caught.value
    )


def test_what_was_wrong_before_the_file_broke_off_is_told_too() -> None:
    assert told(f'{HEADER}\n{line(access="peek")}\n"open') == [
        "row 2, column access: Input should be 'read', 'write' or 'read_write' (found 'peek')",
        "row 3: a quote that opens a cell here is never closed",
    ]


def test_too_many_rows_are_refused_at_the_first_one_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(csv_file, "CSV_ROWS", 2)
    assert told(text_of(*(plain_row(name) for name in "abc"))) == ["row 4: has more than 2 rows; split it"]


def test_a_header_longer_than_what_is_looked_at_for_the_separator_is_no_endless_search(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(csv_text, "_START_CHARACTERS", 10)
    assert len(read(text_of(plain_row())).require_valid().rows) == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"sync_task__reader__accessKeySecret": "hush-hush"},
        {"sync_task__reader": '{"securityToken": "hush-hush"}'},
        {"location__endpoint": "http://user:hush-hush@oss.aliyuncs.com"},
        {"location__endpoint": "http://oss.aliyuncs.com/a?Signature=hush-hush"},
        {"description": "=LTAIhushhush"},
        {"workspace": "LTAIhushhush"},
    ],
)
def test_no_secret_is_in_any_form_of_a_problem(changes: dict[str, str]) -> None:
    found = read(text_of(row_of("oss", **changes)))
    assert found.problems
    with pytest.raises(CsvInvalid) as caught:
        found.require_valid()
    error = caught.value
    shown = (str(error), repr(error), repr(error.problems), repr(error.__cause__), repr(error.__context__))
    assert "hush" not in "".join(shown)


def test_a_signed_url_is_named_without_its_signature() -> None:
    with pytest.raises(CsvInvalid) as caught:
        read_rows("ftp://user:hush@host/folder/a.csv?Signature=hush#hush")
    assert "hush" not in repr(caught.value) + str(caught.value)
    assert str(caught.value.problems[0]).startswith("ftp://host/folder/a.csv: ftp:// is not understood")


def test_a_missing_file_is_an_error_of_the_one_tree_and_can_be_handed_between_processes(
    tmp_path: Path,
) -> None:
    with pytest.raises(SpecError) as caught:
        read_rows(tmp_path / "absent.csv")
    assert isinstance(caught.value, CsvInvalid)
    assert str(caught.value).endswith(f"{tmp_path}/absent.csv: there is no such file")
    for again in (copy.copy(caught.value), pickle.loads(pickle.dumps(caught.value))):  # noqa: S301  # its own bytes
        assert str(again) == str(caught.value)


def test_a_message_lists_a_thousand_problems_and_counts_the_rest() -> None:
    error = CsvInvalid(
        "a.csv", tuple(RowProblem(row, "name", "", "is required", "a.csv") for row in range(2, 1502))
    )
    assert len(str(error).splitlines()) == 1002
    assert str(error).endswith("\n  ... and 500 more")
    assert len(error.problems) == 1500

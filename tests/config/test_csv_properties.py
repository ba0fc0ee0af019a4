"""Whatever a specification holds survives a CSV file, and no bytes break the reader."""

from __future__ import annotations

import string
import time
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.csv_cells import Kind, read_cell, write_cell
from config.csv_file import parse_rows
from config.csv_problems import CsvInvalid
from config.csv_write import csv_text, to_row
from config.load import parse_spec
from config.sources import source_types
from config.spec import DataSourceSpec
from tests.config.csv_files import one_of_each, plain_row, text_of
from tests.config.source_specs import example_of

# Text that CSV files, spreadsheets and this format give a meaning, and any other.
_TRICKY = st.sampled_from(["", " ", ";", "\\", '"', '""', '"a"', "=1", "-", "-1", "a;b\\", "[", "{", "null", "1E+5", "a\r\nb", "\r", "\t", ",", "ü订", "\ufeff"])  # fmt: skip
_TEXT = st.one_of(_TRICKY, st.text(st.characters(exclude_categories=["Cs"]), max_size=12))
_TEXTS = st.lists(_TEXT, max_size=3)
_WORD = st.text(string.ascii_lowercase, min_size=1, max_size=8)
_WORDS = st.lists(_WORD, min_size=1, max_size=3, unique=True)
_JSON = st.recursive(st.none() | st.booleans() | st.integers(-5, 5) | _TEXT, lambda inner: st.lists(inner, max_size=2) | st.dictionaries(_TEXT, inner, max_size=2), max_leaves=4)  # fmt: skip
_FLAG = st.sampled_from([True, False, "true", "false"])

_SIDES: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "oss": {
        "skipHeader": _FLAG,
        "nullFormat": _TEXT,
        "lineDelimiter": st.none() | _TEXT,
        "csvReaderConfig": st.dictionaries(_TEXT, _JSON, max_size=2),
        "object": st.sampled_from(["orders/a", ["orders/a;b", "orders/=c"], ["orders/\\"], ['orders/"']]),
    },
    "loghub": {"batchSize": st.sampled_from([5, "5", 1000]), "query": _TEXT, "fieldDelimiter": _TEXT},
    "adb_mysql": {"where": _TEXT, "limit": st.none() | st.integers(1, 9)},
    "hologres": {"where": _TEXT, "partition": st.none() | st.just("ds=${bizdate}")},
    "tablestore": {"newVersion": _FLAG, "isTimeseriesTable": st.sampled_from([False, "false"])},
}


@st.composite
def specifications(draw: st.DrawFn) -> DataSourceSpec:
    """A valid specification of any type, with odd texts wherever the models allow them."""
    source_type = draw(st.sampled_from(sorted(source_types())))
    spec = example_of(source_type)
    spec |= {
        "name": draw(st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,20}", fullmatch=True)),
        "description": draw(_TEXT),
        "workspace": draw(st.integers(1, 10_000_000_000)),
        "permissions": draw(st.sampled_from(["minimal", "vendor"])),
        "environments": draw(st.none() | st.sampled_from([["DEV"], ["PROD", "DEV"]])),
        "grantees": {part: draw(_WORDS) for part in draw(st.sets(st.sampled_from(["users", "groups", "roles"]), min_size=1))},
        "role": {"name": draw(st.none() | _WORD), "adopt": draw(st.booleans())},
        "ignore": draw(st.sampled_from([[], [{"code": "RAM201", "reason": "a;b, \"c\" and = more"}]])),
    }  # fmt: skip
    if draw(st.booleans()):
        spec["role"] |= {"pass_role": "broad", "pass_role_reason": 'because, as "agreed"; = all'}
    task = spec["sync_task"]
    if draw(st.booleans()):
        del spec["sync_task"]
        return parse_spec(spec)
    task["owner"] = draw(st.none() | _TEXT.filter(bool))
    task["run"] = draw(st.booleans())
    task["concurrency"] = draw(st.integers(1, 32))
    task["business_date"] = draw(st.sampled_from([None, "2026-01-31"]))
    task["schedule"] = draw(st.sampled_from([task["schedule"], {"cron": "0 0 3 ? * MON", "parameters": {"bizdate": "-1;=", "today": '"'}, "auto_rerun_times": 3}]))  # fmt: skip
    for key, values in _SIDES[source_type].items():
        if draw(st.booleans()):
            task["reader"][key] = draw(values)
    return parse_spec(spec)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    specifications(),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(["", "\ufeff"]),
    st.randoms(use_true_random=False),
)
def test_any_specification_is_the_same_after_a_csv_file(
    spec: DataSourceSpec, delimiter: str, line_end: str, mark: str, random: Any
) -> None:
    row = to_row(spec)
    header = list(row)
    random.shuffle(header)
    text = mark + csv_text([row], header=header, delimiter=delimiter, line_end=line_end)
    (found,) = parse_rows(text.encode(), source="a.csv").require_valid().rows
    assert found.spec == spec
    assert found.spec.text() == spec.text()


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(Kind), _JSON | _TEXTS)
def test_a_cell_holds_exactly_the_value_it_was_written_for(kind: Kind, value: Any) -> None:
    cell = write_cell(kind, value)
    if cell is None:
        return
    again = read_cell(kind, cell)
    assert (again, type(again)) == (value, type(value))


@settings(max_examples=100, deadline=None)
@given(_TEXT)
def test_every_text_can_be_written_in_a_text_cell(value: str) -> None:
    assert write_cell(Kind.TEXT, value) is not None


@settings(max_examples=100, deadline=None)
@given(_TEXTS)
def test_every_list_of_texts_can_be_written_in_a_list_cell(value: list[str]) -> None:
    assert write_cell(Kind.LIST, value) is not None


_COLUMNS = sorted({*plain_row(), *one_of_each()[0]})
_FILE = text_of(*one_of_each(), plain_row()).encode()


@settings(max_examples=150, deadline=2000)
@given(
    st.one_of(
        st.binary(max_size=400), st.text(max_size=200).map(lambda text: text.encode("utf-8", "replace"))
    )
)
def test_arbitrary_bytes_are_read_or_refused(data: bytes) -> None:
    _read_or_refuse(data)


@settings(max_examples=150, deadline=2000)
@given(st.integers(0, len(_FILE) - 1), st.integers(0, 40), st.binary(max_size=12))
def test_a_damaged_file_is_read_or_refused(start: int, length: int, instead: bytes) -> None:
    _read_or_refuse(_FILE[:start] + instead + _FILE[start + length :])


@settings(max_examples=150, deadline=2000)
@given(st.data())
def test_arbitrary_cells_are_read_or_refused(data: st.DataObject) -> None:
    row = plain_row()
    for name in data.draw(st.lists(st.sampled_from(_COLUMNS), max_size=4)):
        row[name] = data.draw(_TEXT)
    _read_or_refuse(text_of(row).encode())


def _read_or_refuse(data: bytes) -> None:
    try:
        found = parse_rows(data, source="a.csv")
    except CsvInvalid as error:
        refused = error
    else:
        in_rows = {row.number for row in found.rows}
        faulty = {problem.row for problem in found.problems}
        assert in_rows.isdisjoint(faulty)
        assert len(in_rows | faulty) == found.records
        return
    assert refused.problems
    assert str(refused).startswith("a.csv: ")


def test_the_time_for_a_row_does_not_grow_with_the_file() -> None:
    def seconds_a_row(size: int) -> float:
        rows = (plain_row(f"orders_{number}", role__name=f"Role-{number % 7}") for number in range(size))
        content = text_of(*rows).encode()
        started = time.process_time()
        assert len(parse_rows(content, source="a.csv").require_valid().rows) == size
        return (time.process_time() - started) / size

    seconds_a_row(100)  # what is made once is made
    # Generous: another program on the machine may slow one of the two down, but not by the factor a loop over all
    # rows for each row would cost.
    assert seconds_a_row(4000) < 5 * min(seconds_a_row(200) for _ in range(3))

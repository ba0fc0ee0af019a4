"""Reading a CSV file of data sources: one row, one ``DataSourceSpec``, and everything that is wrong, at once.

How the file is understood: ``config.csv_text`` (bytes), ``config.csv_columns`` (header), ``config.csv_cells`` (cells),
``config.csv_defaults`` (defaults), ``config.csv_shared`` (rules between rows).

- columns in any order, names without regard to case; a column may be absent when nothing requires it
- rows of separators and spaces only are skipped, and so are notes: rows with something in the column ``#``
- cells missing at the end of a row are empty, since Excel leaves them out; cells beyond the header are refused unless
  they are empty
- row numbers are line numbers of the file: the line in which the row begins
"""

from __future__ import annotations

import gc
import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from config.csv_cells import READERS, formula_rule
from config.csv_columns import LOCATION, NOTE_COLUMN, SIDES, Column, columns, find_column
from config.csv_defaults import Defaults, read_defaults, similar
from config.csv_place import read_bytes, shown_place
from config.csv_problems import CsvInvalid, RowProblem, cell_value, file_problem
from config.csv_shared import Row, shared_problems
from config.csv_text import Table, is_blank, open_table
from config.limits import CSV_CELL_CHARACTERS, CSV_FILE_BYTES, CSV_ROWS
from config.load import Problem, SpecFileError, SpecInvalid, parse_spec
from config.spec import DataSourceSpec

__all__ = ["BulkFile", "Row", "parse_rows", "read_rows"]

_REQUIRED = "is required"
# Spaces, too: behind them a spreadsheet may still see a formula.
_SUSPECT = frozenset("=+-@\t\r\n ")


@dataclass(frozen=True)
class BulkFile:
    """What a CSV file says.

    ``source`` is the file, without what a URL hides. ``rows`` are the valid rows, in the file's order; ``problems`` what
    is wrong with the others, by row: a row is in one of both. ``records`` counts all rows but blank ones and notes.
    ``digest`` is the SHA-256 of the file's bytes: two readings of the same file have the same.
    """

    source: str
    rows: tuple[Row, ...]
    problems: tuple[RowProblem, ...]
    records: int
    digest: str = ""

    def require_valid(self) -> BulkFile:
        """Itself when nothing is wrong; raises ``CsvInvalid`` with every problem otherwise."""
        if self.problems:
            raise CsvInvalid(self.source, self.problems)
        return self


def read_rows(
    place: str | Path,
    *,
    defaults: Mapping[str, Any] | str | Path | None = None,
    defaults_source: str = "defaults",
) -> BulkFile:
    """Read a file at a path or URL (``config.csv_place``).

    ``defaults`` is a mapping, which messages call ``defaults_source``, or the path or URL of a YAML file. Problems of
    rows are in the result. Raises ``CsvInvalid`` with everything found when the file as a whole cannot be used: it is
    missing, too large or no CSV file in UTF-8, columns are unknown, missing or there twice, defaults are wrong.
    """
    source = shown_place(place)
    reason = ""
    try:
        data = read_bytes(place, maximum=CSV_FILE_BYTES)
    except SpecFileError as error:
        reason = error.reason
    if reason:
        raise file_problem(source, reason, row=0)  # it has none: it was not read
    return parse_rows(data, source=source, defaults=defaults, defaults_source=defaults_source)


def parse_rows(
    data: bytes,
    *,
    source: str,
    defaults: Mapping[str, Any] | str | Path | None = None,
    defaults_source: str = "defaults",
) -> BulkFile:
    """As ``read_rows``, from the file's bytes; ``source`` is what messages call the file."""
    wrong: tuple[RowProblem, ...] = ()
    try:
        made = read_defaults(defaults, defaults_source)
    except CsvInvalid as error:
        # The rows are read without them, so that one run tells everything.
        wrong, made = error.problems, Defaults({}, error.source)
    try:
        table = open_table(data, source)
    except CsvInvalid as error:
        raise CsvInvalid(source, (*wrong, *error.problems)) from None
    reader = _Reader(table, made, source, check_missing=not wrong)
    with _without_collector():
        rows, problems, broken = _read_all(reader, source)
    if wrong or reader.header_problems or broken:
        # Rows lack what wrong defaults or columns would have given: that is no fault of theirs.
        told = [
            problem
            for problem in problems
            if not (problem.rule == _REQUIRED if wrong else reader.explains(problem))
        ]
        raise CsvInvalid(source, (*wrong, *reader.header_problems, *_in_order(told), *broken))
    faulty = {problem.row for problem in problems}
    valid = tuple(row for row in rows if row.number not in faulty)
    digest = hashlib.sha256(data).hexdigest()
    return BulkFile(source, valid, tuple(_in_order(problems)), reader.records, digest)


def _read_all(reader: _Reader, source: str) -> tuple[list[Row], list[RowProblem], tuple[RowProblem, ...]]:
    """Rows that are valid by themselves, what is wrong with and between rows, and where the file breaks off."""
    rows: list[Row] = []
    problems: list[RowProblem] = []
    broken: tuple[RowProblem, ...] = ()
    try:
        for row, found in reader.rows():
            if isinstance(found, DataSourceSpec):
                rows.append(Row(row, found))
            else:
                problems += found
    except CsvInvalid as error:
        broken = error.problems
    return rows, problems + shared_problems(rows, source), broken


@contextmanager
def _without_collector() -> Iterator[None]:
    """Specifications hold no cycles: looking through all of them again and again for some takes a fifth of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _in_order(problems: list[RowProblem]) -> list[RowProblem]:
    return sorted(problems, key=lambda problem: problem.row)


_Cell = tuple[int, Callable[[str], Any], tuple[str, ...], str, Column]


class _Reader:
    """One file with its header understood: what each cell of a record means is looked up once."""

    def __init__(self, table: Table, defaults: Defaults, source: str, *, check_missing: bool) -> None:
        self.header_problems: list[RowProblem] = []
        self.records = 0
        self._table = table
        self._defaults = defaults
        self._source = source
        self._notes: int | None = None
        self._unnamed: list[int] = []
        self._missing: list[str] = []
        self._names: dict[str, int] = {}
        self._cells = self._header()
        if check_missing:
            self._check_missing()

    def _header(self) -> list[_Cell]:
        cells: list[_Cell] = []
        for position, header in enumerate(self._table.header):
            name = header.strip()
            column = find_column(name) if name else None
            if not name:
                self._unnamed.append(position)
            elif name == NOTE_COLUMN and self._notes is None:
                self._notes = position
            elif column is None and name != NOTE_COLUMN:
                self._refuse_header(name, f"is not a known column{similar(name)}")
            elif column is None or column.name in self._names:
                first = self._notes if column is None else self._names[column.name]
                self._refuse_header(name, f"is there twice, in places {(first or 0) + 1} and {position + 1}")
            else:
                self._names[column.name] = position
                cells.append((position, READERS[column.kind], column.path[:-1], column.path[-1], column))
        # Whole parts first, so that a cell of one field adds to them, wherever the columns stand.
        cells.sort(key=lambda cell: (not cell[4].part, len(cell[2])))
        return cells

    def _refuse_header(self, name: str, rule: str) -> None:
        shown = name if len(name) <= 60 else f"{name[:57]}..."
        self.header_problems.append(RowProblem(self._table.header_row, shown, "", rule, self._source))

    def _check_missing(self) -> None:
        """Columns that every row needs, or every row with a sync task when there is any column of it."""
        given = self._names.keys() | self._defaults.names
        begun = _parts_of(self._names)
        for column in columns().values():
            parent = ".".join(column.path[:-1])
            if not column.required or parent in (LOCATION, *SIDES):
                continue
            if _covered(column.name, given) or (parent and (parent not in begun or _whole(parent, given))):
                continue
            what = f"no column of {column.name}.*" if column.part else "no such column"
            self._missing.append(column.name)
            self._refuse_header(column.name, f"is required: there is {what}, and no default")

    def explains(self, problem: RowProblem) -> bool:
        """Whether a row's problem says again that a column is missing."""
        return problem.rule == _REQUIRED and any(
            problem.column == name or problem.column.startswith(name + ".") for name in self._missing
        )

    def rows(self) -> Iterator[tuple[int, DataSourceSpec | list[RowProblem]]]:
        """Each row's specification, or what is wrong with it. Raises ``CsvInvalid`` where the file breaks off."""
        width = len(self._table.header)
        for row, record in self._table.records:
            if self._notes is not None and self._notes < len(record) and record[self._notes].strip():
                continue
            if is_blank(record):
                continue
            self.records += 1
            if self.records > CSV_ROWS:
                raise file_problem(self._source, f"has more than {CSV_ROWS} rows; split it", row=row)
            record.extend([""] * (width - len(record)))
            yield row, self._read(row, record)

    def _read(self, row: int, record: list[str]) -> DataSourceSpec | list[RowProblem]:
        values, parts, problems = self._values(row, record)
        self._defaults.fill(values, parts)
        try:
            spec = parse_spec(values)
        except SpecInvalid as error:
            unread = tuple(problem.column for problem in problems)
            found = (self._problem(row, record, each) for each in error.problems)
            return problems + [each for each in found if not _follows(each, unread)]
        return problems or spec

    def _values(self, row: int, record: list[str]) -> tuple[dict[str, Any], list[str], list[RowProblem]]:
        """The mapping the cells give, the parts given whole, and the cells that cannot be read."""
        values: dict[str, Any] = {}
        parts: list[str] = []
        problems: list[RowProblem] = []
        if len(record) > len(self._table.header) or self._unnamed:
            problems += self._stray(row, record)
        for position, read, parents, key, column in self._cells:
            raw = record[position]
            if not raw:
                continue
            cell = raw.strip()
            if not cell:
                continue
            rule = formula_rule(raw) if raw[0] in _SUSPECT else ""
            if len(raw) > CSV_CELL_CHARACTERS:
                rule = f"has {len(raw)} characters; a cell has at most {CSV_CELL_CHARACTERS}"
            if not rule:
                try:
                    value = read(cell)
                except ValueError as error:
                    rule = str(error)
            if rule:
                problems.append(
                    RowProblem(row, column.name, cell_value(column.name, cell), rule, self._source)
                )
                continue
            if column.part:
                parts.append(column.name)
            place = values
            for parent in parents:
                inner = place.get(parent)
                if not isinstance(inner, dict):
                    inner = place[parent] = {}
                place = inner
            place[key] = value
        return values, parts, problems

    def _stray(self, row: int, record: list[str]) -> Iterator[RowProblem]:
        width = len(self._table.header)
        for position in (*self._unnamed, *range(width, len(record))):
            cell = record[position].strip()
            if cell:
                where = (
                    "stands below no column name"
                    if position < width
                    else f"is beyond the header's {width} columns"
                )
                rule = f"cell {position + 1} {where}; is a separator not quoted?"
                yield RowProblem(row, "", cell_value("", cell), rule, self._source)

    def _problem(self, row: int, record: list[str], found: Problem) -> RowProblem:
        """A problem of the specification, told by the column it is from."""
        path = found.path.partition("[")[0]
        name = path
        while name and name not in self._names:
            name = name.rpartition(".")[0]
        rest = found.path[len(name) :].lstrip(".") if name else ""
        rule = f"{rest}: {found.rule}" if rest else found.rule
        if name and self._names[name] < len(record) and record[self._names[name]].strip():
            return RowProblem(row, name, found.value, rule, self._source)
        if _covered(path, self._defaults.names):
            return RowProblem(row, path, found.value, f"{found.rule}; by the defaults of {self._defaults.source}", self._source)  # fmt: skip
        return RowProblem(row, path, found.value, found.rule, self._source)


def _parts_of(names: Mapping[str, int]) -> set[str]:
    """Parts that have a column, or a column below them."""
    parts: set[str] = set()
    for name in names:
        path = name.split(".")
        parts.update(".".join(path[:end]) for end in range(1, len(path) + 1))
    return parts


def _covered(name: str, given: frozenset[str] | set[str]) -> bool:
    return name in given or any(each.startswith(name + ".") for each in given) or _whole(name, given)


def _whole(name: str, given: frozenset[str] | set[str]) -> bool:
    """Whether the part ``name``, or one that it is in, is given as JSON."""
    path = name.split(".")
    return any(".".join(path[:end]) in given for end in range(1, len(path) + 1))


def _follows(problem: RowProblem, unread: tuple[str, ...]) -> bool:
    """Whether a problem only says again that these columns could not be read."""
    column = problem.column
    return any(
        column == name
        or column.startswith(name + ".")
        or (problem.rule == _REQUIRED and name.startswith(column + "."))
        for name in unread
    )

"""From the bytes of a CSV file to its header and records, with what spreadsheets do to such files.

Accepted: a byte order mark, any line ends, quoted separators and line ends, comma, semicolon or tab as separator (told
by which of them splits the header into known columns; Excel's own ``sep=;`` line is obeyed). Refused, for the file as
a whole: anything but UTF-8, NUL bytes, an open quote.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from config.csv_columns import NOTE_COLUMN, find_column
from config.csv_problems import cell_value, file_problem
from config.limits import CSV_CELL_CHARACTERS, CSV_COLUMNS, CSV_LINE_CHARACTERS

DELIMITERS = (",", ";", "\t")
"""What may separate cells."""

_BLANK_LINES = re.compile(r"(?:[ \t;,]*(?:\r\n|\r|\n))*")
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?[ \t;,]*(?:\r|\n|$)', re.IGNORECASE)
_START_CHARACTERS = 256 * 1024
"""Enough for any header: 500 names of as many characters."""

_HIGH_BYTES = re.compile(rb"[\x80-\xff]+")
_NULS = 4
"""In so many bytes of UTF-16, and more, every second is NUL for Latin letters."""

_SAVE = "save the file as UTF-8: in Excel as type 'CSV UTF-8', in LibreOffice with character set 'Unicode (UTF-8)'"


@dataclass(frozen=True)
class Table:
    """A file opened: its header, the line of it, and the records below, each with the line in which it begins."""

    header: list[str]
    header_row: int
    records: Iterator[tuple[int, list[str]]]


def open_table(data: bytes, source: str) -> Table:
    """Find separator and header. Raises ``CsvInvalid``, and so does going through the records."""
    _check_encoding(data, source)
    with io.TextIOWrapper(io.BytesIO(data), encoding="utf-8-sig", newline="") as lines:
        start = lines.read(_START_CHARACTERS)
    delimiter = _delimiter(start, source)
    records = _records(data, delimiter, source)
    for row, record in records:
        if is_blank(record) or record[0].strip().lower().startswith("sep="):
            continue
        if len(record) > CSV_COLUMNS:
            raise file_problem(
                source, f"has more than {CSV_COLUMNS} columns; is this the right file?", row=row
            )
        return Table(record, row, records)
    raise file_problem(source, "is empty: a header with the names of the columns is needed")


def is_blank(record: list[str]) -> bool:
    """Whether a record holds nothing but separators and spaces."""
    return not any(record) or not any(cell.strip() for cell in record)


def _records(data: bytes, delimiter: str, source: str) -> Iterator[tuple[int, list[str]]]:
    # Decoded line by line, so that a large file is not held a second time as text.
    lines = io.TextIOWrapper(io.BytesIO(data), encoding="utf-8-sig", newline="")
    reader = csv.reader(_short_lines(lines, source), delimiter=delimiter, strict=True)
    row = 1
    while True:
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise file_problem(source, _rule(str(error)), row=row) from None
        yield row, record
        row = reader.line_num + 1


def _short_lines(lines: Iterable[str], source: str) -> Iterator[str]:
    for number, line in enumerate(lines, start=1):
        if len(line) > CSV_LINE_CHARACTERS:
            rule = f"has a line of more than {CSV_LINE_CHARACTERS} characters; is this the right file?"
            raise file_problem(source, rule, row=number)
        yield line


def _rule(message: str) -> str:
    if "end of data" in message:
        return "a quote that opens a cell here is never closed"
    if "field limit" in message:
        return f"a cell is longer than {CSV_CELL_CHARACTERS} characters; is a quote not closed?"
    return "text stands behind a closing quote; a quote inside a quoted cell is written twice"


def _delimiter(start: str, source: str) -> str:
    """The separator that makes the most known columns of the header."""
    blank = _BLANK_LINES.match(start)
    begin = blank.end() if blank else 0
    if not start[begin:].strip(" \t;,"):
        raise file_problem(source, "is empty: a header with the names of the columns is needed")
    told = _SEPARATOR_LINE.match(start, begin)
    if told:
        if told[1] not in DELIMITERS:
            raise file_problem(source, "the separator is a comma, a semicolon or a tab", value=repr(told[1]))
        return told[1]
    counts = {delimiter: _known(start[begin:], delimiter) for delimiter in DELIMITERS}
    best = max(DELIMITERS, key=lambda delimiter: counts[delimiter])
    if not counts[best]:
        line = re.split(r"[\r\n]", start[begin : begin + CSV_CELL_CHARACTERS], maxsplit=1)[0]
        rule = (
            "the first line names none of the known columns, separated by comma, semicolon or tab; "
            "`onboard schema csv` lists them"
        )
        raise file_problem(source, rule, value=cell_value("header", line))
    return best


def _known(start: str, delimiter: str) -> int:
    """Known columns in the header, when ``delimiter`` separates them."""
    try:
        header = next(csv.reader(io.StringIO(start, newline=""), delimiter=delimiter, strict=True))
    except (csv.Error, StopIteration):
        return 0
    return sum(1 for cell in header if cell.strip() == NOTE_COLUMN or find_column(cell) is not None)


def _check_encoding(data: bytes, source: str) -> None:
    if data[:2] in (b"\xff\xfe", b"\xfe\xff") or data[:4] == b"\x00\x00\xfe\xff":
        raise file_problem(source, f"is UTF-16 or UTF-32, by its first bytes {_hex(data[:2])}; {_SAVE}")
    nul = data.find(b"\0")
    if nul >= 0:
        line = data.count(b"\n", 0, nul) + 1
        every_second = data[nul % 2 : nul + 2 * _NULS : 2].count(b"\0") >= _NULS
        looks = f"looks like UTF-16; {_SAVE}" if every_second else "is this a text file?"
        raise file_problem(source, f"line {line} holds a NUL byte; {looks}", row=line)
    try:
        # The text is not kept: it is decoded again line by line.
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        place = (error.start, error.end)
    else:
        return
    line = data.count(b"\n", 0, place[0]) + 1
    found = _hex(data[place[0] : max(place[1], place[0] + 2)])
    raise file_problem(
        source, f"line {line} is not UTF-8 (bytes {found}; looks like {_guess(data)}); {_SAVE}", row=line
    )


def _guess(data: bytes) -> str:
    """Chinese text in GBK has its high bytes in pairs; European letters mostly stand alone."""
    runs = _HIGH_BYTES.findall(data[:_START_CHARACTERS])
    if runs and all(len(run) % 2 == 0 for run in runs):
        try:
            data.decode("gb18030")
        except UnicodeDecodeError:
            return "Latin-1 or Windows-1252"
        return "GBK"
    return "Latin-1 or Windows-1252"


def _hex(data: bytes) -> str:
    return " ".join(f"0x{byte:02X}" for byte in data)

"""``onboard template csv`` and ``onboard schema csv``: what a CSV file of data sources looks like."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from cli.inputs import BadInput, report_bad_input
from config.csv_columns import LOCATION, NOTE_COLUMN, SIDES, Column, columns
from config.csv_example import example_specification
from config.csv_write import csv_text, to_row
from config.sources import source_types

_BYTE_ORDER_MARK = "\ufeff"
_PLAIN_WIDTH = 200  # a pipe has no width


def write_template(types: Sequence[str], out: Path | None, *, plain: bool, every: bool) -> int:
    """Write the template for some source types, all when none is named; returns the exit code.

    ``plain`` leaves out the notes, ``every`` adds the columns of all keys of readers and writers. A file gets a byte
    order mark, without which Excel would not read it as UTF-8; standard output does not.
    """
    unknown = [name for name in types if name not in source_types()]
    if unknown:
        rule = f"unknown source type {', '.join(unknown)}; known are: {', '.join(source_types())}"
        report_bad_input(BadInput(rule, []), as_json=False)
        return 2
    text = template_text(types, plain=plain, every=every)
    if out is None:
        # The line ends of CSV stay as they are, whatever the system's are.
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode())
        return 0
    try:
        with out.open("x", encoding="utf-8", newline="") as file:
            file.write(_BYTE_ORDER_MARK + text)
    except FileExistsError:
        report_bad_input(
            BadInput(f"{out} exists; it may hold somebody's rows and is not overwritten", []), as_json=False
        )
        return 2
    except OSError as error:
        report_bad_input(BadInput(f"{out} cannot be written: {error.strerror}", []), as_json=False)
        return 2
    print(f"{out}: header and one example row for each of {', '.join(types or source_types())}")
    return 0


def template_text(types: Sequence[str] = (), *, plain: bool = False, every: bool = False) -> str:
    """The template: header, notes about each column, and a valid example row for each source type."""
    chosen = list(types) or list(source_types())
    rows = [to_row(example_specification(name)) for name in dict.fromkeys(chosen)]
    used = {name for row in rows for name in row}
    kept = [column for column in columns().values() if column.name in used or _offered(column, chosen, every)]
    notes = [] if plain else _notes(kept)
    return csv_text(
        [*notes, *rows], header=[*([] if plain else [NOTE_COLUMN]), *(column.name for column in kept)]
    )


def _offered(column: Column, types: Sequence[str], every: bool) -> bool:
    if column.part:
        return False
    if column.name.startswith(tuple(f"{side}." for side in SIDES)):
        return every
    if column.name.startswith(f"{LOCATION}."):
        return not column.used_by or not set(types).isdisjoint(column.used_by)
    return True


def _notes(kept: Sequence[Column]) -> list[dict[str, str]]:
    """Rows that a person reads and the program skips, because their first cell is not empty."""
    texts = (
        ("required", required_text),
        ("written as", form_text),
        ("default", lambda column: column.default),
        ("meaning", lambda column: column.description),
    )
    return [{NOTE_COLUMN: title, **{column.name: text(column) for column in kept}} for title, text in texts]


def required_text(column: Column) -> str:
    """Whether a row needs the column, in words."""
    if column.required:
        return "yes, whole or field by field" if column.part else "yes"
    return f"for {', '.join(column.required_by)}" if column.required_by else "no"


def form_text(column: Column) -> str:
    """How a cell of the column is written, in words."""
    words = " | ".join(column.choices)
    return f"{column.kind.value}: {words}" if words else column.kind.value


def print_columns(as_json: bool) -> int:
    """Print every column; returns the exit code."""
    if as_json:
        print(json.dumps([_as_mapping(column) for column in columns().values()], ensure_ascii=False))
        return 0
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(title="Columns of a CSV file of data sources", title_justify="left")
    for title in ("column", "required", "written as", "used by", "default", "meaning"):
        table.add_column(title, overflow="fold")
    for column in columns().values():
        cells = (
            column.name,
            required_text(column),
            form_text(column),
            ", ".join(column.used_by),
            column.default,
            column.description,
        )
        table.add_row(*(escape(cell) for cell in cells))
    # Not cli.show's console: that module loads Prefect, which takes seconds and has no part in this.
    width = None if sys.stdout.isatty() else _PLAIN_WIDTH
    Console(highlight=False, emoji=False, width=width).print(table)
    return 0


def _as_mapping(column: Column) -> dict[str, object]:
    return {
        "column": column.name,
        "required": column.required,
        "required_by": list(column.required_by),
        "written_as": column.kind.value,
        "choices": list(column.choices),
        "used_by": list(column.used_by),
        "default": column.default,
        "example": column.example,
        "part": column.part,
        "meaning": column.description,
    }

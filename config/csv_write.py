"""Writing specifications as rows of a CSV file that ``config.csv_file`` reads back the same."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from config.csv_cells import Kind, write_cell
from config.csv_columns import SIDES, columns
from config.spec import DataSourceSpec


def to_row(spec: DataSourceSpec) -> dict[str, str]:
    """Cells by column; only those whose value is not the default.

    Reading the row gives an equal specification, as long as ``reader`` and ``writer`` hold what JSON can hold; raises
    ``ValueError`` naming the column otherwise.
    """
    dumped = spec.model_dump(mode="json", exclude_defaults=True)
    return dict(_cells(dumped, ""))


def _cells(values: Mapping[str, Any], start: str) -> Iterator[tuple[str, str]]:
    for key, value in values.items():
        name = start + key
        column = columns()[name]
        if value is None:
            continue
        if name in SIDES:
            yield from _side(name, value)
        elif column.part:
            yield from _cells(value, name + ".")
        else:
            yield name, _cell(name, column.kind, value)


def _side(name: str, values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Key by key where every key is a column that can hold its value, else as one JSON cell."""
    cells: dict[str, str] = {}
    for key, value in values.items():
        column = columns().get(f"{name}.{key}")
        cell = None if column is None or value is None else write_cell(column.kind, value)
        if cell is None:
            yield name, _cell(name, Kind.MAPPING, dict(values))
            return
        cells[f"{name}.{key}"] = cell
    if not cells:
        yield name, "{}"
    yield from cells.items()


def _cell(name: str, kind: Kind, value: Any) -> str:
    cell = write_cell(kind, value)
    if cell is None:
        raise ValueError(f"column {name} cannot hold {value!r}")
    return cell


def csv_text(
    rows: Iterable[Mapping[str, str]],
    *,
    header: Iterable[str] = (),
    delimiter: str = ",",
    line_end: str = "\r\n",
) -> str:
    """The text of a CSV file.

    ``header`` are columns to have in any case, in this order; columns of the rows that it lacks follow in the order of
    the specification.
    """
    made = list(rows)
    names = list(dict.fromkeys(header))
    used = {name for row in made for name in row} - set(names)
    names += [name for name in columns() if name in used]
    names += sorted(used - set(names))
    return "".join(
        _line(cells, delimiter) + line_end
        for cells in (names, *([row.get(name, "") for name in names] for row in made))
    )


def _line(cells: list[str], delimiter: str) -> str:
    # Always written with both line ends as terminator: before Python 3.13 a lone one is quoted only if it is part of it.
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter, lineterminator="\r\n").writerow(cells)
    return text.getvalue().removesuffix("\r\n")

"""CSV files to change in tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from config.csv_file import BulkFile, parse_rows
from config.csv_problems import CsvInvalid
from config.csv_write import csv_text, to_row
from config.sources import source_types
from tests.config.source_specs import spec_of

SOURCE = "sources.csv"


def row_of(source_type: str = "oss", **changes: str) -> dict[str, str]:
    """The type's example as a row, with cells set by path (``location__bucket="x"``)."""
    row = to_row(spec_of(source_type))
    return {**row, **{path.replace("__", "."): cell for path, cell in changes.items()}}


def plain_row(name: str = "orders", **changes: str) -> dict[str, str]:
    """A row with the least a data source needs, without a sync task."""
    row = {
        "name": name,
        "workspace": "10001",
        "region": "cn-hangzhou",
        "type": "oss",
        "location.bucket": "shop-orders",
        "access": "read",
        "grantees.users": "carol",
        "resource_groups": "S_res_group_1001_1",
    }
    return {**row, **{path.replace("__", "."): cell for path, cell in changes.items()}}


def one_of_each() -> list[dict[str, str]]:
    """One row of each source type."""
    return [row_of(name) for name in source_types()]


def text_of(*rows: Mapping[str, str], **how: Any) -> str:
    """The rows as the text of a file."""
    return csv_text(rows, **how)


def read(content: str | bytes, **how: Any) -> BulkFile:
    """Read a file's text or bytes."""
    data = content.encode() if isinstance(content, str) else content
    return parse_rows(data, source=SOURCE, **how)


def told(content: str | bytes | Mapping[str, str], **how: Any) -> list[str]:
    """Every problem of a file or of a single row, as messages say it, without the file's name."""
    text = text_of(content) if isinstance(content, Mapping) else content
    try:
        problems = read(text, **how).problems
    except CsvInvalid as error:
        problems = error.problems
    return [str(problem).removeprefix(f"{SOURCE}, ") for problem in problems]

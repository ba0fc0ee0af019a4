"""The page of CSV files: how they are read, from the modules that do it, and every column."""

from __future__ import annotations

from collections.abc import Callable

import config.csv_cells
import config.csv_columns
import config.csv_defaults
import config.csv_file
import config.csv_place
import config.csv_shared
import config.csv_text
from cli.template import required_text
from config import limits
from config.csv_columns import NOTE_COLUMN, columns

_SIGNED = """
Prefect keeps the parameters of every flow run, and whoever reaches its API or UI can read them. No message, report or name of
this project shows a signed URL's signature, but given as the parameter `source` (in the form, by the API, in a schedule) the
whole URL is stored as it was given, for as long as the run is. So give a worker a path that it can read, or an `s3://` or
`oss://` place whose credentials are the worker's own. A signed URL that must be used should expire soon: `onboard bulk` has
Prefect keep it, too, on the server or in the database under your home.
"""


def csv_page(table: Callable[..., str], paragraphs: Callable[[str | None], str]) -> str:
    """How CSV files are read, and every column; the generator hands in how it writes tables and docstrings."""

    rows = (
        (
            f"`{column.name}`",
            required_text(column),
            "".join((column.kind.value, ": " if column.choices else "", ", ".join(f"`{word}`" for word in column.choices))),
            ", ".join(column.used_by),
            f"`{column.default}`" if column.default else "",
            column.description,
            f"`{column.example}`" if column.example else "",
        )
        for column in columns().values()
    )  # fmt: skip
    bounds = (
        ("size", f"{limits.CSV_FILE_BYTES} bytes"),
        ("rows", str(limits.CSV_ROWS)),
        ("columns", str(limits.CSV_COLUMNS)),
        ("characters in a line", str(limits.CSV_LINE_CHARACTERS)),
        ("characters in a cell", str(limits.CSV_CELL_CHARACTERS)),
        ("seconds until a file behind a URL has arrived", str(limits.CSV_READ_SECONDS)),
    )
    parts = [
        "# CSV files\n\nMany data sources in one file: one row a data source, one column a field of the "
        "[specification](specification.md). Rows may differ in type, workspace and everything else. "
        "[`examples/bulk/sources.csv`](../examples/bulk/sources.csv) with [`examples/bulk/defaults.yaml`](../examples/bulk/defaults.yaml) "
        "has a row of each source type.\n\n"
        "```console\n"
        "$ onboard template csv -o sources.csv    # header, notes and a valid example row for each type\n"
        "$ onboard template csv --type oss --plain\n"
        "$ onboard schema csv                     # the table below; --json for programs\n"
        "```\n\n"
        f"The template's rows with something in column `{NOTE_COLUMN}` are notes, which are not read; so any row can be "
        "taken out of a run. Before anything is written, everything that is wrong is reported at once, with row, column, "
        "value and rule.\n",
    ]
    for title, module in (
        ("The file", config.csv_text),
        ("Rows", config.csv_file),
        ("How columns are named", config.csv_columns),
        ("Cells", config.csv_cells),
        ("Defaults", config.csv_defaults),
        ("Rules between rows", config.csv_shared),
        ("Where the file may be", config.csv_place),
    ):
        parts.append(f"\n## {title}\n\n{paragraphs(module.__doc__)}\n")
    extras = ", ".join(f"`pip install 'dataworks-onboarding[{extra}]'`" for extra in ("http", "s3", "oss"))
    parts += [
        f"\nPackages for URLs are extras: {extras}.\n",
        _SIGNED,
        "\n## Limits\n\nA file that passes one is refused with a message that says so.\n\n",
        table(("what", "at most"), iter(bounds)),
        "\n## Columns\n\n",
        table(("column", "required", "written as", "used by", "default", "meaning", "example"), rows),
    ]
    return "".join(parts)

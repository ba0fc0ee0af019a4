"""``python -m benchmarks [NAME...] [--rows N]``: measure, compare with what must be reached, and keep the figures.

Exit codes: 0 everything reached, 1 something was not, 2 bad input.
"""

from __future__ import annotations

import json
import os
import platform
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from benchmarks.measured import Measured

RESULTS = Path(__file__).with_name("results.json")
_MET = {True: "yes", False: "NO", None: ""}


def main(
    names: Annotated[list[str] | None, typer.Argument(metavar="[NAME]...", help="Default: all.")] = None,
    rows: Annotated[
        int | None, typer.Option(min=1, help="Rows instead of each benchmark's own number.")
    ] = None,
) -> None:
    """Measure and compare; the figures are written to benchmarks/results.json."""
    # Before an SDK is imported: its default credential chain would ask the metadata address of a cloud machine.
    os.environ["ALIBABA_CLOUD_ECS_METADATA_DISABLED"] = "true"
    from benchmarks.measures import BENCHMARKS, ROWS

    unknown = sorted(set(names or ()) - set(BENCHMARKS))
    if unknown:
        raise typer.BadParameter(f"unknown: {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    console = Console()
    found: dict[str, list[Measured]] = {}
    for name in names or BENCHMARKS:
        with console.status(f"measuring {name}"):
            found[name] = BENCHMARKS[name](rows or ROWS[name])
    console.print(_table([one for each in found.values() for one in each]))
    _keep(found)
    raise typer.Exit(any(one.met is False for each in found.values() for one in each))


def _table(measured: list[Measured]) -> Table:
    table = Table("what", "measured", "must reach", "met")
    for one in measured:
        table.add_row(one.what, one.measured, one.must_reach, _MET[one.met])
    return table


def _keep(found: dict[str, list[Measured]]) -> None:
    content = {
        "measured_at": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "machine": {
            "python": platform.python_version(),
            "system": platform.system(),
            "cores": os.cpu_count(),
        },
        "benchmarks": {
            name: [{**vars(one), "figures": dict(one.figures)} for one in each]
            for name, each in found.items()
        },
    }
    RESULTS.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    typer.run(main)

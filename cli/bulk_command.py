"""The options of ``onboard bulk``; what it does is in :mod:`cli.bulk`, imported when it is called."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="One JSON document on standard output, nothing else.")]


class OnInvalid(str, Enum):
    """What happens to rows that break a rule."""

    STOP = "stop"
    SKIP = "skip"


class Unfinished(str, Enum):
    """Outcomes of rows that may be run again by themselves."""

    FAILED = "failed"
    BLOCKED = "blocked"
    NOT_STARTED = "not_started"


def _count(text: str) -> int:
    if not text.isdigit() or not 1 <= int(text) <= 64:
        raise typer.BadParameter("a number from 1 to 64, or auto", param_hint="--shards")
    return int(text)


def bulk(
    file: Annotated[str, typer.Argument(metavar="FILE", help="CSV file: a path, or a URL (https, s3, oss).")],
    defaults: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="YAML file (a path or a URL) with values for empty cells."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan; write nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Carry it out without asking.")] = False,
    approved: Annotated[
        str | None, typer.Option("--plan", metavar="HASH", help="Carry out exactly this plan.")
    ] = None,
    on_invalid: Annotated[
        OnInvalid, typer.Option(help="Whether an invalid row stops the file or is left out.")
    ] = OnInvalid.STOP,
    max_failures: Annotated[
        int | None, typer.Option(min=0, help="Stop when so many rows or shared roles have failed.")
    ] = None,
    max_changes: Annotated[
        int | None, typer.Option(min=0, help="Stop before the first write when more rows would change.")
    ] = None,
    max_changes_percent: Annotated[
        float | None, typer.Option(min=0, max=100, help="The same, in per cent of the file's rows.")
    ] = None,
    only: Annotated[
        list[Unfinished] | None, typer.Option(help="Only rows with this outcome in --from; may be repeated.")
    ] = None,
    previous: Annotated[
        str | None, typer.Option("--from", metavar="REPORT", help="JSON report of an earlier run.")
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write the JSON, CSV and HTML reports there.")
    ] = None,
    rows_at_once: Annotated[
        int | None,
        typer.Option(
            min=1, max=512, help="Rows under way at the same time. Default: by the edition's rates."
        ),
    ] = None,
    shards: Annotated[
        str, typer.Option(metavar="N|auto", help="Over how many workers the rows are spread.")
    ] = "1",
    as_json: Json = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show Prefect's own log, too.")] = False,
) -> None:
    """Onboard every data source of a CSV file; a second run writes nothing.

    0 all done, 1 some rows failed, 2 bad input, 3 changes (--dry-run), 4 stopped by a brake or an allowance.
    """
    from cli.bulk import BulkChoices, run_bulk

    parameters = {
        "defaults": defaults,
        "on_invalid": on_invalid.value,
        "max_failures": max_failures,
        "max_changes": max_changes,
        "max_changes_percent": max_changes_percent,
        "only": [one.value for one in only] if only else None,
        "previous_report": previous,
        "approved_plan": approved,
        "rows_at_once": rows_at_once,
        "report_folder": None if report is None else str(report),
        "shards": shards if shards == "auto" else _count(shards),
    }
    raise typer.Exit(run_bulk(BulkChoices(file, parameters, dry_run, yes, as_json, verbose)))

"""The options of ``onboard offboard``; what it does is in :mod:`cli.offboard`, imported when it is called."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.bulk_command import Json


def offboard(
    spec: Annotated[
        Path | None, typer.Argument(metavar="[SPEC]", help="The specification, a YAML file; or give --csv.")
    ] = None,
    file: Annotated[
        str | None,
        typer.Option("--csv", metavar="FILE", help="Every data source of this CSV file (path or URL)."),
    ] = None,
    defaults: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="YAML file with values for empty cells of the CSV file."),
    ] = None,
    quarantine: Annotated[
        bool,
        typer.Option(
            "--quarantine", help="Remove the grants only, keep everything else; onboarding again ends it."
        ),
    ] = False,
    delete_adopted: Annotated[
        bool,
        typer.Option(
            "--delete-adopted", help="Delete what others have made and a specification took over, too."
        ),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan; write nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Carry it out without asking.")] = False,
    approved: Annotated[
        str | None, typer.Option("--plan", metavar="HASH", help="Carry out exactly this plan.")
    ] = None,
    max_changes: Annotated[
        int | None, typer.Option(min=0, help="Stop before the first write when more data sources would go.")
    ] = None,
    max_failures: Annotated[
        int | None, typer.Option(min=0, help="Begin nothing more when so many data sources have failed.")
    ] = None,
    as_json: Json = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show Prefect's own log, too.")] = False,
) -> None:
    """Take data sources back with everything that onboarding made for them; never data. A second run writes nothing.

    0 done, 1 something failed or is still used, 2 bad input, or all are still used, 3 changes (--dry-run), 4 stopped.
    """
    from cli.offboard import OffboardChoices, run_offboard

    parameters = {"quarantine": quarantine, "delete_adopted": delete_adopted, "approved_plan": approved}
    brakes = {"max_changes": max_changes, "max_failures": max_failures}
    choices = OffboardChoices(spec, file, defaults, parameters, brakes, dry_run, yes, as_json, verbose)
    raise typer.Exit(run_offboard(choices))

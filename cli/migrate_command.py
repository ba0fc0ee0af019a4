"""The options of ``onboard migrate``; what it does is in :mod:`cli.migrate`, imported when it is called."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from cli.bulk_command import Json


class StageName(str, Enum):
    """The stages, in order."""

    INVENTORY = "inventory"
    PROPOSE = "propose"
    PREPARE = "prepare"
    TRIAL = "trial"
    SWITCH = "switch"
    WATCH = "watch"
    CLEAN = "clean"


def migrate(
    workspace: Annotated[
        int | None, typer.Option(min=1, help="Every data source of this workspace that holds an AccessKey.")
    ] = None,
    region: Annotated[str | None, typer.Option(help="Region of the workspace.")] = None,
    only: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Only this data source; may be repeated.")
    ] = None,
    file: Annotated[
        str | None,
        typer.Option(
            "--csv", metavar="FILE", help="The data sources of this file, as its rows specify them."
        ),
    ] = None,
    stage: Annotated[StageName, typer.Option(help="Stop after this stage.")] = StageName.CLEAN,
    watch_runs: Annotated[
        int, typer.Option(min=0, max=100, help="So many runs after the switch must succeed.")
    ] = 1,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Carry it out without asking.")] = False,
    approved: Annotated[
        str | None, typer.Option("--plan", metavar="HASH", help="Carry out exactly this plan.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FOLDER", help="Write specifications and report there."),
    ] = None,
    ask_keys: Annotated[
        bool, typer.Option("--ask-keys", help="Ask for the AccessKeys that data sources are put back with.")
    ] = False,
    as_json: Json = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Show Prefect's own log, too.")] = False,
) -> None:
    """Open data sources that hold an AccessKey with a role instead, in place; a second run goes on or writes nothing.

    0 done, 1 a data source needs a person, 2 bad input, 4 runs are still waited for.
    """
    from cli.migrate import MigrateChoices, run_migrate

    parameters = {
        "workspace": workspace,
        "region": region,
        "only": only,
        "file": file,
        "watch_runs": watch_runs,
        "output": None if output is None else str(output),
    }
    raise typer.Exit(
        run_migrate(MigrateChoices(parameters, stage.value, approved, yes, ask_keys, as_json, verbose))
    )

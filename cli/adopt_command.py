"""``onboard adopt``: its options. What is heavy is imported inside: ``onboard --help`` is quick."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from cli.bulk_command import Json


class Form(str, Enum):
    """What a specification is written in."""

    YAML = "yaml"
    CSV = "csv"


def adopt(
    workspace: Annotated[int, typer.Option(min=1, help="Workspace id.")],
    region: Annotated[str, typer.Option(help="Region of the workspace.")],
    name: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A data source; may be repeated. Default: all of the workspace."),
    ] = None,
    form: Annotated[Form, typer.Option("--format", help="What is written.")] = Form.YAML,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE|FOLDER",
            help="New files are written there. Default: standard output.",
        ),
    ] = None,
    tag: Annotated[
        bool,
        typer.Option(
            "--tag",
            help="Also tag the roles and policies as managed here; else nothing is written to the cloud.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Turn what exists (made in the console, by Terraform or by hand) into specifications that plan to no changes.

    0 all that is opened with a role is expressed, 3 some is not or plans to changes, 1 failed, 2 bad input.
    """
    from cli.adopt import AdoptChoices, adopt_sources

    choices = AdoptChoices(workspace, region, name or [], form is Form.CSV, output, tag, as_json)
    raise typer.Exit(adopt_sources(choices))

"""The options of ``onboard audit``; what it does is in :mod:`cli.audit`, imported when it is called."""

from __future__ import annotations

from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Annotated

import typer


class AuditForm(str, Enum):
    """How an audit is written."""

    TABLE = "table"
    JSON = "json"
    SARIF = "sarif"
    HTML = "html"
    CSV = "csv"


class FailOn(str, Enum):
    """The least severity that makes an audit fail."""

    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


def audit(
    workspace: Annotated[
        list[int] | None,
        typer.Option(min=1, help="A workspace; may be repeated. Default: all of the region."),
    ] = None,
    region: Annotated[
        str | None, typer.Option(help="Region to audit. Default: that of the specifications.")
    ] = None,
    spec: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="A specification to compare with; may be repeated."),
    ] = None,
    csv: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="CSV file to compare with, a path or a URL; may be repeated."),
    ] = None,
    defaults: Annotated[
        str | None, typer.Option(metavar="FILE", help="YAML file with defaults of the CSV files.")
    ] = None,
    form: Annotated[
        AuditForm | None,
        typer.Option("--format", help="Default: by the end of --output's name, else a table."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Default: standard output.")
    ] = None,
    fail_on: Annotated[
        FailOn | None,
        typer.Option(help="End with 1 for an open finding of this severity or a higher one."),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="YAML file with findings that are accepted, a path or a URL."),
    ] = None,
    write_baseline: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Accept all open findings there, for --reason; what it has is kept."
        ),
    ] = None,
    reason: Annotated[
        str | None, typer.Option(help="With --write-baseline: why, in at least 10 characters.")
    ] = None,
    expires: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d"],
            help="With --write-baseline: the last day. Default: in 90 days.",
            show_default=False,
        ),
    ] = None,
    reach: Annotated[
        str | None,
        typer.Option(metavar="LOCATION", help="Who reaches it, as oss://bucket/prefix: chains, no findings."),
    ] = None,
) -> None:
    """Find what is not as it should be in workspaces or a whole account; writes nothing there.

    0 audited (--fail-on: clean), 1 findings at or above --fail-on or unread parts, or a call failed, 2 bad input.
    """
    from cli.audit import AuditChoices, audit_and_show

    choices = AuditChoices(
        workspaces=workspace or [],
        region=region,
        specs=[str(path) for path in spec or []],
        csv=csv or [],
        defaults=defaults,
        form=form.value if form else None,
        output=output,
        fail_on=fail_on.value if fail_on else None,
        baseline=baseline,
        write_baseline=write_baseline,
        reason=reason,
        expires=expires.date() if expires else None,
        reach=reach,
    )
    raise typer.Exit(audit_and_show(choices))

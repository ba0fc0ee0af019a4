"""``onboard expire``: remove grants whose end date has passed, found in the cloud without a specification."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer
from rich.table import Table

from cli.connect import connect
from cli.ending import Declined, exit_code
from cli.inputs import BadInput, read_settings

if TYPE_CHECKING:
    from flows.expire import ExpiryReport

EXIT_CHANGES = 3


@dataclass(frozen=True)
class ExpireChoices:
    """What was asked for."""

    workspace: int | None
    region: str
    dry_run: bool
    yes: bool
    as_json: bool


def expire_grants(choices: ExpireChoices) -> int:
    """Plan, show, ask, remove; returns the exit code."""
    return exit_code(
        lambda: _carry_out(choices), as_json=choices.as_json, again="start the same command again to go on"
    )


def _carry_out(choices: ExpireChoices) -> int:
    settings = read_settings()
    asks = not (choices.dry_run or choices.yes)
    if asks and (choices.as_json or not sys.stdin.isatty()):
        raise BadInput("nobody can be asked here: give --yes or --dry-run", [])
    gate = connect(settings, choices.region)
    from flows.expire import expire

    if choices.yes and not choices.dry_run:
        _show(expire(gate, choices.workspace, "apply"), choices.as_json)
        return 0
    planned = expire(gate, choices.workspace, "plan")
    _show(planned, choices.as_json)
    if choices.dry_run:
        return EXIT_CHANGES if planned.changes else 0
    if planned.changes:
        if not typer.confirm("Remove what has ended?", default=False):
            raise Declined
        _show(expire(gate, choices.workspace, "apply"), choices.as_json)
    return 0


def _show(report: ExpiryReport, as_json: bool) -> None:
    if as_json:
        print(json.dumps(report.to_json(), ensure_ascii=False))
        return
    from cli.show import console

    out = console()
    out.print(f"{report.headline[:1].upper()}{report.headline[1:]}", markup=False)
    if not (report.grants or report.lasting):
        return
    table = Table()
    for column in ("last day", "", "holder", "role", "policy"):
        table.add_column(column, overflow="fold")
    for grant in (*report.grants, *report.lasting):
        state = "ended" if grant.ended else ""
        table.add_row(grant.until.isoformat(), state, grant.holder, grant.role, grant.policy)
    out.print(table)

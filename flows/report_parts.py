"""What reports have in common: parts read back from their JSON, and texts of others in markdown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from config.personas import Persona
from config.sources.base import Environment
from flows.bulk_report import visible
from tasks.connectivity import Cell, Connection
from tasks.outcome import Outcome, StepReport
from tasks.preflight import PreflightFinding

_MARKDOWN = re.compile(r"([\\`*_\[\]|#~])")


def plain(text: str) -> str:
    """Text of a service or a file: no markup of markdown or HTML in it takes effect."""
    return (
        _MARKDOWN.sub(r"\\\1", visible(text)).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    )


def read_step(raw: Mapping[str, Any]) -> StepReport:
    """A step without its changes. Raises ``KeyError``, ``TypeError`` or ``ValueError`` for what is none."""
    return StepReport(
        number=raw["number"],
        title=raw["title"],
        subject=raw["subject"],
        outcome=Outcome(raw["outcome"]),
        reason=raw["reason"],
        facts=dict(raw["facts"]),
        notes=tuple(raw["notes"]),
    )


def read_cell(raw: Mapping[str, Any]) -> Cell:
    """A cell of the connectivity matrix. Raises as :func:`read_step`."""
    environment, state = Environment[raw["environment"]], Connection(raw["state"])
    return Cell(**{**raw, "environment": environment, "state": state})


def read_finding(raw: Mapping[str, Any]) -> PreflightFinding:
    """A finding. Raises as :func:`read_step`."""
    return PreflightFinding(**{**raw, "persona": Persona(raw["persona"]) if raw["persona"] else None})

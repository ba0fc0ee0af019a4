"""What a benchmark gives: lines of the table, each with what it must reach; and how many rows the table's runs have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

FRESH_ROWS = 500
FRESH_ROLES = 30
LARGE_ROWS = 10_000
LARGE_ROLES = 80
"""As many as the grantees of :mod:`benchmarks.rows` can hold without folding."""


@dataclass(frozen=True)
class Measured:
    """One line of the table; ``met`` is None for a figure that is only told. ``figures`` go into the file of results."""

    what: str
    measured: str
    must_reach: str
    met: bool | None
    figures: Mapping[str, float]


def at_most(
    what: str,
    found: float,
    limit: float,
    form: str = "{:,.0f}",
    figures: Mapping[str, float] = MappingProxyType({}),
) -> Measured:
    """A line whose figure must not be above ``limit``; ``form`` says how both are written."""
    told = {"found": found, **figures}
    return Measured(what, form.format(found), f"≤ {form.format(limit)}", found <= limit, told)


def at_least(
    what: str,
    found: float,
    limit: float,
    form: str = "{:,.0f}",
    figures: Mapping[str, float] = MappingProxyType({}),
) -> Measured:
    """A line whose figure must not be below ``limit``."""
    told = {"found": found, **figures}
    return Measured(what, form.format(found), f"≥ {form.format(limit)}", found >= limit, told)


def only_told(what: str, measured: str, figures: Mapping[str, float]) -> Measured:
    """A line that has nothing to reach."""
    return Measured(what, measured, "", None, figures)

"""The codes of findings, and how a specification says that one of them is accepted.

The codes stand here because a specification names them; what each means is in ``policy.findings.RULES``, and the
codes of a source type's location in ``SourceType.finding_codes``. A code is never given a second meaning, and a
code that is no longer found stays, so that a specification which ignores it can still be read.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from config.sources import source_types

REASON_CHARACTERS_MINIMUM = 10
"""Ours: a reason of fewer characters explains nothing to who reads it a year later."""

POLICY_FINDING_CODES = (
    # The document
    "RAM001",
    "RAM002",
    "RAM003",
    "RAM004",
    "RAM005",
    "RAM006",
    "RAM007",
    # Trust policies
    "RAM101",
    "RAM102",
    "RAM103",
    "RAM104",
    "RAM105",
    "RAM106",
    "RAM107",
    "RAM108",
    # PassRole policies
    "RAM201",
    "RAM202",
    "RAM203",
    "RAM204",
    "RAM205",
    # Permissions
    "RAM301",
    "RAM302",
    "RAM303",
    "RAM304",
    "RAM305",
    "RAM306",
    "RAM307",
)
"""Codes of findings about policy documents."""

Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=REASON_CHARACTERS_MINIMUM)]
"""Why something unusual is accepted: at least 10 characters, spaces around it not counted."""


def known_finding_codes() -> frozenset[str]:
    """Every code a specification may name: those of policy documents and those of all source types."""
    of_types = (
        code for each in source_types().values() for form in each.variants() for code in form.finding_codes
    )
    return frozenset((*POLICY_FINDING_CODES, *of_types))


def check_finding_code(code: str) -> str:
    """Return a known code unchanged, else raise ``ValueError`` naming the known ones."""
    known = known_finding_codes()
    if code not in known:
        raise ValueError(f"unknown finding code {code!r}; known are: {', '.join(sorted(known))}")
    return code


class IgnoredFinding(BaseModel):
    """A finding that is accepted, and why. Reports still list it, as ignored."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    code: Annotated[str, AfterValidator(check_finding_code)] = Field(
        description="Code of the finding.", examples=["RAM201"]
    )
    reason: Reason = Field(
        description="Why it is accepted, in at least 10 characters.",
        examples=["One role for each tenant, made by another pipeline"],
    )


def each_code_once(ignored: tuple[IgnoredFinding, ...]) -> tuple[IgnoredFinding, ...]:
    """Return the ignored findings unchanged; raise ``ValueError`` when a code has two reasons."""
    seen: set[str] = set()
    for each in ignored:
        if each.code in seen:
            raise ValueError(f"{each.code!r} is named twice")
        seen.add(each.code)
    return ignored

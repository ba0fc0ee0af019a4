"""The baseline of an audit: findings that are accepted, each with a reason and a last day.

    version: 1
    ignore:
      - fingerprint: 5a0c9d1e77b3f240
        code: AUD101
        subject: data source orders (PROD) of workspace 10001
        workspace: 10001
        reason: The supplier's system knows no roles; see the contract
        expires: 2027-01-31

A finding is named by its fingerprint and its code. ``subject`` is for who reads the file. Nothing is accepted for ever:
after its last day an entry has no effect and is a finding itself, and so is one that no finding matches any more.
"""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from config.csv_place import read_bytes, shown_place
from config.finding_codes import Reason
from config.limits import SPECIFICATION_BYTES
from config.load import SpecFileError, SpecInvalid, problems_of, read_mapping

_HEADER = (
    "# Findings of `onboard audit` that are accepted until their last day, and why. See docs/audit.md.\n"
)


class BaselineEntry(BaseModel):
    """One accepted finding. ``workspace`` is where it is, None for one of the whole account."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    fingerprint: str = Field(
        pattern="^[0-9a-f]{16}$", description="Fingerprint of the finding, as reports tell it."
    )
    code: str = Field(pattern="^AUD[0-9]{3}$", description="Code of the finding.", examples=["AUD101"])
    subject: str = Field(
        default="", description="Object of the finding, for who reads the file; compared with nothing."
    )
    workspace: int | None = Field(default=None, description="Workspace of the finding.", examples=[10001])
    reason: Reason = Field(description="Why it is accepted, in at least 10 characters.")
    expires: datetime.date = Field(
        description="The last day (UTC) on which it is accepted.", examples=["2027-01-31"]
    )

    def expired(self, today: datetime.date) -> bool:
        """Whether its last day is over."""
        return self.expires < today


def _each_once(entries: tuple[BaselineEntry, ...]) -> tuple[BaselineEntry, ...]:
    seen: set[str] = set()
    for entry in entries:
        if entry.fingerprint in seen:
            raise ValueError(f"{entry.fingerprint} is named twice")
        seen.add(entry.fingerprint)
    return entries


class Baseline(BaseModel):
    """What a baseline file holds. A reader refuses another version."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    version: Literal[1] = 1
    ignore: Annotated[tuple[BaselineEntry, ...], AfterValidator(_each_once)] = ()


def load_baseline(place: str | Path) -> Baseline:
    """Read a baseline from a YAML file at a path or URL. Raises ``SpecFileError`` or ``SpecInvalid``."""
    source = shown_place(place)
    data = read_bytes(place, maximum=SPECIFICATION_BYTES)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SpecFileError(source, "is not UTF-8 text; save the file in UTF-8") from None
    try:
        return Baseline.model_validate(read_mapping(source, text))
    except ValidationError as error:
        problems = problems_of(error)
    # Outside the handler, as in config.load: the error holds what was given.
    raise SpecInvalid(source, problems)


def baseline_text(baseline: Baseline) -> str:
    """The baseline as the text of a YAML file, entries by code and subject; the same entries give the same text."""
    entries = sorted(baseline.ignore, key=lambda entry: (entry.code, entry.subject, entry.fingerprint))
    content = {
        "version": baseline.version,
        "ignore": [entry.model_dump(mode="json", exclude_none=True) for entry in entries],
    }
    return _HEADER + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110)

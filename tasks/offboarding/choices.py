"""What a person chooses, the errors of offboarding, and by what is told who made an object."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cloud.errors import NotOurs, StepError
from config.names import MANAGED_TAG
from config.personas import Persona

STEP_TITLES: Mapping[int, str] = {
    1: "sync task",
    2: "data source",
    3: "PassRole",
    4: "RAM role",
    5: "workflow",
}
"""The steps of an offboarding, in their order."""

_MADE_HERE = re.compile(
    r"Data Integration opens .+ with it|Access of .+|Pass role .+ to DataWorks|Pass roles to DataWorks, for .+"
)


@dataclass(frozen=True)
class Choices:
    """``quarantine``: grants are removed and everything else is kept. ``delete_adopted``: what others have made and a
    specification took over (``role.adopt``) is deleted, too."""

    quarantine: bool = False
    delete_adopted: bool = False


@dataclass(frozen=True)
class Use:
    """Something that still uses what is to be taken away: who can end that, and how."""

    subject: str
    what: str
    persona: Persona
    remedy: str

    def __str__(self) -> str:
        return f"{self.subject} {self.what}"


class StillUsed(StepError):
    """What is to be taken away is still used; ``uses`` names everything that uses it. Nothing was written."""

    uses: tuple[Use, ...] = ()


def still_used(subject: str, uses: Sequence[Use]) -> StillUsed:
    """One error that names every use."""
    error = StillUsed(
        f"it is still used: {'; '.join(map(str, uses))}",
        subject=subject,
        persona=uses[0].persona,
        remedy="; ".join(dict.fromkeys(use.remedy for use in uses)),
    )
    error.uses = tuple(uses)
    return error


def made_here(description: str) -> bool:
    """Whether a role or policy was made by onboarding, by its description: the tag is on adopted ones, too."""
    return _MADE_HERE.fullmatch(description) is not None


def managed(tags: Mapping[str, str]) -> bool:
    """Whether a role or policy carries this project's tag."""
    key, value = MANAGED_TAG
    return tags.get(key) == value


def is_foreign(tags: Mapping[str, str], description: str, choices: Choices) -> bool:
    """Whether a role or policy is somebody else's, by tag and description: it stays as it is."""
    return not managed(tags) and not made_here(description) and not choices.delete_adopted


def refuse_untagged(subject: str, tags: Mapping[str, str], choices: Choices) -> None:
    """Raise :class:`NotOurs` for a role or policy without the tag."""
    if not managed(tags) and not choices.delete_adopted:
        key, value = MANAGED_TAG
        raise NotOurs(
            f"it does not carry the tag {key}={value}",
            subject=subject,
            persona=Persona.ADMINISTRATOR,
            remedy="correct the name under role; if it is really to go, use --delete-adopted",
        )

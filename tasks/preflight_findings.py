"""What preflight can find: stable codes, and a finding with who can fix it and how."""

from __future__ import annotations

from dataclasses import dataclass

from config.personas import Persona

CODES = {
    "PRE001": "Credentials or workspace cannot be used, or a question that a step asks too is refused",
    "PRE002": "Something the specification names does not exist",
    "PRE003": "A step would be refused: not ours, a full quota, another shape",
    "PRE010": "The workspace's members cannot be read",
    "PRE011": "A persona is no member of the workspace, or has not the workspace role it needs",
    "PRE012": "Creator or executor will not hold PassRole after step 2, or perhaps not",
    "PRE013": "A caller's policies cannot be read",
    "PRE014": "A caller is not allowed to do what its steps call",
    "PRE015": "Whether a caller is allowed depends on conditions that preflight cannot know",
    "PRE020": "The service-linked role of Data Integration does not exist, or cannot be looked for",
    "PRE021": "The workspace perhaps uses the new Data Studio",
    "PRE022": "A quota of the account is full or almost full, or cannot be counted",
    "PRE023": "The edition's calls of a day are not enough",
    "PRE030": "A policy is attached to the role beside the specification",
    "PRE031": "The role's policy is attached to something else, too",
    "PRE032": "Somebody who is not named in the specification holds PassRole on the role",
    "PRE033": "Who holds the role's policies cannot be read",
    "PRE040": "Something outside RAM must be so",
}
"""Every code of preflight with its title; a code is never given a second meaning."""


@dataclass(frozen=True)
class PreflightFinding:
    """One finding. ``blocks`` says that nothing must be written while it stands."""

    code: str
    subject: str
    what: str
    persona: Persona | None
    remedy: str
    blocks: bool
    severity: str = ""
    """Of a lint finding: info, low, medium or high."""

    def __str__(self) -> str:
        remedy = self.remedy.rstrip(".")
        who = f" The {self.persona.value} can fix it: {remedy}." if self.persona else f" {remedy}."
        severity = f" ({self.severity})" if self.severity else ""
        return f"{self.code}{severity} {self.subject}: {self.what.rstrip('.')}.{who if self.remedy else ''}"

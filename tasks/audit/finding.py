"""What an audit can find: the rules with their stable codes, and a finding.

A code is never given a second meaning, and a code that is no longer found stays: baselines name it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from config.personas import Persona
from policy.findings import Severity

DATA_SOURCE = "data source"
ROLE = "role"
CUSTOM_POLICY = "custom policy"
GRANTEE = "grantee"
SYNC_TASK = "sync task"
WORKSPACE = "workspace"
ACCOUNT = "account"
BASELINE = "baseline entry"
KINDS = (DATA_SOURCE, ROLE, CUSTOM_POLICY, GRANTEE, SYNC_TASK, WORKSPACE, ACCOUNT, BASELINE)
"""What a finding is about."""

_FINGERPRINT_CHARACTERS = 16
_SHOWN = 5


@dataclass(frozen=True)
class AuditRule:
    """One kind of finding; `fix` is what to do in general."""

    code: str
    title: str
    severity: Severity
    description: str
    fix: str


@dataclass(frozen=True)
class AuditFinding:
    """One thing found.

    `subject` names the object and stays the same over runs; `detail` tells two findings of one code and subject
    apart. `persona` can repair it by `remedy`, with `command` where one does it.
    """

    code: str
    severity: Severity
    kind: str
    subject: str
    what: str
    persona: Persona | None
    remedy: str
    workspace: int | None = None
    command: str = ""
    detail: str = ""

    @property
    def fingerprint(self) -> str:
        """What a baseline names: 16 hexadecimal digits of the code, the subject and the detail."""
        text = "\n".join((self.code, self.subject, self.detail))
        return hashlib.sha256(text.encode()).hexdigest()[:_FINGERPRINT_CHARACTERS]

    def to_json(self) -> dict[str, Any]:
        """For reports."""
        return {
            "code": self.code,
            "title": RULES[self.code].title,
            "severity": self.severity.value,
            "kind": self.kind,
            "subject": self.subject,
            "what": self.what,
            "persona": self.persona.value if self.persona else None,
            "remedy": self.remedy,
            "workspace": self.workspace,
            "command": self.command,
            "detail": self.detail,
            "fingerprint": self.fingerprint,
        }


_RULES = (
    # -- data sources ----------------------------------------------------------------------------------
    AuditRule(
        "AUD101",
        "Data source in AccessKey mode",
        Severity.HIGH,
        "A long-lived key is stored in the data source: whoever finds it reaches everything the key reaches.",
        "Migrate it to role mode, then disable the key.",
    ),
    AuditRule(
        "AUD102",
        "Role of the data source no longer exists",
        Severity.HIGH,
        "No role has the numeric id the data source is opened with; a role that was made again under the old name "
        "has another id. Every run fails.",
        "Point the data source at the present role: apply its specification again.",
    ),
    AuditRule(
        "AUD103",
        "Data source opened with another's role",
        Severity.HIGH,
        "The role with this numeric id was not made for this data source: it reaches what the other role may reach.",
        "Apply the specification of the data source, or name it in that of the role's policy.",
    ),
    AuditRule(
        "AUD104",
        "Connectivity lost",
        Severity.MEDIUM,
        "The last connectivity test of the data source did not pass, although it has been onboarded.",
        "Test it again from each resource group and mend what the answer says.",
    ),
    AuditRule(
        "AUD105",
        "Development and production out of step",
        Severity.MEDIUM,
        "The environments of a data source differ in more than where their data lies, one of them is missing, or "
        "what is deployed of a sync task is not what was developed.",
        "Apply the specification again, or deploy the task.",
    ),
    AuditRule(
        "AUD106",
        "Data source in role mode that is not managed here",
        Severity.INFO,
        "The role was made by hand or by something else: nothing compares it with a specification.",
        "Adopt it, so that a specification says what it should be.",
    ),
    # -- roles and their policies ----------------------------------------------------------------------
    AuditRule(
        "AUD201",
        "Trust policy widened",
        Severity.HIGH,
        "Somebody besides Data Integration may assume the role.",
        "Remove the further principals: the service needs none but itself.",
    ),
    AuditRule(
        "AUD202",
        "Look-alike service principal",
        Severity.HIGH,
        "The trusted service is nearly the right one. Services are compared exactly, so it is somebody else.",
        "Replace it by the exact name of the service.",
    ),
    AuditRule(
        "AUD203",
        "Trust open to another account",
        Severity.HIGH,
        "Another account, or a service acting for one, may assume the role.",
        "Remove the principal.",
    ),
    AuditRule(
        "AUD204",
        "Data Integration not trusted",
        Severity.HIGH,
        "The service may not assume the role, or only under a condition: the data sources of the role do not work.",
        "Allow sts:AssumeRole to the service: apply the specification again.",
    ),
    AuditRule(
        "AUD205",
        "Policy wider than generated",
        Severity.HIGH,
        "The policy of the role allows more than its data sources and their sync tasks need.",
        "Take the named actions out, or apply the specification with a policy of its own.",
    ),
    AuditRule(
        "AUD206",
        "Policy narrower than generated",
        Severity.MEDIUM,
        "The policy lacks actions that the data sources of the role need: their runs fail, or will.",
        "Apply the specification again.",
    ),
    AuditRule(
        "AUD207",
        "Unmanaged policy on a managed role",
        Severity.MEDIUM,
        "A policy that no specification made is attached to the role; all its data sources reach what it allows.",
        "Detach it if nobody needs it there.",
    ),
    AuditRule(
        "AUD208",
        "Role that nobody uses",
        Severity.LOW,
        "The role is managed here and no data source of the workspaces that were read is opened with it.",
        "Remove it with its policies: offboard what it was made for.",
    ),
    AuditRule(
        "AUD209",
        "Policy that nobody uses",
        Severity.LOW,
        "The custom policy is managed here and attached to nothing.",
        "Attach it by applying its specification, or delete it.",
    ),
    AuditRule(
        "AUD210",
        "Policy versions near the limit",
        Severity.LOW,
        "The policy has as many versions as RAM keeps, or nearly so: the next change deletes the oldest one.",
        "Delete versions that nobody will return to.",
    ),
    AuditRule(
        "AUD211",
        "Access policy of a role held by others",
        Severity.MEDIUM,
        "The policy of a role is attached to a user, a group or another role, which reach the data directly.",
        "Detach it there.",
    ),
    # -- grants ----------------------------------------------------------------------------------------
    AuditRule(
        "AUD301",
        "PassRole on every role",
        Severity.HIGH,
        "The vendor's Template 1: the holder may pass any role of the account, also one with more rights.",
        "Grant PassRole on the roles that are needed, one by one (Template 2).",
    ),
    AuditRule(
        "AUD302",
        "PassRole wider than a role and a service",
        Severity.MEDIUM,
        "The grant names roles by a pattern, or does not say which services may receive them.",
        "Name the roles and the services one by one.",
    ),
    AuditRule(
        "AUD303",
        "Grantee who no longer exists",
        Severity.LOW,
        "The policy was made for a user or group that does not exist any more: whoever is made under the name "
        "again may be given it unseen.",
        "Delete the policy, or name another grantee.",
    ),
    AuditRule(
        "AUD304",
        "Grantee who left the workspace",
        Severity.MEDIUM,
        "The holder of PassRole is no member of a workspace in which the role is used.",
        "Detach the grant from them, or make them a member again.",
    ),
    AuditRule(
        "AUD305",
        "PassRole held by somebody who neither creates nor runs",
        Severity.MEDIUM,
        "The holder is a member with roles that neither create data sources nor run sync tasks, and owns none.",
        "Detach the grant from them.",
    ),
    AuditRule(
        "AUD306",
        "Creator or executor without PassRole",
        Severity.HIGH,
        "Whoever owns the sync task may not pass the role of its data source: DataWorks checks it at every run, "
        "and the run fails.",
        "Grant PassRole again by applying the specification, or give the task to somebody who holds it.",
    ),
    AuditRule(
        "AUD307",
        "Grant past its end date",
        Severity.LOW,
        "The last day of the grant is over. The cloud has ended it; its statement is still in the policy.",
        "Remove what has ended: `onboard expire`.",
    ),
    AuditRule(
        "AUD308",
        "Grant that ends soon",
        Severity.INFO,
        "The last day of the grant is within two weeks: after it, the holder creates nothing and its runs fail.",
        "Give a later `until` in the specification and apply it, or let it end.",
    ),
    # -- sync tasks ------------------------------------------------------------------------------------
    AuditRule(
        "AUD401",
        "Sync task whose last runs failed",
        Severity.HIGH,
        "The newest runs of the sync task in production have failed.",
        "Read the log of the last run and mend what it says.",
    ),
    AuditRule(
        "AUD402",
        "Sync task that never ran",
        Severity.LOW,
        "The sync task is deployed to production and no run of it is known.",
        "Run it once, or take it out of production.",
    ),
    AuditRule(
        "AUD403",
        "AccessKey in task code",
        Severity.HIGH,
        "A static key stands in the code of the task, where every developer of the workspace reads it.",
        "Use the data source in role mode instead, then disable the key.",
    ),
    AuditRule(
        "AUD404",
        "Sync task of a data source that does not exist",
        Severity.MEDIUM,
        "The code names a data source that the workspace does not have.",
        "Correct the name, or add the data source.",
    ),
    # -- the account -----------------------------------------------------------------------------------
    AuditRule(
        "AUD501",
        "Quota above 80 %",
        Severity.LOW,
        "More than 80 % of a quota of RAM is used: soon nothing can be added.",
        "Remove what nobody uses, or ask for a higher quota.",
    ),
    # -- specifications --------------------------------------------------------------------------------
    AuditRule(
        "AUD601",
        "Drifted from the specification",
        Severity.MEDIUM,
        "A field is not as the specification says.",
        "Apply the specification, or write the present value into it.",
    ),
    AuditRule(
        "AUD602",
        "Missing, although specified",
        Severity.MEDIUM,
        "The specification names an object that does not exist.",
        "Apply the specification.",
    ),
    AuditRule(
        "AUD603",
        "Specification that cannot be compared",
        Severity.MEDIUM,
        "What exists cannot be brought to what the specification says, so an apply would be refused.",
        "Correct what is named.",
    ),
    # -- the baseline ----------------------------------------------------------------------------------
    AuditRule(
        "AUD701",
        "Baseline entry that has expired",
        Severity.LOW,
        "The last day of an accepted finding is over: the finding counts again.",
        "Mend what was accepted, or accept it anew with a reason that holds today.",
    ),
    AuditRule(
        "AUD702",
        "Baseline entry that matches nothing",
        Severity.INFO,
        "What was accepted is not found any more; the entry would hide it, should it come back.",
        "Take the entry out of the baseline.",
    ),
)

RULES: Mapping[str, AuditRule] = MappingProxyType({rule.code: rule for rule in _RULES})
"""Every rule by its code, in the order of the codes."""
SEVERITIES = tuple(Severity)
"""From the least."""


def found(
    code: str,
    kind: str,
    subject: str,
    what: str,
    persona: Persona | None,
    remedy: str = "",
    *,
    workspace: int | None = None,
    command: str = "",
    detail: str = "",
) -> AuditFinding:
    """A finding with severity and (unless given) remedy of its rule. Raises KeyError for an unknown code."""
    rule = RULES[code]
    return AuditFinding(
        code, rule.severity, kind, subject, what, persona, remedy or rule.fix, workspace, command, detail
    )


def some(names: Iterable[str]) -> str:
    """The first five of names, each once, and how many more there are."""
    distinct = list(dict.fromkeys(names))
    more = len(distinct) - _SHOWN
    return ", ".join(distinct[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def in_order(findings: Iterable[AuditFinding]) -> tuple[AuditFinding, ...]:
    """Each finding once, the most severe first, then by code and subject."""
    return tuple(
        sorted(
            dict.fromkeys(findings),
            key=lambda one: (-SEVERITIES.index(one.severity), one.code, one.subject, one.detail, one.what),
        )
    )

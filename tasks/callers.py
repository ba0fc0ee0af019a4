"""What the callers of the personas may do, by their policies as they stand: preflight's questions about people.

A policy that cannot be read makes the answer unknown, never yes and never no.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cloud.inventory import AttachedDocument, Inventory
from cloud.ram import Grantee
from config.names import SERVICE_PRINCIPAL, role_arns
from config.personas import Persona
from config.spec import DataSourceSpec
from policy import Outcome, PolicyKind, PolicySyntaxError, Request, Source, evaluate_identity, parse_policy
from policy.generate import PASS_ROLE, SERVICE_KEY
from tasks.declared import Declared
from tasks.grant_plan import grant_document

# Values of a request that preflight cannot know: a statement that depends on one is neither allowed nor refused.
_UNKNOWN_KEYS = frozenset(
    {
        "acs:SourceIp",
        "acs:CurrentTime",
        "acs:MFAPresent",
        "acs:SecureTransport",
        "acs:SourceVpc",
        "acs:UserAgent",
    }
)
_REFUSALS = (Outcome.IMPLICIT_DENY, Outcome.EXPLICIT_DENY)
_SURER = (Outcome.ALLOW, Outcome.UNKNOWN, *_REFUSALS)  # of several resources the surest refusal counts
ROOT = "root"
"""Name of the account itself, which may do everything."""


@dataclass(frozen=True)
class Lacking:
    """Actions that a caller is refused, and those that depend on what cannot be known.

    ``certain``: whether a call would surely be refused. Whether a DataWorks call needs a RAM permission beside the
    workspace role is not documented for every action, so there only an explicit Deny is.
    """

    refused: tuple[str, ...]
    unsure: tuple[str, ...]
    certain: bool


def role_of(caller: str) -> str | None:
    """The role of a session's name ``<role>/<session>``; None for a user."""
    role, slash, _ = caller.partition("/")
    return role if slash else None


def documents_of(inventory: Inventory, caller: str) -> list[Source] | None:
    """A user's policies and its groups', or those of a session's role; None when some of them cannot be read."""
    role = role_of(caller)
    if role is not None:
        return _sources(f"role {role}", inventory.attached(Grantee.ROLE, role))
    groups = inventory.groups_of(caller)
    if groups is None:
        return None
    found = _sources(f"user {caller}", inventory.attached(Grantee.USER, caller))
    for group in groups:
        more = _sources(f"group {group}", inventory.attached(Grantee.GROUP, group))
        if found is None or more is None:
            return None
        found += more
    return found


def _sources(owner: str, attached: Sequence[AttachedDocument] | None) -> list[Source] | None:
    if attached is None:
        return None
    sources = []
    for policy in attached:
        if policy.document is None:
            return None
        try:
            parsed = parse_policy(policy.document, PolicyKind.IDENTITY)
        except PolicySyntaxError:
            return None
        sources.append(Source(policy.policy, f"{policy.kind} policy of {owner}", parsed))
    return sources


def passing(spec: DataSourceSpec, account_id: str, documents: Sequence[Source], *, granted: bool) -> Outcome:
    """Whether a caller may pass the role after step 2; ``granted`` when step 2 gives it the PassRole policy."""
    after = list(documents)
    if granted:
        grant = grant_document(spec, account_id)
        after.append(Source(spec.pass_role_policy_name, "custom policy of step 2", grant))
    context = {SERVICE_KEY: (SERVICE_PRINCIPAL,)}
    arn, *_ = role_arns(account_id, spec.role_name)
    return evaluate_identity(Request(PASS_ROLE, arn, context, _UNKNOWN_KEYS), after).outcome


def lacking(rows: Sequence[Declared], persona: Persona, documents: Sequence[Source]) -> Lacking:
    """What a persona's caller lacks of what its steps declare. PassRole is given by step 2 and asked for elsewhere."""
    answers: dict[str, Outcome] = {}
    for row in rows:
        if row.persona is not persona or row.optional or PASS_ROLE in row.actions:
            continue
        for action in row.actions:
            asked = (Request(action, resource, {}, _UNKNOWN_KEYS) for resource in row.resources)
            outcomes = [evaluate_identity(request, documents).outcome for request in asked]
            answers[action] = max([answers.get(action, Outcome.ALLOW), *outcomes], key=_SURER.index)
    refused = tuple(sorted(action for action, outcome in answers.items() if outcome in _REFUSALS))
    unsure = tuple(sorted(action for action, outcome in answers.items() if outcome is Outcome.UNKNOWN))
    certain = any(one.startswith("ram:") or answers[one] is Outcome.EXPLICIT_DENY for one in refused)
    return Lacking(refused, unsure, certain)

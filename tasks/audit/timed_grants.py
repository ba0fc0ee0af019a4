"""Rules about grants with an end date: those whose day has passed, and those whose last day is near."""

from __future__ import annotations

from collections.abc import Iterator

from config.names import is_folded_policy
from config.personas import Persona
from config.scheduler import scheduler_time
from tasks.audit.account import Account, AuditedPolicy
from tasks.audit.finding import CUSTOM_POLICY, GRANTEE, AuditFinding, found, some
from tasks.expiring import last_day, role_of
from tasks.folding import moment, terms_of

SOON_DAYS = 14
"""So many days before its last one a grant is told to end soon."""


def timed_grant_findings(account: Account, now: float) -> Iterator[AuditFinding]:
    """Once for each holder, policy and last day; ``now`` in seconds since the epoch."""
    at = scheduler_time(now)
    for policy in account.policies.values():
        if not policy.managed or not is_folded_policy(policy.name):
            continue
        for end, roles in _ends(policy).items():
            day = last_day(end)
            if moment(end) <= at:
                yield from _told("AUD307", policy, roles, f"ended with {day}", "onboard expire")
            elif (day - at.date()).days <= SOON_DAYS:
                yield from _told("AUD308", policy, roles, f"ends with {day}", "")


def _ends(policy: AuditedPolicy) -> dict[str, list[str]]:
    """The roles of a policy's grants that end, by end."""
    found_ends: dict[str, dict[str, str]] = {}
    for statement in policy.document.statements if policy.document is not None else ():
        services, end = terms_of(statement) or (frozenset(), "")
        if services and end:
            for arn in statement.resources:
                # Each role is named twice, and once as it is spelled.
                roles = found_ends.setdefault(end, {})
                name = role_of(arn)
                roles[name.lower()] = name if name != name.lower() else roles.get(name, name)
    return {end: sorted(roles.values()) for end, roles in found_ends.items()}


def _told(
    code: str, policy: AuditedPolicy, roles: list[str], when: str, command: str
) -> Iterator[AuditFinding]:
    which = f"role {roles[0]}" if len(roles) == 1 else f"{len(roles)} roles ({some(roles)})"
    what = f"the grant to pass {which} {when}"
    detail = f"{policy.name}, {when}"
    holders = [(GRANTEE, f"{kind.value.lower()} {name}") for kind, name in policy.holders]
    for kind, subject in holders or [(CUSTOM_POLICY, str(policy))]:
        yield found(
            code, kind, subject, f"{what}, in {policy}", Persona.ADMINISTRATOR, command=command, detail=detail
        )

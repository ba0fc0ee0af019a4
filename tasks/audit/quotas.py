"""Rules about the quotas of the account, and of those who hold its policies. The published quotas count."""

from __future__ import annotations

from collections.abc import Iterator

from cloud.ram import Grantee
from config import limits
from config.names import is_folded_policy
from config.personas import Persona
from tasks.audit.account import Account
from tasks.audit.finding import ACCOUNT, GRANTEE, ROLE, AuditFinding, found

_NEAR_PERCENT = 80


def quota_findings(account: Account) -> Iterator[AuditFinding]:
    """Quotas of which more than 80 % are used."""
    counts = (
        ("roles", None if account.roles is None else len(account.roles), limits.ROLES_PER_ACCOUNT),
        ("custom policies", account.policy_count, limits.POLICIES_PER_ACCOUNT),
        ("users", None if account.users is None else len(account.users), limits.USERS_PER_ACCOUNT),
        ("groups", None if account.groups is None else len(account.groups), limits.GROUPS_PER_ACCOUNT),
    )
    for title, used, limit in counts:
        if used is not None and _near(used, limit):
            yield _full(ACCOUNT, f"quota of {title}", used, limit)
    yield from _places(account)


def _places(account: Account) -> Iterator[AuditFinding]:
    """Custom policies of those who hold managed ones. Who holds a folded one has room: it takes further roles."""
    for (kind, name), policies in account.policies_by_holder.items():
        custom = [policy for policy in policies if policy.custom]
        concerned = any(policy.managed for policy in custom)
        folded = any(is_folded_policy(policy.name) for policy in custom)
        if concerned and not folded and _near(len(custom), limits.CUSTOM_POLICIES_PER_ENTITY):
            role = account.role_names.get(name) if kind is Grantee.ROLE else None
            subject = f"{kind.value.lower()} {role.name if role else name}"
            yield _full(
                ROLE if kind is Grantee.ROLE else GRANTEE, subject, len(custom), limits.CUSTOM_POLICIES_PER_ENTITY,
                "custom policies attached to it",
            )  # fmt: skip


def _near(used: int, limit: int) -> bool:
    return used * 100 > limit * _NEAR_PERCENT


def _full(kind: str, subject: str, used: int, limit: int, what: str = "used") -> AuditFinding:
    return found("AUD501", kind, subject, f"{used} of {limit} {what}", Persona.ADMINISTRATOR)

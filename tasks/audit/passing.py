"""Who may pass which role to Data Integration, and by what: decided by the policy language, not by names.

Only users, groups and roles that hold a policy about ``ram:PassRole`` are asked; what could not be read makes an
answer unknown, never yes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

from cloud.ram import Grantee
from config.names import SERVICE_PRINCIPAL, role_arns
from config.scheduler import scheduler_time
from policy import Effect, Outcome, Request, Source, evaluate_identity, lint_pass_role, match_action
from policy.generate import CURRENT_TIME_KEY, PASS_ROLE, SERVICE_KEY
from tasks.audit.account import Account, AuditedPolicy, AuditedRole
from tasks.role_group import Entity

_EVERY_ROLE, _PATTERN = "RAM201", "RAM202"


@dataclass(frozen=True)
class Holding:
    """One way by which a user or role may pass a role: by itself (`group` is "") or by a group.

    `policies` are those that carry the grant.
    """

    holder: Entity
    group: str
    policies: tuple[AuditedPolicy, ...]

    @property
    def by(self) -> str:
        """`` by group x``, or "" when directly."""
        return f" by group {self.group}" if self.group else ""


def about_pass_role(policy: AuditedPolicy) -> bool:
    """Whether a statement of the policy allows or denies PassRole, on whatever it be."""
    return policy.document is not None and any(
        any(match_action(one, PASS_ROLE) for one in statement.actions or statement.not_actions)
        is bool(statement.actions)
        for statement in policy.document.statements
    )


class Passing:
    """The answers for one account, each worked out once."""

    def __init__(self, account: Account, now: float | None = None) -> None:
        self._account = account
        # A grant that ends holds until then: the time of the reading is known, as nothing else of a request is.
        at = () if now is None else (scheduler_time(now).isoformat(timespec="seconds"),)
        self._context = {SERVICE_KEY: (SERVICE_PRINCIPAL,), **({CURRENT_TIME_KEY: at} if at else {})}
        self._alone: dict[tuple[str, str, str], Outcome] = {}
        self._holdings: dict[str, tuple[Holding, ...]] = {}
        self._codes: dict[tuple[str, str], frozenset[str]] = {}
        self._sources: dict[tuple[str, str], tuple[Source, frozenset[str], bool]] = {}

    @cached_property
    def policies(self) -> tuple[AuditedPolicy, ...]:
        """Attached policies about PassRole."""
        return tuple(one for one in self._account.policies.values() if one.holders and about_pass_role(one))

    @cached_property
    def _by_path(self) -> Mapping[Entity, Mapping[str, tuple[AuditedPolicy, ...]]]:
        """Policies about PassRole by user or role and, for users, by the group they come from ("": none)."""
        found: dict[Entity, dict[str, list[AuditedPolicy]]] = {}
        for policy in self.policies:
            for kind, name in policy.holders:
                if kind is not Grantee.GROUP:
                    found.setdefault((kind, name), {}).setdefault("", []).append(policy)
                    continue
                for member in self._account.members.get(name, ()):
                    found.setdefault((Grantee.USER, member), {}).setdefault(name, []).append(policy)
        return {
            entity: {group: tuple(policies) for group, policies in paths.items()}
            for entity, paths in found.items()
        }

    def codes_of(self, policy: AuditedPolicy) -> frozenset[str]:
        """Codes of the findings about a policy as one that gives PassRole."""
        key = (policy.listed.kind, policy.name)
        if key not in self._codes:
            found = () if policy.document is None else lint_pass_role(policy.document, name=policy.name)
            self._codes[key] = frozenset(one.code for one in found)
        return self._codes[key]

    def is_precise(self, policy: AuditedPolicy) -> bool:
        """Whether a policy is a custom one that names roles one by one, not all of them or by a pattern."""
        return policy.custom and not self.codes_of(policy) & {_EVERY_ROLE, _PATTERN}

    def may_pass(self, entity: Entity, role: AuditedRole) -> Outcome:
        """Whether a user or role may pass a role, by all it holds."""
        paths = self._by_path.get(entity, {})
        policies = [policy for one in paths.values() for policy in one]
        # What alone neither allows nor denies anything says nothing beside others, unless a Deny hangs on a condition.
        telling = [
            one
            for one in policies
            if self._alone_is(one, role) is not Outcome.IMPLICIT_DENY or self._read(one)[2]
        ]
        outcome = self._decide(telling, role)
        if outcome is Outcome.IMPLICIT_DENY and (
            not self._account.knows_holders or self._holds_unread(entity)
        ):
            return Outcome.UNKNOWN  # a policy that was not read may allow it
        return outcome

    def _holds_unread(self, entity: Entity) -> bool:
        groups = [name for name, members in self._account.members.items() if entity[1] in members]
        holders: list[Entity] = [entity]
        if entity[0] is Grantee.USER:
            holders += [(Grantee.GROUP, name) for name in groups]
        return any(
            policy.document is None
            for holder in holders
            for policy in self._account.policies_by_holder.get(
                (holder[0], holder[1].lower()) if holder[0] is Grantee.ROLE else holder, ()
            )
        )

    def holdings(self, role: AuditedRole) -> tuple[Holding, ...]:
        """Every way by which somebody may pass a role, ordered by holder and group."""
        if role.role_id not in self._holdings:
            self._holdings[role.role_id] = tuple(self._ways(role))
        return self._holdings[role.role_id]

    def _ways(self, role: AuditedRole) -> Iterable[Holding]:
        for entity, paths in sorted(self._by_path.items()):
            carrying = {
                group: tuple(one for one in policies if self.carries(one, role))
                for group, policies in sorted(paths.items())
            }
            if any(carrying.values()) and self.may_pass(entity, role) is Outcome.ALLOW:
                yield from (
                    Holding(entity, group, policies) for group, policies in carrying.items() if policies
                )

    def carries(self, policy: AuditedPolicy, role: AuditedRole) -> bool:
        """Whether a policy alone allows its holders to pass a role."""
        return self._alone_is(policy, role) is Outcome.ALLOW

    def _alone_is(self, policy: AuditedPolicy, role: AuditedRole) -> Outcome:
        key = (policy.listed.kind, policy.name, role.role_id)
        if key not in self._alone:
            self._alone[key] = self._decide([policy], role)
        return self._alone[key]

    def _read(self, policy: AuditedPolicy) -> tuple[Source, frozenset[str], bool]:
        """A policy for decisions: its condition keys, and whether it denies anything."""
        key = (policy.listed.kind, policy.name)
        if key not in self._sources:
            assert policy.document is not None  # those about PassRole were read
            statements = policy.document.statements
            self._sources[key] = (
                Source(policy.name, f"{policy.listed.kind.lower()} policy", policy.document),
                frozenset(condition.key for one in statements for condition in one.conditions),
                any(one.effect is Effect.DENY for one in statements),
            )
        return self._sources[key]

    def _decide(self, policies: Iterable[AuditedPolicy], role: AuditedRole) -> Outcome:
        read = [self._read(policy) for policy in policies]
        keys = frozenset(key for _, own, _ in read for key in own)
        arn, *_ = role_arns(self._account.account_id, role.name)
        request = Request(PASS_ROLE, arn, self._context, keys - self._context.keys())
        return evaluate_identity(request, [source for source, _, _ in read]).outcome

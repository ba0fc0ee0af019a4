"""Who may do what in an account, and why: questions to an inventory of its users, groups, roles and policies.

Every answer rests on `policy.evaluate`. It is UNKNOWN, never ALLOW, when it rests on a policy that could not be read,
on a condition whose key the question does not state (`acs:SourceIp`, `acs:CurrentTime`, `acs:MFAPresent`, ...), or on
somebody the inventory does not have. One thing is sure whatever is unknown: an explicit Deny that was read.

Not looked at, as in `policy.evaluate`: the account itself, grants of resource-group scope, control policies and
bucket policies.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Literal, NamedTuple, Protocol

from policy.comparisons import Truth
from policy.conditions import Context, evaluate_conditions
from policy.evaluate import (
    Caller,
    Decision,
    Outcome,
    Request,
    Source,
    evaluate_identity,
    evaluate_trust,
)
from policy.generate import PASS_ROLE, SERVICE_KEY
from policy.matching import match_action
from policy.model import Condition, Effect, PolicyDocument, Statement
from policy.patterns import covers, has_wildcard, overlap, overlap_by_part


class Verdict(Enum):
    """The answer to a question; UNKNOWN is not allowed."""

    ALLOW = "allow"
    DENY = "deny"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class AttachedPolicy:
    """A policy attached to a user, group or role. `kind` is `custom policy` or `system policy`.

    `document` is None when it could not be read. When not even the list of attached policies could be read, one
    entry without document stands for it.
    """

    name: str
    kind: str
    document: PolicyDocument | None


@dataclass(frozen=True)
class UserPolicies:
    """A RAM user and the policies attached to it."""

    name: str
    policies: tuple[AttachedPolicy, ...] = ()


@dataclass(frozen=True)
class GroupPolicies:
    """A RAM group, the names of its members, and the policies attached to it."""

    name: str
    members: frozenset[str] = frozenset()
    policies: tuple[AttachedPolicy, ...] = ()


@dataclass(frozen=True)
class RolePolicies:
    """A RAM role, its trust policy (None: could not be read), and the policies attached to it."""

    name: str
    trust: PolicyDocument | None
    policies: tuple[AttachedPolicy, ...] = ()


@dataclass(frozen=True)
class Inventory:
    """What was read of an account. Names are compared exactly."""

    account_id: str
    users: tuple[UserPolicies, ...] = ()
    groups: tuple[GroupPolicies, ...] = ()
    roles: tuple[RolePolicies, ...] = ()


@dataclass(frozen=True)
class Explanation:
    """An answer. `because` names the policy, whose it is and the statement; `statement` is the one that decides."""

    decision: Verdict
    because: str
    source: Source | None = None
    statement: Statement | None = None

    @property
    def allowed(self) -> bool:
        """True for ALLOW only."""
        return self.decision is Verdict.ALLOW


class Holder(NamedTuple):
    """Whether a user, or a group by its own policies, may do what was asked."""

    kind: Literal["user", "group"]
    name: str
    explanation: Explanation


class Access(NamedTuple):
    """One row of the table of `access_to`."""

    action: str
    resource: str
    explanation: Explanation


class NeededPermission(Protocol):
    """What `access_to` needs of a permission: one action, and the resources it is needed on."""

    @property
    def action(self) -> str:
        """The action, without wildcards."""
        raise NotImplementedError

    @property
    def resources(self) -> tuple[str, ...]:
        """The resources; a pattern such as `acs:oss:*:*:bucket/*` means all that fit."""
        raise NotImplementedError

    @property
    def conditions(self) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
        """Operator, key and values of the conditions under which the action is needed."""
        raise NotImplementedError


def can_pass(inventory: Inventory, user: str, role_arn: str, service: str) -> Explanation:
    """Whether a user may pass a role to a service, by its own policies and those of its groups."""
    named = next((one for one in inventory.users if one.name == user), None)
    if named is None:
        return _absent("user", user)
    attached = [*_of("user", named.name, named.policies)]
    for group in inventory.groups:
        if user in group.members:
            attached += _of("group", group.name, group.policies)
    return _passes(attached, role_arn, service)


def who_can_pass(inventory: Inventory, role_arn: str, service: str) -> tuple[Holder, ...]:
    """The answer of `can_pass` for every user, then for every group by its own policies, each by name."""
    users = sorted(one.name for one in inventory.users)
    groups = sorted(inventory.groups, key=lambda one: one.name)
    return (
        *(Holder("user", name, can_pass(inventory, name, role_arn, service)) for name in users),
        *(
            Holder("group", one.name, _passes(_of("group", one.name, one.policies), role_arn, service))
            for one in groups
        ),
    )


def can_access(
    inventory: Inventory,
    role: str,
    action: str,
    resource: str,
    *,
    service: str,
    context: Context | None = None,
) -> Explanation:
    """Whether a service that assumes a role may do an action on a resource, or on all that fit a pattern.

    First the trust policy decides whether the service may assume the role at all. `context` has the values of the
    condition keys that are known; every other key is unknown.
    """
    return _access(inventory, role, service, _Question(action, resource, context or {}, {}))


def access_to(
    inventory: Inventory, role: str, permissions: Iterable[NeededPermission], *, service: str
) -> tuple[Access, ...]:
    """The answer of `can_access` for each action and resource of the permissions, in their order.

    The conditions of a permission say what a request carries: each value of StringEquals, and all that fit each
    pattern of StringLike, has to be allowed. Conditions with other operators leave their key unknown.
    """
    rows = []
    for permission in permissions:
        for resource in permission.resources:
            answers = [
                _access(inventory, role, service, _Question(permission.action, resource, *known))
                for known in _requests(permission)
            ]
            rows.append(Access(permission.action, resource, min(answers, key=_least_first)))
    return tuple(rows)


class _Question(NamedTuple):
    """An action on a resource, either of which may be a pattern that means all that fit."""

    action: str
    resource: str
    context: Context
    """The values of the condition keys that are known."""
    patterns: Mapping[str, str]
    """For other condition keys a pattern: the request may carry any value that fits."""


class _Attached(NamedTuple):
    """A policy as a source of a decision; `document` is None when it could not be read."""

    name: str
    kind: str
    document: PolicyDocument | None


def _of(owner: str, name: str, policies: Iterable[AttachedPolicy]) -> list[_Attached]:
    return [_Attached(one.name, f"{one.kind} of {owner} {name}", one.document) for one in policies]


def _absent(kind: str, name: str) -> Explanation:
    return Explanation(Verdict.UNKNOWN, f"{kind} {name} is not among those that were read")


def _passes(attached: Sequence[_Attached], role_arn: str, service: str) -> Explanation:
    return _allows(attached, _Question(PASS_ROLE, role_arn, {SERVICE_KEY: (service,)}, {}))


def _access(inventory: Inventory, role: str, service: str, question: _Question) -> Explanation:
    named = next((one for one in inventory.roles if one.name == role), None)
    if named is None:
        return _absent("role", role)
    trust = _trust(inventory.account_id, named, service)
    if trust.decision is Verdict.DENY:
        return trust
    access = _allows(_of("role", role, named.policies), question)
    return trust if access.allowed and not trust.allowed else access


def _trust(account_id: str, role: RolePolicies, service: str) -> Explanation:
    if role.trust is None:
        return Explanation(Verdict.UNKNOWN, f"the trust policy of role {role.name} could not be read")
    caller = Caller("service", service, account_id)
    decision = evaluate_trust(role.trust, caller, {}, unknown_keys=_unknown_keys([role.trust], {}))
    return _explanation(decision, f"role {role.name}: ")


def _allows(attached: Sequence[_Attached], question: _Question) -> Explanation:
    """The decision of the policies that were read, which the unread ones can only turn into UNKNOWN."""
    written = [Source(one.name, one.kind, one.document) for one in attached if one.document is not None]
    unread = [f"{one.kind} {one.name}" for one in attached if one.document is None]
    sources = [replace(one, document=_without_met(one.document, question.patterns)) for one in written]
    keys = _unknown_keys([one.document for one in sources], question.context)
    request = Request(question.action, question.resource, question.context, keys)
    decision = evaluate_identity(request, sources)
    explanation = _explanation(decision)
    if decision.outcome is not Outcome.EXPLICIT_DENY:
        if unread:
            because = f"{', '.join(unread)} could not be read; of the others: {decision.reason}"
            return Explanation(Verdict.UNKNOWN, because)
        if has_wildcard(question.action) or has_wildcard(question.resource):
            explanation = _doubt_of_pattern(request, sources, decision) or explanation
    return _as_written(explanation, sources, written)


def _without_met(document: PolicyDocument, patterns: Mapping[str, str]) -> PolicyDocument:
    """The document without the conditions that every value of a pattern meets."""

    def is_met(condition: Condition) -> bool:
        pattern = patterns.get(condition.key)
        return (
            pattern is not None
            and condition.operator == "StringLike"
            and any(covers(listed, pattern) for listed in condition.values)
        )

    if not patterns:
        return document
    statements = (
        replace(one, conditions=tuple(each for each in one.conditions if not is_met(each)))
        for one in document.statements
    )
    return PolicyDocument(document.version, tuple(statements))


def _as_written(
    explanation: Explanation, sources: Sequence[Source], written: Sequence[Source]
) -> Explanation:
    """The explanation with the policy and statement as they are attached, not as they were asked."""
    for asked, original in zip(sources, written, strict=True):
        if explanation.source is asked:
            places = [one is explanation.statement for one in asked.document.statements]
            statement = original.document.statements[places.index(True)] if True in places else None
            return replace(explanation, source=original, statement=statement)
    return explanation


def _unknown_keys(documents: Iterable[PolicyDocument], context: Context) -> frozenset[str]:
    """The condition keys of the documents that the question does not state."""
    keys = {
        one.key for document in documents for statement in document.statements for one in statement.conditions
    }
    return frozenset(keys - context.keys())


def _doubt_of_pattern(request: Request, sources: Sequence[Source], decision: Decision) -> Explanation | None:
    """UNKNOWN when the answer may not hold for all that a pattern in the question means; None when it does."""
    if has_wildcard(request.action):
        return Explanation(Verdict.UNKNOWN, f"{request.action} is a pattern; ask for one action at a time")
    allowing = decision.statement
    if decision.allowed and allowing is not None:
        if not any(covers(pattern, request.resource) for pattern in allowing.resources):
            return _in_part(request, decision.source, allowing)
        wanted = Effect.DENY
    elif decision.outcome is Outcome.IMPLICIT_DENY:
        wanted = Effect.ALLOW
    else:
        return None
    for source in sources:
        for statement in source.document.statements:
            if statement.effect is wanted and _touches(statement, request):
                return _in_part(request, source, statement)
    return None


def _touches(statement: Statement, request: Request) -> bool:
    """Whether a statement may match a part of what the request means."""
    named = any(match_action(one, request.action) for one in statement.actions or statement.not_actions)
    if named is not bool(statement.actions):
        return False
    # A Deny that only perhaps matches must not be missed; an Allow that does is no reason to doubt a denial.
    meets = overlap if statement.effect is Effect.DENY else overlap_by_part
    if not any(meets(pattern, request.resource) for pattern in statement.resources):
        return False
    truth = evaluate_conditions(statement.conditions, request.context, request.unknown_keys)
    return truth is not Truth.FALSE


def _in_part(request: Request, source: Source | None, statement: Statement) -> Explanation:
    verb = "deny" if statement.effect is Effect.DENY else "allow"
    because = f"a statement of {source} may {verb} {request.action} on a part of {request.resource} only"
    return Explanation(Verdict.UNKNOWN, because, source, statement)


def _requests(permission: NeededPermission) -> list[tuple[Context, Mapping[str, str]]]:
    """What the requests that a permission means carry: known values, and patterns of values, of condition keys."""
    found: list[tuple[Context, Mapping[str, str]]] = [({}, {})]
    for operator, key, values in permission.conditions:
        if operator not in {"StringEquals", "StringLike"} or not values:
            continue
        found = [
            (context, {**patterns, key: value})
            if operator == "StringLike" and has_wildcard(value)
            else ({**context, key: (value,)}, patterns)
            for context, patterns in found
            for value in values
        ]
    return found


def _least_first(explanation: Explanation) -> int:
    return (Verdict.DENY, Verdict.UNKNOWN, Verdict.ALLOW).index(explanation.decision)


def _explanation(decision: Decision, start: str = "") -> Explanation:
    verdict = {Outcome.ALLOW: Verdict.ALLOW, Outcome.UNKNOWN: Verdict.UNKNOWN}.get(
        decision.outcome, Verdict.DENY
    )
    return Explanation(verdict, start + decision.reason, decision.source, decision.statement)

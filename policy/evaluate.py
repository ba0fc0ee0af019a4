"""Whether a request is allowed, and which statement decides.

An explicit Deny wins over everything, then one Allow suffices, else the request is implicitly denied (RAM help
"Policy evaluation process"). A condition that fails makes its statement not match: a failed condition on an Allow is
no denial. What cannot be known (see `Request.unknown_keys`, `policy.comparisons`) never becomes an ALLOW.

Not done here:
- grants of resource-group scope, control policies of a resource directory, and resource policies other than trust
  policies (such as bucket policies);
- the Alibaba Cloud account itself, which needs no policy for its own resources: the caller decides that first;
- AssumeRole as a whole, which needs an Allow of the identity policies and of the trust policy: the caller combines
  `evaluate_identity` (or `evaluate_session`) and `evaluate_trust`. A service has no identity policies;
- policy variables in resources and condition values, and the validity of action names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal, NamedTuple

from policy.comparisons import Truth
from policy.conditions import Context, evaluate_condition, evaluate_conditions
from policy.documents import Effect, PolicyDocument, Principal, Statement
from policy.matching import fold, match_action, match_resource

ASSUME_ROLE = "sts:AssumeRole"
"""The action that a trust policy allows, for every kind of caller."""


class Outcome(Enum):
    """What a decision comes to."""

    ALLOW = "allow"
    EXPLICIT_DENY = "explicit deny"
    IMPLICIT_DENY = "implicit deny"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Request:
    """One action on one resource.

    `context` has the values of condition keys; `unknown_keys` names the keys whose value cannot be known when the
    question is asked, as opposed to keys that the request does not carry.
    """

    action: str
    resource: str
    context: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unknown_keys: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Source:
    """A named policy; `kind` says where it comes from, such as `custom policy of group ops`."""

    name: str
    kind: str
    document: PolicyDocument

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True)
class Decision:
    """The outcome and why.

    `source` and `statement` are those that decide: the Allow, the Deny, or the statement that cannot be decided.
    An implicit denial has no statement, and a source only when that is a session policy that lacks an Allow.
    """

    outcome: Outcome
    source: Source | None
    statement: Statement | None
    reason: str

    @property
    def allowed(self) -> bool:
        """True for ALLOW only: UNKNOWN is not allowed."""
        return self.outcome is Outcome.ALLOW


@dataclass(frozen=True)
class Caller:
    """Who asks to assume a role.

    `arn` is the ARN of the user or role (`acs:ram::<account>:role/<name>`, not that of an assumed session), of the
    identity provider for a federated caller, and the service name for a service. `account_id` is the account the
    caller belongs to. `service_account` is the account for which a service acts, None for the role's own.
    """

    kind: Literal["service", "user", "role", "account", "federated"]
    arn: str
    account_id: str
    service_account: str | None = None


class _Match(NamedTuple):
    """A statement that was looked at, with its place in its policy (from 1)."""

    source: Source
    statement: Statement
    number: int

    def __str__(self) -> str:
        return f"statement {self.number} of {self.source}"


class _Question(NamedTuple):
    """What every statement is asked."""

    action: str
    """In lower case."""
    asked: str
    """The question in words, for the reason."""
    target_matches: Callable[[Statement], bool]
    context: Context
    unknown_keys: frozenset[str]
    missing_key: Truth


def evaluate_identity(
    request: Request, sources: Sequence[Source], *, missing_key: Truth = Truth.FALSE
) -> Decision:
    """Decide by identity policies: the user's own and those of the groups, or those of a role.

    An unknown Deny turns an ALLOW into UNKNOWN; an unknown Allow without a sure one gives UNKNOWN.
    `missing_key` is the result of a condition whose key the request does not carry (not documented by RAM).
    """
    resource = request.resource

    def covers(statement: Statement) -> bool:
        return any(match_resource(pattern, resource) for pattern in statement.resources)

    asked = f"{request.action} on {resource}"
    return _decide(
        _Question(fold(request.action), asked, covers, request.context, request.unknown_keys, missing_key),
        sources,
    )


def evaluate_session(
    request: Request,
    identity: Sequence[Source],
    session: Source | None,
    *,
    missing_key: Truth = Truth.FALSE,
) -> Decision:
    """Decide for an STS session: both the role's policies and the session policy must allow.

    Without a session policy the role's policies decide alone. An explicit Deny in either wins.
    """
    by_identity = evaluate_identity(request, identity, missing_key=missing_key)
    if session is None:
        return by_identity
    by_session = evaluate_identity(request, (session,), missing_key=missing_key)
    if by_session.outcome is Outcome.IMPLICIT_DENY:
        by_session = Decision(
            Outcome.IMPLICIT_DENY, session, None, f"the session policy narrows: {by_session.reason}"
        )
    for outcome in (Outcome.EXPLICIT_DENY, Outcome.IMPLICIT_DENY, Outcome.UNKNOWN):
        for decision in (by_identity, by_session):
            if decision.outcome is outcome:
                return decision
    return Decision(
        Outcome.ALLOW, by_identity.source, by_identity.statement, f"{by_identity.reason}; {by_session.reason}"
    )


def evaluate_trust(
    document: PolicyDocument,
    principal: Caller,
    context: Context,
    *,
    unknown_keys: frozenset[str] = frozenset(),
    missing_key: Truth = Truth.FALSE,
) -> Decision:
    """Decide by the trust policy of a role whether the caller may assume it; an explicit Deny denies.

    `acs:ram::<account>:root` covers every user and role of that account, not the account itself, which RAM never
    lets assume a role. Users and roles are compared without case in their names (see `policy.matching`), services
    and identity providers exactly. A plain service name is the service acting for the role's own account;
    `<account>@<service>` is the service acting for that other account only.
    """

    def names(statement: Statement) -> bool:
        return any(_names(one, principal) for one in statement.principals)

    asked = f"{ASSUME_ROLE} to {principal.kind} {principal.arn}"
    if principal.service_account is not None:
        asked += f" acting for account {principal.service_account}"
    question = _Question(fold(ASSUME_ROLE), asked, names, context, unknown_keys, missing_key)
    return _decide(question, (Source("of the role", "trust policy", document),))


def _names(principal: Principal, caller: Caller) -> bool:
    """Whether a principal of a trust policy means the caller."""
    if caller.kind == "service":
        wanted = caller.arn if caller.service_account is None else f"{caller.service_account}@{caller.arn}"
        return principal.kind == "Service" and principal.value == wanted
    if caller.kind == "federated":
        return principal.kind == "Federated" and principal.value == caller.arn
    if caller.kind == "account" or principal.kind != "RAM":
        return False
    if principal.value == f"acs:ram::{caller.account_id}:root":
        return True
    head, slash, name = principal.value.partition("/")
    wanted_head, _, wanted_name = caller.arn.partition("/")
    return bool(slash) and head == wanted_head and fold(name) == fold(wanted_name)


def _decide(question: _Question, sources: Sequence[Source]) -> Decision:
    """The rule of the language over all statements: Deny, then what is unknown, then Allow."""
    allow = unknown_allow = unknown_deny = near = None
    for source in sources:
        for number, statement in enumerate(source.document.statements, 1):
            if not _covers_action(statement, question.action):
                continue
            allows = statement.effect is Effect.ALLOW
            if not question.target_matches(statement):
                if allows and near is None:
                    near = _Match(source, statement, number)
                continue
            truth = evaluate_conditions(
                statement.conditions,
                question.context,
                question.unknown_keys,
                missing_key=question.missing_key,
            )
            found = _Match(source, statement, number)
            if truth is Truth.FALSE:
                # Nearer than a statement about other resources, whichever came first.
                if allows:
                    near = found
            elif not allows:
                if truth is Truth.TRUE:
                    return _decision(Outcome.EXPLICIT_DENY, found, f"{found} denies {question.asked}")
                unknown_deny = unknown_deny or found
            elif truth is Truth.TRUE:
                allow = allow or found
            else:
                unknown_allow = unknown_allow or found
    granted = allow or unknown_allow
    if granted is None:
        return Decision(Outcome.IMPLICIT_DENY, None, None, _implicit_reason(question, near))
    doubt = unknown_deny or (None if allow else unknown_allow)
    if doubt is not None:
        return _decision(Outcome.UNKNOWN, doubt, _unknown_reason(question, doubt))
    return _decision(Outcome.ALLOW, granted, f"{granted} allows {question.asked}")


def _covers_action(statement: Statement, action: str) -> bool:
    listed = statement.actions or statement.not_actions
    for pattern in listed:
        if match_action(pattern, action):
            return listed is statement.actions
    return listed is statement.not_actions


def _decision(outcome: Outcome, found: _Match, reason: str) -> Decision:
    return Decision(outcome, found.source, found.statement, reason)


def _implicit_reason(question: _Question, near: _Match | None) -> str:
    """Why nothing allows; names the statement that came nearest, which is where a person would look."""
    reason = f"no statement allows {question.asked}"
    if near is None:
        return reason
    if not question.target_matches(near.statement):
        other = "principals" if near.statement.principals else "resources"
        return f"{reason}; {near} allows the action, but for other {other}"
    return (
        f"{reason}; {near} would, but its condition {_conditions_that_are(Truth.FALSE, question, near)} fails"
    )


def _unknown_reason(question: _Question, doubt: _Match) -> str:
    verb = "denies" if doubt.statement.effect is Effect.DENY else "allows"
    unclear = _conditions_that_are(Truth.UNKNOWN, question, doubt)
    return f"whether {doubt} {verb} {question.asked} depends on its condition {unclear}, which is unknown"


def _conditions_that_are(truth: Truth, question: _Question, found: _Match) -> str:
    return " and ".join(
        f"{one.operator} {one.key} [{', '.join(one.values)}]"
        for one in found.statement.conditions
        if evaluate_condition(one, question.context, question.unknown_keys, missing_key=question.missing_key)
        is truth
    )

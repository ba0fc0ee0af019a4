"""What the linter can find in policy documents: one catalogue, `RULES`, from which the documentation is written.

A finding is data: a stable code, a severity, a place and a fix. A specification may accept a code with a reason
(`apply_ignores`); an accepted finding is reported as such and never lost.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import NamedTuple, Protocol

_SHOWN_CHARACTERS = 120


class Severity(Enum):
    """How much a finding matters, from the least."""

    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


@dataclass(frozen=True)
class Rule:
    """One kind of finding: `fix` is what to do in general, `source` where the rule is known from."""

    code: str
    title: str
    severity: Severity
    description: str
    fix: str
    source: str


@dataclass(frozen=True)
class Finding:
    """One thing found.

    `location` is a path in the document, such as `Statement[0].Action[1]` (`document` for the whole), or in the
    specification. `message` names the policy or role and what was found there.
    """

    code: str
    title: str
    severity: Severity
    location: str
    message: str
    fix: str


class Ignore(Protocol):
    """What `apply_ignores` needs of an accepted finding: the code, and why it is accepted."""

    @property
    def code(self) -> str:
        """Code of the finding."""
        raise NotImplementedError

    @property
    def reason(self) -> str:
        """Why it is accepted."""
        raise NotImplementedError


class Ignored(NamedTuple):
    """A finding that the specification accepts, and why."""

    finding: Finding
    reason: str


_ELEMENTS = 'RAM help "Policy elements"'
_GRAMMAR = 'RAM help "Policy structure and syntax"'
_TRUST = "DataWorks, RAM role-based authorization mode, step 1.3; RAM help on trust policies"
_PASS_ROLE = "DataWorks, RAM role-based authorization mode, step 2; RAM help on ram:PassRole"
_LIMITS = 'RAM help "Limits"'

_RULES = (
    Rule(
        "RAM001",
        "Malformed document",
        Severity.HIGH,
        "The document breaks the grammar of the policy language. RAM refuses it.",
        "Correct the place that is named.",
        _GRAMMAR,
    ),
    Rule(
        "RAM002",
        "Document over the limit",
        Severity.HIGH,
        "The document has more characters than RAM takes, even written without spaces.",
        "Split it into several policies, or name fewer actions and resources.",
        _LIMITS,
    ),
    Rule(
        "RAM003",
        "Document near the limit",
        Severity.LOW,
        "The document fills more than 80 % of the characters that RAM takes; the next addition may not fit.",
        "Split it into several policies before it is full.",
        _LIMITS,
    ),
    Rule(
        "RAM004",
        "Duplicate statement",
        Severity.INFO,
        "The document says the same twice, perhaps in another order or spelling.",
        "Remove one of the two.",
        _GRAMMAR,
    ),
    Rule(
        "RAM005",
        "Statement that can never match",
        Severity.MEDIUM,
        "The conditions of the statement contradict each other, so it neither allows nor denies anything.",
        "Correct the conditions, or remove the statement.",
        'RAM help "Condition operators"',
    ),
    Rule(
        "RAM006",
        "Unknown condition key",
        Severity.MEDIUM,
        "The key is not documented in this spelling. A request that does not carry a key does not meet a condition "
        "on it, so the statement probably never matches.",
        "Use a documented key, in its documented spelling.",
        f"{_ELEMENTS}, common condition keys",
    ),
    Rule(
        "RAM007",
        "Allow that a Deny of the same document undoes",
        Severity.MEDIUM,
        "All that the statement allows is denied by the same document, and a Deny wins.",
        "Remove the Allow, or narrow the Deny.",
        'RAM help "Policy evaluation process"',
    ),
    Rule(
        "RAM101",
        "Service not trusted",
        Severity.HIGH,
        "The trust policy does not let the service assume the role, so no data source works with it.",
        "Allow sts:AssumeRole to the service.",
        _TRUST,
    ),
    Rule(
        "RAM102",
        "Service that looks like the right one",
        Severity.HIGH,
        "The trusted service is nearly the one that is meant: another service of the same product, another case, a "
        "typing error or look-alike letters. Services are compared exactly.",
        "Replace it by the exact name of the service, or remove it.",
        "DataWorks: dataworks.aliyuncs.com is trusted by its preset roles, di.dataworks.aliyuncs.com in RAM "
        "role-based authorization",
    ),
    Rule(
        "RAM103",
        "Other service trusted",
        Severity.MEDIUM,
        "The trust policy also lets another service assume the role.",
        "Remove it, or give the other service a role of its own.",
        _TRUST,
    ),
    Rule(
        "RAM104",
        "Trust open to another account",
        Severity.HIGH,
        "Users, roles or identity providers of another Alibaba Cloud account may assume the role.",
        "Remove the principal.",
        _TRUST,
    ),
    Rule(
        "RAM105",
        "Trust open to a service acting for another account",
        Severity.HIGH,
        "<account>@<service> lets the service assume the role on behalf of the other account.",
        "Remove the principal, unless the data source is used across accounts.",
        "DataWorks, cross-account data sources",
    ),
    Rule(
        "RAM106",
        "Trust open to everyone",
        Severity.HIGH,
        "The principal has a wildcard, which means everyone where it means anything.",
        "Name the principals one by one.",
        _TRUST,
    ),
    Rule(
        "RAM107",
        "Trust open to the whole own account",
        Severity.LOW,
        "Every user and role of the account that has sts:AssumeRole may assume the role beside the service.",
        "Remove the principal: the service needs none but itself.",
        _TRUST,
    ),
    Rule(
        "RAM108",
        "Service trusted under a condition",
        Severity.LOW,
        "The service may assume the role only under a condition, and what the service sends is not documented.",
        "Remove the condition, unless a sync task has run with it.",
        _TRUST,
    ),
    Rule(
        "RAM201",
        "PassRole on every role",
        Severity.HIGH,
        "The holder may pass any role of the account, also one with more rights than its own (Template 1).",
        "Name the role (Template 2).",
        f"{_PASS_ROLE}: Template 1 is to be used with caution",
    ),
    Rule(
        "RAM202",
        "PassRole on a pattern",
        Severity.MEDIUM,
        "The holder may pass every role whose name fits, also roles that do not exist yet.",
        "Name the roles one by one.",
        _PASS_ROLE,
    ),
    Rule(
        "RAM203",
        "PassRole to any service",
        Severity.HIGH,
        "No condition on acs:Service says which services may receive the role.",
        "Add StringEquals acs:Service with the services that need it.",
        _PASS_ROLE,
    ),
    Rule(
        "RAM204",
        "PassRole to additional services",
        Severity.MEDIUM,
        "acs:Service has services that the data source does not need, or a pattern.",
        "Name only the services that need the role.",
        _PASS_ROLE,
    ),
    Rule(
        "RAM205",
        "No PassRole granted",
        Severity.MEDIUM,
        "No statement of the PassRole policy allows ram:PassRole on a role.",
        "Allow ram:PassRole on the role.",
        _PASS_ROLE,
    ),
    Rule(
        "RAM301",
        "All actions allowed",
        Severity.HIGH,
        "The statement allows every action of every product.",
        "Name the actions one by one.",
        _ELEMENTS,
    ),
    Rule(
        "RAM302",
        "All actions of a product allowed",
        Severity.HIGH,
        "The statement allows every action of a product, also those that delete and those that grant access.",
        "Name the actions one by one.",
        _ELEMENTS,
    ),
    Rule(
        "RAM303",
        "Actions allowed by a pattern",
        Severity.MEDIUM,
        "The pattern allows every action that fits, also those the product gets later.",
        "Name the actions one by one.",
        _ELEMENTS,
    ),
    Rule(
        "RAM304",
        "Writing actions on every resource",
        Severity.HIGH,
        "Actions that change something are allowed on all resources.",
        "Name the resources.",
        _ELEMENTS,
    ),
    Rule(
        "RAM305",
        "Destructive action",
        Severity.MEDIUM,
        "The action deletes, creates or opens up something, and no sync task needs it.",
        "Remove the action.",
        "the action list of the product",
    ),
    Rule(
        "RAM306",
        "Action unknown to the product",
        Severity.LOW,
        "The product documents no such action; RAM takes any name, and the statement has no effect by it. Methods "
        "of an SDK, such as getObjectMetadata, are not actions: oss:GetObject authorises that one.",
        "Remove it, or give the action that authorises the operation.",
        "the action list of the product",
    ),
    Rule(
        "RAM307",
        "Allow with NotAction",
        Severity.HIGH,
        "The statement allows everything but what it names: nearly the rights of an administrator.",
        "Name the allowed actions in Action.",
        f"{_ELEMENTS}, NotAction",
    ),
)

RULES: Mapping[str, Rule] = MappingProxyType({rule.code: rule for rule in _RULES})
"""Every rule by its code, in the order of the codes."""


def finding(code: str, location: str, message: str, *, fix: str = "") -> Finding:
    """A finding with title, severity and (unless given) fix of its rule. Raises KeyError for an unknown code."""
    rule = RULES[code]
    return Finding(
        code, rule.title, rule.severity, _printable(location), _printable(message), fix or rule.fix
    )


def shown(text: str, *, escaped: bool = False) -> str:
    """A text of a document for a message: quoted, long ones cut; `escaped` shows look-alike letters as escapes."""
    quoted = ascii(text) if escaped else repr(text)
    return quoted if len(quoted) <= _SHOWN_CHARACTERS else f"{quoted[: _SHOWN_CHARACTERS - 3]}..."


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Each finding once, by place in the document (statement 2 before 10), then by code."""
    return tuple(sorted(set(findings), key=lambda one: (_place(one.location), one.code, one.message)))


def apply_ignores(
    findings: Iterable[Finding], ignores: Sequence[Ignore]
) -> tuple[tuple[Finding, ...], tuple[Ignored, ...]]:
    """Split findings into those that are kept and those whose code is accepted, each with the reason."""
    reasons = {ignore.code: ignore.reason for ignore in ignores}
    kept: list[Finding] = []
    ignored: list[Ignored] = []
    for one in findings:
        if one.code in reasons:
            ignored.append(Ignored(one, reasons[one.code]))
        else:
            kept.append(one)
    return tuple(kept), tuple(ignored)


def _place(location: str) -> list[tuple[int, int, str]]:
    # Text and index in turn: what a group captures stands at the odd places.
    return [
        (0, int(part), "") if number % 2 else (1, 0, part)
        for number, part in enumerate(re.split(r"\[([0-9]{1,9})\]", location))
    ]


def _printable(text: str) -> str:
    """Control characters and half surrogate pairs, which JSON can escape, become escapes again."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)

"""What is wrong or unwise in a policy document, as findings (`policy.findings.RULES`).

Each function takes a parsed document, a JSON value or JSON text, and never raises for what is in it: a document that
breaks the grammar is a finding. Of a broken document only what is certain is said beside: its grammar, and the
principals of a trust policy. The findings are sorted by place; their number and texts do not depend on the order of
the statements.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet

from policy.documents import size
from policy.evaluate import ASSUME_ROLE, Caller, Outcome, evaluate_trust
from policy.findings import Finding, finding, in_order, shown
from policy.generate import PASS_ROLE, SERVICE_KEY
from policy.matching import fold, match_action
from policy.model import PolicyDocument, PolicyKind, Statement
from policy.patterns import covers, has_wildcard, is_everything, overlap
from policy.raw import WHOLE, Document, RawPrincipal, read
from policy.service_names import look_alike
from policy.statement_rules import listed, statement_findings

_ACCOUNT_OF_ARN = re.compile(r"acs:ram::([0-9]+):(.+)", re.DOTALL)
_ACCOUNT_OF_SERVICE = re.compile(r"([0-9]+)@(.*)", re.DOTALL)
_EVERY_RESOURCE = re.compile(r"acs:[^:]+:[^:]*:[^:]*:\*+")
_EVERY_ROLE = "acs:ram:*:*:role/*"
_NEAR_LIMIT_PERCENT = 80
# Verbs of actions that change nothing. An action with any other verb counts as writing.
_READING = (
    *("get", "list", "describe", "query", "head", "read", "select", "search", "scan", "batchget", "check"),
    *("compute", "count", "pull"),
)


def lint_identity(
    document: object,
    *,
    name: str,
    known_actions: AbstractSet[str] | None = None,
    destructive_actions: AbstractSet[str] = frozenset(),
    limit: int,
) -> tuple[Finding, ...]:
    """Findings about a permission policy, such as the one of a role.

    `known_actions` are the actions that products document; an action of a product without any there is not judged.
    `destructive_actions` are those that nobody here needs. `limit` is in characters of the document without spaces.
    """
    found = read(document, PolicyKind.IDENTITY, f"policy {name}")
    return in_order(
        [
            *found.syntax_findings(),
            *_common(found),
            *_size(found, limit),
            *_wildcard_actions(found),
            *_everywhere(found),
            *_destructive(found, destructive_actions),
            *(_unknown_actions(found, known_actions) if known_actions else ()),
        ]
    )


def lint_trust(document: object, *, account_id: str, name: str, expected_service: str) -> tuple[Finding, ...]:
    """Findings about the trust policy of the role `name` of an account, which one service is to assume."""
    found = read(document, PolicyKind.TRUST, f"trust policy of role {name}")
    findings = [*found.syntax_findings(), *_common(found), *_trusted(found, account_id, expected_service)]
    assumes = None if found.parsed is None else [_covers(one, ASSUME_ROLE) for one in found.parsed.statements]
    for principal in found.principals():
        if assumes is None or assumes[principal.statement]:
            findings += _principal(principal, account_id, expected_service, found.subject)
    return in_order(findings)


def lint_pass_role(
    document: object, *, name: str, expected_services: AbstractSet[str] | None = None
) -> tuple[Finding, ...]:
    """Findings about a PassRole policy.

    `expected_services` are those that have to receive the role; None: only patterns of services are found.
    """
    found = read(document, PolicyKind.IDENTITY, f"PassRole policy {name}")
    findings = [*found.syntax_findings(), *_common(found), *_wildcard_actions(found)]
    passing = [(path, one) for path, one in found.allowed() if _covers(one, PASS_ROLE)]
    passing = [
        (path, one) for path, one in passing if any(overlap(each, _EVERY_ROLE) for each in one.resources)
    ]
    for path, statement in passing:
        findings += _passed_roles(found, path, statement)
        findings += _receiving_services(found, path, statement, expected_services)
    if found.parsed is not None and not passing:
        findings.append(finding("RAM205", WHOLE, f"{found.subject}: {PASS_ROLE} is allowed on no role"))
    return in_order(findings)


def _common(found: Document) -> Iterator[Finding]:
    if found.parsed is not None:
        yield from statement_findings(found.parsed, found.subject)


def _covers(statement: Statement, action: str) -> bool:
    named = any(match_action(one, action) for one in statement.actions or statement.not_actions)
    return named is bool(statement.actions)


# --- Permissions --------------------------------------------------------------------------------------------


def _size(found: Document, limit: int) -> Iterator[Finding]:
    if found.parsed is None:
        return
    characters = size(found.parsed)
    message = f"{found.subject} has {characters} of {limit} characters"
    if characters > limit:
        yield finding("RAM002", WHOLE, message)
    elif characters * 100 > limit * _NEAR_LIMIT_PERCENT:
        yield finding("RAM003", WHOLE, message)


def _actions(found: Document) -> Iterator[tuple[str, str]]:
    """The actions of Allow statements, each with its path."""
    for path, statement in found.allowed():
        for index, action in enumerate(statement.actions):
            yield found.item(path, "Action", index), action


def _wildcard_code(action: str) -> str | None:
    product, colon, operation = action.partition(":")
    if is_everything(product) and (not colon or is_everything(operation)):
        return "RAM301"
    if is_everything(operation):
        return "RAM302"
    return "RAM303" if has_wildcard(action) else None


def _wildcard_actions(found: Document) -> Iterator[Finding]:
    for place, action in _actions(found):
        code = _wildcard_code(action)
        if code is not None:
            yield finding(code, place, f"{found.subject}: {shown(action)} is allowed")


def _writes(action: str) -> bool:
    """Whether an action, or one that a pattern covers, may change something."""
    operation = fold(action.partition(":")[2])
    return not operation.startswith(_READING)


def _everywhere(found: Document) -> Iterator[Finding]:
    for path, statement in found.allowed():
        writing = [action for action in statement.actions if _writes(action)]
        for index, resource in enumerate(statement.resources):
            if writing and (is_everything(resource) or _EVERY_RESOURCE.fullmatch(resource)):
                message = f"{found.subject}: {listed(writing)} on {shown(resource)}"
                yield finding("RAM304", found.item(path, "Resource", index), message)


def _destructive(found: Document, destructive: AbstractSet[str]) -> Iterator[Finding]:
    for place, action in _actions(found):
        covered = [one for one in destructive if match_action(action, one)]
        # Everything of a product is a finding already; what that covers would only repeat it.
        if covered and _wildcard_code(action) not in {"RAM301", "RAM302"}:
            detail = f", which covers {listed(covered)}" if has_wildcard(action) else ""
            yield finding("RAM305", place, f"{found.subject}: {shown(action)} is allowed{detail}")


def _unknown_actions(found: Document, known: AbstractSet[str]) -> Iterator[Finding]:
    products = {fold(one.partition(":")[0]) for one in known}
    for path, statement in found.statements():
        for key, actions in (("Action", statement.actions), ("NotAction", statement.not_actions)):
            for index, action in enumerate(actions):
                product = fold(action.partition(":")[0])
                if product in products and not any(match_action(action, one) for one in known):
                    yield _unknown_action(found, found.item(path, key, index), action, known)


def _unknown_action(found: Document, place: str, action: str, known: Iterable[str]) -> Finding:
    near = difflib.get_close_matches(action, sorted(known), n=1)
    hint = f"; the nearest one is {near[0]}" if near else ""
    return finding("RAM306", place, f"{found.subject}: the product documents no action {shown(action)}{hint}")


# --- Trust --------------------------------------------------------------------------------------------------


def _trusted(found: Document, account_id: str, service: str) -> Iterator[Finding]:
    """Whether the expected service may assume the role."""
    if found.parsed is None:
        named = any(one.kind == "Service" and one.value == service for one in found.principals())
        outcome = Outcome.ALLOW if named else Outcome.IMPLICIT_DENY
    else:
        outcome = _assumes(found.parsed, service, account_id, None)
        if outcome is Outcome.IMPLICIT_DENY:
            # <own account>@<service> can mean nothing but the service acting for the role's account.
            outcome = _assumes(found.parsed, service, account_id, account_id)
    if outcome is Outcome.UNKNOWN:
        message = f"{found.subject}: whether {service} may assume it depends on a condition"
        yield finding("RAM108", WHOLE, message)
    elif outcome is not Outcome.ALLOW:
        how = "denies" if outcome is Outcome.EXPLICIT_DENY else "does not allow"
        message = f"{found.subject} {how} {ASSUME_ROLE} to {service}"
        yield finding("RAM101", WHOLE, message, fix=f"Allow {ASSUME_ROLE} to the service {service}.")


def _assumes(document: PolicyDocument, service: str, account_id: str, acting: str | None) -> Outcome:
    keys = frozenset(one.key for statement in document.statements for one in statement.conditions)
    caller = Caller("service", service, account_id, acting)
    return evaluate_trust(document, caller, {}, unknown_keys=keys).outcome


def _principal(principal: RawPrincipal, account_id: str, expected: str, subject: str) -> Iterator[Finding]:
    value = shown(principal.value, escaped=True)
    if has_wildcard(principal.value):
        yield finding("RAM106", principal.path, f"{subject} trusts {value}")
    elif principal.kind == "Service":
        yield from _service(principal, account_id, expected, subject)
    elif arn := _ACCOUNT_OF_ARN.fullmatch(principal.value):
        if arn[1] != account_id:
            yield finding("RAM104", principal.path, f"{subject} trusts {value} of account {arn[1]}")
        elif arn[2] == "root":
            yield finding("RAM107", principal.path, f"{subject} trusts every identity of account {arn[1]}")


def _service(principal: RawPrincipal, account_id: str, expected: str, subject: str) -> Iterator[Finding]:
    value = shown(principal.value, escaped=True)
    acting = _ACCOUNT_OF_SERVICE.fullmatch(principal.value)
    if acting and acting[1] != account_id:
        yield finding("RAM105", principal.path, f"{subject} trusts {value}, for account {acting[1]}")
    service = acting[2] if acting else principal.value
    if service == expected:
        return
    likeness = look_alike(service, expected)
    if likeness is None:
        yield finding("RAM103", principal.path, f"{subject} also trusts {value}, not only {expected}")
    else:
        message = f"{subject} trusts {value}, which {likeness}; expected is {expected}"
        yield finding("RAM102", principal.path, message, fix=f"Write {expected}, or remove it.")


# --- PassRole -----------------------------------------------------------------------------------------------


def _passed_roles(found: Document, path: str, statement: Statement) -> Iterator[Finding]:
    for index, resource in enumerate(statement.resources):
        role = resource.split(":", 4)[-1]
        if not overlap(resource, _EVERY_ROLE) or not has_wildcard(role):
            continue
        code = "RAM201" if covers(role, "role/*") else "RAM202"
        place = found.item(path, "Resource", index)
        yield finding(code, place, f"{found.subject}: {PASS_ROLE} is allowed on {shown(resource)}")


def _receiving_services(
    found: Document, path: str, statement: Statement, expected: AbstractSet[str] | None
) -> Iterator[Finding]:
    limiting = [
        one
        for one in statement.conditions
        if one.key == SERVICE_KEY
        and one.operator in {"StringEquals", "StringEqualsIgnoreCase", "StringLike"}
        and not (one.operator == "StringLike" and any(map(is_everything, one.values)))
    ]
    if not limiting:
        place = f"{path}.Condition" if statement.conditions else path
        yield finding("RAM203", place, f"{found.subject}: roles may be passed to any service")
    for condition in limiting:
        extra = [
            value
            for value in condition.values
            if (condition.operator == "StringLike" and has_wildcard(value))
            or (expected is not None and value not in expected)
        ]
        if extra:
            place = f"{path}.Condition.{condition.operator}.{SERVICE_KEY}"
            yield finding("RAM204", place, f"{found.subject}: roles may also be passed to {listed(extra)}")

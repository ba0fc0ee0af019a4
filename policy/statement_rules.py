"""Rules about statements that hold for every kind of policy: repeated, contradictory, undone, unknown keys.

Only what is certain is found: a rule here that errs would make people remove statements that work.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from policy.comparisons import OPERATORS, Truth
from policy.condition_keys import documented_spelling, is_documented, is_unknown
from policy.conditions import evaluate_condition
from policy.documents import canonical_statement
from policy.findings import Finding, finding, shown
from policy.model import Condition, Effect, PolicyDocument, Statement
from policy.patterns import covers, covers_action


def statement_findings(document: PolicyDocument, subject: str) -> Iterator[Finding]:
    """Findings of every rule here; `subject` names the policy in messages, as in `policy Access`."""
    yield from _duplicates(document, subject)
    for index, statement in enumerate(document.statements):
        path = f"Statement[{index}]"
        yield from _contradictions(statement, path, subject)
        yield from _unknown_keys(statement, path, subject)
        if is_undone(statement, document):
            message = f"{subject}: {_words(statement)} is denied by the same document"
            yield finding("RAM007", path, message)
        if statement.effect is Effect.ALLOW and statement.not_actions:
            message = f"{subject}: everything is allowed but {listed(statement.not_actions)}"
            yield finding("RAM307", f"{path}.NotAction", message)


def never_matches(statement: Statement) -> Condition | None:
    """The StringEquals condition that another one of the statement contradicts; None when they can all hold.

    A request has to carry one of the values of StringEquals; if each makes another condition on the key fail, the
    statement never matches. A request could meet two positive conditions with two values of one key, so those are
    compared for documented keys only, which have one value.
    """
    for equal in sorted(statement.conditions, key=lambda one: one.key):
        if equal.operator != "StringEquals":
            continue
        others = [
            one
            for one in statement.conditions
            if one.key == equal.key
            and one is not equal
            and (OPERATORS[one.operator].negated or is_documented(equal.key))
        ]
        if all(_fails(value, others) for value in equal.values):
            return equal
    return None


def is_undone(statement: Statement, document: PolicyDocument) -> bool:
    """Whether all that an Allow statement allows is surely denied by the document.

    Certain: for each action and resource (or principal) there is a Deny that covers it and has no condition that
    the Allow has not.
    """
    if statement.effect is not Effect.ALLOW:
        return False
    denies = [
        one
        for one in document.statements
        if one.effect is Effect.DENY and set(_distinct(one)) <= set(_distinct(statement))
    ]
    targets: tuple[object, ...] = statement.resources or statement.principals
    return all(
        any(_covers_action(deny, action) and _covers_target(deny, target) for deny in denies)
        for action in statement.actions or ("*",)
        for target in targets
    )


def _duplicates(document: PolicyDocument, subject: str) -> Iterator[Finding]:
    seen: set[Statement] = set()
    for index, statement in enumerate(document.statements):
        same = canonical_statement(statement)
        if same in seen:
            yield finding("RAM004", f"Statement[{index}]", f"{subject}: {_words(same)} is said twice")
        seen.add(same)


def _contradictions(statement: Statement, path: str, subject: str) -> Iterator[Finding]:
    condition = never_matches(statement)
    if condition is not None:
        place = f"{path}.Condition.{condition.operator}.{condition.key}"
        message = f"{subject}: no value of {shown(condition.key)} meets all conditions on it"
        yield finding("RAM005", place, message)


def _unknown_keys(statement: Statement, path: str, subject: str) -> Iterator[Finding]:
    for condition in statement.conditions:
        if is_unknown(condition.key):
            right = documented_spelling(condition.key)
            yield finding(
                "RAM006",
                f"{path}.Condition.{condition.operator}.{condition.key}",
                f"{subject}: {shown(condition.key)} is no documented condition key",
                fix=f"Write {right}." if right else "",
            )


def _fails(value: str, conditions: list[Condition]) -> bool:
    """Whether a value of a key surely fails one of the conditions on it."""
    return any(evaluate_condition(one, {one.key: (value,)}) is Truth.FALSE for one in conditions)


def _distinct(statement: Statement) -> tuple[Condition, ...]:
    return canonical_statement(statement).conditions


def _covers_action(deny: Statement, action: str) -> bool:
    return any(covers_action(pattern, action) for pattern in deny.actions)


def _covers_target(deny: Statement, target: object) -> bool:
    if isinstance(target, str):
        return any(covers(pattern, target) for pattern in deny.resources)
    return target in deny.principals


def _words(statement: Statement) -> str:
    """A statement in a few words, the same wherever it stands in the document."""
    same = canonical_statement(statement)
    actions = listed(same.actions) if same.actions else f"everything but {listed(same.not_actions)}"
    targets = same.resources or tuple(f"{one.kind} {one.value}" for one in same.principals)
    verb = "to" if same.principals else "on"
    return f"{same.effect.value} {actions} {verb} {listed(targets)}"


def listed(values: Iterable[str]) -> str:
    """The first three values in order, and how many more there are."""
    ordered = [shown(value) for value in sorted(values)]
    more = f" and {len(ordered) - 3} more" if len(ordered) > 3 else ""
    return ", ".join(ordered[:3]) + more

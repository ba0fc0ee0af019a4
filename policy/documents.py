"""Policy documents: reading, comparing by meaning, and writing.

Source of the grammar: RAM help "Policy structure and syntax" and "Policy elements". `Sid` and `NotResource` are not
in it and are refused. A single value and a list of one value mean the same everywhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from policy.errors import PolicySyntaxError
from policy.grammar import Reader, load_json
from policy.matching import fold
from policy.model import (
    PRINCIPAL_KINDS,
    VERSION,
    Condition,
    Effect,
    PolicyDocument,
    PolicyKind,
    Principal,
    Statement,
)

__all__ = [
    "PRINCIPAL_KINDS",
    "VERSION",
    "Condition",
    "Effect",
    "PolicyDocument",
    "PolicyKind",
    "Principal",
    "Statement",
    "canonical",
    "canonical_statement",
    "check_policy",
    "equivalent",
    "minified",
    "ordered",
    "parse_policy",
    "size",
    "to_dict",
]


def parse_policy(document: str | Mapping[str, Any], kind: PolicyKind) -> PolicyDocument:
    """Read a document, given as JSON text or as a mapping, and check it against the grammar of its kind.

    Raises PolicySyntaxError for the first rule that is broken; `check_policy` gives all of them.
    """
    parsed, errors = _read(document, kind)
    if parsed is None:
        raise errors[0]
    return parsed


def check_policy(document: str | Mapping[str, Any], kind: PolicyKind) -> tuple[PolicySyntaxError, ...]:
    """Every rule of the grammar that the document breaks, in its order; empty for a good document."""
    return _read(document, kind)[1]


def _read(
    document: str | Mapping[str, Any], kind: PolicyKind
) -> tuple[PolicyDocument | None, tuple[PolicySyntaxError, ...]]:
    reader = Reader(kind)
    try:
        raw = load_json(document) if isinstance(document, str) else document
    except PolicySyntaxError as error:
        return None, (error,)
    return reader.document(raw), tuple(reader.errors)


def ordered(document: PolicyDocument) -> PolicyDocument:
    """The same policy sorted and without duplicates, in its own spelling.

    Two actions that differ in case only are duplicates; so are two statements of one canonical form.
    """
    statements: dict[tuple[Any, ...], Statement] = {}
    for statement in sorted(map(_ordered_statement, document.statements), key=_sort_key):
        statements.setdefault(_sort_key(_folded(statement)), statement)
    return PolicyDocument(document.version, tuple(statements[key] for key in sorted(statements)))


def canonical(document: PolicyDocument) -> PolicyDocument:
    """The form by which documents are compared: sorted, without duplicates, actions in lower case.

    Equal forms mean the same to `policy.evaluate`. Resources and principals keep their spelling: whether RAM
    itself ignores the case of a role name is not documented, so a policy that lists both spellings differs from one
    that lists a single one. Statements are neither split nor merged.
    """
    folded = map(_folded, ordered(document).statements)
    return PolicyDocument(document.version, tuple(sorted(folded, key=_sort_key)))


def canonical_statement(statement: Statement) -> Statement:
    """One statement in the form of `canonical`."""
    return _folded(_ordered_statement(statement))


def equivalent(a: PolicyDocument, b: PolicyDocument) -> bool:
    """Whether two documents mean the same, whatever their order, repetitions, action case, value or list."""
    return canonical(a) == canonical(b)


def to_dict(document: PolicyDocument) -> dict[str, Any]:
    """The document as the vendor spells it, keys in the vendor's order; every value is a list."""
    return {"Version": document.version, "Statement": [_statement_dict(one) for one in document.statements]}


def minified(document: PolicyDocument) -> str:
    """The document as JSON text without spaces, sorted: the shortest spelling, and the same for the same policy."""
    return json.dumps(to_dict(ordered(document)), separators=(",", ":"), ensure_ascii=False)


def size(document: PolicyDocument) -> int:
    """The characters of `minified(document)`, which count against RAM's limit for a policy document."""
    return len(minified(document))


def _ordered_statement(statement: Statement) -> Statement:
    return replace(
        statement,
        actions=_distinct_actions(statement.actions),
        not_actions=_distinct_actions(statement.not_actions),
        resources=tuple(sorted(set(statement.resources))),
        principals=tuple(sorted(set(statement.principals), key=lambda one: (one.kind, one.value))),
        conditions=tuple(
            replace(one, values=tuple(sorted(set(one.values))))
            for one in sorted(statement.conditions, key=lambda one: (one.operator, one.key))
        ),
    )


def _distinct_actions(actions: Iterable[str]) -> tuple[str, ...]:
    spelling: dict[str, str] = {}
    for action in sorted(actions):
        spelling.setdefault(fold(action), action)
    return tuple(spelling[key] for key in sorted(spelling))


def _folded(statement: Statement) -> Statement:
    return replace(
        statement,
        actions=tuple(map(fold, statement.actions)),
        not_actions=tuple(map(fold, statement.not_actions)),
    )


def _sort_key(statement: Statement) -> tuple[Any, ...]:
    return (
        statement.effect.value,
        statement.actions,
        statement.not_actions,
        statement.resources,
        tuple((one.kind, one.value) for one in statement.principals),
        tuple((one.operator, one.key, one.values) for one in statement.conditions),
    )


def _statement_dict(statement: Statement) -> dict[str, Any]:
    written: dict[str, Any] = {"Effect": statement.effect.value}
    if statement.actions:
        written["Action"] = list(statement.actions)
    else:
        written["NotAction"] = list(statement.not_actions)
    if statement.resources:
        written["Resource"] = list(statement.resources)
    else:
        named = {
            kind: [one.value for one in statement.principals if one.kind == kind] for kind in PRINCIPAL_KINDS
        }
        written["Principal"] = {kind: values for kind, values in named.items() if values}
    if statement.conditions:
        conditions: dict[str, dict[str, list[str]]] = {}
        for one in statement.conditions:
            conditions.setdefault(one.operator, {})[one.key] = list(one.values)
        written["Condition"] = conditions
    return written

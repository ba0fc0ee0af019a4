"""Laws of the linter, tried on any JSON value and on random policies."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from policy import (
    Effect,
    Finding,
    PolicyDocument,
    Request,
    Source,
    Statement,
    evaluate_identity,
    lint_identity,
    lint_pass_role,
    lint_trust,
    to_dict,
)
from policy.statement_rules import is_undone, never_matches
from tests.policy.test_properties import documents, every_request, profile, some_statements

SERVICE = "di.dataworks.aliyuncs.com"

some_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
nearly = st.sampled_from(
    ["*", "oss:*", "oss:Get?", "sts:AssumeRole", "ram:PassRole", "acs:ram::1:root", SERVICE]
)
some_values = nearly | st.lists(nearly, max_size=3) | some_json
# Nearly a policy document: every key is likely, every value may be something else.
some_nearly_statements = st.fixed_dictionaries(
    {},
    optional={
        "Effect": st.sampled_from(["Allow", "Deny", "deny"]) | some_json,
        "Action": some_values,
        "NotAction": some_values,
        "Resource": some_values,
        "Principal": some_values
        | st.dictionaries(st.sampled_from(["RAM", "Service", "Federated", "x"]), some_values, max_size=3),
        "Condition": some_json
        | st.dictionaries(
            st.sampled_from(["StringEquals", "StringNotEquals", "Bool", "x"]),
            st.dictionaries(st.sampled_from(["acs:Service", "acs:x", ""]), some_values, max_size=2)
            | some_json,
            max_size=3,
        ),
    },
)
some_nearly_documents = st.fixed_dictionaries(
    {},
    optional={
        "Version": st.just("1") | some_json,
        "Statement": st.lists(some_nearly_statements, max_size=3) | some_nearly_statements | some_json,
    },
)


def lint(document: object) -> tuple[Finding, ...]:
    known = frozenset({"oss:GetObject", "oss:PutObject"})
    return (
        *lint_identity(document, name="p", known_actions=known, destructive_actions=known, limit=300),
        *lint_trust(document, account_id="1", name="p", expected_service=SERVICE),
        *lint_pass_role(document, name="p", expected_services=frozenset({SERVICE})),
    )


@profile
@given(some_json | some_nearly_documents)
def test_lint_raises_for_no_json_value_and_its_findings_can_be_printed(document: Any) -> None:
    for findings in (lint(document), lint(json.dumps(document))):
        for one in findings:
            (one.location + one.message + one.fix).encode()


@profile
@given(st.text() | st.text(alphabet='{}[]",:\\u0d8 1eE.-'))
def test_lint_raises_for_no_text(text: str) -> None:
    lint(text)


@profile
@given(some_json | some_nearly_documents)
def test_lint_gives_the_same_findings_twice(document: Any) -> None:
    assert lint(document) == lint(document)


def said(document: object) -> Counter[tuple[str, str, str]]:
    return Counter((one.code, one.message, one.fix) for one in lint(document))


@profile
@given(documents, st.randoms(use_true_random=False))
def test_findings_do_not_depend_on_the_order_of_statements_and_values(
    document: PolicyDocument, random: Any
) -> None:
    written = to_dict(document)
    before = said(written)
    random.shuffle(written["Statement"])
    for statement in written["Statement"]:
        for values in statement.values():
            if isinstance(values, list):
                random.shuffle(values)
    assert said(written) == before


@profile
@given(st.lists(some_nearly_statements, min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_findings_of_broken_documents_do_not_depend_on_the_order_of_statements(
    statements: list[Any], random: Any
) -> None:
    before = said({"Version": "1", "Statement": statements})
    shuffled = [*statements]
    random.shuffle(shuffled)
    assert said({"Version": "1", "Statement": shuffled}) == before


def decides(request: Request, statements: tuple[Statement, ...]) -> bool:
    if not statements:
        return False
    source = Source("p", "custom policy", PolicyDocument("1", statements))
    return evaluate_identity(request, [source]).allowed


def denying(statement: Statement) -> Statement:
    """A Deny of at least what an Allow statement allows."""
    resources = (*statement.resources, "acs:oss:*:*:other")
    return Statement(Effect.DENY, ("*",), resources=resources, conditions=statement.conditions[:1])


@settings(profile, max_examples=60)
@given(documents, some_statements(Effect.ALLOW), st.booleans())
def test_what_the_linter_calls_undone_allows_nothing(
    document: PolicyDocument, statement: Statement, sure: bool
) -> None:
    more = (denying(statement),) if sure else ()
    whole = PolicyDocument("1", (*document.statements, statement, *more))
    undone = [one for one in whole.statements if is_undone(one, whole)]
    if sure:
        assert statement in undone
    for one in undone:
        rest = tuple(other for other in whole.statements if other is not one)
        assert all(decides(request, whole.statements) == decides(request, rest) for request in every_request)


@settings(profile, max_examples=60)
@given(documents)
def test_what_the_linter_calls_never_matching_decides_nothing(document: PolicyDocument) -> None:
    for one in document.statements:
        if never_matches(one) is not None:
            rest = tuple(other for other in document.statements if other is not one)
            # A request that states every key; what is unknown may stay unknown.
            known = [request for request in every_request if not request.unknown_keys]
            assert all(decides(request, document.statements) == decides(request, rest) for request in known)

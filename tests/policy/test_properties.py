"""Laws of the policy language, tried on random policies and requests."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import product
from random import Random
from typing import TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st

from policy import (
    Condition,
    Decision,
    Effect,
    Outcome,
    PolicyDocument,
    PolicyKind,
    Request,
    Source,
    Statement,
    canonical,
    check_policy,
    equivalent,
    evaluate_identity,
    evaluate_session,
    minified,
    parse_policy,
    size,
    subtract,
    to_dict,
    union,
)

settings.register_profile("policy", max_examples=100, derandomize=True, deadline=None)
profile = settings.get_profile("policy")
T = TypeVar("T")

ACTIONS = ["oss:GetObject", "oss:PutObject", "ram:PassRole"]
RESOURCES = ["acs:oss:*:1:b/x", "acs:oss:*:1:B/y", "acs:ram::1:role/app"]
KEYS = {"acs:Service": ["a", "b"], "acs:SourceIp": ["10.0.0.1", "11.0.0.1", "nowhere"], "acs:N": ["1", "2"]}

some_actions = st.lists(
    st.sampled_from(["*", "oss:*", "OSS:getobject", "oss:?utObject", *ACTIONS]), min_size=1, max_size=3
).map(tuple)
some_resources = st.lists(
    st.sampled_from(["*", "acs:oss:*:*:b/*", "acs:ram:*:1:role/APP", *RESOURCES]), min_size=1, max_size=3
).map(tuple)
some_conditions = st.lists(
    st.one_of(
        st.builds(
            Condition,
            st.sampled_from(["StringEquals", "StringNotEquals", "StringLike"]),
            st.just("acs:Service"),
            st.lists(st.sampled_from(["a", "b", "*"]), min_size=1, max_size=2).map(tuple),
        ),
        st.builds(
            Condition,
            st.sampled_from(["IpAddress", "NotIpAddress"]),
            st.just("acs:SourceIp"),
            st.lists(st.sampled_from(["10.0.0.0/8", "11.0.0.1", "broken"]), min_size=1, max_size=2).map(
                tuple
            ),
        ),
        st.builds(
            Condition,
            st.sampled_from(["NumericLessThan", "NumericNotEquals"]),
            st.just("acs:N"),
            st.lists(st.sampled_from(["1", "2", "two"]), min_size=1, max_size=2).map(tuple),
        ),
    ),
    max_size=2,
    unique_by=lambda one: (one.operator, one.key),
).map(tuple)


@st.composite
def some_statements(draw: st.DrawFn, effect: Effect | None = None) -> Statement:
    actions = draw(some_actions)
    named = draw(st.booleans()) or draw(st.booleans())  # NotAction is the rarer
    return Statement(
        effect or draw(st.sampled_from([Effect.ALLOW, Effect.ALLOW, Effect.DENY])),
        actions if named else (),
        () if named else actions,
        draw(some_resources),
        (),
        draw(some_conditions),
    )


documents = st.lists(some_statements(), min_size=1, max_size=3).map(
    lambda some: PolicyDocument("1", tuple(some))
)
policies = st.lists(documents, max_size=3)
requests = st.builds(
    Request,
    st.sampled_from(ACTIONS),
    st.sampled_from(RESOURCES),
    st.fixed_dictionaries(
        {},
        optional={key: st.sampled_from(values).map(lambda value: (value,)) for key, values in KEYS.items()},
    ),
    st.sets(st.sampled_from(sorted(KEYS)), max_size=2).map(frozenset),
)
every_request = [
    Request(
        action, resource, {key: (value,) for key, value in zip(KEYS, values, strict=True) if value}, unknown
    )
    for action, resource in product(ACTIONS, RESOURCES)
    for values in product(["", "a", "b"], ["", "10.0.0.1", "11.0.0.1"], ["", "1"])
    for unknown in (frozenset[str](), frozenset({"acs:Service"}))
]


def decide(request: Request, some: Sequence[PolicyDocument]) -> Decision:
    return evaluate_identity(request, [Source(f"p{n}", "custom policy", one) for n, one in enumerate(some)])


def outcome(request: Request, *some: PolicyDocument) -> Outcome:
    return decide(request, some).outcome


def alone(statement: Statement) -> PolicyDocument:
    return PolicyDocument("1", (statement,))


@profile
@given(policies, requests)
def test_a_deny_of_everything_always_wins(some: list[PolicyDocument], request: Request) -> None:
    deny = alone(Statement(Effect.DENY, ("*",), resources=("*",)))
    assert outcome(request, *some, deny) is outcome(request, deny, *some) is Outcome.EXPLICIT_DENY


@profile
@given(policies, documents, requests)
def test_a_deny_stays_whatever_is_added(
    some: list[PolicyDocument], more: PolicyDocument, request: Request
) -> None:
    if outcome(request, *some) is Outcome.EXPLICIT_DENY:
        assert outcome(request, *some, more) is Outcome.EXPLICIT_DENY


@profile
@given(policies, some_statements(Effect.ALLOW), requests)
def test_adding_an_allow_never_removes_access(
    some: list[PolicyDocument], allow: Statement, request: Request
) -> None:
    before, after = outcome(request, *some), outcome(request, *some, alone(allow))
    assert before is not Outcome.ALLOW or after is Outcome.ALLOW
    assert (before is Outcome.EXPLICIT_DENY) == (after is Outcome.EXPLICIT_DENY)


@profile
@given(policies, some_statements(Effect.DENY), requests)
def test_adding_a_deny_never_adds_access(
    some: list[PolicyDocument], deny: Statement, request: Request
) -> None:
    before, after = outcome(request, *some), outcome(request, *some, alone(deny))
    assert after is not Outcome.ALLOW or before is Outcome.ALLOW
    assert after is not Outcome.UNKNOWN or before in (Outcome.ALLOW, Outcome.UNKNOWN)


@profile
@given(documents)
def test_the_canonical_form_means_the_same(document: PolicyDocument) -> None:
    form = canonical(document)
    assert canonical(form) == form
    for request in every_request:
        assert outcome(request, document) is outcome(request, form)


@profile
@given(policies, requests, st.randoms(use_true_random=False))
def test_order_of_policies_statements_and_values_does_not_matter(
    some: list[PolicyDocument], request: Request, random: Random
) -> None:
    def shuffled(values: Sequence[T]) -> tuple[T, ...]:
        return tuple(random.sample(list(values), len(values)))

    other = [
        PolicyDocument(
            "1",
            shuffled(
                [
                    Statement(
                        one.effect,
                        shuffled(one.actions),
                        shuffled(one.not_actions),
                        shuffled(one.resources),
                        (),
                        shuffled([Condition(c.operator, c.key, shuffled(c.values)) for c in one.conditions]),
                    )
                    for one in document.statements
                ]
            ),
        )
        for document in some
    ]
    assert outcome(request, *some) is outcome(request, *shuffled(other))
    for before, after in zip(some, other, strict=True):
        assert equivalent(before, after)
        assert size(before) == size(after)


@profile
@given(documents)
def test_minified_text_reads_back_as_the_same_policy(document: PolicyDocument) -> None:
    text = minified(document)
    assert canonical(parse_policy(text, PolicyKind.IDENTITY)) == canonical(document)
    assert minified(parse_policy(text, PolicyKind.SESSION)) == text


@profile
@given(documents)
def test_written_documents_keep_the_grammar(document: PolicyDocument) -> None:
    written = to_dict(document)
    assert check_policy(written, PolicyKind.IDENTITY) == ()
    assert parse_policy(json.dumps(written), PolicyKind.IDENTITY) == parse_policy(
        written, PolicyKind.IDENTITY
    )


@profile
@given(documents, documents)
def test_a_union_means_both_documents_together(a: PolicyDocument, b: PolicyDocument) -> None:
    both = union(a, b)
    assert equivalent(both, union(b, a))
    for request in every_request:
        assert outcome(request, both) is outcome(request, a, b)


@profile
@given(documents, documents)
def test_subtracting_from_a_union_allows_nothing_new(a: PolicyDocument, b: PolicyDocument) -> None:
    left = subtract(union(a, b), b)
    for request in every_request if left else ():
        assert left is not None
        if outcome(request, left) is Outcome.ALLOW:
            assert outcome(request, a) is Outcome.ALLOW


@profile
@given(documents, documents)
def test_subtracting_never_widens_a_document(a: PolicyDocument, b: PolicyDocument) -> None:
    left = subtract(a, b)
    for request in every_request if left else ():
        assert left is not None
        if outcome(request, left) is Outcome.ALLOW:
            assert outcome(request, a) is Outcome.ALLOW


@profile
@given(policies, documents, requests)
def test_a_session_is_allowed_exactly_what_both_allow(
    some: list[PolicyDocument], session: PolicyDocument, request: Request
) -> None:
    sources = [Source("p", "custom policy", one) for one in some]
    decision = evaluate_session(request, sources, Source("s", "session policy", session))
    both = (outcome(request, *some), outcome(request, session))
    assert decision.allowed == (both == (Outcome.ALLOW, Outcome.ALLOW))
    assert (decision.outcome is Outcome.EXPLICIT_DENY) == (Outcome.EXPLICIT_DENY in both)


@profile
@given(policies, requests)
def test_a_sure_decision_holds_for_every_value_of_the_unknown_keys(
    some: list[PolicyDocument], request: Request
) -> None:
    sure = outcome(request, *some)
    keys = sorted(request.unknown_keys)
    for values in product(*[["", *KEYS[key]] for key in keys]):
        context = {key: value for key, value in request.context.items() if key not in keys}
        context |= {key: (value,) for key, value in zip(keys, values, strict=True) if value}
        real = outcome(Request(request.action, request.resource, context), *some)
        if sure is Outcome.IMPLICIT_DENY:
            assert real not in (Outcome.ALLOW, Outcome.UNKNOWN)
        elif sure is not Outcome.UNKNOWN:
            assert real is sure


@profile
@given(policies, requests)
def test_a_decision_names_a_statement_of_its_source(some: list[PolicyDocument], request: Request) -> None:
    decision = decide(request, some)
    if decision.outcome is Outcome.IMPLICIT_DENY:
        assert (decision.source, decision.statement) == (None, None)
    else:
        assert decision.source is not None
        assert decision.statement in decision.source.document.statements

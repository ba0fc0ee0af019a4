"""Condition operators and their three results."""

from __future__ import annotations

import pytest

from policy import Condition, PolicySyntaxError, Truth, evaluate_condition, evaluate_conditions

TRUE, FALSE, UNKNOWN = Truth.TRUE, Truth.FALSE, Truth.UNKNOWN


def result(operator: str, listed: str | tuple[str, ...], requested: str | tuple[str, ...]) -> Truth:
    listed = (listed,) if isinstance(listed, str) else listed
    requested = (requested,) if isinstance(requested, str) else requested
    return evaluate_condition(Condition(operator, "k", listed), {"k": requested})


@pytest.mark.parametrize(
    ("operator", "listed", "requested", "expected"),
    [
        ("StringEquals", "a", "a", TRUE),
        ("StringEquals", "a", "A", FALSE),
        ("StringEquals", "a*", "ab", FALSE),
        ("StringEquals", "", "", TRUE),
        ("StringNotEquals", "a", "b", TRUE),
        ("StringNotEquals", "a", "a", FALSE),
        ("StringEqualsIgnoreCase", "aB", "Ab", TRUE),
        ("StringEqualsIgnoreCase", "a", "b", FALSE),
        ("StringNotEqualsIgnoreCase", "a", "A", FALSE),
        ("StringNotEqualsIgnoreCase", "a", "b", TRUE),
        ("StringLike", "orders/*", "orders/2024/a", TRUE),
        ("StringLike", "orders/?", "orders/", FALSE),
        ("StringLike", "Orders/*", "orders/a", FALSE),
        ("StringNotLike", "orders/*", "orders/a", FALSE),
        ("StringNotLike", "orders/*", "other/a", TRUE),
        ("NumericEquals", "10", "10.0", TRUE),
        ("NumericEquals", "1e1", "10", TRUE),
        ("NumericEquals", "10", "11", FALSE),
        ("NumericNotEquals", "10", "11", TRUE),
        ("NumericNotEquals", "10", "10.00", FALSE),
        ("NumericLessThan", "10", "9", TRUE),
        ("NumericLessThan", "10", "10", FALSE),
        ("NumericLessThanEquals", "10", "10", TRUE),
        ("NumericLessThanEquals", "10", "10.01", FALSE),
        ("NumericGreaterThan", "-2", "-1", TRUE),
        ("NumericGreaterThan", "9", "9", FALSE),
        ("NumericGreaterThanEquals", "9", "9", TRUE),
        ("NumericGreaterThanEquals", "9", "8", FALSE),
        ("NumericEquals", "9007199254740993", "9007199254740992", FALSE),
        ("DateEquals", "2024-01-01T00:00:00Z", "2024-01-01T08:00:00+08:00", TRUE),
        ("DateEquals", "2024-01-01T00:00:00Z", "2024-01-01T00:00:00.5Z", FALSE),
        ("DateNotEquals", "2024-01-01T00:00:00Z", "2024-01-01T00:00:01Z", TRUE),
        ("DateNotEquals", "2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z", FALSE),
        ("DateLessThan", "2024-01-01T00:00:00+08:00", "2023-12-31T15:59:59Z", TRUE),
        ("DateLessThan", "2024-01-01T00:00:00+08:00", "2023-12-31T16:00:00Z", FALSE),
        ("DateLessThanEquals", "2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z", TRUE),
        ("DateGreaterThan", "2024-01-01T00:00:00Z", "2024-01-01T00:00:00.000001Z", TRUE),
        ("DateGreaterThanEquals", "2024-01-01T00:00:00Z", "2023-12-31T23:59:59Z", FALSE),
        ("Bool", "true", "true", TRUE),
        ("Bool", "true", "True", TRUE),
        ("Bool", "true", "false", FALSE),
        ("Bool", "false", "false", TRUE),
        ("IpAddress", "10.0.0.0/8", "10.255.0.1", TRUE),
        ("IpAddress", "10.0.0.0/8", "11.0.0.1", FALSE),
        ("IpAddress", "10.1.2.3/8", "10.9.9.9", TRUE),
        ("IpAddress", "10.1.2.3", "10.1.2.3", TRUE),
        ("IpAddress", "0.0.0.0/0", "203.0.113.9", TRUE),
        ("IpAddress", "0.0.0.0/0", "2001:db8::1", FALSE),
        ("IpAddress", "2001:db8::/32", "2001:db8:1::1", TRUE),
        ("IpAddress", "2001:db8::/32", "2001:db9::1", FALSE),
        ("IpAddress", "10.0.0.0/8", "::ffff:10.0.0.1", TRUE),
        ("IpAddress", "::ffff:10.0.0.0/104", "10.0.0.1", TRUE),
        ("NotIpAddress", "10.0.0.0/8", "10.0.0.1", FALSE),
        ("NotIpAddress", "10.0.0.0/8", "192.0.2.1", TRUE),
    ],
)
def test_operator(operator: str, listed: str, requested: str, expected: Truth) -> None:
    assert result(operator, listed, requested) is expected


@pytest.mark.parametrize(
    ("operator", "good", "bad"),
    [
        ("NumericEquals", "1", "one"),
        ("NumericEquals", "1", "NaN"),
        ("NumericLessThan", "1", "-Infinity"),
        ("NumericEquals", "1", "1\n"),
        ("NumericEquals", "1", "\u0661"),
        ("NumericEquals", "10", "1_0"),
        ("DateEquals", "2024-01-01T00:00:00Z", "2024-13-01T00:00:00Z"),
        ("DateEquals", "2024-01-01T00:00:00Z", "2024-01-01T00:00:00"),
        ("DateEquals", "2024-01-01T00:00:00Z", "yesterday"),
        ("DateLessThan", "2024-01-01T00:00:00Z", "2023-01-01T00:00:00+99:99"),
        ("Bool", "true", "yes"),
        ("IpAddress", "10.0.0.0/8", "10.0.0.256"),
        ("IpAddress", "10.0.0.0/8", ""),
        ("IpAddress", "10.0.0.0/8", "010.0.0.1"),
        ("IpAddress", "fe80::/10", "fe80::1%eth0"),
    ],
)
def test_an_unreadable_value_is_false_in_the_request_and_unknown_in_the_document(
    operator: str, good: str, bad: str
) -> None:
    assert result(operator, good, bad) is FALSE
    assert result(operator, bad, good) is UNKNOWN
    assert result(operator, bad, bad) is UNKNOWN


@pytest.mark.parametrize("listed", ["10.0.0.0/33", "10.0.0.0/255.0.0.0", "10.0.0.0/", "10.0.0.0/-1", "host"])
def test_an_unreadable_network_is_unknown(listed: str) -> None:
    assert result("IpAddress", listed, "10.0.0.1") is UNKNOWN
    assert result("NotIpAddress", listed, "10.0.0.1") is UNKNOWN


def test_an_unreadable_request_value_lies_in_no_network_so_the_negation_holds() -> None:
    assert result("NotIpAddress", "10.0.0.0/8", "nowhere") is TRUE


def test_listed_values_are_alternatives() -> None:
    assert result("StringEquals", ("a", "b"), "b") is TRUE
    assert result("StringEquals", ("a", "b"), "c") is FALSE


def test_a_negated_operator_holds_only_if_no_listed_value_matches() -> None:
    assert result("StringNotEquals", ("a", "b"), "b") is FALSE
    assert result("StringNotEquals", ("a", "b"), "c") is TRUE
    assert result("StringNotEquals", "a", ("c", "a")) is FALSE


def test_any_value_of_the_request_may_match() -> None:
    assert result("StringEquals", "a", ("c", "a")) is TRUE


def test_a_sure_match_outweighs_an_unreadable_alternative() -> None:
    assert result("NumericEquals", ("x", "1"), "1") is TRUE
    assert result("NumericEquals", ("x", "1"), "2") is UNKNOWN
    assert result("NumericNotEquals", ("x", "1"), "1") is FALSE
    assert result("NumericNotEquals", ("x", "1"), "2") is UNKNOWN


@pytest.mark.parametrize("operator", ["StringEquals", "StringNotEquals"])
@pytest.mark.parametrize("context", [{}, {"k": ()}, {"K": ("a",)}])
def test_a_missing_key_makes_the_condition_false_unless_told_otherwise(
    operator: str, context: dict[str, tuple[str, ...]]
) -> None:
    condition = Condition(operator, "k", ("a",))
    assert evaluate_condition(condition, context) is FALSE
    assert evaluate_condition(condition, context, missing_key=UNKNOWN) is UNKNOWN
    assert evaluate_condition(condition, context, missing_key=TRUE) is TRUE


def test_a_key_declared_unknown_is_unknown_even_with_a_value() -> None:
    condition = Condition("StringEquals", "k", ("a",))
    assert evaluate_condition(condition, {}, {"k"}) is UNKNOWN
    assert evaluate_condition(condition, {"k": ("a",)}, {"k"}) is UNKNOWN
    assert evaluate_condition(condition, {"k": ("a",)}, {"other"}) is TRUE


def test_conditions_must_all_hold_and_a_sure_failure_outweighs_the_unknown() -> None:
    yes, no = Condition("StringEquals", "k", ("a",)), Condition("StringEquals", "k", ("b",))
    unclear = Condition("StringEquals", "u", ("a",))
    context = {"k": ("a",)}
    assert evaluate_conditions((), context) is TRUE
    assert evaluate_conditions((yes, yes), context) is TRUE
    assert evaluate_conditions((yes, no), context) is FALSE
    assert evaluate_conditions((yes, unclear), context, {"u"}) is UNKNOWN
    assert evaluate_conditions((unclear, no), context, {"u"}) is FALSE


@pytest.mark.parametrize(
    "operator", ["Null", "StringEqualsIfExists", "ForAnyValue:StringEquals", "stringequals", ""]
)
def test_an_undocumented_operator_cannot_be_built(operator: str) -> None:
    with pytest.raises(PolicySyntaxError, match="unknown condition operator"):
        Condition(operator, "k", ("a",))

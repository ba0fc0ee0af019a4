"""Whether the conditions of a statement hold for a request.

Values of one key are alternatives, keys and operators must all hold, and a negated operator holds only if none of
its listed values matches (RAM help "Policy elements", Condition). Keys are compared exactly: the vendor states no
case rule for them, and tag keys (`acs:RequestTag/<key>`) are case-sensitive.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet

from policy.comparisons import OPERATORS, Truth
from policy.documents import Condition

Context = Mapping[str, tuple[str, ...]]
"""Condition key -> the values that the request carries for it."""


def evaluate_condition(
    condition: Condition,
    context: Context,
    unknown_keys: AbstractSet[str] = frozenset(),
    *,
    missing_key: Truth = Truth.FALSE,
) -> Truth:
    """Whether one condition holds.

    A key in `unknown_keys` gives UNKNOWN, even if the context has a value for it: the caller says that it cannot
    be known. A key without any value gives `missing_key`, for negated operators too; the vendor documents neither
    this case nor an `IfExists` form. Never raises for malformed values (see `policy.comparisons`).
    """
    if condition.key in unknown_keys:
        return Truth.UNKNOWN
    requested = context.get(condition.key)
    if not requested:
        return missing_key
    operator = OPERATORS[condition.operator]
    result = Truth.FALSE
    for value in requested:
        for listed in condition.values:
            one = operator.compare(value, listed)
            if one is Truth.TRUE:
                return Truth.FALSE if operator.negated else Truth.TRUE
            if one is Truth.UNKNOWN:
                result = one
    if operator.negated and result is Truth.FALSE:
        return Truth.TRUE
    return result


def evaluate_conditions(
    conditions: Iterable[Condition],
    context: Context,
    unknown_keys: AbstractSet[str] = frozenset(),
    *,
    missing_key: Truth = Truth.FALSE,
) -> Truth:
    """Whether all conditions hold: FALSE if one surely fails, else UNKNOWN if one is unknown, else TRUE."""
    result = Truth.TRUE
    for condition in conditions:
        one = evaluate_condition(condition, context, unknown_keys, missing_key=missing_key)
        if one is Truth.FALSE:
            return one
        if one is Truth.UNKNOWN:
            result = one
    return result

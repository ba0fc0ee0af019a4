"""Patterns against patterns, tried on every short pattern against every short text."""

from __future__ import annotations

from itertools import product

import pytest

from policy.matching import match
from policy.patterns import covers, covers_action, has_wildcard, is_everything, overlap, overlap_by_part

TEXTS = ["".join(signs) for length in range(5) for signs in product("ab", repeat=length)]
PATTERNS = ["".join(signs) for length in range(4) for signs in product("ab*?", repeat=length)]
MATCHED = {
    pattern: frozenset(text for text in TEXTS if match(pattern, text, ignore_case=False))
    for pattern in PATTERNS
}
PAIRS = list(product(PATTERNS, repeat=2))


def test_patterns_overlap_exactly_when_a_text_matches_both() -> None:
    # Patterns of three characters that overlap do so in a text of at most four.
    assert [pair for pair in PAIRS if overlap(*pair) != bool(MATCHED[pair[0]] & MATCHED[pair[1]])] == []


def test_a_pattern_that_covers_another_matches_all_of_its_texts() -> None:
    covered = [pair for pair in PAIRS if covers(*pair)]
    assert [pair for pair in covered if not MATCHED[pair[1]] <= MATCHED[pair[0]]] == []


@pytest.mark.parametrize(
    ("pattern", "other", "expected"),
    [
        ("*", "oss:Get*", True),
        ("oss:Get*", "oss:GetObject*", True),
        ("oss:Get*", "oss:*", False),
        ("a?", "a?", True),
        ("a??", "a*", False),
        ("a*", "a?", True),
        ("A", "a", False),
    ],
)
def test_what_a_pattern_covers(pattern: str, other: str, expected: bool) -> None:
    assert covers(pattern, other) is expected


def test_case_counts_for_resources_and_not_for_actions_or_overlap() -> None:
    assert covers_action("OSS:get*", "oss:GetObject")
    assert not covers("B/*", "b/x")
    assert overlap("B/*", "*/x")


def test_what_is_a_pattern_and_what_is_everything() -> None:
    assert [has_wildcard(text) for text in ("a", "a*", "a?")] == [False, True, True]
    assert [is_everything(text) for text in ("*", "**", "", "?", "a*")] == [True, True, False, False, False]


def test_parts_of_resources_overlap_where_whole_texts_may_run_over_a_colon() -> None:
    mine, theirs = "acs:oss:*:*:b/*", "acs:oss:*:*:c/*"
    assert (overlap(mine, theirs), overlap_by_part(mine, theirs)) == (True, False)
    assert match(mine, "acs:oss:cn:1:c/x:b/y", ignore_case=False)
    assert overlap_by_part(mine, "*")
    assert overlap_by_part(mine, "acs:oss:cn:1:*/x")
    assert not overlap_by_part(mine, "acs:log:*:*:b/*")

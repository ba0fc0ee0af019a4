"""Comparing patterns with each other, where `policy.matching` compares a pattern with a text.

The answers err to one side, which callers rely on: `covers` is never wrongly true, `overlap` never wrongly false.
"""

from __future__ import annotations

from policy.matching import fold, match

WILDCARDS = frozenset("*?")
"""The characters of a pattern that stand for others."""

_ARN_COLONS = 4
"""Colons of `acs:<product>:<region>:<account>:<resource>`; later ones belong to the resource."""


def has_wildcard(text: str) -> bool:
    """Whether a text is a pattern and not just itself."""
    return not WILDCARDS.isdisjoint(text)


def is_everything(pattern: str) -> bool:
    """Whether a pattern is written as `*` (or `**`, ...)."""
    return bool(pattern) and not pattern.strip("*")


def covers(pattern: str, other: str) -> bool:
    """Whether every text that `other` matches is matched by `pattern` too; False when that is not certain."""
    if pattern == other:
        return True
    # A "?" would take the "*" of the other for one character, but it stands for any number of them.
    if "?" in pattern and "*" in other:
        return False
    return match(pattern, other, ignore_case=False)


def covers_action(pattern: str, other: str) -> bool:
    """`covers` for action patterns, whose case does not count."""
    return covers(fold(pattern), fold(other))


def overlap(a: str, b: str) -> bool:
    """Whether some text is matched by both patterns, case not counted; takes len(a) * len(b) steps at most."""
    a, b = fold(a), fold(b)
    # Row by row over the places in `a`: at which places in `b` can both patterns have read the same text?
    row = _after_stars({0}, b)
    for wanted in a:
        if wanted == "*":
            row = set(range(min(row), len(b) + 1)) if row else row
            continue
        following = {
            place + 1 for place in row if place < len(b) and (wanted in {"?", b[place]} or b[place] == "?")
        }
        # A "*" of `b` reads the character and stays.
        following |= {place for place in row if place < len(b) and b[place] == "*"}
        row = _after_stars(following, b)
    return len(b) in row


def overlap_by_part(a: str, b: str) -> bool:
    """`overlap` of resource patterns, each part of the ARN compared with its like.

    Weaker than `overlap`: a `*` can also run over a `:`, so that `acs:oss:*:*:b/*` matches the object `x:b/y` of
    another bucket. Whether that is meant is another question.
    """
    if is_everything(a) or is_everything(b):
        return True
    pairs = zip(a.split(":", _ARN_COLONS), b.split(":", _ARN_COLONS), strict=False)
    return all(overlap(mine, theirs) for mine, theirs in pairs)


def _after_stars(places: set[int], pattern: str) -> set[int]:
    """The places, and those that are reached by letting a `*` of the pattern stand for nothing."""
    reached = set(places)
    for place in places:
        ahead = place
        while ahead < len(pattern) and pattern[ahead] == "*":
            ahead += 1
            reached.add(ahead)
    return reached

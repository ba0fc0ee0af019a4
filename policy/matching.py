"""Wildcard matching of actions and resources.

`*` stands for any run of characters, also an empty one, and crosses `/` and `:`; `?` stands for exactly one
character. Every other character stands for itself, and the whole text must match: Tablestore states that
`instance/abc` does not cover `instance/abc/table/xyz`.

Case (RAM help "Policy elements"): actions are compared without case, resources with case. The one exception is the
role name in a role ARN: RAM answers `acs:ram::<account>:role/bigdataossrole` for a role named `BigDataOssRole`,
while the vendor's own PassRole example grants `role/BigDataOssRole`. Both spell the same role, so that part is
compared without case.

Case is folded for ASCII letters only. Names in the language are ASCII, and Unicode folding would let look-alikes
(the Kelvin sign for `k`) match and would change lengths, which `?` counts.
"""

from __future__ import annotations

_ASCII_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
_ROLE_ARN_START = "acs:ram:"
_ROLE_RESOURCE = "role/"


def fold(text: str) -> str:
    """The text with its ASCII letters in lower case; its length never changes."""
    return text.lower() if text.isascii() else text.translate(_ASCII_LOWER)


def match(pattern: str, text: str, *, ignore_case: bool) -> bool:
    """Whether the pattern covers the whole text.

    Takes at most len(pattern) * len(text) steps and no stack, whatever the pattern.
    """
    return _match_folding_from(pattern, text, 0 if ignore_case else len(text))


def match_action(pattern: str, action: str) -> bool:
    """Whether an action pattern such as `oss:Get*` covers an action; case does not count."""
    return _match_folding_from(pattern, action, 0)


def match_resource(pattern: str, resource: str) -> bool:
    """Whether a resource pattern covers a resource; case counts, except in the name of a role."""
    return _match_folding_from(pattern, resource, _role_name_start(resource))


def _role_name_start(resource: str) -> int:
    """Where the role name begins in a role ARN; the length of the text for any other resource."""
    if resource.startswith(_ROLE_ARN_START):
        head, _, relative = resource.rpartition(":")
        if relative.startswith(_ROLE_RESOURCE) and head.count(":") == 3:
            return len(head) + 1 + len(_ROLE_RESOURCE)
    return len(resource)


def _match_folding_from(pattern: str, text: str, start: int) -> bool:
    """Match; characters of the text at `start` and later are compared without case."""
    if pattern == "*" or pattern == text:
        return True
    if start == 0:
        pattern, text = fold(pattern), fold(text)
    elif start < len(text):
        folded = fold(pattern)
        # Without any case first: cheap, and what fails it fails altogether.
        return _match_exactly(folded, fold(text)) and _one_by_one(
            pattern, folded, text[:start] + fold(text[start:]), start
        )
    return _match_exactly(pattern, text)


def _match_exactly(pattern: str, text: str) -> bool:
    if "?" in pattern:
        return _one_by_one(pattern, pattern, text, len(text))
    if "*" in pattern:
        return _piece_by_piece(pattern, text)
    return pattern == text


def _piece_by_piece(pattern: str, text: str) -> bool:
    """Match a pattern without `?`: each piece between two `*` is taken where it first occurs.

    The same as `_one_by_one`, at the speed of `str.find`; nearly all patterns have this form.
    """
    first, *middle, last = pattern.split("*")
    place = len(first)
    end = len(text) - len(last)
    if place > end or not text.startswith(first) or not text.endswith(last):
        return False
    for piece in middle:
        place = text.find(piece, place, end)
        if place < 0:
            return False
        place += len(piece)
    return True


def _one_by_one(pattern: str, folded: str, text: str, start: int) -> bool:
    """Match any pattern with two pointers; from `start` on, the text is compared with the folded pattern.

    On a mismatch only the latest `*` takes one character more: an earlier one could gain nothing.
    """
    position = place = 0
    star = -1
    resume = 0
    while position < len(text):
        if place < len(pattern):
            wanted = pattern[place]
            if wanted == "*":
                star, resume = place, position
                place += 1
                continue
            if wanted == "?" or text[position] == (folded[place] if position >= start else wanted):
                position += 1
                place += 1
                continue
        if star < 0:
            return False
        resume += 1
        position, place = resume, star + 1
    return all(rest == "*" for rest in pattern[place:])

"""Wildcard matching."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from policy import match, match_action, match_resource

settings.register_profile("policy", max_examples=100, derandomize=True, deadline=None)
profile = settings.get_profile("policy")


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("*", ""),
        ("*", "anything/at:all"),
        ("a*c", "ac"),
        ("a*c", "a/b:c"),
        ("a**c", "abc"),
        ("?", "x"),
        ("a?c", "a/c"),
        ("*bc*bd", "abcbcbd"),
        ("acs:oss:*:*:bucket/*", "acs:oss:oss-cn-hangzhou:1:bucket/a/b"),
        ("instance/*/", "instance/abc/"),
    ],
)
def test_pattern_covers_text(pattern: str, text: str) -> None:
    assert match(pattern, text, ignore_case=False)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("", "a"),
        ("?", ""),
        ("a?c", "ac"),
        ("ab*ba", "aba"),
        ("a*b*b", "ab"),
        ("a*bc*c", "abc"),
        ("instance/abc", "instance/abc/table/xyz"),
        ("instance/*/", "instance/abc"),
        ("abc", "abc\n"),
        ("ab?", "ab"),
        ("a.c", "abc"),
        ("a+", "aa"),
        ("[ab]", "a"),
        ("abc", "ABC"),
        ("literal", "*"),
    ],
)
def test_pattern_does_not_cover_text(pattern: str, text: str) -> None:
    assert not match(pattern, text, ignore_case=False)


def test_a_trailing_newline_is_a_character_like_any_other() -> None:
    assert match("abc?", "abc\n", ignore_case=False)
    assert match("abc*", "abc\n", ignore_case=False)


def test_actions_are_compared_without_case() -> None:
    assert match_action("OSS:get*", "oss:GetObject")
    assert match_action("oss:G?tObject", "OSS:gEtObject")


def test_only_ascii_letters_lose_their_case() -> None:
    assert not match_action("oss:Kick", "oss:\u212aick")
    assert not match_action("oss:\u00e9", "oss:\u00c9")
    assert match_action("oss:A?z\u0130", "OSS:a\u0130Z\u0130")


def test_resources_are_compared_with_case() -> None:
    assert not match_resource("acs:oss:*:*:bucket/Orders/*", "acs:oss:*:1:bucket/orders/a")
    assert not match_resource("acs:ram::1:user/Bob", "acs:ram::1:user/bob")


@pytest.mark.parametrize(
    "pattern",
    [
        "acs:ram::1:role/BigDataOssRole",
        "acs:ram::1:role/bigdataossrole",
        "acs:ram:*:1:role/BigDataOssRole",
        "acs:ram:*:*:role/BIGDATA*",
        "acs:ram::1:role/BigData?ssRole",
        "acs:ram:*OSSROLE",
        "acs:*:rol?/*role",
    ],
)
def test_the_name_in_a_role_arn_is_compared_without_case(pattern: str) -> None:
    assert match_resource(pattern, "acs:ram::1:role/bigdataossrole")
    assert match_resource(pattern, "acs:ram::1:role/BigDataOssRole")


@pytest.mark.parametrize(
    "pattern",
    [
        "acs:ram::1:ROLE/bigdataossrole",
        "ACS:ram::1:role/bigdataossrole",
        "acs:ram:*:ROLE/*",
        "acs:ram::2:role/*",
    ],
)
def test_the_rest_of_a_role_arn_is_compared_with_case(pattern: str) -> None:
    assert not match_resource(pattern, "acs:ram::1:role/bigdataossrole")


@pytest.mark.parametrize(
    "resource", ["acs:ram::1:policy/role/Abc", "acs:oss:*:1:role/Abc", "acs:ram::1:x:role/Abc"]
)
def test_what_only_looks_like_a_role_arn_is_compared_with_case(resource: str) -> None:
    assert match_resource(resource, resource)
    assert not match_resource(resource.replace("Abc", "abc"), resource)


@pytest.mark.parametrize("pattern", ["a*" * 40 + "b", "*a?" * 40 + "b"])
def test_a_hostile_pattern_takes_no_exponential_time(pattern: str) -> None:
    started = time.perf_counter()
    assert not match(pattern, "a" * 4000, ignore_case=True)
    # A backtracking matcher would not finish in any number of years.
    assert time.perf_counter() - started < 5


def _by_regular_expression(pattern: str, text: str, flags: int) -> bool:
    translated = "".join({"*": ".*", "?": "."}.get(one, re.escape(one)) for one in pattern)
    return re.fullmatch(translated, text, flags | re.DOTALL) is not None


@profile
@given(pattern=st.text("aAb.:/*?\n", max_size=10), text=st.text("aAb.:/\n", max_size=12))
def test_agrees_with_a_regular_expression(pattern: str, text: str) -> None:
    assert match(pattern, text, ignore_case=False) == _by_regular_expression(pattern, text, 0)
    assert match(pattern, text, ignore_case=True) == _by_regular_expression(pattern, text, re.IGNORECASE)


@profile
@given(cuts=st.lists(st.integers(0, 20), max_size=4), wild=st.text("*?", min_size=4, max_size=4))
def test_a_pattern_made_from_a_text_covers_it(cuts: list[int], wild: str) -> None:
    text = "acs:ram::1:role/ABcd"
    characters = list(text)
    for cut, sign in zip(cuts, wild, strict=False):
        if cut < len(text):
            characters[cut] = sign
    pattern = "".join(characters)
    assert match(pattern, text, ignore_case=False)
    assert match_resource(pattern.replace("AB", "ab"), text)

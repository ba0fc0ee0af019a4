"""The catalogue of findings, their order, and which of them are accepted."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from config.finding_codes import POLICY_FINDING_CODES
from policy.findings import RULES, Severity, apply_ignores, finding, in_order, shown


class Accepted(NamedTuple):
    code: str
    reason: str


def test_the_specification_knows_exactly_the_codes_of_the_catalogue() -> None:
    assert tuple(RULES) == POLICY_FINDING_CODES


def test_codes_are_sorted_and_titles_differ() -> None:
    assert list(RULES) == sorted(RULES)
    assert len({rule.title for rule in RULES.values()}) == len(RULES)


@pytest.mark.parametrize("code", RULES)
def test_every_rule_says_what_it_is_how_to_repair_it_and_where_it_is_known_from(code: str) -> None:
    rule = RULES[code]
    assert rule.code == code
    assert all((rule.title, rule.source))
    assert rule.description.endswith(".")
    assert rule.fix.endswith(".")
    assert isinstance(rule.severity, Severity)


def test_a_finding_takes_title_severity_and_fix_from_its_rule() -> None:
    rule = RULES["RAM201"]
    made = finding("RAM201", "Statement[0].Resource", "m")
    assert (made.title, made.severity, made.fix) == (rule.title, rule.severity, rule.fix)
    assert finding("RAM201", "document", "m", fix="Do that.").fix == "Do that."


def test_an_unknown_code_is_a_mistake_of_the_linter() -> None:
    with pytest.raises(KeyError):
        finding("RAM999", "document", "m")


def test_findings_are_ordered_by_place_with_numbers_as_numbers_and_each_comes_once() -> None:
    places = ["Statement[10].Action", "Statement[2].Action[10]", "Statement[2].Action[9]", "document"]
    some = [finding("RAM303", place, "m") for place in places]
    ordered = [one.location for one in in_order([*some, *some])]
    assert ordered == [
        "Statement[2].Action[9]",
        "Statement[2].Action[10]",
        "Statement[10].Action",
        "document",
    ]


def test_a_place_of_thousands_of_digits_can_be_ordered() -> None:
    long = "9" * 5000
    assert len(in_order([finding("RAM001", place, "m") for place in (long, f"[{long}]")])) == 2


def test_what_cannot_be_printed_is_escaped() -> None:
    made = finding("RAM001", "a\ud800", "b\x1b[31m")
    assert (made.location, made.message) == ("a\\ud800", "b\\x1b[31m")


def test_a_shown_text_is_quoted_and_cut_and_look_alikes_are_escaped_on_demand() -> None:
    assert shown("订单") == "'订单'"
    assert shown("d\u0456", escaped=True) == "'d\\u0456'"
    assert len(shown("x" * 500)) == 120


def test_accepted_codes_are_set_apart_with_their_reasons_and_nothing_is_lost() -> None:
    some = [finding("RAM201", "a", "m"), finding("RAM004", "b", "m"), finding("RAM201", "c", "m")]
    kept, ignored = apply_ignores(
        some, [Accepted("RAM201", "agreed with security"), Accepted("RAM303", "unused")]
    )
    assert kept == (some[1],)
    assert [(one.finding, one.reason) for one in ignored] == [
        (some[0], "agreed with security"),
        (some[2], "agreed with security"),
    ]


def test_without_accepted_codes_everything_is_kept() -> None:
    some = (finding("RAM004", "b", "m"),)
    assert apply_ignores(some, ()) == (some, ())

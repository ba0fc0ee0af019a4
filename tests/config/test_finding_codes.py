"""Accepted findings and broad PassRole in a specification."""

from __future__ import annotations

from typing import Any

import pytest

from config.finding_codes import POLICY_FINDING_CODES, IgnoredFinding, known_finding_codes
from config.load import SpecInvalid, json_schema, parse_spec
from config.sources import source_types
from tests.config.specs import example

REASON = "One role for each tenant"


def problems(**changes: Any) -> list[tuple[str, str]]:
    with pytest.raises(SpecInvalid) as caught:
        parse_spec(example(**changes))
    return [(problem.path, problem.rule) for problem in caught.value.problems]


def test_codes_are_sorted_and_each_is_there_once() -> None:
    assert list(POLICY_FINDING_CODES) == sorted(set(POLICY_FINDING_CODES))


def test_codes_of_locations_are_known_too_and_meet_none_of_policies() -> None:
    of_types = {code for each in source_types().values() for code in each.finding_codes}
    assert of_types
    assert known_finding_codes() == {*POLICY_FINDING_CODES, *of_types}
    assert of_types.isdisjoint(POLICY_FINDING_CODES)


def test_nothing_is_ignored_and_pass_role_is_for_the_role_by_default() -> None:
    spec = parse_spec(example())
    assert (spec.ignore, spec.role.pass_role, spec.role.pass_role_reason) == ((), "role", None)


def test_accepted_findings_are_kept_with_their_reasons() -> None:
    spec = parse_spec(
        example(ignore=[{"code": "RAM201", "reason": f"  {REASON} "}, {"code": "RAM004", "reason": "x" * 10}])
    )
    assert spec.ignore == (
        IgnoredFinding(code="RAM201", reason=REASON),
        IgnoredFinding(code="RAM004", reason="x" * 10),
    )
    assert '"RAM201"' in spec.text()


def test_the_code_of_a_location_can_be_ignored() -> None:
    code = next(iter(source_types()["oss"].finding_codes))
    assert parse_spec(example(ignore=[{"code": code, "reason": REASON}])).ignore[0].code == code


@pytest.mark.parametrize(
    ("ignore", "path", "rule"),
    [
        (
            [{"code": "RAM999", "reason": REASON}],
            "ignore[0].code",
            "unknown finding code 'RAM999'; known are: ",
        ),
        (
            [{"code": "ram201", "reason": REASON}],
            "ignore[0].code",
            "unknown finding code 'ram201'; known are: ",
        ),
        ([{"code": "RAM201"}], "ignore[0].reason", "is required"),
        ([{"reason": REASON}], "ignore[0].code", "is required"),
        ([{"code": "RAM201", "reason": "too short"}], "ignore[0].reason", "String should have at least 10 "),
        ([{"code": "RAM201", "reason": " " * 20}], "ignore[0].reason", "String should have at least 10 "),
        ([{"code": "RAM201", "reason": REASON, "until": 1}], "ignore[0].until", "is not a known key"),
        ([{"code": "RAM201", "reason": REASON}] * 2, "ignore", "'RAM201' is named twice"),
    ],
)
def test_a_broken_ignore_is_named_with_its_path(ignore: Any, path: str, rule: str) -> None:
    ((found, said),) = problems(ignore=ignore)
    assert found == path
    assert said.startswith(rule)


def test_an_unknown_code_names_the_known_ones() -> None:
    ((_, rule),) = problems(ignore=[{"code": "RAM999", "reason": REASON}])
    assert all(code in rule for code in known_finding_codes())


def test_broad_pass_role_needs_a_reason() -> None:
    rule = "say why grantees may pass every role of the account, or give pass_role: role"
    assert problems(role={"pass_role": "broad"}) == [("role.pass_role_reason", rule)]
    ((path, short),) = problems(role={"pass_role": "broad", "pass_role_reason": "because"})
    assert path == "role.pass_role_reason"
    assert short.startswith("String should have at least 10 ")
    role = parse_spec(example(role={"pass_role": "broad", "pass_role_reason": REASON})).role
    assert (role.pass_role, role.pass_role_reason) == ("broad", REASON)


def test_pass_role_is_one_of_two_words_and_a_wrong_one_is_one_problem() -> None:
    ((path, rule),) = problems(role={"pass_role": "all"})
    assert (path, rule) == ("role.pass_role", "Input should be 'role' or 'broad'")


def test_a_reason_is_needed_for_broad_only() -> None:
    assert parse_spec(example(role={"pass_role": "role"})).role.pass_role_reason is None


def test_the_schema_states_the_rules_of_both() -> None:
    parts = json_schema()["$defs"]
    ignored, role = parts["IgnoredFinding"], parts["RoleSpec"]["properties"]
    assert ignored["required"] == ["code", "reason"]
    assert ignored["properties"]["reason"]["minLength"] == 10
    assert role["pass_role"]["enum"] == ["role", "broad"]
    assert {"type": "string", "minLength": 10} in role["pass_role_reason"]["anyOf"]


def test_a_specification_with_both_survives_its_own_json() -> None:
    spec = parse_spec(
        example(
            ignore=[{"code": "RAM201", "reason": REASON}],
            role={"pass_role": "broad", "pass_role_reason": REASON},
        )
    )
    assert parse_spec(spec.model_dump(mode="json")) == spec

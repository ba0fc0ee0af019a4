"""Grantees: users, groups and roles, at least one of them, each once and under the vendor's naming rules."""

from __future__ import annotations

from typing import Any

import pytest

from config.load import SpecInvalid, parse_spec
from tests.config.specs import example


@pytest.mark.parametrize(
    "grantees",
    [{"roles": ["Onboarding.Creator-1"]}, {"users": ["carol"], "roles": ["a", "b"]}, {"groups": ["g"]}],
)
def test_any_one_kind_is_enough(grantees: dict[str, list[str]]) -> None:
    found = parse_spec(example(grantees=grantees)).grantees
    for kind in ("users", "groups", "roles"):
        assert list(getattr(found, kind)) == grantees.get(kind, [])


@pytest.mark.parametrize(
    ("grantees", "path", "told"),
    [
        ({}, "grantees", "at least one user or group, or a role"),
        ({"roles": []}, "grantees", "at least one user or group, or a role"),
        ({"roles": ["with_underscore"]}, "grantees.roles[0]", "role name"),
        ({"roles": ["a", "a"]}, "grantees.roles", "named twice"),
        ({"role": ["a"]}, "grantees", ""),
    ],
)
def test_what_is_wrong_is_told_with_its_path(grantees: dict[str, Any], path: str, told: str) -> None:
    with pytest.raises(SpecInvalid) as caught:
        parse_spec(example(grantees=grantees))
    assert any(one.path.startswith(path) and told in one.rule for one in caught.value.problems)

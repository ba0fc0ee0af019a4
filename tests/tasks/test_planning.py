"""Changes, their differences, digests and hashes; and what is told when a plan is not the approved one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.personas import Persona
from config.sources.base import Environment
from tasks.planning import (
    Difference,
    Kind,
    Plan,
    PlanMoved,
    PlannedChange,
    digest,
    is_plan_hash,
    plain,
    require_same,
)

CREATE = PlannedChange(
    1, Kind.CREATE, "role R", Persona.ADMINISTRATOR, ("ram:CreateRole",), {}, {"tags": {"a": "b"}}
)
PLAN = Plan(
    "orders", 1, "0" * 12, {"role R": "1" * 12, "grant of user carol": "2" * 12}, (CREATE,), {"ram": 3}
)


def _change(before: Mapping[str, Any], after: Mapping[str, Any]) -> PlannedChange:
    return PlannedChange(3, Kind.UPDATE, "data source x", Persona.CREATOR, ("dataworks:U",), before, after)


# -- differences ---------------------------------------------------------------------------------------


def test_of_a_new_object_every_field_is_a_difference() -> None:
    assert CREATE.differences == (Difference("tags.a", None, "b"),)


def test_only_the_leaves_that_differ_are_shown_with_their_path() -> None:
    change = _change(
        {"content": {"bucket": "a", "endpoint": "e"}}, {"content": {"bucket": "b", "endpoint": "e"}}
    )
    assert change.differences == (Difference("content.bucket", "a", "b"),)
    assert change.what == "updated (content.bucket)"


def test_lists_are_compared_as_a_whole_because_their_order_may_matter() -> None:
    assert _change({"x": [1, 2]}, {"x": [2, 1]}).differences == (Difference("x", [1, 2], [2, 1]),)


def test_a_mapping_in_place_of_a_text_is_one_difference() -> None:
    assert _change({"x": "text"}, {"x": {"a": 1}}).differences == (Difference("x", "text", {"a": 1}),)


@pytest.mark.parametrize(("kind", "created"), [(kind, kind in (Kind.CREATE, Kind.RUN)) for kind in Kind])
def test_only_creating_and_running_make_something_new(kind: Kind, created: bool) -> None:
    change = replace(CREATE, kind=kind)
    assert change.created is created
    assert change.what


def test_an_attachment_says_to_what() -> None:
    attach = replace(CREATE, kind=Kind.ATTACH, after={"entity": "group g"})
    assert attach.what == "attached to group g"


_LEAF = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
_TREE = st.recursive(
    _LEAF, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
)
_FIELDS = st.dictionaries(st.text(max_size=3), _TREE, max_size=4)


@given(_FIELDS)
def test_equal_states_have_no_difference_and_another_leaf_has_one(fields: dict[str, Any]) -> None:
    assert _change(fields, fields).differences == ()
    changed = _change({**fields, "leaf": "a"}, {**fields, "leaf": "b"})
    assert [one.path for one in changed.differences] == ["leaf"]


# -- digests -------------------------------------------------------------------------------------------


@given(_FIELDS)
def test_a_digest_does_not_depend_on_the_order_of_keys(fields: dict[str, Any]) -> None:
    backwards = dict(reversed(list(fields.items())))
    assert digest(fields) == digest(backwards)


def test_a_digest_sees_every_kind_of_value() -> None:
    seen = [
        digest(value)
        for value in (None, 1, "1", [1], [2], {"a": 1}, {"a": 2}, Environment.DEV, CREATE, PLAN, {1, 2})
    ]
    assert len({*seen}) == len(seen)
    assert all(len(one) == 12 for one in seen)


def test_plain_values_are_what_json_can_hold() -> None:
    value = plain({"change": CREATE, "environment": Environment.PROD, "set": {"b", "a"}, "tuple": (1,)})
    assert json.loads(json.dumps(value)) == value
    assert value["environment"] == 1
    assert value["set"] == ["a", "b"]
    assert value["change"]["kind"] == "create"


# -- plans ---------------------------------------------------------------------------------------------


def test_a_plan_counts_its_kinds_and_is_json() -> None:
    shown = json.loads(json.dumps(PLAN.to_json()))
    assert shown["hash"] == PLAN.hash
    assert shown["summary"] == {"create": 1}
    assert shown["version"] == 1
    assert shown["changes"][0]["differences"] == [{"path": "tags.a", "before": None, "after": "b"}]
    assert not PLAN.empty
    assert replace(PLAN, changes=()).empty


def test_the_hash_has_a_part_for_specification_cloud_and_changes() -> None:
    parts = PLAN.hash.split("-")
    others = (
        replace(PLAN, specification="9" * 12),
        replace(PLAN, readings={**PLAN.readings, "role R": "9" * 12}),
        replace(PLAN, changes=()),
    )
    for place, other in enumerate(others):
        moved = [one != part for one, part in zip(other.hash.split("-"), parts, strict=True)]
        assert moved == [number == place for number in range(3)]


def test_notes_and_expected_calls_are_no_part_of_the_hash() -> None:
    assert replace(PLAN, notes=("n",), calls={"ram": 9}).hash == PLAN.hash


@pytest.mark.parametrize(
    ("text", "good"),
    [
        (PLAN.hash, True),
        ("", False),
        ("abc", False),
        ("-".join(["z" * 12] * 3), False),
        ("-".join(["a" * 12] * 2), False),
        (f"{PLAN.hash}\n", False),
        (PLAN.hash.upper() + "G", False),
    ],
)
def test_what_looks_like_a_plan_hash(text: str, good: bool) -> None:
    assert is_plan_hash(text) is good


# -- the same plan -------------------------------------------------------------------------------------


def test_the_approved_plan_passes() -> None:
    require_same(PLAN, PLAN.hash)
    require_same(PLAN, PLAN.hash, PLAN.readings)


@pytest.mark.parametrize(
    ("approved", "readings", "told", "untold"),
    [
        (replace(PLAN, specification="9" * 12), None, ["the specification is another"], ["cloud"]),
        (replace(PLAN, readings={}), None, ["the cloud has changed since"], ["specification"]),
        (replace(PLAN, changes=()), None, ["the changes are others"], ["cloud", "specification"]),
        (
            replace(PLAN, readings={**PLAN.readings, "role R": "9" * 12}), {**PLAN.readings, "role R": "9" * 12},
            ["role R has changed"], ["carol", "the cloud"],
        ),
        (
            replace(PLAN, readings={"role R": "1" * 12}), {"role R": "1" * 12}, ["grant of user carol has changed"],
            ["role R"],
        ),
        (
            replace(PLAN, specification="9" * 12, readings={}), {},
            ["the specification is another", "role R has changed", "carol has changed"], [],
        ),
        # readings that do not belong to the hash prove nothing
        (replace(PLAN, readings={}), PLAN.readings, ["the cloud has changed since"], ["role R"]),
    ],
)  # fmt: skip
def test_the_refusal_says_what_has_moved(
    approved: Plan, readings: Mapping[str, str] | None, told: list[str], untold: list[str]
) -> None:
    with pytest.raises(PlanMoved) as caught:
        require_same(PLAN, approved.hash, readings)
    for text in told:
        assert text in caught.value.what
    for text in untold:
        assert text not in caught.value.what
    assert caught.value.subject == "plan of orders"
    assert PLAN.hash in caught.value.remedy


@pytest.mark.parametrize("text", ["", "abc", "a-b-c", PLAN.hash[:-1]])
def test_what_is_no_hash_is_told_as_such(text: str) -> None:
    with pytest.raises(PlanMoved, match="no plan hash"):
        require_same(PLAN, text)

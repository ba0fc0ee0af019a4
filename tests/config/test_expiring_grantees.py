"""Grantees whose grant ends: every way to write them is one specification, in YAML, CSV, JSON and the schemas."""

from __future__ import annotations

from datetime import date
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from config.csv_file import parse_rows
from config.csv_write import csv_text, to_row
from config.forms import SpecificationForm
from config.load import SpecInvalid, json_schema, parse_spec
from config.scheduler import end_of_day
from tests.config.csv_files import plain_row, text_of
from tests.config.specs import example

DAY = date(2027, 1, 31)
MAPPED: dict[str, Any] = {"users": ["dave", {"name": "carol", "until": DAY}], "groups": ["data-platform"]}
LISTED: list[dict[str, Any]] = [
    {"user": "dave"},
    {"user": "carol", "until": "2027-01-31"},
    {"group": "data-platform"},
]
APART: dict[str, Any] = {
    "users": ["dave", "carol"],
    "groups": ["data-platform"],
    "until": ["user:carol=2027-01-31"],
}


@pytest.mark.parametrize("written", [MAPPED, LISTED, APART])
def test_every_way_to_write_it_is_the_same_specification(written: Any) -> None:
    spec = parse_spec(example(grantees=written))
    assert spec == parse_spec(example(grantees=APART))
    assert (spec.grantees.users, spec.grantees.groups) == (("dave", "carol"), ("data-platform",))
    assert spec.grantees.until_of("user", "carol") == DAY
    assert spec.grantees.until_of("user", "dave") is None
    assert parse_spec(spec.model_dump(mode="json")).text() == spec.text()


def test_a_name_that_is_the_start_of_another_has_its_own_day() -> None:
    spec = parse_spec(example(grantees=[{"user": "carol", "until": DAY}, {"user": "carol-2"}]))
    assert spec.grantees.until_of("user", "carol") == DAY
    assert spec.grantees.until_of("user", "carol-2") is None
    assert spec.grantees.until_of("group", "carol") is None


def test_the_last_day_still_counts_and_the_next_one_does_not() -> None:
    grantees = parse_spec(example(grantees=MAPPED)).grantees
    assert grantees.on(DAY).users == ("dave", "carol")
    assert grantees.on(date(2027, 2, 1)).users == ("dave",)
    alone = parse_spec(example(grantees=[{"user": "carol", "until": DAY}])).grantees
    assert alone.on(date(2027, 2, 1)).users == ()
    assert end_of_day(DAY).isoformat() == "2027-02-01T00:00:00+08:00"


@pytest.mark.parametrize(
    ("grantees", "path", "told"),
    [
        ({"users": [{"name": "carol", "until": "soon"}]}, "grantees.users[0].until", "is a day like"),
        ({"users": [{"name": "carol", "until": "20270131"}]}, "grantees.users[0].until", "is a day like"),
        ({"users": [{"nam": "carol"}]}, "grantees.users[0]", "is a name, or a mapping"),
        ({"users": [{"name": 5}]}, "grantees.users[0]", "is a name, or a mapping"),
        ({"users": ["carol"], "until": ["user:dave=2027-01-31"]}, "grantees.until[0]", "is not one of the users"),
        ({"users": ["carol"], "until": ["user:carol=2027-02-30"]}, "grantees.until[0]", "is no day"),
        ({"users": ["carol"], "until": ["carol"]}, "grantees.until[0]", "is not like"),
        ({"users": [{"name": "carol", "until": DAY}], "until": ["user:carol=2027-02-01"]}, "grantees.until[1]", "two end dates"),
        ([{"user": "carol", "group": "g"}], "grantees[0]", "is a mapping of user, group or role"),
        (["carol"], "grantees[0]", "is a mapping of user, group or role"),
        ([], "grantees", "at least one"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_path(grantees: Any, path: str, told: str) -> None:
    with pytest.raises(SpecInvalid) as caught:
        parse_spec(example(grantees=grantees))
    assert any(one.path == path and told in one.rule for one in caught.value.problems), caught.value


def test_a_grant_on_every_role_cannot_end() -> None:
    broad = {"pass_role": "broad", "pass_role_reason": "One role for each tenant"}
    with pytest.raises(SpecInvalid, match="a grant that ends is on this role alone"):
        parse_spec(example(grantees=MAPPED, role=broad))


@pytest.mark.parametrize(
    "written", [{**MAPPED, "users": [{"name": "carol", "until": "2027-01-31"}]}, LISTED, APART]
)
def test_the_schema_for_editors_takes_every_way_to_write_it(written: Any) -> None:
    spec = example(grantees=written)
    jsonschema.validate(spec, json_schema())
    spec["grantees"] = {"users": [{"name": "carol", "til": "2027-01-31"}]}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(spec, json_schema())


def test_a_form_has_names_and_days_in_fields_of_their_own() -> None:
    schema = TypeAdapter(SpecificationForm).json_schema()
    fields = schema["$defs"]["Grantees"]["properties"]
    assert fields["users"]["items"] == {"type": "string"}
    assert fields["until"]["items"] == {"type": "string"}


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.from_regex(r"[a-z][a-z0-9.\-]{0,8}", fullmatch=True),
        st.none() | st.dates(),
        min_size=1,
        max_size=3,
    ),
    st.sampled_from(["user", "group", "role"]),
)
def test_any_grantees_are_the_same_after_a_csv_file(days: dict[str, date | None], kind: str) -> None:
    entries = [{kind: name, **({"until": day.isoformat()} if day else {})} for name, day in days.items()]
    spec = parse_spec(example(grantees=entries))
    text = csv_text([to_row(spec)])
    (found,) = parse_rows(text.encode(), source="a.csv").require_valid().rows
    assert found.spec == spec
    assert found.spec.text() == spec.text()


def test_rows_that_share_a_role_agree_on_the_days() -> None:
    rows = [
        {**plain_row(), "name": name, "role.name": "Shared", "grantees.users": "carol", "grantees.groups": "", "grantees.until": day}
        for name, day in (("one", "user:carol=2027-01-31"), ("two", "user:carol=2027-02-28"))
    ]  # fmt: skip
    problems = parse_rows(text_of(*rows).encode(), source="a.csv").problems
    assert {one.column for one in problems} == {"grantees.until"}

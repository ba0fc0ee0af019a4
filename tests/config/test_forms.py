"""The forms of the source types: complete, ordered, described, and of one opinion with the specification."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator
from pydantic import TypeAdapter, ValidationError

from config.forms import Blocks, SpecificationForm, source_forms
from config.load import load_spec
from config.sources import source_types
from config.spec import DataSourceSpec, SyncTaskSpec

_EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
_ADAPTER: TypeAdapter[DataSourceSpec] = TypeAdapter(SpecificationForm)
_SCHEMA = _ADAPTER.json_schema()
_VALIDATOR = Draft202012Validator(_SCHEMA)


def _example(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((_EXAMPLES / f"{name}.yaml").read_text(encoding="utf-8"))
    return found


def _form(name: str) -> Mapping[str, Any]:
    wanted = {"enum": [name]}.items()
    (found,) = [
        one
        for one in _SCHEMA["$defs"].values()
        if wanted <= {k: v for k, v in one.get("properties", {}).get("type", {}).items() if k == "enum"}.items()
        and "location" in one["properties"]
    ]  # fmt: skip
    return found  # type: ignore[no-any-return]  # JSON


def _objects(schema: Any) -> Iterator[Mapping[str, Any]]:
    """Every schema with properties."""
    if isinstance(schema, list):
        for part in schema:
            yield from _objects(part)
    elif isinstance(schema, dict):
        if "properties" in schema:
            yield schema
        for key, value in schema.items():
            if key not in ("allOf", "default", "examples"):
                yield from _objects(value)


@pytest.mark.parametrize("name", list(source_types()))
def test_the_parameter_of_a_flow_takes_what_a_file_holds_and_gives_the_same_specification(name: str) -> None:
    loaded = load_spec(_EXAMPLES / f"{name}.yaml")
    assert _ADAPTER.validate_python(_example(name)) == loaded
    assert _ADAPTER.validate_python(loaded) == loaded


@pytest.mark.parametrize("name", list(source_types()))
def test_a_form_accepts_the_example_of_its_type_and_no_other(name: str) -> None:
    assert list(_VALIDATOR.iter_errors(_example(name))) == []
    form = {**_form(name), "$defs": _SCHEMA["$defs"]}
    accepted = [other for other in source_types() if Draft202012Validator(form).is_valid(_example(other))]
    assert accepted == [name]


def test_every_source_type_has_a_form_with_every_field_of_the_specification() -> None:
    assert list(source_forms()) == list(source_types())
    for name, form in source_forms().items():
        assert set(form.model_fields) == set(DataSourceSpec.model_fields)
        task = _form(name)["properties"]["sync_task"]["anyOf"][0]["$ref"].rpartition("/")[2]
        assert set(_SCHEMA["$defs"][task]["properties"]) == set(SyncTaskSpec.model_fields)
        assert set(_form(name)["required"]) - {"type"} == {
            key for key, field in DataSourceSpec.model_fields.items() if field.is_required()
        } - {"type"}


def test_a_form_begins_with_what_a_person_thinks_of_first() -> None:
    for name in source_types():
        fields = _form(name)["properties"]
        order = sorted(fields, key=lambda key: int(fields[key]["position"]))
        assert order[:9] == [
            *("type", "name", "workspace", "region", "location", "access", "grantees", "resource_groups"),
            "sync_task",
        ]


def test_positions_are_unique_so_that_no_database_can_mix_the_fields_up() -> None:
    for one in _objects(_SCHEMA["$defs"]):
        positions = [field["position"] for field in one["properties"].values()]
        assert positions == list(range(len(positions))), one.get("title")


def test_no_choice_is_nameless_and_none_is_there_for_null_alone() -> None:
    for one in _objects(_SCHEMA["$defs"]):
        for name, field in one["properties"].items():
            choices = field.get("anyOf", [])
            assert all(choice.get("title") for choice in choices), name
            types = [choice.get("type", "object") for choice in choices]
            assert types in ([], ["object", "null"]) or len(set(types) - {"null"}) > 1 or "object" in types, (
                name
            )


def test_the_first_side_offered_is_the_source_as_reader_and_the_counterpart_as_writer() -> None:
    fields = _SCHEMA["$defs"]["OssSyncTask"]["properties"]
    titles = {side: [one["title"] for one in fields[side]["anyOf"]] for side in ("reader", "writer")}
    source, other = "Object Storage Service: this data source", "MaxCompute: the other side"
    assert titles == {"reader": [source, other, "As JSON"], "writer": [other, source, "As JSON"]}


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        (("workspace",), "ten", ["workspace"]),
        (("location", "bucket"), 5, ["location", "bucket"]),
        (("type",), "oracle", ["type"]),
        (("resource_groups",), [], ["resource_groups"]),
        # Inside choices: the schema alone would print the whole task and say that it fits no branch.
        (("sync_task", "schedule", "cron"), 5, ["sync_task", "schedule", "cron"]),
        (("sync_task", "reader", "column"), [{"type": "clob"}], ["sync_task", "reader", "column", 0, "type"]),
        (("sync_task", "writer", "truncate"), "perhaps", ["sync_task", "writer", "truncate"]),
    ],
)
def test_a_wrong_value_has_one_problem_at_its_own_path(
    path: tuple[str, ...], value: Any, named: list[str]
) -> None:
    spec = copy.deepcopy(_example("oss"))
    inside = spec
    for part in path[:-1]:
        inside = inside[part]
    inside[path[-1]] = value
    assert [list(error.absolute_path) for error in _VALIDATOR.iter_errors(spec)] == [named]


def test_a_check_of_the_whole_schema_does_not_look_at_the_rules_which_would_double_its_time() -> None:
    schema = copy.deepcopy(_SCHEMA)
    resource = schema["allOf"][0]
    assert set(resource) == {"$id", "rules"}
    assert set(source_types()) <= set(resource["rules"])
    resource["rules"] = {name: {"type": 5} for name in resource["rules"]}
    Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("value", [True, "true", "false"])
def test_a_flag_is_drawn_as_a_switch_and_may_still_be_written_as_text(value: bool | str) -> None:
    assert _SCHEMA["$defs"]["OssReader"]["properties"]["skipHeader"]["type"] == "boolean"
    spec = _example("oss")
    spec["sync_task"]["reader"]["skipHeader"] = value
    assert list(_VALIDATOR.iter_errors(spec)) == []


@pytest.mark.parametrize("value", [["orders/*.csv"], "orders/*.csv", None])
def test_a_list_is_drawn_as_a_list_and_its_short_form_and_null_are_accepted(value: Any) -> None:
    assert _SCHEMA["$defs"]["OssReader"]["properties"]["object"]["type"] == "array"
    spec = _example("oss")
    spec["sync_task"]["reader"]["object"] = value
    assert list(_VALIDATOR.iter_errors(spec)) == []


def test_descriptions_name_fields_by_their_labels_and_choices_by_words() -> None:
    task = _SCHEMA["$defs"]["OssSyncTask"]["properties"]
    assert 'one of "Resource groups"' in task["resource_group"]["description"]
    column = _SCHEMA["$defs"]["OssReader"]["properties"]["column"]
    assert [one["title"] for one in column["items"]["anyOf"]] == ["Column", "All"]


def test_what_no_schema_can_say_is_still_refused_with_its_path() -> None:
    spec = _example("oss")
    spec["grantees"] = {"users": [], "groups": []}
    spec["sync_task"]["resource_group"] = "S_res_group_of_others"
    with pytest.raises(ValidationError) as refused:
        _ADAPTER.validate_python(spec)
    assert [line["loc"] for line in refused.value.errors()] == [
        ("grantees",),
        ("sync_task", "resource_group"),
    ]


def test_an_optional_field_may_be_null_where_the_server_adds_null_to_its_type() -> None:
    # The server adds null to what has a type, is not required and has no default; see config.forms.
    role = _SCHEMA["$defs"]["RoleSpec"]["properties"]["name"]
    assert role["type"] == "string"
    assert "default" not in role


def test_credentials_are_a_field_for_each_persona_and_unknown_ones_are_refused() -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(Blocks)
    form = adapter.json_schema()["anyOf"][0]
    given = {"default": "alibaba-cloud-ecs-role/worker", "executor": "alibaba-cloud-assumed-role/executor"}
    assert adapter.validate_python(given) == given
    assert set(form["properties"]) == {"default", "administrator", "creator", "developer", "executor"}
    with pytest.raises(ValidationError, match="auditor"):
        adapter.validate_python({"auditor": "x/y"})

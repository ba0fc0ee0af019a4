"""Reading specifications from files and parameters."""

from __future__ import annotations

import copy
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from config.limits import SPECIFICATION_BYTES
from config.load import SpecError, SpecFileError, SpecInvalid, json_schema, load_spec, parse_spec
from tests.config.specs import EXAMPLE, example

BOMB = "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n"


def test_example_is_a_valid_specification() -> None:
    spec = load_spec(EXAMPLE)
    assert (spec.workspace, spec.region, spec.type) == (10001, "cn-hangzhou", "oss")
    assert spec.location.model_dump() == {
        "bucket": "shop-orders",
        "prefix": "orders/",
        "endpoint": "http://oss-cn-hangzhou-internal.aliyuncs.com",
    }
    assert (spec.grantees.users, spec.grantees.groups) == (("carol",), ("data-platform",))
    assert spec.resource_groups == ("S_res_group_1001_1", "S_res_group_1001_2")
    assert spec.sync_task is not None
    assert spec.sync_task.run
    assert spec.sync_task.schedule is not None
    assert spec.sync_task.schedule.cron == "00 30 05 * * ?"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"# only a comment\n", "is empty"),
        (b"- a\n- b\n", "holds a list, not a mapping of keys to values"),
        (b"text", "holds a str, not a mapping of keys to values"),
        (b"name: [a\nregion: b\n", r"line 2, column 7: expected ',' or '\]'.*"),
        (b"name: a\n\tb: c\n", r"line 2, column 1: found character '\\t'.*"),
        (b"name: a\nregion: b\nname: c\n", "line 3, column 1: the key 'name' is given twice"),
        (b"a: {b: 1, b: 2}\n", "line 1, column 11: the key 'b' is given twice"),
        (BOMB.encode(), r"line 2, column 8: aliases \(\*name\) are not allowed"),
        (b"a: &a {b: 1}\nc:\n  <<: *a\n", r"line 3, column 7: aliases \(\*name\) are not allowed"),
        (b"a: " + b"[" * 40 + b"]" * 40, "line 1, column 35: nested more than 32 deep"),
        (b"a: 1\n---\nb: 2\n", "line 2, column 1: but found another document"),
        (
            b"a: !!python/object/apply:os.system [ls]\n",
            "line 1, column 4: could not determine a constructor.*",
        ),
        (b"{[a]: 1}", "line 1, column 2: found unhashable key"),
        (b"name: a\nregion: \xff\xfe\n", "line 2 is not UTF-8 text; save the file in UTF-8"),
        ("name: ä".encode("utf-16"), "line 1 is not UTF-8 text; save the file in UTF-8"),
        (b"a: \x01\n", "holds a control character, which YAML does not allow"),
        (b"a: 2026-13-40\n", "holds a value YAML cannot read: .*"),
        (b"#" * (SPECIFICATION_BYTES + 1), "is larger than 1048576 bytes; is this the right file?"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_unreadable_file_is_named_with_the_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "spec.yaml"
    path.write_bytes(content)
    with pytest.raises(SpecFileError) as caught:
        load_spec(path)
    assert re.fullmatch(reason, caught.value.reason) or caught.value.reason == reason
    assert str(caught.value).startswith(f"{path}: ")


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecFileError, match=r"absent\.yaml: there is no such file"):
        load_spec(tmp_path / "absent.yaml")


def test_folder_in_place_of_a_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecFileError, match="cannot be read: Is a directory"):
        load_spec(tmp_path)


def test_byte_order_mark_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + EXAMPLE.read_bytes())
    assert load_spec(path) == load_spec(EXAMPLE)


def test_message_lists_every_problem_with_path_value_and_rule() -> None:
    with pytest.raises(SpecInvalid) as caught:
        parse_spec(example(workspace=0, location__prefix="/orders"), source="orders.yaml")
    assert str(caught.value).splitlines() == [
        "orders.yaml: 2 problems",
        "  workspace: Input should be greater than or equal to 1 (found 0)",
        "  location.prefix: a prefix does not start with '/': object names do not (found '/orders')",
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"sync_task__reader__accessKeySecret": "hush-hush"},
        {"sync_task__reader__securityToken": "hush-hush"},
        {"sync_task__writer__accessId": "hush-hush"},
        {"access_key_secret": "hush-hush"},
        {"location__accessKeySecret": "hush-hush"},
        {"location__password": {"nested": "hush-hush"}},
        {"location": [{"accessKeySecret": "hush-hush"}]},
        {"location__endpoint": "http://user:hush-hush@oss.aliyuncs.com"},
        {"location__endpoint": "http://oss.aliyuncs.com/a?Signature=hush-hush"},
        {"description": ["LTAIhushhush", "hush-hush"]},
        {"name": "LTAIhush-hush"},
    ],
)
def test_no_secret_is_in_any_form_of_the_error(changes: dict[str, Any]) -> None:
    with pytest.raises(SpecInvalid) as caught:
        parse_spec(example(**changes))
    error = caught.value
    shown = (str(error), repr(error), repr(error.problems), repr(error.__cause__), repr(error.__context__))
    assert "hush" not in "".join(shown).replace("LTAI***-hush", "")


def test_long_value_is_shortened() -> None:
    with pytest.raises(SpecInvalid) as caught:
        parse_spec(example(description="x" * 500))
    assert caught.value.problems[0].value == "'" + "x" * 56 + "..."


def test_errors_are_one_tree_and_can_be_handed_between_processes() -> None:
    with pytest.raises(SpecInvalid) as caught:
        parse_spec({})
    assert isinstance(caught.value, SpecError)
    assert issubclass(SpecFileError, SpecError)
    for error in (caught.value, SpecFileError("a.yaml", "is empty")):
        assert str(copy.copy(error)) == str(error)


def validator() -> jsonschema.Draft202012Validator:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_json_schema_accepts_the_example() -> None:
    assert list(validator().iter_errors(example())) == []


@pytest.mark.parametrize(
    "key",
    [
        "surprise",
        "location__surprise",
        "role__surprise",
        "grantees__surprise",
        "sync_task__surprise",
        "sync_task__schedule__surprise",
        "sync_task__reader__surprise",
        "sync_task__writer__surprise",
    ],
)
def test_json_schema_refuses_unknown_keys(key: str) -> None:
    assert list(validator().iter_errors(example(**{key: 1}))) != []


def test_json_schema_describes_every_field_with_examples() -> None:
    schema = json_schema()
    described: list[str] = []
    bare: list[str] = []

    def walk(part: Any) -> None:
        if isinstance(part, dict):
            for name, field in part.get("properties", {}).items():
                (described if field.get("description") and field.get("examples") else bare).append(name)
            for inner in part.values():
                walk(inner)
        elif isinstance(part, list):
            for inner in part:
                walk(inner)

    walk(schema)
    assert bare == []
    assert {"bucket", "cron", "fileFormat", "partition", "users", "adopt", "writeMode"} <= set(described)

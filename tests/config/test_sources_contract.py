"""Source types: what holds for all of them, and that a new one is one new file."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

from config.load import json_schema, load_spec, parse_spec
from config.personas import Persona
from config.run_failures import RUN_FAILURES, RunFailure, classify, last_error
from config.sources import get_source_type, source_types
from config.sources.base import Access, Environment, SourceLocation
from tests.config.source_specs import EXAMPLES, spec_of

NAMES = ["adb_mysql", "hologres", "loghub", "oss", "tablestore"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("log", "words"),
    [
        ("NoPermission: ram:PassRole on role/x for oss.aliyuncs.com: AccessDenied, Unauthorized", "PassRole"),
        ("NoPermission: sts:AssumeRole refused, AccessDenied, Unauthorized", "may not assume role"),
    ],
)
def test_a_role_that_was_never_handed_over_is_no_refusal_of_the_source(
    name: str, log: str, words: str
) -> None:
    assert words in classify(log, get_source_type(name).refusals).what


@pytest.mark.parametrize("name", NAMES)
def test_what_no_source_says_is_judged_by_the_table_of_all(name: str) -> None:
    log = "connect to 10.0.0.1 timed out: connection timed out"
    assert classify(log, get_source_type(name).refusals) is classify(log)
    assert classify("all is well", get_source_type(name).refusals) is classify("all is well")


def test_rows_of_the_source_come_before_the_table() -> None:
    row = RunFailure(re.compile("403"), "ours", Persona.CREATOR, "do it", spreads=False)
    assert classify("Forbidden 403") in RUN_FAILURES
    assert classify("Forbidden 403", (row,)) is row


def test_the_count_of_failures_in_the_summary_is_not_the_error() -> None:
    log = "ERROR AccessDenied\nTotal records read : 0\nRead/write failures     : 0\n"
    assert last_error(log) == "ERROR AccessDenied"
    assert last_error("Read/write failures     : 0\n") == ""


@pytest.mark.parametrize("name", NAMES)
def test_texts_of_refusals_name_only_what_the_caller_fills_in(name: str) -> None:
    names = {"role": "r", "executor": "e", "data_source": "d"}
    rows = get_source_type(name).refusals
    assert rows
    for row in rows:
        assert row.what.format(**names)
        assert row.remedy.format(**names)


def test_the_source_types_are_these() -> None:
    assert list(source_types()) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_source_type_is_complete(name: str) -> None:
    for variant in get_source_type(name).variants():
        assert variant.name == name
        assert variant.title
        assert variant.data_source_type
        assert variant.service.endswith(".aliyuncs.com")
        profiles = [variant.profile(environment) for environment in Environment]
        assert all(profile.confidence and profile.source for profile in profiles)
        for environment, profile in zip(Environment, profiles, strict=True):
            named = "{role_id}" in profile.template.values()
            assert named == variant.opened_by_role(environment)


@pytest.mark.parametrize("name", NAMES)
def test_actions_are_the_products_and_those_that_are_needed_are_known(name: str) -> None:
    kind = get_source_type(name)
    pattern = re.compile(rf"{kind.ram_code}:[A-Za-z0-9_]+")
    assert all(pattern.fullmatch(action) for action in kind.known_actions)
    assert kind.destructive_actions < kind.known_actions
    location = spec_of(name).location
    minimal = {
        each.action
        for access in Access
        for each in kind.permissions(location, access, "minimal", deletes=True)
    }
    assert minimal <= kind.known_actions - kind.destructive_actions


@pytest.mark.parametrize("name", [name for name in NAMES if name != "oss"])
@pytest.mark.parametrize("access", Access)
def test_vendor_level_has_all_that_minimal_has_and_only_known_actions(name: str, access: Access) -> None:
    kind, location = get_source_type(name), spec_of(name).location
    minimal, vendor = (
        {each.action: set(each.resources) for each in kind.permissions(location, access, level)}
        for level in ("minimal", "vendor")
    )
    assert set(minimal) <= set(vendor) <= kind.known_actions - kind.destructive_actions
    assert all(minimal[action] <= vendor[action] for action in minimal)


@pytest.mark.parametrize("name", NAMES)
def test_a_location_of_another_type_is_a_programming_error(name: str) -> None:
    kind, other = get_source_type(name), SourceLocation()
    with pytest.raises(TypeError, match="location is needed, not SourceLocation"):
        kind.permissions(other, Access.READ, "minimal")


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_example_is_valid_for_the_project_and_for_the_json_schema(path: Path) -> None:
    spec = load_spec(path)
    jsonschema.Draft202012Validator(json_schema()).validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    jsonschema.Draft202012Validator(json_schema()).validate(json.loads(spec.text()))
    assert parse_spec(spec.model_dump(mode="json")) == spec
    assert spec.location_findings() == ()


def test_every_source_type_has_an_example() -> None:
    assert {load_spec(path).type for path in EXAMPLES.glob("*.yaml")} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_field_of_a_location_and_a_step_is_described_with_an_example(name: str) -> None:
    for kind in get_source_type(name).variants():
        for model in (kind.Location, kind.reader_type, kind.writer_type):
            bare = [key for key, field in model.model_fields.items() if not field.description]
            plain = [key for key, field in model.model_fields.items() if not field.examples]
            assert (bare, plain) == ([], []), model.__name__


def test_unknown_source_type_names_the_known_ones() -> None:
    known = "known are: adb_mysql, hologres, loghub, oss, tablestore"
    with pytest.raises(ValueError, match=f"unknown source type 'ftp'; {known}"):
        get_source_type("ftp")


NEW_TYPE = """
from pydantic import Field

from config.personas import Persona
from config.problems import problem
from config.run_failures import run_failure
from config.sources.base import (
    ContentProfile, Environment, LocationFinding, Permission, Prerequisite, SourceLocation, SourceType, StepParameters,
)


class FtpLocation(SourceLocation):
    server: str = Field(description="Server.", examples=["files"])


class FtpStep(StepParameters):
    file: str = Field(description="File.", examples=["orders.csv"])


class Ftp(SourceType):
    name = "ftp"
    title = "File server"
    data_source_type = "ftp"
    service = "files.aliyuncs.com"
    ram_code = "files"
    known_actions = frozenset({"files:Read", "files:Drop"})
    destructive_actions = frozenset({"files:Drop"})
    content_profile = ContentProfile({"server": "{server}", "authIdentity": "{role_id}"}, "none", "invented")
    refusals = (run_failure("550 denied", "the server refused {role}", Persona.ADMINISTRATOR, "grant it"),)
    finding_codes = {"FTP001": "Old protocol"}
    Location, reader_type, writer_type = FtpLocation, FtpStep, FtpStep

    def resolve_location(self, location, region):
        return location

    def opened_by_role(self, environment):
        return environment is Environment.PROD

    def permissions(self, location, access, level, *, deletes=False):
        return (Permission("files:Read", ("acs:files:*:*:" + location.server,), "reading", "invented"),)

    def prerequisites(self, location, access, role_id, *, deletes=False):
        return (Prerequisite("an account", Persona.ADMINISTRATOR, "add " + role_id),)

    def location_findings(self, location):
        return (LocationFinding("FTP001", "old", "use another"),)

    def deletes(self, writer):
        return False

    def reader_problems(self, parameters, location):
        return [] if parameters["file"] != "secret.csv" else [problem(("file",), "not for you")]

    def writer_problems(self, parameters, location):
        return []


SOURCE_TYPE = Ftp()
"""

USE_OF_IT = """
import json
import sys

import jsonschema

import config.sources

config.sources.__path__.append(sys.argv[1])
from config.load import SpecInvalid, json_schema, parse_spec
from config.run_failures import classify
from config.sources.base import Environment
from tests.config.specs import example

written = example(type="ftp", location={"server": "files"}, sync_task__reader={"file": "orders.csv"})
jsonschema.Draft202012Validator(json_schema()).validate(written)
spec = parse_spec(written)
try:
    parse_spec(example(type="ftp", location={"server": "files"}, sync_task__reader={"file": "secret.csv"}))
except SpecInvalid as error:
    refused = [(problem.path, problem.rule) for problem in error.problems]
step = spec.task_content()["steps"][0]
print(json.dumps({
    "location": spec.location.model_dump(),
    "schema": {"const": "ftp"} in json_schema()["properties"]["type"]["anyOf"],
    "refused": refused,
    "permissions": [[each.action, *each.resources] for each in spec.required_permissions()],
    "content": spec.content("7", Environment.PROD),
    "by role": [spec.source_type.opened_by_role(environment) for environment in Environment],
    "step": [step["stepType"], step["parameter"]["file"]],
    "prerequisites": [[each.what, each.how] for each in spec.prerequisites("7")],
    "findings": [each.code for each in spec.location_findings()],
    "refusal": classify("550 denied", spec.source_type.refusals).what,
}))
"""


def test_a_new_source_type_is_one_new_file(tmp_path: Path) -> None:
    (tmp_path / "ftp.py").write_text(NEW_TYPE, encoding="utf-8")
    command = [sys.executable, "-c", USE_OF_IT, str(tmp_path)]
    root = Path(__file__).parents[2]
    result = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True, timeout=60)
    assert json.loads(result.stdout) == {
        "location": {"server": "files"},
        "schema": True,
        "refused": [["sync_task.reader.file", "not for you"]],
        "permissions": [["files:Read", "acs:files:*:*:files"]],
        "content": {"server": "files", "authIdentity": "7"},
        "by role": [False, True],
        "step": ["ftp", "orders.csv"],
        "prerequisites": [["an account", "add 7"]],
        "findings": ["FTP001"],
        "refusal": "the server refused {role}",
    }

"""From a console-made data source to a content profile, and from the profile back to the same content."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from unittest import mock

import pytest
from typer.testing import CliRunner

from cli.main import app
from cloud.dataworks.data_sources import DataSource, create_data_source, find_data_source
from config.sources.base import Environment, content_override
from config.spec import DataSourceSpec
from emulator.server import RunningCloud
from tasks.learning import learned_profiles
from tests.emulator.sources import example as example_of
from tests.flows.server import local_cloud_environment
from tests.settings import REGION
from tests.tasks.onboarding import Onboarding

SECRET = "a-secret-that-nobody-may-see"


def _made(local: RunningCloud, spec: DataSourceSpec, role_id: str) -> list[DataSource]:
    """Data sources in role mode, made through the SDK and read back."""
    onboarding = Onboarding(local, spec)
    sources = []
    for environment in Environment:
        content = spec.content(role_id, environment)
        kind = spec.source_type.data_source_type
        create_data_source(onboarding.gate, spec.workspace, spec.name, kind, environment, content, "")
        found = find_data_source(onboarding.gate, spec.workspace, spec.name, environment)
        assert found is not None
        sources.append(found)
    return sources


def _role(local: RunningCloud, spec: DataSourceSpec) -> str:
    onboarding = Onboarding(local, spec)
    role = onboarding.role()
    onboarding.grant(role)
    return role.role_id


@pytest.mark.parametrize("kind", ["oss", "loghub", "tablestore", "adb_mysql"])
def test_the_learned_profile_makes_the_same_content_again(local: RunningCloud, kind: str) -> None:
    spec = example_of(kind)
    role_id = _role(local, spec)
    sources = _made(local, spec, role_id)
    profiles, notes = learned_profiles(sources, REGION)
    assert notes == []
    assert role_id not in json.dumps(profiles)
    for source in sources:
        override = content_override(profiles, kind, source.environment)
        assert override is not None
        assert spec.content(role_id, source.environment, override) == dict(source.content)
        other = spec.content("300000000000005555", source.environment, override)
        assert other["authIdentity"] == "300000000000005555"


def test_what_the_console_writes_otherwise_is_kept_as_it_is(local: RunningCloud) -> None:
    spec = example_of("oss")
    role_id = _role(local, spec)
    (source, _) = _made(local, spec, role_id)
    content = {**source.content, "regionId": REGION, "version": "7"}
    learned, _ = learned_profiles([replace(source, content=content)], REGION)
    assert learned["oss"]["version"] == "7"
    assert learned["oss"]["regionId"] == "{region}"
    assert learned["oss"]["authIdentity"] == "{role_id}"


def test_environments_that_differ_get_a_profile_each(local: RunningCloud) -> None:
    spec = example_of("oss")
    first, second = _made(local, spec, _role(local, spec))
    learned, _ = learned_profiles([first, replace(second, content={**second.content, "mode": "x"})], REGION)
    assert {*learned} == {"oss.DEV", "oss.PROD"}
    assert "mode" not in learned["oss.DEV"]
    same, _ = learned_profiles([first, second], REGION)
    assert {*same} == {"oss"}


def test_an_unknown_type_is_a_note(local: RunningCloud) -> None:
    spec = example_of("oss")
    (source, _) = _made(local, spec, _role(local, spec))
    profiles, notes = learned_profiles([replace(source, type="ftp")], REGION)
    assert profiles == {}
    assert "type ftp" in notes[0]


# -- the command ---------------------------------------------------------------------------------------


@pytest.fixture
def run(local: RunningCloud) -> Iterator[CliRunner]:
    """Commands in this process; what they set in its environment ends with the test."""
    with mock.patch.dict("os.environ", local_cloud_environment(local)):
        yield CliRunner()


def _learn(run: CliRunner, name: str) -> Any:
    return run.invoke(app, ["learn", "--workspace", "10001", "--name", name, "--region", REGION])


def test_learn_prints_what_to_export(run: CliRunner, local: RunningCloud) -> None:
    spec = example_of("oss")
    role_id = _role(local, spec)
    sources = _made(local, spec, role_id)
    result = _learn(run, spec.name)
    assert result.exit_code == 0, result.output
    text = result.stdout.strip()
    start = "export ONBOARD_CONTENT_PROFILES='"
    assert text.startswith(start)
    profiles = json.loads(text.removeprefix(start).removesuffix("'"))
    assert spec.content(role_id, Environment.PROD, profiles["oss"]) == dict(sources[1].content)


def test_a_data_source_with_an_access_key_teaches_nothing_and_tells_no_secret(
    run: CliRunner, local: RunningCloud
) -> None:
    spec = example_of("oss")
    onboarding = Onboarding(local, spec)
    content = {
        "bucket": "shop-orders",
        "endpoint": "http://oss-cn-hangzhou.aliyuncs.com",
        "accessId": "LTAI5tSecretId",
        "accessKey": SECRET,
    }
    create_data_source(onboarding.gate, 10001, "by_key", "oss", Environment.PROD, content, "")
    result = _learn(run, "by_key")
    assert result.exit_code == 1
    assert "note: by_key (PROD) is not opened with a role" in result.stderr
    assert SECRET not in result.output + result.stderr
    assert "LTAI5tSecretId" not in result.output + result.stderr
    assert "export" not in result.stdout


def test_a_secret_beside_the_role_is_not_told(run: CliRunner, local: RunningCloud) -> None:
    spec = example_of("oss")
    role_id = _role(local, spec)
    _made(local, spec, role_id)
    for source in local.cloud.state.dataworks.data_sources:
        if source.name == spec.name:
            leftovers = {"accessKey": SECRET, "accessId": "LTAI5tSecretId", "password": SECRET}
            source.content = json.dumps({**json.loads(source.content), **leftovers})
    result = _learn(run, spec.name)
    assert SECRET not in result.output + result.stderr
    assert "LTAI5tSecretId" not in result.output + result.stderr
    assert result.exit_code == 0
    assert "note: oss_orders (DEV) also holds accessId: left out" in result.stderr
    profiles = json.loads(result.stdout.strip().partition("'")[2].removesuffix("'"))
    assert {*profiles["oss"]} == {*spec.content(role_id, Environment.PROD)}


def test_an_unknown_name_is_bad_input(run: CliRunner, local: RunningCloud) -> None:
    result = _learn(run, "nobody")
    assert result.exit_code == 2
    assert "workspace 10001 has no data source nobody" in result.stderr
    assert local.cloud.journal.writes == ()

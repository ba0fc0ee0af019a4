"""The deployments of both files as Prefect's server keeps them: forms, refusals, limits, and deploying without a question."""

from __future__ import annotations

import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest
import yaml
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.responses import DeploymentResponse
from prefect.exceptions import ObjectNotFound

from config.load import load_spec
from config.sources import source_types
from tests.flows.server import ROOT, PrefectServer, plain_environment

_FILES = ("prefect.yaml", "prefect.personas.yaml")
_PAGE = (ROOT / "docs" / "deployments.md").read_text(encoding="utf-8")
_DEPLOY_SECONDS = 100


# The module's server is deployed to three times, each deployment in a process of its own.
pytestmark = pytest.mark.timeout(300)


def _declared(file: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = yaml.safe_load((ROOT / file).read_text(encoding="utf-8"))["deployments"]
    return found


def _prefect(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "prefect", *arguments]


def _commands(start: str) -> list[list[str]]:
    """Commands of the page that start so, as lists of arguments."""
    found = re.findall(rf"^\$ prefect ({start}.*?)(?:\s+#.*)?$", _PAGE, re.MULTILINE)
    return [line.split() for line in found]


def _run(server: PrefectServer, arguments: list[str]) -> str:
    done = subprocess.run(
        _prefect("--no-prompt", *arguments), env={**plain_environment(), **server.environment}, cwd=ROOT,
        capture_output=True, text=True, timeout=_DEPLOY_SECONDS, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def client(prefect_server: PrefectServer) -> Iterator[SyncPrefectClient]:
    """A client of the session's server, with the work pools that the page creates; afterwards they are gone."""
    del prefect_server
    with get_client(sync_client=True) as client:
        yield client


@pytest.fixture(scope="module")
def deployed(
    prefect_server: PrefectServer, client: SyncPrefectClient
) -> Iterator[Mapping[str, DeploymentResponse]]:
    """Every deployment of both files, by name; those of prefect.personas.yaml with ``personas/`` before it."""
    pools = [command[2] for command in _commands("work-pool create")]
    assert {one["work_pool"]["name"] for file in _FILES for one in _declared(file)} <= set(pools)
    for command in _commands("work-pool create"):
        if command[2] in ("onboarding", "onboarding-administrators", "onboarding-executors"):
            _run(prefect_server, [*command, "--overwrite"])
    found: dict[str, DeploymentResponse] = {}
    for file, prefix in zip(_FILES, ("", "personas/"), strict=True):
        told = _run(prefect_server, ["deploy", "--prefect-file", file, "--all"])
        assert told.count("successfully created") == len(_declared(file)), told
        for deployment in client.read_deployments():
            found[prefix + deployment.name] = deployment
            client.delete_deployment(deployment.id)
    # As prefect.yaml has them: the tests below start runs of them.
    _run(prefect_server, ["deploy", "--all"])
    found |= {deployment.name: deployment for deployment in client.read_deployments()}
    yield found
    for deployment in client.read_deployments():
        client.delete_deployment(deployment.id)
    for name in pools:
        try:
            client.delete_work_pool(name)
        except ObjectNotFound:
            continue


def _example(name: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((ROOT / "examples" / f"{name}.yaml").read_text(encoding="utf-8"))
    return found


def _schema(deployment: DeploymentResponse) -> dict[str, Any]:
    assert deployment.parameter_openapi_schema is not None
    return deployment.parameter_openapi_schema


def _properties(schema: Any, path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Every property of a schema and of all that its definitions hold."""
    if isinstance(schema, list):
        for part in schema:
            yield from _properties(part, path)
    elif isinstance(schema, dict):
        for key, value in schema.items():
            # The rules beside a choice repeat what its branches describe.
            if key == "properties":
                for name, found in value.items():
                    yield f"{path}.{name}", found
                    yield from _properties(found, f"{path}.{name}")
            elif key not in ("allOf", "default", "examples"):
                yield from _properties(
                    value, f"{path}/{key}" if key in schema.get("definitions", {}) else path
                )


def test_a_plain_deploy_makes_every_deployment_of_both_files(
    deployed: Mapping[str, DeploymentResponse],
) -> None:
    named = {one["name"] for one in _declared("prefect.yaml")}
    assert named == {
        "onboard",
        "onboard-api",
        "bulk-onboard",
        "bulk-shard",
        "audit",
        "expire-grants",
        "evidence",
    }
    other = {f"personas/{one['name']}" for one in _declared("prefect.personas.yaml")}
    assert set(deployed) == named | other
    assert other == {f"personas/{name}" for name in (*named, "plan")}


def test_both_files_differ_in_work_pools_and_the_plan_only() -> None:
    plain, personas = (
        {one["name"]: {k: v for k, v in one.items() if k != "work_pool"} for one in _declared(file)}
        for file in _FILES
    )
    del personas["plan"]
    assert plain == personas


def test_every_deployment_is_described_tagged_enforced_and_of_the_projects_version(
    deployed: Mapping[str, DeploymentResponse],
) -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (version,) = re.findall(r'^version = "(.+)"$', text, re.MULTILINE)
    for name, deployment in deployed.items():
        assert len(deployment.description or "") > 60, name
        assert {"dataworks", "onboarding"} <= set(deployment.tags), name
        assert deployment.enforce_parameter_schema, name
        assert deployment.version == version, name


def test_every_schedule_has_its_time_zone_and_is_off(deployed: Mapping[str, DeploymentResponse]) -> None:
    crons = {
        "bulk-onboard": "0 3 * * *",
        "audit": "30 6 * * *",
        "expire-grants": "15 0 * * *",
        "evidence": "0 7 1 1,4,7,10 *",
    }
    for name, deployment in deployed.items():
        scheduled = crons.get(name.rpartition("/")[2])
        if scheduled is None:
            assert deployment.schedules == [], name
            continue
        (only,) = deployment.schedules
        assert not only.active
        assert only.schedule.model_dump(include={"cron", "timezone"}) == {
            "cron": scheduled,
            "timezone": "Asia/Shanghai",
        }


def test_what_can_pause_for_an_approval_has_no_limit_since_a_paused_run_loses_its_slot_and_crashes(
    deployed: Mapping[str, DeploymentResponse],
) -> None:
    pausing = [one for one in deployed.values() if "require_approval" in _schema(one)["properties"]]
    assert {"onboard", "onboard-api", "bulk-onboard"} <= {one.name for one in pausing}
    assert [one.name for one in pausing if one.global_concurrency_limit is not None] == []


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("onboard", 200),
        ("onboard-api", 200),
        ("personas/plan", 200),
        ("bulk-onboard", 18),
        ("bulk-shard", 13),
    ],
)
def test_every_field_of_the_form_is_described_with_an_example_or_default(
    deployed: Mapping[str, DeploymentResponse], name: str, least: int
) -> None:
    schema = _schema(deployed[name])
    fields = list(_properties({key: schema.get(key, {}) for key in ("properties", "definitions")}))
    assert len(fields) > least
    for path, field in fields:
        assert field.get("description"), path
        assert field.get("title"), path
        assert "position" in field, path
        told = {"examples", "default", "enum", "const"} & set(field) or "Example" in field["description"]
        # What is a form itself has its examples inside.
        assert told or "$ref" in field or "anyOf" in field, path


def test_there_is_one_form_for_each_source_type_and_each_accepts_its_example(
    deployed: Mapping[str, DeploymentResponse], client: SyncPrefectClient
) -> None:
    schema = _schema(deployed["onboard"])
    forms = [
        schema["definitions"][one["$ref"].rpartition("/")[2]]
        for one in schema["properties"]["spec"]["anyOf"][:-1]
    ]
    assert [one["properties"]["type"]["enum"] for one in forms] == [[name] for name in source_types()]
    assert [one["title"] for one in forms] == [one.title for one in source_types().values()]
    for name in source_types():
        for spec in (_example(name), load_spec(ROOT / "examples" / f"{name}.yaml").model_dump(mode="json")):
            made = client.create_flow_run_from_deployment(deployed["onboard"].id, parameters={"spec": spec})
            assert made.parameters["spec"]["name"] == spec["name"]
            client.delete_flow_run(made.id)


def test_enumerations_are_selects(deployed: Mapping[str, DeploymentResponse]) -> None:
    schema = _schema(deployed["onboard"])
    form = schema["definitions"]["OssForm"]["properties"]
    assert schema["properties"]["mode"]["enum"] == ["plan", "apply"]
    assert form["permissions"]["enum"] == ["minimal", "vendor"]
    assert form["environments"]["items"]["enum"] == ["DEV", "PROD"]
    assert schema["definitions"]["Access"]["enum"] == ["read", "write", "read_write"]
    assert "RAM201" in schema["definitions"]["IgnoredFinding"]["properties"]["code"]["enum"]
    assert schema["definitions"]["OssSyncTask"]["properties"]["business_date"]["format"] == "date"


_WRONG = [
    (("workspace",), "ten", "spec.workspace"),
    (("workspace",), None, "'workspace' is a required property"),
    (("type",), "oracle", "spec.type"),
    (("location", "buket"), "shop", "'buket' was unexpected"),
    (("access",), "everything", "spec.access"),
    (("sync_task", "reader", "colum"), ["*"], "'colum' was unexpected"),
    (("sync_task", "writer", "truncate"), "perhaps", "spec.sync_task.writer.truncate"),
    (("sync_task", "schedule", "cron"), 5, "spec.sync_task.schedule.cron"),
]


@pytest.mark.parametrize(("path", "value", "named"), _WRONG, ids=[one[2] for one in _WRONG])
def test_the_server_refuses_a_wrong_field_and_names_it(
    deployed: Mapping[str, DeploymentResponse],
    prefect_server: PrefectServer,
    path: tuple[str, ...],
    value: Any,
    named: str,
) -> None:
    spec = _example("oss")
    inside = spec
    for part in path[:-1]:
        inside = inside[part]
    if value is None:
        del inside[path[-1]]
    else:
        inside[path[-1]] = value
    answer = httpx.post(
        f"{prefect_server.api}/deployments/{deployed['onboard-api'].id}/create_flow_run",
        json={"parameters": {"spec": spec}}, trust_env=False,
    )  # fmt: skip
    assert answer.status_code == 409
    assert named in answer.json()["detail"]
    assert "Orders of the shop" not in answer.text  # one field, not the whole specification


def test_a_parameter_that_does_not_exist_or_is_missing_is_refused(
    deployed: Mapping[str, DeploymentResponse], prefect_server: PrefectServer
) -> None:
    for parameters, named in (
        ({"mode": "apply"}, "'spec' is a required"),
        ({"spec": _example("oss"), "mode": "x"}, "'mode'"),
    ):
        answer = httpx.post(
            f"{prefect_server.api}/deployments/{deployed['onboard-api'].id}/create_flow_run",
            json={"parameters": parameters}, trust_env=False,
        )  # fmt: skip
        assert answer.status_code == 409
        assert named in answer.json()["detail"]


def test_deploying_on_a_terminal_asks_nothing(
    deployed: Mapping[str, DeploymentResponse], prefect_server: PrefectServer
) -> None:
    del deployed
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        _prefect("deploy", "--all"), cwd=ROOT, stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True,
        env={**plain_environment(), **prefect_server.environment, "PREFECT_CLI_PROMPT": "true", "TERM": "xterm"},
    )  # fmt: skip
    os.close(theirs)
    told = _until_ended(ours, process)
    assert process.returncode == 0, told
    assert told.count("successfully created") == len(_declared("prefect.yaml")), told


def _until_ended(terminal: int, process: subprocess.Popen[bytes]) -> str:
    """What a program writes to a terminal on which nobody types; a question would never be answered."""
    told, ends = b"", time.monotonic() + _DEPLOY_SECONDS
    try:
        while time.monotonic() < ends:
            if select.select([terminal], [], [], 0.5)[0]:
                try:
                    told += os.read(terminal, 65_536)
                except OSError:  # the other end is closed
                    break
            elif process.poll() is not None:
                break
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(5)
    finally:
        os.close(terminal)
    return told.decode(errors="replace")

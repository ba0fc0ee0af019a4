"""The commands as a shell sees them: exit codes, what is printed where, and what they load."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import jsonschema
import pytest

from emulator.server import RunningCloud
from tests.cli.commands import example_mapping, onboard, read_until, started, write_spec
from tests.flows.server import (
    ROOT,
    PrefectServer,
    group_is_empty,
    local_cloud_environment,
    plain_environment,
)
from tests.tasks.onboarding import EXAMPLE, add_fault

DEAF = "S_res_group_1001_3"


def _environment(server: PrefectServer, local: RunningCloud, **people: str) -> dict[str, str]:
    return {**server.environment, **local_cloud_environment(local, **people)}


def _writes(local: RunningCloud) -> list[str]:
    return [entry.action for entry in local.cloud.journal.writes]


def test_help_imports_neither_prefect_nor_pydantic_nor_an_sdk() -> None:
    program = (
        "import sys; from cli.main import run\n"
        "try: run(['--help'])\n"
        "except SystemExit as ended: assert not ended.code\n"
        "heavy = ('prefect', 'pydantic', 'alibabacloud', 'darabonba', 'Tea', 'uvicorn', 'yaml', 'tenacity')\n"
        "print([name for name in sys.modules if name.startswith(heavy)], file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], env=plain_environment(), cwd=ROOT, capture_output=True, text=True,
        timeout=60, check=True,
    )  # fmt: skip
    assert "apply" in done.stdout
    assert done.stderr.strip() == "[]"


def test_check_says_the_names_it_would_use(tmp_path: Path) -> None:
    done = onboard("check", str(EXAMPLE))
    assert done.returncode == 0
    assert "DataWorks-10001-oss-orders" in done.stdout
    as_json = onboard("check", "--json", write_spec(tmp_path))
    assert as_json.returncode == 0
    assert json.loads(as_json.stdout)["pass_role_policy"] == "DataWorks-10001-oss-ordersAllowUse"
    assert as_json.stderr == ""


def test_schema_is_a_json_schema_that_accepts_the_example() -> None:
    done = onboard("schema")
    assert done.returncode == 0
    schema = json.loads(done.stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(example_mapping(), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**example_mapping(), "resourcegroups": []}, schema)


def test_permissions_prints_a_policy_for_each_persona() -> None:
    done = onboard("permissions", str(EXAMPLE), "--account", "1234567890123456", "--json")
    assert done.returncode == 0
    printed = json.loads(done.stdout)
    assert {"administrator", "creator", "developer", "executor"} <= set(
        json.dumps(printed).replace('"', " ").split()
    )


# -- plan and apply ------------------------------------------------------------------------------------


def test_plan_then_exactly_this_plan_then_nothing_left_to_do(
    prefect_server: PrefectServer, local: RunningCloud, tmp_path: Path
) -> None:
    environment = _environment(prefect_server, local)
    spec, plan = write_spec(tmp_path), tmp_path / "plan.json"
    planned = onboard("plan", spec, "--json", "--out", str(plan), environment=environment)
    assert planned.returncode == 3, planned.stderr
    assert json.loads(planned.stdout)["outcome"] == "planned"
    assert _writes(local) == []

    applied = onboard("apply", spec, "--json", "--plan", str(plan), environment=environment)
    assert applied.returncode == 0, applied.stdout + applied.stderr
    report = json.loads(applied.stdout)
    assert report["outcome"] == "created"
    assert [step["outcome"] for step in report["steps"]] == ["created"] * 5
    assert {run["records_written"] for run in report["runs"]} == {5}
    assert _writes(local)

    local.cloud.journal.clear()
    again = onboard("apply", spec, "--yes", environment=environment)
    assert again.returncode == 0
    assert _writes(local) == []
    assert "\x1b" not in again.stdout
    assert again.stdout.count("unchanged") >= 5
    assert "Records: 10 read, 10 written" in again.stdout
    assert "local-secret" not in again.stdout + again.stderr

    assert onboard("plan", spec, environment=environment).returncode == 0
    assert _writes(local) == []


def test_a_failed_step_ends_with_1_and_tells_reason_person_and_remedy(
    prefect_server: PrefectServer, local: RunningCloud, tmp_path: Path
) -> None:
    mapping = example_mapping()
    mapping["resource_groups"] = ["S_res_group_1001_1", DEAF]
    mapping["sync_task"]["resource_group"] = DEAF
    done = onboard(
        "apply", write_spec(tmp_path, mapping), "--yes", environment=_environment(prefect_server, local)
    )
    assert done.returncode == 1
    assert "Failed at step 3" in done.stdout
    assert "The creator can fix it: bind the resource group's VPC" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_a_blocked_preflight_ends_with_2_as_one_json_document(
    prefect_server: PrefectServer, local: RunningCloud, tmp_path: Path
) -> None:
    spec = write_spec(tmp_path, grantees={"users": ["carol"]})
    done = onboard("apply", spec, "--yes", "--json", environment=_environment(prefect_server, local))
    assert done.returncode == 2
    report = json.loads(done.stdout)
    assert report["failure"]["kind"] == "PreflightBlocked"
    assert "erin" in report["failure"]["what"]
    assert _writes(local) == []


def test_ctrl_c_ends_a_waiting_apply_with_130_and_applying_again_goes_on(
    prefect_server: PrefectServer, local: RunningCloud, tmp_path: Path
) -> None:
    environment = _environment(prefect_server, local)
    local.cloud.settings.instance_steps = 1_000_000
    spec = write_spec(tmp_path)
    with started("apply", spec, "--yes", environment=environment) as process:
        assert process.stderr is not None
        said = read_until(process, "running: ")
        process.send_signal(signal.SIGINT)
        code = process.wait(30)
        told = process.stderr.read()
        assert code == 130, said + told
        assert "apply again to go on" in told
        assert "Traceback" not in told
        assert group_is_empty(process)
    (instance,) = local.cloud.state.dataworks.instances.values()
    assert instance.status != "SUCCESS"
    local.cloud.settings.instance_steps = 1
    again = onboard("apply", spec, "--yes", "--json", environment=environment)
    assert again.returncode == 0, again.stdout
    assert len(local.cloud.state.dataworks.instances) == 2


def test_ctrl_c_does_not_wait_for_a_call_that_is_not_answered(
    prefect_server: PrefectServer, local: RunningCloud, tmp_path: Path
) -> None:
    add_fault(local, action="TestNetworkConnection", delay=90, times=None)
    spec = write_spec(tmp_path, resource_groups=["S_res_group_1001_1"])
    with started("apply", spec, "--yes", environment=_environment(prefect_server, local)) as process:
        assert process.stderr is not None
        read_until(process, "data source oss_orders (PROD)")
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
        assert "apply again to go on" in process.stderr.read()
        assert group_is_empty(process)


# -- emulator ------------------------------------------------------------------------------------------


def test_emulator_announces_url_and_keys_serves_and_ends_with_ctrl_c() -> None:
    with started("emulator", "--port", "0", "--json") as process:
        assert process.stdout is not None
        announced = json.loads(process.stdout.readline())
        assert {key["user"] for key in announced["keys"]} >= {"alice", "carol", "dave", "erin"}
        with urllib.request.urlopen(f"{announced['url']}/_emulator/health", timeout=10) as answer:  # noqa: S310  # our own loopback URL
            assert json.load(answer)["result"]["ready"] is True
        process.send_signal(signal.SIGINT)
        assert process.wait(15) in (0, 130)
        assert group_is_empty(process)


def test_emulator_on_a_taken_port_ends_with_2_and_says_what_to_do() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        done = onboard("emulator", "--port", str(taken.getsockname()[1]))
    assert done.returncode == 2
    assert "--port" in done.stderr
    assert "Traceback" not in done.stderr


def test_emulator_with_a_bad_account_file_ends_with_2(tmp_path: Path) -> None:
    account = tmp_path / "account.yaml"
    account.write_text("account: {nonsense: 1}\n", encoding="utf-8")
    done = onboard("emulator", "--port", "0", "--account", str(account))
    assert done.returncode == 2
    assert "nonsense" in done.stderr

"""The locked versions of Prefect and FastAPI together: a server, a deployment and a worker that runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import yaml
from prefect.client.orchestration import get_client

from emulator.server import RunningCloud
from tests.flows.server import ROOT, PrefectServer, local_cloud_environment, plain_environment, stop
from tests.tasks.onboarding import EXAMPLE

_WORKER_SECONDS = 90


def _prefect(server: PrefectServer, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "prefect", "--no-prompt", *arguments],
        env={**plain_environment(), **server.environment},
        cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_worker_runs_the_deployment_of_prefect_yaml_to_its_end(
    prefect_server: PrefectServer, local: RunningCloud, tmp_path: Path
) -> None:
    declared, *_ = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
    with get_client(sync_client=True) as client:
        _prefect(prefect_server, "work-pool", "create", declared["work_pool"]["name"], "--type", "process")
        _prefect(prefect_server, "deploy", "--name", declared["name"])
        deployment = client.read_deployment_by_name(f"onboard data source/{declared['name']}")
        assert deployment.entrypoint == declared["entrypoint"]
        assert set(declared["tags"]) <= set(deployment.tags)
        spec = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
        flow_run = client.create_flow_run_from_deployment(deployment.id, parameters={"spec": spec})
        log = (tmp_path / "worker.log").open("w", encoding="utf-8")
        worker = subprocess.Popen(
            [sys.executable, "-m", "prefect", "worker", "start", "--pool", "onboarding", "--type", "process", "--run-once"],
            env={**plain_environment(), **prefect_server.environment, **local_cloud_environment(local)},
            cwd=ROOT, stdout=log, stderr=subprocess.STDOUT, text=True, start_new_session=True,
        )  # fmt: skip
        try:
            worker.wait(_WORKER_SECONDS)
        finally:
            stop(worker)
            log.close()
        ended = client.read_flow_run(flow_run.id)
    told = (tmp_path / "worker.log").read_text(encoding="utf-8")
    assert ended.state is not None
    assert ended.state.is_completed(), told[-3000:]
    assert ended.state.message == "created: oss_orders in workspace 10001, 10 read, 10 written"
    assert ended.name == "onboard oss_orders in 10001"
    assert "local-secret" not in told
    assert len(local.cloud.state.dataworks.instances) == 2

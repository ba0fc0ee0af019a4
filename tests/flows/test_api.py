"""The page about the API is true: its blocks are run with curl against a server that asks for its password."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.responses import DeploymentResponse
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings

from cli.servers.scale import scale_server
from emulator.server import RunningCloud
from tests.flows.deployed import carried_out, deploy, guarded_api
from tests.flows.installations import BOTH, SQLITE
from tests.flows.server import ROOT, PrefectServer, plain_environment

pytestmark = [
    pytest.mark.skipif(
        not (shutil.which("curl") and shutil.which("jq")), reason="needs curl and jq, which the page uses"
    ),
    pytest.mark.servers,
    pytest.mark.timeout(300),
]
PAGE = ROOT / "docs" / "api.md"
PASSWORD = "admin:only-for-this-test"  # of a server that lives as long as this module's tests
_HEADINGS = re.compile(r"^## (.+)$", re.MULTILINE)
_BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks() -> dict[str, str]:
    """The page's shell, by heading; what stands before the first heading is under ""."""
    parts = ["", *_HEADINGS.split(PAGE.read_text(encoding="utf-8"))]
    return {
        heading: "\n".join(_BLOCK.findall(text))
        for heading, text in zip(parts[::2], parts[1::2], strict=True)
    }


@dataclass(frozen=True)
class Shell:
    """Runs blocks of the page in one folder with given variables."""

    folder: Path
    variables: dict[str, str]

    def run(self, *texts: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """One script, which ends at the first error."""
        return subprocess.run(
            ["bash", "-euo", "pipefail", "-c", "\n".join(texts)],  # noqa: S607  # the shell that the page is written for
            env={**plain_environment(), **self.variables, **variables},
            cwd=self.folder, capture_output=True, text=True, timeout=90, check=False,
        )  # fmt: skip


@pytest.fixture(scope="module", params=BOTH)
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[PrefectServer]:
    """The session's server on SQLite, then one on PostgreSQL and Redis; this process's clients use it."""
    if request.param == SQLITE:
        found: PrefectServer = request.getfixturevalue("prefect_server")
        yield found
        return
    with (
        scale_server(tmp_path_factory.mktemp("scale")) as started,
        temporary_settings({PREFECT_API_URL: started.api, PREFECT_HOME: started.home}),
    ):
        yield started


@pytest.fixture(scope="module")
def deployment(server: PrefectServer) -> DeploymentResponse:
    """``onboard-api`` on the server."""
    del server
    with get_client(sync_client=True) as client:
        return deploy(client)


@pytest.fixture
def shell(server: PrefectServer, tmp_path: Path) -> Shell:
    """A shell as the page's first block wants it."""
    return Shell(tmp_path, {"PREFECT_API_URL": server.api})


def test_the_page_starts_one_run_waits_reads_its_result_and_plans_first(
    shell: Shell, deployment: DeploymentResponse, local: RunningCloud
) -> None:
    page = blocks()
    # Keys last as long as the session's server, which may have seen the page's already.
    texts = [
        page[name].replace("ticket-", f"{uuid4()}-")
        for name in ("", "Find the deployment", "Start a run", "Wait for it", "Read the result", "Plan first")
    ]
    assert all(texts)
    with carried_out(deployment, local):
        done = shell.run(*texts)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Validation failed for field 'spec.workspace'" in done.stdout
    assert done.stdout.splitlines()[-3:] == ["created", "nothing failed", '"created"']
    result: dict[str, Any] = json.loads((shell.folder / "result.json").read_text(encoding="utf-8"))
    assert result["data_source"] == "orders_oss"
    assert json.loads((shell.folder / "approved.json").read_text(encoding="utf-8"))["parameters"][
        "approved_plan"
    ]
    creating = [entry.action for entry in local.cloud.journal.writes if entry.action == "CreateRole"]
    assert len(creating) == 1


def test_a_run_that_has_not_begun_is_cancelled_at_once(shell: Shell, deployment: DeploymentResponse) -> None:
    with get_client(sync_client=True) as client:
        flow_run = client.create_flow_run_from_deployment(deployment.id, parameters={"spec": _anything()})
        done = shell.run(blocks()[""], blocks()["Cancel a run"], RUN=str(flow_run.id))
        assert (done.returncode, done.stdout.strip()) == (0, "CANCELLED"), done.stdout + done.stderr
        state = client.read_flow_run(flow_run.id).state
    assert state is not None
    assert state.is_cancelled()


@pytest.mark.parametrize("server", BOTH[:1], indirect=True)
def test_without_the_password_everything_but_health_is_refused(
    shell: Shell, server: PrefectServer, deployment: DeploymentResponse
) -> None:
    with guarded_api(server, PASSWORD) as guarded:
        _is_refused_without_the_password(shell, guarded, deployment)


def _is_refused_without_the_password(shell: Shell, guarded: str, deployment: DeploymentResponse) -> None:
    find = [blocks()[""], "api GET /health", blocks()["Find the deployment"], "echo $DEPLOYMENT"]
    for wrong in (":", "admin:wrong"):
        refused = shell.run(*find, PREFECT_API_URL=guarded, PREFECT_API_AUTH_STRING=wrong)
        assert refused.returncode != 0
        assert refused.stdout.strip() == "true"
        assert "401" in refused.stderr
    found = shell.run(*find, PREFECT_API_URL=guarded, PREFECT_API_AUTH_STRING=PASSWORD)
    assert found.stdout.strip() == f"true{deployment.id}", found.stderr


def _anything() -> dict[str, Any]:
    """The page's own specification."""
    text = blocks()["Start a run"]
    spec: dict[str, Any] = json.loads(text[text.index("{") : text.index("\nJSON")])["parameters"]["spec"]
    return spec

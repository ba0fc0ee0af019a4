"""Whole installations as the documentation describes them: on SQLite, and on PostgreSQL and Redis, with ``prefect.yaml`` deployed.

Both are started once a session, by whichever test asks first, and ended with it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings

from cli.servers.prefect_server import PrefectServer, start_on_sqlite
from cli.servers.processes import free_port, group
from cli.servers.scale import missing, scale_server
from tests.flows.scale_worker import run_prefect

SQLITE, SCALE = "sqlite", "postgresql-and-redis"
POOL = "onboarding"
"""The work pool of ``prefect.yaml``."""
_REASON = missing()
BOTH = [
    pytest.param(SQLITE, id=SQLITE),
    pytest.param(SCALE, id=SCALE, marks=pytest.mark.skipif(_REASON is not None, reason=_REASON or "")),
]
"""Parameters of a fixture or test that wants each kind; what cannot be started here is skipped with the reason."""

ENDED = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
_ANSWER_SECONDS = 60


class Installation:
    """A running installation, asked over its REST API as any other system would do it."""

    def __init__(self, server: PrefectServer) -> None:
        self.server = server
        self._api = httpx.Client(base_url=f"{server.api}/", trust_env=False, timeout=_ANSWER_SECONDS)

    def close(self) -> None:
        """Close the connections."""
        self._api.close()

    def ask(self, method: str, path: str, content: object = None) -> Any:
        """A JSON answer; SQLite that is locked by another write is asked again, as Prefect's own clients do."""
        found: list[httpx.Response] = []

        def answered() -> bool:
            found.append(self._api.request(method, path, json=content))
            return found[-1].status_code != httpx.codes.SERVICE_UNAVAILABLE

        until(answered, _ANSWER_SECONDS)
        answer = found[-1]
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json() if answer.content else None

    def deployment(self, name: str) -> dict[str, Any]:
        """A deployment by ``flow/deployment``."""
        found: dict[str, Any] = self.ask("GET", f"deployments/name/{name}")
        return found

    def start(self, deployment: str, parameters: dict[str, Any]) -> str:
        """Start a deployment's run; its id."""
        place = f"deployments/{self.deployment(deployment)['id']}/create_flow_run"
        return str(self.ask("POST", place, {"parameters": parameters})["id"])

    def state(self, flow_run: str) -> dict[str, Any]:
        """The state of a flow run."""
        state: dict[str, Any] = self.ask("GET", f"flow_runs/{flow_run}")["state"]
        return state

    def ended(self, flow_run: str, seconds: float, told: Callable[[], str] = lambda: "") -> dict[str, Any]:
        """The final state of a flow run; ``told`` explains why there is none."""
        until(lambda: self.state(flow_run)["type"] in ENDED, seconds, told)
        return self.state(flow_run)

    def artifacts(self, flow_run: str) -> dict[str, Any]:
        """The data of a flow run's artifacts by key."""
        chosen = {"artifacts": {"flow_run_id": {"any_": [flow_run]}}}
        return {one["key"]: one["data"] for one in self.ask("POST", "artifacts/filter", chosen)}

    def logs(self, flow_run: str) -> str:
        """What a flow run has logged."""
        chosen = {"logs": {"flow_run_id": {"any_": [flow_run]}}, "sort": "TIMESTAMP_ASC"}
        return "\n".join(one["message"] for one in self.ask("POST", "logs/filter", chosen))

    def variables(self, start: str) -> list[str]:
        """Names of Prefect variables that start so."""
        found = self.ask("POST", "variables/filter", {"variables": {"name": {"like_": start}}})
        return sorted(one["name"] for one in found)


def until(happens: Callable[[], bool], seconds: float, told: Callable[[], str] = lambda: "") -> None:
    """Wait for other processes, which have no clock to inject."""
    ends = time.monotonic() + seconds
    while not happens():
        assert time.monotonic() < ends, f"not within {seconds:.0f} seconds\n{told()}"
        time.sleep(0.1)


@contextmanager
def installation(kind: str, folder: Path) -> Iterator[Installation]:
    """Start one, make the work pool and deploy everything; this process's clients use it until the block ends."""
    with _server(kind, folder) as server:
        run_prefect(server, "work-pool", "create", POOL, "--type", "process")
        run_prefect(server, "deploy", "--all")
        made = Installation(server)
        try:
            with temporary_settings({PREFECT_API_URL: server.api, PREFECT_HOME: server.home}):
                yield made
        finally:
            made.close()


@contextmanager
def _server(kind: str, folder: Path) -> Iterator[PrefectServer]:
    if kind == SCALE:
        with scale_server(folder) as server:
            yield server
        return
    home = folder / "home"
    home.mkdir()
    with group() as servers:
        yield start_on_sqlite(servers, folder, home, free_port(), {})

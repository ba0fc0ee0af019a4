"""Workers of process work pools, and what has to be on the server before they start."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import yaml

from cli.servers.prefect_server import ROOT, PrefectServer, own_environment, prefect
from cli.servers.processes import LOOK_SECONDS, Command, StartFailed, run

_PAGE = 200  # the API's longest
_LOST = "The servers were stopped while it ran; start it again to go on."
_UNFINISHED = ("RUNNING", "PENDING", "CANCELLING", "PAUSED")


def worker_command(
    server: PrefectServer,
    pool: str,
    name: str,
    log: Path,
    settings: Mapping[str, str],
    *,
    limit: int | None = None,
    cwd: Path = ROOT,
) -> Command:
    """How a worker of ``pool`` is started that looks for work every second and runs ``limit`` flow runs at a time.

    ``settings`` are further variables of its environment, which its flow runs inherit; it runs in ``cwd``.
    """
    arguments = prefect("worker", "start", "--pool", pool, "--type", "process", "--name", name)
    if limit is not None:
        arguments += ["--limit", str(limit)]
    environment = {
        **own_environment(),
        **server.environment,
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PWD": str(cwd),
        **settings,
    }
    return Command(arguments, environment, log, cwd=cwd)


def pools_of(prefect_file: Path) -> tuple[str, ...]:
    """The work pools that the deployments of a ``prefect.yaml`` name, in its order.

    Raises :class:`cli.servers.processes.StartFailed` when it cannot be read.
    """
    try:
        content: Any = yaml.safe_load(prefect_file.read_text(encoding="utf-8"))
        named = [deployment["work_pool"]["name"] for deployment in content["deployments"]]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise StartFailed(f"no work pools can be read from {prefect_file}: {error}") from error
    return tuple(dict.fromkeys(named))


def set_up(
    server: PrefectServer, pools: Sequence[str], logs: Path, settings: Mapping[str, str], blocks: str
) -> None:
    """Make the work pools that are not there, deploy everything, and save the identities of ``settings`` as blocks.

    The blocks are named ``<blocks>-administrator`` and so on. Raises :class:`cli.servers.processes.StartFailed`.
    """
    environment = {**own_environment(), **server.environment, **settings}

    def told(arguments: Sequence[str], log: str) -> Command:
        return Command(arguments, environment, logs / f"{log}.log", cwd=ROOT)

    saving = [sys.executable, "-m", "cli", "blocks", "--save", blocks]
    new = [pool for pool in pools if not _exists(server, pool)]
    run(*(told(prefect("work-pool", "create", pool, "--type", "process"), f"pool-{pool}") for pool in new))
    run(told(saving, "blocks"), told(prefect("deploy", "--all"), "deploy"))


def crash_lost_runs(server: PrefectServer, pools: Sequence[str], seconds: float = 10) -> int:
    """Say of the pools' flow runs that are under way that they are lost; returns how many.

    Prefect itself never notices. To be called when no worker of these pools is there, nor any process of theirs;
    ``seconds`` is the longest wait for an answer. Raises :class:`cli.servers.processes.StartFailed` when it fails.
    """
    chosen = {
        "flow_runs": {"state": {"type": {"any_": _UNFINISHED}}},
        "work_pools": {"name": {"any_": list(pools)}},
        "limit": _PAGE,
    }
    lost = 0
    while found := _ask(server, "POST", "/flow_runs/filter", chosen, seconds).json():
        for flow_run in found:
            state = {"type": "CRASHED", "message": _LOST}
            path = f"/flow_runs/{flow_run['id']}/set_state"
            _ask(server, "POST", path, {"state": state, "force": True}, seconds)
            lost += 1
    return lost


def _exists(server: PrefectServer, pool: str) -> bool:
    chosen = {"work_pools": {"name": {"any_": [pool]}}}
    return bool(_ask(server, "POST", "/work_pools/filter", chosen).json())


def _ask(
    server: PrefectServer, method: str, path: str, content: object = None, seconds: float = 10
) -> httpx.Response:
    until = time.monotonic() + seconds
    try:
        while True:
            answer = httpx.request(
                method, f"{server.api}{path}", json=content, timeout=seconds, trust_env=False
            )
            # SQLite is locked by somebody else's write; Prefect's own clients ask again, too.
            if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE or time.monotonic() > until:
                return answer.raise_for_status()
            time.sleep(LOOK_SECONDS)
    except httpx.HTTPError as error:
        raise StartFailed(f"the Prefect server does not do what it is asked: {error}") from error

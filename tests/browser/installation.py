"""A Prefect server with UI, a local cloud, deployments and a worker for the browser; and what a browser needs here."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from cli.servers.local_cloud import start_local_cloud
from cli.servers.marks import kept, new_mark
from cli.servers.prefect_server import ROOT, own_environment, start_on_sqlite
from cli.servers.processes import free_port, group
from cli.servers.workers import pools_of, set_up, worker_command

_HERE = Path(__file__).resolve().parent
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_SCENARIO_SECONDS = 400


@dataclass(frozen=True)
class Installation:
    """A running installation: the addresses of the UI and the local cloud, and the browser that looks at it."""

    ui: str
    cloud: str
    chromium: str

    def scenario(self, name: str, **given: str) -> Any:
        """Play a scenario of ``scenarios.mjs``; what it has seen. Raises ``AssertionError`` with its words when it breaks."""
        arguments = {"ui": self.ui, "chromium": self.chromium, **given}
        done = subprocess.run(
            ["node", str(_HERE / "scenarios.mjs"), name, json.dumps(arguments)],  # noqa: S607  # whichever node there is
            env=own_environment(), capture_output=True, text=True, timeout=_SCENARIO_SECONDS, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def written(self, name: str) -> list[str]:
        """The calls that have written an object of the data source ``name``, as the local cloud's journal has them."""
        answer = httpx.get(
            f"{self.cloud}/_emulator/journal", params={"writes": "true"}, timeout=30, trust_env=False
        )
        named = (name, name.replace("_", "-"))
        calls = answer.raise_for_status().json()["result"]
        return [one["action"] for one in calls if any(word in str(one["object"]) for word in named)]


def missing() -> str | None:
    """Why no browser can be driven here; None when one can."""
    if chromium() is None:
        return f"no browser: none of {', '.join(_BROWSERS)} is installed"
    if shutil.which("node") is None:
        return "no browser driver: Node.js is not installed"
    if not (_HERE / "node_modules" / "playwright-core").is_dir():
        return "no browser driver: `npm ci` in tests/browser has not been run"
    return None


def chromium() -> str | None:
    """The path of a browser of Chromium's family."""
    return next((found for name in _BROWSERS if (found := shutil.which(name))), None)


@contextmanager
def installation(folder: Path) -> Iterator[Installation]:
    """Everything on free ports of loopback, ended with the block; its files are in ``folder``."""
    browser = chromium()
    assert browser is not None
    logs, home = folder / "logs", folder / "prefect"
    for part in (logs, home):
        part.mkdir()
    mark = new_mark("BROWSER_TESTS_MARK")
    with ExitStack() as stack:
        stack.enter_context(kept(mark))  # flow runs do not always end with their worker
        servers = stack.enter_context(group())
        cloud = start_local_cloud(
            servers, logs / "local-cloud.log", free_port(), folder / "cloud.json", None, mark
        )
        server = start_on_sqlite(servers, logs, home, free_port(), mark)
        pools = pools_of(ROOT / "prefect.yaml")
        settings = {**cloud.environment, **mark}
        set_up(server, pools, logs, settings, "local")
        workers = stack.enter_context(group())
        for pool in pools:
            workers.start(
                worker_command(server, pool, f"{pool}-browser", logs / f"worker-{pool}.log", settings)
            )
        yield Installation(server.api.removesuffix("/api"), cloud.url, browser)

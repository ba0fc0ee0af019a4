"""Flows run in this process and report to a real Prefect server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings

from emulator.account import load_account
from emulator.cloud import LocalCloud
from emulator.server import RunningCloud, serve_in_thread
from tests.flows.server import PrefectServer, shared_server


@pytest.fixture(scope="session")
def prefect_server(request: pytest.FixtureRequest) -> Iterator[PrefectServer]:
    """The session's server; this process's clients use it."""
    server = shared_server(request.config)
    with temporary_settings({PREFECT_API_URL: server.api, PREFECT_HOME: server.home}):
        yield server


@pytest.fixture(scope="module")
def shop() -> Iterator[RunningCloud]:
    """A local cloud of a module's own: its tests look at one flow run together."""
    cloud = LocalCloud(load_account())
    cloud.settings.enforce_rates = False
    with serve_in_thread(cloud) as running:
        yield running

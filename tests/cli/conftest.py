"""Commands run as their own processes against the session's Prefect server and a local cloud."""

from __future__ import annotations

import pytest

from tests.flows.server import PrefectServer, shared_server


@pytest.fixture(scope="session")
def prefect_server(request: pytest.FixtureRequest) -> PrefectServer:
    """The session's server, for other processes."""
    return shared_server(request.config)

"""Shared ground of all tests: a closed environment, and local clouds to talk to.

The environment is set before anything imports an SDK: the SDK's default credential chain would otherwise ask the
ECS metadata address, and proxy variables would capture loopback calls (the SDK ignores NO_PROXY).
"""

from __future__ import annotations

import os
from collections.abc import Iterator

for _name in [name for name in os.environ if name.lower().endswith("_proxy")]:
    del os.environ[_name]
for _name in [name for name in os.environ if name.startswith(("ONBOARD_", "ALIBABA_CLOUD_"))]:
    del os.environ[_name]
os.environ["ALIBABA_CLOUD_ECS_METADATA_DISABLED"] = "true"
os.environ["DO_NOT_TRACK"] = "1"
os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"

import pytest  # noqa: E402  # the environment above must be set first

from emulator.account import load_account  # noqa: E402  # as above
from emulator.cloud import LocalCloud  # noqa: E402  # as above
from emulator.server import RunningCloud, serve_in_thread  # noqa: E402  # as above


@pytest.fixture(scope="session")
def _served() -> Iterator[RunningCloud]:
    with serve_in_thread(LocalCloud(load_account())) as running:
        yield running


@pytest.fixture
def local(_served: RunningCloud) -> RunningCloud:
    """The sample account, freshly reset, served on loopback; rates are off unless a test turns them on."""
    _served.cloud.reset()
    _served.cloud.settings.enforce_rates = False
    return _served

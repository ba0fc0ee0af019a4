"""What tests of the cloud layer begin with."""

from __future__ import annotations

import pytest

from emulator.server import RunningCloud
from tests.cloud.shop import Shop


@pytest.fixture
def shop(local: RunningCloud) -> Shop:
    """A shop in which nothing is made yet."""
    return Shop(local)

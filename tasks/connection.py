"""The connection to the cloud that the tasks of this process share.

Clients are never task parameters: they hold secrets and cannot be pickled safely. A worker process builds its own
gate from the settings; a test or an embedding program installs one with :func:`use_gate`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from cloud.gate import Gate
from config.settings import Settings

_lock = threading.Lock()
_gates: dict[str, Gate] = {}
_installed: Gate | None = None


def gate_for(region: str) -> Gate:
    """The gate of a region, built from the environment's settings when it is first asked for.

    Raises ``pydantic.ValidationError`` for settings that are not valid.
    """
    with _lock:
        if _installed is not None:
            return _installed
        if region not in _gates:
            _gates[region] = Gate(Settings(), region)
        return _gates[region]


@contextmanager
def use_gate(gate: Gate | None) -> Iterator[None]:
    """Let every task of this process use ``gate``; None: build anew from the environment."""
    global _installed  # noqa: PLW0603  # one connection per process is the point
    with _lock:
        before, _installed = _installed, gate
        _gates.clear()
    try:
        yield
    finally:
        with _lock:
            _installed = before
            _gates.clear()

"""The connection to the cloud that the tasks of this process share.

Clients are never task parameters: they hold secrets and cannot be pickled safely. A worker process builds its own
gate from the settings; a test or an embedding program installs one with :func:`use_gate`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cloud.gate import Gate
from cloud.sessions import session_scope
from config.settings import Settings
from config.spec import DataSourceSpec
from policy import minified
from tasks.declared import reading_policies, session_policies

MakeGate = Callable[[str], Gate]
"""The gate of a region."""


def _from_environment(region: str) -> Gate:
    return Gate(Settings(), region)


_lock = threading.Lock()
_gates: dict[str, Gate] = {}
_make: MakeGate = _from_environment


def gate_for(region: str) -> Gate:
    """The gate of a region, built from the environment's settings when it is first asked for.

    Raises ``pydantic.ValidationError`` for settings that are not valid.
    """
    with _lock:
        if region not in _gates or _gates[region].stopped:
            _gates[region] = _make(region)
        return _gates[region]


@contextmanager
def use_gates(make: MakeGate | None) -> Iterator[None]:
    """Let every task of this process use the gates that ``make`` builds; None: build anew from the environment."""
    global _make, _gates  # noqa: PLW0603  # one connection per process and region is the point
    with _lock:
        before, _make = (_make, _gates), make or _from_environment
        _gates = {}
    try:
        yield
    finally:
        with _lock:
            _make, _gates = before


@contextmanager
def use_gate(gate: Gate | None) -> Iterator[None]:
    """Let every task of this process use ``gate``, whatever its region; None: build anew from the environment."""
    with use_gates(None if gate is None else lambda region: gate):
        yield


@contextmanager
def step_limits(spec: DataSourceSpec, step: int) -> Iterator[None]:
    """Limit the sessions of assumed roles to what a step declares; step 0 is everything before step 1."""
    policies = {persona: minified(document) for persona, document in session_policies(spec, step).items()}
    with session_scope(policies):
        yield


@contextmanager
def file_limits() -> Iterator[None]:
    """Limit the sessions of assumed roles to reading, for the plan of a whole file."""
    policies = {persona: minified(document) for persona, document in reading_policies().items()}
    with session_scope(policies):
        yield


@contextmanager
def step_gate(spec: DataSourceSpec, step: int) -> Iterator[Gate]:
    """The gate for one step: sessions of assumed roles may do what the step declares, and nothing else."""
    with step_limits(spec, step):
        yield gate_for(spec.region)


@contextmanager
def use_credentials(blocks: dict[str, str], region: str) -> Iterator[None]:
    """Let the tasks of this flow run use the credentials blocks named per persona; none named changes nothing.

    Raises :class:`config.credentials.BlockError` for a block that cannot be used.
    """
    if not blocks:
        yield
        return
    from config.credentials import identities_from

    present = gate_for(region)
    identities = identities_from(blocks, present.settings.identities)
    settings = present.settings.model_copy(update={"identities": identities})
    with use_gate(Gate(settings, region, present.clock)):
        yield

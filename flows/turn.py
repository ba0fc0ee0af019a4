"""One onboarding of a data source at a time: whoever comes second waits for its turn, and says for whom.

A limit of a Prefect deployment counts runs, not data sources, and a global concurrency limit keeps its slots when the
server that kept its leases in memory (the default) is started anew: nobody gives them back. So a turn is a Prefect
variable, made by whoever has the turn: the database lets only one be made of a name, on SQLite as on PostgreSQL, and it
outlives the server. Its holder changes it every some seconds. It is taken away from a holder that has ended, whose process
is gone from this machine, or that was silent for longer than a minute and a half; only one of several waiters can do so,
because it is deleted by its id. A holder that was silent for so long and lives finds its turn gone before its next step.

The rows of a file have such turns, too: :mod:`flows.row_turns`. Runs that report to different Prefect servers know
nothing of each other.
"""

from __future__ import annotations

import contextlib
import contextvars
import os
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any
from uuid import UUID, uuid4

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import VariableCreate
from prefect.client.schemas.objects import Variable
from prefect.exceptions import ObjectAlreadyExists, ObjectNotFound
from prefect.runtime import flow_run

from cloud.errors import Mismatch, TimedOut
from config.personas import Persona
from config.spec import DataSourceSpec
from tasks.options import announce

TAGS = ["dataworks-onboarding", "turn"]


@dataclass(frozen=True)
class Pace:
    """Times of a turn, in seconds: between two signs of life, until a silent holder counts as dead, between two looks
    of a waiter, and how long a waiter waits at most.
    """

    beat: float = 15.0
    silence: float = 90.0
    look: float = 2.0
    wait: float = 3600.0


def turn_name(spec: DataSourceSpec) -> str:
    """Name of the variable: variables have lower-case letters, digits, ``-`` and ``_`` only."""
    return f"onboarding-turn-{spec.workspace}-{re.sub('[^a-z0-9_-]', '_', spec.name.lower())}"


class Turn:
    """The right to onboard one data source, while the ``with`` block lasts.

    Entering raises :class:`cloud.errors.TimedOut` when another run does not end within ``pace.wait`` seconds.
    """

    def __init__(self, spec: DataSourceSpec, pace: Pace | None = None) -> None:
        self._spec = spec
        self._pace = pace or Pace()
        self._token = uuid4().hex
        self._variable: UUID | None = None
        self._lost = threading.Event()
        self._over = threading.Event()

    def __enter__(self) -> Turn:
        self._take()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    def require(self) -> None:
        """Raise :class:`cloud.errors.Mismatch` when the turn was taken away: another run may be writing now."""
        if self._lost.is_set():
            raise taken_over(self._spec, self._pace)

    @contextlib.contextmanager
    def left(self) -> Iterator[None]:
        """Let others have their turn meanwhile, and wait for it again when the block has ended well."""
        self._leave()
        yield
        self._take()

    def _take(self) -> None:
        with get_client(sync_client=True) as client:
            self._variable = take(client, self._spec, self._value(0), self._pace)
        self._over = threading.Event()
        # A thread has no settings of its own: the copy has those of whoever runs the flow.
        beat = (contextvars.copy_context().run, (self._beat, self._over))
        threading.Thread(target=beat[0], args=beat[1], daemon=True, name="onboarding-turn").start()

    def _value(self, beat: int) -> dict[str, Any]:
        return {**holder(self._token), "beat": beat}

    def _beat(self, over: threading.Event) -> None:
        """Signs of life, until the turn is over or lost. A server that does not answer is asked again."""
        beat, variable = 0, self._variable
        value = self._value(beat)
        with get_client(sync_client=True) as client:
            while not over.wait(self._pace.beat):
                beat += 1
                try:
                    client.request(
                        "PATCH", "/variables/{id}", path_params={"id": variable}, json={"value": {**value, "beat": beat}}
                    )  # fmt: skip
                except httpx.HTTPStatusError as refusal:
                    if refusal.response.status_code == 404 and not over.is_set():
                        self._lost.set()
                        return
                except httpx.HTTPError:
                    continue

    def _leave(self) -> None:
        self._over.set()
        variable, self._variable = self._variable, None
        if variable is not None:
            with get_client(sync_client=True) as client:
                delete(client, variable)


def take(
    client: SyncPrefectClient,
    spec: DataSourceSpec,
    value: Mapping[str, Any],
    pace: Pace,
    *,
    wait: bool = True,
    pause: Callable[[float], None] = time.sleep,
    alone: AbstractContextManager[object] | None = None,
) -> UUID:
    """Make the variable of a turn with this ``value`` (:func:`holder`), as soon as nobody else has it; its id.

    ``alone`` is held while the variable is written, not while others are waited for. Raises
    :class:`cloud.errors.TimedOut` after ``pace.wait`` seconds, and :class:`Held` at once when it is not to ``wait``.
    """
    began, told = time.monotonic(), ""
    watch = _Watch()
    while True:
        with alone or contextlib.nullcontext():
            found = _try(client, spec, value)
        if isinstance(found, UUID):
            return found
        silent = watch.silent_for(client, found)
        if silent > pace.silence or is_gone(client, found):
            announce(f"{_who(found)} has ended or is lost: its turn at {_subject(spec)} is taken over")
            _take_away(client, found)
            continue
        who = _who(found)
        if not wait:
            raise Held(who)
        if who != told:
            told = who
            announce(f"waiting for {who}, which onboards the same {_subject(spec)}")
        if time.monotonic() - began > pace.wait:
            raise TimedOut(
                f"{who} onboards it, and has not ended within {pace.wait:.0f} seconds",
                subject=_subject(spec),
                persona=Persona.CREATOR,
                remedy="let that run end or cancel it, then start this one again",
            )
        pause(pace.look)


class Held(Exception):
    """Somebody else has the turn; who, is the text."""


def holder(token: str) -> dict[str, Any]:
    """What a turn's variable says of this run and process; ``token`` tells it from all others."""
    return {
        "run": str(flow_run.id or ""),
        "name": str(flow_run.name or ""),
        "process": os.getpid(),
        "machine": this_machine(),
        "token": token,
    }


def taken_over(spec: DataSourceSpec, pace: Pace) -> Mismatch:
    """The error of a run that was silent for so long that another one has its turn."""
    return Mismatch(
        f"another run has taken over, because this one gave no sign of life for {pace.silence:.0f} seconds",
        subject=_subject(spec),
        persona=Persona.CREATOR,
        remedy="let the other run end, then start this one again; what is done is found and not repeated",
    )


def _subject(spec: DataSourceSpec) -> str:
    return f"data source {spec.name} in workspace {spec.workspace}"


def _try(client: SyncPrefectClient, spec: DataSourceSpec, value: Mapping[str, Any]) -> UUID | Variable:
    """Take the turn: the id of its variable; the variable of who has it, when it is taken."""
    name = turn_name(spec)
    while True:
        try:
            made = client.create_variable(VariableCreate(name=name, value=dict(value), tags=TAGS))
        except ObjectAlreadyExists:
            made = None
        # A repeated request whose first answer was lost is refused, too: then the variable is ours.
        found = made or client.read_variable_by_name(name)
        if found is not None:
            return found.id if _fact(found, "token") == value["token"] else found


def _take_away(client: SyncPrefectClient, variable: Variable) -> None:
    """Delete a turn; before it the sign of life that all turns of its run have in common, so that the run notices."""
    life = _life_of(client, variable)
    if life is not None:
        delete(client, life.id)
    delete(client, variable.id)


def _life_of(client: SyncPrefectClient, variable: Variable) -> Variable | None:
    name = _fact(variable, "life")
    return client.read_variable_by_name(name) if isinstance(name, str) else None


class _Watch:
    """How long a holder has given no sign of life, by this process's clock: no two clocks are compared."""

    def __init__(self) -> None:
        self._seen: object = None
        self._since = 0.0

    def silent_for(self, client: SyncPrefectClient, variable: Variable) -> float:
        """Seconds since the turn, or the sign of life that it names, was first seen as it is now."""
        now = time.monotonic()
        life = _life_of(client, variable)
        beat = _fact(variable if life is None else life, "beat")
        seen = (variable.id, None if life is None else life.id, beat)
        if seen != self._seen:
            self._seen, self._since = seen, now
        return now - self._since


def _fact(variable: Variable, key: str) -> Any:
    """One part of a turn's value; None when somebody else has made the variable."""
    return variable.value.get(key) if isinstance(variable.value, dict) else None


def _who(variable: Variable) -> str:
    return f"flow run {_fact(variable, 'name')} ({_fact(variable, 'run')})"


def is_gone(client: SyncPrefectClient, variable: Variable) -> bool:
    """Whether the holder surely runs no more: its flow run has ended, or its process on this machine has."""
    with contextlib.suppress(ValueError):
        try:
            state = client.read_flow_run(UUID(str(_fact(variable, "run")))).state
        except ObjectNotFound:
            return True
        if state is not None and state.is_final():
            return True
    process = _fact(variable, "process")
    return _fact(variable, "machine") == this_machine() and isinstance(process, int) and not _lives(process)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def this_machine() -> str:
    """What processes that see each other's ids have in common: this start of the machine, and the container."""
    parts = [socket.gethostname()]
    with contextlib.suppress(OSError):
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip())
        parts.append(str(Path("/proc/self/ns/pid").stat().st_ino))
    return " ".join(parts)


def delete(client: SyncPrefectClient, variable: UUID) -> None:
    """Delete exactly this variable; nothing when it is gone, or when another one has its name meanwhile."""
    try:
        client.request("DELETE", "/variables/{id}", path_params={"id": variable})
    except httpx.HTTPStatusError as refusal:
        if refusal.response.status_code != 404:
            raise

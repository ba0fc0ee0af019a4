"""One onboarding of a data source at a time: whoever comes second waits for its turn, and says for whom.

A limit of a Prefect deployment counts runs, not data sources, and a global concurrency limit keeps its slots when the
server that kept its leases in memory (the default) is started anew: nobody gives them back. So a turn is a Prefect
variable, made by whoever has the turn: the database lets only one be made of a name, on SQLite as on PostgreSQL, and it
outlives the server. Its holder changes it every some seconds. It is taken away from a holder that has ended, whose process
is gone from this machine, or that was silent for longer than a minute and a half; only one of several waiters can do so,
because it is deleted by its id. A holder that was silent for so long and lives finds its turn gone before its next step.

Runs that report to different Prefect servers know nothing of each other.
"""

from __future__ import annotations

import contextlib
import contextvars
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
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

_TAGS = ["dataworks-onboarding", "turn"]


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
            raise Mismatch(
                "another run has taken over, because this one gave no sign of life for "
                f"{self._pace.silence:.0f} seconds",
                subject=self._subject,
                persona=Persona.CREATOR,
                remedy="let the other run end, then start this one again; what is done is found and not repeated",
            )

    @contextlib.contextmanager
    def left(self) -> Iterator[None]:
        """Let others have their turn meanwhile, and wait for it again when the block has ended well."""
        self._leave()
        yield
        self._take()

    @property
    def _subject(self) -> str:
        return f"data source {self._spec.name} in workspace {self._spec.workspace}"

    def _take(self) -> None:
        began, told = time.monotonic(), ""
        watch = _Watch()
        with get_client(sync_client=True) as client:
            while True:
                other = self._try(client)
                if other is None:
                    break
                silent = watch.silent_for(other)
                if silent > self._pace.silence or _is_gone(client, other):
                    announce(f"{_who(other)} has ended or is lost: its turn at {self._subject} is taken over")
                    _delete(client, other.id)
                    continue
                if (who := _who(other)) != told:
                    told = who
                    announce(f"waiting for {who}, which onboards the same {self._subject}")
                if time.monotonic() - began > self._pace.wait:
                    raise self._waited_too_long(who)
                time.sleep(self._pace.look)
        self._over = threading.Event()
        # A thread has no settings of its own: the copy has those of whoever runs the flow.
        beat = (contextvars.copy_context().run, (self._beat, self._over))
        threading.Thread(target=beat[0], args=beat[1], daemon=True, name="onboarding-turn").start()

    def _waited_too_long(self, who: str) -> TimedOut:
        return TimedOut(
            f"{who} onboards it, and has not ended within {self._pace.wait:.0f} seconds",
            subject=self._subject,
            persona=Persona.CREATOR,
            remedy="let that run end or cancel it, then start this one again",
        )

    def _try(self, client: SyncPrefectClient) -> Variable | None:
        """Take the turn; who has it, when it is taken."""
        name = turn_name(self._spec)
        while True:
            try:
                made = client.create_variable(VariableCreate(name=name, value=self._value(0), tags=_TAGS))
            except ObjectAlreadyExists:
                made = None
            # A repeated request whose first answer was lost is refused, too: then the variable is ours.
            found = made or client.read_variable_by_name(name)
            if found is None:
                continue
            if _fact(found, "token") != self._token:
                return found
            self._variable = found.id
            return None

    def _value(self, beat: int) -> dict[str, Any]:
        return {
            "run": str(flow_run.id or ""),
            "name": str(flow_run.name or ""),
            "process": os.getpid(),
            "machine": this_machine(),
            "token": self._token,
            "beat": beat,
        }

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
                _delete(client, variable)


class _Watch:
    """How long a holder has given no sign of life, by this process's clock: no two clocks are compared."""

    def __init__(self) -> None:
        self._seen: object = None
        self._since = 0.0

    def silent_for(self, variable: Variable) -> float:
        """Seconds since the variable was first seen as it is now."""
        now, seen = time.monotonic(), (variable.id, _fact(variable, "beat"))
        if seen != self._seen:
            self._seen, self._since = seen, now
        return now - self._since


def _fact(variable: Variable, key: str) -> Any:
    """One part of a turn's value; None when somebody else has made the variable."""
    return variable.value.get(key) if isinstance(variable.value, dict) else None


def _who(variable: Variable) -> str:
    return f"flow run {_fact(variable, 'name')} ({_fact(variable, 'run')})"


def _is_gone(client: SyncPrefectClient, variable: Variable) -> bool:
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


def _delete(client: SyncPrefectClient, variable: UUID) -> None:
    """Delete exactly this variable; nothing when it is gone, or when another one has its name meanwhile."""
    try:
        client.request("DELETE", "/variables/{id}", path_params={"id": variable})
    except httpx.HTTPStatusError as refusal:
        if refusal.response.status_code != 404:
            raise

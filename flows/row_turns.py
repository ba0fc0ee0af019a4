"""The turns of a file's rows: whichever run comes first, over a file or over one data source, has the data source to itself.

A row takes the turn that a single onboarding takes (:mod:`flows.turn`), for as long as the row is under way: two requests a
row. Signs of life would be many, so that all turns of one run name one variable that has them: it is there as long as the
run is. Who takes a turn away from a silent run deletes that variable, too, and all rows of that run stop before their next step.
"""

from __future__ import annotations

import contextlib
import contextvars
import threading
from types import TracebackType
from uuid import UUID, uuid4

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import VariableCreate
from prefect.exceptions import PrefectException

from cloud.clock import Stopped
from config.spec import DataSourceSpec
from flows.turn import TAGS, Pace, delete, holder, take, taken_over, turn_name


class RowTurns:
    """The turns of one run, while the ``with`` block lasts; made use of from any thread.

    What is still held at the block's end is given back. Nothing is asked of Prefect before the first row.
    """

    def __init__(self, pace: Pace | None = None) -> None:
        self._pace = pace or Pace()
        self._token = uuid4().hex
        self._held: dict[str, UUID] = {}
        self._lock = threading.Lock()
        # A server on SQLite refuses one of two writes at once (503), and who is refused waits for seconds: rows would wait
        # for one another longer than they work.
        self._writing = threading.Lock()
        self._life: UUID | None = None
        self._beats = 0
        self._beating: threading.Thread | None = None
        self._lost = threading.Event()
        self._over = threading.Event()
        self._stack = contextlib.ExitStack()
        self._opened: SyncPrefectClient | None = None

    def __enter__(self) -> RowTurns:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()
        with self._stack:
            if self._opened is None or self._beating is None:
                return
            self._beating.join()  # it makes use of what is closed next
            left = [*self._held.values(), *([self._life] if self._life else [])]
            # The life last: without it, whoever looks takes the others for a lost run's.
            for variable in left:
                # What cannot be given back now is taken over by the next who wants it, because this run has ended.
                with contextlib.suppress(httpx.HTTPError, PrefectException):
                    delete(self._opened, variable)

    def end(self) -> None:
        """Let rows that wait for their turns end with :class:`cloud.clock.Stopped`."""
        self._over.set()

    def take(self, spec: DataSourceSpec, *, wait: bool) -> None:
        """Take the turn of a data source.

        Raises :class:`flows.turn.Held` at once when somebody else has it and it is not to ``wait``; otherwise
        :class:`cloud.errors.TimedOut` as in :func:`flows.turn.take`.
        """
        client = self._client()
        value = {**holder(self._token), "life": self._life_name}
        variable = take(client, spec, value, self._pace, wait=wait, pause=self._pause, alone=self._writing)
        with self._lock:
            self._held[turn_name(spec)] = variable

    def leave(self, spec: DataSourceSpec) -> None:
        """Give a turn back; nothing when it is not held."""
        with self._lock:
            variable = self._held.pop(turn_name(spec), None)
        if variable is not None:
            client = self._client()
            with self._writing:
                delete(client, variable)

    def require(self, spec: DataSourceSpec) -> None:
        """Raise :class:`cloud.errors.Mismatch` when the run's turns were taken away: another may be writing now."""
        if self._lost.is_set():
            raise taken_over(spec, self._pace)

    def _pause(self, seconds: float) -> None:
        """A waiting row ends with the run."""
        if self._over.wait(seconds):
            raise Stopped

    @property
    def _life_name(self) -> str:
        return f"onboarding-run-{self._token}"

    def _client(self) -> SyncPrefectClient:
        with self._lock:
            if self._opened is None:
                client = self._stack.enter_context(get_client(sync_client=True))
                life = {**holder(self._token), "beat": 0}
                made = client.create_variable(VariableCreate(name=self._life_name, value=life, tags=TAGS))
                assert made is not None
                self._life, self._opened = made.id, client
                # A thread has no settings of its own: the copy has those of whoever runs the flow.
                context = contextvars.copy_context()
                self._beating = threading.Thread(
                    target=context.run, args=(self._beat,), daemon=True, name="onboarding-turns"
                )
                self._beating.start()
            return self._opened

    def look(self) -> None:
        """Give a sign of life, and see whether the run is taken for lost. A server that does not answer is asked again."""
        assert self._opened is not None
        self._beats += 1
        value = {**holder(self._token), "beat": self._beats}
        try:
            with self._writing:
                self._opened.request(
                    "PATCH", "/variables/{id}", path_params={"id": self._life}, json={"value": value}
                )
        except httpx.HTTPStatusError as refusal:
            if refusal.response.status_code == 404 and not self._over.is_set():
                self._lost.set()
        except httpx.HTTPError:
            return

    def _beat(self) -> None:
        while not (self._over.wait(self._pace.beat) or self._lost.is_set()):
            self.look()

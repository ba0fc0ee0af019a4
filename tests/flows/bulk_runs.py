"""A file's flow run on a real Prefect server, with everything that the server shows of it."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prefect.client.schemas.objects import State

from cloud.gate import Gate
from emulator.server import RunningCloud
from flows.bulk import onboard_from_csv
from flows.bulk_report import BulkReport, RowReport
from tasks.connection import use_gates
from tests.flows.files import gate_of
from tests.flows.runs import Ran, look_up


@dataclass(frozen=True)
class Seen:
    """One flow run: its report or error, what the server shows of it, and the writing calls it made."""

    result: Any
    state: State[Any]
    ran: Ran
    writes: tuple[str, ...]

    @property
    def report(self) -> BulkReport:
        """The flow's result, which must be a report."""
        assert isinstance(self.result, BulkReport), self.result
        return self.result

    @property
    def outcomes(self) -> list[str]:
        """Of the rows, in the file's order."""
        return [row.outcome.value for row in self.report.rows]

    def row(self, name: str) -> RowReport:
        """The report of a data source."""
        (found,) = [row for row in self.report.rows if row.data_source == name]
        return found

    def final_messages(self, name: str) -> list[str]:
        """The messages of a row's task runs, in the order of its steps."""
        runs = sorted(
            (one for one in self.ran.task_runs if one.name.endswith(name)), key=lambda one: one.name
        )
        return [(one.state.message or "") if one.state else "" for one in runs]


def onboard(
    local: RunningCloud,
    source: Path,
    gates: Callable[[str], Gate] | None = None,
    flow: Any = onboard_from_csv,
    **parameters: Any,
) -> Seen:
    """Run the flow in this process, with a clock that never sleeps; ``gates`` by region, else all of ``local``."""
    gate = gate_of(local)

    async def run() -> tuple[State[Any], Any]:
        state: State[Any] = await flow(str(source), **parameters, return_state=True)
        return state, await state.aresult(raise_on_failure=False)

    before = len(local.cloud.journal.writes)
    with use_gates(gates or (lambda region: gate)), prefect_leaks_sockets():
        state, result = asyncio.run(run())
    writes = tuple(entry.action for entry in local.cloud.journal.writes[before:])
    return Seen(result, state, look_up(state, result), writes)


@contextmanager
def prefect_leaks_sockets() -> Iterator[None]:
    """An asynchronous flow asks the server for its result storage with a client that Prefect does not close."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        yield
        gc.collect()

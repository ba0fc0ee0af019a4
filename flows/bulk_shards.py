"""The parent's side of shards: start a flow run for each, follow them, replace one that dies, merge their reports.

Prefect neither crashes nor repeats a flow run whose machine is lost: it stays RUNNING. So the parent looks at each
shard's own beat; one that is silent too long is cancelled and started again, and finds in the cloud what was done.
Rates are split, not shared call by call: asking Prefect before each call (a global concurrency limit) carries 26 to 62
calls a second, which is about what the cloud allows, and costs its server all its time. A shard that ends leaves its
share to the others.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from httpx import HTTPError
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State, WorkerStatus
from prefect.deployments import arun_deployment
from prefect.exceptions import ObjectNotFound, PrefectException, TerminationSignal
from prefect.states import Cancelled, Cancelling

from cloud.errors import MissingObject
from config.personas import Persona
from flows.bulk_link import BEAT_SECONDS, Beat, Link, Orders
from flows.bulk_merge import merge
from flows.bulk_progress import Progress
from flows.bulk_report import BulkReport, RowOutcome, RowReport, Shard, Stop
from flows.bulk_run import BulkRun
from tasks.options import announce

DEPLOYMENT = "onboard shard of CSV/bulk-shard"
"""The deployment that shards are runs of; see prefect.yaml."""
_ATTEMPTS = 3
_LOOK_SECONDS = 1.0  # between two looks at the shards
_UNHEARD = 60  # looks in a row that the server may leave unanswered: a minute
# Calls of several processes meet less evenly than those of one, and each refused call slows its shard down.
_OF_SEVERAL = 0.98
_ROWS_A_SHARD = 25  # fewer are not worth the start of a process


async def shards_of(wanted: int | str) -> int:
    """The number of shards; ``auto``: as many as workers are online in the work pool of the shards' deployment.

    Raises :class:`MissingObject` when shards are wanted and there is no such deployment.
    """
    if isinstance(wanted, int) and wanted <= 1:
        return 1
    async with get_client() as client:
        try:
            deployment = await client.read_deployment_by_name(DEPLOYMENT)
        except ObjectNotFound:
            raise _no_deployment(DEPLOYMENT) from None
        if isinstance(wanted, int):
            return wanted
        workers = await client.read_workers_for_work_pool(deployment.work_pool_name or "")
    return max(1, sum(worker.status == WorkerStatus.ONLINE for worker in workers))


def _no_deployment(name: str) -> MissingObject:
    return MissingObject(
        "it does not exist",
        subject=f"deployment {name}",
        persona=Persona.DEVELOPER,
        remedy="run `prefect deploy --all` in the project's folder, or leave shards out",
    )


@dataclass
class _Follow:
    """One shard as the parent sees it."""

    number: int
    places: Sequence[int]
    started: float
    flow_run: UUID | None = None
    attempts: int = 0
    beat: Beat | None = None
    heard: float = field(default_factory=time.monotonic)
    report: BulkReport | None = None
    ended: float = 0.0
    failed: str = ""

    @property
    def over(self) -> bool:
        """Whether nothing more is to be expected of it."""
        return self.report is not None or bool(self.failed)


@asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Let ``work`` go on until the block ends."""
    task = asyncio.get_running_loop().create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


class Shards:
    """The rows of one run over several workers."""

    def __init__(
        self, run: BulkRun, key: str, parameters: dict[str, Any], deployment: str = DEPLOYMENT
    ) -> None:
        self._run = run
        self._key = key
        self._link = Link(key)
        self._parameters = parameters
        self._deployment = deployment
        self._shards: list[_Follow] = []
        self._telling_since: float | None = None

    async def apply(self, count: int, told: Callable[[Progress], None]) -> BulkReport | None:
        """Make what rows share, have the shards do the rows, and return their merged report; None: nothing was left.

        The shards' processes start while roles are made, and wait. Raises :class:`MissingObject` when there is no such
        deployment.
        """
        run = self._run
        expected = list(run.plan.changed) if run.may_begin() else []
        try:
            await self._begin(expected, count)
            places = await self._share_out()
            if not places or run.stop is not None:
                await self._cancel("nothing is left for it")
                return None
            if places != expected:  # a role failed, and so its rows are not the shards'
                await self._cancel("a role that rows share could not be made")
                await self._link.close(len(self._shards))
                self._link = Link(f"{self._key}again")
                await self._begin(places, count)
            await self._link.hand_on(run.ready)
            await self._tell()
            async with _beside(self._live()):
                await self._follow(told)
        except (asyncio.CancelledError, KeyboardInterrupt, TerminationSignal):
            await self._end_with_us()
            raise
        finally:
            await self._link.close(len(self._shards))
        return merge([self._report_of(shard) for shard in self._shards])

    async def _begin(self, places: Sequence[int], count: int) -> None:
        """Start a flow run for each shard; they wait until they are told to begin."""
        count = min(count, -(-len(places) // _ROWS_A_SHARD))
        now = time.time()
        # Every n-th row: neighbours are alike, so each shard gets the same mixture.
        self._shards = [_Follow(number, places[number::count], now) for number in range(count)]
        await self._tell(begin=False)
        await asyncio.gather(*(self._start(shard) for shard in self._shards))

    async def _share_out(self) -> list[int]:
        """Make what rows share, while the waiting shards hear that we live. When it fails they are cancelled."""
        try:
            async with _beside(self._live(begin=False)):
                return await self._run.share_out()
        except BaseException:
            await asyncio.shield(self._cancel("what its rows share could not be made"))
            raise

    async def _live(self, *, begin: bool = True) -> None:
        """Say that we live, as shards do; a server that keeps us waiting keeps them waiting too, which is no silence."""
        for count in itertools.count(1):
            await asyncio.sleep(BEAT_SECONDS)
            self._telling_since = time.monotonic()
            try:
                await self._tell(begin=begin, count=count)
            except (PrefectException, HTTPError) as error:
                announce(f"the shards were not told that their parent lives: {error}")
            waited, self._telling_since = self._waiting(), None
            for shard in self._shards:
                shard.heard += waited

    def _waiting(self) -> float:
        """How long the server has kept us waiting for a beat of our own beyond what is usual, in seconds."""
        if self._telling_since is None:
            return 0.0
        return max(0.0, time.monotonic() - self._telling_since - BEAT_SECONDS)

    async def _follow(self, told: Callable[[Progress], None]) -> None:
        """Look at each shard until all are over."""
        unheard = 0
        while not all(shard.over for shard in self._shards):
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                for shard in self._shards:
                    if not shard.over:
                        await self._look(shard)
                await self._count(told)
                unheard = 0
            except (PrefectException, HTTPError) as error:
                # The shards go on without us; only a server that stays away ends the run.
                unheard += 1
                announce(f"Prefect's server did not answer: {error}")
                if unheard >= _UNHEARD:
                    raise

    async def _cancel(self, why: str) -> None:
        """Shards that have not begun need not."""
        async with get_client() as client:
            for shard in self._shards:
                if shard.flow_run is not None:
                    await client.set_flow_run_state(shard.flow_run, Cancelled(message=why), force=True)

    async def _end_with_us(self) -> None:
        """The run of the file is cancelled: its shards are ended by their workers, each after the calls it is in."""
        async with get_client() as client:
            for shard in self._shards:
                if shard.flow_run is not None and not shard.over:
                    ending: State[None] = Cancelling(message="the run of the file was cancelled")
                    await client.set_flow_run_state(shard.flow_run, ending)

    async def _tell(self, *, begin: bool = True, count: int = 0) -> None:
        """Each shard that is not over has the same part of the rates."""
        working = sum(not shard.over for shard in self._shards)
        stop = self._run.stop.what if self._run.stop else ""
        share = 1.0 if working <= 1 else _OF_SEVERAL / working
        await self._link.order(Orders(share, stop, begin, count))

    async def _start(self, shard: _Follow) -> None:
        shard.attempts += 1
        shard.beat, shard.heard = None, time.monotonic()
        rows = [self._run.rows[place].number for place in shard.places]
        parameters = {
            **self._parameters,
            "run_key": self._link.key,
            "shard": shard.number,
            "rows": rows,
            "rows_at_once": self._rows_at_once(),
        }
        try:
            flow_run = await arun_deployment(self._deployment, parameters=parameters, timeout=0)
        except ObjectNotFound:
            raise _no_deployment(self._deployment) from None
        shard.flow_run = flow_run.id
        announce(
            f"shard {shard.number}: {len(rows)} rows, flow run {flow_run.name}, attempt {shard.attempts}"
        )

    def _rows_at_once(self) -> int:
        """In all shards together half as many again as keep the rates full in one.

        All of them in each would go in waves, with pauses between; no more than in one, and a row that takes longer
        beside so many processes leaves room unused.
        """
        return min(self._run.rows_at_once, math.ceil(1.5 * self._run.rows_at_once / len(self._shards)))

    async def _look(self, shard: _Follow) -> None:
        """Its beat, its state, its report; start it again when it is dead."""
        silence = self._run.gate.settings.shard_silence
        beat = await self._link.last_beat(shard.number)
        if beat is not None and beat != shard.beat:
            shard.beat, shard.heard = beat, time.monotonic()
        assert shard.flow_run is not None
        async with get_client() as client:
            state = (await client.read_flow_run(shard.flow_run)).state
        if state is not None and state.is_final():
            shard.report = await self._link.report(shard.number)
            if shard.report is None:
                await self._again(
                    shard, f"its flow run ended as {state.name} without a report: {state.message}"
                )
            else:
                await self._finished(shard)
        elif state is not None and state.is_running() and self._silent(shard) > silence:
            await self._again(shard, f"it has been silent for {silence:.0f} s")

    def _silent(self, shard: _Follow) -> float:
        return time.monotonic() - shard.heard - self._waiting()

    async def _again(self, shard: _Follow, why: str) -> None:
        announce(f"shard {shard.number}: {why}")
        assert shard.flow_run is not None
        async with get_client() as client:
            await client.set_flow_run_state(shard.flow_run, Cancelled(message=f"replaced: {why}"), force=True)
        if shard.attempts >= _ATTEMPTS:
            shard.failed = f"shard {shard.number} was given up after {_ATTEMPTS} attempts: {why}"
            await self._finished(shard)
        else:
            await self._start(shard)

    async def _finished(self, shard: _Follow) -> None:
        shard.ended = time.time()
        await self._tell()

    async def _count(self, told: Callable[[Progress], None]) -> None:
        """The whole run's progress, and its brake on failures."""
        progress, run = self._run.progress, self._run
        progress.done = sum(shard.beat.done for shard in self._shards if shard.beat)
        # Roles that failed here, and rows that failed there.
        failed = run.failures + sum(shard.beat.failed for shard in self._shards if shard.beat)
        progress.failed = failed
        limit = run.brakes.failures
        if limit is not None and failed >= limit and run.stop is None:
            what = f"{failed} of at most {limit} failures"
            run.stop = Stop("failures", what, "mend what failed, then start it again with the same file")
            await self._tell()
        told(progress)

    def _report_of(self, shard: _Follow) -> BulkReport:
        """The shard's own report with what the parent knows of it; without one, rows that were not started."""
        report = shard.report or self._lost(shard)
        if shard.attempts > 1:
            self._credit(shard, report)
        seen = Shard(shard.number, len(shard.places), shard.started, shard.ended, attempts=shard.attempts)
        report.shards = (seen,)
        return report

    def _credit(self, shard: _Follow, report: BulkReport) -> None:
        """What an attempt has done that was then lost is found by the next one, and is this run's doing all the same."""
        place_of = {self._run.rows[place].number: place for place in shard.places}
        for row in report.rows:
            if row.outcome is RowOutcome.UNCHANGED and row.row in place_of:
                changes = self._run.plan.rows[place_of[row.row]].changes
                created = any(change.created for change in changes)
                row.outcome = RowOutcome.CREATED if created else RowOutcome.UPDATED
                row.reason = "made by an earlier attempt of its shard"

    def _lost(self, shard: _Follow) -> BulkReport:
        rows: list[RowReport] = []
        for place in shard.places:
            row = self._run.row_report(place, RowOutcome.NOT_STARTED)
            row.reason, row.remedy = (
                shard.failed,
                "look at the worker's log, then start it again with the same file",
            )
            rows.append(row)
        region = self._run.gate.region
        return BulkReport(str(self._parameters["source"]), region, "apply", shard.started, time.time(), rows)

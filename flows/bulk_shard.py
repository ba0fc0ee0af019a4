"""The flow of one shard: some rows of a file, carried out by one worker at its share of the account's rates."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from typing import Annotated

from httpx import HTTPError
from prefect import flow
from prefect.exceptions import PrefectException

from cloud.errors import Mismatch, MissingObject
from config.csv_file import Row
from config.forms import BlockOwner, Blocks, titled
from config.personas import Persona
from config.settings import Settings
from flows.bulk import ended_with, read_file
from flows.bulk_brakes import Brakes
from flows.bulk_form import Defaults, OnInvalid, RowsAtOnce
from flows.bulk_link import BEAT_SECONDS, Beat, Link, Orders
from flows.bulk_merge import merge
from flows.bulk_region import RunOf, by_region, carry_out
from flows.bulk_report import BulkReport, Stop
from flows.bulk_run import BulkRun
from flows.bulk_units import Ready
from tasks.connection import gate_for, use_credentials
from tasks.options import announce

_LOOK_SECONDS = 0.5  # how often a waiting shard looks whether it may begin


def _run_name() -> str:
    """``shard 2 of sources.csv``."""
    from prefect.runtime import flow_run

    from config.csv_place import shown_place

    return (
        f"shard {flow_run.parameters.get('shard')} of {shown_place(str(flow_run.parameters.get('source')))}"
    )


@flow(name="onboard shard of CSV", flow_run_name=_run_name, persist_result=False)
async def onboard_shard(
    source: Annotated[str, titled("CSV file")],
    shard: Annotated[int, titled("Shard")],
    rows: Annotated[list[int], titled("Rows")],
    run_key: Annotated[str, titled("Key of the run")],
    source_digest: Annotated[str, titled("Digest of the file")],
    defaults: Annotated[Defaults, titled("Defaults of columns")] = None,
    on_invalid: Annotated[OnInvalid, titled("When a row is invalid")] = "stop",
    rows_at_once: Annotated[RowsAtOnce, titled("Rows at once")] = None,
    credentials: Annotated[Blocks, titled("Credentials")] = None,
) -> BulkReport:
    """Carry out some rows of a file for the flow that has planned all of them. Not to be started by hand.

    Args:
        source: The same file as the parent's. Example: examples/bulk/sources.csv
        shard: Number of the shard, from 0. Example: 0
        rows: The rows to carry out, by line. Example: 2
        run_key: By which parent and shards find each other. Example: 5d1f7c0a
        source_digest: SHA-256 of what the parent has read; another file is refused. Example: 9f86d081884c7d65
        defaults: As the parent's. Example: examples/bulk/defaults.yaml
        on_invalid: As the parent's. Example: stop
        rows_at_once: Rows under way at the same time. Example: 32
        credentials: As the parent's.
    """
    began = time.time()
    link = Link(run_key)
    file = await asyncio.to_thread(read_file, source, defaults, on_invalid)
    if file.digest != source_digest:
        raise Mismatch(
            "the file has changed since the run began",
            subject=file.source,
            persona=Persona.CREATOR,
            remedy="start the whole run again; what is done is found and not repeated",
        )
    wanted = set(rows)
    chosen = [row for row in file.rows if row.number in wanted]
    heart = _Heart(link, shard, len(chosen))
    beating = asyncio.get_running_loop().create_task(heart.run())
    try:
        heart.orders, ready = await _begun(link, file.source)
        run_of = RunOf(file.source, "apply", Brakes(), None, rows_at_once, ready=ready)
        parts = [
            await _region(members, region, run_of, heart, credentials)
            for region, members in by_region(chosen).items()
        ]
    finally:
        beating.cancel()
        await asyncio.gather(beating, return_exceptions=True)
    report = merge(parts)
    report.started = began
    await link.publish(shard, report)
    return ended_with(report)


async def _begun(link: Link, source: str) -> tuple[Orders, Mapping[str, Ready]]:
    """The orders, and the roles that the rows share, once they are made.

    Raises :class:`MissingObject` when nobody is there to make them.
    """
    silence = Settings().shard_silence
    seen, heard = await link.orders(), time.monotonic()
    while True:
        ready = await link.ready() if seen is not None and seen.begin else None
        if seen is not None and ready is not None:
            return seen, ready
        if seen is None or time.monotonic() - heard > silence:
            raise MissingObject(
                "the flow that started this shard is over, or has been silent too long",
                subject=f"shard of {source}",
                persona=Persona.CREATOR,
                remedy="start the flow of the file again; a shard is not started by itself",
            )
        await asyncio.sleep(_LOOK_SECONDS)
        orders = await link.orders()
        if orders != seen:
            seen, heard = orders, time.monotonic()


async def _region(
    rows: Sequence[Row], region: str, run_of: RunOf, heart: _Heart, credentials: dict[BlockOwner, str] | None
) -> BulkReport:
    """The shard's rows of one region."""
    blocks: dict[str, str] = {str(persona): block for persona, block in (credentials or {}).items()}
    with use_credentials(blocks, region):
        if heart.orders is not None:
            # Before the first call: several shards at the whole rate, even for seconds, pass the account's.
            gate_for(region).rates.set_share(heart.orders.share)
        return await carry_out(rows, region, run_of, heart.watch)


class _Heart:
    """Says that the shard lives and how far it is, and does what the parent orders."""

    def __init__(self, link: Link, shard: int, total: int) -> None:
        self._link = link
        self._shard = shard
        self._total = total
        self._run: BulkRun | None = None
        self._before = (0, 0)  # rows done and failed in other regions
        self._count = 0
        self.orders: Orders | None = None
        """What the parent has said last."""

    def watch(self, run: BulkRun) -> None:
        """The run whose progress is told from now on; before the first, only that the shard lives."""
        self._before = self._progress()
        self._run = run
        self._obey(run)

    def _progress(self) -> tuple[int, int]:
        if self._run is None:
            return self._before
        progress = self._run.progress
        return self._before[0] + progress.done, self._before[1] + progress.failed

    async def run(self) -> None:
        """Beat until it is cancelled."""
        while True:
            try:
                await self._beat()
            except (PrefectException, HTTPError) as error:
                announce(f"shard {self._shard}: a beat was missed: {error}")
            await asyncio.sleep(BEAT_SECONDS)

    async def _beat(self) -> None:
        self._count += 1
        done, failed = self._progress()
        await self._link.beat(self._shard, Beat(self._count, done, self._total, failed))
        self.orders = await self._link.orders() or self.orders
        if self._run is not None:
            self._obey(self._run)

    def _obey(self, run: BulkRun) -> None:
        orders = self.orders
        if orders is None:
            return
        run.gate.rates.set_share(orders.share)
        if orders.stop and run.stop is None:
            run.stop = Stop(
                "failures", orders.stop, "mend what failed, then start it again with the same file"
            )

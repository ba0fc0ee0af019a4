"""One shard by itself on a real Prefect server: its share of the rates, its rows, its report."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import uuid4

import pytest
from prefect import flow

from benchmarks.rows import make_rows, write_csv
from cloud.errors import Mismatch, MissingObject
from cloud.gate import Gate
from config.csv_file import read_rows
from config.limits import DATAWORKS, RAM, Edition, rate_limit
from flows.bulk_link import Link, Orders
from flows.bulk_report import BulkReport
from flows.bulk_run import BulkRun
from flows.bulk_shard import onboard_shard
from tasks.connection import use_gate
from tests.flows.bulk_runs import prefect_leaks_sockets
from tests.flows.files import NO_BRAKES, gate_of, numbered, plan_of, served, specs_of
from tests.flows.server import PrefectServer

ROWS = make_rows(4, roles=1)
SHARE = 0.25


async def _share_out(link: Link, gate: Gate) -> None:
    """The parent's part: make the roles and hand them on, in a flow, because artifacts belong to flow runs."""

    @flow(name="parent of a shard")
    async def share_out() -> None:
        specs = specs_of(ROWS)
        run = BulkRun(gate, numbered(specs), plan_of(gate, specs), NO_BRAKES, 4)
        await run.share_out()
        await link.hand_on(run.ready)

    await share_out()


async def _run(
    source: Path, rows: list[int], digest: str, parent: Gate | None = None
) -> tuple[object, BulkReport | None]:
    """The shard's result, and what it has published. With a parent's gate the roles are made; without, never."""
    key = uuid4().hex
    link = Link(key)
    if parent is not None:
        await _share_out(link, parent)
    await link.order(Orders(SHARE, begin=parent is not None))
    try:
        state = await onboard_shard(
            str(source),
            0,
            rows,
            key,
            digest,
            return_state=True,
        )
        return await state.aresult(raise_on_failure=False), await link.report(0)
    finally:
        await link.close(1)


@pytest.mark.usefixtures("prefect_server")
def test_a_shard_keeps_to_its_share_from_its_first_call_on_and_does_only_its_rows(tmp_path: Path) -> None:
    source = tmp_path / "rows.csv"
    write_csv(ROWS, source)
    file = read_rows(source)
    wanted = [row.number for row in file.rows[::2]]
    with served(ROWS) as cloud:
        gate = gate_of(cloud)
        with use_gate(gate), prefect_leaks_sockets():
            _, report = asyncio.run(_run(source, wanted, file.digest, gate_of(cloud)))
        assert gate.journal.total(RAM) == 0  # what the parent has made is handed on, not read again
    assert report is not None
    assert [row.row for row in report.rows] == wanted
    assert report.counts()["created"] == len(wanted)
    assert gate.rates.share == SHARE
    published = rate_limit(DATAWORKS, "CreateDataSource", Edition.ENTERPRISE).per_second
    allowed = [one.allowed for one in gate.rates.usage() if one.group == f"{DATAWORKS}:write"]
    assert allowed
    assert max(allowed) <= published * SHARE


@pytest.mark.usefixtures("prefect_server")
def test_a_shard_whose_parent_is_silent_ends_without_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ONBOARD_SHARD_SILENCE", "1")
    source = tmp_path / "rows.csv"
    write_csv(ROWS, source)
    file = read_rows(source)
    with served(ROWS) as cloud, use_gate(gate_of(cloud)), prefect_leaks_sockets():
        result, report = asyncio.run(_run(source, [2], file.digest))
        assert isinstance(result, MissingObject)
        assert "silent" in result.what
        assert report is None
        assert cloud.cloud.journal.writes == ()


def test_a_shard_refuses_another_file_than_its_parent_has_read(
    tmp_path: Path, prefect_server: PrefectServer
) -> None:
    del prefect_server
    source = tmp_path / "rows.csv"
    write_csv(ROWS, source)
    with served(ROWS) as cloud, use_gate(gate_of(cloud)), prefect_leaks_sockets():
        result, report = asyncio.run(_run(source, [2], "another"))
        assert isinstance(result, Mismatch)
        assert report is None
        assert cloud.cloud.journal.writes == ()

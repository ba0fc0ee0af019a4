"""Onboarding from a file, measured: fresh rows, against the sequential script, unchanged rows, and over two workers.

Each run is a process of its own, and so are its local cloud and its Prefect server. Runs that several benchmarks compare
are made once.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks.cloud import BenchmarkCloud, JournalSummary, local_cloud
from benchmarks.floor import floor_seconds
from benchmarks.measured import (
    FRESH_ROLES,
    FRESH_ROWS,
    LARGE_ROLES,
    LARGE_ROWS,
    Measured,
    at_least,
    at_most,
    only_told,
)
from benchmarks.onboarded import onboarded_account, write_account
from benchmarks.processes import (
    plain_environment,
    prefect_server,
    prefect_server_for_workers,
    run_settings,
    told_by,
    workers,
)
from benchmarks.rows import make_account, make_rows, write_csv
from benchmarks.sequential import MEASURED_ROWS, Sequential, run_sequentially

AGAIN_ROWS = 1000
AGAIN_ROLES = 2
"""Few, because each role costs four calls: RAM has no list that shows documents. See ``docs/performance.md``."""

_RUN = "benchmarks.run"
_FLOORS, _FLOORS_OF_SHARDS = 1.15, 1.2
_THROTTLED_SHARE = 0.005
_DATAWORKS_CALLS_A_ROW = 12
_TIMES_FASTER = 8
_AGAIN_CALLS, _AGAIN_SECONDS = 60, 15.0
_PLAN_SECONDS, _PLAN_BYTES, _PLAN_GROWTH = 60.0, 500 * 1024 * 1024, 1.10
_SMALLER = 10  # a plan of a tenth of the rows is compared with
_SMALLER_REPEATS = 3
# A list of DataWorks ends at page 100 of 100: a workspace with more data sources cannot be listed.
_ROWS_A_WORKSPACE = 5000
_ROWS_A_ROLE = LARGE_ROWS // LARGE_ROLES


@dataclass(frozen=True)
class Run:
    """A measured run of the flow. ``seconds``: wall time; ``told``: what the run says of itself."""

    rows: int
    seconds: float
    floor: float
    calls: JournalSummary
    told: Mapping[str, Any]

    @property
    def floors(self) -> float:
        """Wall time in floors."""
        return self.seconds / self.floor

    @property
    def throttled_share(self) -> float:
        """Throttled answers of all calls, 0 to 1."""
        return self.calls.throttled / self.calls.total

    @property
    def figures(self) -> dict[str, float]:
        """For the file of results."""
        return {
            "rows": self.rows,
            "seconds": self.seconds,
            "floor_seconds": self.floor,
            "calls": self.calls.total,
            "throttled": self.calls.throttled,
            "client_cpu_seconds": self.told["cpu_seconds"],
        }


class RowsFailed(Exception):
    """A measured run in which not every row became what it should: its time says nothing."""


# -- the runs ------------------------------------------------------------------------------------------------


@contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="dataworks-onboarding-") as name:
        yield Path(name)


@cache
def fresh_run(count: int, shards: int = 1) -> Run:
    """Onboard fresh rows, with ``shards`` over so many workers. Raises :class:`RowsFailed`."""
    rows = make_rows(count, roles=min(count, FRESH_ROLES))
    with _folder() as folder, local_cloud(make_account(rows)) as cloud:
        found = _run(rows, cloud, folder, shards)
    require_all(found, "created", count)
    return found


def _run(rows: Sequence[Mapping[str, Any]], cloud: BenchmarkCloud, folder: Path, shards: int = 1) -> Run:
    """The flow on ``rows``, against a Prefect server of its own."""
    source = folder / "rows.csv"
    write_csv(rows, source)
    settings = {**run_settings(), **cloud.environment()}
    wanted = {"what": "apply", "source": str(source), "folder": str(folder), "shards": shards}
    with prefect_server_for_workers(folder) if shards > 1 else prefect_server(folder) as prefect:
        environment = {**prefect.environment("client"), **settings}
        if shards > 1:
            with workers(prefect, shards, settings):
                found = told_by(_RUN, wanted, environment)
        else:
            found = told_by(_RUN, wanted, environment)
    return Run(len(rows), found["seconds"], floor_seconds(rows).seconds, cloud.summary(), found)


def require_all(run: Run, outcome: str, count: int) -> None:
    """Raise :class:`RowsFailed` unless all ``count`` rows have this outcome."""
    if run.told["counts"] != {outcome: count}:
        raise RowsFailed(f"{count} rows should be {outcome}: {run.told['counts']}, {run.told['message']}")


@cache
def sequential_run(count: int) -> tuple[Sequential, JournalSummary]:
    """The sequential script on the first of ``count`` fresh rows, and its calls."""
    rows = make_rows(count, roles=min(count, FRESH_ROLES))
    with local_cloud(make_account(rows)) as cloud:
        found = run_sequentially(cloud, rows, min(count, MEASURED_ROWS))
        return found, cloud.summary()


# -- the benchmarks ------------------------------------------------------------------------------------------


def bulk_fresh(rows: int = FRESH_ROWS) -> list[Measured]:
    """Fresh rows over 30 roles: wall time against the floor, throttled answers, DataWorks calls a row."""
    run = fresh_run(rows)
    what = f"{rows:,} fresh rows"
    return [
        at_most(f"{what}: wall time, in floors of {run.floor:.1f} s", run.floors, _FLOORS, "{:.3f}", figures=run.figures),
        at_most(f"{what}: throttled answers of {run.calls.total:,} calls", run.throttled_share, _THROTTLED_SHARE, "{:.2%}"),
        at_most(f"{what}: DataWorks calls a row", run.calls.dataworks / rows, _DATAWORKS_CALLS_A_ROW, "{:.2f}"),
        only_told(f"{what}: processor time of the run", f"{run.told['cpu_seconds']:.1f} s in {run.seconds:.1f} s", {}),
    ]  # fmt: skip


def bulk_against_sequential(rows: int = FRESH_ROWS) -> list[Measured]:
    """The same rows by the flow and by the sequential script, whose first 40 rows are measured."""
    run = fresh_run(rows)
    script, _ = sequential_run(rows)
    seconds = script.scaled(rows, min(rows, FRESH_ROLES))
    return [
        at_least(
            f"{rows:,} fresh rows: times faster than the sequential script, {script.rows} rows of it measured",
            seconds / run.seconds, _TIMES_FASTER, "{:.1f}", {**run.figures, "sequential_seconds": seconds},
        )
    ]  # fmt: skip


def bulk_again(rows: int = AGAIN_ROWS) -> list[Measured]:
    """A file whose rows are all onboarded: calls in all, and wall time, with a Prefect server running."""
    made = make_rows(rows, roles=min(rows, AGAIN_ROLES))
    with _folder() as folder, local_cloud(write_account(onboarded_account(made), folder)) as cloud:
        run = _run(made, cloud, folder)
    require_all(run, "unchanged", rows)
    what = f"{rows:,} unchanged rows over {AGAIN_ROLES} roles again"
    return [
        at_most(f"{what}: calls in all", run.calls.total, _AGAIN_CALLS, figures=run.figures),
        at_most(f"{what}: wall time", run.seconds, _AGAIN_SECONDS, "{:.1f} s"),
        at_most(f"{what}: writes", run.calls.writes, 0),
    ]


def plan_unchanged(rows: int = LARGE_ROWS) -> list[Measured]:
    """Read and plan a large file of onboarded rows: time, resident memory, and time a row against a tenth of the rows."""
    fewer = max(1, rows // _SMALLER)
    large = plan_onboarded(rows, 1)[0]
    small = statistics.median(one["seconds"] for one in plan_onboarded(fewer, _SMALLER_REPEATS))
    growth = (large["seconds"] / rows) / (small / fewer)
    what = f"plan of {rows:,} unchanged rows"
    seconds = max(_PLAN_SECONDS * rows / LARGE_ROWS, 1.0)
    return [
        at_most(f"{what}: reading and planning", large["seconds"], seconds, "{:.1f} s", {"calls": large["calls"]}),
        at_most(f"{what}: resident memory, MiB", large["resident_bytes"] / 2**20, _PLAN_BYTES / 2**20),
        at_most(f"{what}: time a row against {fewer:,} rows", growth, _PLAN_GROWTH, "{:.2f}", {"fewer_seconds": small}),
    ]  # fmt: skip


def plan_onboarded(count: int, repeats: int) -> list[dict[str, Any]]:
    """Plan so many onboarded rows, each time in a process of its own. Raises :class:`RowsFailed`."""
    made = make_rows(
        count,
        roles=min(LARGE_ROLES, max(1, count // _ROWS_A_ROLE)),
        workspaces=max(1, count // _ROWS_A_WORKSPACE),
    )
    with _folder() as folder:
        write_csv(made, folder / "rows.csv")
        write_csv(made[:1], folder / "first.csv")
        wanted = {"what": "plan", "source": str(folder / "rows.csv"), "warm_up": str(folder / "first.csv")}
        with local_cloud(write_account(onboarded_account(made), folder)) as cloud:
            environment = {**plain_environment(), **run_settings(), **cloud.environment()}
            found = [told_by(_RUN, wanted, environment) for _ in range(repeats)]
    for one in found:
        if (one["rows"], one["touched"], one["refused"]) != (count, 0, 0):
            raise RowsFailed(f"{count} rows should be unchanged: {one}")
    return found


def two_shards(rows: int = FRESH_ROWS) -> list[Measured]:
    """Fresh rows as two shards, each on a worker of its own: wall time, and throttled answers against one process."""
    alone, run = fresh_run(rows), fresh_run(rows, 2)
    what = f"{rows:,} fresh rows on two workers"
    return [
        at_most(f"{what}: wall time, in floors of {run.floor:.1f} s", run.floors, _FLOORS_OF_SHARDS, "{:.3f}", figures=run.figures),
        at_most(f"{what}: throttled answers, against one", run.calls.throttled, alone.calls.throttled),
        only_told(f"{what}: shards that were started", str(run.told["shards"]), {"shards": run.told["shards"]}),
    ]  # fmt: skip

"""The benchmarks: each measures something and says what it must reach."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from benchmarks import bulk
from benchmarks.cloud import local_cloud
from benchmarks.floor import floor_seconds
from benchmarks.measured import FRESH_ROLES, FRESH_ROWS, LARGE_ROLES, LARGE_ROWS, Measured
from benchmarks.overhead import OVERHEAD_ROWS, overhead
from benchmarks.rows import make_account, make_rows
from benchmarks.throughput import Question, measure

_READ_SECONDS = 4.0
_CALLS_PER_CORE = 800
_GROWTH_BYTES = 16 * 1024 * 1024
_REPEATS = 3


def read_csv(rows: int = LARGE_ROWS) -> list[Measured]:
    """Parse and validate a large CSV file; the median of three readings."""
    from benchmarks.rows import write_csv
    from config.csv_file import read_rows

    with tempfile.TemporaryDirectory(prefix="dataworks-onboarding-") as folder:
        path = Path(folder, "rows.csv")
        write_csv(make_rows(rows, roles=min(rows, LARGE_ROLES)), path)
        seconds = []
        for _ in range(_REPEATS):
            started = time.perf_counter()
            found = read_rows(path).require_valid()
            seconds.append(time.perf_counter() - started)
            if len(found.rows) != rows:
                raise RuntimeError(f"{len(found.rows)} of {rows} rows were read")
    middle = statistics.median(seconds)
    wanted = _READ_SECONDS * rows / LARGE_ROWS
    return [
        Measured(
            f"parse and validate a CSV of {rows:,} rows",
            f"{middle:.2f} s",
            f"≤ {wanted:.2f} s",
            middle <= wanted,
            {"rows": rows, "seconds": middle},
        )
    ]


def emulator(rows: int = FRESH_ROWS) -> list[Measured]:
    """Signed calls a second that one core of the local cloud answers: it must not be what bounds the others."""
    questions = [
        Question("dataworks", "ListDataSources", {"ProjectId": "20001", "PageSize": "100"}),
        Question("dataworks", "ListInstances", {"ProjectId": "20001", "ProjectEnv": "PROD"}),
        Question("ram", "GetRole", {"RoleName": "AliyunServiceRoleForDataWorksDI"}),
    ]
    with local_cloud(
        make_account(make_rows(rows, roles=min(rows, FRESH_ROLES))), latency=0, rates=False
    ) as cloud:
        measure(cloud, questions, calls=500)  # imports and caches
        full = measure(cloud, questions, calls=6000)
        paced = measure(cloud, questions, calls=300, connections=8, per_second=60)
    return [
        Measured(
            "the local cloud: signed calls a second on one core, 64 connections",
            f"{full.per_core:,.0f}",
            f"≥ {_CALLS_PER_CORE}",
            full.per_core >= _CALLS_PER_CORE,
            {"per_core": full.per_core, "per_second": full.per_second},
        ),
        Measured(
            "the local cloud: memory added by 6,000 calls",
            f"{full.bytes_grown / 1024 / 1024:.1f} MiB",
            f"≤ {_GROWTH_BYTES // 1024 // 1024} MiB",
            full.bytes_grown <= _GROWTH_BYTES,
            {"bytes_grown": full.bytes_grown},
        ),
        Measured(
            "the local cloud: share of a core at 60 calls a second",
            f"{60 / paced.per_core:.1%}",
            "",
            None,
            {"share": 60 / paced.per_core},
        ),
    ]


def sequential(rows: int = FRESH_ROWS) -> list[Measured]:
    """The sequential script, measured on the first rows and scaled in proportion."""
    found, calls = bulk.sequential_run(rows)
    made = make_rows(rows, roles=min(rows, FRESH_ROLES))
    seconds = found.scaled(rows, len({row["role"]["name"] for row in made}))
    floor = floor_seconds(made)
    return [
        Measured(
            f"sequential SDK script, {rows:,} fresh rows: {found.rows} measured, the rest in proportion",
            f"{seconds:,.0f} s, {seconds / floor.seconds:.1f} × floor",
            "",
            None,
            {
                "seconds": seconds,
                "seconds_per_row": found.row_seconds / found.rows,
                "floor_seconds": floor.seconds,
                "dataworks_calls_per_row": calls.dataworks / found.rows,
            },
        )
    ]


BENCHMARKS: Mapping[str, Callable[[int], list[Measured]]] = {
    "csv": read_csv,
    "emulator": emulator,
    "sequential": sequential,
    "overhead": overhead,
    "bulk_fresh": bulk.bulk_fresh,
    "bulk_against_sequential": bulk.bulk_against_sequential,
    "bulk_again": bulk.bulk_again,
    "plan_unchanged": bulk.plan_unchanged,
    "two_shards": bulk.two_shards,
}
"""Every benchmark by its name, with how many rows it takes."""

ROWS: Mapping[str, int] = {
    "csv": LARGE_ROWS,
    "emulator": FRESH_ROWS,
    "sequential": FRESH_ROWS,
    "overhead": OVERHEAD_ROWS,
    "bulk_fresh": FRESH_ROWS,
    "bulk_against_sequential": FRESH_ROWS,
    "bulk_again": bulk.AGAIN_ROWS,
    "plan_unchanged": LARGE_ROWS,
    "two_shards": FRESH_ROWS,
}
"""How many rows each takes when none are asked for."""

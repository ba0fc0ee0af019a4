"""The benchmarks: each measures something and says what it must reach."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks.cloud import local_cloud
from benchmarks.floor import floor_seconds
from benchmarks.rows import make_account, make_rows
from benchmarks.sequential import MEASURED_ROWS, run_sequentially
from benchmarks.throughput import Question, measure

FRESH_ROWS = 500
FRESH_ROLES = 30
LARGE_ROWS = 10_000
LARGE_ROLES = 80
"""As many as the grantees of :mod:`benchmarks.rows` can hold without folding."""

_READ_SECONDS = 4.0
_CALLS_PER_CORE = 800
_GROWTH_BYTES = 16 * 1024 * 1024
_REPEATS = 3


@dataclass(frozen=True)
class Measured:
    """One line of the table; ``met`` is None for a figure that is only told. ``figures`` go into the file of results."""

    what: str
    measured: str
    must_reach: str
    met: bool | None
    figures: Mapping[str, float]


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
    made = make_rows(rows, roles=min(rows, FRESH_ROLES))
    roles = len({row["role"]["name"] for row in made})
    measured = min(rows, MEASURED_ROWS)
    with local_cloud(make_account(made)) as cloud:
        found = run_sequentially(cloud, made, measured)
        calls = cloud.summary()
    seconds = found.scaled(rows, roles)
    floor = floor_seconds(made)
    return [
        Measured(
            f"sequential SDK script, {rows:,} fresh rows: {measured} measured, the rest in proportion",
            f"{seconds:,.0f} s, {seconds / floor.seconds:.1f} × floor",
            "",
            None,
            {
                "seconds": seconds,
                "seconds_per_row": found.row_seconds / found.rows,
                "floor_seconds": floor.seconds,
                "dataworks_calls_per_row": calls.dataworks / measured,
            },
        )
    ]


BENCHMARKS: Mapping[str, Callable[[int], list[Measured]]] = {
    "csv": read_csv,
    "emulator": emulator,
    "sequential": sequential,
}
"""Every benchmark by its name, with how many rows it takes."""

ROWS: Mapping[str, int] = {"csv": LARGE_ROWS, "emulator": FRESH_ROWS, "sequential": FRESH_ROWS}
"""How many rows each takes when none are asked for."""

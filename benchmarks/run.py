"""One measured run in a process of its own: ``python -m benchmarks.run JSON``, started by :mod:`benchmarks.bulk`.

The argument's ``what`` is ``apply`` (the flow, against the Prefect server of the environment) or ``plan`` (reading and
planning alone); the last line of output is JSON. Imports are done before the clock starts: they are the same for one row
and for ten thousand.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from flows.bulk_report import BulkReport
    from tasks.bulk_plan import FilePlan


def apply(source: str, folder: str, shards: int) -> dict[str, Any]:
    """The flow on a file, its artifacts and report files included: wall time in seconds, and what became of the rows.

    Raises what the flow raises.
    """
    from flows.bulk import onboard_from_csv
    from flows.bulk_report import BulkReport

    async def flow() -> tuple[str, object]:
        call: Any = (
            onboard_from_csv  # return_state is an argument of every flow, which the type does not show
        )
        state = await call(source, report_folder=folder, shards=shards, return_state=True)
        return str(state.message), await state.aresult(raise_on_failure=False)

    started, used = time.perf_counter(), time.process_time()
    message, report = asyncio.run(flow())
    wall, used = time.perf_counter() - started, time.process_time() - used
    if isinstance(report, BaseException):
        raise report
    assert isinstance(report, BulkReport)
    return {"seconds": wall, "cpu_seconds": used, "message": message, **_told(report)}


def _told(report: BulkReport) -> dict[str, Any]:
    return {
        "counts": {outcome: count for outcome, count in report.counts().items() if count},
        "floor_seconds": report.floor_seconds,
        "retries": report.retries,
        "shards": len(report.shards),
    }


def plan(source: str, warm_up: str) -> dict[str, Any]:
    """Read, validate and plan a file: wall time in seconds, resident memory at its highest in bytes, rows that change.

    ``warm_up`` is a small file that is planned first, for imports and connections.
    """
    _planned(warm_up)
    started = time.perf_counter()
    found, calls = _planned(source)
    told = {
        "seconds": time.perf_counter() - started,
        "rows": len(found.rows),
        "touched": len(found.touched),
        "refused": sum(found.refusal(place) is not None for place in range(len(found.rows))),
        "calls": calls,
    }
    return {**told, "resident_bytes": _highest_resident_bytes()}


def _highest_resident_bytes() -> int:
    """VmHWM of proc(5). Not getrusage: a process inherits the highest value of the one that has started it."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (kibibytes,) = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(kibibytes) * 1024


def _planned(source: str) -> tuple[FilePlan, int]:
    """The plan of a file, and the calls it took."""
    from cloud.gate import Gate
    from config.csv_file import read_rows
    from config.settings import Settings
    from tasks.bulk_plan import plan_file
    from tasks.bulk_preflight import check_file
    from tasks.connection import file_limits

    specs = [row.spec for row in read_rows(source).require_valid().rows]
    gate = Gate(Settings(), specs[0].region)
    with file_limits():
        return check_file(gate, plan_file(gate, specs)).plan, gate.journal.total()


def main() -> None:
    """Do what the argument says and print what was measured."""
    wanted = json.loads(sys.argv[1])
    what = wanted.pop("what")
    found = plan(**wanted) if what == "plan" else apply(**wanted)
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()

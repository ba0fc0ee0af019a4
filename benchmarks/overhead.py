"""What a single onboarding adds to the calls it makes: wall time less the sum of their latencies, on a running server.

The measured process is ``python -m benchmarks.overhead JSON``, warm: its first onboarding is not counted. Deployments and
instances of its local cloud end at once, so that nothing of the time is waiting for the cloud's own work; a pause, if there is
one, counts as overhead. Calls are made one after the other but for connectivity tests, of which each row here has one.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from benchmarks.measured import Measured

OVERHEAD_ROWS = 5
"""How many data sources are measured when nobody says otherwise."""
_SECONDS = 2.5
_MODULE = "benchmarks.overhead"


def overhead(rows: int = OVERHEAD_ROWS) -> list[Measured]:
    """Onboard ``rows`` fresh data sources one after the other after one that is not counted, and all of them once more."""
    from benchmarks.cloud import local_cloud
    from benchmarks.measured import at_most, only_told
    from benchmarks.processes import plain_environment, prefect_server, run_settings, told_by
    from benchmarks.rows import make_account, make_rows

    made = make_rows(rows + 1, roles=rows + 1, types=("oss",))
    with (
        tempfile.TemporaryDirectory(prefix="dataworks-onboarding-") as name,
        local_cloud(make_account(made), advance_by="polls", deployment_steps=0, instance_steps=0) as cloud,
        prefect_server(Path(name)) as prefect,
    ):
        environment = {
            **plain_environment(),
            **prefect.environment("client"),
            **run_settings(),
            **cloud.environment(),
        }
        found = told_by(_MODULE, {"rows": made}, environment)
    lines = []
    for what, runs in (("fresh", found["fresh"]), ("unchanged", found["again"])):
        added = statistics.median(run["seconds"] - run["latencies"] for run in runs)
        used = statistics.median(run["cpu_seconds"] for run in runs)
        calls = runs[0]["calls"]
        lines += [
            at_most(
                f"one {what} data source: added to the latencies of its {calls} calls, the median of {len(runs)}",
                added, _SECONDS, "{:.2f} s", {"calls": calls, "latencies": runs[0]["latencies"]},
            ),
            only_told(f"one {what} data source: processor time of the process", f"{used:.2f} s", {"cpu_seconds": used}),
        ]  # fmt: skip
    return lines


def measured(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Each run's wall time, latencies (sum of the calls' durations) and processor time, in seconds.

    Raises ``RuntimeError`` when a run does not end as it should: its time says nothing.
    """
    from cloud.gate import Gate
    from config.load import parse_spec
    from config.settings import Settings
    from flows.onboard import onboard_data_source
    from tasks.connection import use_gate

    specs = [parse_spec(row) for row in rows]
    gate = Gate(Settings(), specs[0].region)

    def run(number: int, outcome: str) -> dict[str, Any]:
        before = len(gate.journal.records)
        began, used = time.perf_counter(), time.process_time()
        report = onboard_data_source(specs[number])
        seconds, used = time.perf_counter() - began, time.process_time() - used
        if report.outcome.value != outcome:
            raise RuntimeError(f"a data source should be {outcome}: {report.to_json()}")
        calls = gate.journal.records[before:]
        return {
            "seconds": seconds,
            "latencies": sum(call.seconds for call in calls),
            "calls": len(calls),
            "cpu_seconds": used,
        }

    with use_gate(gate):
        run(0, "created")
        fresh = [run(number, "created") for number in range(1, len(specs))]
        return {"fresh": fresh, "again": [run(number, "unchanged") for number in range(1, len(specs))]}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(measured(**json.loads(sys.argv[1]))) + "\n")

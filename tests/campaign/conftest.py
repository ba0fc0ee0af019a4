"""The figures of a long campaign, shown at its end. ``make campaign`` sets how many runs it makes."""

from __future__ import annotations

from collections import Counter
from typing import Any

from tests.campaign.drawing import FIRST, SCALE

# The session's Prefect server is for the processes that are really killed.
from tests.cli.conftest import prefect_server

__all__ = ["prefect_server"]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """A table by kind of run: runs, ends, strikes by kind of fault, repeated runs, seconds."""
    if not SCALE:
        return
    runs: dict[str, list[dict[str, Any]]] = {}
    spent: Counter[str] = Counter()
    for key in ("passed", "failed"):
        for report in terminalreporter.stats.get(key, ()):
            for name, value in getattr(report, "user_properties", ()):
                if name == "campaign" and report.when == "call":
                    runs.setdefault(value["kind"], []).append(value)
                    spent[value["kind"]] += report.duration
    failed = len(terminalreporter.stats.get("failed", ()))
    terminalreporter.section(f"campaign from seed {FIRST}")
    for kind, cases in runs.items():
        ended = Counter(case["ended"] for case in cases)
        hits: Counter[str] = Counter()
        for case in cases:
            hits.update(case["hits"])
        terminalreporter.write_line(
            f"{kind}: {len(cases)} in {spent[kind]:.0f} s; simulated {sum(case['seconds'] for case in cases) / 3600:.1f} h; "
            f"runs repeated {sum(case['repeated_runs'] for case in cases)}\n  ended: {dict(ended)}\n  strikes: {dict(hits)}"
        )
    terminalreporter.write_line(f"failed: {failed}")

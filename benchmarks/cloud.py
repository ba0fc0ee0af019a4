"""A local cloud in a process of its own, at the published rates and with a latency, for a benchmark to talk to."""

from __future__ import annotations

import json
import os
import tempfile
import urllib.request
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.rows import CAST, account_text, key_of
from cli.servers.emulator_process import emulator_process
from cli.servers.prefect_server import ROOT
from config.limits import Edition

LATENCY_SECONDS = 0.060
"""The way to the service and back, for every call of a benchmark."""
DEPLOYMENT_SECONDS = 2.0
"""How long a deployment takes in the local cloud, in seconds of its clock."""
STATE_SECONDS = 1.0
"""How long an instance stays in each of its four states, in seconds."""
INSTANCE_STATES = 4
"""States of an instance before the end: NOT_RUN, WAIT_TIME, WAIT_RESOURCE, RUNNING. Source: ListInstances."""

_START_SECONDS = 60
_CONTROL_SECONDS = 120


@dataclass(frozen=True)
class JournalSummary:
    """What was asked of a local cloud: calls by product and action, writes, and throttled answers."""

    calls: Mapping[str, int]
    writes: int
    throttled: int

    @property
    def total(self) -> int:
        """All calls, refused ones included."""
        return sum(self.calls.values())

    @property
    def dataworks(self) -> int:
        """Calls of DataWorks."""
        return sum(count for name, count in self.calls.items() if name.startswith("dataworks:"))


class BenchmarkCloud:
    """A running local cloud: its URL, its process, and its controls."""

    def __init__(self, url: str, pid: int) -> None:
        self.url = url
        self.pid = pid

    def control(self, method: str, name: str, body: Any = None) -> Any:
        """Call a control under ``/_emulator/``; returns its result. Raises ``urllib.error.HTTPError``."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/_emulator/{name}", data, method=method)  # noqa: S310  # our own loopback URL
        with urllib.request.urlopen(request, timeout=_CONTROL_SECONDS) as answer:  # noqa: S310  # as above
            return json.load(answer)["result"]

    def journal(self) -> list[dict[str, Any]]:
        """The calls in the order they were answered."""
        entries: list[dict[str, Any]] = self.control("GET", "journal")
        return entries

    def clear_journal(self) -> None:
        """Forget the calls so far."""
        self.control("DELETE", "journal")

    def summary(self) -> JournalSummary:
        """The journal, counted."""
        entries = self.journal()
        return JournalSummary(
            calls=Counter(f"{entry['product']}:{entry['action']}" for entry in entries),
            writes=sum(entry["write"] for entry in entries),
            throttled=sum(str(entry["code"]).startswith("Throttling") for entry in entries),
        )

    def cpu_seconds(self) -> float:
        """Processor time the process has used, in seconds. Linux only. Raises ``OSError`` elsewhere."""
        # Fields 14 and 15 of proc(5)'s stat, counted behind the name in brackets, which may hold blanks.
        fields = Path(f"/proc/{self.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def resident_bytes(self) -> int:
        """Resident memory of the process, in bytes. Linux only. Raises ``OSError`` elsewhere."""
        pages = Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def environment(self, *, personas: bool = True) -> dict[str, str]:
        """Environment variables that point the pipeline at this cloud, each persona with a user of its own.

        Without ``personas`` every persona is the administrator.
        """
        cast = CAST if personas else {"default": CAST["administrator"]}
        found = {"ONBOARD_LOCAL_CLOUD": self.url, "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true"}
        for persona, user in cast.items():
            start = f"ONBOARD_IDENTITIES__{persona.upper()}__ACCESS_KEY"
            found[f"{start}_ID"], found[f"{start}_SECRET"] = key_of(user)
        return found


@contextmanager
def local_cloud(
    account: Mapping[str, Any] | Path,
    *,
    latency: float = LATENCY_SECONDS,
    rates: bool = True,
    edition: Edition | str = Edition.ENTERPRISE,
    **settings: Any,
) -> Iterator[BenchmarkCloud]:
    """Serve ``account`` (an account file's content, or its path) on a free loopback port until the block ends.

    ``latency`` is added to every answer, in seconds; ``rates`` says whether published rates are enforced; ``settings``
    are other fields of the local cloud's settings. Deployments and instances move by the clock, as in the real cloud,
    so that looking often does not make them faster. Raises :class:`cli.servers.processes.StartFailed`.
    """
    wanted = {
        "answer_latency_seconds": latency,
        "enforce_rates": rates,
        "edition": Edition(edition).value,
        "advance_by": "clock",
        "deployment_steps": int(DEPLOYMENT_SECONDS),
        "instance_steps": int(STATE_SECONDS),
        **settings,
    }
    with tempfile.TemporaryDirectory(prefix="dataworks-onboarding-") as folder:
        path = account if isinstance(account, Path) else Path(folder, "account.yaml")
        if not isinstance(account, Path):
            path.write_text(account_text(account), encoding="utf-8")
        with emulator_process("--account", str(path), seconds=_START_SECONDS, cwd=str(ROOT)) as (
            pid,
            announced,
        ):
            cloud = BenchmarkCloud(announced["url"], pid)
            cloud.control("PATCH", "settings", wanted)
            yield cloud

"""What the flow of a file and the flows of its shards tell each other, as Prefect variables and artifacts.

The parent says how large a share of the account's rates each shard may use, and whether to stop; a shard says how far it
is, and that it lives. Its report is an artifact. Nothing of this is needed to go on after a loss: the cloud is the state.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from prefect.artifacts import acreate_table_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.client.schemas.sorting import ArtifactSort
from prefect.variables import Variable
from pydantic import TypeAdapter

from flows.bulk_reading import ReportInvalid, from_json
from flows.bulk_report import BulkReport
from flows.bulk_units import Ready

_READY = TypeAdapter(dict[str, Ready])

BEAT_SECONDS = 5.0
"""How often a shard says that it lives, in seconds."""


@dataclass(frozen=True)
class Orders:
    """What the parent wants: the share of the rates for each shard (0 to 1), and why to stop, or "".

    ``begin``: what the rows share is made. ``count`` rises while it is not, so that who waits sees that the parent lives.
    """

    share: float
    stop: str = ""
    begin: bool = True
    count: int = 0


@dataclass(frozen=True)
class Beat:
    """How far a shard is. ``count`` rises with each beat, so that two are never the same."""

    count: int
    done: int
    total: int
    failed: int


class Link:
    """The variables and artifacts of one run over a file; ``key`` is the same for parent and shards."""

    def __init__(self, key: str) -> None:
        self.key = key.replace("-", "")

    def _variable(self, name: str) -> str:
        return f"onboarding_{self.key}_{name}"

    def _artifact(self, shard: int | str) -> str:
        return f"onboarding-shard-{self.key}-{shard}"

    async def order(self, orders: Orders) -> None:
        """Tell all shards."""
        await Variable.aset(self._variable("orders"), asdict(orders), overwrite=True)

    async def orders(self) -> Orders | None:
        """What the parent wants; None when it has said nothing yet, or the run is over."""
        found: Any = await Variable.aget(self._variable("orders"))
        return Orders(**found) if isinstance(found, dict) else None

    async def hand_on(self, ready: Mapping[str, Ready]) -> None:
        """Give the shards the roles and grants that were made for them, by role name."""
        await acreate_table_artifact(
            key=self._artifact("roles"),
            table=[_READY.dump_python(dict(ready), mode="json")],
            description="Roles that shards share",
        )

    async def ready(self) -> dict[str, Ready] | None:
        """What was handed on; None before."""
        found = await self._newest("roles")
        return None if found is None else _READY.validate_python(found)

    async def beat(self, shard: int, beat: Beat) -> None:
        """Say that a shard lives."""
        await Variable.aset(self._variable(f"beat_{shard}"), asdict(beat), overwrite=True)

    async def last_beat(self, shard: int) -> Beat | None:
        """The shard's last beat; None before the first."""
        found: Any = await Variable.aget(self._variable(f"beat_{shard}"))
        return Beat(**found) if isinstance(found, dict) else None

    async def publish(self, shard: int, report: BulkReport) -> None:
        """Hand a shard's report to the parent."""
        await acreate_table_artifact(
            key=self._artifact(shard),
            table=[report.to_json()],
            description=f"Report of shard {shard} of {report.source}",
        )

    async def report(self, shard: int) -> BulkReport | None:
        """The newest report of a shard; None when it has not published one."""
        found = await self._newest(shard)
        try:
            return None if found is None else from_json(found)
        except (ReportInvalid, ValueError, LookupError):
            return None  # cut off while it was written; the shard is then started again

    async def _newest(self, shard: int | str) -> Any:
        """The one row of the newest artifact."""
        async with get_client() as client:
            found = await client.read_artifacts(
                artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[self._artifact(shard)])),
                sort=ArtifactSort.CREATED_DESC,
                limit=1,
            )
        if not found or not isinstance(found[0].data, str):
            return None
        try:
            return json.loads(found[0].data)[0]
        except (ValueError, LookupError):
            return None

    async def close(self, shards: int) -> None:
        """Remove the variables; the artifacts stay with their flow runs."""
        for name in ("orders", *(f"beat_{shard}" for shard in range(shards))):
            await Variable.aunset(self._variable(name))

"""How far a run over a file is, while it runs: a progress artifact in Prefect, a line in the log."""

from __future__ import annotations

import asyncio
import math
import time
from dataclasses import dataclass, field
from types import TracebackType
from uuid import UUID

from prefect.artifacts import acreate_progress_artifact, aupdate_progress_artifact

from tasks.options import announce

_ARTIFACT_SECONDS = 2.0
_LINE_SECONDS = 15.0


@dataclass
class Progress:
    """How far a run is; rows that change count, the others are done from the start."""

    total: int
    done: int = 0
    failed: int = 0
    began: float = field(default_factory=time.monotonic)

    @property
    def percent(self) -> float:
        """0 to 100."""
        return 100.0 * self.done / self.total if self.total else 100.0

    @property
    def left(self) -> float | None:
        """Estimated seconds left, by the pace so far; None before the first row has ended."""
        if not self.done:
            return None
        return (time.monotonic() - self.began) / self.done * (self.total - self.done)

    def __str__(self) -> str:
        left = self.left
        estimate = f", about {math.ceil(left)} s left" if left is not None and self.done < self.total else ""
        failed = f", {self.failed} failed" if self.failed else ""
        return f"{self.done} of {self.total} rows{failed}{estimate}"


class ProgressBar:
    """Shows a :class:`Progress` from its own task on the event loop, so that no row waits for it."""

    def __init__(self, description: str, progress: Progress, key: str) -> None:
        self._description = description
        self._key = key
        self._progress = progress
        self._changed = asyncio.Event()
        self._artifact: UUID | None = None
        self._task: asyncio.Task[None] | None = None

    def tell(self, progress: Progress) -> None:
        """A row has ended."""
        self._progress = progress
        self._changed.set()

    async def __aenter__(self) -> ProgressBar:
        """Create the artifact and begin to show."""
        self._artifact = await acreate_progress_artifact(
            progress=0.0, description=self._description, key=self._key
        )
        self._task = asyncio.get_running_loop().create_task(self._show(self._artifact))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Show the end and stop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._artifact is not None:
            # The last state is shown even when the run was cancelled, or was over before the task began.
            await asyncio.shield(self._update(self._artifact))

    async def _show(self, artifact: UUID) -> None:
        said = time.monotonic()
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self._update(artifact)
            if time.monotonic() - said >= _LINE_SECONDS:
                said = time.monotonic()
                announce(str(self._progress))
            await asyncio.sleep(_ARTIFACT_SECONDS)

    async def _update(self, artifact: UUID) -> None:
        await aupdate_progress_artifact(
            artifact_id=artifact,
            progress=self._progress.percent,
            description=f"{self._description}: {self._progress}",
        )

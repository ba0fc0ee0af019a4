"""A gate that a campaign can cut off or move in time, and that keeps each call to its deadline."""

from __future__ import annotations

import threading
from typing import Any

from cloud.gate import Gate
from tests.flows.test_bulk_interruptions import Cut

HOURS = 5 * 3600.0
"""Longer than any session lives."""
_SLACK_SECONDS = 30.0  # of a call's deadline: its turn among others, and one answer that is under way
_CUT_LOCK = threading.Lock()


class CampaignGate(Gate):
    """Counts its calls; before the ``cut_at``-th the process is gone, before the ``jump_at``-th hours pass.

    ``longest`` is the longest call by the injected clock, in seconds, hours that passed in between not counted.
    """

    cut_at: int | None = None
    jump_at: int | None = None
    made = 0
    longest = 0.0

    def read(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The call, in its time."""
        return self._timed(super().read, *args, **kwargs)

    def write(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """The call, in its time."""
        return self._timed(super().write, *args, **kwargs)

    def _timed(self, call: Any, *args: Any, **kwargs: Any) -> dict[str, Any]:
        with _CUT_LOCK:
            self.made += 1
            if self.cut_at is not None and self.made >= self.cut_at:
                raise Cut
            if self.made == self.jump_at:
                self.clock.sleep(HOURS)
        began = self.clock.now()
        try:
            answer: dict[str, Any] = call(*args, **kwargs)
            return answer
        finally:
            self.longest = max(self.longest, self.clock.now() - began)

    def check_deadlines(self) -> None:
        """No call took longer than it may; only where calls are made one after another."""
        settings = self.settings
        bound = max(settings.call_deadline, settings.connectivity_timeout + settings.connect_timeout)
        assert self.longest <= bound + _SLACK_SECONDS, f"a call took {self.longest:.0f} s"

    def run_bound(self, environments: int) -> float:
        """The longest a whole onboarding may take by the injected clock, in seconds."""
        settings = self.settings
        waits = settings.deployment_timeout + settings.run_timeout + 4 * settings.propagation_timeout
        jumped = HOURS if self.jump_at is not None else 0.0
        return environments * waits + self.made * settings.call_deadline + jumped

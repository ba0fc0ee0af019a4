"""What was asked of the cloud: one record a call. Never the URL, the body or a parameter value beyond the object."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from dataclasses import dataclass

_log = logging.getLogger("onboarding.calls")


@dataclass(frozen=True)
class CallRecord:
    """One attempt of one call. ``seconds`` is its duration, ``code`` the refusal's code or ""."""

    persona: str
    action: str
    subject: str
    write: bool
    request_id: str
    code: str
    attempt: int
    seconds: float


class CallJournal:
    """Counts and keeps the calls of one connection; safe to use from threads."""

    def __init__(self, keep: int = 10_000) -> None:
        self._keep = keep
        self._lock = threading.Lock()
        self._records: list[CallRecord] = []
        self.counts: Counter[str] = Counter()

    def add(self, record: CallRecord) -> None:
        """Append a record and log it at DEBUG."""
        with self._lock:
            self.counts[record.action] += 1
            if len(self._records) < self._keep:
                self._records.append(record)
        _log.debug(
            "%s %s as %s: %s in %.3f s, attempt %d, request id %s",
            record.action, record.subject, record.persona, record.code or "ok", record.seconds,
            record.attempt, record.request_id,
        )  # fmt: skip

    @property
    def records(self) -> tuple[CallRecord, ...]:
        """The kept records, oldest first."""
        with self._lock:
            return tuple(self._records)

    def total(self, product: str | None = None) -> int:
        """How many calls were made, of one product (``ram``, ``sts``, ``dataworks``) or in all."""
        with self._lock:
            return sum(n for action, n in self.counts.items() if product in (None, action.partition(":")[0]))

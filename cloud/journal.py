"""What was asked of the cloud: one record a call. Never the URL, the body or a parameter value beyond the object."""

from __future__ import annotations

import logging
import threading
from collections import Counter, deque
from dataclasses import dataclass

_log = logging.getLogger("onboarding.calls")


@dataclass(frozen=True)
class CallRecord:
    """One attempt of one call. ``seconds`` is its duration, ``code`` the refusal's code or "".

    ``throttled`` tells a refusal for being over a rate, whose codes are several.
    """

    persona: str
    action: str
    subject: str
    write: bool
    request_id: str
    code: str
    attempt: int
    seconds: float
    throttled: bool = False


class CallJournal:
    """Counts all calls of one connection and keeps the newest ``keep`` of them; safe to use from threads."""

    def __init__(self, keep: int = 10_000) -> None:
        self._lock = threading.Lock()
        # The newest: they are the ones before whatever is being looked into.
        self._records: deque[CallRecord] = deque(maxlen=keep)
        self._throttled = 0
        self._retries = 0
        self.counts: Counter[str] = Counter()

    def add(self, record: CallRecord) -> None:
        """Append a record and log it at DEBUG."""
        with self._lock:
            self.counts[record.action] += 1
            self._throttled += record.throttled
            self._retries += record.attempt > 1
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

    @property
    def throttled(self) -> int:
        """How many calls were refused for being over a rate, of all that were made."""
        with self._lock:
            return self._throttled

    @property
    def retries(self) -> int:
        """How many calls repeated an earlier try, of all that were made."""
        with self._lock:
            return self._retries

    def total(self, product: str | None = None) -> int:
        """How many calls were made, of one product (``ram``, ``sts``, ``dataworks``) or in all."""
        with self._lock:
            return sum(n for action, n in self.counts.items() if product in (None, action.partition(":")[0]))

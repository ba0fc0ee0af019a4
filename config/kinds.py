"""The kinds of error code: what a code asks of the caller."""

from __future__ import annotations

from enum import Enum


class Kind(str, Enum):
    """What an error code asks of the caller.

    Repeating helps for ``THROTTLED`` and ``TRANSIENT`` only. ``DAILY_QUOTA`` is never retried: each further
    call counts too. ``NOT_FOUND``, ``ALREADY_EXISTS`` and ``CONFLICT`` are settled by reading what is there.
    """

    THROTTLED = "throttled"
    DAILY_QUOTA = "daily_quota"
    TRANSIENT = "transient"
    NOT_FOUND = "not_found"
    ALREADY_EXISTS = "already_exists"
    CONFLICT = "conflict"
    LIMIT_EXCEEDED = "limit_exceeded"
    PERMISSION = "permission"
    CREDENTIALS = "credentials"
    CLOCK = "clock"
    INVALID = "invalid"
    UNSUPPORTED = "unsupported"
    UNKNOWN = "unknown"

    @property
    def retryable(self) -> bool:
        """Whether the same call may be repeated after a pause."""
        return self in (Kind.THROTTLED, Kind.TRANSIENT)

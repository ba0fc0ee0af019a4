"""What the local cloud answers when it refuses.

    ApiError                 a refusal with the service's code, status and text
    └── AccessDenied         403 with AccessDeniedDetail (who, which action, which policy layer)
    DomainFailure            HTTP 200, ``Success: false`` with ErrorCode (IDE and operation actions of DataWorks)
    TaskFailure              HTTP 200, ``Data.Status: fail`` with Message (data integration actions)

Codes, statuses and documented texts come from :mod:`config.codes`.
"""

from __future__ import annotations

from collections.abc import Mapping

from config.codes import lookup


class ApiError(Exception):
    """A refusal on the wire.

    ``status`` and ``message`` default to the documented ones of ``code``.
    """

    def __init__(
        self,
        code: str,
        message: str | None = None,
        *,
        status: int | None = None,
        detail: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        known = lookup(code)
        self.code = code
        self.message = message if message is not None else known.message or code
        self.status = status if status is not None else known.status or 400
        self.detail = dict(detail or {})
        self.headers = dict(headers or {})
        super().__init__(f"{self.status} {code}: {self.message}")


class AccessDenied(ApiError):
    """403 with the policy layer that refused (``AccessDeniedDetail``)."""


class DomainFailure(Exception):
    """HTTP 200 with ``Success: false``: the SDK raises nothing for it."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        self.message = message
        super().__init__(f"{code}: {message}")


class TaskFailure(Exception):
    """HTTP 200 with ``Data.Status: fail``: the SDK raises nothing for it."""

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(message)

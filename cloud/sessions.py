"""Sessions of assumed roles, each limited by the session policy of the step that is running.

A step announces its limits with :func:`session_scope`; the gate then makes its calls with a session whose policy is
exactly that. Sessions are renewed before they end, once for all threads. The credentials library has a provider of
its own, but signs a policy that holds a space wrongly and renews a 15-minute session at each call.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime, timezone
from typing import Any

from cloud.clock import Clock
from config.personas import Persona

_scope: ContextVar[Mapping[Persona, str] | None] = ContextVar("onboarding_session_scope", default=None)
_MARGIN_SECONDS = 300.0  # of remaining life below which a session is renewed: longer than any call's deadline


@contextmanager
def session_scope(policies: Mapping[Persona, str]) -> Iterator[None]:
    """Limit the sessions of assumed roles to ``policies`` (JSON text by persona) until the block ends."""
    token = _scope.set(policies)
    try:
        yield
    finally:
        _scope.reset(token)


def session_limits() -> Mapping[Persona, str] | None:
    """The limits in force: a policy by persona; None outside a step."""
    return _scope.get()


@dataclass(frozen=True)
class Session:
    """Temporary credentials; ``expires`` in seconds since the epoch."""

    access_key_id: str
    access_key_secret: str = field(repr=False)
    security_token: str = field(repr=False)
    expires: float


def session_of(body: Mapping[str, Any]) -> Session:
    """The session in an answer of AssumeRole."""
    credentials = body["Credentials"]
    expires = datetime.strptime(str(credentials["Expiration"]), "%Y-%m-%dT%H:%M:%SZ").replace(
        tzinfo=timezone.utc
    )
    return Session(
        str(credentials["AccessKeyId"]),
        str(credentials["AccessKeySecret"]),
        str(credentials["SecurityToken"]),
        expires.timestamp(),
    )


class _Credential:
    """What the SDK reads from a credential."""

    type = "sts"
    provider_name = "onboarding"
    bearer_token = None

    def __init__(self, session: Session) -> None:
        self.access_key_id = session.access_key_id
        self.access_key_secret = session.access_key_secret
        self.security_token = session.security_token


class SessionCredentials:
    """Credentials for ``Config(credential=…)``: a session that is renewed before it ends; safe to use from threads."""

    def __init__(self, assume: Callable[[], Session], clock: Clock) -> None:
        self._assume = assume
        self._clock = clock
        self._lock = threading.Lock()
        self._session: Session | None = None

    def renew_if_needed(self) -> None:
        """Assume the role when there is no session, or hardly any of it left. Raises the gate's errors.

        The gate calls it before each call, so that a refusal is not buried in the SDK's own exceptions.
        """
        with self._lock:
            if self._session is None or self._session.expires - self._clock.now() < _MARGIN_SECONDS:
                self._session = self._assume()

    def get_credential(self) -> _Credential:
        """The current session."""
        self.renew_if_needed()
        assert self._session is not None
        return _Credential(self._session)

    async def get_credential_async(self) -> _Credential:
        """The SDK asks for it; its asynchronous methods are not used here."""
        return self.get_credential()

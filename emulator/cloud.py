"""The local cloud: one account's state with its clock, settings, faults and journal."""

from __future__ import annotations

import secrets
from collections import deque
from typing import Any

from pydantic import TypeAdapter

from config.limits import rate_limit
from emulator.account import AccountFile
from emulator.clock import Clock
from emulator.errors import ApiError
from emulator.faults import Faults
from emulator.journal import Journal
from emulator.rates import RateLimiter
from emulator.settings import EmulatorSettings
from emulator.state import RamState, State


class LocalCloud:
    """One Alibaba Cloud account in memory.

    Build it from an account file's content; :meth:`reset` returns to that content.
    """

    def __init__(self, account: AccountFile | None = None) -> None:
        self._account = account or AccountFile()
        self.clock = Clock()
        self.faults = Faults()
        self.journal = Journal()
        self.reset()

    def reset(self) -> None:
        """Back to the account file: state, settings, faults, journal, rates and clock."""
        self.state: State = self._account.state.model_copy(deep=True)
        self.settings: EmulatorSettings = self._account.settings.model_copy(deep=True)
        self.clock = Clock()
        self.faults = Faults()
        self.journal = Journal()
        self.rates = RateLimiter(rate_limit)
        self._nonces: dict[tuple[str, str], float] = {}
        self._nonce_order: deque[tuple[tuple[str, str], float]] = deque()
        self._forget_ram_history()
        self._complete()

    # -- saving and loading ----------------------------------------------------------------------------

    def save(self) -> dict[str, Any]:
        """State and settings as plain JSON values; keys and session secrets included (it is a test account)."""
        return {
            "state": self.state.model_dump(mode="json"),
            "settings": self.settings.model_dump(mode="json"),
            "clock_offset": self.clock.offset,
        }

    def load(self, saved: dict[str, Any]) -> None:
        """Replace state and settings. Changes nothing on bad input.

        Raises ``ValueError`` (``pydantic.ValidationError`` is one), ``KeyError`` without ``state``.
        """
        state = State.model_validate(saved["state"])
        settings = EmulatorSettings.model_validate(saved.get("settings", {}))
        self.clock.set_offset(
            TypeAdapter(float).validate_python(saved.get("clock_offset", self.clock.offset))
        )
        self.state, self.settings = state, settings
        self._forget_ram_history()
        self._complete()

    def _complete(self) -> None:
        """Give identifiers and dates that an account file left out."""
        now = self.clock.now()
        ids = self.state.identifiers
        ram = self.state.ram
        for prefix, principals in (("2", ram.users), ("3", ram.roles)):
            for principal in principals.values():
                principal.id = principal.id or ids.digits(prefix)
                principal.created = principal.created or now
                principal.updated = principal.updated or principal.created
        for group in ram.groups.values():
            group.id = group.id or f"g-{ids.digits('4')}"
            group.created = group.created or now
            group.updated = group.updated or group.created
        for policy in ram.policies.values():
            policy.created = policy.created or now
            policy.updated = policy.updated or policy.created
        for source in self.state.dataworks.data_sources:
            source.id = source.id or ids.number(30_000)
            source.created = source.created or now
            source.updated = source.updated or source.created

    # -- time and change -------------------------------------------------------------------------------

    def ram_changed(self) -> None:
        """Remember RAM as it is now, when a setting says that changes take time to be effective."""
        lag = max(self.settings.authorization_lag_seconds, self.settings.list_lag_seconds)
        if lag == 0:
            self._forget_ram_history()
            return
        now = self.clock.now()
        self._ram_history.append((now, self.state.ram.model_copy(deep=True)))
        while len(self._ram_history) > 1 and self._ram_history[1][0] <= now - lag:
            self._ram_history.popleft()

    def before_ram_change(self) -> None:
        """Keep what was there before the first change, so that there is an older view to show."""
        lag = max(self.settings.authorization_lag_seconds, self.settings.list_lag_seconds)
        if lag and not self._ram_history:
            self._ram_history.append((0.0, self.state.ram.model_copy(deep=True)))

    def _forget_ram_history(self) -> None:
        self._ram_history: deque[tuple[float, RamState]] = deque()

    def _ram_as_of(self, lag: float) -> RamState:
        if lag == 0 or not self._ram_history:
            return self.state.ram
        moment = self.clock.now() - lag
        view = self._ram_history[0][1]
        for written, snapshot in self._ram_history:
            if written <= moment:
                view = snapshot
        return view

    def effective_ram(self) -> RamState:
        """RAM as authorisation sees it."""
        return self._ram_as_of(self.settings.authorization_lag_seconds)

    def listed_ram(self) -> RamState:
        """RAM as ListEntitiesForPolicy sees it."""
        return self._ram_as_of(self.settings.list_lag_seconds)

    # -- request identity ------------------------------------------------------------------------------

    def new_request_id(self) -> str:
        """An upper-case UUID, the form of the service's request ids."""
        raw = secrets.token_hex(16).upper()
        return f"{raw[:8]}-{raw[8:12]}-{raw[12:16]}-{raw[16:20]}-{raw[20:]}"

    def spend_nonce(self, access_key_id: str, nonce: str) -> None:
        """Refuse a nonce that was used with this key within its lifetime."""
        now = self.clock.now()
        while self._nonce_order and self._nonce_order[0][1] <= now:
            key, _ = self._nonce_order.popleft()
            self._nonces.pop(key, None)
        key = (access_key_id, nonce)
        if key in self._nonces:
            raise ApiError("SignatureNonceUsed", "Specified signature nonce was used already.", status=400)
        expires = now + self.settings.nonce_lifetime_seconds
        self._nonces[key] = expires
        self._nonce_order.append((key, expires))

"""With whose rights the engine reaches a data source, and the question whether these rights suffice.

Role mode: Data Integration assumes the role; the executor must hold ``ram:PassRole`` on it. AccessKey mode: the rights
of the key's owner. Account modes of Hologres: the executor (``Executor``, development), a RAM user (``SubAccount``) or
the account itself (``PrimaryAccount``). A source of a compute engine, and one with a database password, has no RAM
rights to ask for.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emulator.authorization import (
    Caller,
    caller_from_key,
    decide,
    request_context,
    require_pass_role,
    role_arn,
)
from emulator.cloud import LocalCloud
from emulator.dataplane.errors import AccessRefused, RunFailure
from emulator.dataplane.refusals import refusal
from emulator.dataworks.access import caller_by_id
from emulator.dataworks.content import ACCOUNT_MODES, SERVICE, role_by_id, role_identity, trust_decision
from emulator.errors import ApiError
from emulator.registry import Needed
from emulator.sealed import is_secret
from emulator.state import DataSource, Role


@dataclass(frozen=True)
class Session:
    """The rights with which one data source is reached.

    ``holder`` is None for a login that RAM does not know; ``asks_ram`` is False where the holder's policies do not count.
    """

    cloud: LocalCloud
    holder: Caller | None
    asks_ram: bool = True

    @property
    def shown(self) -> str:
        """Whose rights, for the log."""
        if self.holder is None:
            return "the data source's own login"
        return f"{self.holder.kind} {self.holder.name}"

    def authorise(
        self, action: str, resource: str, context: Mapping[str, tuple[str, ...]] | None = None
    ) -> None:
        """Raise :class:`AccessRefused` unless the holder's effective policies allow the action.

        ``context`` adds condition keys, such as ``oss:Prefix``.
        """
        if self.holder is None or not self.asks_ram:
            return
        asked = {**request_context(self.cloud), **(context or {})}
        decision = decide(self.cloud, self.holder, Needed(action, resource), asked)
        if not decision.allowed:
            raise refusal(self.shown, action, resource, decision)


def open_session(cloud: LocalCloud, source: DataSource, executor: str, *, pass_role: bool) -> Session:
    """Rights for a data source. ``executor`` is the id of who runs the task; ``pass_role`` asks for PassRole.

    Raises :class:`RunFailure` when the role is gone, does not trust the service, or may not be passed.
    """
    content: dict[str, Any] = json.loads(source.content)
    identity = role_identity(content)
    if identity is not None:
        return _role_session(cloud, source, identity, executor, pass_role)
    if source.type == "holo" and content.get("authType") in ACCOUNT_MODES:
        return _account_session(cloud, source, content, executor)
    key_id = str(content.get("accessId") or "")
    if not key_id or source.engine:
        return Session(cloud, None)
    return _key_session(cloud, source, key_id, str(content.get("accessKey") or ""))


def _role_session(
    cloud: LocalCloud, source: DataSource, identity: str, executor: str, pass_role: bool
) -> Session:
    role = role_by_id(cloud.effective_ram(), identity)
    if role is None:
        raise RunFailure(
            "EntityNotExist.Role",
            f"data source {source.name} refers to the role id {identity}, which no role of the account has",
        )
    if pass_role:
        _check_pass_role(cloud, role, executor)
    decision = trust_decision(cloud, role)
    arn = role_arn(cloud, role.name)
    if not decision.allowed:
        raise AccessRefused(
            "NoPermission",
            f"sts:AssumeRole on {arn} refused to service {SERVICE}: {decision.reason}",
        )
    return Session(cloud, Caller("role", role.name, role.id, arn, cloud.state.account_id, SERVICE))


def _check_pass_role(cloud: LocalCloud, role: Role, executor: str) -> None:
    caller = caller_by_id(cloud, executor)
    if caller is None:
        raise RunFailure("EntityNotExist.User", f"the executor {executor} does not exist any more")
    try:
        require_pass_role(cloud, caller, role, SERVICE)
    except ApiError as error:
        raise AccessRefused(error.code, f"ram:PassRole: {error.message}") from error


def _account_session(
    cloud: LocalCloud, source: DataSource, content: Mapping[str, Any], executor: str
) -> Session:
    mode = str(content["authType"])
    identity = {
        "Executor": executor,
        "PrimaryAccount": cloud.state.account_id,
        "SubAccount": str(content.get("authIdentity") or ""),
    }[mode]
    holder = caller_by_id(cloud, identity)
    if holder is None:
        raise RunFailure(
            "EntityNotExist.User",
            f"data source {source.name} is opened with authType {mode}, and the account {identity!r} does not exist",
        )
    return Session(cloud, holder, cloud.settings.hologres_accounts_need_ram)


def _key_session(cloud: LocalCloud, source: DataSource, key_id: str, secret: str) -> Session:
    try:
        holder, expected = caller_from_key(cloud, key_id, None)
    except ApiError as error:
        raise RunFailure(
            error.code, f"the AccessKey of data source {source.name}: {error.message}"
        ) from error
    if not is_secret(secret, expected):
        raise RunFailure(
            "SignatureDoesNotMatch", f"the AccessKey secret of data source {source.name} is wrong"
        )
    return Session(cloud, holder)

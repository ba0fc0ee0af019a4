"""STS: who am I. Source: API reference of GetCallerIdentity (2015-04-01)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cloud.gate import Gate
from config.limits import STS
from config.personas import Persona


@dataclass(frozen=True)
class Identity:
    """The account, and the user or role, that a persona's credentials belong to."""

    account_id: str
    arn: str
    kind: str
    name: str
    id: str
    """UserId of a user, RoleId of a role's session, the account's id of the account itself."""


def caller_identity(gate: Gate, persona: Persona) -> Identity:
    """The identity behind a persona's credentials; also tells the gate its name. Raises :class:`CallError`."""
    body = gate.read(
        STS, "GetCallerIdentity", {}, persona=persona, subject=f"credentials of the {persona.value}"
    )
    arn = str(body["Arn"])
    # acs:ram::<account>:user/<name> | assumed-role/<role>/<session> | root
    name = arn.rpartition(":")[2].removeprefix("user/").removeprefix("assumed-role/")
    gate.name_caller(persona, name)
    return Identity(str(body["AccountId"]), arn, str(body["IdentityType"]), name, _id(body))


def _id(body: Mapping[str, Any]) -> str:
    return str(body.get("RoleId") or body.get("UserId") or body.get("PrincipalId") or "")

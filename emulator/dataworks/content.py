"""What ``Content`` of each data source type must hold: the one table of location keys, credentials and role mode.

Source: CreateDataSource and ListDataSources of 2020-05-18 (AccessKey and password shapes), ConnectionProperties of
2024-05-18 (``authType`` and ``authIdentity``). Role mode is documented for oss and holo only and assumed to have the
same keys elsewhere; the shapes of loghub and ots are assumptions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emulator.authorization import find_role, parsed, request_context
from emulator.cloud import LocalCloud
from emulator.errors import ApiError
from emulator.sealed import SECRETS
from emulator.state import RamState, Role
from policy import Caller as TrustCaller
from policy import Decision, PolicyKind, evaluate_trust

SERVICE = "di.dataworks.aliyuncs.com"
"""The service that assumes the roles of data sources. Source: vendor's page on role-based authorization."""
ROLE_MODE = "RamRole"
EXECUTOR_MODE = "Executor"
ACCOUNT_MODES = frozenset({EXECUTOR_MODE, "PrimaryAccount", "SubAccount"})
"""Values of ``authType`` that stand for an account: who runs the task, the account itself, one of its RAM users."""
MASK = "***"

_KEY_IDS = ("accessId", "accessKeyId")
_ACCESS_KEY = ("accessId", "accessKey")
_PASSWORD = ("username", "password")


@dataclass(frozen=True)
class SourceFacts:
    """One data source type.

    ``locations``: alternatives, each a set of keys that must all be there. ``credentials``: the keys of the other
    mode. ``addresses``: keys that hold the host, in order of preference. ``modes``: values of ``authType`` that need
    no credentials.
    """

    locations: tuple[tuple[str, ...], ...]
    credentials: tuple[str, str]
    addresses: tuple[str, ...]
    modes: frozenset[str] = frozenset({ROLE_MODE})


_ENGINE_MODES = ACCOUNT_MODES | {ROLE_MODE}
TYPES: Mapping[str, SourceFacts] = {
    "oss": SourceFacts((("endpoint", "bucket"),), _ACCESS_KEY, ("endpoint",)),
    "holo": SourceFacts((("instanceId", "database"),), _ACCESS_KEY, ("instanceId",), _ENGINE_MODES),
    "loghub": SourceFacts((("endpoint", "project"),), _ACCESS_KEY, ("endpoint",)),
    "ots": SourceFacts((("endpoint", "instanceName"),), _ACCESS_KEY, ("endpoint",)),
    "ads": SourceFacts((("url", "schema"),), _PASSWORD, ("url",)),
    "analyticdb_for_mysql": SourceFacts(
        (("instanceId", "database"), ("connectionString", "database")),
        _PASSWORD,
        ("connectionString", "instanceId"),
    ),
    "odps": SourceFacts((("project",),), _ACCESS_KEY, ("endpoint",), _ENGINE_MODES),
    "mysql": SourceFacts(
        (("instanceName", "database"), ("jdbcUrl",)), _PASSWORD, ("jdbcUrl", "instanceName"), frozenset()
    ),
}

_HOST = re.compile(r"(?:jdbc:)?(?:[a-z][a-z0-9+.-]*://)?([^/:?]+)", re.IGNORECASE)


def parse_content(text: str) -> dict[str, Any]:
    """``Content`` as an object. Raises ``InvalidContent``."""
    try:
        content = json.loads(text)
    except ValueError as error:
        raise _invalid(f"it is no JSON: {error}") from error
    if not isinstance(content, dict):
        raise _invalid("it must be a JSON object")
    return content


def check_content(
    cloud: LocalCloud, source_type: str, content: Mapping[str, Any], *, development: bool
) -> Role | None:
    """Check location and authorisation of a data source; the role of role mode, or None in another mode.

    ``development`` is the environment: Hologres has other modes there. Raises ``InvalidContent`` and ``DataSource.CheckRamRoleFailure`` (400).
    """
    facts = TYPES.get(source_type)
    if facts is None:  # only where a setting admits types that are not in the table
        return None
    if not any(all(_filled(content, key) for key in keys) for keys in facts.locations):
        wanted = " or ".join(", ".join(keys) for keys in facts.locations)
        raise _invalid(f"a data source of type {source_type} needs {wanted}")
    mode = str(content.get("authType") or "")
    given = [key for key in facts.credentials if _filled(content, key)]
    if mode in facts.modes:
        if given:
            raise _invalid(f"authType {mode} and {', '.join(given)} exclude each other")
        if source_type == "holo" and cloud.settings.hologres_modes_by_environment:
            _check_hologres_mode(mode, development)
        return _role(cloud, content) if mode == ROLE_MODE else None
    if mode == ROLE_MODE:
        raise _invalid(f"a data source of type {source_type} has no role mode")
    if _filled(content, "authIdentity"):
        raise _invalid(f"authIdentity needs authType {ROLE_MODE}")
    missing = [key for key in facts.credentials if key not in given]
    if missing:
        raise _invalid(f"{', '.join(missing)} or authType {ROLE_MODE} with authIdentity is needed")
    return None


def _check_hologres_mode(mode: str, development: bool) -> None:
    """Source: ConnectionProperties of 2024-05-18, Hologres: Executor is for Dev, the other modes for Prod."""
    if (mode == EXECUTOR_MODE) is not development:
        shown = "development" if development else "production"
        wanted = EXECUTOR_MODE if development else ", ".join(sorted(_ENGINE_MODES - {EXECUTOR_MODE}))
        raise _invalid(f"a data source of type holo in the {shown} environment has authType {wanted}")


def _filled(content: Mapping[str, Any], key: str) -> bool:
    return str(content.get(key) or "").strip() != ""


def _invalid(reason: str) -> ApiError:
    return ApiError("InvalidContent", f"Specified parameter Content is not valid: {reason}.", status=400)


def _role(cloud: LocalCloud, content: Mapping[str, Any]) -> Role:
    identity = str(content.get("authIdentity") or "")
    if not identity.isdigit():
        raise _invalid("authIdentity must be the numeric id of a role")
    role = role_by_id(cloud.state.ram, identity)
    if role is None:
        text = f"Failed to check the RAM role. No role of this account has the id {identity}."
        raise ApiError("DataSource.CheckRamRoleFailure", text, status=400)
    return role


def role_by_id(ram: RamState, identity: str) -> Role | None:
    """The role with this id: a role made anew under the same name has another one."""
    return next((role for role in ram.roles.values() if role.id == identity), None)


def role_identity(content: Mapping[str, Any]) -> str | None:
    """The role id of a data source in role mode, else None."""
    return str(content.get("authIdentity") or "") if content.get("authType") == ROLE_MODE else None


def trust_decision(cloud: LocalCloud, role: Role) -> Decision:
    """Whether the role lets Data Integration assume it, by the trust policy that is already effective."""
    effective = find_role(cloud.effective_ram(), role.name) or role
    caller = TrustCaller(kind="service", arn=SERVICE, account_id=cloud.state.account_id, service_account=None)
    return evaluate_trust(parsed(effective.trust_policy, PolicyKind.TRUST), caller, request_context(cloud))


def masked(text: str, *, key_ids: bool = False) -> str:
    """``Content`` as ListDataSources shows it: secrets are three asterisks, and with ``key_ids`` AccessKey ids too."""
    content = json.loads(text)
    hidden = (*SECRETS, *(_KEY_IDS if key_ids else ()))
    return json.dumps(
        {key: MASK if key in hidden and value else value for key, value in content.items()},
        ensure_ascii=False,
    )


def host_of(source_type: str, content: Mapping[str, Any]) -> str:
    """The host a data source speaks to, "" when its content names none."""
    facts = TYPES.get(source_type)
    for key in facts.addresses if facts else ():
        match = _HOST.match(str(content.get(key) or ""))
        if match:
            return match.group(1).lower()
    return ""

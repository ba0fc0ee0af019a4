"""Who calls, and whether the account's documents allow it.

Every decision is made by :mod:`policy.evaluate`, the engine that the pipeline itself uses.
Order: the account itself may do everything; then session policy, identity policies, explicit deny first.
Source: vendor's page "Policy evaluation process"; refusals carry ``AccessDeniedDetail``.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from emulator.clock import iso8601
from emulator.errors import AccessDenied, ApiError
from emulator.ram.system_policies import SYSTEM_POLICIES
from emulator.registry import Needed, Product
from emulator.state import Principal, RamState, Role
from policy import Caller as TrustCaller
from policy import (
    Decision,
    Outcome,
    PolicyDocument,
    PolicyKind,
    Request,
    Source,
    evaluate_identity,
    evaluate_session,
    parse_policy,
)

if TYPE_CHECKING:
    from emulator.cloud import LocalCloud


@dataclass(frozen=True)
class Caller:
    """The identity behind a call."""

    kind: Literal["account", "user", "role"]
    name: str
    id: str
    arn: str
    account_id: str
    session_name: str = ""
    session_policy: str | None = None
    source_identity: str | None = None

    @property
    def display(self) -> str:
        """How refusals and the journal name it."""
        return f"{self.name}:{self.session_name}" if self.kind == "role" else self.name

    def for_trust(self) -> TrustCaller:
        """The caller as a trust policy sees it; a session counts as its role."""
        return TrustCaller(kind=self.kind, arn=self.arn, account_id=self.account_id, service_account=None)


@lru_cache(maxsize=4096)
def parsed(document: str, kind: PolicyKind) -> PolicyDocument:
    """Parse once: documents are immutable texts and every call evaluates several."""
    return parse_policy(document, kind)


def role_arn(cloud: LocalCloud, name: str) -> str:
    """``acs:ram::<account>:role/<name>``; the service lower-cases the name (a setting)."""
    shown = name.lower() if cloud.settings.lowercase_role_arn else name
    return f"acs:ram::{cloud.state.account_id}:role/{shown}"


def policy_document(ram: RamState, name: str, kind: str) -> str | None:
    """The document in force, or None when there is no such policy."""
    if kind == "System":
        return SYSTEM_POLICIES.get(name)
    policy = ram.policies.get(name)
    return policy.default_version().document if policy else None


def sources_of(ram: RamState, principal: Principal, owner: str) -> list[Source]:
    """The attached policies of a user, group or role, each named for the reason it is given."""
    found = []
    for attachment in principal.attachments:
        document = policy_document(ram, attachment.policy, attachment.type)
        if document is not None:
            found.append(
                Source(
                    name=attachment.policy,
                    kind=f"{attachment.type} policy of {owner}",
                    document=parsed(document, PolicyKind.IDENTITY),
                )
            )
    return found


def identity_sources(ram: RamState, kind: str, name: str) -> list[Source]:
    """All identity policies that count for a user (its own and its groups') or a role."""
    if kind == "role":
        role = find_role(ram, name)
        return sources_of(ram, role, f"role {role.name}") if role else []
    user = ram.users.get(name)
    if user is None:
        return []
    found = sources_of(ram, user, f"user {name}")
    for group in ram.groups.values():
        if any(member.user == name for member in group.members):
            found.extend(sources_of(ram, group, f"group {group.name}"))
    return found


def find_role(ram: RamState, name: str) -> Role | None:
    """A role by name; case does not matter, because Arns are lower-cased and unique."""
    role = ram.roles.get(name)
    if role is not None:
        return role
    wanted = name.lower()
    return next((role for key, role in ram.roles.items() if key.lower() == wanted), None)


def effective_role(cloud: LocalCloud, name: str) -> Role | None:
    """A role as STS and services see it: present, with the trust policy that is already effective."""
    present = find_role(cloud.state.ram, name)
    seen = find_role(cloud.effective_ram(), name)
    return seen if present is not None and seen is not None and seen.id == present.id else None


def decide(
    cloud: LocalCloud, caller: Caller, needed: Needed, context: Mapping[str, tuple[str, ...]]
) -> Decision:
    """Evaluate one needed permission of a caller against the documents that are already effective."""
    if caller.kind == "account":
        return Decision(Outcome.ALLOW, None, None, "the account itself")
    ram = cloud.effective_ram()
    sources = identity_sources(ram, caller.kind, caller.name)
    request = Request(action=needed.action, resource=needed.resource, context=context)
    if caller.session_policy is None:
        return evaluate_identity(request, sources)
    session = Source("session policy", "session policy", parsed(caller.session_policy, PolicyKind.SESSION))
    return evaluate_session(request, sources, session)


def denial(cloud: LocalCloud, caller: Caller, needed: Needed, decision: Decision) -> dict[str, str]:
    """``AccessDeniedDetail`` of a refusal."""
    explicit = decision.outcome is Outcome.EXPLICIT_DENY
    layer = "AccountLevelIdentityBasedPolicy"
    if decision.source is not None and decision.source.kind == "session policy":
        layer = "SessionPolicy"
    diagnosis = {"action": needed.action, "resource": needed.resource, "reason": decision.reason}
    return {
        "AuthAction": needed.action,
        "AuthPrincipalType": "AssumedRoleUser" if caller.kind == "role" else "SubUser",
        "AuthPrincipalOwnerId": cloud.state.account_id,
        "AuthPrincipalDisplayName": caller.display if caller.kind == "role" else caller.id,
        "NoPermissionType": "ExplicitDeny" if explicit else "ImplicitDeny",
        "PolicyType": layer,
        "EncodedDiagnosticMessage": base64.b64encode(json.dumps(diagnosis).encode()).decode(),
    }


def require(cloud: LocalCloud, caller: Caller, product: Product, needed: Needed) -> None:
    """Raise the product's refusal unless the caller is allowed."""
    decision = decide(cloud, caller, needed, request_context(cloud))
    if decision.allowed:
        return
    detail = denial(cloud, caller, needed, decision)
    if product.name == "dataworks":
        message = f"You have no permission to call {needed.action.partition(':')[2]}."
        raise AccessDenied("ResourceNotAuthorized.Api", message, status=403, detail=detail)
    raise AccessDenied("NoPermission", "You are not authorized to do this action.", status=403, detail=detail)


def require_pass_role(cloud: LocalCloud, caller: Caller, role: Role, service: str) -> None:
    """The receiving service's question to RAM: may this caller hand the role over?

    ``ram:PassRole`` is no API of its own; vendor's page "Grant a RAM user the PassRole permission".
    """
    needed = Needed("ram:PassRole", role_arn(cloud, role.name))
    decision = decide(cloud, caller, needed, {**request_context(cloud), "acs:Service": (service,)})
    if decision.allowed:
        return
    raise AccessDenied(
        cloud.settings.pass_role_denied_code,
        f"{caller.display} is not authorized to pass role {needed.resource} to {service}.",
        status=403,
        detail=denial(cloud, caller, needed, decision),
    )


def request_context(cloud: LocalCloud) -> dict[str, tuple[str, ...]]:
    """Condition keys that every local call knows."""
    return {
        "acs:CurrentTime": (iso8601(cloud.clock.now()),),
        "acs:SecureTransport": ("false",),
        "acs:SourceIp": ("127.0.0.1",),
        "acs:MFAPresent": ("false",),
    }


def caller_from_key(cloud: LocalCloud, access_key_id: str, token: str | None) -> tuple[Caller, str]:
    """The caller and the secret of an AccessKey. Raises the gateway's credential refusals."""
    state = cloud.state
    if access_key_id.startswith("STS."):
        return _session_caller(cloud, access_key_id, token)
    for key in state.access_keys:
        if key.id == access_key_id:
            arn = f"acs:ram::{state.account_id}:root"
            return Caller("account", "root", state.account_id, arn, state.account_id), _active(
                key.active, key.secret
            )
    for user in state.ram.users.values():
        for key in user.access_keys:
            if key.id == access_key_id:
                arn = f"acs:ram::{state.account_id}:user/{user.name}"
                caller = Caller("user", user.name, user.id, arn, state.account_id)
                return caller, _active(key.active, key.secret)
    raise ApiError("InvalidAccessKeyId.NotFound", "Specified access key is not found.", status=404)


def _active(active: bool, secret: str) -> str:
    if not active:
        raise ApiError("InvalidAccessKeyId.Inactive", "Specified access key is disabled.", status=400)
    return secret


def _session_caller(cloud: LocalCloud, access_key_id: str, token: str | None) -> tuple[Caller, str]:
    if not token:
        raise ApiError("MissingSecurityToken", "SecurityToken is mandatory for this action.", status=400)
    session = cloud.state.sessions.get(access_key_id)
    if session is None:
        raise ApiError("InvalidAccessKeyId.NotFound", "Specified access key is not found.", status=404)
    if session.token != token:
        raise ApiError(
            "InvalidSecurityToken.MismatchWithAccessKey",
            "Specified SecurityToken mismatch with AccessKeyId.",
            status=400,
        )
    role = find_role(cloud.state.ram, session.role)
    if session.expires <= cloud.clock.now() or role is None or role.id != session.role_id:
        # Deleting a role ends its sessions: vendor's FAQ on STS tokens.
        raise ApiError("InvalidSecurityToken.Expired", "Specified SecurityToken is expired.", status=400)
    arn = role_arn(cloud, role.name)
    caller = Caller(
        "role",
        role.name,
        role.id,
        arn,
        cloud.state.account_id,
        session.session_name,
        session.policy,
        session.source_identity,
    )
    return caller, session.secret

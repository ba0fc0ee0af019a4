"""RAM objects and the calls that read and change them. Source: API reference RAM 2015-05-01.

Reading functions return None for what does not exist. Changing functions resolve lost answers by looking
(:func:`cloud.ensure.write_once`). Documents travel as JSON text; comparing them is :mod:`policy`'s work.
All calls are made as the administrator.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from enum import Enum
from typing import Any
from urllib.parse import unquote

from cloud.ensure import write_once
from cloud.errors import NotFound
from cloud.gate import Gate
from config.limits import POLICY_VERSIONS, RAM, RAM_PAGE_ITEMS
from config.personas import Persona

_AS = Persona.ADMINISTRATOR
CUSTOM = "Custom"


class Grantee(str, Enum):
    """What a custom policy is attached to."""

    USER = "User"
    GROUP = "Group"
    ROLE = "Role"


@dataclass(frozen=True)
class Role:
    """A role. ``role_id`` is the number data sources point at; ``updated`` seconds since the epoch."""

    name: str
    role_id: str
    arn: str
    trust_policy: str
    description: str
    updated: float


@dataclass(frozen=True)
class CustomPolicy:
    """A custom policy with the document in force. ``updated`` is when that version was made."""

    name: str
    document: str
    version: str
    updated: float


@dataclass(frozen=True)
class Attached:
    """A custom policy attached to something; ``attached`` in seconds since the epoch."""

    policy: str
    attached: float


def _seconds(date: Any) -> float:
    """RAM's ``2026-01-31T08:00:00Z`` as seconds since the epoch; 0 when the service left it out."""
    if not date:
        return 0.0
    return datetime.strptime(str(date), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc).timestamp()


# -- roles ---------------------------------------------------------------------------------------------


def get_role(gate: Gate, name: str) -> Role | None:
    """GetRole: the only read that returns the trust policy."""
    try:
        body = gate.read(RAM, "GetRole", {"RoleName": name}, persona=_AS, subject=f"role {name}")
    except NotFound:
        return None
    role = body["Role"]
    return Role(
        name=str(role["RoleName"]),
        role_id=str(role["RoleId"]),
        arn=str(role["Arn"]),
        trust_policy=_document(role["AssumeRolePolicyDocument"]),
        description=str(role.get("Description") or ""),
        updated=_seconds(role.get("UpdateDate") or role.get("CreateDate")),
    )


def _document(text: Any) -> str:
    """Documents come back as text; older gateways percent-encode them."""
    document = str(text or "")
    return unquote(document) if document.startswith("%7B") else document


def _same_document(left: str, right: str) -> bool:
    """Whether one text is the other as the service may return it: without spaces, single items without their list,
    in another order. Recognises what was just sent; comparing by meaning is :mod:`policy`'s work.
    """
    try:
        return bool(_spelling(json.loads(left)) == _spelling(json.loads(right)))
    except ValueError:
        return left == right


def _spelling(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _spelling(item) for key, item in value.items()}
    if isinstance(value, list):
        items = sorted((_spelling(item) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
        return items[0] if len(items) == 1 else items
    return value


def create_role(gate: Gate, name: str, trust_policy: str, description: str, tags: Mapping[str, str]) -> Role:
    """CreateRole with tags."""
    parameters = {
        "RoleName": name,
        "AssumeRolePolicyDocument": trust_policy,
        "Description": description,
        "Tag": _tags(tags),
    }
    return write_once(
        gate,
        lambda: gate.write(RAM, "CreateRole", parameters, persona=_AS, subject=f"role {name}"),
        lambda: get_role(gate, name),
        subject=f"role {name}",
    )


def update_trust_policy(gate: Gate, name: str, trust_policy: str) -> Role:
    """UpdateRole, in place: the role keeps its id, which data sources point at."""
    parameters = {"RoleName": name, "NewAssumeRolePolicyDocument": trust_policy}

    def changed() -> Role | None:
        role = get_role(gate, name)
        return role if role is not None and _same_document(role.trust_policy, trust_policy) else None

    def act() -> object:
        return gate.write(RAM, "UpdateRole", parameters, persona=_AS, subject=f"role {name}")

    return write_once(gate, act, changed, subject=f"role {name}")


# -- custom policies -----------------------------------------------------------------------------------


def get_policy(gate: Gate, name: str) -> CustomPolicy | None:
    """GetPolicy of a custom policy with its default version."""
    parameters = {"PolicyName": name, "PolicyType": CUSTOM}
    try:
        body = gate.read(RAM, "GetPolicy", parameters, persona=_AS, subject=f"custom policy {name}")
    except NotFound:
        return None
    version = body["DefaultPolicyVersion"]
    return CustomPolicy(
        name=str(body["Policy"]["PolicyName"]),
        document=_document(version["PolicyDocument"]),
        version=str(version["VersionId"]),
        updated=_seconds(version.get("CreateDate")),
    )


def create_policy(
    gate: Gate, name: str, document: str, description: str, tags: Mapping[str, str]
) -> CustomPolicy:
    """CreatePolicy with tags; its first version is in force."""
    parameters = {
        "PolicyName": name,
        "PolicyDocument": document,
        "Description": description,
        "Tag": _tags(tags),
    }
    return write_once(
        gate,
        lambda: gate.write(RAM, "CreatePolicy", parameters, persona=_AS, subject=f"custom policy {name}"),
        lambda: get_policy(gate, name),
        subject=f"custom policy {name}",
    )


def update_policy(gate: Gate, name: str, document: str) -> CustomPolicy:
    """CreatePolicyVersion as the default, rotating the oldest of five versions out. There is no UpdatePolicy."""
    parameters = {
        "PolicyName": name,
        "PolicyDocument": document,
        # Forgotten, the old text would stay in force.
        "SetAsDefault": True,
        "RotateStrategy": "DeleteOldestNonDefaultVersionWhenLimitExceeded",
    }
    assert POLICY_VERSIONS > 1  # the default version itself is never rotated out

    def changed() -> CustomPolicy | None:
        policy = get_policy(gate, name)
        return policy if policy is not None and _same_document(policy.document, document) else None

    def act() -> object:
        return gate.write(
            RAM, "CreatePolicyVersion", parameters, persona=_AS, subject=f"custom policy {name}"
        )

    return write_once(gate, act, changed, subject=f"custom policy {name}")


# -- attachments ---------------------------------------------------------------------------------------


def attached_policies(gate: Gate, kind: Grantee, name: str) -> dict[str, Attached] | None:
    """ListPoliciesForUser, …Group, …Role: custom policies by name; None when the entity does not exist."""
    subject = f"{kind.value.lower()} {name}"
    try:
        body = gate.read(
            RAM, f"ListPoliciesFor{kind.value}", {f"{kind.value}Name": name}, persona=_AS, subject=subject
        )
    except NotFound:
        return None
    return {
        str(policy["PolicyName"]): Attached(str(policy["PolicyName"]), _seconds(policy.get("AttachDate")))
        for policy in (body.get("Policies") or {}).get("Policy") or []
        if policy.get("PolicyType") == CUSTOM
    }


def attach_policy(gate: Gate, kind: Grantee, name: str, policy: str) -> Attached:
    """AttachPolicyToUser, …Group, …Role."""
    parameters = {"PolicyName": policy, "PolicyType": CUSTOM, f"{kind.value}Name": name}
    subject = f"custom policy {policy} on {kind.value.lower()} {name}"
    return write_once(
        gate,
        lambda: gate.write(RAM, f"AttachPolicyTo{kind.value}", parameters, persona=_AS, subject=subject),
        lambda: (attached_policies(gate, kind, name) or {}).get(policy),
        subject=subject,
    )


def policy_holders(gate: Gate, policy: str) -> tuple[tuple[Grantee, str], ...]:
    """ListEntitiesForPolicy of a custom policy: who it is attached to. It may be some seconds old."""
    parameters = {"PolicyName": policy, "PolicyType": CUSTOM}
    body = gate.read(RAM, "ListEntitiesForPolicy", parameters, persona=_AS, subject=f"custom policy {policy}")
    return tuple(
        (kind, str(entity[f"{kind.value}Name"]))
        for kind in Grantee
        for entity in (body.get(f"{kind.value}s") or {}).get(kind.value) or []
    )


# -- tags ----------------------------------------------------------------------------------------------


def _tags(tags: Mapping[str, str]) -> list[dict[str, str]]:
    return [{"Key": key, "Value": value} for key, value in tags.items()]


def tags_of(gate: Gate, resource_type: str, name: str) -> dict[str, str]:
    """ListTagResources of one role or policy (``resource_type`` is ``role`` or ``policy``)."""
    found: dict[str, str] = {}
    token: str | None = None
    while True:
        parameters: dict[str, Any] = {"ResourceType": resource_type, "ResourceNames": [name]}
        if token:
            parameters["NextToken"] = token
        body = gate.read(RAM, "ListTagResources", parameters, persona=_AS, subject=f"{resource_type} {name}")
        found.update({str(t["TagKey"]): str(t["TagValue"]) for t in _tag_items(body)})
        token = body.get("NextToken")
        if not token:
            return found


def _tag_items(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    resources = body.get("TagResources") or []
    yield from resources.get("TagResource", []) if isinstance(resources, Mapping) else resources


def add_tags(gate: Gate, resource_type: str, name: str, tags: Mapping[str, str]) -> dict[str, str]:
    """TagResources on one role or policy; existing tags of other keys stay."""
    parameters = {"ResourceType": resource_type, "ResourceNames": [name], "Tag": _tags(tags)}

    def tagged() -> dict[str, str] | None:
        present = tags_of(gate, resource_type, name)
        return present if all(present.get(key) == value for key, value in tags.items()) else None

    def act() -> object:
        return gate.write(RAM, "TagResources", parameters, persona=_AS, subject=f"{resource_type} {name}")

    return write_once(gate, act, tagged, subject=f"{resource_type} {name}")


# -- people --------------------------------------------------------------------------------------------


def user_exists(gate: Gate, name: str) -> bool:
    """GetUser."""
    try:
        gate.read(RAM, "GetUser", {"UserName": name}, persona=_AS, subject=f"user {name}")
    except NotFound:
        return False
    return True


def group_exists(gate: Gate, name: str) -> bool:
    """GetGroup."""
    try:
        gate.read(RAM, "GetGroup", {"GroupName": name}, persona=_AS, subject=f"group {name}")
    except NotFound:
        return False
    return True


def group_members(gate: Gate, name: str) -> tuple[str, ...]:
    """ListUsersForGroup, all pages; empty when there is no such group."""
    found: list[str] = []
    marker: str | None = None
    while True:
        parameters: dict[str, Any] = {"GroupName": name, "MaxItems": RAM_PAGE_ITEMS}
        if marker:
            parameters["Marker"] = marker
        try:
            body = gate.read(RAM, "ListUsersForGroup", parameters, persona=_AS, subject=f"group {name}")
        except NotFound:
            return ()
        found += [str(user["UserName"]) for user in (body.get("Users") or {}).get("User") or []]
        marker = body.get("Marker") if body.get("IsTruncated") else None
        if not marker:
            return tuple(found)

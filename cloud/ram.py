"""RAM objects and the calls that read and change them. Source: API reference RAM 2015-05-01.

Reading functions return None for what does not exist. Changing functions resolve lost answers by looking
(:func:`cloud.ensure.write_once`). Documents travel as JSON text; comparing them is :mod:`policy`'s work.
All calls are made as the administrator.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from enum import Enum
from typing import Any, TypeVar
from urllib.parse import unquote

from cloud.ensure import write_once
from cloud.errors import AlreadyExists, NotFound
from cloud.gate import Gate
from config.limits import POLICY_VERSIONS, RAM, RAM_PAGE_ITEMS, TAG_RESOURCE_NAMES_PER_CALL
from config.personas import Persona

_AS = Persona.ADMINISTRATOR
CUSTOM = "Custom"
T = TypeVar("T")


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
    description: str = ""


@dataclass(frozen=True)
class Attached:
    """A custom policy attached to something; ``attached`` in seconds since the epoch."""

    policy: str
    attached: float


def seconds(date: Any) -> float:
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
        updated=seconds(role.get("UpdateDate") or role.get("CreateDate")),
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


class _AnotherObject(Exception):
    """What has the name is not what was to be created."""


def _create(
    gate: Gate,
    act: Callable[[], object],
    find: Callable[[], T | None],
    same: Callable[[T], bool],
    *,
    subject: str,
) -> T:
    """Create an object by name. One that is found after a refusal or a lost answer must be what was to be created.

    Raises :class:`AlreadyExists` for another object of the name: somebody made it since it was looked for.
    """
    accepted = False

    def create() -> None:
        nonlocal accepted
        act()
        accepted = True

    def look() -> T | None:
        found = find()
        if found is None or accepted or same(found):
            return found
        raise _AnotherObject

    try:
        return write_once(gate, create, look, subject=subject)
    except _AnotherObject:
        raise AlreadyExists(
            "it was made by somebody else, or for something else, since it was looked for",
            subject=subject,
            persona=_AS,
            remedy="apply again: what exists is then read first, and kept or refused by its tags",
        ) from None


def create_role(gate: Gate, name: str, trust_policy: str, description: str, tags: Mapping[str, str]) -> Role:
    """CreateRole with tags. Raises :class:`AlreadyExists` for a role of the name with another document
    or description."""
    parameters = {
        "RoleName": name,
        "AssumeRolePolicyDocument": trust_policy,
        "Description": description,
        "Tag": _tags(tags),
    }
    return _create(
        gate,
        lambda: gate.write(RAM, "CreateRole", parameters, persona=_AS, subject=f"role {name}"),
        lambda: get_role(gate, name),
        # Every role for Data Integration has this document: the description tells what it is for.
        lambda role: _same_document(role.trust_policy, trust_policy) and role.description == description,
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
        updated=seconds(version.get("CreateDate")),
        description=str(body["Policy"].get("Description") or ""),
    )


def create_policy(
    gate: Gate, name: str, document: str, description: str, tags: Mapping[str, str]
) -> CustomPolicy:
    """CreatePolicy with tags; its first version is in force.

    Raises :class:`AlreadyExists` for a policy of the name with another document or description.
    """
    parameters = {
        "PolicyName": name,
        "PolicyDocument": document,
        "Description": description,
        "Tag": _tags(tags),
    }
    return _create(
        gate,
        lambda: gate.write(RAM, "CreatePolicy", parameters, persona=_AS, subject=f"custom policy {name}"),
        lambda: get_policy(gate, name),
        lambda policy: _same_document(policy.document, document) and policy.description == description,
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
        str(policy["PolicyName"]): Attached(str(policy["PolicyName"]), seconds(policy.get("AttachDate")))
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


def policy_versions(gate: Gate, name: str) -> int:
    """ListPolicyVersions: how many versions a custom policy has."""
    parameters = {"PolicyName": name, "PolicyType": CUSTOM}
    body = gate.read(RAM, "ListPolicyVersions", parameters, persona=_AS, subject=f"custom policy {name}")
    return len((body.get("PolicyVersions") or {}).get("PolicyVersion") or [])


def policy_holders(gate: Gate, policy: str, kind: str = CUSTOM) -> tuple[tuple[Grantee, str], ...]:
    """ListEntitiesForPolicy of a custom or system policy: who it is attached to. It may be some seconds old."""
    parameters = {"PolicyName": policy, "PolicyType": kind}
    subject = f"{kind.lower()} policy {policy}"
    body = gate.read(RAM, "ListEntitiesForPolicy", parameters, persona=_AS, subject=subject)
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
    return tags_of_many(gate, resource_type, (name,))[name]


def tags_of_many(gate: Gate, resource_type: str, names: Sequence[str]) -> dict[str, dict[str, str]]:
    """ListTagResources of roles or policies, 50 a call, all pages: the tags of each name, none for what is not there."""
    found: dict[str, dict[str, str]] = {name: {} for name in names}
    distinct = list(found)
    for start in range(0, len(distinct), TAG_RESOURCE_NAMES_PER_CALL):
        asked = distinct[start : start + TAG_RESOURCE_NAMES_PER_CALL]
        subject = (
            f"{resource_type} {asked[0]}"
            if len(asked) == 1
            else f"tags of {len(asked)} {resource_type} names"
        )
        by_case = {name.lower(): name for name in asked}  # a role is found whatever the case of its name
        token: str | None = None
        while True:
            parameters: dict[str, Any] = {"ResourceType": resource_type, "ResourceNames": asked}
            if token:
                parameters["NextToken"] = token
            body = gate.read(RAM, "ListTagResources", parameters, persona=_AS, subject=subject)
            for tag in _tag_items(body):
                name = str(tag.get("ResourceName") or asked[0])
                held = found.get(name) if name in found else found.get(by_case.get(name.lower(), ""))
                if held is not None:
                    held[str(tag["TagKey"])] = str(tag["TagValue"])
            token = body.get("NextToken")
            if not token:
                break
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

"""Reading RAM as a whole: who has which documents, how many objects there are. All calls as the administrator.

Used to explain decisions and to check before anything is written; a refused read is an answer ("not readable"),
because whoever asks may not be allowed to see everything.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cloud.errors import NotFound, Refused
from cloud.gate import Gate
from cloud.ram import Grantee, group_members
from config.limits import RAM, RAM_GROUP_PAGE_ITEMS, RAM_PAGE_ITEMS
from config.personas import Persona

_AS = Persona.ADMINISTRATOR


@dataclass(frozen=True)
class AttachedDocument:
    """A policy attached to a user, group or role; ``document`` is None when it cannot be read."""

    policy: str
    kind: str
    document: str | None


@dataclass(frozen=True)
class ListedRole:
    """A role as ListRoles shows it: without trust policy."""

    name: str
    role_id: str
    tags: Mapping[str, str]


@dataclass(frozen=True)
class ListedPolicy:
    """A policy as ListPolicies shows it: without document. ``updated`` and ``created`` are RAM's dates as text."""

    name: str
    kind: str
    attachments: int
    version: str
    created: str
    updated: str
    tags: Mapping[str, str]


class Inventory:
    """Reads on demand and keeps what was read: one document serves many questions."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._documents: dict[tuple[str, str], str | None] = {}
        self._names: dict[tuple[Grantee, str], tuple[AttachedDocument, ...]] = {}
        self._groups: dict[str, tuple[str, ...] | None] = {}
        self._members: dict[str, tuple[str, ...]] = {}

    def attached(self, kind: Grantee, name: str) -> tuple[AttachedDocument, ...] | None:
        """Custom and system policies of an entity; None when the entity does not exist or may not be read."""
        try:
            return tuple(self._attached(one.policy, one.kind) for one in self.names(kind, name))
        except Refused:
            return None

    def names(self, kind: Grantee, name: str) -> tuple[AttachedDocument, ...]:
        """The same without reading documents. Raises a call's error."""
        if (kind, name) not in self._names:
            self._names[kind, name] = self._read_names(kind, name)
        return self._names[kind, name]

    def _read_names(self, kind: Grantee, name: str) -> tuple[AttachedDocument, ...]:
        body = self._gate.read(
            RAM, f"ListPoliciesFor{kind.value}", {f"{kind.value}Name": name}, persona=_AS,
            subject=f"{kind.value.lower()} {name}",
        )  # fmt: skip
        policies = (body.get("Policies") or {}).get("Policy") or []
        return tuple(AttachedDocument(str(p["PolicyName"]), str(p["PolicyType"]), None) for p in policies)

    def _attached(self, policy: str, kind: str) -> AttachedDocument:
        return AttachedDocument(policy, kind, self.document(policy, kind))

    def document(self, policy: str, kind: str) -> str | None:
        """GetPolicy's document of a custom or system policy; None when it may not be read."""
        if (policy, kind) not in self._documents:
            self._documents[policy, kind] = self._document(policy, kind)
        return self._documents[policy, kind]

    def _document(self, policy: str, kind: str) -> str | None:
        parameters = {"PolicyName": policy, "PolicyType": kind}
        try:
            body = self._gate.read(
                RAM, "GetPolicy", parameters, persona=_AS, subject=f"{kind.lower()} policy {policy}"
            )
        except Refused:
            return None
        return str((body.get("DefaultPolicyVersion") or {}).get("PolicyDocument") or "") or None

    def groups_of(self, user: str) -> tuple[str, ...] | None:
        """ListGroupsForUser; None when it may not be read."""
        if user not in self._groups:
            self._groups[user] = self._read_groups(user)
        return self._groups[user]

    def members(self, group: str) -> tuple[str, ...]:
        """ListUsersForGroup, all pages; empty when there is no such group."""
        if group not in self._members:
            self._members[group] = group_members(self._gate, group)
        return self._members[group]

    def _read_groups(self, user: str) -> tuple[str, ...] | None:
        try:
            body = self._gate.read(
                RAM, "ListGroupsForUser", {"UserName": user}, persona=_AS, subject=f"user {user}"
            )
        except NotFound:
            return ()
        except Refused:
            return None
        return tuple(str(group["GroupName"]) for group in (body.get("Groups") or {}).get("Group") or [])

    def users(self) -> tuple[str, ...]:
        """ListUsers, all pages."""
        return tuple(str(user["UserName"]) for user in self._list("ListUsers", "Users", "User"))

    def groups(self) -> tuple[str, ...]:
        """ListGroups, all pages."""
        found = self._list("ListGroups", "Groups", "Group", RAM_GROUP_PAGE_ITEMS)
        return tuple(str(group["GroupName"]) for group in found)

    def roles(self) -> tuple[str, ...]:
        """ListRoles, all pages: names only, because the list has no trust policies."""
        return tuple(str(role["RoleName"]) for role in self._list("ListRoles", "Roles", "Role"))

    def listed_roles(self) -> tuple[ListedRole, ...]:
        """ListRoles, all pages: ids and tags, no trust policies."""
        return tuple(
            ListedRole(str(role["RoleName"]), str(role["RoleId"]), _tags(role))
            for role in self._list("ListRoles", "Roles", "Role")
        )

    def listed_policies(self, kind: str) -> tuple[ListedPolicy, ...]:
        """ListPolicies of type ``Custom`` or ``System``, all pages: how often attached, and tags."""
        found = self._list("ListPolicies", "Policies", "Policy", extra={"PolicyType": kind})
        return tuple(
            ListedPolicy(
                name=str(policy["PolicyName"]),
                kind=kind,
                attachments=int(policy.get("AttachmentCount") or 0),
                version=str(policy.get("DefaultVersion") or ""),
                created=str(policy.get("CreateDate") or ""),
                updated=str(policy.get("UpdateDate") or ""),
                tags=_tags(policy),
            )
            for policy in found
        )

    def user_ids(self) -> dict[str, str]:
        """ListUsers, all pages: names by id."""
        listed = self._list("ListUsers", "Users", "User")
        return {str(user.get("UserId") or user["UserName"]): str(user["UserName"]) for user in listed}

    def custom_policies(self) -> tuple[str, ...]:
        """ListPolicies of the custom ones, all pages."""
        found = self._list("ListPolicies", "Policies", "Policy", extra={"PolicyType": "Custom"})
        return tuple(str(policy["PolicyName"]) for policy in found)

    def _list(
        self,
        action: str,
        wrapper: str,
        item: str,
        page: int = RAM_PAGE_ITEMS,
        extra: Mapping[str, Any] | None = None,
    ) -> Iterator[Mapping[str, Any]]:
        marker: str | None = None
        while True:
            parameters: dict[str, Any] = {"MaxItems": page, **(extra or {})}
            if marker:
                parameters["Marker"] = marker
            body = self._gate.read(RAM, action, parameters, persona=_AS, subject=wrapper.lower())
            yield from (body.get(wrapper) or {}).get(item) or []
            marker = body.get("Marker") if body.get("IsTruncated") else None
            if not marker:
                return


def inventory_of(gate: Gate) -> Inventory:
    """What was read of people and policies: kept over questions, and over onboardings that share their reads."""
    if gate.shared is None:
        return Inventory(gate)
    return gate.shared.memo("inventory", lambda: Inventory(gate))


def _tags(item: Mapping[str, Any]) -> dict[str, str]:
    return {str(tag["TagKey"]): str(tag["TagValue"]) for tag in (item.get("Tags") or {}).get("Tag") or []}

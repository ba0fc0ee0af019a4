"""Where a data source leads: its location in the specification's words, and what its role needs and may do there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cloud.errors import Mismatch
from config.names import SERVICE_PRINCIPAL
from config.sources.base import (
    Access,
    Permission,
    PermissionLevel,
    SourceLocation,
    SourceType,
    content_override,
)
from config.sources.inverse import Traces
from policy import AttachedPolicy, Effect, Inventory, RolePolicies, Verdict, access_to, trust_policy
from tasks.adopting.location import location_of, source_type_of
from tasks.audit.account import Account, AuditedPolicy, AuditedRole, AuditedSource

_LEVELS: tuple[PermissionLevel, ...] = ("minimal", "vendor")
_NOT_SHOWN = frozenset({"endpoint", "version"})


@dataclass(frozen=True)
class Place:
    """A data source's type and its location, as far as Content, policies and sync tasks tell."""

    kind: SourceType
    location: SourceLocation

    def everything(self) -> Iterator[Permission]:
        """All that a specification of this location could ask for."""
        for level in _LEVELS:
            yield from self.kind.permissions(self.location, Access.READ_WRITE, level, deletes=True)

    def lacking(
        self, access: Access, deletes: bool, role: AuditedRole, policies: Sequence[AuditedPolicy]
    ) -> tuple[str, ...]:
        """Actions that the role needs for an access and certainly has not: less than the minimum and the vendor's list."""
        fewest: tuple[str, ...] | None = None
        for level in _LEVELS:
            permissions = self.kind.permissions(self.location, access, level, deletes=deletes)
            denied = _denied(role, policies, permissions)
            if not denied:
                return ()
            fewest = denied if fewest is None else min(fewest, denied, key=len)
        return fewest or ()

    def access_of(self, role: AuditedRole, policies: Sequence[AuditedPolicy]) -> str:
        """What the role may do: ``read``, ``write``, ``read-write``, or "" for nothing of what a sync task does."""
        reading = self._telling(Access.READ, Access.WRITE)
        writing = self._telling(Access.WRITE, Access.READ)
        if not reading or not writing:
            return "read-write"  # the permissions do not tell: something outside RAM decides
        reads = len(_denied(role, policies, reading)) < len(reading)
        writes = len(_denied(role, policies, writing)) < len(writing)
        return "-".join([*["read"] * reads, *["write"] * writes])

    def _telling(self, access: Access, other: Access) -> tuple[Permission, ...]:
        common = {one.action for one in self.kind.permissions(self.location, other, "minimal")}
        wanted = self.kind.permissions(self.location, access, "minimal")
        return tuple(one for one in wanted if one.action not in common)


class Places:
    """The places of an account's data sources, each worked out once."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._known: dict[tuple[object, ...], Place | None] = {}

    def of(self, source: AuditedSource, policies: Sequence[AuditedPolicy]) -> Place | None:
        """The place of a data source; None for a type that is not known here, or a location that cannot be expressed.

        `policies` are those of its role: they tell a prefix, or tables, that Content does not.
        """
        key = (source.key, *((one.listed.kind, one.name) for one in policies))
        if key not in self._known:
            self._known[key] = _place_of(self._account, source, policies)
        return self._known[key]


def _place_of(account: Account, source: AuditedSource, policies: Sequence[AuditedPolicy]) -> Place | None:
    found = source.inspected.source
    kind = source_type_of(found.type)
    if kind is None:
        return None
    try:
        fields = location_of(
            found.type,
            found.content,
            account.region,
            resources=_allowed(policies),
            steps=_steps(account, source),
            profile=content_override(account.profiles, kind.name, found.environment),
            subject=str(source),
        )
    except Mismatch:
        return None
    location = kind.Location.model_validate(dict(fields))
    return Place(kind, kind.resolve_location(location, account.region))


def location_texts(
    account: Account, source: AuditedSource, policies: Sequence[AuditedPolicy]
) -> tuple[str, ...]:
    """Where a data source leads, in the specification's words: ``oss://bucket/prefix``, one text a table or Logstore.

    As far as it can be told: without a role and without sync tasks the tables of an instance are not known.
    """
    found = source.inspected.source
    kind = source_type_of(found.type)
    if kind is None:
        return ()
    traces = Traces(_allowed(policies), _steps(account, source))
    profile = content_override(account.profiles, kind.name, found.environment)
    try:
        fields = kind.location_fields(found.content, traces, profile)
    except ValueError:
        return (f"{kind.name}://",)
    start = f"{kind.name}://" + "/".join(
        str(value)
        for key in kind.Location.model_fields
        if key not in _NOT_SHOWN and isinstance(value := fields.get(key), str) and value
    )
    names = [
        str(name)
        for key in kind.Location.model_fields
        if isinstance(values := fields.get(key), (list, tuple))
        for name in values
    ]
    return tuple(f"{start}/{name}" for name in sorted(set(names))) or (start,)


def _steps(account: Account, source: AuditedSource) -> tuple[dict[str, Any], ...]:
    return tuple(dict(use.parameters) for _, use in account.uses_of(source))


def _allowed(policies: Sequence[AuditedPolicy]) -> tuple[str, ...]:
    return tuple(
        resource
        for policy in policies
        if policy.document is not None
        for statement in policy.document.statements
        if statement.effect is Effect.ALLOW
        for resource in statement.resources
    )


def _denied(
    role: AuditedRole, policies: Sequence[AuditedPolicy], permissions: Sequence[Permission]
) -> tuple[str, ...]:
    """Actions that are certainly denied on one of their resources. The trust policy is another question."""
    held = tuple(
        AttachedPolicy(one.name, f"{one.listed.kind.lower()} policy", one.document) for one in policies
    )
    asked = Inventory("", roles=(RolePolicies(role.name, trust_policy(SERVICE_PRINCIPAL), held),))
    rows = access_to(asked, role.name, permissions, service=SERVICE_PRINCIPAL)
    return tuple(sorted({row.action for row in rows if row.explanation.decision is Verdict.DENY}))

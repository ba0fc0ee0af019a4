"""Who can reach a location through DataWorks, and by which chain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from config.names import SERVICE_PRINCIPAL
from policy import lint_trust
from tasks.audit.account import Account, AuditedRole, AuditedSource
from tasks.audit.passing import Passing
from tasks.audit.places import Places, location_texts

_NOT_TRUSTED = "RAM101"


@dataclass(frozen=True)
class AccessChain:
    """One way to reach a location through DataWorks: user → PassRole → role → policy → data source → task.

    `location` is as the specification would write it, such as ``oss://bucket/prefix``; `access` is read, write or
    read-write; `environment` DEV or PROD; `mode` "role" or "access key", in which `role` is "". `policies` are the
    role's, `grants` the policies that carry PassRole. `user` is a RAM user, a role, or "" when nobody holds PassRole;
    `group` is by which group it is held, "" when directly. `tasks` use the data source.
    """

    location: str
    access: str
    workspace: int
    data_source: str
    environment: str
    type: str
    mode: str
    role: str
    policies: tuple[str, ...]
    grants: tuple[str, ...]
    user: str
    group: str
    tasks: tuple[str, ...]


def access_chains(account: Account, passing: Passing, places: Places) -> tuple[AccessChain, ...]:
    """Every chain of data sources in role mode and in AccessKey mode, by location.

    Who runs a task of a data source in executor mode reaches what their own account reaches: that is no chain.
    A user with PassRole who is no member of the workspace is listed: any workspace of theirs can use the role.
    """
    chains = (chain for source in account.sources for chain in _of_source(account, passing, places, source))
    return tuple(
        sorted(
            chains,
            key=lambda one: (
                one.location,
                one.workspace,
                one.data_source,
                one.environment,
                one.user,
                one.group,
            ),
        )
    )


def _of_source(
    account: Account, passing: Passing, places: Places, source: AuditedSource
) -> Iterator[AccessChain]:
    if source.inspected.access_key:
        for location in location_texts(account, source, ()):
            yield _chain(account, source, location, _used(account, source), "access key")
        return
    role = account.role_of(source)
    if role is None or not _trusts(account, role):
        return
    policies = account.policies_of(role)
    place = places.of(source, policies)
    access = place.access_of(role, policies) if place is not None else _used(account, source)
    if not access:
        return  # the role may do nothing there
    names = tuple(sorted(policy.name for policy in policies))
    for location in location_texts(account, source, policies):
        chain = replace(_chain(account, source, location, access, "role"), role=role.name, policies=names)
        holdings = passing.holdings(role)
        if not holdings:
            yield chain
        for one in holdings:
            grants = tuple(sorted(policy.name for policy in one.policies))
            yield replace(chain, user=one.holder[1], group=one.group, grants=grants)


def _chain(account: Account, source: AuditedSource, location: str, access: str, mode: str) -> AccessChain:
    tasks = sorted({task.name for task, _ in account.uses_of(source)})
    return AccessChain(
        location=location,
        access=access,
        workspace=source.workspace,
        data_source=source.name,
        environment=source.environment.name,
        type=source.inspected.source.type,
        mode=mode,
        role="",
        policies=(),
        grants=(),
        user="",
        group="",
        tasks=tuple(tasks),
    )


def _used(account: Account, source: AuditedSource) -> str:
    """What its sync tasks do with it; both where there are none: nobody knows what a key may do."""
    sides = {use.writes for _, use in account.uses_of(source)} or {True, False}
    return "-".join([*["read"] * (False in sides), *["write"] * (True in sides)])


def _trusts(account: Account, role: AuditedRole) -> bool:
    """Whether Data Integration may assume the role; yes where that was not read: an audit errs to this side."""
    if role.trust is None:
        return True
    found = lint_trust(
        role.trust, account_id=account.account_id, name=role.name, expected_service=SERVICE_PRINCIPAL
    )
    return all(one.code != _NOT_TRUSTED for one in found)

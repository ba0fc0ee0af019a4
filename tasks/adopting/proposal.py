"""Specifications that may describe a data source, the likeliest first. Which one does is decided by their plans.

What the cloud tells (names, location, descriptions) is the same in all of them. What it does not tell is tried: the
access and the level of permissions follow from the role's documents, ``role.adopt`` and the sync task from the plan.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import product
from typing import Any

from cloud.dataworks.sync_tasks import SyncTask
from cloud.ram import Role
from config import limits, names
from config.load import SpecInvalid, parse_spec
from config.names import source_tag
from config.sources.base import Access, Environment, PermissionLevel
from config.spec import DataSourceSpec
from policy import AttachedPolicy, equivalent
from policy.documents import canonical_statement
from tasks.adopting.found import Adoptable
from tasks.adopting.role_facts import RoleFacts
from tasks.adopting.suffices import role_suffices
from tasks.adopting.task_spec import Inexpressible, resource_group, task_mapping
from tasks.audit.account import Account
from tasks.proof import proves
from tasks.role import access_document
from tasks.role_group import RoleGroup
from tasks.scheduling import MARK, description
from tasks.workspace import Facts

_LEVELS: tuple[PermissionLevel, ...] = ("minimal", "vendor")
_WIDEST = (Access.READ_WRITE, Access.WRITE, Access.READ)
_LEAST = (Access.READ, Access.WRITE, Access.READ_WRITE)
_ACTIONS_SHOWN = 8


@dataclass(frozen=True)
class FoundTask:
    """A sync task that uses the data source: its file as GetFile tells, and the folder it is in."""

    task: SyncTask
    folder: str


@dataclass(frozen=True)
class Proposal:
    """A mapping that makes a specification, and what it does not say."""

    mapping: Mapping[str, Any]
    remarks: tuple[str, ...]

    @property
    def spec(self) -> DataSourceSpec:
        """The specification. Raises :class:`config.load.SpecInvalid`."""
        return parse_spec(self.mapping, source=str(self.mapping.get("name")))

    def adopting(self, adopt: bool) -> Proposal:
        """The same with or without ``role.adopt``."""
        role = {key: value for key, value in self.mapping.get("role", {}).items() if key != "adopt"}
        if adopt:
            role["adopt"] = True
        return self.having(role=role or None)

    def having(self, *remarks: str, **fields: Any) -> Proposal:
        """The same with other fields; None takes one away."""
        mapping = {**self.mapping, **fields}
        kept = {key: value for key, value in mapping.items() if value is not None}
        return Proposal(kept, (*self.remarks, *remarks))

    def running(self, run: bool) -> Proposal:
        """The same with a sync task that is run as proof, or not."""
        task = {key: value for key, value in self.mapping["sync_task"].items() if key != "run"}
        return self.having(sync_task=task if run else {**task, "run": False})

    def without_task(self, remark: str) -> Proposal:
        """The same without sync task."""
        return self.having(remark, sync_task=None)


def tagged(found: Adoptable) -> bool:
    """Whether the role is managed and names the data source: then a specification may do without ``adopt``."""
    key, _ = source_tag(found.workspace, found.name)
    return found.role.managed and (
        key in found.role.tags or found.role.serves(next(iter(found.sources.values())))
    )


def propose(
    account: Account,
    found: Adoptable,
    facts: RoleFacts,
    tasks: Sequence[FoundTask],
    groups: Sequence[str],
    place: Facts,
) -> Proposal:
    """The likeliest specification, without ``adopt``; ``groups`` are the Data Integration resource groups there are.

    Raises :class:`config.load.SpecInvalid` for what breaks the rules of a specification.
    """
    first = next(iter(found.sources.values())).inspected.source
    remarks = [*facts.remarks, *_about_content(found)]
    mapping: dict[str, Any] = {"name": found.name}
    if 0 < len(first.description) <= limits.DESCRIPTION_CHARACTERS:
        mapping["description"] = first.description
    elif first.description:
        remarks.append("its description is too long for a specification; it stays as it is")
    others = [one for one in found.sources.values() if one.inspected.source.description != first.description]
    if others and mapping.pop("description", None) is not None:
        remarks.append("its description differs between the environments; each stays as it is")
    mapping |= {"workspace": found.workspace, "region": account.region, "type": found.kind.name}
    if tuple(found.sources) != place.workspace.environments:
        mapping["environments"] = [one.name for one in found.sources]
    mapping["location"] = dict(found.location)
    role = dict(facts.role)
    if role.get("name") == names.role_name(found.workspace, found.name):
        del role["name"]
    mapping |= {"access": Access.READ.value, "role": role or None, "grantees": dict(facts.grantees)}
    mapping["resource_groups"], told = _resource_groups(tasks, groups)
    proposal = Proposal(
        {key: value for key, value in mapping.items() if value is not None}, (*remarks, *told)
    )
    proposal = _with_task(proposal, found, tasks, groups)
    return _with_access(account, found, facts, proposal)


def exact_description(proposal: Proposal, found: Adoptable, tasks: Sequence[FoundTask], place: Facts,
    contents: Mapping[Environment, Mapping[str, str]], scheduling: Sequence[str], dates: Sequence[date],
) -> Proposal:  # fmt: skip
    """The same with owner, scheduling resource group and business date so that the file's description is met.

    The description of a file that is managed here holds a digest of them, and no read returns all three.
    """
    spec = proposal.spec
    present = next(
        (one.task for one in tasks if spec.sync_task and one.task.name == spec.sync_task.name), None
    )
    if present is None or spec.sync_task is None or not present.description.startswith(MARK):
        return proposal
    owners = (None, present.owner or None)
    for group, owner, day in product((None, *scheduling), dict.fromkeys(owners), (None, *dates)):
        more = {"scheduling_resource_group": group, "owner": owner, "business_date": day}
        task = spec.sync_task.model_copy(update=more)
        tried = spec.model_copy(update={"sync_task": task})
        if description(task, proves(tried, place, found.role.role_id, contents)) == present.description:
            given = {key: str(value) for key, value in more.items() if value is not None}
            return proposal.having(sync_task={**proposal.mapping["sync_task"], **given})
    return proposal


# -- resource groups -----------------------------------------------------------------------------------


def _resource_groups(tasks: Sequence[FoundTask], groups: Sequence[str]) -> tuple[list[str], tuple[str, ...]]:
    """Those that the sync tasks name; where none does, all there are."""
    used: dict[str, None] = {}
    for one in tasks:
        try:
            used[resource_group(one.task)] = None
        except Inexpressible:
            continue
    found = [name for name in used if name in groups]
    if found:
        return found, ()
    remark = (
        "which resource groups it is used from cannot be read: all Data Integration groups of the account are named; "
        "take out those that need not reach it"
    )
    return list(groups), (remark,)


# -- the sync task -------------------------------------------------------------------------------------


def _with_task(
    proposal: Proposal, found: Adoptable, tasks: Sequence[FoundTask], groups: Sequence[str]
) -> Proposal:
    """The proposal with the first sync task that a specification describes; of the others it is said why not."""
    listed = proposal.mapping["resource_groups"]
    chosen: Proposal | None = None
    # Those that are managed here first, then by name: the choice is the same every time.
    for one in sorted(
        tasks, key=lambda each: (not each.task.description.startswith(MARK), each.folder, each.task.name)
    ):
        title = f"sync task {one.folder}/{one.task.name}"
        if chosen is not None:
            proposal = proposal.having(f"{title} uses it too; a specification has one sync task")
            continue
        try:
            mapping = task_mapping(one.task, one.folder, found.name, listed[0])
        except Inexpressible as error:
            proposal = proposal.having(f"{title} cannot be expressed: {error}")
            continue
        known = {}
        if mapping["resource_group"] not in listed:
            if mapping["resource_group"] not in groups:
                proposal = proposal.having(
                    f"{title} cannot be expressed: its resource group {mapping['resource_group']} does not exist"
                )
                continue
            known["resource_groups"] = [*listed, mapping["resource_group"]]
        tried = proposal.having(sync_task=mapping, access=Access.READ_WRITE.value, **known)
        try:
            spec = tried.spec
        except SpecInvalid as error:
            rules = "; ".join(f"{line.path}: {line.rule}" for line in error.problems)
            proposal = proposal.having(f"{title} cannot be expressed: {rules}")
            continue
        assert spec.sync_task is not None
        chosen = tried
        if not resource_group(one.task):
            remark = (
                f"which resource group {title} runs in cannot be read; {mapping['resource_group']} is assumed"
            )
            chosen = chosen.having(remark)
        proposal = chosen
    return proposal


# -- access and permissions ----------------------------------------------------------------------------


def _with_access(account: Account, found: Adoptable, facts: RoleFacts, proposal: Proposal) -> Proposal:
    """The access and level whose permissions are the role's, or are covered by it; what the sync tasks need comes first."""
    needed = _needed(found)
    spec = proposal.adopting(adopt=True).spec
    document = facts.access.document if facts.access is not None else None
    choices = [(access, level) for level in _LEVELS for access in _in_order(needed, _LEAST)]
    for access, level in choices:
        tried = _tried(spec, access, level)
        if tried is not None and document is not None and equivalent(access_document(tried), document):
            return _given(proposal, access, level)
    role = Role(
        found.role.name, found.role.role_id, f"acs:ram::{account.account_id}:role/{found.role.name.lower()}",
        found.role.trust or "", "", 0.0,
    )  # fmt: skip
    held = tuple(
        AttachedPolicy(one.name, f"{one.listed.kind.lower()} policy", one.document)
        for one in account.policies_of(found.role)
    )
    for access in _in_order(needed, _WIDEST):
        tried = _tried(spec, access, "minimal")
        if tried is not None and role_suffices(RoleGroup.of(tried), role, held):
            return _given(proposal.having(*_wider(tried, facts)), access, "minimal")
    access = needed or Access.READ
    remark = "its role may do neither what reading nor what writing there takes"
    return _given(proposal.having(remark), access, "minimal")


def _needed(found: Adoptable) -> Access | None:
    """What the sync tasks do with the data source; None when none uses it."""
    writes = {use.writes for _, use in found.uses}
    if not writes:
        return None
    return Access.READ_WRITE if len(writes) == 2 else Access.WRITE if writes == {True} else Access.READ


def _in_order(needed: Access | None, order: Sequence[Access]) -> Iterator[Access]:
    """Every access, first those that include what is needed."""
    if needed is None:
        yield from order
        return

    def includes(access: Access) -> bool:
        return access.reads >= needed.reads and access.writes >= needed.writes

    yield from sorted(order, key=lambda access: (access is not needed, not includes(access)))


def _tried(spec: DataSourceSpec, access: Access, level: PermissionLevel) -> DataSourceSpec | None:
    """The specification with another access and level; None when its sync task needs another one."""
    task = spec.sync_task
    if task is not None and not (access.writes if task.reads_counterpart else access.reads):
        return None
    return spec.model_copy(update={"access": access, "permissions": level})


def _given(proposal: Proposal, access: Access, level: PermissionLevel) -> Proposal:
    mapping = {key: value for key, value in proposal.mapping.items() if key != "permissions"}
    mapping["access"] = access.value
    if level != "minimal":
        after = list(mapping).index("access") + 1
        mapping = dict(
            [*list(mapping.items())[:after], ("permissions", level), *list(mapping.items())[after:]]
        )
    return replace(proposal, mapping=mapping)


def _wider(spec: DataSourceSpec, facts: RoleFacts) -> Iterator[str]:
    """What the role's own policy allows beyond the generated one."""
    if facts.access is None or facts.access.document is None:
        return
    own = {canonical_statement(one) for one in access_document(spec).statements}
    more = [one for one in facts.access.document.statements if canonical_statement(one) not in own]
    actions = list(dict.fromkeys(action for one in more for action in (*one.actions, *one.not_actions)))
    if actions:
        shown = ", ".join(actions[:_ACTIONS_SHOWN]) + (", …" if len(actions) > _ACTIONS_SHOWN else "")
        yield f"custom policy {facts.access.name} is not as generated; it is kept as it is: {shown}"


# -- Content -------------------------------------------------------------------------------------------


def _about_content(found: Adoptable) -> Iterator[str]:
    """Keys that the type does not know; their values are not shown."""
    for environment, source in found.sources.items():
        known = {*found.kind.profile(environment).template, "authIdentity", "authType"}
        unknown = sorted(key for key in source.inspected.source.content if key not in known)
        if unknown:
            yield (
                f"Content ({environment.name}) also has {', '.join(unknown)}; an update of the data source leaves them out"
            )

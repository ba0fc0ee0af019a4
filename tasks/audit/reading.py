"""Reading an account for an audit: once, by listings, several calls at a time. Nothing is written.

What RAM's lists do not tell is read for the objects that matter: trust policies of roles that are managed or in use,
documents and holders of policies that are attached, versions of policies that may have many. A refused read is not
the end of an audit: it is told.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from cloud import ram
from cloud.dataworks.data_sources import inspect_data_sources
from cloud.dataworks.runs import Instance, list_instances, newest_instances
from cloud.dataworks.sync_tasks import ListedCode, ListedNode, list_code, list_nodes
from cloud.dataworks.workspaces import get_workspace, list_workspaces, member_roles
from cloud.errors import Refused
from cloud.gate import Gate
from cloud.inventory import Inventory, ListedPolicy, ListedRole
from cloud.ram import CUSTOM, Grantee
from cloud.sts import caller_identity
from config.limits import DATAWORKS_PAGE_ITEMS, DATAWORKS_PAGE_NUMBER_MAXIMUM, POLICY_VERSIONS
from config.personas import Persona
from config.sources.base import Environment
from policy import PolicyDocument, PolicyKind, PolicySyntaxError, parse_policy
from tasks.audit.account import (
    Account,
    AuditedPolicy,
    AuditedRole,
    AuditedSource,
    AuditedTask,
    AuditedWorkspace,
    is_managed,
)
from tasks.audit.code import read_code
from tasks.custom_policy import read_each

V = TypeVar("V")

_RUNS_KEPT = 10  # of each node: more say nothing more
# Of how many pages of runs, for each page of sync tasks; the nodes these do not show are asked for one by one.
_RUN_PAGES_FACTOR = 3
_NODES_ASKED = 100
_DI = "DI"
SYSTEM = "System"


def read_account(gate: Gate, workspaces: Sequence[int] | None) -> tuple[Account, tuple[str, ...]]:
    """Read everything, of all workspaces or of some; and what could not be read. Raises what concerns the whole.

    That is: credentials that are refused, workspaces that cannot be listed, calls that fail at every try.
    """
    reader = _Reader(gate)
    account_id = caller_identity(gate, Persona.ADMINISTRATOR).account_id
    numbers = tuple(dict.fromkeys(list_workspaces(gate) if workspaces is None else workspaces))
    spaces = {number: space for number, space in read_each(reader.workspace, numbers).items() if space}
    used = {
        source.role_id
        for space in spaces.values()
        for source in space.sources or ()
        if source.role_id and not source.inspected.engine
    }
    inventory = Inventory(gate)
    users = reader.ask("users", inventory.user_ids)
    groups = reader.ask("groups", inventory.groups)
    listed = reader.ask("roles", inventory.listed_roles)
    custom = reader.ask("custom policies", lambda: inventory.listed_policies(CUSTOM))
    system = reader.ask("system policies", lambda: inventory.listed_policies(SYSTEM))
    policies = reader.policies(inventory, (*(custom or ()), *(system or ())))
    holding = {name for policy in policies.values() for kind, name in policy.holders if kind is Grantee.GROUP}
    members = read_each(
        lambda name: reader.ask(f"members of group {name}", lambda: inventory.members(name)), sorted(holding)
    )
    known = (
        custom is not None and system is not None and reader.holders_known and None not in members.values()
    )
    account = Account(
        account_id=account_id,
        region=gate.region,
        everywhere=workspaces is None and len(spaces) == len(numbers),
        workspaces=spaces,
        users=users,
        groups=None if groups is None else frozenset(groups),
        roles=None if listed is None else reader.roles(listed, used),
        policies=policies,
        policy_count=None if custom is None else len(custom),
        members={name: found or () for name, found in members.items()},
        knows_holders=known,
        profiles=gate.settings.content_profiles,
    )
    return account, reader.unread


class _Reader:
    """Reads, and remembers what was refused."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._unread: list[str] = []
        self.holders_known = True

    @property
    def unread(self) -> tuple[str, ...]:
        """What could not be read, sorted: threads may have met it in any order."""
        return tuple(sorted(set(self._unread)))

    def ask(self, what: str, read: Callable[[], V]) -> V | None:
        """The answer, or None for a refusal, which is remembered."""
        try:
            return read()
        except Refused as error:
            self._unread.append(f"{what}: {error.what}" + (f" ({error.code})" if error.code else ""))
            return None

    # -- RAM -------------------------------------------------------------------------------------------

    def roles(self, listed: Iterable[ListedRole], used: set[str]) -> dict[str, AuditedRole]:
        """All roles by id, those that are managed or used with their trust policies."""

        def trust_of(name: str) -> str | None:
            found = self.ask(f"trust policy of role {name}", lambda: ram.get_role(self._gate, name))
            return found.trust_policy if found is not None else None

        roles = tuple(listed)
        asked = [one.name for one in roles if is_managed(one.tags) or one.role_id in used]
        trusts = read_each(trust_of, asked)
        return {
            one.role_id: AuditedRole(one.name, one.role_id, one.tags, trusts.get(one.name)) for one in roles
        }

    def policies(
        self, inventory: Inventory, listed: Iterable[ListedPolicy]
    ) -> dict[tuple[str, str], AuditedPolicy]:
        """Policies that are attached to something, with document and holders, and managed ones."""
        wanted = {
            (one.kind, one.name): one
            for one in listed
            if one.attachments or (one.kind == CUSTOM and is_managed(one.tags))
        }
        read = read_each(lambda key: self._policy(inventory, wanted[key]), wanted)
        return read

    def _policy(self, inventory: Inventory, listed: ListedPolicy) -> AuditedPolicy:
        subject = f"{listed.kind.lower()} policy {listed.name}"
        if not listed.attachments:
            return AuditedPolicy(listed, None, (), self._versions(listed, None))
        text: str | None = None
        made: float | None = None
        if listed.kind == CUSTOM:
            policy = self.ask(subject, lambda: ram.get_policy(self._gate, listed.name))
            if policy is not None:
                text, made = policy.document, policy.updated
        else:
            text = inventory.document(listed.name, listed.kind)
            if text is None:
                self._unread.append(f"{subject}: its document may not be read")
        holders = self.ask(
            f"holders of {subject}", lambda: ram.policy_holders(self._gate, listed.name, listed.kind)
        )
        if holders is None:
            self.holders_known = False
        document = self._parsed(subject, text)
        return AuditedPolicy(listed, document, holders or (), self._versions(listed, made))

    def _parsed(self, subject: str, text: str | None) -> PolicyDocument | None:
        if text is None:
            return None
        try:
            return parse_policy(text, PolicyKind.IDENTITY)
        except PolicySyntaxError as error:
            self._unread.append(f"{subject}: its document cannot be understood: {error}")
            return None

    def _versions(self, listed: ListedPolicy, made: float | None) -> int | None:
        """How many versions a managed policy has; None when there cannot be many.

        Numbers are not used again: a default of v3 that is the newest has at most two others.
        """
        if listed.kind != CUSTOM or not is_managed(listed.tags):
            return None
        number = re.fullmatch(r"v([0-9]+)", listed.version)
        newest = (
            listed.updated == listed.created if made is None else ram.seconds(listed.updated) <= made + 1.0
        )
        if number and newest and int(number[1]) < POLICY_VERSIONS - 1:
            return None
        return self.ask(
            f"versions of custom policy {listed.name}", lambda: ram.policy_versions(self._gate, listed.name)
        )

    # -- DataWorks -------------------------------------------------------------------------------------

    def workspace(self, number: int) -> AuditedWorkspace | None:
        """Everything of one workspace; None when it does not exist or may not be read at all."""
        name = f"workspace {number}"
        found = self.ask(name, lambda: get_workspace(self._gate, number))
        if found is None or not found.available:
            if not any(text.startswith(f"{name}:") for text in self._unread):
                self._unread.append(f"{name}: it does not exist or is not available")
            return None
        gate = self._gate
        sources = self.ask(f"data sources of {name}", lambda: inspect_data_sources(gate, number))
        tasks = self.ask(
            f"tasks of {name}", lambda: tuple(self._task(number, one) for one in list_code(gate, number))
        )
        read = {environment: self._nodes(number, environment) for environment in found.environments}
        nodes = {environment: listed for environment, listed in read.items() if listed is not None}
        runs, unknown = self._runs(number, nodes.get(Environment.PROD, {}))
        return AuditedWorkspace(
            id=number,
            standard=found.standard,
            members=self.ask(f"members of {name}", lambda: member_roles(gate, number)),
            sources=None if sources is None else tuple(AuditedSource(number, one) for one in sources),
            tasks=tasks,
            nodes=nodes,
            runs=runs,
            unknown_runs=unknown,
        )

    def _nodes(self, workspace: int, environment: Environment) -> dict[int, ListedNode] | None:
        listed = self.ask(
            f"nodes ({environment.name}) of workspace {workspace}",
            lambda: list_nodes(self._gate, workspace, environment.name),
        )
        return None if listed is None else {one.node: one for one in listed}

    def _task(self, workspace: int, listed: ListedCode) -> AuditedTask:
        code = read_code(listed.code, sync_task=listed.sync_task)
        task = AuditedTask(
            workspace=workspace,
            file=listed.file,
            name=listed.name,
            folder=listed.folder,
            owner=listed.owner,
            node=listed.node,
            sync_task=listed.sync_task,
            uses=code.uses,
            keys=code.keys,
        )
        if not code.readable:
            self._unread.append(f"{task}: its code is no JSON, so the data sources it uses are not known")
        return task

    def _runs(
        self, workspace: int, nodes: Mapping[int, ListedNode]
    ) -> tuple[dict[int, tuple[Instance, ...]], frozenset[int]]:
        """The newest finished runs of each node in production, and the nodes whose runs are not known."""
        if not nodes:
            return {}, frozenset()
        enough = min(
            1 + _RUN_PAGES_FACTOR * (1 + len(nodes) // DATAWORKS_PAGE_ITEMS), DATAWORKS_PAGE_NUMBER_MAXIMUM
        )
        listed = self.ask(
            f"runs of workspace {workspace}",
            lambda: list(newest_instances(self._gate, workspace, "PROD", enough, program=_DI)),
        )
        if listed is None:
            return {}, frozenset(nodes)
        by_node: dict[int, list[Instance]] = {}
        for instance in listed:
            by_node.setdefault(instance.node, []).append(instance)
        unknown: frozenset[int] = frozenset()
        if len(listed) >= enough * DATAWORKS_PAGE_ITEMS:
            absent = sorted(nodes.keys() - by_node.keys())
            asked, unknown = absent[:_NODES_ASKED], frozenset(absent[_NODES_ASKED:])
            found = read_each(lambda node: self._runs_of(workspace, node), asked)
            by_node |= {node: runs for node, runs in found.items() if runs is not None}
            unknown |= {node for node, runs in found.items() if runs is None}
        if unknown:
            self._unread.append(
                f"runs of workspace {workspace}: {len(unknown)} sync tasks are not among the newest "
                f"{len(listed)} runs, and no more were read"
            )
        return {node: _finished(runs) for node, runs in by_node.items()}, unknown

    def _runs_of(self, workspace: int, node: int) -> list[Instance] | None:
        return self.ask(
            f"runs of node {node} of workspace {workspace}",
            lambda: list_instances(self._gate, workspace, "PROD", node=node),
        )


def _finished(runs: Iterable[Instance]) -> tuple[Instance, ...]:
    """Real runs that have ended, the newest first; those under way say nothing yet."""
    ended = [one for one in runs if one.finished and not one.dry_run]
    return tuple(sorted(ended, key=lambda one: (one.created_ms, one.id), reverse=True)[:_RUNS_KEPT])

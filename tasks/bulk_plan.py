"""The plan of a whole file: everything listed once, roles and grants planned once, then each row.

What is wrong with a row or its role is found here and stops only what depends on it; what the account has no room for
is found before the first write.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, replace
from functools import cached_property

from cloud.dataworks.workspaces import data_integration_groups, scheduling_groups
from cloud.errors import OnboardingError, Refused
from cloud.gate import Gate
from config.limits import DATAWORKS, RAM, STS
from config.spec import DataSourceSpec
from tasks.account_room import require_fitting
from tasks.bulk_listing import ListedWorkspace, list_workspace, read_folders, share_reads
from tasks.bulk_rows import Place, Reading, RowPlan, plan_row
from tasks.custom_policy import Listed, list_names, read_policies
from tasks.grant_plan import GrantPlan, plan_grants
from tasks.pass_role import read_grants
from tasks.plan import expected_calls
from tasks.planning import KNOWN_LATER, PlannedChange, digest
from tasks.role import RoleReady, RoleState, read_roles, role_changes, state_of
from tasks.role_group import RoleGroup, groups_of
from tasks.workspace import Callers, read_callers

_FOLDER_CALLS = (("dataworks:CreateBusiness",), ("dataworks:CreateFolder",))
_READERS = 16  # threads that read what listings do not tell


@dataclass(frozen=True)
class GroupPlan:
    """One role of the file: its state, the changes of steps 1 and 2, or why they cannot be begun."""

    group: RoleGroup
    state: RoleState
    role_changes: tuple[PlannedChange, ...] = ()
    grant_changes: tuple[PlannedChange, ...] = ()
    refusal: OnboardingError | None = None
    refused_at: int = 1

    @property
    def changes(self) -> tuple[PlannedChange, ...]:
        """Steps 1 and 2."""
        return (*self.role_changes, *self.grant_changes)

    @property
    def role_id(self) -> str:
        """The role's id, or :data:`tasks.planning.KNOWN_LATER`."""
        return self.state.role.role_id if self.state.role is not None else KNOWN_LATER


@dataclass(frozen=True)
class FilePlan:
    """The plan of a file. ``rows`` are in the file's order, ``groups`` by role name. It never changes, so that what
    follows from all rows is computed once."""

    callers: Callers
    specs: tuple[DataSourceSpec, ...]
    rows: tuple[RowPlan, ...]
    groups: Mapping[str, GroupPlan]
    grants: GrantPlan
    names: Listed

    def group_of(self, spec: DataSourceSpec) -> GroupPlan:
        """The plan of a row's role."""
        return self.groups[spec.role_name]

    def refusal(self, number: int) -> OnboardingError | None:
        """Why a row cannot be begun: its own reason, or its role's."""
        return self.rows[number].refusal or self.groups[self.specs[number].role_name].refusal

    def with_row(self, place: int, row: RowPlan) -> FilePlan:
        """The same with another plan of one row."""
        return replace(self, rows=(*self.rows[:place], row, *self.rows[place + 1 :]))

    @cached_property
    def changed(self) -> tuple[int, ...]:
        """Places of the rows with something to do of their own, a run to wait for included, that can be begun."""
        return tuple(
            place for place, row in enumerate(self.rows) if row.to_do and self.refusal(place) is None
        )

    @cached_property
    def touched(self) -> tuple[int, ...]:
        """Places of the rows that would not be as before: changes of their own, or of their role."""
        return tuple(
            place
            for place, row in enumerate(self.rows)
            if self.refusal(place) is None and (row.changes or self.group_of(self.specs[place]).changes)
        )

    @cached_property
    def changes(self) -> tuple[PlannedChange, ...]:
        """Everything that applying would change, each change once."""
        groups = [group for group in self.groups.values() if group.refusal is None]
        parts = [change for group in groups for change in group.role_changes]
        parts += self.grants.changes
        return (*parts, *self._own_changes())

    def _own_changes(self) -> Iterator[PlannedChange]:
        """Those of rows; a workflow or folder that several rows need is made by the first of them."""
        made: set[tuple[int, str]] = set()
        for place in self.changed:
            for change in self.rows[place].changes:
                if change.calls in _FOLDER_CALLS:
                    key = (self.specs[place].workspace, change.subject)
                    if key in made:
                        continue
                    made.add(key)
                yield change

    @cached_property
    def hash(self) -> str:
        """``<specifications>-<cloud>-<changes>``: what a person approves. Of the cloud the ids that were read count."""
        # A digest each first: the text of 10,000 specifications at once would take more memory than the plan.
        specifications = [digest(spec.text()) for spec in self.specs]
        cloud = [digest(sorted(row.present.items())) for row in self.rows]
        changes = [digest(change.to_json()) for change in self.changes]
        return f"{digest(specifications)}-{digest(cloud)}-{digest(changes)}"

    def calls_of(self, place: int) -> Mapping[str, int]:
        """Calls by product that a row's own changes take at the least."""
        row, spec = self.rows[place], self.specs[place]
        tests = len(row.facts.environments) * len(spec.resource_groups) if row.facts and row.to_do else 0
        return expected_calls({RAM: 0, STS: 0, DATAWORKS: 0}, list(row.changes), tests)


def plan_file(gate: Gate, specs: Sequence[DataSourceSpec]) -> FilePlan:
    """Read and plan all rows of one region. Raises what concerns all of them: credentials, a call's error."""
    share_reads(gate)
    callers = read_callers(gate)
    listed = _list_workspaces(gate, specs)
    groups = groups_of(specs)
    names = list_names(gate)
    wanted = (name for group in groups for name in (group.policy_name, group.pass_role_policy_name))
    policies = read_policies(gate, wanted, names)
    states = read_roles(gate, groups, names, policies)
    grants = plan_grants(groups, callers.account_id, read_grants(gate, groups, names, policies))
    planned = {group.role_name: _plan_group(group, states[group.role_name], grants) for group in groups}
    rows = _plan_rows(gate, specs, listed, callers, planned)
    return settled(FilePlan(callers, tuple(specs), rows, planned, grants, names))


def plan_made(gate: Gate, specs: Sequence[DataSourceSpec], roles: Mapping[str, RoleReady]) -> FilePlan:
    """Plan rows whose roles and grants, by name, have been made for them: nothing of RAM is read, nothing of it changes.

    Raises what concerns all rows, as :func:`plan_file` does, and ``KeyError`` for a role that was not made.
    """
    share_reads(gate)
    callers = read_callers(gate)
    listed = _list_workspaces(gate, specs)
    groups = {
        group.role_name: GroupPlan(group, state_of(roles[group.role_name])) for group in groups_of(specs)
    }
    rows = _plan_rows(gate, specs, listed, callers, groups)
    grants = plan_grants((), callers.account_id, {})
    return FilePlan(callers, tuple(specs), rows, groups, grants, Listed(frozenset(), frozenset()))


def settled(plan: FilePlan) -> FilePlan:
    """The plan without roles and grants that nobody needs: those none of whose rows can be begun.

    A folded policy holds the grants of many roles, so that all grants are planned again without them.
    """
    needed = {
        spec.role_name
        for place, spec in enumerate(plan.specs)
        if plan.rows[place].refusal is None and plan.groups[spec.role_name].refusal is None
    }
    if needed == set(plan.groups):
        return plan
    groups = [plan.groups[name].group for name in plan.groups if name in needed]
    grants = plan_grants(groups, plan.callers.account_id, plan.grants.states)
    now = {
        name: _plan_group(group.group, group.state, grants)
        if name in needed
        else replace(group, role_changes=(), grant_changes=())
        for name, group in plan.groups.items()
    }
    return replace(plan, groups=now, grants=grants)


def plan_again(gate: Gate, plan: FilePlan, places: Sequence[int]) -> tuple[RowPlan, ...]:
    """Some rows of a plan as the cloud is now; their roles are taken to be as planned or made since."""
    specs = [plan.specs[place] for place in places]
    groups = {spec.role_name: plan.groups[spec.role_name].group for spec in specs}
    states = read_roles(gate, tuple(groups.values()))
    now = {name: replace(plan.groups[name], state=states[name]) for name in groups}
    return _plan_rows(gate, specs, _list_workspaces(gate, specs), plan.callers, now)


def _list_workspaces(gate: Gate, specs: Sequence[DataSourceSpec]) -> dict[int, ListedWorkspace]:
    by_workspace: dict[int, list[DataSourceSpec]] = {}
    for spec in specs:
        by_workspace.setdefault(spec.workspace, []).append(spec)
    return {workspace: _listed(gate, workspace, members) for workspace, members in by_workspace.items()}


def _listed(gate: Gate, workspace: int, specs: Sequence[DataSourceSpec]) -> ListedWorkspace:
    """A workspace that may not be read refuses its own rows, not those of others."""
    try:
        return list_workspace(gate, workspace, specs)
    except Refused as error:
        return ListedWorkspace(None, refusal=error)


def _plan_group(group: RoleGroup, state: RoleState, grants: GrantPlan) -> GroupPlan:
    try:
        require_fitting(group)
        changes = role_changes(group, state)
    except OnboardingError as error:
        return GroupPlan(group, state, refusal=error)
    try:
        return GroupPlan(group, state, changes, grants.changes_of(group))
    except OnboardingError as error:
        return GroupPlan(group, state, changes, refusal=error, refused_at=2)


def _plan_rows(
    gate: Gate,
    specs: Sequence[DataSourceSpec],
    listed: Mapping[int, ListedWorkspace],
    callers: Callers,
    groups: Mapping[str, GroupPlan],
) -> tuple[RowPlan, ...]:
    """Each row by itself; where listings are not enough, several are read at once."""
    known_groups = frozenset(data_integration_groups(gate))
    tasks = [spec for spec in specs if spec.sync_task is not None]
    named = any(spec.sync_task and spec.sync_task.scheduling_resource_group for spec in tasks)
    scheduling = frozenset(scheduling_groups(gate)) if named else frozenset()
    absent = [
        spec
        for spec in tasks
        if listed[spec.workspace].workspace is not None and listed[spec.workspace].task_is_absent(spec)
    ]
    folders = read_folders(gate, absent)
    places = {
        workspace: Place(found, callers, known_groups, scheduling, folders)
        for workspace, found in listed.items()
    }

    begun = [plan_row(gate, spec, groups[spec.role_name].role_id, places[spec.workspace]) for spec in specs]
    return tuple(_read_the_rest(begun))


def _read_the_rest(rows: Sequence[RowPlan | Reading]) -> Iterator[RowPlan]:
    """The plans in their order. Only rows that need calls go through threads: these cost more than such a row itself."""
    context = copy_context()
    with ThreadPoolExecutor(_READERS, "plan") as readers:
        waiting = {
            place: readers.submit(context.copy().run, row)
            for place, row in enumerate(rows)
            if not isinstance(row, RowPlan)
        }
        for place, row in enumerate(rows):
            yield row if isinstance(row, RowPlan) else waiting[place].result()

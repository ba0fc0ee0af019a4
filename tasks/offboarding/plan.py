"""The plan of an offboarding: one data source or a whole file. Everything is read; nothing is written.

A data source that something still uses, or that is not ours, is refused by itself and stays; then its role stays, too,
for what it needs. A role that cannot go refuses all its data sources: half an offboarding is none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from cloud.dataworks.data_sources import DataSource
from cloud.dataworks.workspaces import Workspace, get_workspace
from cloud.errors import OnboardingError, Refused, StepError
from cloud.gate import Gate
from config.limits import DATAWORKS, RAM, STS
from config.spec import DataSourceSpec
from tasks.custom_policy import read_each
from tasks.offboarding.choices import Choices, refuse_untagged, still_used
from tasks.offboarding.data_source import kept_source, source_changes, source_uses
from tasks.offboarding.folders import Place, kept_reason, places_of, read_workflow, workflow_changes
from tasks.offboarding.grants import grant_changes
from tasks.offboarding.others import Needs, Others, needs_of, others_of
from tasks.offboarding.role import kept_statements, role_changes
from tasks.offboarding.role_state import RoleReading, read_role_use, role_uses
from tasks.offboarding.surroundings import Surroundings, read_surroundings
from tasks.offboarding.sync_task import TaskState, kept_task, read_task, task_changes, task_uses
from tasks.plan import expected_calls
from tasks.planning import Plan, PlannedChange, digest
from tasks.role_group import RoleGroup, groups_of
from tasks.workspace import Callers, Facts, place_of, read_callers

Key = tuple[int, str]
"""Workspace and name of a data source."""


@dataclass(frozen=True)
class SourcePlan:
    """Steps 1 and 2 of one data source, or why it is refused."""

    spec: DataSourceSpec
    facts: Facts | None = None
    task: TaskState = field(default_factory=TaskState)
    present: tuple[DataSource, ...] = ()
    changes: tuple[PlannedChange, ...] = ()
    notes: tuple[str, ...] = ()
    refusal: OnboardingError | None = None

    @property
    def key(self) -> Key:
        """Workspace and name."""
        return self.spec.workspace, self.spec.name


@dataclass(frozen=True)
class RolePlan:
    """Steps 3 and 4 of one role, for those of its data sources that leave."""

    group: RoleGroup
    reading: RoleReading
    changes: tuple[PlannedChange, ...] = ()
    notes: tuple[str, ...] = ()
    refusal: OnboardingError | None = None


@dataclass(frozen=True)
class WorkflowPlan:
    """Step 5 of one workflow."""

    place: Place
    paths: tuple[str, ...]
    changes: tuple[PlannedChange, ...] = ()
    note: str = ""

    def holds(self, spec: DataSourceSpec) -> bool:
        """Whether a specification's sync task lies in the workflow."""
        task = spec.sync_task
        return task is not None and spec.workspace == self.place[0] and task.folder in self.paths


@dataclass(frozen=True)
class OffboardingPlan:
    """The plan of the data sources of one region. ``roles`` are by role name, without those that nobody leaves."""

    choices: Choices
    callers: Callers
    sources: tuple[SourcePlan, ...]
    roles: Mapping[str, RolePlan]
    workflows: tuple[WorkflowPlan, ...]
    calls: Mapping[str, int]

    @property
    def changes(self) -> tuple[PlannedChange, ...]:
        """Everything, in the order in which it is done."""
        parts = (
            *(one.changes for one in self.sources),
            *(one.changes for one in self.roles.values()),
            *(one.changes for one in self.workflows),
        )
        return tuple(change for part in parts for change in part)

    @property
    def touched(self) -> tuple[SourcePlan, ...]:
        """Data sources of which something would go: themselves, their role's share, or the workflow of their task."""
        changed = {spec_key for role in self.roles.values() if role.changes for spec_key in _keys(role.group)}
        workflows = [one for one in self.workflows if one.changes]
        changed |= {one.key for one in self.sources if any(found.holds(one.spec) for found in workflows)}
        return tuple(
            one for one in self.sources if one.refusal is None and (one.changes or one.key in changed)
        )

    @property
    def refused(self) -> tuple[SourcePlan, ...]:
        """Data sources that stay as they are."""
        return tuple(one for one in self.sources if one.refusal is not None)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the plan should know beside its changes."""
        parts = (
            *(note for one in self.sources for note in one.notes),
            *(note for one in self.roles.values() for note in one.notes),
            *(one.note for one in self.workflows if one.note),
        )
        return tuple(dict.fromkeys(parts))

    def readings(self) -> Iterator[tuple[str, str]]:
        """A digest for each object that was read."""
        for one in self.sources:
            present = [replace(source, connected=False) for source in one.present]
            yield (
                f"data source {one.spec.name} of workspace {one.spec.workspace}",
                digest([present, one.task]),
            )
        for role in self.roles.values():
            found = role.reading
            attached = [found.state.attached, found.attached, found.holders]
            yield (
                f"role {role.group.role_name}",
                digest(
                    [replace(found.state, attached={}), found.grant, found.grant_tags, found.folded, attached]
                ),
            )

    def as_plan(self, title: str, workspace: int) -> Plan:
        """The same as a person approves it, with a hash."""
        specifications = [digest(one.spec.text()) for one in self.sources]
        return Plan(
            data_source=title,
            workspace=workspace,
            specification=digest([specifications, self.choices]),
            readings=dict(self.readings()),
            changes=self.changes,
            calls=self.calls,
            notes=self.notes,
        )


def _keys(group: RoleGroup) -> set[Key]:
    return {(spec.workspace, spec.name) for spec in group.specs}


def plan_offboarding(gate: Gate, specs: Sequence[DataSourceSpec], choices: Choices) -> OffboardingPlan:
    """Read and plan data sources of one region. Raises what concerns all of them: credentials, a call's error."""
    before = {product: gate.journal.total(product) for product in (RAM, STS, DATAWORKS)}
    callers = read_callers(gate)
    workspaces = read_each(lambda workspace: _workspace(gate, workspace), (spec.workspace for spec in specs))
    readable = frozenset(number for number, found in workspaces.items() if isinstance(found, Workspace))
    surroundings = read_surroundings(gate, readable, code=True)
    groups = {group.role_name.lower(): group for group in groups_of(specs)}
    by_role = read_each(lambda name: read_role_use(gate, groups[name]), groups)

    def source(place: int) -> SourcePlan:
        spec = specs[place]
        reading = by_role[spec.role_name.lower()]
        return _source(gate, spec, workspaces[spec.workspace], callers, reading, surroundings, choices)

    sources = list(read_each(source, range(len(specs))).values())
    roles: dict[str, RolePlan] = {}
    for group in groups_of(one.spec for one in sources if one.refusal is None):
        roles[group.role_name] = plan_role(
            gate, group, by_role[group.role_name.lower()], surroundings, choices
        )
    sources = [_with_role(one, roles) for one in sources]
    leaving = [one for one in sources if one.refusal is None]
    gone = {one.spec.role_name for one in leaving}
    plan = OffboardingPlan(
        choices,
        callers,
        tuple(sources),
        {name: role for name, role in roles.items() if name in gone},
        () if choices.quarantine else tuple(_workflows(gate, leaving)),
        {},
    )
    made = {product: gate.journal.total(product) - count for product, count in before.items()}
    return replace(plan, calls=expected_calls(made, list(plan.changes), 0))


def _workspace(gate: Gate, workspace: int) -> Workspace | OnboardingError | None:
    try:
        return get_workspace(gate, workspace)
    except Refused as error:
        return error


def _source(
    gate: Gate,
    spec: DataSourceSpec,
    workspace: Workspace | OnboardingError | None,
    callers: Callers,
    reading: RoleReading,
    surroundings: Surroundings,
    choices: Choices,
) -> SourcePlan:
    """One data source; what is wrong with it is its own."""
    plan = SourcePlan(spec)
    try:
        if isinstance(workspace, OnboardingError):
            raise workspace
        facts = place_of(spec, callers, workspace)
        present = surroundings.named(spec.workspace, spec.name)
        task = read_task(gate, spec, facts)
        plan = replace(plan, facts=facts, present=present, task=task)
        kept = tuple(filter(None, (kept_task(spec, task, choices), kept_source(spec, present, choices))))
        first = task_changes(spec, task, choices)
        changes = (*first, *source_changes(spec, present, reading.role_id, choices))
        if not kept and (present or first):
            _refuse_foreign_role(reading, choices)
        if not kept:
            goes = bool(first) or choices.quarantine
            uses = (*task_uses(task), *source_uses(gate, spec, surroundings, task, task_goes=goes))
            if uses:
                raise still_used(f"data source {spec.name} of workspace {spec.workspace}", uses)
    except (StepError, Refused) as error:
        return replace(plan, refusal=error)
    return replace(plan, changes=() if choices.quarantine else changes, notes=kept)


def _refuse_foreign_role(reading: RoleReading, choices: Choices) -> None:
    """Raise :class:`NotOurs` for a data source whose role is somebody else's: it was not onboarded with it."""
    role = reading.state.role
    if role is not None:
        refuse_untagged(f"role {role.name}", reading.state.role_tags, choices)


def plan_role(
    gate: Gate, group: RoleGroup, reading: RoleReading, surroundings: Surroundings, choices: Choices
) -> RolePlan:
    """Steps 3 and 4 of a role, for a group of data sources that leave it; what is refused is in the plan."""
    others = others_of(group, reading.tags, reading.role_id, surroundings)
    try:
        _refuse_used(group, reading, others, choices)
        needs = Needs()
        if not others.none and reading.state.policy is not None:
            needs = needs_of(gate, group, others, reading.state.policy.document)
        changes = (
            *grant_changes(group, reading, others, needs, choices),
            *role_changes(group, reading, others, needs, choices),
        )
    except (StepError, Refused) as error:
        return RolePlan(group, reading, refusal=error)
    return RolePlan(group, reading, changes, tuple(_role_notes(group, reading, others, needs, choices)))


def _refuse_used(group: RoleGroup, reading: RoleReading, others: Others, choices: Choices) -> None:
    """Raise :class:`StillUsed` for what uses the role beside the data sources that its tags name."""
    if group.role.adopt and not choices.delete_adopted:
        return  # it is kept whoever uses it
    uses = others.uses(group.role_name)
    if others.none and not choices.quarantine:
        uses += role_uses(group, reading)
    if uses:
        raise still_used(f"role {group.role_name}", uses)
    if choices.quarantine and not others.none:
        raise StepError(
            f"its grants serve other data sources, too: {others.titles()}",
            subject=f"role {group.role_name}",
            remedy="quarantine all data sources of the role together, or remove this one without quarantine",
        )


def _role_notes(
    group: RoleGroup, reading: RoleReading, others: Others, needs: Needs, choices: Choices
) -> Iterator[str]:
    title = f"role {group.role_name}"
    if group.role.adopt and not choices.delete_adopted and not reading.nothing:
        yield f"{title} and its policies are kept: the specification has taken over what others made; --delete-adopted deletes them"
        return
    if not others.none:
        yield f"{title} stays for {others.titles()}: it and its policies shrink by what only this needs"
    kept = (
        kept_statements(group, reading.state.policy.document, needs)
        if reading.state.policy and not others.none
        else ()
    )
    if kept:
        why = ", ".join(needs.unsure) or others.titles()
        yield f"custom policy {group.policy_name} keeps {', '.join(kept)}: what {why} needs of it cannot be told for certain"
    if others.unread:
        numbers = ", ".join(map(str, others.unread))
        yield f"workspaces {numbers} could not be read: whether a data source there is opened with {title} is not known"
    named = {(kind, name.lower()) for kind, name in group.entities}
    for kind, name in reading.holders.get(group.pass_role_policy_name, ()):
        if others.none and (kind, name.lower()) not in named:
            yield f"{kind.value.lower()} {name} holds the grant without being named in grantees: onboarding again will not give it back"


def _with_role(one: SourcePlan, roles: Mapping[str, RolePlan]) -> SourcePlan:
    """A data source whose role cannot go is refused with it."""
    role = next((found for found in roles.values() if one.key in _keys(found.group)), None)
    if one.refusal is not None or role is None or role.refusal is None:
        return one
    return replace(one, changes=(), refusal=role.refusal)


def _workflows(gate: Gate, leaving: Sequence[SourcePlan]) -> Iterator[WorkflowPlan]:
    files = [
        f"{one.spec.sync_task.folder}/{one.spec.sync_task.name}"
        for one in leaving
        if one.spec.sync_task is not None and one.task.task is not None and one.changes
    ]
    for place, paths in places_of(one.spec for one in leaving).items():
        try:
            state = read_workflow(gate, place)
        except Refused as error:
            yield WorkflowPlan(
                place, paths, note=f"workflow {place[1]} is kept: it cannot be read: {error.what}"
            )
            continue
        changes = workflow_changes(place, paths, state, files)
        yield WorkflowPlan(place, paths, changes, kept_reason(place, paths, state, files))

"""The plan of a migration: every data source with its proposal and changes, and one hash over all. Nothing is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from cloud.dataworks.workspaces import Workspace, data_integration_groups, get_workspace
from cloud.errors import Mismatch, MissingObject, OnboardingError, Refused, StepError
from cloud.gate import Gate
from cloud.inventory import Inventory as People
from config.limits import DATAWORKS, RAM, STS
from config.personas import Persona
from config.sources.base import Environment
from config.spec import DataSourceSpec
from tasks.data_source import data_source_changes, wanted_content
from tasks.grant_plan import GrantPlan, plan_grants
from tasks.migration.found import Found, Inventory, take_inventory
from tasks.migration.item import Item
from tasks.migration.keys import RollbackKeys, how_to_give, key_ids
from tasks.migration.preparing import recorded, refuse_shared
from tasks.migration.proposal import Surroundings, accept, propose
from tasks.migration.trial import everywhere
from tasks.migration.watching import tasks_of
from tasks.pass_role import read_grants
from tasks.plan import expected_calls
from tasks.planning import KNOWN_LATER, Kind, Plan, PlannedChange, digest
from tasks.role import RoleState, read_roles, role_changes
from tasks.role_group import RoleGroup
from tasks.workspace import Callers, Facts, read_callers

CLEAN = 6
"""Step of the changes that take away what was temporary; 1 to 5 are those of an onboarding."""


@dataclass(frozen=True)
class Wish:
    """What is to be migrated: a workspace, all of it or some names, or the data sources of specifications."""

    region: str
    workspace: int | None = None
    only: tuple[str, ...] = ()
    specs: tuple[DataSourceSpec, ...] = ()
    runs: int = 1

    @property
    def workspaces(self) -> tuple[int, ...]:
        """Every workspace it is about."""
        given = () if self.workspace is None else (self.workspace,)
        return tuple(dict.fromkeys((*given, *(spec.workspace for spec in self.specs))))


@dataclass(frozen=True)
class SourcePlan:
    """One data source: what is to be done, or why it cannot be. ``item`` is None for one that is refused or done."""

    workspace: int
    name: str
    type: str = ""
    item: Item | None = None
    changes: tuple[PlannedChange, ...] = ()
    notes: tuple[str, ...] = ()
    refusal: OnboardingError | None = None
    readings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class MigrationPlan:
    """The plan of a migration. ``whole`` is all of it as one plan, whose hash is what a person approves."""

    sources: tuple[SourcePlan, ...]
    grants: GrantPlan
    whole: Plan

    @property
    def items(self) -> tuple[Item, ...]:
        """The data sources that can be begun."""
        return tuple(one.item for one in self.sources if one.item is not None)


def make_plan(gate: Gate, wish: Wish, keys: RollbackKeys) -> MigrationPlan:
    """Read and plan everything. Raises what concerns all data sources: credentials, a workspace, a call's error."""
    callers = read_callers(gate)
    around = _surroundings(gate, wish, callers)
    drafts: list[SourcePlan] = []
    for workspace, surroundings in around.items():
        inventory = take_inventory(gate, workspace)
        drafts += [
            _draft(gate, inventory, name, spec, surroundings) for name, spec in _wanted(wish, inventory)
        ]
    drafts = _refuse_sharing(drafts)
    groups = {
        one.item.spec.role_name: RoleGroup.of(one.item.strict) for one in drafts if one.item is not None
    }
    states = read_roles(gate, tuple(groups.values()))
    drafts = [_with_role(gate, one, states, keys) for one in drafts]
    left = [RoleGroup.of(one.item.strict) for one in drafts if one.item is not None]
    grants = plan_grants(left, callers.account_id, read_grants(gate, left))
    sources = tuple(_complete(gate, one, states, grants, keys, wish.runs) for one in drafts)
    return MigrationPlan(sources, grants, _whole(gate, wish, sources, grants))


def _surroundings(gate: Gate, wish: Wish, callers: Callers) -> dict[int, Surroundings]:
    users = People(gate).user_ids()
    groups = tuple(sorted(data_integration_groups(gate)))
    return {
        number: Surroundings(_workspace(gate, number), wish.region, callers, users, groups)
        for number in wish.workspaces
    }


def _workspace(gate: Gate, number: int) -> Workspace:
    found = get_workspace(gate, number)
    if found is None or not found.available:
        raise MissingObject(
            "the workspace does not exist in this account and region, or is not available",
            subject=f"workspace {number}",
            persona=Persona.CREATOR,
            remedy="check its number and the region",
        )
    return found


def _wanted(wish: Wish, inventory: Inventory) -> Iterator[tuple[str, DataSourceSpec | None]]:
    for spec in wish.specs:
        if spec.workspace == inventory.workspace and (not wish.only or spec.name in wish.only):
            yield spec.name, spec
    if not wish.specs:
        yield from ((name, None) for name in wish.only or inventory.migrating)


def _draft(
    gate: Gate, inventory: Inventory, name: str, spec: DataSourceSpec | None, around: Surroundings
) -> SourcePlan:
    """Found and proposed, or refused by itself."""
    found = inventory.found.get(name)
    if found is None:
        absent = MissingObject(
            "it does not exist",
            subject=f"data source {name}",
            persona=Persona.CREATOR,
            remedy=f"name a data source of workspace {inventory.workspace}",
        )
        return SourcePlan(inventory.workspace, name, refusal=absent)
    draft = SourcePlan(inventory.workspace, name, found.type)
    if not found.keyed and not found.temporary:
        return replace(draft, notes=("it holds no AccessKey",))
    try:
        proposal = accept(gate, found, spec) if spec is not None else propose(gate, found, around)
    except (StepError, Refused) as error:
        return replace(draft, refusal=error)
    environments = tuple(found.sources)
    facts = Facts(
        around.callers.account_id, around.workspace, environments, around.callers.names, around.callers.ids
    )
    return replace(draft, item=Item(found, proposal, facts))


def _refuse_sharing(drafts: Sequence[SourcePlan]) -> list[SourcePlan]:
    """Two data sources of one migration cannot have one role: what one's failure takes away the other would need."""
    names = Counter(one.item.spec.role_name.lower() for one in drafts if one.item is not None)
    return [
        replace(one, item=None, refusal=_shared(one.item)) if one.item and names[one.item.spec.role_name.lower()] > 1 else one
        for one in drafts
    ]  # fmt: skip


def _shared(item: Item) -> Mismatch:
    return Mismatch(
        f"another data source of this migration has the role {item.spec.role_name}, too",
        subject=item.subject,
        persona=Persona.ADMINISTRATOR,
        remedy="give each a role of its own (role.name); let them share one afterwards with onboard apply",
    )


def _with_role(
    gate: Gate, draft: SourcePlan, states: Mapping[str, RoleState], keys: RollbackKeys
) -> SourcePlan:
    """With the record that its role holds, unless its role or key is refused."""
    item = draft.item
    if item is None:
        return draft
    state = states[item.spec.role_name]
    item.record = recorded(item, state.role_tags)
    try:
        refuse_shared(item, state)
        role_changes(item.strict, state)
        keys.require_right(item.found)
        for environment in item.found.keyed:
            wanted_content(gate, item.spec, KNOWN_LATER, environment)
    except (StepError, Refused) as error:
        return replace(draft, item=None, refusal=error)
    except ValueError as error:
        refusal = StepError(
            str(error), subject=item.subject, persona=Persona.CREATOR, remedy="correct content_profiles"
        )
        return replace(draft, item=None, refusal=refusal)
    return draft


def _complete(
    gate: Gate,
    draft: SourcePlan,
    states: Mapping[str, RoleState],
    grants: GrantPlan,
    keys: RollbackKeys,
    runs: int,
) -> SourcePlan:
    item = draft.item
    if item is None:
        return draft
    group, state = RoleGroup.of(item.strict), states[item.spec.role_name]
    if group.role_name in grants.refused:
        return replace(draft, item=None, refusal=grants.refused[group.role_name])
    role_id = state.role.role_id if state.role is not None else KNOWN_LATER
    changes = (
        *role_changes(item.strict, state),
        *grants.changes_of(group),
        *_on_the_way(gate, item, role_id),
    )
    attached = sorted(state.attached)
    readings = {
        f"data source {item.name} of workspace {item.workspace}": digest(
            [_reading(item.found), _reading_of_tasks(item.found)]
        ),
        f"role {group.role_name}": digest(
            (state.policy, state.policy_tags, state.role, state.role_tags, attached)
        ),
    }
    return replace(draft, changes=changes, notes=tuple(_notes(item, keys, runs)), readings=readings)


def _on_the_way(gate: Gate, item: Item, role_id: str) -> Iterator[PlannedChange]:
    """Twin and canaries, the switch itself, and their removal."""
    spec, twin = item.spec, item.twin
    environments = everywhere(item).environments
    if item.found.keyed:
        for environment in environments:
            content = wanted_content(gate, twin, role_id, environment)
            present = item.found.temporary.get(environment)
            yield from data_source_changes(twin, environment, present, role_id, content)
        for canary in item.canaries:
            yield from _canary_changes(item, canary.name)
        for environment in item.found.keyed:
            content = wanted_content(gate, spec, role_id, environment)
            yield from data_source_changes(spec, environment, item.source(environment), role_id, content)
    for canary in item.canaries:
        yield _removal(Kind.DELETE, f"sync task {canary.name}", Persona.DEVELOPER, "DeleteFile")
    for environment in environments:
        subject = f"data source {twin.name} ({environment.name})"
        yield _removal(Kind.DELETE, subject, Persona.CREATOR, "DeleteDataSource")


def _canary_changes(item: Item, name: str) -> Iterator[PlannedChange]:
    subject, developer = f"sync task {name}", Persona.DEVELOPER
    yield PlannedChange(
        4, Kind.CREATE, subject, developer, ("dataworks:CreateDISyncTask", "dataworks:UpdateFile")
    )
    yield PlannedChange(4, Kind.SUBMIT, subject, developer, ("dataworks:SubmitFile",))
    if item.facts.workspace.standard:
        yield PlannedChange(4, Kind.DEPLOY, subject, developer, ("dataworks:DeployFile",))
    for environment in item.facts.environments:
        call = "RunCycleDagNodes" if environment is Environment.PROD else "RunSmokeTest"
        yield PlannedChange(
            5, Kind.RUN, f"{subject} ({environment.name})", Persona.EXECUTOR, (f"dataworks:{call}",)
        )


def _removal(kind: Kind, subject: str, persona: Persona, call: str) -> PlannedChange:
    return PlannedChange(
        CLEAN, kind, subject, persona, (f"dataworks:{call}",), {"temporary": True}, {"temporary": None}
    )


def _reading(found: Found) -> list[object]:
    """Whether it is connected is no part of what was planned: planning itself tests that."""
    sources = [replace(one.source, connected=False) for one in found.sources.values()]
    twins = [replace(one, connected=False) for one in found.temporary.values()]
    return [sources, twins]


def _reading_of_tasks(found: Found) -> list[object]:
    return [[one.file, one.node, one.steps] for one in found.usages]


def _notes(item: Item, keys: RollbackKeys, runs: int) -> Iterator[str]:
    yield from item.proposal.remarks
    if item.found.keyed:
        yield from (f"trial: {canary.told}" for canary in item.canaries)
    names = sorted(tasks_of(item).values())
    if runs and names:
        yield f"watch: the next {_runs(runs)} of {', '.join(names)}; a run that fails puts the data source back"
    elif runs:
        yield "watch: no deployed sync task uses it, so there is nothing to watch"
    lacking = keys.lacking(item.found, item.record, item.credential_keys)
    if lacking:
        shown = next(iter(key_ids(item.found, item.record, item.credential_keys).values()), "")
        yield (
            f"its key was not given: once it is switched ({', '.join(lacking)}) it can be put back only when "
            f"{how_to_give(item.name, shown)}"
        )


def _runs(count: int) -> str:
    return "run" if count == 1 else f"{count} runs"


def _whole(gate: Gate, wish: Wish, sources: Sequence[SourcePlan], grants: GrantPlan) -> Plan:
    """All of it as one plan. Changes of folded policies, which several data sources share, are there once."""
    shared = {id(change) for changes in grants.folded.values() for change in changes}
    seen: set[int] = set()
    changes: list[PlannedChange] = []
    for change in (change for one in sources for change in one.changes):
        if id(change) in shared and id(change) in seen:
            continue
        seen.add(id(change))
        changes.append(change)
    readings: dict[str, str] = {}
    for one in sources:
        readings |= one.readings
    specifications = [one.item.spec.text() if one.item is not None else one.name for one in sources]
    tests = sum(
        2 * len(one.item.facts.environments) * len(one.item.spec.resource_groups)
        for one in sources
        if one.item is not None
    )
    none = {RAM: 0, STS: 0, DATAWORKS: 0}
    return Plan(
        data_source=f"{len(sources)} data sources",
        workspace=wish.workspaces[0] if wish.workspaces else 0,
        specification=digest([specifications, wish.runs]),
        readings=readings,
        changes=tuple(changes),
        calls=expected_calls(none, changes, tests),
        notes=tuple(f"{one.name}: {note}" for one in sources for note in one.notes),
    )

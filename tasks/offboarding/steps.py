"""The steps of an offboarding as Prefect tasks. Each reads again what it takes away, and may do what it declares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from prefect import task

from cloud.gate import Gate
from config.spec import DataSourceSpec
from tasks.offboarding.choices import STEP_TITLES, Choices
from tasks.offboarding.data_source import remove_source
from tasks.offboarding.declared import offboarding_gate, reading_gate
from tasks.offboarding.folders import Place, remove_workflow
from tasks.offboarding.grants import carry_out
from tasks.offboarding.plan import OffboardingPlan, plan_offboarding, plan_role
from tasks.offboarding.role import carry_out_role
from tasks.offboarding.role_state import read_role_use
from tasks.offboarding.surroundings import Surroundings, read_surroundings
from tasks.offboarding.sync_task import remove_task
from tasks.options import announce, ended, options
from tasks.planning import PlannedChange
from tasks.role_group import RoleGroup
from tasks.workspace import Facts


@dataclass(frozen=True)
class Removal:
    """What one step has done to one object; ``note`` says why something was kept."""

    number: int
    subject: str
    changes: tuple[PlannedChange, ...] = ()
    note: str = ""

    @property
    def title(self) -> str:
        """The step's name."""
        return STEP_TITLES[self.number]

    @property
    def line(self) -> str:
        """One line for a state message or a terminal."""
        made = ", ".join(f"{change.subject} {change.what}" for change in self.changes)
        return made or f"{self.subject}: {self.note or 'nothing to do'}"


def _done(removal: Removal) -> Removal:
    announce(f"step {removal.number}, {removal.title}: {removal.line}")
    return ended(removal.line, removal)


@task(**options("offboarding plan", "plan of {title}", timeout=3600))
def check_offboarding(title: str, specs: Sequence[DataSourceSpec], choices: Choices) -> OffboardingPlan:
    """Prefect task of :func:`tasks.offboarding.plan.plan_offboarding`."""
    with reading_gate(specs) as gate:
        plan = plan_offboarding(gate, specs, choices)
    message = f"{title}: {len(plan.changes)} changes, {len(plan.refused)} refused"
    announce(message)
    return ended(message, plan)


@task(**options("offboarding surroundings", "surroundings of {region}", timeout=3600))
def look_around(region: str, specs: Sequence[DataSourceSpec]) -> Surroundings:
    """What else there is in the account once the data sources are gone: it decides what of their roles can go."""
    with reading_gate(specs) as gate:
        found = read_surroundings(gate, frozenset(spec.workspace for spec in specs))
    return ended(f"{region}: {len(found.sources)} data sources are left", found)


@task(**options("1 remove sync task", "1 sync task of {spec.name}", timeout=3600))
def remove_sync_task(spec: DataSourceSpec, facts: Facts, choices: Choices) -> Removal:
    """Prefect task of :func:`tasks.offboarding.sync_task.remove_task`."""
    with offboarding_gate(spec, 1) as gate:
        changes = remove_task(gate, spec, facts, choices)
    name = spec.sync_task.name if spec.sync_task is not None else "none in the specification"
    return _done(Removal(1, f"sync task {name}", changes))


@task(**options("2 remove data source", "2 data source {spec.name}", timeout=900))
def remove_data_source(
    spec: DataSourceSpec, facts: Facts, role_id: str | None, choices: Choices, before: Removal
) -> Removal:
    """Prefect task of :func:`tasks.offboarding.data_source.remove_source`; ``before`` orders it after the sync task."""
    del before
    with offboarding_gate(spec, 2) as gate:
        changes = remove_source(gate, spec, facts, role_id, choices)
    return _done(Removal(2, f"data source {spec.name}", changes))


@task(**options("3 remove grants", "3 grants of {group.role_name}", timeout=1800))
def remove_grants(group: RoleGroup, surroundings: Surroundings, choices: Choices) -> Removal:
    """PassRole on a role, for the data sources that leave it. Raises :class:`StillUsed`, :class:`NotOurs` or a call's error."""
    with offboarding_gate(group, 3) as gate:
        changes = tuple(one for one in _role_plan(gate, group, surroundings, choices) if one.step == 3)
        carry_out(gate, changes)
    return _done(Removal(3, f"PassRole on role {group.role_name}", changes))


@task(**options("4 remove role", "4 role {group.role_name}", timeout=1800))
def remove_role(group: RoleGroup, surroundings: Surroundings, choices: Choices, before: Removal) -> Removal:
    """Access policy and role, or their share; ``before`` orders it after the grants. Raises as :func:`remove_grants`."""
    del before
    with offboarding_gate(group, 4) as gate:
        changes = tuple(one for one in _role_plan(gate, group, surroundings, choices) if one.step == 4)
        carry_out_role(gate, changes)
    return _done(Removal(4, f"role {group.role_name}", changes))


@task(**options("5 remove workflow", "5 workflow {place[1]}", timeout=900))
def remove_folders(spec: DataSourceSpec, place: Place, paths: Sequence[str]) -> Removal:
    """Prefect task of :func:`tasks.offboarding.folders.remove_workflow`; ``spec`` is any whose sync task was in it."""
    with offboarding_gate(spec, 5) as gate:
        changes, note = remove_workflow(gate, place, paths)
    return _done(Removal(5, f"workflow {place[1]} of workspace {place[0]}", changes, note))


def _role_plan(
    gate: Gate, group: RoleGroup, surroundings: Surroundings, choices: Choices
) -> tuple[PlannedChange, ...]:
    """The changes of a role as it is now. Raises what it is refused for."""
    plan = plan_role(gate, group, read_role_use(gate, group), surroundings, choices)
    if plan.refusal is not None:
        raise plan.refusal
    return plan.changes

"""The changes of one row of a file, computed from listings by the same functions that plan a single onboarding.

Steps 1 and 2 belong to the row's role group; a row's own changes are those of steps 3 to 5.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cloud.dataworks import runs
from cloud.dataworks.data_sources import DataSource
from cloud.errors import MissingObject, OnboardingError
from cloud.gate import Gate
from config.sources.base import Environment
from config.spec import DataSourceSpec
from tasks.bulk_listing import ListedWorkspace, proven
from tasks.data_source import data_source_changes, wanted_content
from tasks.planning import PlannedChange
from tasks.proof import proves, run_name
from tasks.run import run_changes
from tasks.scheduling import description
from tasks.sync_task import SyncTaskState, read_sync_task, sync_task_changes
from tasks.workspace import Callers, Facts, all_of, missing_for_sync_task, place_of, unknown_groups


@dataclass(frozen=True)
class Place:
    """What rows of one workspace share: listings, callers, and the account's resource groups by identifier."""

    listed: ListedWorkspace
    callers: Callers
    groups: frozenset[str]
    scheduling_groups: frozenset[str]
    folders: Mapping[tuple[int, str], tuple[bool, bool]]


@dataclass(frozen=True)
class RowPlan:
    """What a row would change in steps 3 to 5, or why it cannot be begun; ids of what exists, for the report."""

    facts: Facts | None
    changes: tuple[PlannedChange, ...] = ()
    refusal: OnboardingError | None = None
    present: Mapping[str, str] = field(default_factory=dict)


def plan_row(gate: Gate, spec: DataSourceSpec, role_id: str, place: Place) -> RowPlan:
    """The plan of one row; ``role_id`` is the role's, or :data:`tasks.planning.KNOWN_LATER`.

    An error that concerns only this row is its refusal. Raises retryable call errors.
    """
    try:
        facts = place_of(spec, place.callers, place.listed.workspace)
        missing = _missing(spec, facts, place)
        if missing is not None:
            return RowPlan(facts, refusal=missing)
    except OnboardingError as error:
        return RowPlan(None, refusal=error)
    try:
        return _changes(gate, spec, role_id, facts, place)
    except OnboardingError as error:
        return RowPlan(facts, refusal=error)


def _changes(gate: Gate, spec: DataSourceSpec, role_id: str, facts: Facts, place: Place) -> RowPlan:
    changes: list[PlannedChange] = []
    present: dict[str, str] = {}
    contents: dict[Environment, dict[str, str]] = {}
    for environment in facts.environments:
        contents[environment] = wanted_content(gate, spec, role_id, environment)
        source: DataSource | None = place.listed.sources.get((spec.name, environment))
        changes += data_source_changes(spec, environment, source, role_id, contents[environment])
        if source is not None:
            present[f"data_source_id ({environment.name})"] = str(source.id)
    if spec.sync_task is None:
        return RowPlan(facts, tuple(changes), present=present)
    said = proves(spec, facts, role_id, contents)
    proofs = proven(spec, place.listed, facts.environments, description(spec.sync_task, said))
    if proofs is not None:
        file = place.listed.file_of(spec)
        assert file is not None
        present |= {"file_id": str(file.file), "node_id": str(file.node)}
        present |= {f"instance_id ({where.name})": str(found.id) for where, found in proofs.items()}
        return RowPlan(facts, tuple(changes), present=present)
    state = _sync_task(gate, spec, facts, place)
    changes += sync_task_changes(spec, facts, state, said)
    if spec.sync_task.run:
        for environment in facts.environments:
            found = None
            if state.task is not None and state.task.node:
                name = run_name(spec, environment, role_id, contents[environment])
                found = runs.find_run(gate, spec.workspace, environment.name, state.task.node, name)
            changes += run_changes(spec, environment, found)
            if found is not None:
                present[f"instance_id ({environment.name})"] = str(found.id)
    if state.task is not None:
        present |= {"file_id": str(state.task.file), "node_id": str(state.task.node)}
    return RowPlan(facts, tuple(changes), present=present)


def _sync_task(gate: Gate, spec: DataSourceSpec, facts: Facts, place: Place) -> SyncTaskState:
    """Of an absent task the listings tell everything; another is read by itself."""
    assert spec.sync_task is not None
    if place.listed.task_is_absent(spec):
        workflow, folder = place.folders[spec.workspace, spec.sync_task.folder]
        return SyncTaskState(None, workflow, folder, {})
    return read_sync_task(gate, spec, facts)


def _missing(spec: DataSourceSpec, facts: Facts, place: Place) -> MissingObject | None:
    """Everything the row names and the cloud does not have, in one error; the same questions as of a single one."""
    problems = [*unknown_groups(spec, place.groups)]
    if spec.sync_task is not None:
        problems += missing_for_sync_task(
            spec,
            facts,
            place.scheduling_groups,
            lambda name, environment: (name, environment) in place.listed.sources,
        )
    return all_of(problems) if problems else None

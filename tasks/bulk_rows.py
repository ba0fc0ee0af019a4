"""The changes of one row of a file, computed from listings by the same functions that plan a single onboarding.

Steps 1 and 2 belong to the row's role group; a row's own changes are those of steps 3 to 5.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

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

V = TypeVar("V")


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
    """What a row would change in steps 3 to 5, or why it cannot be begun; ids of what exists, for the report.

    ``waits``: nothing may be to write, but its proof is still to come: a run of it is under way, or a data source that
    no run proves has not passed its connectivity test.
    """

    facts: Facts | None
    changes: tuple[PlannedChange, ...] = ()
    refusal: OnboardingError | None = None
    present: Mapping[str, str] = field(default_factory=dict)
    waits: bool = False

    @property
    def to_do(self) -> bool:
        """Whether its steps must be carried out."""
        return bool(self.changes) or self.waits


Reading = Callable[[], RowPlan]
"""Reads what listings do not tell of one row, and gives its plan. Raises retryable call errors."""


def plan_row(gate: Gate, spec: DataSourceSpec, role_id: str, place: Place) -> RowPlan | Reading:
    """The plan of one row by listings alone, or how to get it where they are not enough: that may be done in a thread.

    ``role_id`` is the role's, or :data:`tasks.planning.KNOWN_LATER`. An error that concerns only this row is its refusal.
    """
    if place.listed.refusal is not None:
        return RowPlan(None, refusal=place.listed.refusal)
    try:
        facts = place_of(spec, place.callers, place.listed.workspace)
        missing = _missing(spec, facts, place)
        if missing is not None:
            return RowPlan(facts, refusal=missing)
    except OnboardingError as error:
        return RowPlan(None, refusal=error)
    return _refused_or(facts, lambda: _by_listings(gate, spec, role_id, facts, place))


def _refused_or(facts: Facts, plan: Callable[[], V]) -> V | RowPlan:
    try:
        return plan()
    except OnboardingError as error:
        return RowPlan(facts, refusal=error)


@dataclass
class _Begun:
    """A row whose data sources are planned; its sync task follows. ``said``: what its runs prove."""

    spec: DataSourceSpec
    role_id: str
    facts: Facts
    said: str = ""
    changes: list[PlannedChange] = field(default_factory=list)
    present: dict[str, str] = field(default_factory=dict)
    contents: dict[Environment, dict[str, str]] = field(default_factory=dict)
    waits: bool = False

    def plan(self) -> RowPlan:
        """The row as it is planned so far."""
        return RowPlan(self.facts, tuple(self.changes), present=self.present, waits=self.waits)


def _by_listings(
    gate: Gate, spec: DataSourceSpec, role_id: str, facts: Facts, place: Place
) -> RowPlan | Reading:
    row = _Begun(spec, role_id, facts)
    for environment in facts.environments:
        content = row.contents[environment] = wanted_content(gate, spec, role_id, environment)
        source: DataSource | None = place.listed.sources.get((spec.name, environment))
        row.changes += data_source_changes(spec, environment, source, role_id, content)
        if source is not None:
            row.present[f"data_source_id ({environment.name})"] = str(source.id)
            row.waits |= not source.connected and not (spec.sync_task and spec.sync_task.run)
    if spec.sync_task is None:
        return row.plan()
    row.said = proves(spec, facts, role_id, row.contents)
    proofs = proven(spec, place.listed, facts.environments, description(spec.sync_task, row.said))
    if proofs is not None:
        file = place.listed.file_of(spec)
        assert file is not None
        row.present |= {"file_id": str(file.file), "node_id": str(file.node)}
        row.present |= {f"instance_id ({where.name})": str(found.id) for where, found in proofs.items()}
        return row.plan()
    if place.listed.task_is_absent(spec):
        workflow, folder = place.folders[spec.workspace, spec.sync_task.folder]
        return _with_sync_task(gate, row, SyncTaskState(None, workflow, folder, {}))
    return lambda: _refused_or(facts, lambda: _with_sync_task(gate, row, read_sync_task(gate, spec, facts)))


def _with_sync_task(gate: Gate, row: _Begun, state: SyncTaskState) -> RowPlan:
    """Steps 4 and 5; of a sync task that exists its runs are read."""
    spec = row.spec
    assert spec.sync_task is not None
    row.changes += sync_task_changes(spec, row.facts, state, row.said)
    if spec.sync_task.run:
        for environment in row.facts.environments:
            found = None
            if state.task is not None and state.task.node:
                name = run_name(spec, environment, row.role_id, row.contents[environment])
                found = runs.find_run(gate, spec.workspace, environment.name, state.task.node, name)
            row.changes += run_changes(spec, environment, found)
            row.waits |= found is not None and not found.finished
            if found is not None:
                row.present[f"instance_id ({environment.name})"] = str(found.id)
    if state.task is not None:
        row.present |= {"file_id": str(state.task.file), "node_id": str(state.task.node)}
    return row.plan()


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

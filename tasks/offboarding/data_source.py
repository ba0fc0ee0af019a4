"""Step 2 (creator): the data source, production before development. What it points at is not touched."""

from __future__ import annotations

from collections.abc import Sequence

from cloud.dataworks.data_sources import DataSource, delete_data_source, find_data_source
from cloud.dataworks.undeploying import references_to
from cloud.errors import Mismatch, NotOurs
from cloud.gate import Gate
from config.personas import Persona
from config.spec import DataSourceSpec
from tasks.offboarding.choices import Choices, Use, still_used
from tasks.offboarding.surroundings import Surroundings
from tasks.offboarding.sync_task import TaskState
from tasks.planning import Kind, PlannedChange
from tasks.workspace import Facts


def kept_source(spec: DataSourceSpec, present: Sequence[DataSource], choices: Choices) -> str:
    """Why the data source is kept, "" when it is not: who made an adopted one cannot be told."""
    if present and spec.role.adopt and not choices.delete_adopted:
        return f"data source {spec.name} is kept: the specification has taken over what others made"
    return ""


def source_changes(
    spec: DataSourceSpec, present: Sequence[DataSource], role_id: str | None, choices: Choices
) -> tuple[PlannedChange, ...]:
    """What step 2 changes; ``role_id`` is that of the specification's role, None when there is none.

    Raises :class:`NotOurs` or :class:`Mismatch` for a data source that onboarding would not have made so.
    """
    if kept_source(spec, present, choices):
        return ()
    for source in present:
        _refuse_foreign(spec, source, role_id, choices)
    return tuple(
        PlannedChange(
            2, Kind.DELETE, _subject(source), Persona.CREATOR, ("dataworks:DeleteDataSource",),
            {"id": source.id, "type": source.type}, {"id": None, "type": None},
        )
        for source in _in_order(present)
    )  # fmt: skip


def _in_order(present: Sequence[DataSource]) -> list[DataSource]:
    return sorted(present, key=lambda source: source.environment, reverse=True)


def _subject(source: DataSource) -> str:
    return f"data source {source.name} ({source.environment.name})"


def _refuse_foreign(spec: DataSourceSpec, source: DataSource, role_id: str | None, choices: Choices) -> None:
    subject = _subject(source)
    if source.type != spec.source_type.data_source_type:
        raise Mismatch(
            f"its type is {source.type}, the specification's is {spec.source_type.data_source_type}",
            subject=subject,
            persona=Persona.CREATOR,
            remedy="give the specification of this data source",
        )
    if choices.delete_adopted or (role_id is not None and source.role_id == role_id):
        return
    if not spec.source_type.opened_by_role(source.environment) and source.executor_mode:
        return
    mode = f"with role id {source.role_id}" if source.role_id else "not in role mode"
    known = f"id {role_id}" if role_id else "which does not exist"
    raise NotOurs(
        f"it is opened {mode}, not with role {spec.role_name} ({known})",
        subject=subject,
        persona=Persona.CREATOR,
        remedy="give the specification it was onboarded with; if it is really to go, use --delete-adopted",
    )


def source_uses(
    gate: Gate, spec: DataSourceSpec, surroundings: Surroundings, task: TaskState, *, task_goes: bool
) -> tuple[Use, ...]:
    """Everything but its own sync task that uses the data source: tasks of all kinds, deployed code, shares."""
    own = task.task if task_goes else None
    uses: dict[str, Use] = {}
    references = references_to(gate, spec.workspace, spec.name)
    for one in (*references, *surroundings.deployed.get(spec.workspace, {}).get(spec.name, ())):
        is_own = own is not None and (one.node == own.node if one.node else one.name == own.name)
        left_over = task_goes and one.node and one.node in task.nodes.values()
        if is_own or left_over:
            continue
        where = (
            f", deployed in {one.environment} though its file does not any more," if one.environment else ""
        )
        subject = f"{one.kind} {one.name}" + (f" (node {one.node})" if one.node else "")
        remedy = "delete these sync tasks, or give them another data source, and deploy that"
        uses.setdefault(subject, Use(subject, f"{one.does} it{where}", Persona.DEVELOPER, remedy))
    for source in surroundings.named(spec.workspace, spec.name):
        if source.shared:
            subject = f"share of {_subject(source)}"
            what = "lets other workspaces or users use it"
            remedy = "end the sharing in the console's page of the data source, which names them"
            uses[subject] = Use(subject, what, Persona.CREATOR, remedy)
    return tuple(uses.values())


def remove_source(
    gate: Gate, spec: DataSourceSpec, facts: Facts, role_id: str | None, choices: Choices
) -> tuple[PlannedChange, ...]:
    """Delete every environment and read back that it is gone.

    The service does not ask whether something uses it: that is asked once more, right before.
    Raises :class:`StillUsed`, :class:`NotOurs` or a call's error.
    """
    looked_for = (
        find_data_source(gate, spec.workspace, spec.name, environment)
        for environment in facts.workspace.environments
    )
    present = [source for source in looked_for if source is not None]
    changes = source_changes(spec, present, role_id, choices)
    if changes:
        now = references_to_others(gate, spec)
        if now:
            raise still_used(f"data source {spec.name}", now)
    for source in _in_order(present) if changes else ():
        delete_data_source(gate, spec.workspace, source)
    return changes


def references_to_others(gate: Gate, spec: DataSourceSpec) -> tuple[Use, ...]:
    """Sync tasks that use the data source after its own is gone."""
    remedy = "delete it, or give it another data source"
    return tuple(
        Use(f"{one.kind} {one.name}", f"{one.does} it", Persona.DEVELOPER, remedy)
        for one in references_to(gate, spec.workspace, spec.name)
    )

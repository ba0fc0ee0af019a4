"""Clean and undo: what was temporary goes, and after a failure the role and its grants too. All is read back.

The temporary data source goes last: a later run finds by it what an interrupted one has left.
"""

from __future__ import annotations

from cloud import ram
from cloud.dataworks.data_sources import delete_data_source, find_data_source, list_data_sources
from cloud.errors import StepError
from cloud.gate import Gate
from config.personas import Persona
from tasks.migration.canary import Canary, canary_spec
from tasks.migration.found import CANARIES
from tasks.migration.item import Item
from tasks.migration.naming import canary_name
from tasks.migration.preparing import drop_record
from tasks.migration.trial import everywhere
from tasks.offboarding.choices import Choices
from tasks.offboarding.grants import carry_out, grant_changes
from tasks.offboarding.others import Needs, Others
from tasks.offboarding.role import carry_out_role, role_changes
from tasks.offboarding.role_state import read_role_use
from tasks.offboarding.sync_task import remove_task
from tasks.role_group import RoleGroup


def clean(gate: Gate, item: Item) -> None:
    """Remove canaries, record and twin of a data source that is migrated. Raises a call's error."""
    _remove_canaries(gate, item)
    drop_record(gate, item)
    _remove_twin(gate, item)


def undo(gate: Gate, item: Item, *, keep_role: bool) -> None:
    """Remove everything that was made for a data source that is opened as it was; ``keep_role``: but role and grants.

    Raises :class:`StepError` when something is opened with the role after all, or a call's error.
    """
    _remove_canaries(gate, item)
    _remove_twin(gate, item)
    if keep_role:
        return
    if ram.get_role(gate, item.spec.role_name) is not None:
        drop_record(gate, item)
    remove_role(gate, item)


def remove_role(gate: Gate, item: Item) -> None:
    """The grants, the role's policies and the role, as offboarding does. Only what is ours, and serves nobody else."""
    group = RoleGroup.of(item.strict)
    reading = read_role_use(gate, group)
    if reading.nothing:
        return
    if not group.alone(reading.tags):
        return  # it was refused for that reason: nothing of it was made here
    if reading.role_id is not None:
        opened = [one for one in list_data_sources(gate, item.workspace) if one.role_id == reading.role_id]
        before = item.record.contents if item.record is not None else dict.fromkeys(item.found.keyed)
        if any(one.name == item.name and one.environment not in before for one in opened):
            return  # an environment was opened with it before
        if opened:
            raise StepError(
                f"it is not removed: data source {opened[0].name} is opened with it",
                subject=f"role {group.role_name}",
                persona=Persona.CREATOR,
                remedy="start the same command again, which puts that one back or finishes it",
            )
    choices, others, needs = Choices(), Others(), Needs()
    carry_out(gate, grant_changes(group, reading, others, needs, choices))
    carry_out_role(gate, role_changes(group, reading, others, needs, choices))


def _remove_canaries(gate: Gate, item: Item) -> None:
    """Every canary there may be: a proposal may have changed since one was made."""
    folders = dict.fromkeys(
        (*(canary.folder for canary in item.canaries), *(one.folder for one in item.found.usages))
    )
    for what in CANARIES:
        name = canary_name(item.workspace, item.name, what)
        for folder in folders:
            canary = Canary(what, "", name, folder, "{}", "")
            # One that was cut off has no description yet; its name, which ends in a checksum, says whose it is.
            remove_task(gate, canary_spec(item.twin, canary), everywhere(item), Choices(delete_adopted=True))


def _remove_twin(gate: Gate, item: Item) -> None:
    for environment in everywhere(item).environments:
        present = find_data_source(gate, item.workspace, item.twin.name, environment)
        if present is not None:
            delete_data_source(gate, item.workspace, present)

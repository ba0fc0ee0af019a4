"""Prepare (administrator): the role and its grants, made by steps 1 and 2 of an onboarding, and the record on the role."""

from __future__ import annotations

from collections.abc import Mapping

from cloud import ram
from cloud.errors import MissingObject, NotOurs
from cloud.gate import Gate
from cloud.ram_removal import remove_tags
from config.personas import Persona
from tasks.grant_plan import GrantPlan
from tasks.migration.item import Item
from tasks.migration.record import Record, read_record, record_keys
from tasks.pass_role import Members, ensure_planned
from tasks.role import RoleReady, RoleState, ensure_role
from tasks.role_group import Entity, RoleGroup

_OTHER_NAME = "give it a role of its own: another role.name in its row (--csv)"


def refuse_shared(item: Item, state: RoleState) -> None:
    """Raise :class:`NotOurs` for a role that serves other data sources: its share could not be taken out again."""
    group = RoleGroup.of(item.strict)
    tags = {**state.policy_tags, **state.role_tags}
    if (state.role is not None or state.policy is not None) and not group.alone(tags):
        raise NotOurs(
            "it serves other data sources, and a migration that fails takes its role away again",
            subject=f"role {group.role_name}",
            persona=Persona.ADMINISTRATOR,
            remedy=_OTHER_NAME,
        )


def recorded(item: Item, tags: Mapping[str, str]) -> Record | None:
    """The record that the role of a data source holds."""
    return read_record(tags, item.workspace, item.name)


def make_role(gate: Gate, item: Item) -> RoleReady:
    """Step 1, and the record of every environment that still holds a key. Raises :class:`NotOurs` or a call's error."""
    role = ensure_role(gate, item.strict)
    item.changes += role.report.changes
    present = recorded(item, ram.tags_of(gate, "role", role.name)) or Record()
    contents = {environment: item.found.sources[environment].values for environment in item.found.keyed}
    known = {one: content for one, content in present.contents.items() if one not in contents}
    item.record = Record({**known, **contents}, present.switched_at, present.kept)
    write_record(gate, item, role.name, item.record)
    item.role = role
    return role


def make_grant(
    gate: Gate, item: Item, plan: GrantPlan, written: Mapping[Entity, float], members: Members
) -> None:
    """Step 2 as it was planned for all data sources together. Raises what it is refused for, or a call's error."""
    assert item.role is not None
    group = RoleGroup.of(item.strict)
    item.granted = ensure_planned(gate, group, plan, item.role, written, members)
    item.changes += item.granted.report.changes


def write_record(gate: Gate, item: Item, role: str, record: Record) -> None:
    """The record as tags of the role; what an older one has left behind goes."""
    wanted = record.tags(item.workspace, item.name)
    present = ram.tags_of(gate, "role", role)
    if not wanted.items() <= present.items():
        present = ram.add_tags(gate, "role", role, wanted)
    stale = [key for key in record_keys(present, item.workspace, item.name) if key not in wanted]
    if stale:
        remove_tags(gate, "role", role, stale)


def drop_record(gate: Gate, item: Item) -> None:
    """Take the record from the role, when there is one."""
    name = item.spec.role_name
    keys = record_keys(ram.tags_of(gate, "role", name), item.workspace, item.name)
    if keys:
        remove_tags(gate, "role", name, keys)


def require_record(item: Item) -> Record:
    """The record, without which nothing is switched. Raises :class:`MissingObject`."""
    if item.record is None:
        raise MissingObject(
            "the record of how it was opened is not on its role any more",
            subject=f"role {item.spec.role_name}",
            persona=Persona.ADMINISTRATOR,
            remedy="somebody has removed the role's tags that start with migration: start the same command again",
        )
    return item.record

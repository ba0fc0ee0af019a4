"""Switch (creator): the original in role mode, in place; and back, with the key that its owner gives again.

Name and id stay, so that no sync task is touched. What it was is on its role before the first environment changes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr

from cloud.dataworks.data_sources import (
    DataSource,
    find_data_source,
    inspect_data_sources,
    update_data_source,
)
from cloud.errors import Conflict, Mismatch, OnboardingError, StepError
from cloud.gate import Gate
from config.personas import Persona
from config.sources.base import Environment
from tasks.data_source import ensure_data_source
from tasks.migration.item import Item
from tasks.migration.keys import RollbackKeys, how_to_give, key_ids
from tasks.migration.preparing import require_record, write_record
from tasks.migration.record import Record
from tasks.migration.trial import connections, require_connected


class KeyNeeded(StepError):
    """The data source must be put back, and its key was not given."""


def switch(gate: Gate, item: Item) -> None:
    """Open every environment that holds a key with the role, development first.

    Raises :class:`Conflict` when somebody has changed it since it was found, or what the step raises.
    """
    record = require_record(item)
    _require_unchanged(gate, item)
    assert item.role is not None
    assert item.granted is not None
    if not record.switched_at:
        item.record = record.switching(gate.clock.now())
        write_record(gate, item, item.role.name, item.record)
    for environment in item.found.keyed:
        ready = ensure_data_source(gate, item.spec, environment, item.role, item.granted)
        item.changes += ready.report.changes


def _require_unchanged(gate: Gate, item: Item) -> None:
    for environment in item.found.keyed:
        before = item.source(environment)
        present = find_data_source(gate, item.workspace, item.name, environment)
        same = present is not None and present.id == before.id
        if same and present is not None and not present.content.get(item.credential_keys[0]):
            continue  # an earlier try has come so far
        if not same or present is None or present.content != before.content:
            raise Conflict(
                "somebody has changed it since it was looked at",
                subject=f"{item.subject} ({environment.name})",
                persona=Persona.CREATOR,
                remedy="start the same command again: it is then looked at anew",
            )


def any_switched(gate: Gate, item: Item) -> bool:
    """Whether the cloud shows an environment of the record in another mode than with its key."""
    record = item.record
    if record is None:
        return False
    for environment in record.contents:
        present = find_data_source(gate, item.workspace, item.name, environment)
        if present is not None and not present.content.get(item.credential_keys[0]):
            return True
    return False


def verify(gate: Gate, item: Item) -> None:
    """Read back that it is what the specification says, with the same id and no key, and reached as before.

    Raises :class:`Mismatch`, :class:`NotConnected` or a call's error.
    """
    assert item.role is not None
    for environment in item.facts.environments:
        present = find_data_source(gate, item.workspace, item.name, environment)
        subject = f"{item.subject} ({environment.name})"
        if present is None or present.id != item.source(environment).id:
            raise _wrong(subject, "it is not the one that was switched any more")
        if present.content.get(item.credential_keys[0]):
            raise _wrong(subject, "it still holds its key: the service has kept what was not sent again")
        by_role = item.spec.source_type.opened_by_role(environment)
        if by_role and present.role_id != item.role.role_id:
            raise _wrong(subject, f"it is opened with role id {present.role_id}, not {item.role.role_id}")
    item.cells = list(connections(gate, item.spec, item.facts.environments))
    require_connected(item.cells, item.subject)


def _wrong(subject: str, what: str) -> Mismatch:
    return Mismatch(what, subject=subject, persona=Persona.CREATOR, remedy="look at it in the console")


def put_back(gate: Gate, item: Item, keys: RollbackKeys) -> None:
    """Open every environment of the record as it was before, and read that back.

    Raises :class:`KeyNeeded` before anything is written when a key was not given, or a call's error.
    """
    record = require_record(item)
    found = {
        environment: find_data_source(gate, item.workspace, item.name, environment)
        for environment in record.contents
    }
    changed = {
        environment: source
        for environment, source in found.items()
        if source is not None and not source.content.get(item.credential_keys[0])
    }
    logins = _logins(item, record, keys, changed)
    for environment, source in changed.items():
        update_data_source(gate, item.workspace, source, logins[environment], "")
    _require_as_before(gate, item, record)
    item.cells = list(connections(gate, item.spec, record.contents))


def _logins(
    item: Item, record: Record, keys: RollbackKeys, changed: Mapping[Environment, DataSource]
) -> dict[Environment, dict[str, Any]]:
    """The whole Contents to send. They hold secrets: never shown, never kept."""
    shown = key_ids(item.found, record, item.credential_keys)
    name_key, secret_key = item.credential_keys
    contents: dict[Environment, dict[str, Any]] = {}
    for environment in changed:
        given = keys.of(item.name, shown.get(environment, ""))
        if given is None:
            raise KeyNeeded(
                "it must be put back, and its key was not given",
                subject=f"{item.subject} ({environment.name})",
                persona=Persona.CREATOR,
                remedy=how_to_give(item.name, shown.get(environment, "")),
            )
        contents[environment] = {
            **record.contents[environment],
            name_key: given[0],
            secret_key: _plain(given[1]),
        }
    return contents


def _plain(secret: SecretStr) -> str:
    return secret.get_secret_value()


def _require_as_before(gate: Gate, item: Item, record: Record) -> None:
    """Compare with the record, but for the key's id where the service masks it."""
    name_key = item.credential_keys[0]
    listed = {
        one.source.environment: one.values
        for one in inspect_data_sources(gate, item.workspace)
        if one.source.name == item.name
    }
    for environment, before in record.contents.items():
        now = dict(listed.get(environment, {}))
        told = {key: value for key, value in now.items() if key != name_key}
        if not now.get(name_key) or told != {key: value for key, value in before.items() if key != name_key}:
            raise _wrong(f"{item.subject} ({environment.name})", "it is not as it was before the switch")


def told(error: OnboardingError) -> str:
    """Why something was undone, in one sentence."""
    return f"{error.subject}: {error.what}" if error.subject else error.what

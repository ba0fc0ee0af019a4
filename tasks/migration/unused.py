"""AccessKeys that no data source uses any more, for a person to disable: nothing here disables a key.

Looked at are all data sources of all workspaces that may be read, and the code of those that were migrated. What else
somebody does with a key only RAM's own "last used" tells.
"""

from __future__ import annotations

from collections.abc import Iterable

from cloud.dataworks.sync_tasks import list_code
from cloud.dataworks.workspaces import list_workspaces
from cloud.errors import Refused
from cloud.gate import Gate
from tasks.migration.found import Inventory, take_inventory
from tasks.migration.item import Item
from tasks.migration.keys import key_ids, masked
from tasks.migration.limits import only_reading
from tasks.migration.result import UnusedKey

_DATABASE_TYPES = frozenset({"analyticdb_for_mysql"})
"""Types whose login is a database's own user, not an AccessKey. That of AnalyticDB for MySQL 2.0 is one."""


def keys_before(items: Iterable[Item]) -> dict[str, list[str]]:
    """Ids of the AccessKeys that the data sources were opened with, as far as the service shows them."""
    found: dict[str, list[str]] = {}
    for item in items:
        if item.found.type in _DATABASE_TYPES:
            continue
        for key_id in dict.fromkeys(key_ids(item.found, item.record, item.credential_keys).values()):
            if key_id and not masked(key_id):
                found.setdefault(key_id, []).append(item.name)
    return found


def unused_keys(gate: Gate, items: Iterable[Item]) -> tuple[UnusedKey, ...]:
    """Those of :func:`keys_before` that nothing uses now. Raises a call's error of the migrated workspaces."""
    migrated = list(items)
    before = keys_before(migrated)
    if not before:
        return ()
    own = {item.workspace for item in migrated}
    unread: list[int] = []
    used: set[str] = set()
    with only_reading():
        for workspace in dict.fromkeys((*sorted(own), *list_workspaces(gate))):
            try:
                inventory = take_inventory(gate, workspace)
            except Refused:
                if workspace in own:
                    raise
                unread.append(workspace)
                continue
            used |= {key_id for key_id in before if _uses(gate, inventory, key_id, own)}
    return tuple(
        UnusedKey(key_id, tuple(names), tuple(unread))
        for key_id, names in sorted(before.items())
        if key_id not in used
    )


def _uses(gate: Gate, inventory: Inventory, key_id: str, own: set[int]) -> bool:
    if inventory.users_of_key(key_id):
        return True
    if inventory.workspace not in own:
        return False
    return any(key_id in one.code for one in list_code(gate, inventory.workspace))

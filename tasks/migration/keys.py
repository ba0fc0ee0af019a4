"""The AccessKeys with which data sources can be put back: given again by their owners, held in memory only.

No read of DataWorks returns a secret, and none is stored here: without the key a data source whose runs fail stays
with its role until somebody gives it, and the plan says so beforehand.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import SecretStr

from cloud.errors import Mismatch
from config.personas import Persona
from config.settings import RollbackKey
from config.sources.base import Environment
from tasks.migration.found import Found
from tasks.migration.record import Record

_VARIABLE = "ONBOARD_ROLLBACK_KEYS"


@dataclass(frozen=True)
class RollbackKeys:
    """Keys by the name of a data source, or by their own id."""

    given: Mapping[str, RollbackKey] = field(default_factory=dict, repr=False)

    def of(self, name: str, key_id: str) -> tuple[str, SecretStr] | None:
        """Id and secret for a data source that shows ``key_id``; None when they were not given."""
        found = self.given.get(name) or self.given.get(key_id)
        if found is None:
            return None
        identifier = found.access_key_id or key_id
        return (identifier, found.access_key_secret) if identifier and not masked(identifier) else None

    def require_right(self, found: Found) -> None:
        """Raise :class:`Mismatch` for a key that is given for a data source and is another than the one it shows."""
        given = self.given.get(found.name)
        for environment in found.keyed:
            shown = found.key_id(environment)
            other = given is not None and given.access_key_id not in (None, shown)
            if other and shown and not masked(shown):
                raise Mismatch(
                    f"the key given for it is another than the one it is opened with in {environment.name}",
                    subject=f"data source {found.name}",
                    persona=Persona.CREATOR,
                    remedy=f"correct {_VARIABLE}",
                )

    def lacking(self, found: Found, record: Record | None, keys: tuple[str, str]) -> tuple[str, ...]:
        """Environments in words whose key was not given."""
        return tuple(
            environment.name
            for environment, key_id in key_ids(found, record, keys).items()
            if self.of(found.name, key_id) is None
        )


def masked(key_id: str) -> bool:
    """Whether the service shows signs in place of an id."""
    return "*" in key_id


def key_ids(found: Found, record: Record | None, keys: tuple[str, str]) -> dict[Environment, str]:
    """The id of the key in each environment that has one, or had one before the switch."""
    recorded = record.contents if record is not None else {}
    before = {environment: str(content.get(keys[0]) or "") for environment, content in recorded.items()}
    return {**before, **{environment: found.key_id(environment) for environment in found.keyed}}


def how_to_give(name: str, key_id: str) -> str:
    """What its owner does."""
    shown = f" {key_id}" if key_id and not masked(key_id) else ""
    return (
        f"its owner gives the secret of AccessKey{shown} in {_VARIABLE} (by the name {name}), and the same command is "
        "started again"
    )

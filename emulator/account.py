"""The account file: what the local cloud starts with, as YAML.

``account:`` is a :class:`emulator.state.State`, ``settings:`` an :class:`emulator.settings.EmulatorSettings`.
Without a file the sample account of ``emulator/sample_account.yaml`` is used.
A file whose name ends in ``.json`` is read as JSON, which is much faster for large accounts.
``${yesterday}`` anywhere in the file is yesterday's date in the scheduler's zone, as yyyymmdd: the business date of today's run.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from config.scheduler import last_business_date
from emulator.settings import EmulatorSettings
from emulator.state import State

SAMPLE = Path(__file__).with_name("sample_account.yaml")
_YESTERDAY = "${yesterday}"


class AccountError(Exception):
    """An account file that cannot be used: names the file and every faulty place in it."""


class AccountFile(BaseModel):
    """The content of an account file."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    state: State = Field(default_factory=State, alias="account")
    settings: EmulatorSettings = Field(default_factory=lambda: EmulatorSettings.model_validate({}))

    @field_validator("state", mode="before")
    @classmethod
    def _names_from_keys(cls, value: Any) -> Any:
        """In a file the key is the name; ``users: {alice: {}}`` need not repeat it."""
        if not isinstance(value, dict):
            return value
        ram = value.get("ram")
        for kind in ("users", "groups", "roles", "policies"):
            for name, entry in ((ram or {}).get(kind) or {}).items():
                if isinstance(entry, dict):
                    entry.setdefault("name", name)
                    if kind == "policies" and "document" in entry:
                        entry["versions"] = [{"id": "v1", "document": entry.pop("document")}]
        for number, entry in ((value.get("dataworks") or {}).get("workspaces") or {}).items():
            if isinstance(entry, dict):
                entry.setdefault("id", number)
        return value


def places(error: ValidationError) -> str:
    """Every faulty place and its rule; without the values, which may be secrets."""
    return "; ".join(
        f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_input=False)
    )


def load_account(path: Path | None = None) -> AccountFile:
    """Read an account file (the sample account by default). Raises :class:`AccountError`."""
    source = path or SAMPLE
    try:
        text = source.read_text(encoding="utf-8").replace(_YESTERDAY, f"{last_business_date():%Y%m%d}")
        content = json.loads(text) if source.suffix == ".json" else yaml.safe_load(text)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else error
        raise AccountError(f"account file {source}: {reason}") from error
    if not isinstance(content, dict):
        raise AccountError(f"account file {source}: it must be a mapping with 'account' and 'settings'")
    try:
        return AccountFile.model_validate(content)
    except ValidationError as error:
        raise AccountError(f"account file {source}: {places(error)}") from None

"""Names of what a migration makes for a while, and of the tag that says that one is under way.

All follow from workspace and data source, so that a later run finds what an earlier one has left.
"""

from __future__ import annotations

import hashlib

from config.limits import DATA_SOURCE_NAME_CHARACTERS, SYNC_TASK_NAME_CHARACTERS, TAG_KEY_CHARACTERS

_CHECKSUM_CHARACTERS = 8
_TAG_START = "migration"


def _checksum(workspace: int, name: str) -> str:
    return hashlib.sha256(f"{workspace}\n{name}".encode()).hexdigest()[:_CHECKSUM_CHARACTERS]


def temporary_name(workspace: int, name: str) -> str:
    """The data source beside the original: ``<name>_migration_<checksum>``, at most 255 characters."""
    end = f"_migration_{_checksum(workspace, name)}"
    return name[: DATA_SOURCE_NAME_CHARACTERS - len(end)] + end


def canary_name(workspace: int, name: str, what: str) -> str:
    """The sync task that tries it; ``what`` is ``reads`` or ``writes``. At most 128 characters."""
    end = f"_migration_{_checksum(workspace, name)}_{what}"
    return name[: SYNC_TASK_NAME_CHARACTERS - len(end)] + end


def record_tag(workspace: int, name: str, part: int) -> str:
    """Tag key of one part of a record, counted from 0: ``migration:<part>:<workspace>:<name>``."""
    key = f"{_TAG_START}:{part}:{workspace}:{name}"
    if len(key) > TAG_KEY_CHARACTERS:
        key = f"{_TAG_START}:{part}:{workspace}:{hashlib.sha256(name.encode()).hexdigest()}"
    return key

"""The state file: what the local cloud knows, kept between two starts (``--state FILE``).

It holds what ``GET /_emulator/state`` answers, keys and session secrets of the local account included, so it is
readable by its owner only. Faults, journal and rates are not kept: they belong to one rehearsal.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from emulator.account import places
from emulator.cloud import LocalCloud
from emulator.state_data import DataState

_SIDE_FILE = ".part"


class StateFileError(Exception):
    """A state file that cannot be read or written: names the file, what is wrong, and what to do."""


class StateFile:
    """A local cloud's file. Reading and writing raise :class:`StateFileError`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._written = b""

    def load(self, cloud: LocalCloud, sources: DataState) -> bool:
        """Put what the file holds in place of the account; False when there is no file yet.

        ``sources`` are the data of the account file as it reads today: what lies in no bucket and no Logstore yet
        arrives there, as a shop writes new orders each day.
        """
        try:
            text = self.path.read_bytes()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StateFileError(f"state file {self.path}: it cannot be read: {error.strerror}") from error
        try:
            cloud.load(_mapping(json.loads(text)))
        except ValidationError as error:  # its own text would show values, which may be secrets
            raise self._broken(places(error)) from None
        except (ValueError, RecursionError) as error:
            raise self._broken(str(error)) from None
        _deliver(cloud.state.data, sources)
        return True

    def write(self, saved: dict[str, Any]) -> None:
        """Replace the file's content as a whole, when it differs from what was last written.

        ``saved`` is what :meth:`emulator.cloud.LocalCloud.save` has returned.
        """
        content = json.dumps(saved, ensure_ascii=False).encode()
        if content == self._written:
            return
        beside = self.path.with_name(self.path.name + _SIDE_FILE)
        try:
            with open(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self.path)
        except OSError as error:
            raise StateFileError(f"state file {self.path}: it cannot be written: {error.strerror}") from error
        self._written = content

    def _broken(self, reason: str) -> StateFileError:
        return StateFileError(
            f"state file {self.path}: it is broken: {reason}; move it away to start from the account file again"
        )


def _mapping(content: Any) -> dict[str, Any]:
    if not isinstance(content, dict) or not isinstance(content.get("state"), dict):
        raise ValueError("it must be a JSON object with 'state', an object")  # noqa: TRY004  # as all bad content here
    return content


def _deliver(there: DataState, sources: DataState) -> None:
    for name, bucket in sources.buckets.items():
        kept = there.buckets.setdefault(name, bucket.model_copy(deep=True))
        kept.objects = {**bucket.objects, **kept.objects}
    for project, store in (
        (project, store) for project, found in sources.log_projects.items() for store in found.logstores
    ):
        arriving = sources.log_projects[project].logstores[store].entries
        target = there.log_projects.get(project)
        if target is not None and store in target.logstores:
            present = target.logstores[store].entries
            present.extend(entry.model_copy(deep=True) for entry in arriving if entry not in present)

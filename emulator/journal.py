"""What was asked of the local cloud: one entry a call, without secrets and documents."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass
from typing import Any

_KEPT = 100_000  # entries; older ones fall off, so that a long load keeps flat memory


@dataclass(frozen=True)
class Entry:
    """One call. ``object`` is what it was about (a name or an id); ``write`` whether the action changes state."""

    time: float
    request_id: str
    product: str
    action: str
    caller: str
    object: str
    write: bool
    status: int
    code: str
    fault: bool = False


class Journal:
    """Entries in the order the calls were answered."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=_KEPT)

    def add(self, entry: Entry) -> None:
        """Append an entry."""
        self._entries.append(entry)

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All kept entries; a copy, because calls go on being added by other threads."""
        return tuple(self._entries)

    @property
    def writes(self) -> tuple[Entry, ...]:
        """The calls of writing actions, refused ones included."""
        return tuple(entry for entry in self.entries if entry.write)

    def to_json(self) -> list[dict[str, Any]]:
        """Plain dictionaries."""
        return [asdict(entry) for entry in self.entries]

"""How a data source was opened before, as tags of its new role: what a later run needs to put it back.

Switching replaces Content as a whole, and no file keeps what it was. A tag's value has 256 characters, so the record is
compressed and spread over a few tags. It holds the id of the AccessKey, never its secret: no read returns that.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from cloud.errors import LimitExceeded
from config.limits import TAG_VALUE_CHARACTERS
from config.personas import Persona
from config.sources.base import Environment
from tasks.migration.naming import record_tag

_PARTS = 8
_COUNT_CHARACTERS = 2


@dataclass(frozen=True)
class Record:
    """``contents`` are the Contents by environment without secrets; ``switched_at`` (seconds since the epoch) is when
    switching began, 0 before. ``kept``: a person stopped after an early stage, so a failure leaves role and grants."""

    contents: Mapping[Environment, Mapping[str, Any]] = field(default_factory=dict)
    switched_at: float = 0.0
    kept: bool = False

    def tags(self, workspace: int, name: str) -> dict[str, str]:
        """The record as tags. Raises :class:`LimitExceeded` for a Content that is too long for them."""
        plain = {
            "c": {environment.name: dict(content) for environment, content in self.contents.items()},
            "s": round(self.switched_at),
            "k": int(self.kept),
        }
        text = json.dumps(plain, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
        # No "=" at the end: what a tag's value may hold is documented by its length only.
        packed = base64.urlsafe_b64encode(zlib.compress(text, 9)).decode().rstrip("=")
        size = TAG_VALUE_CHARACTERS
        # The first part says how many there are: an older, longer record may have left others behind.
        count = -(-(len(packed) + _COUNT_CHARACTERS) // size)
        packed = f"{count}.{packed}"
        parts = [packed[start : start + size] for start in range(0, len(packed), size)]
        if len(parts) > _PARTS:
            raise LimitExceeded(
                f"its Content is too long for the {_PARTS} tags that would keep it",
                subject=f"data source {name}",
                persona=Persona.CREATOR,
                remedy="migrate it by hand: note its Content, then onboard it with role.adopt: true",
            )
        return {record_tag(workspace, name, number): part for number, part in enumerate(parts)}

    def switching(self, at: float) -> Record:
        """The same from the moment on at which switching begins."""
        return replace(self, switched_at=float(round(at)))

    def keeping(self) -> Record:
        """The same for a migration that a person has stopped on purpose."""
        return replace(self, kept=True)


def record_keys(tags: Mapping[str, str], workspace: int, name: str) -> list[str]:
    """The tags of a role that hold the record of a data source, in order."""
    keys = (record_tag(workspace, name, number) for number in range(_PARTS))
    return [key for key in keys if key in tags]


def read_record(tags: Mapping[str, str], workspace: int, name: str) -> Record | None:
    """The record that a role's tags hold; None when there is none, or none that can be read whole."""
    count = tags.get(record_tag(workspace, name, 0), "").partition(".")[0]
    if not count.isdigit():
        return None
    try:
        whole = "".join(tags[record_tag(workspace, name, number)] for number in range(int(count)))
        packed = whole.partition(".")[2]
        text = zlib.decompress(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)))
        plain = json.loads(text)
        contents = {
            Environment[environment]: {str(key): value for key, value in content.items()}
            for environment, content in plain["c"].items()
        }
        return Record(contents, float(plain["s"]), bool(plain["k"]))
    except (ValueError, KeyError, AttributeError, TypeError, zlib.error):
        return None

"""What the code of a task says: the data sources it uses, and static AccessKeys in it.

Of the code nothing is kept but that: of a key the last four characters of its id.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_KEY_ID = re.compile(r"(?<![0-9A-Za-z])LTAI[0-9A-Za-z]{8,40}(?![0-9A-Za-z])")
_ID_KEYS = frozenset({"accessid", "accesskeyid"})
_SECRET_KEYS = frozenset({"accesskey", "accesskeysecret", "securitytoken", "ststoken", "password"})
_STATIC_KEYS = frozenset({"accesskey", "accesskeysecret"})
_VARIABLE = re.compile(r"[$#]\{?[^}]*\}?|\*+")
_SHOWN_CHARACTERS = 4


@dataclass(frozen=True)
class Use:
    """One side of a sync task: the data source, whether it is written to, and the step's parameters without secrets."""

    data_source: str
    writes: bool
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class Code:
    """What was found in one code. `readable` is false for a sync task whose code is no JSON.

    `keys` has one entry a static key: the last four characters of its id, or "" where only a secret stands there.
    """

    uses: tuple[Use, ...]
    keys: tuple[str, ...]
    readable: bool = True


def read_code(text: str, *, sync_task: bool) -> Code:
    """Read the code of a node of any type; `sync_task` says that it is the JSON of Data Integration."""
    ends = {match[0][-_SHOWN_CHARACTERS:] for match in _KEY_ID.finditer(text)}
    if not sync_task:
        return Code((), tuple(sorted(ends)))
    try:
        content = json.loads(text)
    except ValueError:
        return Code((), tuple(sorted(ends)), readable=False)
    inline = set(_inline_keys(content))
    if ends:
        inline.discard("")  # the secret beside an id that was found
    return Code(tuple(_uses(content)), tuple(sorted(ends | inline)))


def _uses(content: Any) -> Iterator[Use]:
    steps = content.get("steps") if isinstance(content, Mapping) else None
    for step in steps if isinstance(steps, list) else ():
        if not isinstance(step, Mapping) or not isinstance(step.get("parameter"), Mapping):
            continue
        parameters = _without_secrets(step["parameter"])
        names = [parameters.get("datasource")]
        connections = parameters.get("connection")
        for one in connections if isinstance(connections, list) else ():
            names.append(one.get("datasource") if isinstance(one, Mapping) else None)
        for name in dict.fromkeys(name for name in names if isinstance(name, str) and name):
            yield Use(name, step.get("category") == "writer", parameters)


def _plain(key: Any) -> str:
    return str(key).replace("_", "").lower()


def _without_secrets(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {
            key: _without_secrets(one)
            for key, one in value.items()
            if _plain(key) not in _SECRET_KEYS | _ID_KEYS
        }
    return [_without_secrets(one) for one in value] if isinstance(value, list) else value


def _inline_keys(value: Any) -> Iterator[str]:
    """Ends of key ids that stand under their usual names whatever their form; "" for a secret."""
    if isinstance(value, Mapping):
        for key, one in value.items():
            if isinstance(one, str) and one and not _VARIABLE.fullmatch(one):
                if _plain(key) in _ID_KEYS:
                    yield one[-_SHOWN_CHARACTERS:]
                elif _plain(key) in _STATIC_KEYS:
                    yield ""
            yield from _inline_keys(one)
    elif isinstance(value, list):
        for one in value:
            yield from _inline_keys(one)

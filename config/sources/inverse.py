"""From what the cloud holds back to a location: the inverse of what a source type writes.

``SourceType.location_fields`` is built from these. A location is spread over three places: the Content of the data
source, the resources of its role's policies (a prefix, tables, Logstores) and the steps of its sync tasks.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")
_RESOURCE_PARTS = 5  # acs:<product>:<region>:<account>:<resource>
_SIGNS = frozenset("*?/")


@dataclass(frozen=True)
class Traces:
    """What else speaks of a location, where Content does not tell all of it.

    ``resources`` are those that the policies of the data source's role allow, ``steps`` the parameters of the data
    source's own side in its sync tasks.
    """

    resources: tuple[str, ...] = ()
    steps: tuple[Mapping[str, Any], ...] = ()

    def under(self, product: str, start: str, end: str = "") -> tuple[str, ...]:
        """What stands between ``start`` and ``end`` in resources of a product, in any region and account, each once."""
        found = []
        for resource in self.resources:
            parts = resource.split(":", 4)
            if len(parts) == _RESOURCE_PARTS and parts[:2] == ["acs", product]:
                name = parts[-1]
                if name.startswith(start) and name.endswith(end) and len(name) >= len(start + end):
                    found.append(name[len(start) : len(name) - len(end)])
        return tuple(dict.fromkeys(found))

    def named(self, product: str, start: str) -> tuple[str, ...]:
        """The same for whole names: nothing empty, and nothing with a wildcard or a further part."""
        return tuple(name for name in self.under(product, start) if name and not _SIGNS & set(name))

    def given(self, *keys: str) -> tuple[str, ...]:
        """Texts that the steps have under one of these keys, each once."""
        found = (step.get(key) for step in self.steps for key in keys)
        return tuple(dict.fromkeys(value for value in found if isinstance(value, str) and value))


def inverted(template: Mapping[str, str], content: Mapping[str, str]) -> dict[str, str]:
    """Values of the placeholders of a content profile, as ``content`` has them; empty values are left out."""
    found: dict[str, str] = {}
    for key, text in template.items():
        value = content.get(key, "")
        match = _pattern(text).fullmatch(value) if value and "{" in text else None
        if match:
            found |= {name: part for name, part in match.groupdict().items() if part}
    return found


def _pattern(text: str) -> re.Pattern[str]:
    """The template's text as expression with a group for each placeholder; a repeated one must be the same again."""
    seen: set[str] = set()

    def group(name: str) -> str:
        again = name in seen
        seen.add(name)
        return f"(?P={name})" if again else f"(?P<{name}>.*?)"

    parts = _PLACEHOLDER.split(text)
    return re.compile(
        "".join(group(part) if position % 2 else re.escape(part) for position, part in enumerate(parts))
    )

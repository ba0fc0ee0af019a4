"""The words of a form: labels in place of keys, examples in place of data."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from typing import Any

_EXAMPLE_CHARACTERS = 80
_WORDS = {
    "csv": "CSV",
    "datasource": "data source",
    "odps": "MaxCompute",
    "oss": "OSS",
    "pk": "key",
    "sql": "SQL",
}
"""Parts of keys that a person writes otherwise."""
_KEY = re.compile(r"`?\b([a-z]+(?:_[a-z]+)+|[a-z]+(?:[A-Z][a-z]+)+)\b`?")


def label(key: str) -> str:
    """``resource_groups`` and ``fileFormat`` as words."""
    parts = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", key).replace("_", " ").lower().split()
    words = " ".join(_WORDS.get(part, part) for part in parts)
    return words[:1].upper() + words[1:]


def in_words(description: str, keys: Collection[str]) -> str:
    """A description that names fields by their labels: a form shows no keys, and no lists as JSON."""

    def named(found: re.Match[str]) -> str:
        return f'"{label(found.group(1))}"' if found.group(1) in keys else found.group()

    return _KEY.sub(named, description).replace('["*"]', 'a single "*"')


def shown(example: Any) -> str:
    """A short example as text; "" for what has a form of its own or is too long."""
    items = example if isinstance(example, (list, tuple)) else [example]
    if not items or any(isinstance(item, (dict, list)) for item in items):
        return ""
    text = ", ".join(
        item if isinstance(item, str) else json.dumps(item, ensure_ascii=False) for item in items
    )
    return text if text.strip() and len(text) <= _EXAMPLE_CHARACTERS else ""

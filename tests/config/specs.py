"""A specification to change in tests."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import yaml

EXAMPLE = Path(__file__).parents[2] / "examples" / "oss.yaml"
MISSING = object()
_READ = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))


def example(**changes: Any) -> dict[str, Any]:
    """The example specification with values set by path (``sync_task__run=False``); ``MISSING`` removes one."""
    spec = copy.deepcopy(_READ)
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = spec
        for parent in parents:
            place = place.setdefault(parent, {})
        if value is MISSING:
            del place[last]
        else:
            place[last] = value
    assert isinstance(spec, dict)
    return spec


def writing(**changes: Any) -> dict[str, Any]:
    """A specification whose sync task writes to the bucket."""
    spec = example(
        access="write",
        sync_task__reader={"type": "odps", "datasource": "odps_first", "table": "orders", "column": ["*"]},
        sync_task__writer={"object": "orders/out/${bizdate}/part", "writeMode": "truncate"},
    )
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = spec
        for parent in parents:
            place = place[parent]
        place[last] = value
    return spec

"""A specification of each source type made of the examples in its models: the rows of a template.

A new source type brings its own example row with the ``examples`` of its fields and needs nothing else.
"""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel

from config.counterparts import COUNTERPARTS
from config.grantees import Grantees
from config.load import SpecInvalid, parse_spec
from config.sources import get_source_type
from config.spec import DataSourceSpec, SyncTaskSpec

_PLACEHOLDER = re.compile(r"\$\{(\w+)\}")
_ENDPOINT = "endpoint"
_TODAY = "$[yyyymmdd]"


def example_specification(source_type: str) -> DataSourceSpec:
    """A valid specification with a sync task that reads from a source of this type.

    Raises ``ValueError`` when the examples of the type's models do not fit together.
    """
    kind = get_source_type(source_type)
    location = _examples(kind.Location, every=True)
    # Without it, the region's own is used, which is what nearly everyone wants.
    endpoint = location.pop(_ENDPOINT, None)
    optional: dict[tuple[str, ...], Any] = {("location", _ENDPOINT): endpoint} if endpoint else {}
    form = kind.variant(
        kind.Location.model_validate({**location, **({_ENDPOINT: endpoint} if endpoint else {})})
    )
    for key, value in _examples(form.reader_type, every=True).items():
        optional["sync_task", "reader", key] = value
    spec = _specification(source_type, location, _examples(form.reader_type))
    while True:
        _name_parameters(spec["sync_task"])
        try:
            return parse_spec(spec, source=f"example of {source_type}")
        except SpecInvalid as error:
            # Some fields are required by a rule only, which names them.
            wanted = [
                path for problem in error.problems if (path := tuple(problem.path.split("."))) in optional
            ]
            if not wanted:
                raise ValueError(f"the examples of {source_type} do not fit together: {error}") from None
        for path in wanted:
            place = spec
            for key in path[:-1]:
                place = place[key]
            place[path[-1]] = optional.pop(path)


def _specification(source_type: str, location: dict[str, Any], reader: dict[str, Any]) -> dict[str, Any]:
    counterpart, other = next(iter(COUNTERPARTS.items()))
    of_spec = _examples(DataSourceSpec, every=True)
    of_task = _examples(SyncTaskSpec, every=True)
    # Columns go by position; this one fits any reader.
    writer = {**_examples(other.writer_type, every=True), "type": counterpart, "column": ["*"]}
    kept = ("type", "datasource", "table", "column", "partition")
    return {
        "name": f"{source_type}_example",
        "description": f"Example: {get_source_type(source_type).title}",
        "workspace": of_spec["workspace"],
        "region": of_spec["region"],
        "type": source_type,
        "location": location,
        "access": "read",
        "grantees": {"groups": _examples(Grantees, every=True)["groups"]},
        "resource_groups": of_spec["resource_groups"],
        "sync_task": {
            "name": f"{source_type}_example_to_ods",
            "folder": of_task["folder"],
            "resource_group": of_task["resource_group"],
            "reader": reader,
            "writer": {key: writer[key] for key in kept},
            "schedule": of_task["schedule"],
        },
    }


def _name_parameters(task: dict[str, Any]) -> None:
    """Every ${name} of the reader and writer must be a scheduling parameter."""
    named = sorted(set(_PLACEHOLDER.findall(f"{task['reader']} {task['writer']}")) - {"bizdate"})
    parameters = {"bizdate": "$bizdate", **dict.fromkeys(named, _TODAY)}
    task["schedule"] = {**task["schedule"], "parameters": parameters}


def _examples(model: type[BaseModel], *, every: bool = False) -> dict[str, Any]:
    """The first example of each field by its key; only of required ones unless ``every``."""
    return {
        field.alias or name: field.examples[0]
        for name, field in model.model_fields.items()
        if field.examples and (every or field.is_required())
    }

"""Specifications of every source type, to change in tests."""

from __future__ import annotations

from typing import Any

import yaml

from config.load import Problem, SpecInvalid, load_spec, parse_spec
from config.sources.base import Access, Permission, PermissionLevel, SourceType
from config.spec import DataSourceSpec
from tests.config.specs import EXAMPLE, MISSING

EXAMPLES = EXAMPLE.parent


def example_of(source_type: str, **changes: Any) -> dict[str, Any]:
    """The type's example with values set by path (``location__project="x"``); ``MISSING`` removes one."""
    spec = yaml.safe_load((EXAMPLES / f"{source_type}.yaml").read_text(encoding="utf-8"))
    assert isinstance(spec, dict)
    return _changed(spec, changes)


def writing_of(source_type: str, writer: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """The type's example turned round: its sync task reads three MaxCompute columns and has this writer."""
    reader = {"type": "odps", "datasource": "odps_first", "table": "orders", "column": ["a", "b", "c"]}
    spec = example_of(source_type, access="write", sync_task__reader=reader, sync_task__writer=dict(writer))
    return _changed(spec, changes)


def _changed(spec: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = spec
        for parent in parents:
            place = place[parent]
        if value is MISSING:
            del place[last]
        else:
            place[last] = value
    return spec


def spec_of(source_type: str) -> DataSourceSpec:
    """The type's example as it is."""
    return load_spec(EXAMPLES / f"{source_type}.yaml")


def found(spec: dict[str, Any]) -> list[tuple[str, str]]:
    """Path and rule of every problem of a specification; empty when it is valid."""
    return [(problem.path, problem.rule) for problem in problems(spec)]


def problems(spec: dict[str, Any]) -> tuple[Problem, ...]:
    """Every problem of a specification."""
    try:
        parse_spec(spec)
    except SpecInvalid as error:
        return error.problems
    return ()


def actions(
    source_type: SourceType,
    location: Any,
    access: Access,
    level: PermissionLevel = "minimal",
    *,
    deletes: bool = False,
) -> dict[str, set[str]]:
    """Actions with their resources; each named once, with a reason and a source."""
    wanted: tuple[Permission, ...] = source_type.permissions(location, access, level, deletes=deletes)
    assert len({permission.action for permission in wanted}) == len(wanted)
    assert all(permission.why and permission.source for permission in wanted)
    return {permission.action: set(permission.resources) for permission in wanted}

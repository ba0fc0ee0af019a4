"""TaskContent of an offline sync task: which side is whose, the rules between them, the frame around both.

Source: CreateDISyncTask (TaskContent) and Data Integration, script mode.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import ValidationError
from pydantic_core import InitErrorDetails

from config.counterparts import COUNTERPARTS, Counterpart
from config.problems import problem, rule_of
from config.sources import source_types
from config.sources.base import Access, Environment, SourceLocation, SourceType, StepParameters

if TYPE_CHECKING:
    from config.spec import SyncTaskSpec

COUNTERPART_KEYS = frozenset({"type", "datasource"})
"""Keys only the counterpart's side has."""

_PLACEHOLDER = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")

Side = Literal["reader", "writer"]


def side_problems(
    task: SyncTaskSpec, source_type: SourceType, access: Access | None, location: SourceLocation | None
) -> list[InitErrorDetails]:
    """Everything wrong with the two sides of a task; ``access`` and ``location`` are None when invalid.

    Which form of a type with several is meant follows from the location; without one its own side is not checked.
    """
    sides: dict[Side, dict[str, Any]] = {"reader": task.reader, "writer": task.writer}
    counterparts = [side for side, values in sides.items() if not COUNTERPART_KEYS.isdisjoint(values)]
    if len(counterparts) != 1:
        rule = "exactly one of reader and writer is the counterpart and names its type and datasource"
        found = "both do" if counterparts else "neither does"
        return [problem((side,), f"{rule}; here {found}") for side in sides]
    other = counterparts[0]
    own: Side = "writer" if other == "reader" else "reader"
    lines = _access_problems(own, access)
    own_step = None
    if location is not None or len(source_type.variants()) == 1:
        own_step, problems = _try(own, lambda: _own_step(source_type, own, sides[own], "own"))
        lines += problems
    if own_step is not None and location is not None:
        check = source_type.reader_problems if own == "reader" else source_type.writer_problems
        lines += [_below(own, line) for line in check(sides[own], location)]
    if sides[other].get("type") not in COUNTERPARTS:
        rule = f"the type of a counterpart is one of: {', '.join(COUNTERPARTS)}"
        lines.append(problem((other, "type"), rule, sides[other].get("type")))
    else:
        other_step, problems = _try(other, lambda: _counterpart_step(other, sides[other]))
        lines += problems
        if own_step is not None and other_step is not None:
            lines += _column_problems(source_type.column_count(own_step["parameter"]), other_step, other)
    return lines + _placeholder_problems(task, sides)


def _access_problems(own: Side, access: Access | None) -> list[InitErrorDetails]:
    if access is None or (access.reads if own == "reader" else access.writes):
        return []
    verb = "reads from" if own == "reader" else "writes to"
    return [problem((own,), f"the task {verb} the data source, which access: {access.value} does not cover")]


def _own_step(
    source_type: SourceType, side: Side, values: Mapping[str, Any], datasource: str
) -> dict[str, Any]:
    make = source_type.reader_step if side == "reader" else source_type.writer_step
    return make(values, datasource)


def _counterpart_step(side: Side, values: Mapping[str, Any]) -> dict[str, Any]:
    counterpart = COUNTERPARTS[values["type"]]
    return counterpart.reader_step(values) if side == "reader" else counterpart.writer_step(values)


def _try(
    side: Side, make: Callable[[], dict[str, Any]]
) -> tuple[dict[str, Any] | None, list[InitErrorDetails]]:
    """The step, or what is wrong with its parameters, with paths below the side."""
    try:
        return make(), []
    except ValidationError as error:
        return None, [
            problem((side, *line["loc"]), rule_of(line["type"], line["msg"]), line["input"])
            for line in error.errors(include_url=False, include_context=False)
        ]


def _below(side: Side, line: InitErrorDetails) -> InitErrorDetails:
    return {**line, "loc": (side, *line.get("loc", ()))}


def _column_problems(mine: int | None, other: Mapping[str, Any], side: Side) -> list[InitErrorDetails]:
    """Columns are matched by position, so there must be as many on both sides."""
    theirs = other["parameter"].get("column")
    if mine is None or theirs is None or "*" in theirs or mine == len(theirs):
        return []
    rule = f"columns are matched by position: {len(theirs)} here, {mine} on the other side"
    return [problem((side, "column"), rule)]


def _placeholder_problems(
    task: SyncTaskSpec, sides: Mapping[Side, Mapping[str, Any]]
) -> list[InitErrorDetails]:
    """Every ${name} must be a scheduling parameter: an unknown one stays text and matches nothing."""
    known = {"bizdate"} if task.schedule is None else set(task.schedule.parameters)
    return [
        problem(
            (side,),
            f"${{{name}}} is not among the scheduling parameters ({', '.join(sorted(known)) or 'none'})",
        )
        for side, values in sides.items()
        for name in sorted(set(_PLACEHOLDER.findall(json.dumps(values, default=str))) - known)
    ]


def task_content(
    task: SyncTaskSpec, source_type: SourceType, datasource: str, environment: Environment
) -> dict[str, Any]:
    """The document of CreateDISyncTask for a valid task."""
    steps = []
    sides: tuple[tuple[Side, dict[str, Any]], ...] = (("reader", task.reader), ("writer", task.writer))
    for side, values in sides:
        if COUNTERPART_KEYS.isdisjoint(values):
            made = _own_step(source_type, side, values, datasource)
        else:
            made = _counterpart_step(side, values)
        made["parameter"]["envType"] = environment.wire
        steps.append(made)
    return {
        "type": "job",
        "version": "2.0",
        "steps": steps,
        "setting": {
            "executeMode": None,
            # Text, as in the vendor's samples; an empty text would mean no limit.
            "errorLimit": {"record": str(task.dirty_records)},
            "speed": {"concurrent": task.concurrency, "throttle": False},
        },
        "order": {"hops": [{"from": "Reader", "to": "Writer"}]},
    }


def stable_json(value: Any) -> str:
    """Compact JSON with sorted keys, so that equal values give equal texts."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def side_models(side: Side) -> list[type[StepParameters]]:
    """Models one side may have: each source type's own parameters, and each counterpart's."""
    variants = (variant for source_type in source_types().values() for variant in source_type.variants())
    kinds: tuple[SourceType | Counterpart, ...] = (*variants, *COUNTERPARTS.values())
    return [kind.reader_type if side == "reader" else kind.writer_type for kind in kinds]

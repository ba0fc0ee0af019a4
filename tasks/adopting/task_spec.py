"""From a sync task's file back to the ``sync_task`` of a specification: the inverse of what step 4 writes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from cloud.dataworks.sync_tasks import SyncTask
from config.counterparts import COUNTERPARTS
from tasks.scheduling import described_group

_OF_DATAWORKS = frozenset({"datasource", "envType"})
_MILLISECONDS = 1000


class Inexpressible(ValueError):
    """A sync task that no specification describes; the text says why."""


def task_mapping(task: SyncTask, folder: str, source: str, fallback_group: str) -> dict[str, Any]:
    """The fields of ``sync_task``, to be validated with the rest of the specification.

    ``source`` is the data source whose specification it becomes part of. ``fallback_group`` is named where neither the
    file's description nor its code tells the resource group. Raises :class:`Inexpressible`.
    """
    code = _code(task)
    sides = _sides(code, source)
    setting = _mapping(code.get("setting"))
    mapping: dict[str, Any] = {
        "name": task.name,
        "folder": folder,
        "reader": sides["reader"],
        "writer": sides["writer"],
        "resource_group": resource_group(task) or fallback_group,
        "concurrency": _number(_mapping(setting.get("speed")).get("concurrent"), 1),
        "dirty_records": _number(_mapping(setting.get("errorLimit")).get("record"), 0),
    }
    schedule = _schedule(task.scheduling)
    return mapping if schedule is None else {**mapping, "schedule": schedule}


def resource_group(task: SyncTask) -> str:
    """The Data Integration resource group, as the description or the code names it; no read returns it. Else ""."""
    found = described_group(task.description)
    if not found:
        found = str(_mapping(_code(task).get("extend")).get("resourceGroup") or "")
    return found


def _code(task: SyncTask) -> Mapping[str, Any]:
    try:
        return _mapping(json.loads(task.content))
    except ValueError as error:
        raise Inexpressible("its code is no JSON") from error


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _sides(code: Mapping[str, Any], source: str) -> dict[str, dict[str, Any]]:
    steps = code.get("steps")
    found: dict[str, dict[str, Any]] = {}
    for step in steps if isinstance(steps, list) else ():
        category = _mapping(step).get("category")
        if category not in ("reader", "writer"):
            raise Inexpressible(
                f"it has a step of category {category}, where a specification has a reader and a writer"
            )
        if category in found:
            raise Inexpressible(f"it has several {category}s")
        parameter = _mapping(step.get("parameter"))
        values = {key: value for key, value in parameter.items() if key not in _OF_DATAWORKS}
        if parameter.get("datasource") != source:
            kind = str(step.get("stepType") or "")
            if kind not in COUNTERPARTS:
                raise Inexpressible(
                    f"its {category} is of type {kind or 'unknown'}, not one of {', '.join(COUNTERPARTS)}"
                )
            values |= {"type": kind, "datasource": parameter.get("datasource")}
        found[str(category)] = values
    if set(found) != {"reader", "writer"}:
        raise Inexpressible("it has not exactly one reader and one writer")
    return found


def _schedule(shown: Mapping[str, Any]) -> dict[str, Any] | None:
    """The schedule as GetFile shows it; None for a task that is never started by itself."""
    if shown.get("Stop"):
        return None
    parameters: dict[str, str] = {}
    for part in str(shown.get("ParaValue") or "").split():
        name, sign, value = part.partition("=")
        if not sign:
            raise Inexpressible(f"its scheduling parameter {part!r} has no name")
        parameters[name] = value
    schedule: dict[str, Any] = {"cron": str(shown.get("CronExpress") or ""), "parameters": parameters}
    if shown.get("RerunMode"):
        schedule["rerun_mode"] = str(shown["RerunMode"])
    times = _number(shown.get("AutoRerunTimes"), 0)
    if times:
        schedule["auto_rerun_times"] = times
        schedule["auto_rerun_interval"] = _number(shown.get("AutoRerunIntervalMillis"), 0) // _MILLISECONDS
    return schedule


def _number(value: Any, absent: int) -> int:
    try:
        return int(value) if value not in (None, "") else absent
    except (TypeError, ValueError) as error:
        raise Inexpressible(f"{value!r} stands where a number is expected") from error

"""TaskContent of an offline sync task: the frame that every task has.

Rules: type ``job``, version ``2.0``, exactly one reader and one writer, ``order.hops`` lead from one to the other by
step names. Other steps (a wizard's ``processor``) and unknown keys are let through, as the service does.
Source: CreateDISyncTask and the vendor's page on the code editor.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emulator.dataplane.errors import TaskContentError

WITHOUT_SOURCE = frozenset({"stream"})
"""Step types that have no data source. Source: samples of the vendor's pages of the plug-ins."""


@dataclass(frozen=True)
class Step:
    """A reader or writer. ``type`` is the data source type it speaks (``LogHub`` reads from ``loghub``)."""

    type: str
    name: str
    parameter: Mapping[str, Any]

    @property
    def data_source(self) -> str:
        """The data source's name, "" for a step without one."""
        return str(self.parameter.get("datasource") or "")


@dataclass(frozen=True)
class SyncTask:
    """A checked TaskContent. ``error_limit`` is the number of dirty records that is too many, None for no limit."""

    reader: Step
    writer: Step
    error_limit: int | None


def parse_task(text: str) -> SyncTask:
    """Read a TaskContent. Raises :class:`TaskContentError`."""
    try:
        content = json.loads(text)
    except ValueError as error:
        raise TaskContentError(f"TaskContent is no JSON: {error}") from error
    if not isinstance(content, dict):
        raise TaskContentError("TaskContent must be a JSON object")
    if content.get("type") != "job":
        raise TaskContentError('type must be "job"')
    if content.get("version") != "2.0":
        raise TaskContentError('version must be "2.0"')
    steps = content.get("steps")
    if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
        raise TaskContentError("steps must be a list of objects")
    reader, writer = _only(steps, "reader"), _only(steps, "writer")
    _check_hops(content, {str(step.get("name")) for step in steps}, reader.name, writer.name)
    return SyncTask(reader, writer, _error_limit(content))


def _only(steps: list[dict[str, Any]], category: str) -> Step:
    found = [step for step in steps if step.get("category") == category]
    if len(found) != 1:
        raise TaskContentError(f"exactly one {category} is needed, found {len(found)}")
    step = found[0]
    parameter = step.get("parameter")
    if not isinstance(step.get("stepType"), str) or not isinstance(step.get("name"), str):
        raise TaskContentError(f"the {category} needs stepType and name")
    has_source = step["stepType"].lower() not in WITHOUT_SOURCE
    if not isinstance(parameter, dict) or (has_source and not isinstance(parameter.get("datasource"), str)):
        raise TaskContentError(f"the {category} needs parameter.datasource")
    return Step(step["stepType"].lower(), step["name"], parameter)


def _check_hops(content: Mapping[str, Any], names: set[str], reader: str, writer: str) -> None:
    """The hops must be between steps that exist and lead from the reader to the writer."""
    order = content.get("order")
    hops = order.get("hops") if isinstance(order, dict) else None
    if not isinstance(hops, list) or not all(isinstance(hop, dict) for hop in hops):
        raise TaskContentError("order.hops must be a list of objects with from and to")
    following: dict[str, list[str]] = {}
    for hop in hops:
        start, end = str(hop.get("from")), str(hop.get("to"))
        for name in (start, end):
            if name not in names:
                raise TaskContentError(f"order.hops names the step {name!r}, which does not exist")
        following.setdefault(start, []).append(end)
    reached, waiting = {reader}, [reader]
    while waiting:
        for name in following.get(waiting.pop(), []):
            if name not in reached:
                reached.add(name)
                waiting.append(name)
    if writer not in reached:
        raise TaskContentError(f"order.hops do not lead from {reader!r} to {writer!r}")


def _error_limit(content: Mapping[str, Any]) -> int | None:
    """``setting.errorLimit.record``: text or number; empty or absent is unlimited."""
    setting = content.get("setting")
    limit = setting.get("errorLimit") if isinstance(setting, dict) else None
    record = limit.get("record") if isinstance(limit, dict) else None
    if record is None or record == "":
        return None
    try:
        return int(record)
    except (TypeError, ValueError) as error:
        raise TaskContentError(f"setting.errorLimit.record must be a number, not {record!r}") from error

"""Canaries: copies of the sync tasks that use a data source, which use its temporary twin instead.

A copy of a task that reads keeps the records nowhere: its writer is the engine's stream writer. A copy of a task that
writes does what the task does at each run, so it is made only of one that replaces what it finds: running it again
leaves the same behind. Anything else that writes is proven by its own next runs after the switch.
Source for the stream writer: samples of the vendor's pages of the plug-ins.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cloud.dataworks.sync_tasks import get_sync_task
from cloud.gate import Gate
from config.spec import DataSourceSpec, RoleSpec, SyncTaskSpec
from tasks.migration.found import Found, Usage
from tasks.migration.naming import canary_name, temporary_name

_STREAM = {"stepType": "stream", "category": "writer", "parameter": {"print": False}}


@dataclass(frozen=True)
class Canary:
    """One copy: what it tries, of which task it is, and its code. ``parameters`` are ParaValue of the task."""

    what: str
    of: str
    name: str
    folder: str
    content: str
    parameters: str

    @property
    def told(self) -> str:
        """What it does, for the plan."""
        if self.what == "reads":
            return f"a copy of sync task {self.of} reads what the task reads and keeps nothing"
        return f"a copy of sync task {self.of} writes again what the task replaces at each run"


class _CanaryTask(SyncTaskSpec):
    """A sync task whose parameters are another's as they are."""

    parameters: str = ""

    @property
    def parameter_text(self) -> str:
        """UpdateFile.ParaValue."""
        return self.parameters


class _CanarySpec(DataSourceSpec):
    """The specification of a twin with a sync task that is given as code: what steps 4 and 5 take."""

    code: str = ""

    def task_content(self, environment: object = None) -> dict[str, Any]:
        """The code as a value."""
        del environment
        content: dict[str, Any] = json.loads(self.code)
        return content

    def task_content_text(self, environment: object = None) -> str:
        """The code."""
        del environment
        return self.code


def twin_of(spec: DataSourceSpec) -> DataSourceSpec:
    """The specification of the temporary data source: of the same place, opened with the same role."""
    role = RoleSpec(name=spec.role_name, policy=spec.policy_name, pass_role_policy=spec.pass_role_policy_name)
    changes = {
        "name": temporary_name(spec.workspace, spec.name),
        "role": role,
        "description": f"Trial of the migration of {spec.name}"[:80],
    }
    return spec.model_copy(update=changes)


def canary_spec(twin: DataSourceSpec, canary: Canary) -> DataSourceSpec:
    """The twin with the canary as its sync task; not validated again, because the code is another task's."""
    task = _CanaryTask.model_construct(
        name=canary.name,
        folder=canary.folder,
        owner=None,
        reader={},
        writer={},
        resource_group=twin.resource_groups[0],
        scheduling_resource_group=None,
        schedule=None,
        run=True,
        business_date=None,
        parameters=canary.parameters,
    )
    fields = {name: getattr(twin, name) for name in DataSourceSpec.model_fields}
    return _CanarySpec.model_construct(**{**fields, "sync_task": task, "code": canary.content})


def canaries_of(gate: Gate, found: Found) -> tuple[tuple[Canary, ...], tuple[str, ...]]:
    """The canaries of a data source, and what they cannot try. One GetFile a canary; raises its error."""
    kind = found.kind
    assert kind is not None
    offline = sorted(
        (one for one in found.usages if not one.realtime), key=lambda one: (not one.node, one.name)
    )
    reading = [one for one in offline if one.readers]
    writing = [one for one in offline if one.writers]
    repeatable = [one for one in writing if all(kind.deletes(writer) for writer in one.writers)]
    canaries: list[Canary] = []
    if reading:
        canaries.append(_canary(gate, found, reading[0], "reads"))
    if repeatable:
        canaries.append(_canary(gate, found, repeatable[0], "writes"))
    untried: list[str] = []
    if writing and not repeatable:
        names = ", ".join(one.name for one in writing)
        untried.append(f"writing is not tried before the switch: {names} would write its records twice")
    if not found.usages:
        untried.append(
            "no sync task uses it, so that nothing can be run on it: only its connectivity is proven"
        )
    return tuple(canaries), tuple(untried)


def _canary(gate: Gate, found: Found, usage: Usage, what: str) -> Canary:
    task = get_sync_task(gate, found.workspace, usage.file)
    content = copied(
        usage.content, found.name, temporary_name(found.workspace, found.name), stream=what == "reads"
    )
    return Canary(
        what=what,
        of=usage.name,
        name=canary_name(found.workspace, found.name, what),
        folder=usage.folder,
        content=json.dumps(content, sort_keys=True, ensure_ascii=False),
        parameters=str(task.scheduling.get("ParaValue") or ""),
    )


def copied(content: Mapping[str, Any], name: str, twin: str, *, stream: bool) -> dict[str, Any]:
    """A task's code with another data source; ``stream`` puts the stream writer in place of its writer."""
    changed: dict[str, Any] = copy.deepcopy(dict(content))
    steps = [step for step in changed.get("steps") or () if isinstance(step, dict)]
    for step in steps:
        if stream and step.get("category") == "writer":
            step_name = step.get("name")
            step.clear()
            step.update(copy.deepcopy(_STREAM))
            step["name"] = step_name
        parameter = step.get("parameter")
        if isinstance(parameter, dict):
            _rename(parameter, name, twin)
    return changed


def _rename(parameter: dict[str, Any], name: str, twin: str) -> None:
    connections = parameter.get("connection")
    places: Iterable[Any] = [parameter, *(connections if isinstance(connections, list) else ())]
    for place in places:
        if isinstance(place, dict) and place.get("datasource") == name:
            place["datasource"] = twin

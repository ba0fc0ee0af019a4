"""Changes that are planned before they are made, and the plan that holds them.

A step reads its part of the cloud, and one pure function of specification and reading computes its changes; the plan
shows them, the step carries them out. So plan and apply cannot disagree.

A plan's hash has three parts, specification, cloud as read, and changes, so that a refusal can say which has moved.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, is_dataclass
from enum import Enum
from typing import Any

from cloud.errors import StepError
from config.personas import Persona

_DIGEST_CHARACTERS = 12
_HASH = re.compile(rf"[0-9a-f]{{{_DIGEST_CHARACTERS}}}(-[0-9a-f]{{{_DIGEST_CHARACTERS}}}){{2}}")
PLAN_VERSION = 1
KNOWN_LATER = "(known after apply)"
"""Stands for what only the cloud can give, such as the id of a role that does not exist yet."""


class Kind(str, Enum):
    """What a change does to its object."""

    CREATE = "create"
    UPDATE = "update"
    TAG = "tag"
    ATTACH = "attach"
    SUBMIT = "submit"
    DEPLOY = "deploy"
    RUN = "run"
    UNDEPLOY = "undeploy"
    DETACH = "detach"
    UNTAG = "untag"
    DELETE = "delete"


@dataclass(frozen=True)
class Difference:
    """One field that changes. ``before`` is None for what does not exist yet."""

    path: str
    before: Any
    after: Any


@dataclass(frozen=True)
class PlannedChange:
    """One change of one object; ``calls`` are the API actions it takes."""

    step: int
    kind: Kind
    subject: str
    persona: Persona
    calls: tuple[str, ...]
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)

    @property
    def created(self) -> bool:
        """Whether something new comes to be: an object, or a run."""
        return self.kind in (Kind.CREATE, Kind.RUN)

    @property
    def what(self) -> str:
        """Past tense, for reports of what was done."""
        names = ", ".join(difference.path for difference in self.differences)
        return {
            Kind.CREATE: "created",
            Kind.UPDATE: f"updated ({names})",
            Kind.TAG: "tagged",
            Kind.ATTACH: f"attached to {self.after.get('entity', '')}",
            Kind.SUBMIT: "submitted",
            Kind.DEPLOY: "deployed",
            Kind.RUN: "run",
            Kind.UNDEPLOY: "undeployed",
            Kind.DETACH: f"detached from {self.before.get('entity', '')}",
            Kind.UNTAG: "untagged",
            Kind.DELETE: "deleted",
        }[self.kind]

    @property
    def differences(self) -> tuple[Difference, ...]:
        """Field by field; of a new object everything."""
        return tuple(_differences("", self.before, self.after))

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "step": self.step,
            "kind": self.kind.value,
            "subject": self.subject,
            "persona": self.persona.value,
            "calls": list(self.calls),
            "differences": [asdict(difference) for difference in self.differences],
        }


def _differences(path: str, before: Any, after: Any) -> Iterator[Difference]:
    """The leaves that differ; lists are compared as a whole, because their order may matter."""
    if isinstance(after, Mapping) and isinstance(before, Mapping | None):
        present = before or {}
        for key, value in after.items():
            yield from _differences(f"{path}.{key}" if path else str(key), present.get(key), value)
    elif before != after:
        yield Difference(path, before, after)


# -- digests -------------------------------------------------------------------------------------------


def plain(value: Any) -> Any:
    """A value as JSON can hold it: dataclasses as mappings, enumerations by value, sets and tuples as lists."""
    if is_dataclass(value) and not isinstance(value, type):
        return {key: plain(item) for key, item in vars(value).items()}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, (set, frozenset)):
        return sorted((plain(item) for item in value), key=str)
    return value


def digest(value: Any) -> str:
    """Twelve hexadecimal characters of the SHA-256 of a value's stable JSON."""
    text = json.dumps(plain(value), sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGEST_CHARACTERS]


class PlanMoved(StepError):
    """The approved plan is not the plan of now: the specification, the cloud or the changes have moved."""


@dataclass(frozen=True)
class Plan:
    """Everything that applying would change, and what it was computed from.

    ``readings`` holds a digest per object that was read. ``calls`` are the calls by product that applying needs,
    reads and expected polls included.
    """

    data_source: str
    workspace: int
    specification: str
    readings: Mapping[str, str]
    changes: tuple[PlannedChange, ...]
    calls: Mapping[str, int]
    notes: tuple[str, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether nothing is to do."""
        return not self.changes

    @property
    def hash(self) -> str:
        """``<specification>-<cloud>-<changes>``, twelve hexadecimal characters each."""
        changes = digest([change.to_json() for change in self.changes])
        return f"{self.specification}-{digest(self.readings)}-{changes}"

    def summary(self) -> dict[str, int]:
        """How many changes of each kind."""
        counted: dict[str, int] = {}
        for change in self.changes:
            counted[change.kind.value] = counted.get(change.kind.value, 0) + 1
        return counted

    def to_json(self) -> dict[str, Any]:
        """Plain values; what a plan file holds."""
        return {
            "version": PLAN_VERSION,
            "hash": self.hash,
            "data_source": self.data_source,
            "workspace": self.workspace,
            "specification": self.specification,
            "readings": dict(self.readings),
            "summary": self.summary(),
            "changes": [change.to_json() for change in self.changes],
            "calls": dict(self.calls),
            "notes": list(self.notes),
        }


def is_plan_hash(text: str) -> bool:
    """Whether a text has the form of :attr:`Plan.hash`."""
    return _HASH.fullmatch(text) is not None


def require_same(plan: Plan, approved_hash: str, approved_readings: Mapping[str, str] | None = None) -> None:
    """Raise :class:`PlanMoved`, saying what has moved, unless ``plan`` is the approved one."""
    if plan.hash == approved_hash:
        return
    if not is_plan_hash(approved_hash):
        raise PlanMoved(
            f"{approved_hash!r} is no plan hash",
            subject=f"plan of {plan.data_source}",
            remedy="give the hash that the plan shows, three groups of twelve characters",
        )
    specification, cloud, _ = approved_hash.split("-")
    moved = []
    if specification != plan.specification:
        moved.append("the specification is another")
    named = {
        name
        for name in {*(approved_readings or {}), *plan.readings}
        if approved_readings is not None and approved_readings.get(name) != plan.readings.get(name)
    }
    moved += [f"{name} has changed" for name in sorted(named)]
    if not named and cloud != digest(plan.readings):
        moved.append("the cloud has changed since")
    if not moved:
        moved.append("the changes are others")
    raise PlanMoved(
        f"it is not the approved plan: {'; '.join(moved)}",
        subject=f"plan of {plan.data_source}",
        remedy=f"look at the new plan, {plan.hash}, and approve it",
    )

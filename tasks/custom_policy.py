"""What steps 1 and 2 share: custom policies, tags and attachments, compared, planned and written.

Nothing that does not carry this project's tag is touched unless the specification adopts it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from typing import Any, TypeVar

from cloud import ram
from cloud.errors import AlreadyExists, LimitExceeded, Mismatch, NotOurs
from cloud.gate import Gate
from cloud.inventory import Inventory
from cloud.ram import Attached, CustomPolicy
from config.limits import CUSTOM_POLICIES_PER_ENTITY, POLICY_DOCUMENT_CHARACTERS, TAGS_PER_RESOURCE
from config.names import MANAGED_TAG
from config.personas import Persona
from policy import (
    PolicyDocument,
    PolicyKind,
    PolicySyntaxError,
    equivalent,
    minified,
    parse_policy,
    size,
    to_dict,
    union,
)
from tasks.planning import Kind, PlannedChange
from tasks.role_group import Entity, RoleGroup, concise

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
_FEW = 4  # names below which threads are not worth their while
_READERS = 16


def read_each(read: Callable[[K], V], names: Iterable[K]) -> dict[K, V]:
    """One reading call for each of many names, some at a time: a call is mostly waiting. Raises the first one's error."""
    asked = list(dict.fromkeys(names))
    if len(asked) < _FEW:
        return {name: read(name) for name in asked}
    with ThreadPoolExecutor(_READERS, thread_name_prefix="read") as pool:
        # Each call in a copy of this context: it holds what the running step's sessions may do.
        futures = {name: pool.submit(copy_context().run, read, name) for name in asked}
        return {name: future.result() for name, future in futures.items()}


@dataclass(frozen=True)
class Listed:
    """Names of all roles and custom policies of the account, as the lists show them; role names in lower case."""

    roles: frozenset[str]
    policies: frozenset[str]

    def has_role(self, name: str) -> bool:
        """Whether a role is listed; the case of its name does not matter, because Arns have it in lower case."""
        return name.lower() in self.roles


def list_names(gate: Gate) -> Listed:
    """ListRoles and ListPolicies, 1,000 a page. Raises a call's error."""
    inventory = Inventory(gate)
    roles = frozenset(name.lower() for name in inventory.roles())
    return Listed(roles, frozenset(inventory.custom_policies()))


Policies = Mapping[str, tuple[CustomPolicy | None, dict[str, str]]]
"""Custom policies with their tags by name; None for what does not exist."""


def read_policies(
    gate: Gate, names: Iterable[str], listed: Listed | None = None
) -> dict[str, tuple[CustomPolicy | None, dict[str, str]]]:
    """Custom policies with their tags by name; what is not ``listed`` needs no call, tags are read 50 a call."""
    asked = list(dict.fromkeys(names))
    there = [name for name in asked if listed is None or name in listed.policies]
    found = read_each(lambda name: ram.get_policy(gate, name), there)
    tags = ram.tags_of_many(gate, "policy", [name for name, policy in found.items() if policy is not None])
    return {name: (found.get(name), tags.get(name, {})) for name in asked}


def read_policy(gate: Gate, name: str) -> tuple[CustomPolicy | None, dict[str, str]]:
    """A custom policy with its tags."""
    policy = ram.get_policy(gate, name)
    return policy, ram.tags_of(gate, "policy", name) if policy is not None else {}


def once_more_when_made(ensure: Callable[[], V]) -> V:
    """Carry out ``ensure``; again when something it was to create was made by another run since it had read.

    The second time that is read like anything that exists: whose it is by its tags, and what differs.
    """
    try:
        return ensure()
    except AlreadyExists:
        return ensure()


def refuse_unless_ours(group: RoleGroup, subject: str, tags: Mapping[str, str]) -> None:
    """Raise :class:`NotOurs` for an object without the tag, unless the specification adopts it."""
    key, value = MANAGED_TAG
    if tags.get(key) != value and not group.role.adopt:
        raise NotOurs(
            f"it exists and does not carry the tag {key}={value}",
            subject=subject,
            persona=Persona.ADMINISTRATOR,
            remedy="choose another name under role, or set role.adopt to true to take it over as it is",
        )


def refuse_full(subject: str, attached: Mapping[str, Attached]) -> None:
    """Raise :class:`LimitExceeded` when no further custom policy can be attached."""
    if len(attached) >= CUSTOM_POLICIES_PER_ENTITY:
        raise LimitExceeded(
            f"{len(attached)} custom policies are attached to it, the limit is {CUSTOM_POLICIES_PER_ENTITY}",
            subject=subject,
            persona=Persona.ADMINISTRATOR,
            remedy="detach one that is not needed, grant a group instead of a user, or ask for a higher quota",
        )


def with_others(
    group: RoleGroup, policy: CustomPolicy | None, tags: Mapping[str, str], own: PolicyDocument
) -> PolicyDocument:
    """``own``, plus what the policy holds for others: data sources that its tags name or cannot name,
    or who used it before it was adopted.

    Nothing that ``own`` does not cover is taken away then: which of it the others need cannot be told from here.
    Raises :class:`Mismatch` when the others' share cannot be read, and so not be kept.
    """
    if policy is None or (group.alone(tags) and not group.role.adopt):
        return own
    try:
        current = parse_policy(policy.document, PolicyKind.IDENTITY)
    except PolicySyntaxError as error:
        raise Mismatch(
            f"it serves others too, and its document cannot be read: {error}",
            subject=f"custom policy {policy.name}",
            persona=Persona.ADMINISTRATOR,
            remedy="correct the document in RAM, or give the data source a policy of its own",
        ) from error
    # Concise: what another statement covers goes, or the next apply of another data source would write it out again.
    return concise(union(current, own))


def policy_changes(
    step: int,
    group: RoleGroup,
    name: str,
    policy: CustomPolicy | None,
    tags: Mapping[str, str],
    document: PolicyDocument,
) -> tuple[PlannedChange, ...]:
    """Create the policy, or give it a new default version when its meaning differs; tag it.

    Raises :class:`LimitExceeded` before the write that the service would refuse.
    """
    subject = f"custom policy {name}"
    if size(document) > POLICY_DOCUMENT_CHARACTERS:
        raise LimitExceeded(
            f"its document would have {size(document)} characters, the limit is {POLICY_DOCUMENT_CHARACTERS}",
            subject=subject,
            persona=Persona.ADMINISTRATOR,
            remedy="give some of its data sources a role and policy of their own",
        )
    if policy is None:
        after = {"document": to_dict(document), "tags": group.tags({})}
        return (
            PlannedChange(
                step, Kind.CREATE, subject, Persona.ADMINISTRATOR, ("ram:CreatePolicy",), {}, after
            ),
        )
    changes: list[PlannedChange] = []
    if not means(policy.document, document, PolicyKind.IDENTITY):
        changes.append(
            PlannedChange(
                step, Kind.UPDATE, subject, Persona.ADMINISTRATOR, ("ram:CreatePolicyVersion",),
                {"document": readable(policy.document)}, {"document": to_dict(document)},
            )
        )  # fmt: skip
    return (*changes, *tag_changes(step, subject, tags, group.tags(tags)))


def readable(text: str) -> Any:
    """A document as a value to show; text that is no JSON as it is."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def means(text: str, document: PolicyDocument, kind: PolicyKind) -> bool:
    """A document that cannot be read means something else."""
    try:
        return equivalent(parse_policy(text, kind), document)
    except PolicySyntaxError:
        return False


def tag_changes(
    step: int, subject: str, present: Mapping[str, str], wanted: Mapping[str, str]
) -> tuple[PlannedChange, ...]:
    """The tags that an existing object misses; creation tags by itself. Raises :class:`LimitExceeded` without a place."""
    missing = {key: value for key, value in wanted.items() if present.get(key) != value}
    if not missing:
        return ()
    if len({*present, *missing}) > TAGS_PER_RESOURCE:
        raise LimitExceeded(
            f"it has {len(present)} tags, the limit is {TAGS_PER_RESOURCE}: no place is left to mark it as managed",
            subject=subject,
            persona=Persona.ADMINISTRATOR,
            remedy="remove a tag that nobody needs",
        )
    before = {"tags": {key: present.get(key) for key in missing}}
    return (
        PlannedChange(
            step, Kind.TAG, subject, Persona.ADMINISTRATOR, ("ram:TagResources",), before, {"tags": missing}
        ),
    )


def attachment_changes(
    step: int, policy: str, entity: Entity, attached: Mapping[str, Attached]
) -> tuple[PlannedChange, ...]:
    """The attachment, when it is missing."""
    if policy in attached:
        return ()
    kind, name = entity
    return (
        PlannedChange(
            step, Kind.ATTACH, f"custom policy {policy}", Persona.ADMINISTRATOR,
            (f"ram:AttachPolicyTo{kind.value}",), {}, {"entity": f"{kind.value.lower()} {name}"},
        ),
    )  # fmt: skip


def planned(changes: Sequence[PlannedChange], kind: Kind, subject: str) -> bool:
    return any(change.kind is kind and change.subject == subject for change in changes)


def write_policy(
    gate: Gate,
    name: str,
    policy: CustomPolicy | None,
    document: PolicyDocument,
    description: str,
    changes: Sequence[PlannedChange],
) -> CustomPolicy:
    """Carry out the planned changes of a policy and its tags."""
    subject = f"custom policy {name}"
    if policy is None:
        policy = ram.create_policy(gate, name, minified(document), description, _tags_in(changes, subject))
    elif planned(changes, Kind.UPDATE, subject):
        policy = ram.update_policy(gate, name, minified(document))
    write_tags(gate, "policy", name, changes)
    return policy


def write_tags(gate: Gate, kind: str, name: str, changes: Sequence[PlannedChange]) -> None:
    """Carry out a planned tagging; ``kind`` is ``role`` or ``policy``."""
    subject = f"{'role' if kind == 'role' else 'custom policy'} {name}"
    if planned(changes, Kind.TAG, subject):
        ram.add_tags(gate, kind, name, _tags_in(changes, subject))


def _tags_in(changes: Sequence[PlannedChange], subject: str) -> dict[str, str]:
    """The tags that the planned creation or tagging of an object gives it."""
    (tags,) = (
        change.after["tags"]
        for change in changes
        if change.subject == subject and change.kind in (Kind.CREATE, Kind.TAG)
    )
    return dict(tags)


def write_attachments(gate: Gate, policy: str, present: Mapping[Entity, Mapping[str, Attached]]) -> float:
    """Attach where it is missing; returns when the latest attachment was made (seconds since the epoch)."""
    latest = 0.0
    for (kind, name), attached in present.items():
        place = attached.get(policy) or ram.attach_policy(gate, kind, name, policy)
        latest = max(latest, place.attached)
    return latest

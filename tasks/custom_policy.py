"""What steps 1 and 2 share: custom policies, tags and attachments, compared, planned and written.

Nothing that does not carry this project's tag is touched unless the specification adopts it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from cloud import ram
from cloud.errors import LimitExceeded, Mismatch, NotOurs
from cloud.gate import Gate
from cloud.ram import Attached, CustomPolicy, Grantee
from config.limits import CUSTOM_POLICIES_PER_ENTITY, POLICY_DOCUMENT_CHARACTERS
from config.names import MANAGED_TAG, SOURCE_TAG_START, source_tag
from config.personas import Persona
from config.spec import DataSourceSpec
from policy import (
    PolicyDocument,
    PolicyKind,
    PolicySyntaxError,
    Statement,
    canonical,
    equivalent,
    minified,
    parse_policy,
    size,
    to_dict,
    union,
)
from tasks.planning import Kind, PlannedChange


def tags_for(spec: DataSourceSpec) -> dict[str, str]:
    """Whose it is, and which data source it serves: a policy of several sources keeps the others' share."""
    return dict([MANAGED_TAG, source_tag(spec.workspace, spec.name)])


def read_policy(gate: Gate, name: str) -> tuple[CustomPolicy | None, dict[str, str]]:
    """A custom policy with its tags."""
    policy = ram.get_policy(gate, name)
    return policy, ram.tags_of(gate, "policy", name) if policy is not None else {}


def refuse_unless_ours(spec: DataSourceSpec, subject: str, tags: Mapping[str, str]) -> None:
    """Raise :class:`NotOurs` for an object without the tag, unless the specification adopts it."""
    key, value = MANAGED_TAG
    if tags.get(key) != value and not spec.role.adopt:
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
    spec: DataSourceSpec, policy: CustomPolicy | None, tags: Mapping[str, str], own: PolicyDocument
) -> PolicyDocument:
    """``own``, plus what the policy holds for others: sources that its tags name, or who used it before it was adopted.

    Nothing that ``own`` does not cover is taken away then: which of it the others need cannot be told from here.
    Raises :class:`Mismatch` when the others' share cannot be read, and so not be kept.
    """
    if policy is None:
        return own
    own_tag, _ = source_tag(spec.workspace, spec.name)
    serves_others = any(key.startswith(SOURCE_TAG_START) and key != own_tag for key in tags)
    if not serves_others and not spec.role.adopt:
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
    covered = {_place(one): frozenset(one.actions) for one in canonical(own).statements}
    kept = []
    for statement in current.statements:
        (one,) = canonical(PolicyDocument(current.version, (statement,))).statements
        if one.not_actions or not frozenset(one.actions) <= covered.get(_place(one), frozenset()):
            kept.append(statement)
    return union(PolicyDocument(current.version, tuple(kept)), own) if kept else own


def _place(statement: Statement) -> tuple[object, ...]:
    """What a statement is about, whatever it says of it."""
    return statement.effect, frozenset(statement.resources), frozenset(statement.conditions)


def policy_changes(
    step: int,
    spec: DataSourceSpec,
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
            remedy="give the data source a role and policy of its own",
        )
    if policy is None:
        after = {"document": to_dict(document), "tags": tags_for(spec)}
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
    return (*changes, *tag_changes(step, spec, subject, tags, exists=True))


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
    step: int, spec: DataSourceSpec, subject: str, present: Mapping[str, str], *, exists: bool
) -> tuple[PlannedChange, ...]:
    """The tags that are missing. Creation tags by itself."""
    missing = {key: value for key, value in tags_for(spec).items() if present.get(key) != value}
    if not exists or not missing:
        return ()
    before = {"tags": {key: present.get(key) for key in missing}}
    return (
        PlannedChange(
            step, Kind.TAG, subject, Persona.ADMINISTRATOR, ("ram:TagResources",), before, {"tags": missing}
        ),
    )


def attachment_changes(
    step: int, policy: str, entity: tuple[Grantee, str], attached: Mapping[str, Attached]
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
    spec: DataSourceSpec,
    name: str,
    policy: CustomPolicy | None,
    document: PolicyDocument,
    description: str,
    changes: Sequence[PlannedChange],
) -> CustomPolicy:
    """Carry out the planned changes of a policy and its tags."""
    subject = f"custom policy {name}"
    if policy is None:
        policy = ram.create_policy(gate, name, minified(document), description, tags_for(spec))
    elif planned(changes, Kind.UPDATE, subject):
        policy = ram.update_policy(gate, name, minified(document))
    write_tags(gate, spec, "policy", name, changes)
    return policy


def write_tags(
    gate: Gate, spec: DataSourceSpec, kind: str, name: str, changes: Sequence[PlannedChange]
) -> None:
    """Carry out a planned tagging; ``kind`` is ``role`` or ``policy``."""
    if planned(changes, Kind.TAG, f"{'role' if kind == 'role' else 'custom policy'} {name}"):
        ram.add_tags(gate, kind, name, tags_for(spec))


def write_attachments(
    gate: Gate, policy: str, present: Mapping[tuple[Grantee, str], Mapping[str, Attached]]
) -> float:
    """Attach where it is missing; returns when the latest attachment was made (seconds since the epoch)."""
    latest = 0.0
    for (kind, name), attached in present.items():
        place = attached.get(policy) or ram.attach_policy(gate, kind, name, policy)
        latest = max(latest, place.attached)
    return latest

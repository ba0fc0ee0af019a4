"""Step 4 (administrator): the access policy and the role. A role that serves others shrinks, and is never replaced."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from cloud.gate import Gate
from cloud.ram import Grantee
from cloud.ram_removal import delete_role, remove_tags
from config.personas import Persona
from policy import PolicyDocument, PolicyKind, PolicySyntaxError, ordered, parse_policy
from policy.documents import canonical_statement
from tasks.custom_policy import readable
from tasks.offboarding.choices import Choices, is_foreign, made_here, managed, refuse_untagged
from tasks.offboarding.grants import (
    carry_out,
    delete_change,
    detach_change,
    keys_to_untag,
    untag_changes,
    version_change,
    when_detached,
)
from tasks.offboarding.others import Needs, Others, place_of
from tasks.offboarding.role_state import RoleReading
from tasks.planning import Kind, PlannedChange
from tasks.role_group import RoleGroup

STEP = 4


def role_changes(
    group: RoleGroup, reading: RoleReading, others: Others, needs: Needs, choices: Choices
) -> tuple[PlannedChange, ...]:
    """What step 4 changes. Raises :class:`NotOurs`."""
    if choices.quarantine:
        return ()
    kept = group.role.adopt and not choices.delete_adopted
    if not kept:
        _refuse_untagged(group, reading, choices)
    if kept or not others.none:
        return (
            *(() if kept else _shrinking(group, reading, needs)),
            *untag_changes(STEP, group, group.policy_name, reading.state.policy_tags, others),
            *_untag_role(group, reading, others),
        )
    return (*_policy_goes(group, reading, others, choices), *_role_goes(group, reading, others, choices))


def _refuse_untagged(group: RoleGroup, reading: RoleReading, choices: Choices) -> None:
    """An object that was made here and has lost its tag: somebody has taken it over, or by mistake."""
    state = reading.state
    if state.policy is not None and not is_foreign(state.policy_tags, state.policy.description, choices):
        refuse_untagged(f"custom policy {group.policy_name}", state.policy_tags, choices)
    if state.role is not None and not is_foreign(state.role_tags, state.role.description, choices):
        refuse_untagged(f"role {state.role.name}", state.role_tags, choices)


def _shrinking(group: RoleGroup, reading: RoleReading, needs: Needs) -> Iterator[PlannedChange]:
    policy = reading.state.policy
    if policy is not None and not managed(reading.state.policy_tags):
        return
    document = shrunk_access(group, policy.document, needs) if policy is not None else None
    if policy is not None and document is not None:
        yield version_change(STEP, policy.name, policy.document, document)


def shrunk_access(group: RoleGroup, text: str, needs: Needs) -> PolicyDocument | None:
    """The access policy without the share of those who leave; None when nothing goes.

    Of a statement that is exactly theirs the actions go that nobody who stays needs. Statements of others, of people,
    and every Deny stay as they are.
    """
    try:
        current = parse_policy(text, PolicyKind.IDENTITY)
    except PolicySyntaxError:
        return None
    own = {canonical_statement(one) for one in group.access_document.statements}
    left = []
    for statement in current.statements:
        if canonical_statement(statement) not in own:
            left.append(statement)
            continue
        needed = needs.of(statement)
        actions = tuple(action for action in statement.actions if action.lower() in needed)
        if actions:
            left.append(replace(statement, actions=actions))
    shrunk = ordered(PolicyDocument(current.version, tuple(left)))
    return shrunk if left and shrunk != ordered(current) else None


def kept_statements(group: RoleGroup, text: str, needs: Needs) -> tuple[str, ...]:
    """Actions that are the share of those who leave and that stay, because others may need them there."""
    try:
        current = parse_policy(text, PolicyKind.IDENTITY)
    except PolicySyntaxError:
        return ()
    own = {canonical_statement(one) for one in group.access_document.statements}
    kept = {
        action
        for statement in current.statements
        if canonical_statement(statement) in own
        for action in statement.actions
        if action.lower() in needs.of(statement)
        and action.lower() not in needs.actions.get(place_of(statement), frozenset())
    }
    return tuple(sorted(kept))


def _policy_goes(
    group: RoleGroup, reading: RoleReading, others: Others, choices: Choices
) -> Iterator[PlannedChange]:
    policy = reading.state.policy
    if policy is None:
        return
    if not (made_here(policy.description) or choices.delete_adopted):
        yield from untag_changes(STEP, group, policy.name, reading.state.policy_tags, others)
        return
    if policy.name in reading.state.attached and reading.state.role is not None:
        yield detach_change(STEP, policy.name, (Grantee.ROLE, reading.state.role.name))
    yield delete_change(STEP, policy.name, policy.document)


def _role_goes(
    group: RoleGroup, reading: RoleReading, others: Others, choices: Choices
) -> Iterator[PlannedChange]:
    role = reading.state.role
    if role is None:
        return
    if not (made_here(role.description) or choices.delete_adopted):
        yield from _untag_role(group, reading, others)
        return
    policy = reading.state.policy
    stays = policy is not None and not (made_here(policy.description) or choices.delete_adopted)
    if policy is not None and stays and policy.name in reading.state.attached:
        yield detach_change(STEP, policy.name, (Grantee.ROLE, role.name))
    before = {"id": role.role_id, "trust_policy": readable(role.trust_policy)}
    yield PlannedChange(
        STEP, Kind.DELETE, f"role {role.name}", Persona.ADMINISTRATOR, ("ram:DeleteRole",), before,
        {"id": None, "trust_policy": None},
    )  # fmt: skip


def _untag_role(group: RoleGroup, reading: RoleReading, others: Others) -> tuple[PlannedChange, ...]:
    role, tags = reading.state.role, reading.state.role_tags
    keys = keys_to_untag(group, tags, others)
    if role is None or not keys:
        return ()
    return (
        PlannedChange(
            STEP, Kind.UNTAG, f"role {role.name}", Persona.ADMINISTRATOR, ("ram:UntagResources",),
            {"tags": {key: tags[key] for key in keys}}, {"tags": dict.fromkeys(keys)},
        ),
    )  # fmt: skip


def carry_out_role(gate: Gate, changes: tuple[PlannedChange, ...]) -> None:
    """Carry out the changes of step 4 in their order; each is read back. Raises a call's error."""
    for change in changes:
        name = change.subject.removeprefix("role ")
        if not change.subject.startswith("role "):
            carry_out(gate, (change,))
        elif change.kind is Kind.UNTAG:
            remove_tags(gate, "role", name, tuple(change.before["tags"]))
        else:
            when_detached(gate, partial(delete_role, gate, name), f"role {name}")

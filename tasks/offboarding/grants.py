"""Step 3 (administrator): PassRole. The role's own policy, and the role's share of folded ones.

Quarantine is this step alone, without deletions: nobody can pass the role any more, and onboarding gives it back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from cloud import ram
from cloud.errors import Conflict
from cloud.gate import Gate
from cloud.ram import Grantee
from cloud.ram_removal import delete_policy, detach_policy, remove_tags
from cloud.waiting import until_effective
from config.names import MANAGED_TAG, source_tag
from config.personas import Persona
from policy import PolicyDocument, PolicyKind, Statement, minified, ordered, parse_policy, to_dict
from policy.documents import canonical_statement
from policy.generate import SERVICE_KEY
from tasks.custom_policy import readable
from tasks.folding import Folded
from tasks.offboarding.choices import Choices, is_foreign, made_here, managed, refuse_untagged
from tasks.offboarding.others import Needs, Others
from tasks.offboarding.role_state import RoleReading, arns_of
from tasks.options import announce
from tasks.planning import Kind, PlannedChange
from tasks.role_group import Entity, RoleGroup

STEP = 3


def grant_changes(
    group: RoleGroup, reading: RoleReading, others: Others, needs: Needs, choices: Choices
) -> tuple[PlannedChange, ...]:
    """What step 3 changes. Raises :class:`NotOurs`."""
    if group.role.adopt and not choices.delete_adopted:
        return untag_changes(STEP, group, group.pass_role_policy_name, reading.grant_tags, others)
    return (
        *_own_changes(group, reading, others, needs, choices),
        *(
            change
            for one in reading.folded
            for change in _folded_changes(group, reading, one, others, needs, choices)
        ),
    )


# -- the role's own policy -----------------------------------------------------------------------------


def _own_changes(
    group: RoleGroup, reading: RoleReading, others: Others, needs: Needs, choices: Choices
) -> Iterator[PlannedChange]:
    grant = reading.grant
    if grant is None or is_foreign(reading.grant_tags, grant.description, choices):
        return
    refuse_untagged(f"custom policy {grant.name}", reading.grant_tags, choices)
    if not others.none:
        document = shrunk_grant(group, grant.document, needs)
        if document is not None:
            yield version_change(STEP, grant.name, grant.document, document)
        yield from untag_changes(STEP, group, grant.name, reading.grant_tags, others)
        return
    yield from (detach_change(STEP, grant.name, holder) for holder in reading.holders.get(grant.name, ()))
    if choices.quarantine:
        return
    if made_here(grant.description) or choices.delete_adopted:
        yield delete_change(STEP, grant.name, grant.document)
    else:
        yield from untag_changes(STEP, group, grant.name, reading.grant_tags, others)


def shrunk_grant(group: RoleGroup, text: str, needs: Needs) -> PolicyDocument | None:
    """The role's own policy without the services that only those who leave need; None when nothing goes."""
    if needs.everything or group.role.pass_role != "role":
        return None
    current = parse_policy(text, PolicyKind.IDENTITY)
    own = {_services_in(one, group) for one in group.grant_document("*").statements}
    left = tuple(
        one
        for one in current.statements
        if (found := _services_in(one, group)) is None or found not in own or found in needs.services
    )
    return ordered(PolicyDocument(current.version, left)) if left and left != current.statements else None


def _services_in(statement: Statement, group: RoleGroup) -> tuple[str, ...] | None:
    """The services of a statement of Template 2 about the group's role alone; None for any other."""
    end = f":role/{group.role_name.lower()}"
    conditions = canonical_statement(statement).conditions
    if len(conditions) != 1 or conditions[0].key != SERVICE_KEY:
        return None
    if not all(resource.lower().endswith(end) for resource in statement.resources):
        return None
    return tuple(sorted(conditions[0].values))


# -- folded policies -----------------------------------------------------------------------------------


def _folded_changes(
    group: RoleGroup,
    reading: RoleReading,
    folded: Folded,
    others: Others,
    needs: Needs,
    choices: Choices,
) -> Iterator[PlannedChange]:
    """One that nothing is left of is detached and deleted; any other gets a version without the role's share."""
    assert folded.policy is not None
    if not managed(folded.tags) and not choices.delete_adopted:
        return  # not ours: what it holds somebody else has written
    left = _without(group, folded, others, needs)
    if (left.passes, left.ending) == (folded.passes, folded.ending):
        return
    if not left.empty:
        yield version_change(STEP, folded.name, folded.policy.document, left.document())
        return
    yield from (detach_change(STEP, folded.name, holder) for holder in reading.holders.get(folded.name, ()))
    if not choices.quarantine:
        yield delete_change(STEP, folded.name, folded.policy.document)


def _without(group: RoleGroup, folded: Folded, others: Others, needs: Needs) -> Folded:
    """The folded policy without the role, or without the services that nobody who stays needs."""
    arns = arns_of(group, folded)
    if others.none:
        return folded.without(arns)
    needed = frozenset(service for each in needs.services for service in each)
    if needs.everything:
        return folded
    own = frozenset(group.services) - needed
    return replace(
        folded,
        passes={arn: kept - own if arn in arns else kept for arn, kept in folded.passes.items()},
        ending={key: kept - own if key[0] in arns else kept for key, kept in folded.ending.items()},
    )


# -- changes that steps 3 and 4 share ------------------------------------------------------------------


def _change(
    step: int,
    kind: Kind,
    policy: str,
    calls: tuple[str, ...],
    before: Mapping[str, Any],
    after: Mapping[str, Any],
) -> PlannedChange:
    return PlannedChange(step, kind, f"custom policy {policy}", Persona.ADMINISTRATOR, calls, before, after)


def version_change(step: int, policy: str, text: str, document: PolicyDocument) -> PlannedChange:
    """A new default version with less in it."""
    before, after = {"document": readable(text)}, {"document": to_dict(document)}
    return _change(step, Kind.UPDATE, policy, ("ram:CreatePolicyVersion",), before, after)


def detach_change(step: int, policy: str, holder: Entity) -> PlannedChange:
    """A holder loses a policy."""
    kind, name = holder
    before = {"entity": f"{kind.value.lower()} {name}"}
    return _change(
        step, Kind.DETACH, policy, (f"ram:DetachPolicyFrom{kind.value}",), before, {"entity": None}
    )


def delete_change(step: int, policy: str, text: str) -> PlannedChange:
    """A policy goes, with all its versions."""
    return _change(
        step, Kind.DELETE, policy, ("ram:DeletePolicy",), {"document": readable(text)}, {"document": None}
    )


def keys_to_untag(group: RoleGroup, tags: Mapping[str, str], others: Others) -> tuple[str, ...]:
    """The group's own source tags; ours, too, when nobody is left for whom it is managed."""
    own = {source_tag(spec.workspace, spec.name)[0] for spec in group.specs}
    if others.none:
        own.add(MANAGED_TAG[0])
    return tuple(key for key in tags if key in own)


def untag_changes(
    step: int, group: RoleGroup, policy: str, tags: Mapping[str, str], others: Others
) -> tuple[PlannedChange, ...]:
    """A policy that stays no longer names those who leave."""
    keys = keys_to_untag(group, tags, others)
    if not keys:
        return ()
    before, after = {"tags": {key: tags[key] for key in keys}}, {"tags": dict.fromkeys(keys)}
    return (_change(step, Kind.UNTAG, policy, ("ram:UntagResources",), before, after),)


# -- carrying out --------------------------------------------------------------------------------------


def carry_out(gate: Gate, changes: Sequence[PlannedChange]) -> None:
    """Carry out changes of custom policies in their order; each is read back. Raises a call's error."""
    for change in changes:
        name = change.subject.removeprefix("custom policy ")
        if change.kind is Kind.UPDATE:
            document = parse_policy(change.after["document"], PolicyKind.IDENTITY)
            ram.update_policy(gate, name, minified(document))
        elif change.kind is Kind.DETACH:
            word, _, holder = str(change.before["entity"]).partition(" ")
            detach_policy(gate, Grantee(word.capitalize()), holder, name)
        elif change.kind is Kind.UNTAG:
            remove_tags(gate, "policy", name, tuple(change.before["tags"]))
        elif change.kind is Kind.DELETE:
            when_detached(gate, partial(delete_policy, gate, name), f"custom policy {name}")


def when_detached(gate: Gate, delete: Callable[[], None], subject: str) -> None:
    """A deletion that may have to wait until the service has seen the last detachment."""
    until_effective(
        gate,
        delete,
        refusals=(Conflict,),
        changed_at=gate.clock.now(),
        what=f"{subject}: its detachment",
        announce=announce,
    )

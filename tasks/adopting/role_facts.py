"""What the specifications of one role have in common: the names of its policies, and who may pass it.

Every data source of a role gets the same, because the specifications of one role must agree.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cloud.ram import CustomPolicy, Grantee
from config.names import (
    SERVICE_PRINCIPAL,
    access_policy_name,
    check_policy_name,
    is_folded_policy,
    pass_role_policy_name,
    role_arns,
)
from policy import (
    AttachedPolicy,
    PolicyKind,
    PolicySyntaxError,
    UserPolicies,
    broad_pass_role_policy,
    can_pass,
    equivalent,
    minified,
    parse_policy,
    trust_policy,
)
from policy.explain import Inventory as Documents
from tasks.audit.account import Account, AuditedPolicy, AuditedRole
from tasks.audit.passing import Passing, about_pass_role
from tasks.expiring import last_day
from tasks.folding import moment, read_folded
from tasks.role_group import Entity

_FIELDS = {Grantee.USER: "users", Grantee.GROUP: "groups", Grantee.ROLE: "roles"}
_BROAD_REASON = "Found so when it was adopted; name the role alone to narrow it"


@dataclass(frozen=True)
class RoleFacts:
    """One role as specifications say it.

    ``access`` is the custom policy with its permissions, None for none of its own. ``role`` and ``grantees`` are the
    fields of a specification, ``grantees`` being empty where nobody may pass the role.
    """

    access: AuditedPolicy | None
    role: dict[str, Any]
    strict: dict[str, Any]
    """Grantees by the role's own PassRole policy and by folded ones: what this project grants."""
    grantees: dict[str, Any]
    """Grantees by any grant on this role; where there is none, by a wider one."""
    remarks: tuple[str, ...]


def facts_of(account: Account, passing: Passing, role: AuditedRole, now: datetime) -> RoleFacts:
    """What is known of one role; ``now`` has a zone."""
    remarks = [*_about_trust(role)]
    held = account.policies_of(role)
    access = _access(role, held)
    own = _own_grant(account, role)
    broad = own is not None and own.document is not None and _is_template_1(own)
    named: dict[str, Any] = {"name": role.name}
    if access is not None and access.name != access_policy_name(role.name):
        named["policy"] = access.name
    if own is not None and own.name != pass_role_policy_name(role.name):
        named["pass_role_policy"] = own.name
    if broad:
        named |= {"pass_role": "broad", "pass_role_reason": _BROAD_REASON}
    for policy in held:
        if policy is not access:
            remarks.append(
                f"{policy} is attached to role {role.name} beside; a specification has one custom policy"
            )
    if access is None:
        remarks.append(f"no custom policy is attached to role {role.name} alone")
    carrying = [one for one in passing.policies if passing.is_precise(one) and _carries(account, one, role)]
    ours = [one for one in carrying if one is own or is_folded_policy(one.name)] + (
        [own] if own and broad else []
    )
    ends = tuple(_ends(account, role, now))
    strict = _grantees([entity for one in ours for entity in one.holders], ends)
    exact = _grantees([entity for one in carrying for entity in one.holders], ends)
    wide = _wide(passing, role)
    grantees = _joined(strict, exact)
    if grantees:
        remarks += _beside(wide, grantees)
    elif wide:
        grantees = _grantees(wide, ())
        remarks.append(
            f"nobody holds a grant on role {role.name} alone; {_named(wide)} may pass it by a wider policy"
        )
    return RoleFacts(access, named, strict, grantees, tuple(remarks))


# -- the role and its policies -------------------------------------------------------------------------


def _about_trust(role: AuditedRole) -> Iterator[str]:
    if role.trust is None:
        yield f"the trust policy of role {role.name} could not be read"
        return
    try:
        trust = parse_policy(role.trust, PolicyKind.TRUST)
    except PolicySyntaxError as error:
        yield f"the trust policy of role {role.name} cannot be understood: {error}"
        return
    if equivalent(trust, trust_policy(SERVICE_PRINCIPAL)):
        return
    trusted = dict.fromkeys(one.value for statement in trust.statements for one in statement.principals)
    others = ", ".join(name for name in trusted if name != SERVICE_PRINCIPAL)
    if SERVICE_PRINCIPAL not in trusted:
        yield f"role {role.name} does not trust {SERVICE_PRINCIPAL}, only {others or 'nobody'}"
    elif others:
        yield f"role {role.name} also trusts {others}, which is kept"
    else:
        yield f"role {role.name} trusts {SERVICE_PRINCIPAL} in other words than are generated; they are kept"


def _access(role: AuditedRole, held: Sequence[AuditedPolicy]) -> AuditedPolicy | None:
    """The custom policy that the role has for itself: the one with the derived name, else the first that fits."""
    alone = [
        one
        for one in held
        if one.custom and one.holders == ((Grantee.ROLE, role.name),) and _can_be_named(one)
    ]
    derived = access_policy_name(role.name)
    return next((one for one in alone if one.name == derived), None) or next(
        (one for one in alone if not about_pass_role(one)), None
    )


def _can_be_named(policy: AuditedPolicy) -> bool:
    try:
        return bool(check_policy_name(policy.name))
    except ValueError:
        return False


def _own_grant(account: Account, role: AuditedRole) -> AuditedPolicy | None:
    """The PassRole policy of this role and no other: the one with the derived name, else the one with most holders."""
    derived = account.policies.get(("Custom", pass_role_policy_name(role.name)))
    if derived is not None:
        return derived
    arns = {arn.lower() for arn in role_arns(account.account_id, role.name)}
    fitting = [
        one
        for one in account.policies.values()
        if one.custom
        and one.holders
        and not is_folded_policy(one.name)
        and about_pass_role(one)
        and one.document is not None
        and {resource.lower() for each in one.document.statements for resource in each.resources} <= arns
        and _can_be_named(one)
    ]
    return max(fitting, key=lambda one: (len(one.holders), one.name), default=None)


def _is_template_1(policy: AuditedPolicy) -> bool:
    return policy.document is not None and equivalent(
        policy.document, broad_pass_role_policy((SERVICE_PRINCIPAL,))
    )


# -- who may pass it -----------------------------------------------------------------------------------


def _carries(account: Account, policy: AuditedPolicy, role: AuditedRole) -> bool:
    """Whether a policy by itself lets its holder pass the role to Data Integration, in either spelling of its Arn."""
    held = (AttachedPolicy(policy.name, "custom policy", policy.document),)
    documents = Documents(account.account_id, users=(UserPolicies("holder", held),))
    arns = role_arns(account.account_id, role.name)
    return any(can_pass(documents, "holder", arn, SERVICE_PRINCIPAL).allowed for arn in arns)


def _ends(account: Account, role: AuditedRole, now: datetime) -> Iterator[tuple[Entity, str]]:
    """Grants on the role that end and have not, with their last day."""
    arns = {arn.lower() for arn in role_arns(account.account_id, role.name)}
    for policy in account.policies.values():
        if policy.document is None or not is_folded_policy(policy.name):
            continue
        folded = read_folded(
            CustomPolicy(policy.name, minified(policy.document), "", 0.0), policy.listed.tags
        )
        for arn, end in folded.ending:
            if arn.lower() in arns and moment(end) > now:
                yield from ((entity, last_day(end).isoformat()) for entity in policy.holders)


def _grantees(entities: Sequence[Entity], ends: Sequence[tuple[Entity, str]]) -> dict[str, Any]:
    """The field of a specification; empty for nobody. One who holds the grant for good is not given an end."""
    dated = {entity: day for entity, day in ends if entity not in entities}
    found: dict[str, Any] = {}
    for kind, field in _FIELDS.items():
        names = sorted({name for each, name in (*entities, *dated) if each is kind})
        if names:
            found[field] = names
    until = sorted({f"{kind.value.lower()}:{name}={day}" for (kind, name), day in dated.items()})
    return {**found, "until": until} if until else found


def _joined(strict: dict[str, Any], exact: dict[str, Any]) -> dict[str, Any]:
    """Both together; who is in the first keeps what it says of an end."""
    joined = {
        field: sorted({*strict.get(field, ()), *exact.get(field, ())})
        for field in _FIELDS.values()
        if field in strict or field in exact
    }
    until = strict.get("until") or exact.get("until")
    return {**joined, "until": until} if until else joined


def _wide(passing: Passing, role: AuditedRole) -> list[Entity]:
    """Groups and users who may pass the role by a policy that is not about it alone; users of such a group are not named."""
    entities: dict[Entity, None] = {}
    for holding in passing.holdings(role):
        precise = any(passing.is_precise(one) for one in holding.policies)
        if not precise and holding.holder[0] is not Grantee.ROLE:
            entities[(Grantee.GROUP, holding.group) if holding.group else holding.holder] = None
    return sorted(entities, key=lambda one: (one[0].value, one[1]))


def _beside(wide: Sequence[Entity], grantees: dict[str, Any]) -> Iterator[str]:
    others = [one for one in wide if one[1] not in grantees.get(_FIELDS[one[0]], ())]
    if others:
        yield f"{_named(others)} may pass the role too, by policies that are not about it alone"


def _named(entities: Sequence[Entity]) -> str:
    return ", ".join(f"{kind.value.lower()} {name}" for kind, name in entities)

"""Rules about roles and their policies: who is trusted, what is allowed, what nobody uses."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from cloud.ram import Grantee
from config.limits import POLICY_VERSIONS
from config.names import SERVICE_PRINCIPAL, SOURCE_TAG_START, is_folded_policy
from config.personas import Persona
from config.sources.base import Access, Permission
from policy import Effect, lint_trust
from policy.matching import match_action
from policy.patterns import covers, has_wildcard
from tasks.audit.account import (
    Account,
    AuditedPolicy,
    AuditedRole,
    AuditedSource,
    is_managed,
    serves_unnamed,
)
from tasks.audit.finding import CUSTOM_POLICY, ROLE, AuditFinding, found, some
from tasks.audit.grants import gone_grantee
from tasks.audit.passing import about_pass_role
from tasks.audit.places import Places

_TRUST = {
    "RAM101": "AUD204",
    "RAM108": "AUD204",
    "RAM102": "AUD202",
    "RAM103": "AUD201",
    "RAM106": "AUD201",
    "RAM107": "AUD201",
    "RAM104": "AUD203",
    "RAM105": "AUD203",
}
"""Codes of the linter of trust policies and what they are here."""
_ADMINISTRATOR = Persona.ADMINISTRATOR


def role_findings(account: Account, places: Places) -> Iterator[AuditFinding]:
    """Everything about roles that are managed or in use, and about managed policies."""
    for role in account.concerned_roles():
        yield from _trust(account, role)
        yield from _unmanaged(account, role)
        yield from _unused_role(account, role)
        yield from _access(account, places, role)
    for policy in account.policies.values():
        if policy.custom and policy.managed:
            yield from _unused_policy(account, policy)
            yield from _versions(policy)
            yield from _other_holders(account, policy)


def _trust(account: Account, role: AuditedRole) -> Iterator[AuditFinding]:
    if role.trust is None:
        return
    by_code: dict[str, list[str]] = {}
    fixes: dict[str, list[str]] = {}
    for one in lint_trust(
        role.trust, account_id=account.account_id, name=role.name, expected_service=SERVICE_PRINCIPAL
    ):
        code = _TRUST.get(one.code)
        if code is not None:
            by_code.setdefault(code, []).append(one.message)
            fixes.setdefault(code, []).append(one.fix)
    for code, messages in by_code.items():
        yield found(
            code, ROLE, f"role {role.name}", "; ".join(messages), _ADMINISTRATOR,
            " ".join(dict.fromkeys(fixes[code])),
        )  # fmt: skip


def _unmanaged(account: Account, role: AuditedRole) -> Iterator[AuditFinding]:
    if not role.managed:
        return
    for policy in account.policies_of(role):
        if not (policy.custom and policy.managed):
            yield found(
                "AUD207", ROLE, f"role {role.name}", f"the {policy} is attached to it, which no specification made",
                _ADMINISTRATOR, f"detach {policy.name} if nobody needs it there", detail=str(policy),
            )  # fmt: skip


def _unused_role(account: Account, role: AuditedRole) -> Iterator[AuditFinding]:
    if role.managed and role.role_id not in account.sources_by_role and account.knows_all_of(role.tags):
        what = f"no data source is opened with it (id {role.role_id})"
        yield found("AUD208", ROLE, f"role {role.name}", what, _ADMINISTRATOR)


def _unused_policy(account: Account, policy: AuditedPolicy) -> Iterator[AuditFinding]:
    # Of somebody who is gone another rule tells.
    if not policy.listed.attachments and gone_grantee(account, policy) is None:
        yield found("AUD209", CUSTOM_POLICY, str(policy), "it is attached to nothing", _ADMINISTRATOR)


def _versions(policy: AuditedPolicy) -> Iterator[AuditFinding]:
    """A folded policy gets a version with each role and is rotated: its versions say nothing."""
    if (policy.versions or 0) >= POLICY_VERSIONS - 1 and not is_folded_policy(policy.name):
        what = f"it has {policy.versions} of {POLICY_VERSIONS} versions"
        yield found("AUD210", CUSTOM_POLICY, str(policy), what, _ADMINISTRATOR)


def _other_holders(account: Account, policy: AuditedPolicy) -> Iterator[AuditFinding]:
    """Of access policies, that is: of those with nothing about PassRole in them."""
    if policy.document is None or about_pass_role(policy):
        return
    for kind, name in policy.holders:
        role = account.role_names.get(name.lower()) if kind is Grantee.ROLE else None
        if role is not None and role.managed and _share_a_source(policy.listed.tags, role.tags):
            continue
        holder = f"{kind.value.lower()} {name}"
        yield found(
            "AUD211", CUSTOM_POLICY, str(policy), f"{holder} holds it, too, and reaches the data directly",
            _ADMINISTRATOR, f"detach it from {holder}", detail=holder,
        )  # fmt: skip


def _share_a_source(left: Mapping[str, str], right: Mapping[str, str]) -> bool:
    named = {key for key in left if key.startswith(SOURCE_TAG_START)} & set(right)
    return bool(named) or serves_unnamed(left) or serves_unnamed(right)


# -- what is allowed -----------------------------------------------------------------------------------


def _access(account: Account, places: Places, role: AuditedRole) -> Iterator[AuditFinding]:
    """The policies of a role against what its data sources need; unmanaged ones of a managed role are told by themselves."""
    policies = tuple(
        one for one in account.policies_of(role) if not role.managed or is_managed(one.listed.tags)
    )
    if any(one.document is None for one in policies):
        return
    yield from _wider(account, places, role, policies)
    if not account.knows_holders:
        return  # a further policy may be attached to it
    for action, sources in _lacking(account, places, role, account.policies_of(role)).items():
        what = f"no policy of it allows {action}, which {some(sources)} needs"
        yield found("AUD206", ROLE, f"role {role.name}", what, _ADMINISTRATOR, detail=action)


def _wider(
    account: Account, places: Places, role: AuditedRole, policies: tuple[AuditedPolicy, ...]
) -> Iterator[AuditFinding]:
    """Only where every data source that the role may serve was read, with a location that can be told."""
    own = (*_opened_with(account, role), *_named_by(account, role))
    sources = {source.key: source for source in own if not _by_executor(source)}.values()
    if not sources or not account.knows_all_of(role.tags):
        return
    permissions: list[Permission] = []
    for source in sources:
        place = places.of(source, policies)
        if place is None:
            return
        permissions += (one for one in place.everything() if one not in permissions)
    for policy in policies:
        extra = tuple(_beyond(policy, permissions))
        if extra:
            yield found(
                "AUD205", CUSTOM_POLICY, str(policy),
                f"on role {role.name} it allows {some(extra)}, which no data source of the role needs",
                _ADMINISTRATOR, detail=f"role {role.name}",
            )  # fmt: skip


def _beyond(policy: AuditedPolicy, permissions: Iterable[Permission]) -> Iterator[str]:
    """``action on resource`` of each Allow that the permissions do not cover."""
    assert policy.document is not None
    needed = tuple(permissions)
    for statement in policy.document.statements:
        if statement.effect is not Effect.ALLOW:
            continue
        for action in statement.actions or ("everything but what it names",):
            allowed = (
                [] if has_wildcard(action) else [one for one in needed if match_action(one.action, action)]
            )
            for resource in statement.resources:
                if not any(covers(place, resource) for one in allowed for place in one.resources):
                    yield f"{action} on {resource}"


def _lacking(
    account: Account, places: Places, role: AuditedRole, policies: tuple[AuditedPolicy, ...]
) -> dict[str, list[str]]:
    """Actions that sync tasks need and the role certainly has not, with the data sources."""
    lacking: dict[str, list[str]] = {}
    for source in _opened_with(account, role):
        uses = [use for _, use in account.uses_of(source)]
        place = places.of(source, policies)
        if not uses or place is None:
            continue
        writes = [use for use in uses if use.writes]
        access = Access.WRITE if len(writes) == len(uses) else Access.READ_WRITE if writes else Access.READ
        deletes = any(place.kind.deletes(use.parameters) for use in writes)
        for action in place.lacking(access, deletes, role, policies):
            lacking.setdefault(action, []).append(source.name)
    return lacking


def _opened_with(account: Account, role: AuditedRole) -> list[AuditedSource]:
    """Data sources of the role's own, less those that another's specification should have opened otherwise."""
    sources = account.sources_by_role.get(role.role_id, ())
    return [source for source in sources if not role.managed or role.serves(source)]


def _named_by(account: Account, role: AuditedRole) -> list[AuditedSource]:
    """Data sources that a managed role names, however they are opened today."""
    if not role.managed:
        return []
    return [source for key in role.tags for source in account.sources_by_tag.get(key, ())]


def _by_executor(source: AuditedSource) -> bool:
    return source.inspected.source.executor_mode

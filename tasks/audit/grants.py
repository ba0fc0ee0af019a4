"""Rules about PassRole: who holds it without need, and who needs it and lost it."""

from __future__ import annotations

from collections.abc import Iterator

from config.names import folded_policy_number, is_folded_policy
from config.personas import Persona
from policy import Outcome
from tasks.audit.account import Account, AuditedPolicy, AuditedRole, AuditedSource, AuditedTask
from tasks.audit.finding import CUSTOM_POLICY, GRANTEE, AuditFinding, found, some
from tasks.audit.passing import Holding, Passing
from tasks.people import WORKSPACE_ROLES
from tasks.role_group import Entity

_ADMINISTRATOR = Persona.ADMINISTRATOR
_CREATING = frozenset(WORKSPACE_ROLES[Persona.CREATOR])
_RUNNING = frozenset(WORKSPACE_ROLES[Persona.EXECUTOR])
_WIDE = {
    "RAM202": "names roles by a pattern",
    "RAM203": "lets roles be passed to any service",
    "RAM204": "names services by a pattern",
}


def grant_findings(account: Account, passing: Passing) -> Iterator[AuditFinding]:
    """Everything about grants of PassRole."""
    for policy in passing.policies:
        if policy.custom:
            yield from _breadth(policy, passing.codes_of(policy))
    for policy in account.policies.values():
        yield from _gone(account, policy)
    yield from _holders(account, passing)
    yield from _without(account, passing)


def _breadth(policy: AuditedPolicy, codes: frozenset[str]) -> Iterator[AuditFinding]:
    holders = some(f"{kind.value.lower()} {name}" for kind, name in policy.holders)
    if "RAM201" in codes:
        what = f"it allows ram:PassRole on every role, to {holders}"
        yield found("AUD301", CUSTOM_POLICY, str(policy), what, _ADMINISTRATOR)
        return
    wide = [text for code, text in _WIDE.items() if code in codes]
    if wide:
        what = f"its PassRole statement {' and '.join(wide)}; {holders} holds it"
        yield found("AUD302", CUSTOM_POLICY, str(policy), what, _ADMINISTRATOR)


# -- grantees ------------------------------------------------------------------------------------------


def gone_grantee(account: Account, policy: AuditedPolicy) -> str | None:
    """The kind of grantee that a folded policy was made for, when nobody of its name exists any more."""
    if not policy.managed or not is_folded_policy(policy.name):
        return None
    users, groups = account.users, account.groups
    if users is None or groups is None or account.roles is None:
        return None
    names = {
        "user": list(users.values()),
        "group": list(groups),
        "role": [role.name for role in account.roles.values()],
    }
    for kind, existing in names.items():
        if any(folded_policy_number(kind, name, policy.name) is not None for name in existing):
            return None
    return next((kind for kind in names if policy.name.startswith(f"DataWorks-{kind}-")), None)


def _gone(account: Account, policy: AuditedPolicy) -> Iterator[AuditFinding]:
    kind = gone_grantee(account, policy)
    if kind is not None:
        held = (
            f"; held by {some(f'{k.value.lower()} {n}' for k, n in policy.holders)}" if policy.holders else ""
        )
        what = f"the {kind} it was made for does not exist{held}"
        yield found("AUD303", CUSTOM_POLICY, str(policy), what, _ADMINISTRATOR)


def _holders(account: Account, passing: Passing) -> Iterator[AuditFinding]:
    """Holders of precise grants, judged in the workspaces where the role is used; told once a holder and workspaces."""
    outside: dict[tuple[Entity, str, tuple[int, ...]], list[str]] = {}
    idle: dict[tuple[Entity, str, tuple[int, ...]], list[str]] = {}
    for role in account.concerned_roles():
        spaces = tuple(sorted({source.workspace for source in account.sources_by_role.get(role.role_id, ())}))
        if not spaces or any(account.workspaces[space].members is None for space in spaces):
            continue
        owners = _owners(account, role)
        for holding in passing.holdings(role):
            identifier = account.id_of(holding.holder)
            if identifier is None or not any(map(passing.is_precise, holding.policies)):
                continue
            held = [(account.workspaces[space].members or {}).get(identifier) for space in spaces]
            roles = frozenset(code for codes in held if codes for code in codes)
            key = (holding.holder, holding.group, spaces)
            if all(codes is None for codes in held):
                outside.setdefault(key, []).append(role.name)
            elif owners is not None and not roles & (_CREATING | _RUNNING) and identifier not in owners:
                idle.setdefault(key, []).append(role.name)
    for code, people in (("AUD304", outside), ("AUD305", idle)):
        for (holder, group, spaces), names in people.items():
            yield _about_holder(code, Holding(holder, group, ()), spaces, names)


def _about_holder(code: str, holding: Holding, spaces: tuple[int, ...], roles: list[str]) -> AuditFinding:
    kind, name = holding.holder
    subject = f"{kind.value.lower()} {name}"
    where = f"workspace{'s' if len(spaces) > 1 else ''} {', '.join(map(str, spaces))}"
    which = f"role {roles[0]}" if len(roles) == 1 else f"{len(roles)} roles ({some(roles)})"
    why = f"is no member of {where}" if code == "AUD304" else f"has no role in {where} that creates or runs"
    remedy = (
        f"take {name} out of group {holding.group}, or detach the grant from the group"
        if holding.group
        else f"detach the grant from {subject}: take it out of grantees and apply"
    )
    return found(
        code, GRANTEE, subject, f"it may pass {which}{holding.by} and {why}", _ADMINISTRATOR, remedy,
        workspace=spaces[0] if len(spaces) == 1 else None, detail=f"{where}{holding.by}",
    )  # fmt: skip


def _owners(account: Account, role: AuditedRole) -> frozenset[str] | None:
    """Ids of the owners of tasks that use the role's data sources; None when the tasks could not be read."""
    sources = account.sources_by_role.get(role.role_id, ())
    if any(account.workspaces[source.workspace].tasks is None for source in sources):
        return None
    tasks = (task for source in sources for task, _ in account.uses_of(source))
    return frozenset(owner for task in tasks for owner in (task.owner, _node_owner(account, task)) if owner)


def _node_owner(account: Account, task: AuditedTask) -> str:
    for nodes in account.workspaces[task.workspace].nodes.values():
        if task.node in nodes:
            return nodes[task.node].owner
    return ""


# -- those who need it ---------------------------------------------------------------------------------


def _without(account: Account, passing: Passing) -> Iterator[AuditFinding]:
    """Owners of scheduled tasks, who ran tasks last, and creators who still are members."""
    if account.users is None or account.roles is None:
        return
    for role in account.concerned_roles():
        wanting: dict[str, list[str]] = {}
        for source in account.sources_by_role.get(role.role_id, ()):
            for identifier, reason in _needing(account, source):
                wanting.setdefault(identifier, []).append(reason)
        for identifier, reasons in wanting.items():
            entity = account.entity_of(identifier)
            if identifier == account.account_id:
                continue
            if entity is None:
                subject, lost = f"user id {identifier}", "no user or role has this id any more"
            elif passing.may_pass(entity, role) in (Outcome.IMPLICIT_DENY, Outcome.EXPLICIT_DENY):
                subject, lost = f"{entity[0].value.lower()} {entity[1]}", f"it may not pass role {role.name}"
            else:
                continue
            yield found(
                "AUD306", GRANTEE, subject, f"{lost}, and it {some(dict.fromkeys(reasons))}", _ADMINISTRATOR,
                detail=f"role {role.name}",
            )  # fmt: skip


def _needing(account: Account, source: AuditedSource) -> Iterator[tuple[str, str]]:
    """Ids with what they do with a data source."""
    space = account.workspaces[source.workspace]
    for task, _ in account.uses_of(source):
        if not task.sync_task:
            continue
        for nodes in space.nodes.values():
            node = nodes.get(task.node)
            if node is not None and node.scheduled and node.owner:
                yield node.owner, f"owns scheduled sync task {task.name}"
        runs = space.runs.get(task.node, ())
        if runs and runs[0].creator and account.entity_of(runs[0].creator):
            yield runs[0].creator, f"ran sync task {task.name}"
    operator = source.inspected.operator
    roles = (space.members or {}).get(operator.partition(":")[0], frozenset())
    if operator and roles & _CREATING:
        yield operator, f"created data source {source.name}, which it cannot save any more"

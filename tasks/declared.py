"""What each step may call, on which objects: declared once, used three times.

- the session policy of a step's assumed role (:mod:`cloud.sessions`),
- the minimal policy of each persona (``onboard permissions``),
- preflight's question whether a caller may do what its steps need.

Optional rows are questions whose refusal preflight tells and goes on: a session may ask them, a minimal policy lacks them.
A test runs the whole flow with exactly these permissions, and proves that the local cloud refuses anything else.
Resources: RAM's page "RAM authentication" (``*`` in the region's place); DataWorks actions know no resources (``*``).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from config.limits import SESSION_POLICY_CHARACTERS
from config.names import (
    SERVICE_LINKED_ROLE,
    SERVICE_PRINCIPAL,
    folded_policy_pattern,
    folded_policy_start,
    role_arns,
)
from config.personas import Persona
from config.spec import DataSourceSpec
from policy import Condition, Grant, PolicyDocument, policy_for, size
from tasks.role_group import Sources, group_of, groups_of

_ROLE_READS = ("ram:GetRole", "ram:ListPoliciesForRole", "ram:ListTagResources")
_ROLE_WRITES = ("ram:CreateRole", "ram:UpdateRole", "ram:TagResources", "ram:AttachPolicyToRole")
_POLICY_READS = ("ram:GetPolicy", "ram:ListTagResources")
_POLICY_WRITES = ("ram:CreatePolicy", "ram:CreatePolicyVersion", "ram:TagResources")
_PRE = "dataworks:"


def _dataworks(*actions: str) -> tuple[str, ...]:
    return tuple(_PRE + action for action in actions)


_CREATOR = _dataworks("ListDataSources", "CreateDataSource", "UpdateDataSource", "TestNetworkConnection")
_DEVELOPER = _dataworks(
    "ListFiles", "GetFile", "ListBusiness", "CreateBusiness", "GetFolder", "CreateFolder", "CreateDISyncTask",
    "UpdateDISyncTask", "UpdateFile", "SubmitFile", "DeployFile", "GetDeployment", "ListDeployments", "GetNode",
)  # fmt: skip
_EXECUTOR = _dataworks(
    "ListInstances",
    "GetDag",
    "RunSmokeTest",
    "RunCycleDagNodes",
    "GetInstance",
    "GetInstanceLog",
    "RestartInstance",
)

ANY_ACCOUNT = "*"
"""Account id of a declaration that is not bound to one: a session's role belongs to one account anyway."""


@dataclass(frozen=True)
class Declared:
    """Actions of one step on resources. ``services`` limits ``ram:PassRole`` by ``acs:Service``.

    ``optional``: preflight asks, and says so when it is refused; nothing else needs it.
    """

    step: int
    persona: Persona
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    services: tuple[str, ...] = ()
    optional: bool = False

    def grant(self) -> Grant:
        """The same for :func:`policy.policy_for`."""
        conditions = (Condition("StringEquals", "acs:Service", self.services),) if self.services else ()
        return Grant(self.actions, self.resources, conditions)


def _ram(account_id: str, kind: str, *names: str) -> tuple[str, ...]:
    return tuple(f"acs:ram:*:{account_id}:{kind}/{name}" for name in names)


@dataclass(frozen=True)
class _Scope:
    """The objects a declaration speaks of; ``holders`` are the roles among the grantees.

    ``folded``: the grantees' folded PassRole policies, whose numbers are not known beforehand.
    """

    account_id: str
    roles: tuple[str, ...]
    access: tuple[str, ...]
    grant: tuple[str, ...]
    folded: tuple[str, ...]
    users: tuple[str, ...]
    groups: tuple[str, ...]
    holders: tuple[str, ...]
    arns: tuple[str, ...]
    services: tuple[str, ...]
    adopts: bool = False
    ends: bool = False

    def of_any_grantee(self) -> _Scope:
        """The same with a pattern for the grantees of each kind that there are."""
        return replace(
            self,
            folded=self._folded_of_any_grantee(),
            users=self.users and _ram(self.account_id, "user", "*"),
            groups=self.groups and _ram(self.account_id, "group", "*"),
            holders=self.holders and _ram(self.account_id, "role", "*"),
        )

    def _folded_of_any_grantee(self) -> tuple[str, ...]:
        kinds = (("user", self.users), ("group", self.groups), ("role", self.holders))
        patterns = [folded_policy_pattern(kind) for kind, named in kinds if named]
        return _ram(self.account_id, "policy", *patterns) if self.folded else ()


def declared(sources: Sources, account_id: str) -> tuple[Declared, ...]:
    """Everything the steps of one specification call, or of several that share a role."""
    return _declare(_scope(sources, account_id))


def _scope(sources: Sources, account_id: str) -> _Scope:
    group = group_of(sources)
    folds = group.entities if group.role.pass_role == "role" else ()
    starts = (folded_policy_start(kind.value.lower(), name) for kind, name in folds)
    return _Scope(
        account_id=account_id,
        roles=_ram(account_id, "role", group.role_name),
        access=_ram(account_id, "policy", group.policy_name),
        grant=_ram(account_id, "policy", group.pass_role_policy_name),
        folded=_ram(account_id, "policy", *(f"{start}*" for start in starts)),
        users=_ram(account_id, "user", *group.grantees.users),
        groups=_ram(account_id, "group", *group.grantees.groups),
        holders=_ram(account_id, "role", *group.grantees.roles),
        arns=role_arns(account_id, group.role_name),
        services=group.services,
        adopts=group.role.adopt,
        ends=bool(group.grantees.until),
    )


def declared_for_file(specs: Iterable[DataSourceSpec], account_id: str) -> tuple[Declared, ...]:
    """Everything that planning and the steps of a whole file call, with the objects of all its roles in one row."""
    found: dict[Declared, dict[str, None]] = {}
    for group in groups_of(specs):
        for row in declared(group, account_id):
            found.setdefault(replace(row, resources=()), {}).update(dict.fromkeys(row.resources))
    rows = tuple(replace(row, resources=tuple(resources)) for row, resources in found.items())
    return (*rows, *declared_for_planning(account_id))


def declared_for_planning(account_id: str) -> tuple[Declared, ...]:
    """What planning a whole file calls and the steps of its rows do not: listings of everything there is."""
    return (
        Declared(0, Persona.ADMINISTRATOR, ("ram:ListRoles",), _ram(account_id, "role", "*")),
        Declared(0, Persona.ADMINISTRATOR, ("ram:ListPolicies",), _any_policy(account_id)),
        Declared(0, Persona.DEVELOPER, _dataworks("ListNodes"), ("*",)),
    )


def _any_policy(account_id: str) -> tuple[str, ...]:
    return (*_ram(account_id, "policy", "*"), *_ram("system", "policy", "*"))


def declared_for_product(account_id: str, services: Sequence[str]) -> tuple[Declared, ...]:
    """Everything the steps of any specification with derived names call: names become patterns."""
    start = f"acs:ram::{account_id}:role/"
    policies = _ram(account_id, "policy", "DataWorks-*")
    return _declare(
        _Scope(
            account_id=account_id,
            roles=_ram(account_id, "role", "DataWorks-*"),
            access=policies,
            grant=policies,
            folded=(),  # of the same pattern
            users=_ram(account_id, "user", "*"),
            groups=_ram(account_id, "group", "*"),
            holders=_ram(account_id, "role", "*"),
            arns=(f"{start}dataworks-*", f"{start}DataWorks-*"),
            services=tuple(dict.fromkeys((*services, SERVICE_PRINCIPAL))),
        )
    )


def _declare(scope: _Scope) -> tuple[Declared, ...]:
    administrator, creator, developer, executor = Persona
    grantees = (("User", scope.users), ("Group", scope.groups), ("Role", scope.holders))
    attach = tuple(f"ram:AttachPolicyTo{kind}" for kind, named in grantees if named)
    detach = tuple(f"ram:DetachPolicyFrom{kind}" for kind, named in grantees if named)
    everybody = (
        _ram(scope.account_id, "user", "*"),
        _ram(scope.account_id, "group", "*"),
        _ram(scope.account_id, "role", "*"),
    )
    every_folded = _ram(scope.account_id, "policy", folded_policy_pattern())
    any_policy = _any_policy(scope.account_id)
    rows = (
        # Before step 1: what the steps need to know.
        *(Declared(0, administrator, (f"ram:Get{kind}", f"ram:ListPoliciesFor{kind}"), named) for kind, named in grantees),
        Declared(0, administrator, ("ram:ListUsersForGroup",), scope.groups),
        Declared(0, administrator, _ROLE_READS, scope.roles),
        Declared(0, administrator, _POLICY_READS, (*scope.access, *scope.grant, *scope.folded)),
        Declared(0, creator, _dataworks("GetProject", "ListProjectMembers", "ListResourceGroups", "ListDataSources"), ("*",)),
        Declared(0, developer, _dataworks("ListDataSources", "ListFiles", "GetFile", "ListBusiness", "GetFolder", "GetNode"), ("*",)),
        Declared(0, executor, _dataworks("ListInstances", "GetDag"), ("*",)),
        # Who calls, what they may do, who else holds what is ours, how full the account is.
        Declared(0, administrator, ("ram:ListEntitiesForPolicy",), (*scope.access, *scope.grant, *every_folded), optional=True),
        Declared(0, administrator, ("ram:ListTagResources",), any_policy, optional=True),
        Declared(0, administrator, ("ram:ListPoliciesForUser", "ram:ListGroupsForUser"), everybody[0], optional=True),
        Declared(0, administrator, ("ram:ListPoliciesForGroup",), everybody[1], optional=True),
        Declared(0, administrator, ("ram:ListPoliciesForRole", "ram:ListRoles"), everybody[2], optional=True),
        Declared(0, administrator, ("ram:GetPolicy", "ram:ListPolicies"), any_policy, optional=True),
        Declared(0, administrator, ("ram:GetRole",), _ram(scope.account_id, "role", SERVICE_LINKED_ROLE), optional=True),
        # Whether what an adopted role and its grantees hold suffices.
        Declared(1, administrator, ("ram:GetPolicy",), any_policy if scope.adopts else (), optional=True),
        Declared(2, administrator, ("ram:GetPolicy",), any_policy if scope.adopts else (), optional=True),
        Declared(2, administrator, ("ram:ListGroupsForUser", "ram:ListPoliciesForUser"), everybody[0] if scope.adopts else (), optional=True),
        Declared(2, administrator, ("ram:ListPoliciesForGroup",), everybody[1] if scope.adopts else (), optional=True),
        Declared(1, administrator, (*_ROLE_READS, *_ROLE_WRITES), scope.roles),
        Declared(1, administrator, (*_POLICY_READS, *_POLICY_WRITES, "ram:AttachPolicyToRole"), scope.access),
        Declared(2, administrator, (*_POLICY_READS, *_POLICY_WRITES, *attach), (*scope.grant, *scope.folded)),
        *(Declared(2, administrator, (f"ram:ListPoliciesFor{kind}", f"ram:AttachPolicyTo{kind}"), named) for kind, named in grantees),
        Declared(2, administrator, ("ram:ListUsersForGroup",), scope.groups),
        # Grants that end are taken away: from their grantees, and with the policies that held nothing else.
        Declared(2, administrator, detach, (*scope.grant, *scope.folded, *scope.users, *scope.groups, *scope.holders) if scope.ends else ()),
        Declared(2, administrator, ("ram:DeletePolicy",), scope.folded if scope.ends else ()),
        Declared(3, creator, _CREATOR, ("*",)),
        Declared(3, creator, ("ram:PassRole",), scope.arns, scope.services),
        Declared(4, developer, _DEVELOPER, ("*",)),
        Declared(5, executor, _EXECUTOR, ("*",)),
        Declared(5, executor, ("ram:PassRole",), scope.arns, scope.services),
    )  # fmt: skip
    return tuple(row for row in rows if row.resources)


def session_policies(sources: Sources, step: int) -> Mapping[Persona, PolicyDocument]:
    """What each persona's session may do at one step; a persona without part in the step is not there.

    AssumeRole takes 2,048 characters. Where many grantees do not fit, their names become patterns: an attachment
    still needs the right on the policy of step 2, or on a folded one.
    """
    scope = _scope(sources, ANY_ACCOUNT)
    policies = {}
    for persona in Persona:
        found = session_policy(_declare(scope), step, persona)
        if found is not None and size(found) > SESSION_POLICY_CHARACTERS:
            found = session_policy(_declare(scope.of_any_grantee()), step, persona)
        if found is not None:
            policies[persona] = found
    return policies


def session_policy(declarations: Sequence[Declared], step: int, persona: Persona) -> PolicyDocument | None:
    """What a persona's session may do at one step; None when the persona has no part in it."""
    grants = [row.grant() for row in declarations if row.step == step and row.persona is persona]
    return policy_for(grants) if grants else None


def persona_policies(declarations: Sequence[Declared]) -> Mapping[Persona, PolicyDocument]:
    """The minimal policy of each persona over all its steps. PassRole itself is granted by step 2."""
    return {
        persona: policy_for(
            [
                row.grant()
                for row in declarations
                if row.persona is persona and not row.optional and "ram:PassRole" not in row.actions
            ]
        )
        for persona in Persona
        if any(row.persona is persona for row in declarations)
    }


_FILE_READS = {
    Persona.ADMINISTRATOR: (
        "ram:GetRole", "ram:ListRoles", "ram:GetPolicy", "ram:ListPolicies", "ram:ListTagResources",
        "ram:ListEntitiesForPolicy", "ram:GetUser", "ram:GetGroup", "ram:ListUsersForGroup", "ram:ListGroupsForUser",
        "ram:ListPoliciesForUser", "ram:ListPoliciesForGroup", "ram:ListPoliciesForRole",
    ),
    Persona.CREATOR: _dataworks("GetProject", "ListProjectMembers", "ListResourceGroups", "ListDataSources"),
    Persona.DEVELOPER: _dataworks("ListFiles", "GetFile", "ListNodes", "GetNode", "ListBusiness", "GetFolder"),
    Persona.EXECUTOR: _dataworks("ListInstances", "GetDag"),
}  # fmt: skip


def reading_policies() -> Mapping[Persona, PolicyDocument]:
    """What each persona's session may do while a whole file is planned: read, whatever the objects are called.

    Refusals of ListEntitiesForPolicy, ListProjectMembers and ListGroupsForUser are answered by a finding, as in preflight.
    """
    return {persona: policy_for([Grant(actions, ("*",))]) for persona, actions in _FILE_READS.items()}

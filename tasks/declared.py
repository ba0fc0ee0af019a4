"""What each step may call, on which objects: declared once, used three times.

- the session policy of a step's assumed role (:mod:`cloud.sessions`),
- the minimal policy of each persona (``onboard permissions``),
- preflight's question whether a caller may do what its steps need.

A test runs the whole flow with exactly these permissions, and proves that the local cloud refuses anything else.
Resources: RAM's page "RAM authentication" (``*`` in the region's place); DataWorks actions know no resources (``*``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from config.names import SERVICE_PRINCIPAL, role_arns
from config.personas import Persona
from config.spec import DataSourceSpec
from policy import Condition, Grant, PolicyDocument, policy_for

_ROLE_READS = ("ram:GetRole", "ram:ListPoliciesForRole", "ram:ListTagResources")
_ROLE_WRITES = ("ram:CreateRole", "ram:UpdateRole", "ram:TagResources", "ram:AttachPolicyToRole")
_POLICY_READS = ("ram:GetPolicy", "ram:ListTagResources", "ram:ListEntitiesForPolicy")
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
    """Actions of one step on resources. ``services`` limits ``ram:PassRole`` by ``acs:Service``."""

    step: int
    persona: Persona
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    services: tuple[str, ...] = ()

    def grant(self) -> Grant:
        """The same for :func:`policy.policy_for`."""
        conditions = (Condition("StringEquals", "acs:Service", self.services),) if self.services else ()
        return Grant(self.actions, self.resources, conditions)


def _ram(account_id: str, kind: str, *names: str) -> tuple[str, ...]:
    return tuple(f"acs:ram:*:{account_id}:{kind}/{name}" for name in names)


def declared(spec: DataSourceSpec, account_id: str) -> tuple[Declared, ...]:
    """Everything the steps of one specification call."""
    roles = _ram(account_id, "role", spec.role_name)
    access = _ram(account_id, "policy", spec.policy_name)
    grant = _ram(account_id, "policy", spec.pass_role_policy_name)
    users = _ram(account_id, "user", *spec.grantees.users)
    groups = _ram(account_id, "group", *spec.grantees.groups)
    arns = role_arns(account_id, spec.role_name)
    return _declare(_Scope(roles, access, grant, users, groups, arns, spec.source_type.service))


def declared_for_product(account_id: str, services: Sequence[str]) -> tuple[Declared, ...]:
    """Everything the steps of any specification with derived names call: names become patterns."""
    roles = _ram(account_id, "role", "DataWorks-*")
    policies = _ram(account_id, "policy", "DataWorks-*")
    people = _ram(account_id, "user", "*"), _ram(account_id, "group", "*")
    arns = (f"acs:ram::{account_id}:role/dataworks-*", f"acs:ram::{account_id}:role/DataWorks-*")
    return _declare(_Scope(roles, policies, policies, *people, arns, *services))


class _Scope:
    """The objects a declaration speaks of."""

    def __init__(
        self,
        roles: tuple[str, ...],
        access: tuple[str, ...],
        grant: tuple[str, ...],
        users: tuple[str, ...],
        groups: tuple[str, ...],
        arns: tuple[str, ...],
        *services: str,
    ) -> None:
        self.roles, self.access, self.grant = roles, access, grant
        self.users, self.groups, self.arns = users, groups, arns
        self.services = tuple(dict.fromkeys((*services, SERVICE_PRINCIPAL)))


def _declare(scope: _Scope) -> tuple[Declared, ...]:
    administrator, creator, developer, executor = Persona
    rows = (
        # Before step 1: what the steps need to know.
        Declared(0, administrator, ("ram:GetUser", "ram:ListPoliciesForUser", "ram:ListGroupsForUser"), scope.users),
        Declared(0, administrator, ("ram:GetGroup", "ram:ListPoliciesForGroup", "ram:ListUsersForGroup"), scope.groups),
        Declared(0, administrator, _ROLE_READS, scope.roles),
        Declared(0, administrator, _POLICY_READS, (*scope.access, *scope.grant)),
        Declared(0, creator, _dataworks("GetProject", "ListProjectMembers", "ListResourceGroups", "ListDataSources"), ("*",)),
        Declared(0, developer, _dataworks("ListDataSources", "ListFiles", "GetFile", "ListBusiness", "GetFolder", "GetNode"), ("*",)),
        Declared(0, executor, _dataworks("ListInstances", "GetDag"), ("*",)),
        Declared(1, administrator, (*_ROLE_READS, *_ROLE_WRITES), scope.roles),
        Declared(1, administrator, (*_POLICY_READS, *_POLICY_WRITES, "ram:AttachPolicyToRole"), scope.access),
        Declared(2, administrator, (*_POLICY_READS, *_POLICY_WRITES, "ram:AttachPolicyToUser", "ram:AttachPolicyToGroup"), scope.grant),
        Declared(2, administrator, ("ram:ListPoliciesForUser", "ram:AttachPolicyToUser"), scope.users),
        Declared(2, administrator, ("ram:ListPoliciesForGroup", "ram:ListUsersForGroup", "ram:AttachPolicyToGroup"), scope.groups),
        Declared(3, creator, _CREATOR, ("*",)),
        Declared(3, creator, ("ram:PassRole",), scope.arns, scope.services),
        Declared(4, developer, _DEVELOPER, ("*",)),
        Declared(5, executor, _EXECUTOR, ("*",)),
        Declared(5, executor, ("ram:PassRole",), scope.arns, scope.services),
    )  # fmt: skip
    return tuple(row for row in rows if row.resources)


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
                if row.persona is persona and "ram:PassRole" not in row.actions
            ]
        )
        for persona in Persona
        if any(row.persona is persona for row in declarations)
    }

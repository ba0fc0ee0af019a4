"""What each step of an offboarding may call, on which objects: the session limits and the minimal policies.

As :mod:`tasks.declared` for onboarding. Step 0 is the reading before the first write; nothing here gives a right on data.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from cloud.gate import Gate
from cloud.sessions import session_scope
from config.names import folded_policy_pattern
from config.personas import Persona
from config.spec import DataSourceSpec
from policy import Grant, PolicyDocument, minified, policy_for
from tasks.connection import gate_for
from tasks.declared import ANY_ACCOUNT, Declared, session_policy
from tasks.role_group import Sources, group_of

_POLICY_READS = ("ram:GetPolicy", "ram:ListTagResources", "ram:ListEntitiesForPolicy")
_ROLE_READS = ("ram:GetRole", "ram:ListPoliciesForRole", "ram:ListTagResources")
_DEVELOPER_READS = (
    "ListFiles", "GetFile", "ListNodes", "GetNode", "GetNodeCode", "ListRefDISyncTasks", "ListBusiness",
    "ListFolders", "GetFolder",
)  # fmt: skip
_CREATOR_READS = ("ListProjects", "GetProject", "ListDataSources")


def _dataworks(*actions: str) -> tuple[str, ...]:
    return tuple(f"dataworks:{action}" for action in actions)


def declared_for_offboarding(sources: Sources, account_id: str) -> tuple[Declared, ...]:
    """Everything that the steps call for one specification, or for several that share a role."""
    group = group_of(sources)
    administrator, creator, developer, executor = Persona

    def ram(kind: str, *names: str) -> tuple[str, ...]:
        return tuple(f"acs:ram:*:{account_id}:{kind}/{name}" for name in names)

    role, access = ram("role", group.role_name), ram("policy", group.policy_name)
    folded = ram("policy", folded_policy_pattern())
    grant = (*ram("policy", group.pass_role_policy_name), *folded)
    # A policy is detached from whoever holds it: who that is, is not known beforehand.
    holders = (*ram("user", "*"), *ram("group", "*"), *ram("role", "*"))
    lists = tuple(f"ram:ListPoliciesFor{kind}" for kind in ("User", "Group", "Role"))
    detach = tuple(f"ram:DetachPolicyFrom{kind}" for kind in ("User", "Group", "Role"))
    rows = []
    for step in (0, 3, 4):  # steps 3 and 4 read again what they take away, and who uses it
        rows += [
            Declared(step, administrator, _ROLE_READS, role),
            Declared(step, administrator, _POLICY_READS, (*access, *grant)),
            Declared(step, administrator, ("ram:ListPolicies",), ram("policy", "*")),
            Declared(step, administrator, lists, holders),
            Declared(step, creator, _dataworks(*_CREATOR_READS), ("*",)),
            Declared(step, developer, _dataworks(*_DEVELOPER_READS), ("*",)),
        ]
    rows += [
        Declared(0, executor, _dataworks("ListInstances"), ("*",)),
        Declared(1, creator, _dataworks("GetProject"), ("*",)),
        Declared(1, developer, _dataworks(*_DEVELOPER_READS, "OfflineNode", "DeleteFile", "GetDeployment", "ListDeployments"), ("*",)),
        Declared(1, executor, _dataworks("ListInstances"), ("*",)),
        Declared(2, creator, _dataworks("ListDataSources", "DeleteDataSource"), ("*",)),
        Declared(2, developer, _dataworks("ListRefDISyncTasks"), ("*",)),
        Declared(3, administrator, detach, holders),
        Declared(3, administrator, (*detach, "ram:CreatePolicyVersion", "ram:DeletePolicy", "ram:UntagResources"), grant),
        Declared(4, administrator, ("ram:DetachPolicyFromRole", "ram:DeleteRole", "ram:UntagResources"), role),
        Declared(4, administrator, ("ram:DetachPolicyFromRole", "ram:CreatePolicyVersion", "ram:DeletePolicy", "ram:UntagResources"), access),
        Declared(5, developer, _dataworks("ListFiles", "ListBusiness", "ListFolders", "GetFolder", "DeleteFolder", "DeleteBusiness"), ("*",)),
    ]  # fmt: skip
    return tuple(rows)


def session_policies(sources: Sources, step: int) -> Mapping[Persona, PolicyDocument]:
    """What each persona's session may do at one step; a persona without part in the step is not there."""
    rows = declared_for_offboarding(sources, ANY_ACCOUNT)
    found = {persona: session_policy(rows, step, persona) for persona in Persona}
    return {persona: document for persona, document in found.items() if document is not None}


@contextmanager
def offboarding_limits(sources: Sources, step: int) -> Iterator[None]:
    """Limit the sessions of assumed roles to what a step declares."""
    policies = {persona: minified(document) for persona, document in session_policies(sources, step).items()}
    with session_scope(policies):
        yield


@contextmanager
def offboarding_gate(sources: Sources, step: int) -> Iterator[Gate]:
    """The gate for one step: sessions of assumed roles may do what the step declares, and nothing else."""
    with offboarding_limits(sources, step):
        yield gate_for(group_of(sources).region)


@contextmanager
def reading_gate(specs: Sequence[DataSourceSpec]) -> Iterator[Gate]:
    """The gate for reading before the first write: of a single data source only what it names, of a file anything."""
    if len(specs) == 1:
        with offboarding_gate(specs[0], 0) as gate:
            yield gate
        return
    rows = declared_for_offboarding(specs[0], ANY_ACCOUNT)
    reads: dict[Persona, list[Grant]] = {}
    for row in rows:
        if row.step == 0:
            reads.setdefault(row.persona, []).append(Grant(row.actions, ("*",)))
    with session_scope({persona: minified(policy_for(grants)) for persona, grants in reads.items()}):
        yield gate_for(specs[0].region)

"""What sessions of assumed roles may do in a migration: read everything, write what one data source needs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from cloud.sessions import session_scope
from config.names import folded_policy_pattern
from config.personas import Persona
from config.spec import DataSourceSpec
from policy import Condition, Grant, PolicyDocument, minified, policy_for
from policy.generate import PASS_ROLE, SERVICE_KEY
from tasks.declared import ANY_ACCOUNT, reading_policies
from tasks.role_group import RoleGroup

_PRE = "dataworks:"
_MORE_READS = {
    Persona.ADMINISTRATOR: ("ram:ListUsers",),
    Persona.CREATOR: (_PRE + "ListProjects", _PRE + "TestNetworkConnection"),
    Persona.DEVELOPER: (_PRE + "ListDeployments", _PRE + "GetDeployment"),
    Persona.EXECUTOR: (_PRE + "GetInstance", _PRE + "GetInstanceLog"),
}
_ROLE_WRITES = (
    "ram:CreateRole", "ram:UpdateRole", "ram:DeleteRole", "ram:TagResources", "ram:UntagResources",
    "ram:AttachPolicyToRole", "ram:DetachPolicyFromRole",
)  # fmt: skip
_POLICY_WRITES = (
    "ram:CreatePolicy", "ram:CreatePolicyVersion", "ram:DeletePolicy", "ram:TagResources", "ram:UntagResources",
    "ram:AttachPolicyTo*", "ram:DetachPolicyFrom*",
)  # fmt: skip
_WRITES = {
    Persona.CREATOR: ("CreateDataSource", "UpdateDataSource", "DeleteDataSource"),
    Persona.DEVELOPER: (
        "CreateDISyncTask", "UpdateDISyncTask", "UpdateFile", "SubmitFile", "DeployFile", "DeleteFile", "OfflineNode",
    ),
    Persona.EXECUTOR: ("RunSmokeTest", "RunCycleDagNodes", "RestartInstance"),
}  # fmt: skip


def _reads() -> dict[Persona, list[Grant]]:
    grants = {persona: [Grant(actions, ("*",))] for persona, actions in _MORE_READS.items()}
    for persona, document in reading_policies().items():
        actions = tuple(action for statement in document.statements for action in statement.actions)
        grants.setdefault(persona, []).append(Grant(actions, ("*",)))
    return grants


def reading_limits() -> Mapping[Persona, PolicyDocument]:
    """While inventory, proposals and watching read."""
    return {persona: policy_for(grants) for persona, grants in _reads().items()}


def writing_limits(spec: DataSourceSpec) -> Mapping[Persona, PolicyDocument]:
    """While one data source is carried through: its role and policies, and DataWorks actions, which know no resources."""
    group = RoleGroup.of(spec)
    start = f"acs:ram:*:{ANY_ACCOUNT}"
    roles = (f"{start}:role/{group.role_name}",)
    policies = tuple(
        f"{start}:policy/{name}"
        for name in (group.policy_name, group.pass_role_policy_name, folded_policy_pattern())
    )
    holders = tuple(f"{start}:{kind}/*" for kind in ("user", "group", "role"))
    grants = _reads()
    grants[Persona.ADMINISTRATOR] += [
        Grant(_ROLE_WRITES, roles),
        Grant(_POLICY_WRITES, (*policies, *holders)),
    ]
    for persona, actions in _WRITES.items():
        grants[persona].append(Grant(tuple(_PRE + action for action in actions), ("*",)))
    passed = Grant(
        (PASS_ROLE,),
        tuple(f"acs:ram::{ANY_ACCOUNT}:role/{name}" for name in dict.fromkeys((group.role_name.lower(), group.role_name))),
        (Condition("StringEquals", SERVICE_KEY, group.services),),
    )  # fmt: skip
    grants[Persona.CREATOR].append(passed)
    grants[Persona.EXECUTOR].append(passed)
    return {persona: policy_for(each) for persona, each in grants.items()}


@contextmanager
def only_reading() -> Iterator[None]:
    """Limit the sessions of assumed roles to reading."""
    with session_scope({persona: minified(document) for persona, document in reading_limits().items()}):
        yield


@contextmanager
def only_for(spec: DataSourceSpec) -> Iterator[None]:
    """Limit the sessions of assumed roles to what one data source needs."""
    with session_scope({persona: minified(document) for persona, document in writing_limits(spec).items()}):
        yield

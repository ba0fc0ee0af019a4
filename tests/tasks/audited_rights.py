"""Faults of roles, policies and grants. Each returns the findings it must cause, as code and subject."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

from benchmarks.rows import ACCOUNT
from config.names import MANAGED_TAG, source_tag
from config.scheduler import end_of_day, scheduler_today
from emulator.state_ram import Member, PolicyVersion, Role
from tests.tasks.audited import (
    BY_INTEGRATION,
    TRUSTED,
    WORKSPACES,
    Expected,
    Faults,
    attach,
)

# -- roles and policies ------------------------------------------------------------------------------------


def other_service_trusted(faults: Faults) -> Expected:
    """ECS may assume the role, too."""
    role = faults.role()
    faults.trust(role, {"Service": ["ecs.aliyuncs.com"]})
    return {("AUD201", f"role {role}")}


def whole_account_trusted(faults: Faults) -> Expected:
    """Everybody in the account may assume the role, too."""
    role = faults.role()
    faults.trust(role, {"RAM": [f"acs:ram::{ACCOUNT}:root"]})
    return {("AUD201", f"role {role}")}


def look_alike_trusted(faults: Faults) -> Expected:
    """The service of Data Studio nodes may assume the role, too."""
    role = faults.role()
    faults.trust(role, {"Service": ["dataworks.aliyuncs.com"]})
    return {("AUD202", f"role {role}")}


def other_account_trusted(faults: Faults) -> Expected:
    """A user of another account may assume the role, too."""
    role = faults.role()
    faults.trust(role, {"RAM": ["acs:ram::9999999999999999:user/mallory"]})
    return {("AUD203", f"role {role}")}


def trust_conditional(faults: Faults) -> Expected:
    """Data Integration may assume the role only with an external id."""
    role = faults.role()
    document = json.loads(faults.ram_role(role).trust_policy)
    document["Statement"][0]["Condition"] = {"StringEquals": {"sts:ExternalId": "x"}}
    faults.ram_role(role).trust_policy = json.dumps(document)
    return {("AUD204", f"role {role}")}


def policy_widened(faults: Faults) -> Expected:
    """The role may delete buckets."""
    role = faults.role()
    version = faults.access_policy(role).default_version()
    document = json.loads(version.document)
    document["Statement"].append({"Effect": "Allow", "Action": "oss:DeleteBucket", "Resource": "*"})
    version.document = json.dumps(document)
    return {("AUD205", f"custom policy {role}-Access")}


def policy_widened_by_resource(faults: Faults) -> Expected:
    """What the role may do in its Logstore it may do in every project."""
    role = faults.role()
    version = faults.access_policy(role).default_version()
    document = json.loads(version.document)
    for statement in document["Statement"]:
        resources = statement["Resource"]
        if any(
            "logstore/" in resource for resource in ([resources] if isinstance(resources, str) else resources)
        ):
            statement["Resource"] = [
                *([resources] if isinstance(resources, str) else resources),
                "acs:log:*:*:*",
            ]
    version.document = json.dumps(document)
    return {("AUD205", f"custom policy {role}-Access")}


def policy_narrowed(faults: Faults) -> Expected:
    """The role may not read objects any more."""
    role = faults.role()
    version = faults.access_policy(role).default_version()
    document = json.loads(version.document)
    kept = []
    for statement in document["Statement"]:
        actions = statement["Action"]
        left = [one for one in ([actions] if isinstance(actions, str) else actions) if one != "oss:GetObject"]
        if left:
            kept.append({**statement, "Action": left})
    version.document = json.dumps({**document, "Statement": kept})
    return {("AUD206", f"role {role}")}


def policy_attached_by_hand(faults: Faults) -> Expected:
    """Somebody attached a system policy and one of their own to the role."""
    role = faults.role()
    attach(faults.ram_role(role), "AliyunOSSReadOnlyAccess", "System")
    faults.policy("by-hand", {"Effect": "Allow", "Action": "oss:GetObject", "Resource": "*"})
    attach(faults.ram_role(role), "by-hand")
    return {("AUD207", f"role {role}")}


def role_unused(faults: Faults) -> Expected:
    """A managed role whose data source is gone."""
    tags = dict([MANAGED_TAG, source_tag(WORKSPACES[1], "long_gone")])
    name = "DataWorks-20002-long-gone"
    state = faults.cloud.state
    role = Role(
        name=name,
        id=state.identifiers.digits("3"),
        created=1.0,
        updated=1.0,
        trust_policy=json.dumps(TRUSTED),
        tags=tags,
    )
    state.ram.roles[name] = role
    faults.policy(
        f"{name}-Access",
        {"Effect": "Allow", "Action": "oss:GetObject", "Resource": "acs:oss:*:*:gone/*"},
        tags=tags,
    )
    attach(role, f"{name}-Access")
    return {("AUD208", f"role {name}")}


def policy_unused(faults: Faults) -> Expected:
    """A managed policy that is attached to nothing."""
    statement = {"Effect": "Allow", "Action": "oss:GetObject", "Resource": "acs:oss:*:*:gone/*"}
    faults.policy("DataWorks-left-over-Access", statement, tags=dict([MANAGED_TAG]))
    return {("AUD209", "custom policy DataWorks-left-over-Access")}


def many_versions(faults: Faults) -> Expected:
    """The policy has four versions, of which the first is in force again."""
    role = faults.role()
    policy = faults.access_policy(role)
    document = policy.default_version().document
    policy.versions += [
        PolicyVersion(id=f"v{number}", document=document, created=policy.created + number)
        for number in (2, 3, 4)
    ]
    policy.next_version, policy.updated = 5, policy.created + 60
    return {("AUD210", f"custom policy {role}-Access")}


def access_policy_held_by_a_user(faults: Faults) -> Expected:
    """A user reads the role's data directly."""
    role = faults.role()
    attach(faults.user("reader"), f"{role}-Access")
    return {("AUD211", f"custom policy {role}-Access")}


# -- grants ------------------------------------------------------------------------------------------------


def every_role_granted(faults: Faults) -> Expected:
    """Template 1."""
    statement = {"Effect": "Allow", "Action": "ram:PassRole", "Resource": "*", "Condition": BY_INTEGRATION}
    faults.policy("template-1", statement)
    attach(faults.user("frank"), "template-1")
    return {("AUD301", "custom policy template-1")}


def pattern_granted(faults: Faults) -> Expected:
    """PassRole on all roles of a start."""
    resource = f"acs:ram::{ACCOUNT}:role/dataworks-bench-*"
    statement = {
        "Effect": "Allow",
        "Action": "ram:PassRole",
        "Resource": resource,
        "Condition": BY_INTEGRATION,
    }
    faults.policy("pass-by-pattern", statement)
    attach(faults.user("gina"), "pass-by-pattern")
    return {("AUD302", "custom policy pass-by-pattern")}


def grantee_gone(faults: Faults) -> Expected:
    """A folded policy of a user who was deleted."""
    resource = f"acs:ram::{ACCOUNT}:role/dataworks-bench-0000"
    statement = {
        "Effect": "Allow",
        "Action": "ram:PassRole",
        "Resource": resource,
        "Condition": BY_INTEGRATION,
    }
    name = "DataWorks-user-ghost-AllowUse-1"
    faults.policy(name, statement, tags=dict([MANAGED_TAG]))
    return {("AUD303", f"custom policy {name}")}


def grantee_left_the_workspace(faults: Faults) -> Expected:
    """A member of a grantee group is no member of the workspace any more."""
    faults.user("hugo")
    faults.cloud.state.ram.groups["bench-03"].members.append(Member(user="hugo"))
    return {("AUD304", "user hugo")}


def grantee_idle(faults: Faults) -> Expected:
    """A guest of the workspace holds PassRole."""
    (policy,) = faults.own_grants(1)
    attach(faults.user("ivy", workspace_role="role_project_guest"), policy)
    return {("AUD305", "user ivy")}


def _granted_until(faults: Faults, name: str, end: str) -> None:
    """A developer may pass a role until a moment."""
    statement = {
        "Effect": "Allow",
        "Action": "ram:PassRole",
        "Resource": f"acs:ram::{ACCOUNT}:role/dataworks-bench-0000",
        "Condition": {**BY_INTEGRATION, "DateLessThan": {"acs:CurrentTime": end}},
    }
    policy = f"DataWorks-user-{name}-AllowUse-1"
    faults.policy(policy, statement, tags=dict([MANAGED_TAG]))
    attach(faults.user(name, workspace_role="role_project_dev"), policy)


def grant_ended(faults: Faults) -> Expected:
    """Nobody has removed what has ended."""
    _granted_until(faults, "lena", "2026-02-01T00:00:00+08:00")
    return {("AUD307", "user lena")}


def grant_ends_soon(faults: Faults) -> Expected:
    """The last day of a grant is in three days."""
    end = end_of_day(scheduler_today() + timedelta(days=3)).isoformat()
    _granted_until(faults, "mona", end)
    return {("AUD308", "user mona")}


def owner_without_pass_role(faults: Faults) -> Expected:
    """The scheduled task belongs to somebody who may not pass the role."""
    row = faults.row(faults.role())
    owner = faults.user("jack", workspace_role="role_project_dev")
    for node in faults.nodes(row):
        node.owner = owner.id
    return {("AUD306", "user jack")}


def owner_gone(faults: Faults) -> Expected:
    """The scheduled task belongs to a user who was deleted."""
    row = faults.row(faults.role(), "adb_mysql")
    for node in faults.nodes(row):
        node.owner = "299999999999999999"
    return {("AUD306", "user id 299999999999999999")}


RIGHTS: tuple[Callable[[Faults], Expected], ...] = (
    other_service_trusted,
    whole_account_trusted,
    look_alike_trusted,
    other_account_trusted,
    trust_conditional,
    policy_widened,
    policy_widened_by_resource,
    policy_narrowed,
    policy_attached_by_hand,
    role_unused,
    policy_unused,
    many_versions,
    access_policy_held_by_a_user,
    every_role_granted,
    pattern_granted,
    grantee_gone,
    grantee_left_the_workspace,
    grantee_idle,
    owner_without_pass_role,
    owner_gone,
    grant_ended,
    grant_ends_soon,
)
"""Every kind of fault of this module."""

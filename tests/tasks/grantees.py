"""Grantees of many roles: what they hold, what they may pass, and step 2 of many roles at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cloud.ram import Grantee
from config.names import folded_policy_name, role_arns
from emulator.server import RunningCloud
from emulator.state import Attachment
from policy import PolicyKind, Request, Source, evaluate_identity, parse_policy
from policy.generate import PASS_ROLE, SERVICE_KEY
from tasks.grant_plan import GrantPlan, plan_grants
from tasks.outcome import Outcome, StepReport
from tasks.pass_role import Granted, ensure_grants, read_grants
from tasks.role import RoleReady
from tasks.role_group import Entity, RoleGroup, group_of
from tests.emulator.sources import example as example_of
from tests.tasks.onboarding import Onboarding, example
from tests.tasks.starting_states import PIPELINE_ROLE, document, policy

ACCOUNT = "1234567890123456"
DI = "di.dataworks.aliyuncs.com"
OSS = "oss.dataworks.aliyuncs.com"
CAROL: Entity = (Grantee.USER, "carol")
PLATFORM: Entity = (Grantee.GROUP, "data-platform")
PIPELINE: Entity = (Grantee.ROLE, PIPELINE_ROLE)
CAROLS_FOLDED = folded_policy_name("user", "carol", 1)
PLATFORMS_FOLDED = folded_policy_name("group", "data-platform", 1)


def groups(count: int, first: int = 0, **changes: Any) -> list[RoleGroup]:
    """Data sources with a role each, of two types in turn."""
    fields: dict[str, Any] = {"sync_task": None, "grantees": {"groups": ["data-platform"]}, **changes}
    base = example(**fields)
    other = example_of("loghub").model_copy(update={"grantees": base.grantees, "sync_task": None})
    made = (
        (base, other)[n % 2].model_copy(update={"name": f"source_{n}"}) for n in range(first, first + count)
    )
    return [group_of(spec) for spec in made]


def ready(group: RoleGroup) -> RoleReady:
    """A role as step 1 hands it on; RAM does not ask whether the roles that a policy names exist."""
    report = StepReport(1, "RAM role", f"role {group.role_name}", Outcome.UNCHANGED, "")
    return RoleReady(group.role_name, "3", "", group.policy_name, "{}", 0.0, report)


def attachments(local: RunningCloud, entity: Entity) -> list[Attachment]:
    """What is attached to a grantee, to look at and to change."""
    (kind, name), ram = entity, local.cloud.state.ram
    if kind is Grantee.USER:
        return ram.users[name].attachments
    return ram.groups[name].attachments if kind is Grantee.GROUP else ram.roles[name].attachments


def attach_foreign(local: RunningCloud, entity: Entity, count: int) -> None:
    """Custom policies of others on a grantee."""
    for number in range(count):
        policy(local.cloud, f"Foreign-{number}", document("oss:GetObject"))
        attachments(local, entity).append(Attachment(policy=f"Foreign-{number}"))


def held(local: RunningCloud, entity: Entity) -> list[str]:
    """The custom policies of a grantee."""
    return [one.policy for one in attachments(local, entity) if one.type == "Custom"]


def may_pass(local: RunningCloud, entity: Entity, group: RoleGroup, service: str) -> bool:
    """Whether what a grantee holds lets it pass a role to a service."""
    ram = local.cloud.state.ram
    sources = [
        Source(
            name, "custom", parse_policy(ram.policies[name].default_version().document, PolicyKind.IDENTITY)
        )
        for name in held(local, entity)
    ]
    asked = (
        Request(PASS_ROLE, arn, {SERVICE_KEY: (service,)}, frozenset())
        for arn in role_arns(ACCOUNT, group.role_name)
    )
    return all(evaluate_identity(request, sources).allowed for request in asked)


def grant(onboarding: Onboarding, wanted: Sequence[RoleGroup]) -> tuple[GrantPlan, dict[str, Granted]]:
    """Step 2 of many roles at once."""
    plan = plan_grants(wanted, ACCOUNT, read_grants(onboarding.gate, wanted))
    return plan, ensure_grants(
        onboarding.gate, wanted, plan, {group.role_name: ready(group) for group in wanted}
    )


def writes(local: RunningCloud) -> list[str]:
    """The writing actions the local cloud has answered, in order."""
    return [entry.action for entry in local.cloud.journal.writes]

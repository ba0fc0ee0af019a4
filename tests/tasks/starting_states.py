"""States in which an onboarding may find the cloud: half done, drifted, or with objects that others made."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from config.spec import DataSourceSpec
from emulator.cloud import LocalCloud
from emulator.server import RunningCloud
from emulator.state import Attachment, Business, DataSource, Folder
from emulator.state_ram import Policy, PolicyVersion, Role

Change = Callable[[LocalCloud, DataSourceSpec], None]
PIPELINE_ROLE = "Pipeline"


def document(*actions: str, resource: str = "acs:oss:*:*:another-bucket/*") -> str:
    """An identity policy with one statement."""
    return json.dumps(
        {"Version": "1", "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": [resource]}]}
    )


def trust(service: str) -> str:
    """A trust policy for one service."""
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": [service]}}
    return json.dumps({"Version": "1", "Statement": [statement]})


def pipeline_role(cloud: LocalCloud) -> None:
    """A role that a specification may name as a grantee."""
    cloud.state.ram.roles[PIPELINE_ROLE] = Role(
        name=PIPELINE_ROLE, id="300000000000007777", trust_policy=trust("ecs.aliyuncs.com")
    )


def policy(cloud: LocalCloud, name: str, text: str, tags: Mapping[str, str] | None = None) -> None:
    """A custom policy, in place of one that is there."""
    cloud.state.ram.policies[name] = Policy(
        name=name, versions=[PolicyVersion(id="v1", document=text)], tags=dict(tags or {})
    )


def holds(local: RunningCloud, user: str, text: str | None) -> None:
    """A user has exactly this document, or nothing."""
    attachments = local.cloud.state.ram.users[user].attachments
    attachments.clear()
    if text is not None:
        policy(local.cloud, f"{user}-only", text)
        attachments.append(Attachment(policy=f"{user}-only"))


def allow(*actions: str, **statement: Any) -> dict[str, Any]:
    """A statement on everything."""
    return {"Effect": "Allow", "Action": list(actions), "Resource": ["*"], **statement}


def holds_statements(local: RunningCloud, user: str, *statements: dict[str, Any]) -> None:
    """A user has exactly these statements."""
    holds(local, user, json.dumps({"Version": "1", "Statement": list(statements)}))


def foreign_role(cloud: LocalCloud, spec: DataSourceSpec) -> None:
    """Somebody's role of the same name."""
    if spec.role_name not in cloud.state.ram.roles:
        cloud.state.ram.roles[spec.role_name] = Role(
            name=spec.role_name, id="300000000000009999", trust_policy=trust("ecs.aliyuncs.com")
        )


def foreign_access_policy(cloud: LocalCloud, spec: DataSourceSpec) -> None:
    """Somebody's custom policy of the same name."""
    policy(cloud, spec.policy_name, document("oss:GetObject"))


def foreign_grant(cloud: LocalCloud, spec: DataSourceSpec) -> None:
    """Somebody's PassRole policy of the same name."""
    policy(cloud, spec.pass_role_policy_name, document("ram:PassRole", resource="acs:ram::1:role/x"))


def without_tags(cloud: LocalCloud, spec: DataSourceSpec) -> None:
    """Role and policies have lost their tags."""
    ram = cloud.state.ram
    for found in (
        ram.roles.get(spec.role_name),
        ram.policies.get(spec.policy_name),
        ram.policies.get(spec.pass_role_policy_name),
    ):
        if found is not None:
            found.tags.clear()


def other_trust(cloud: LocalCloud, spec: DataSourceSpec) -> None:
    """The role trusts another service."""
    if role := cloud.state.ram.roles.get(spec.role_name):
        role.trust_policy = trust("dataworks.aliyuncs.com")


def wider_policies(cloud: LocalCloud, spec: DataSourceSpec) -> None:
    """Somebody edited both documents."""
    for name in (spec.policy_name, spec.pass_role_policy_name):
        if found := cloud.state.ram.policies.get(name):
            found.default_version().document = document("oss:*", resource="*")


def shared_policy(cloud: LocalCloud, spec: DataSourceSpec) -> None:
    """The policy serves another data source too."""
    if found := cloud.state.ram.policies.get(spec.policy_name):
        found.tags["source:10001:other"] = "served"
        text = json.loads(found.default_version().document)
        text["Statement"] += json.loads(document("oss:GetObject"))["Statement"]
        found.default_version().document = json.dumps(text)


def detached(cloud: LocalCloud, spec: DataSourceSpec) -> None:
    """Nothing is attached to anybody any more."""
    ram = cloud.state.ram
    for one in (*ram.users.values(), *ram.groups.values(), *ram.roles.values()):
        names = (spec.policy_name, spec.pass_role_policy_name)
        one.attachments = [held for held in one.attachments if held.policy not in names]


def full_group(cloud: LocalCloud, spec: DataSourceSpec) -> None:
    """The group has as many custom policies as it can have."""
    del spec
    for number in range(10):
        policy(cloud, f"other-{number}", document("oss:GetObject"))
        cloud.state.ram.groups["data-platform"].attachments.append(Attachment(policy=f"other-{number}"))


def new_role(cloud: LocalCloud, spec: DataSourceSpec) -> None:
    """The role was deleted and made anew by hand: its id is another."""
    if role := cloud.state.ram.roles.get(spec.role_name):
        role.id = "300000000000008888"


def without_production(cloud: LocalCloud, spec: DataSourceSpec) -> None:
    """The production data source was deleted."""
    works = cloud.state.dataworks
    works.data_sources = [one for one in works.data_sources if (one.name, one.environment) != (spec.name, 1)]


def other_content(cloud: LocalCloud, spec: DataSourceSpec) -> None:
    """The data source was edited, its role was not."""
    for one in cloud.state.dataworks.data_sources:
        if one.name == spec.name:
            content = json.loads(one.content)
            for key in content:
                if key not in ("authType", "authIdentity"):
                    content[key] = "elsewhere"
                    break
            one.content, one.description = json.dumps(content), "edited"


def by_access_key(cloud: LocalCloud, spec: DataSourceSpec) -> None:
    """Somebody's data source of the same name, with an AccessKey."""
    works = cloud.state.dataworks
    if not [one for one in works.data_sources if one.name == spec.name]:
        kind, content = spec.source_type.data_source_type, json.dumps({"accessId": "LTAI", "accessKey": "k"})
        works.data_sources.append(
            DataSource(id=39_001, workspace=spec.workspace, name=spec.name, type=kind, content=content)
        )


def other_schedule(cloud: LocalCloud, spec: DataSourceSpec) -> None:
    """The task was rescheduled by hand."""
    del spec
    for file in cloud.state.dataworks.files.values():
        file.scheduling.cron = "00 00 07 * * ?"


def other_task(cloud: LocalCloud, spec: DataSourceSpec) -> None:
    """The task was edited by hand."""
    del spec
    for file in cloud.state.dataworks.files.values():
        content = json.loads(file.content)
        content["setting"] = {"speed": {"concurrent": 1}}
        file.content = json.dumps(content)


def task_by_hand(cloud: LocalCloud, spec: DataSourceSpec) -> None:
    """The task does not say that it is managed here."""
    del spec
    for file in cloud.state.dataworks.files.values():
        file.description = "by hand"


def workflow(cloud: LocalCloud, spec: DataSourceSpec) -> None:
    """The workflow is there already."""
    works = cloud.state.dataworks
    if not works.businesses:
        works.businesses[900] = Business(id=900, workspace=spec.workspace, name="onboarding")
        layer = "Business Flow/onboarding/Data Integration"
        works.folders["f9"] = Folder(id="f9", workspace=spec.workspace, path=layer)


def failed_runs(cloud: LocalCloud, spec: DataSourceSpec) -> None:
    """What ran has failed."""
    del spec
    for instance in cloud.state.dataworks.instances.values():
        instance.status = "FAILURE"


CHANGES: tuple[Change, ...] = (
    foreign_role, foreign_access_policy, foreign_grant, without_tags, other_trust, wider_policies, shared_policy,
    detached, full_group, new_role, without_production, other_content, by_access_key, other_schedule, other_task,
    task_by_hand, workflow, failed_runs,
)  # fmt: skip

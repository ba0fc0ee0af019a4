"""Adoption in tests: what a workspace gives, and whether a written specification plans to no changes."""

from __future__ import annotations

import json
import uuid
from typing import Any

import yaml

from config.load import parse_spec
from config.sources.base import Environment
from config.spec import DataSourceSpec
from emulator.server import RunningCloud
from emulator.state import DataSource
from emulator.state_ram import Attachment, Policy, PolicyVersion, Role
from flows.adopt import yaml_of
from policy import minified, trust_policy
from tasks.adopting.adopt import Adopted, Adoption, adopt
from tasks.plan import compute_plan
from tasks.planning import Plan
from tasks.role_group import access_of
from tests.cloud.gates import gate_of_personas
from tests.tasks.onboarding import Onboarding

DI = "di.dataworks.aliyuncs.com"


def adopted(local: RunningCloud, *names: str, workspace: int = 10001, **options: Any) -> Adoption:
    """What ``onboard adopt`` finds, as the four people."""
    return adopt(gate_of_personas(local), workspace, names, **options)


def only(local: RunningCloud, name: str, **options: Any) -> Adopted:
    """The one specification of a data source."""
    (one,) = adopted(local, name, **options).adopted
    return one


def written(one: Adopted) -> DataSourceSpec:
    """The specification as somebody reads it from its file."""
    return parse_spec(yaml.safe_load(yaml_of(one)))


def plan_of(local: RunningCloud, spec: DataSourceSpec) -> Plan:
    """The plan that ``onboard plan`` computes of it."""
    onboarding = Onboarding(local, spec)
    return compute_plan(onboarding.gate, spec, onboarding.facts())


def marked(local: RunningCloud) -> list[Role | Policy]:
    """Everything of RAM that can carry tags."""
    ram = local.cloud.state.ram
    return [*ram.roles.values(), *ram.policies.values()]


# -- by hand -------------------------------------------------------------------------------------------


def add_policy(local: RunningCloud, name: str, document: str) -> str:
    """A custom policy without tags."""
    local.cloud.state.ram.policies[name] = Policy(
        name=name, versions=[PolicyVersion(id="v1", document=document)]
    )
    return name


def statement(*actions: str, resources: tuple[str, ...] = ("*",), **more: Any) -> dict[str, Any]:
    """An Allow."""
    return {"Effect": "Allow", "Action": list(actions), "Resource": list(resources), **more}


def document(*statements: dict[str, Any]) -> str:
    """A policy's text."""
    return json.dumps({"Version": "1", "Statement": list(statements)})


def add_role(
    local: RunningCloud, name: str, *policies: str, system: tuple[str, ...] = (), trust: str = ""
) -> Role:
    """A role without tags, made by somebody else."""
    role = Role(
        name=name,
        id=f"3{uuid.uuid5(uuid.NAMESPACE_DNS, name).int % 10**17:017d}",
        trust_policy=trust or minified(trust_policy(DI)),
        attachments=[
            *(Attachment(policy=one) for one in policies),
            *(Attachment(policy=one, type="System") for one in system),
        ],
    )
    local.cloud.state.ram.roles[name] = role
    return role


def grant(local: RunningCloud, user: str, role: str, **more: Any) -> None:
    """A hand-made PassRole policy on one role, attached to one user."""
    arn = f"acs:ram::{local.cloud.state.account_id}:role/{role.lower()}"
    name = add_policy(
        local,
        f"pass-{role.replace('.', '-')}-{user}",
        document(statement("ram:PassRole", resources=(arn,), **more)),
    )
    local.cloud.state.ram.users[user].attachments.append(Attachment(policy=name))


def add_source(
    local: RunningCloud,
    spec: DataSourceSpec,
    role: Role,
    *,
    environments: tuple[int, ...] = (0, 1),
    **content: Any,
) -> None:
    """The data source of a specification as the console saves it; ``content`` changes keys, None takes one away."""
    works = local.cloud.state.dataworks
    for number in environments:
        made: dict[str, Any] = {**spec.content(role.id, Environment(number)), **content}
        works.data_sources.append(
            DataSource(
                id=39_000 + len(works.data_sources), workspace=spec.workspace, name=spec.name,
                type=spec.source_type.data_source_type, environment=number, description=spec.description,
                content=json.dumps({key: value for key, value in made.items() if value is not None}),
            )
        )  # fmt: skip


def by_hand(local: RunningCloud, spec: DataSourceSpec, role: str = "Analysts.OSS", **content: Any) -> Role:
    """Role, policy, grant and data source of a specification, all made by hand under other names."""
    name = add_policy(local, f"{role.replace('.', '-')}-reach", minified(access_of(spec)))
    made = add_role(local, role, name)
    grant(local, "carol", role)
    standard = local.cloud.state.dataworks.workspaces[spec.workspace].mode == "standard"
    add_source(local, spec, made, environments=(0, 1) if standard else (1,), **content)
    return made

"""A role per persona, with exactly the minimal policy of the persona, assumed by somebody who may do nothing else."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from cloud.gate import Gate
from config.personas import Persona
from config.settings import Identities
from config.spec import DataSourceSpec
from emulator.server import RunningCloud
from emulator.state import Attachment, Role, WorkspaceMember
from policy import PolicyDocument, minified
from tasks.connection import step_gate, use_gate
from tasks.declared import declared, persona_policies
from tasks.preflight import Preflight, run_preflight
from tests.settings import REGION, key_of, settings_for
from tests.tasks.onboarding import Applied, Onboarding, example
from tests.tasks.starting_states import policy

ACCOUNT = "1234567890123456"
PIPELINE = "mallory"
"""Has no rights but to assume roles."""
PERSONA_ROLES: Mapping[Persona, str] = {persona: f"onboarding-{persona.value}" for persona in Persona}
_WORKSPACE_ROLES = {
    Persona.CREATOR: "role_project_pe",
    Persona.DEVELOPER: "role_project_dev",
    Persona.EXECUTOR: "role_project_pe",
}
_TRUST = json.dumps(
    {
        "Version": "1",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "sts:AssumeRole",
                "Principal": {"RAM": [f"acs:ram::{ACCOUNT}:root"]},
            }
        ],
    }
)


def for_roles(**changes: Any) -> DataSourceSpec:
    """The example with creator's and executor's roles as the grantees."""
    roles = [PERSONA_ROLES[Persona.CREATOR], PERSONA_ROLES[Persona.EXECUTOR]]
    return example(
        **{"grantees": {"users": ["carol"], "groups": ["data-platform"], "roles": roles}, **changes}
    )


def minimal(spec: DataSourceSpec) -> Mapping[Persona, PolicyDocument]:
    """What ``onboard permissions`` prints."""
    return persona_policies(declared(spec, "*"))


def give_personas(
    local: RunningCloud, spec: DataSourceSpec, policies: Mapping[Persona, PolicyDocument] | None = None
) -> None:
    """Roles, their policies and workspace memberships; the pipeline may assume them."""
    state = local.cloud.state
    for number, (persona, document) in enumerate((policies or minimal(spec)).items()):
        name = PERSONA_ROLES[persona]
        policy(local.cloud, name, minified(document))
        state.ram.roles[name] = Role(
            name=name,
            id=f"30000000000000100{number}",
            trust_policy=_TRUST,
            attachments=[Attachment(policy=name)],
        )
        if persona in _WORKSPACE_ROLES:
            for space in state.dataworks.workspaces.values():
                space.members = [one for one in space.members if one.user != name]
                space.members.append(
                    WorkspaceMember(user=name, roles=[_WORKSPACE_ROLES[persona]], kind="role")
                )
    state.ram.users[PIPELINE].attachments = [Attachment(policy="AliyunSTSAssumeRoleAccess", type="System")]


def assumed_identities() -> Identities:
    """Every persona is its role, assumed by the pipeline."""
    return Identities.model_validate(
        {
            persona.value: key_of(PIPELINE).model_copy(
                update={"role_arn": f"acs:ram::{ACCOUNT}:role/{name}", "session_seconds": 3600}
            )
            for persona, name in PERSONA_ROLES.items()
        }
    )


def assuming(local: RunningCloud, spec: DataSourceSpec) -> Onboarding:
    """An onboarding whose calls are made with sessions of the personas' roles."""
    onboarding = Onboarding(local, spec)
    onboarding.settings = settings_for(local, identities=assumed_identities())
    onboarding.gate = Gate(onboarding.settings, REGION, onboarding.clock)
    return onboarding


Used = tuple[int, Persona, str]
"""A step, a persona and an action it called there."""


class Steps:
    """Onboards as the Prefect tasks do: each step with sessions that may do what it declares. Keeps what was called."""

    def __init__(self, onboarding: Onboarding) -> None:
        self.onboarding = onboarding
        self.used: set[Used] = set()

    @contextmanager
    def step(self, number: int) -> Iterator[None]:
        """One step."""
        onboarding = self.onboarding
        before = len(onboarding.gate.journal.records)
        with use_gate(onboarding.gate), step_gate(onboarding.spec, number) as gate:
            assert gate is onboarding.gate
            try:
                yield
            finally:
                self.used |= {
                    (number, Persona(record.persona), record.action)
                    for record in onboarding.gate.journal.records[before:]
                }

    def preflight(self) -> Preflight:
        """Step 0."""
        with self.step(0):
            return run_preflight(self.onboarding.gate, self.onboarding.spec)

    def apply(self) -> Applied:
        """Everything, in steps."""
        onboarding, spec = self.onboarding, self.onboarding.spec
        with self.step(0):
            facts = onboarding.facts()
        with self.step(1):
            role = onboarding.role()
        with self.step(2):
            granted = onboarding.grant(role)
        with self.step(3):
            sources = onboarding.sources(facts, role, granted)
            applied = Applied(facts, role, granted, sources, onboarding.matrix(facts))
        if spec.sync_task is not None:
            with self.step(4):
                applied.sync_task = onboarding.sync_task(applied)
            if spec.sync_task.run:
                with self.step(5):
                    applied.proofs = onboarding.run(applied)
        return applied

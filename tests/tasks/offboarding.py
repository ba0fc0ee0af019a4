"""Offboarding without Prefect on a local cloud, and what must be as it was before onboarding."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from cloud.gate import Gate
from config.spec import DataSourceSpec
from emulator.cloud import LocalCloud
from emulator.server import RunningCloud
from tasks.offboarding.choices import Choices
from tasks.offboarding.data_source import remove_source
from tasks.offboarding.folders import remove_workflow
from tasks.offboarding.grants import carry_out
from tasks.offboarding.plan import OffboardingPlan, plan_offboarding, plan_role
from tasks.offboarding.role import carry_out_role
from tasks.offboarding.role_state import read_role_use
from tasks.offboarding.surroundings import read_surroundings
from tasks.offboarding.sync_task import remove_task
from tasks.role_group import Sources
from tests.clock import LocalClock
from tests.settings import REGION, settings_per_persona

REMOVE, QUARANTINE = Choices(), Choices(quarantine=True)
DELETE_ADOPTED = Choices(delete_adopted=True)


class Offboarding:
    """The steps of an offboarding as alice, carol, dave and erin."""

    def __init__(
        self,
        local: RunningCloud,
        specs: Sequence[DataSourceSpec],
        choices: Choices = REMOVE,
        gate: Gate | None = None,
        limits: Callable[[Sources, int], AbstractContextManager[None]] = lambda sources, step: nullcontext(),
    ) -> None:
        self.local = local
        self.specs = tuple(specs)
        self.choices = choices
        self.limits = limits
        self.gate = gate or Gate(settings_per_persona(local), REGION, LocalClock(local.cloud))

    def plan(self) -> OffboardingPlan:
        """Everything that would be done."""
        with self.limits(self.specs[0], 0):
            return plan_offboarding(self.gate, self.specs, self.choices)

    def apply(self) -> OffboardingPlan:
        """Plan and carry out, one after the other; raises the first refusal."""
        plan = self.plan()
        for one in plan.refused:
            assert one.refusal is not None
            raise one.refusal
        gate, choices = self.gate, self.choices
        for one in () if choices.quarantine else plan.sources:
            assert one.facts is not None
            role_id = plan.roles[one.spec.role_name].reading.role_id
            with self.limits(one.spec, 1):
                remove_task(gate, one.spec, one.facts, choices)
            with self.limits(one.spec, 2):
                remove_source(gate, one.spec, one.facts, role_id, choices)
        with self.limits(self.specs[0], 0):
            around = read_surroundings(gate, frozenset(spec.workspace for spec in self.specs))
        for role in plan.roles.values():
            for step, carry in ((3, carry_out), (4, carry_out_role)):
                with self.limits(role.group, step):
                    now = plan_role(gate, role.group, read_role_use(gate, role.group), around, choices)
                    if now.refusal is not None:
                        raise now.refusal
                    carry(gate, tuple(change for change in now.changes if change.step == step))
        for workflow in plan.workflows:
            with self.limits(self.specs[0], 5):
                remove_workflow(gate, workflow.place, workflow.paths)
        return plan

    def writes_of_apply(self) -> list[str]:
        """The writing actions of one more run."""
        before = len(self.local.cloud.journal.writes)
        self.apply()
        return [entry.action for entry in self.local.cloud.journal.writes[before:]]


def standing(cloud: LocalCloud, *, data: bool = True) -> str:
    """Everything in the account but its history: what ran and was deployed, old versions of policies, the recycle bin,
    sessions, and the counter of ids. ``data`` leaves out what a run has copied.
    """
    state: dict[str, Any] = cloud.state.model_dump(mode="json")
    state.pop("identifiers")
    state.pop("sessions")
    works = state["dataworks"]
    for history in ("deployments", "dags", "instances"):
        works.pop(history)
    works["files"] = {key: file for key, file in works["files"].items() if file["deleted"] == "NORMAL"}
    for policy in state["ram"]["policies"].values():
        versions = {version["id"]: version["document"] for version in policy.pop("versions")}
        policy["document"] = versions[policy.pop("default")]
        del policy["next_version"], policy["updated"]
    if not data:
        state.pop("data")
    return json.dumps(state)

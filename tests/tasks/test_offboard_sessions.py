"""With a role per persona that has exactly what is declared, an offboarding works; no step may touch data."""

from __future__ import annotations

from typing import Any

import pytest

from cloud.gate import Gate
from config.limits import SESSION_POLICY_CHARACTERS
from config.personas import Persona
from config.spec import DataSourceSpec
from emulator.server import RunningCloud
from policy import size
from tasks.declared import ANY_ACCOUNT, persona_policies
from tasks.offboarding.choices import Choices
from tasks.offboarding.declared import declared_for_offboarding, offboarding_limits, session_policies
from tests.clock import LocalClock
from tests.settings import REGION, settings_for
from tests.tasks.offboarding import QUARANTINE, REMOVE, Offboarding, standing
from tests.tasks.onboarding import Onboarding, example
from tests.tasks.personas import PERSONA_ROLES, assumed_identities, for_roles, give_personas

STEPS = range(6)
DEEP = {"sync_task__folder": "Business Flow/onboarding/Data Integration/daily"}


def assuming(local: RunningCloud, specs: list[DataSourceSpec], choices: Choices = REMOVE) -> Offboarding:
    """An offboarding whose calls are made with sessions, each limited to its step."""
    settings = settings_for(local, identities=assumed_identities())
    gate = Gate(settings, REGION, LocalClock(local.cloud))
    return Offboarding(local, specs, choices, gate, offboarding_limits)


@pytest.mark.parametrize("changes", [{}, DEEP, {"workspace": 10002}, {"sync_task": None}])
def test_the_declared_permissions_are_enough(local: RunningCloud, changes: dict[str, Any]) -> None:
    spec = for_roles(**changes)
    give_personas(local, spec, persona_policies(declared_for_offboarding(spec, "*")))
    first = standing(local.cloud, data=False)
    Onboarding(local, spec).apply()
    journal = len(local.cloud.journal.entries)
    assuming(local, [spec], QUARANTINE).apply()
    assuming(local, [spec]).apply()
    assert standing(local.cloud, data=False) == first
    made = {one.caller for one in local.cloud.journal.entries[journal:] if one.action != "AssumeRole"}
    assert made <= {f"{name}:{name}" for name in PERSONA_ROLES.values()}


def test_they_are_enough_for_the_share_of_a_role(local: RunningCloud) -> None:
    first, second = (
        for_roles(role={"name": "Shared"}),
        for_roles(role={"name": "Shared"}, name="oss_twin", sync_task=None),
    )
    give_personas(local, first, persona_policies(declared_for_offboarding(first, "*")))
    Onboarding(local, first).apply()
    Onboarding(local, second).apply()
    assuming(local, [second]).apply()
    assert "source:10001:oss_twin" not in local.cloud.state.ram.roles["Shared"].tags


@pytest.mark.parametrize("step", STEPS)
def test_a_steps_sessions_fit_into_a_session_policy(step: int) -> None:
    spec = example(name="a" * 40, grantees={"users": [f"user-{number}" for number in range(40)]})
    for persona, document in session_policies(spec, step).items():
        assert size(document) <= SESSION_POLICY_CHARACTERS, persona


def test_no_step_declares_anything_on_data() -> None:
    actions = {action for row in declared_for_offboarding(example(), ANY_ACCOUNT) for action in row.actions}
    assert {action.partition(":")[0] for action in actions} == {"ram", "dataworks"}
    assert (
        not {"ram:PassRole", "ram:DeleteUser", "ram:DeleteGroup", "ram:CreateRole", "ram:CreatePolicy"}
        & actions
    )


def test_reading_declares_no_write() -> None:
    reads = {
        action.partition(":")[2]
        for row in declared_for_offboarding(example(), ANY_ACCOUNT)
        if row.step == 0
        for action in row.actions
    }
    assert all(action.startswith(("Get", "List")) for action in reads)


def test_each_step_is_its_personas() -> None:
    writing = {
        (row.step, row.persona)
        for row in declared_for_offboarding(example(), ANY_ACCOUNT)
        for action in row.actions
        if not action.partition(":")[2].startswith(("Get", "List"))
    }
    assert writing == {
        (1, Persona.DEVELOPER), (2, Persona.CREATOR), (3, Persona.ADMINISTRATOR), (4, Persona.ADMINISTRATOR),
        (5, Persona.DEVELOPER),
    }  # fmt: skip

"""With a role per persona that has exactly its minimal policy, everything works; a step's session does nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial
from typing import Any

import pytest

from cloud.errors import OnboardingError, PermissionDenied
from cloud.gate import ProgrammingError
from cloud.ram import get_role
from config.limits import DATAWORKS, RAM
from config.personas import Persona
from config.spec import DataSourceSpec
from emulator.cloud import LocalCloud
from emulator.registry import ACTIONS, Action
from emulator.server import RunningCloud
from policy import Grant, PolicyDocument, policy_for
from tasks.connection import step_gate, use_gate
from tasks.declared import Declared, declared
from tasks.outcome import Outcome
from tests.tasks.onboarding import Onboarding, calls
from tests.tasks.personas import PERSONA_ROLES, Steps, Used, assuming, for_roles, give_personas, minimal
from tests.tasks.starting_states import (
    failed_runs,
    other_content,
    other_schedule,
    other_task,
    other_trust,
    policy,
    without_tags,
    workflow,
)

SPEC = for_roles()
DEEP = {"sync_task__folder": "Business Flow/onboarding/Data Integration/daily"}
EVERYTHING = policy_for([Grant(("*",), ("*",))])
AnyStep = range(6)


# -- the whole onboarding ------------------------------------------------------------------------------


@pytest.mark.parametrize("changes", [{}, {"workspace": 10002}, {"sync_task": None}, {"access": "read_write"}])
def test_minimal_policies_are_enough_for_a_whole_onboarding(
    local: RunningCloud, changes: dict[str, Any]
) -> None:
    spec = for_roles(**changes)
    give_personas(local, spec)
    steps = Steps(assuming(local, spec))
    assert not steps.preflight().blocked
    applied = steps.apply()
    assert {*applied.outcomes} == {Outcome.CREATED}
    for proof in applied.proofs.values():
        assert (proof.records_read, proof.records_written) == (5, 5)
    assert {*Steps(assuming(local, spec)).apply().outcomes} == {Outcome.UNCHANGED}
    made = {entry.caller for entry in local.cloud.journal.entries if entry.action != "AssumeRole"}
    assert made <= {f"{name}:{name}" for name in PERSONA_ROLES.values()}
    assert {one.executor for one in local.cloud.state.dataworks.instances.values()} <= {
        local.cloud.state.ram.roles[PERSONA_ROLES[Persona.EXECUTOR]].id
    }


def test_a_grantee_role_gets_the_pass_role_policy(local: RunningCloud) -> None:
    give_personas(local, SPEC)
    applied = Steps(assuming(local, SPEC)).apply()
    for persona in (Persona.CREATOR, Persona.EXECUTOR):
        held = [one.policy for one in local.cloud.state.ram.roles[PERSONA_ROLES[persona]].attachments]
        assert SPEC.pass_role_policy_name in held
    assert applied.granted.report.facts["grantees"] == (
        "group data-platform, user carol, role onboarding-creator, role onboarding-executor"
    )


def test_without_the_grant_a_role_s_session_is_refused_after_the_propagation_time(
    local: RunningCloud,
) -> None:
    spec = for_roles(grantees={"users": ["carol"]})
    give_personas(local, spec)
    onboarding = assuming(local, spec)
    with pytest.raises(PermissionDenied, match="ram:PassRole"):
        Steps(onboarding).apply()
    assert 115 <= sum(onboarding.clock.slept) <= 130


# -- nothing else --------------------------------------------------------------------------------------

_VALUES: dict[str, Any] = {
    "ResourceType": "role", "PolicyType": "Custom", "RoleName": "Other", "PolicyName": "Other", "UserName": "dave",
    "GroupName": "other", "PolicyDocument": "{}", "AssumeRolePolicyDocument": "{}", "ResourceNames": ["Other"],
}  # fmt: skip
_BY_KIND: dict[type, Any] = {str: "x", int: 10001, bool: True, list: ["x"], dict: {}}


def _parameters(action: Action) -> dict[str, Any]:
    """What an action must be given to be looked at: its mandatory parameters, and names of objects of others."""
    named = [param for param in action.params if param.required or param.name in _VALUES]
    found = {param.name: _VALUES.get(param.name, _BY_KIND[param.kind]) for param in named}
    if action.name == "TagResources":
        found["Tag"] = [{"Key": "k", "Value": "v"}]
    return found


def _undeclared(step: int, persona: Persona) -> Iterator[Action]:
    """Actions of RAM and DataWorks that a persona's step does not declare on the objects of :data:`_VALUES`."""
    rows = [row for row in declared(SPEC, "*") if (row.step, row.persona) == (step, persona)]
    for action in ACTIONS.values():
        name = f"{action.product.name}:{action.name}"
        # Declared on everything of a kind: DataWorks knows no resources, and preflight asks about everybody.
        open_to_all = [
            row for row in rows if name in row.actions and (row.resources == ("*",) or row.optional)
        ]
        if action.product.name in (RAM, DATAWORKS) and not open_to_all:
            yield action


@pytest.mark.parametrize("step", AnyStep)
def test_a_step_s_session_is_refused_everything_undeclared(local: RunningCloud, step: int) -> None:
    give_personas(local, SPEC, dict.fromkeys(Persona, EVERYTHING))
    onboarding = assuming(local, SPEC)
    asked = 0
    with use_gate(onboarding.gate), step_gate(SPEC, step) as gate:
        for persona in Persona:
            part = any((row.step, row.persona) == (step, persona) for row in declared(SPEC, "*"))
            for action in _undeclared(step, persona):
                refusal = PermissionDenied if part else ProgrammingError
                with pytest.raises(refusal) as caught:
                    gate.write(action.product.name, action.name, _parameters(action), persona=persona)
                asked += 1
                if isinstance(caught.value, PermissionDenied):
                    assert caught.value.denied["PolicyType"] == "SessionPolicy", action.name
                    assert caught.value.denied["AuthAction"].endswith(f":{action.name}")
    assert asked > 150
    assert {entry.code for entry in local.cloud.journal.writes} <= {
        "NoPermission",
        "ResourceNotAuthorized.Api",
    }


def test_a_step_s_session_reaches_no_role_but_the_specification_s(local: RunningCloud) -> None:
    give_personas(local, SPEC, dict.fromkeys(Persona, EVERYTHING))
    onboarding = assuming(local, SPEC)
    with use_gate(onboarding.gate), step_gate(SPEC, 1) as gate:
        assert get_role(gate, SPEC.role_name) is None
        with pytest.raises(PermissionDenied) as caught:
            get_role(gate, "Other")
    assert caught.value.denied["PolicyType"] == "SessionPolicy"


# -- nothing missing, nothing too much -----------------------------------------------------------------


Make = Callable[[Any], Onboarding]


def _fresh(local: RunningCloud, make: Make) -> Steps:
    steps = Steps(make(for_roles(**DEEP)))
    steps.preflight()
    steps.apply()
    steps.preflight()
    return steps


def _drift(cloud: LocalCloud, spec: DataSourceSpec) -> None:
    """Everything that can be repaired is wrong."""
    for change in (other_trust, other_content, other_schedule, other_task, without_tags):
        change(cloud, spec)
    for name in (spec.policy_name, spec.pass_role_policy_name):
        version = cloud.state.ram.policies[name].default_version()
        text = json.loads(version.document)
        text["Statement"][0]["Resource"] = ["acs:ram::1:role/x"]
        version.document = json.dumps(text)


def _half_there(local: RunningCloud, make: Make) -> Steps:
    workflow(local.cloud, SPEC)
    return _fresh(local, make)


def _failed(local: RunningCloud, make: Make) -> Steps:
    spec = for_roles(**DEEP)
    Onboarding(local, spec).apply()
    failed_runs(local.cloud, spec)
    steps = Steps(make(spec))
    steps.apply()
    return steps


def _drifted(local: RunningCloud, make: Make) -> Steps:
    spec = for_roles(**DEEP, role={"adopt": True})
    Onboarding(local, spec).apply()
    _drift(local.cloud, spec)
    steps = Steps(make(spec))
    steps.preflight()
    steps.apply()
    return steps


def _actions(rows: tuple[Declared, ...]) -> set[Used]:
    return {(row.step, row.persona, action) for row in rows for action in row.actions}


NEVER_CALLED = {"ram:PassRole"}  # no API: the receiving service asks RAM for it
NEVER_DECLARED = {
    "sts:AssumeRole",
    "sts:GetCallerIdentity",
}  # every identity may ask who it is; step 0 assumes the roles


def test_every_call_is_declared_and_everything_declared_is_called(local: RunningCloud) -> None:
    used: set[Used] = set()
    people: tuple[Make, ...] = (partial(assuming, local), partial(Onboarding, local))
    for scenario in (_fresh, _half_there, _drifted, _failed):
        for make in people:
            local.cloud.reset()
            local.cloud.settings.enforce_rates = False
            give_personas(local, for_roles(**DEEP, role={"adopt": True}))
            used |= scenario(local, make).used
    wanted = _actions(declared(for_roles(**DEEP, role={"adopt": True}), "*"))
    assert {one for one in used - wanted if one[2] not in NEVER_DECLARED} == set()
    assert {one for one in wanted - used if one[2] not in NEVER_CALLED} == set()


def _without(document: PolicyDocument, action: str) -> PolicyDocument:
    statements = [
        (tuple(one for one in each.actions if one != action), each.resources) for each in document.statements
    ]
    return policy_for([Grant(actions, resources) for actions, resources in statements if actions])


@lru_cache(maxsize=1)
def _minimal_actions() -> tuple[tuple[Persona, str], ...]:
    found = {
        (persona, action)
        for persona, document in minimal(SPEC).items()
        for statement in document.statements
        for action in statement.actions
    }
    return tuple(sorted(found, key=lambda one: (one[0].value, one[1])))


_REPAIRS = {
    "ram:UpdateRole", "ram:CreatePolicyVersion", "ram:TagResources", "ram:ListTagResources", "dataworks:UpdateDataSource",
    "dataworks:UpdateDISyncTask", "dataworks:RestartInstance", "dataworks:GetDag",
    "dataworks:GetNode",
}  # fmt: skip


@pytest.mark.parametrize(
    ("persona", "action"), _minimal_actions(), ids=lambda one: getattr(one, "value", one)
)
def test_without_any_one_action_preflight_or_a_step_fails_naming_it(
    local: RunningCloud, persona: Persona, action: str
) -> None:
    spec = for_roles(**DEEP, role={"adopt": True})
    give_personas(local, spec)
    if action in _REPAIRS:
        Onboarding(local, spec).apply()
        # With other permissions the run would be a new one.
        (failed_runs if action == "dataworks:RestartInstance" else _drift)(local.cloud, spec)
    policies = dict(minimal(spec))
    policies[persona] = _without(policies[persona], action)
    give_personas(local, spec, policies)
    steps = Steps(assuming(local, spec))
    preflight = steps.preflight()
    if any(
        action in one.what
        for one in preflight.findings
        if one.code in ("PRE001", "PRE003", "PRE010", "PRE021")
    ):
        return
    assert not preflight.blocked
    with pytest.raises(OnboardingError) as caught:
        steps.apply()
    assert action in str(caught.value)


# -- renewal -------------------------------------------------------------------------------------------


def test_sixteen_threads_renew_a_session_once_before_it_ends(local: RunningCloud) -> None:
    give_personas(local, SPEC)
    onboarding = assuming(local, SPEC)

    def ask(_: int) -> None:
        with step_gate(SPEC, 1) as gate:
            assert get_role(gate, SPEC.role_name) is None

    with use_gate(onboarding.gate), ThreadPoolExecutor(16) as pool:
        for advance, sessions in ((0, 1), (3200, 1), (150, 2), (3200, 2), (200, 3)):
            local.cloud.clock.advance(advance)
            list(pool.map(ask, range(64)))
            assert len(calls(local, "AssumeRole")) == sessions
    assert not [entry for entry in local.cloud.journal.entries if "Expired" in entry.code]


def test_each_step_has_a_session_of_its_own(local: RunningCloud) -> None:
    give_personas(local, SPEC)
    Steps(assuming(local, SPEC)).apply()
    policies = [one.policy for one in local.cloud.state.sessions.values()]
    assert len(policies) == len({*policies}) == 9  # step 0: four personas; steps 1 to 5: one each
    assert all(policies)


def test_no_policy_of_others_is_touched(local: RunningCloud) -> None:
    give_personas(local, SPEC)
    policy(
        local.cloud, "Others", '{"Version":"1","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}'
    )
    before = local.cloud.state.ram.policies["Others"].model_copy(deep=True)
    Steps(assuming(local, SPEC)).apply()
    assert local.cloud.state.ram.policies["Others"] == before

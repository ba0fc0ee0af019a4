"""The plan of one specification: everything read, every step's changes computed, nothing written."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial

from cloud.dataworks import runs
from cloud.dataworks.data_sources import find_data_source
from cloud.errors import OnboardingError, Refused, StepError
from cloud.gate import Gate
from config.limits import DATAWORKS, RAM, STS
from config.sources.base import Environment, content_override
from config.spec import DataSourceSpec
from tasks.data_source import data_source_changes, wanted_content
from tasks.pass_role import grant_changes, read_grant
from tasks.planning import KNOWN_LATER, Kind, Plan, PlannedChange, digest
from tasks.proof import proves, run_name
from tasks.role import RoleState, read_role, role_changes
from tasks.run import run_changes
from tasks.sync_task import SyncTaskState, read_sync_task, sync_task_changes
from tasks.workspace import Facts

# Calls that waiting takes at the least: a deployment is looked at twice and its file once, a run four times and its
# log once.
_DEPLOYMENT_POLLS = 3
_RUN_POLLS = 5


def compute_plan(gate: Gate, spec: DataSourceSpec, facts: Facts) -> Plan:
    """Read everything and compute all changes. Raises what a step would raise before its first write."""
    before = {product: gate.journal.total(product) for product in (RAM, STS, DATAWORKS)}
    # Who calls is no part of it: one person plans, another approves and applies.
    place = (facts.account_id, facts.workspace, facts.environments)
    readings: dict[str, str] = {f"workspace {spec.workspace}": digest(place)}
    role = read_role(gate, spec)
    grant = read_grant(gate, spec)
    readings |= _role_readings(spec, role)
    readings[f"custom policy {spec.pass_role_policy_name}"] = digest((grant.policy, grant.tags))
    for (kind, name), attached in grant.attached.items():
        held = spec.pass_role_policy_name in attached
        folded = grant.folded.get((kind, name), ())
        reading: list[object] = [held, len(attached), folded]
        if spec.role.adopt:
            reading.append(grant.held.get((kind, name), ()))
        readings[f"grant of {kind.value.lower()} {name}"] = digest(reading)
    changes: list[PlannedChange] = [*role_changes(spec, role), *grant_changes(spec, facts.account_id, grant)]
    role_id = role.role.role_id if role.role is not None else KNOWN_LATER
    contents: dict[Environment, dict[str, str]] = {}
    for environment in facts.environments:
        present = find_data_source(gate, spec.workspace, spec.name, environment)
        contents[environment] = wanted_content(gate, spec, role_id, environment)
        readings[f"data source {spec.name} ({environment.name})"] = digest(
            # Whether it is connected is no part of what was planned.
            replace(present, connected=False) if present is not None else None
        )
        changes += data_source_changes(spec, environment, present, role_id, contents[environment])
    if spec.sync_task is not None:
        state = read_sync_task(gate, spec, facts)
        readings[f"sync task {spec.sync_task.name}"] = digest(state)
        changes += sync_task_changes(spec, facts, state, proves(spec, facts, role_id, contents))
        if spec.sync_task.run:
            changes += _runs(gate, spec, facts, role, state, contents, readings)
    made = {product: gate.journal.total(product) - count for product, count in before.items()}
    calls = expected_calls(made, changes, len(facts.environments) * len(spec.resource_groups))
    return Plan(
        data_source=spec.name,
        workspace=spec.workspace,
        specification=digest(spec.text()),
        readings=readings,
        changes=tuple(changes),
        calls=calls,
        notes=_notes(gate, spec, facts, calls),
    )


def refusals(gate: Gate, spec: DataSourceSpec, facts: Facts) -> list[OnboardingError]:
    """Everything for which the steps would refuse to begin, each step asked for itself."""
    role_id = KNOWN_LATER

    def first() -> None:
        nonlocal role_id
        state = read_role(gate, spec)
        if state.role is not None:
            role_id = state.role.role_id
        role_changes(spec, state)

    def source(environment: Environment) -> None:
        present = find_data_source(gate, spec.workspace, spec.name, environment)
        content = wanted_content(gate, spec, role_id, environment)
        data_source_changes(spec, environment, present, role_id, content)

    asked: list[Callable[[], object]] = [
        first,
        lambda: grant_changes(spec, facts.account_id, read_grant(gate, spec)),
        *(partial(source, environment) for environment in facts.environments),
    ]
    if spec.sync_task is not None:
        asked.append(lambda: sync_task_changes(spec, facts, read_sync_task(gate, spec, facts), KNOWN_LATER))
    found: list[OnboardingError] = []
    for ask in asked:
        try:
            ask()
        except (StepError, Refused) as error:
            found.append(error)
    return found


def _role_readings(spec: DataSourceSpec, state: RoleState) -> dict[str, str]:
    attached = sorted(state.attached)
    return {
        f"custom policy {spec.policy_name}": digest((state.policy, state.policy_tags)),
        f"role {spec.role_name}": digest(
            (state.role, state.role_tags, attached, *((state.held,) if spec.role.adopt else ()))
        ),
    }


def _runs(
    gate: Gate,
    spec: DataSourceSpec,
    facts: Facts,
    role: RoleState,
    state: SyncTaskState,
    contents: Mapping[Environment, Mapping[str, str]],
    readings: dict[str, str],
) -> list[PlannedChange]:
    """A run per environment, unless its proof is found in the cloud."""
    assert spec.sync_task is not None
    changes: list[PlannedChange] = []
    for environment in facts.environments:
        found = None
        if role.role is not None and state.task is not None and state.task.node:
            name = run_name(spec, environment, role.role.role_id, contents[environment])
            found = runs.find_run(gate, spec.workspace, environment.name, state.task.node, name)
        proven = found is not None and found.succeeded
        readings[f"run of {spec.sync_task.name} ({environment.name})"] = digest(
            [found.id if found else None, proven]
        )
        changes += run_changes(spec, environment, found)
    return changes


def expected_calls(made: Mapping[str, int], changes: list[PlannedChange], tests: int) -> dict[str, int]:
    """Calls by product that applying takes at the least: the same reads again, writes, tests and polls."""
    expected = dict(made)
    for change in changes:
        for call in change.calls:
            expected[call.partition(":")[0]] += 1
        if change.kind in (Kind.SUBMIT, Kind.DEPLOY):
            expected[DATAWORKS] += _DEPLOYMENT_POLLS
        if change.kind is Kind.RUN:
            expected[DATAWORKS] += _RUN_POLLS
    expected[DATAWORKS] += tests
    return expected


def _notes(gate: Gate, spec: DataSourceSpec, facts: Facts, calls: Mapping[str, int]) -> tuple[str, ...]:
    """What a reader of the plan should know beside its changes."""
    notes: list[str] = []
    allowance = gate.allowance.limit
    if allowance is not None:
        notes.append(
            f"{gate.allowance.remaining} of {allowance} DataWorks calls a day are left; this needs about {calls[DATAWORKS]}"
        )
    for environment in facts.environments:
        if content_override(gate.settings.content_profiles, spec.type, environment) is None:
            profile = spec.source_type.profile(environment)
            notes.append(
                f"role mode ({environment.name}) is written by the built-in profile of {spec.type}; {profile.confidence}"
            )
    return tuple(notes)

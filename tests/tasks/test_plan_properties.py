"""Whatever the specification and whatever the cloud was before: what is planned is what is done, or nothing is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from config.load import SpecInvalid, parse_spec
from config.spec import DataSourceSpec
from emulator.server import RunningCloud
from tasks.plan import compute_plan
from tasks.preflight import run_preflight
from tests.tasks.onboarding import Onboarding
from tests.tasks.plans import as_planned, changes_of, shown
from tests.tasks.starting_states import CHANGES, PIPELINE_ROLE, Change, pipeline_role

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
TYPES = ("oss", "loghub", "tablestore", "hologres", "adb_mysql")
GROUP = "S_res_group_1001_"


@st.composite
def specifications(draw: st.DrawFn) -> dict[str, Any]:
    """A specification of any type; some are refused by preflight, none by the specification's own rules."""
    kind = draw(st.sampled_from(("oss", *TYPES)))
    spec: dict[str, Any] = yaml.safe_load((EXAMPLES / f"{kind}.yaml").read_text(encoding="utf-8"))
    spec["access"] = draw(st.sampled_from(("read", "read_write")))
    spec["permissions"] = draw(st.sampled_from(("minimal", "vendor")))
    spec["workspace"] = draw(st.sampled_from((10001, 10002)))
    spec["description"] = draw(st.sampled_from(("", "Orders")))
    spec["resource_groups"] = [
        f"{GROUP}1",
        *draw(st.sampled_from(((), (f"{GROUP}2",), (f"{GROUP}2", f"{GROUP}3")))),
    ]
    spec["grantees"] = draw(
        st.sampled_from(
            (
                {"users": ["carol"], "groups": ["data-platform"]},
                {"users": ["carol", "erin"]},
                {"users": ["carol", "erin"], "roles": [PIPELINE_ROLE]},
                {"groups": ["data-platform"], "users": ["carol"], "roles": [PIPELINE_ROLE]},
                {"groups": ["data-platform"]},  # without the creator
            )
        )
    )
    spec["role"] = {"adopt": draw(st.booleans())}
    if draw(st.integers(0, 3)) == 0:
        spec["role"] |= {"pass_role": "broad", "pass_role_reason": "One role a tenant, made elsewhere"}
    task = spec["sync_task"]
    if draw(st.integers(0, 3)) == 0:
        del spec["sync_task"]
        spec["environments"] = draw(st.sampled_from((None, ["PROD"])))
        return spec
    task["run"] = draw(st.booleans())
    task["dirty_records"] = draw(st.sampled_from((0, 3)))
    task["folder"] += draw(st.sampled_from(("", "/daily")))
    if kind == "oss" and draw(st.booleans()):
        del task["schedule"]
    group = draw(st.sampled_from((None, f"{GROUP}9", "S_none")))  # the last one does not exist
    if group is not None:
        task["scheduling_resource_group"] = group
    return spec


def _without_task(spec: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in spec.items() if key != "sync_task"}


def _rescheduled(spec: dict[str, Any]) -> dict[str, Any]:
    task = spec.get("sync_task")
    return spec if task is None else {**spec, "sync_task": {**task, "concurrency": 5}}


EARLIER = {
    "nothing": None,
    "the same": lambda spec: spec,
    "without task": _without_task,
    "another description": lambda spec: {**spec, "description": "Another"},
    "another task": _rescheduled,
}


@settings(
    max_examples=30,
    derandomize=True,
    deadline=None,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    mapping=specifications(),
    earlier=st.sampled_from(sorted(EARLIER)),
    changes=st.lists(st.sampled_from(CHANGES), max_size=3, unique=True),
)
def test_a_plan_is_carried_out_exactly_or_nothing_is_written(
    local: RunningCloud, mapping: dict[str, Any], earlier: str, changes: list[Change]
) -> None:
    local.cloud.reset()
    local.cloud.settings.enforce_rates = False
    pipeline_role(local.cloud)
    spec = parse_spec(mapping)
    note(f"{mapping}, before: {earlier}, then {[one.__name__ for one in changes]}")
    _before(local, mapping, earlier)
    for change in changes:
        change(local.cloud, spec)
    _prove(local, spec)


def _before(local: RunningCloud, mapping: dict[str, Any], earlier: str) -> None:
    """An earlier apply of a related specification, when preflight lets it."""
    change = EARLIER[earlier]
    if change is None:
        return
    first = Onboarding(local, parse_spec(change(mapping)))
    if not run_preflight(first.gate, first.spec).blocked:
        first.apply()


def _prove(local: RunningCloud, spec: DataSourceSpec) -> None:
    onboarding = Onboarding(local, spec)
    before = len(local.cloud.journal.writes)
    preflight = run_preflight(onboarding.gate, spec)
    assert len(local.cloud.journal.writes) == before
    if preflight.blocked or preflight.plan is None:
        assert preflight.findings
        return
    plan = preflight.plan
    applied = onboarding.apply()
    made = changes_of(applied)
    if [one for one in plan.changes if one.subject == f"role {spec.role_name}" and one.created]:
        made = [as_planned(change, applied.role.role_id) for change in made]
    assert shown(made) == shown(plan.changes)
    assert (len(local.cloud.journal.writes) > before) is not plan.empty
    assert compute_plan(onboarding.gate, spec, applied.facts).empty


def test_the_specifications_above_are_valid() -> None:
    drawn = specifications()
    seen: list[str] = []

    @settings(max_examples=60, derandomize=True, database=None, deadline=None)
    @given(drawn)
    def look(mapping: dict[str, Any]) -> None:
        try:
            seen.append(parse_spec(mapping).type)
        except SpecInvalid as error:
            raise AssertionError(str(error)) from error

    look()
    assert {*seen} == {*TYPES}

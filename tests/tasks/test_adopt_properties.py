"""Whatever a workspace holds that is opened with a role: adopted, its specification plans to no changes."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from config.load import parse_spec
from config.spec import DataSourceSpec
from emulator.server import RunningCloud
from emulator.state_ram import Attachment
from policy import minified
from tasks.preflight import run_preflight
from tasks.role_group import access_of
from tests.tasks.adopting import (
    DI,
    add_policy,
    add_role,
    add_source,
    adopted,
    document,
    marked,
    plan_of,
    statement,
    written,
)
from tests.tasks.onboarding import Onboarding, outline
from tests.tasks.starting_states import pipeline_role, task_by_hand
from tests.tasks.test_plan_properties import specifications

PROPERTY = settings(
    max_examples=12,
    derandomize=True,
    deadline=None,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


NAMED_BY_POLICIES = ("loghub", "tablestore")
"""Types whose tables or Logstores stand in policies only."""


def _reset(local: RunningCloud) -> None:
    local.cloud.reset()
    local.cloud.settings.enforce_rates = False
    local.cloud.settings.adb3_accepts_role = True
    pipeline_role(local.cloud)


def _prove(local: RunningCloud, spec: DataSourceSpec) -> DataSourceSpec:
    """Adopting writes nothing, and what it writes down plans to nothing."""
    before = outline(local.cloud)
    writes = len(local.cloud.journal.writes)
    (one,) = adopted(local, spec.name, workspace=spec.workspace).adopted
    assert len(local.cloud.journal.writes) == writes
    assert outline(local.cloud) == before
    note(f"adopted as {dict(one.proposal.mapping)}; {one.remarks}; {one.refusal}")
    assert one.as_it_is, (one.refusal, [change.to_json() for change in one.changes])
    made = written(one)
    assert plan_of(local, made).changes == ()
    assert (made.name, made.workspace, made.type) == (spec.name, spec.workspace, spec.type)
    return made


@PROPERTY
@given(mapping=specifications())
def test_what_this_project_has_onboarded_is_adopted_to_an_empty_plan(
    local: RunningCloud, mapping: dict[str, Any]
) -> None:
    _reset(local)
    spec = parse_spec(mapping)
    onboarding = Onboarding(local, spec)
    if run_preflight(onboarding.gate, spec).blocked:
        return
    onboarding.apply()
    made = _prove(local, spec)
    assert made.role.adopt is False
    assert made.role_name == spec.role_name
    assert made.grantees == spec.grantees
    assert (made.sync_task is None) is (spec.sync_task is None)
    if spec.type != "hologres":  # its policy is the same for every access, and tells no tables
        assert made.location == spec.location or spec.permissions == "vendor"


@st.composite
def by_other_hands(draw: st.DrawFn) -> dict[str, Any]:
    """How somebody may have made the objects of a data source."""
    return {
        "role": draw(st.sampled_from(("analysts", "Data.Lake-1", "DataWorks-10001-oss-orders"))),
        "reach": draw(st.sampled_from(("exact", "everything", "system", "two policies", "account", "exact and more"))),
        "grant": draw(st.sampled_from(("template 2", "one service", "template 1", "administrator", "group", "several"))),
        "trust": draw(st.sampled_from(("plain", "beside"))),
        "environments": draw(st.sampled_from(((0, 1), (0, 1), (1,)))),
        "content": draw(st.sampled_from(({}, {"tag": None}, {"configType": "1"}, {"regionId": None}))),
    }  # fmt: skip


def _reach(local: RunningCloud, spec: DataSourceSpec, how: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Custom and system policies of the role."""
    exact = minified(access_of(spec))
    if how == "everything":
        return (add_policy(local, "all", document(statement("*"))),), ()
    if how == "system":
        return (), ("AdministratorAccess",)
    if how == "two policies":
        other = add_policy(local, "aside", document(statement("oss:ListBuckets")))
        return (other, add_policy(local, "reach", exact)), ()
    if how == "account":
        text = exact.replace(":*:*:", f":*:{local.cloud.state.account_id}:")
        return (add_policy(local, "reach", text),), ()
    if how == "exact and more":
        more = document(statement(f"{spec.source_type.ram_code}:*"))
        return (add_policy(local, "reach", exact), add_policy(local, "more", more)), ()
    return (add_policy(local, "reach", exact),), ()


def _grant(local: RunningCloud, role: str, how: str) -> None:
    ram = local.cloud.state.ram
    arn = f"acs:ram::{local.cloud.state.account_id}:role/{role.lower()}"
    services: dict[str, Any] = {"Condition": {"StringEquals": {"acs:Service": [DI]}}}
    text = {
        "template 2": document(statement("ram:PassRole", resources=(arn,))),
        "one service": document(statement("ram:PassRole", resources=(arn,), **services)),
        "template 1": document(statement("ram:PassRole", **services)),
        "group": document(statement("ram:PassRole", resources=(arn,), **services)),
        "several": document(statement("ram:PassRole", resources=(arn, f"{arn}-other"), **services)),
    }.get(how)
    if text is None:
        return  # alice holds AliyunRAMFullAccess or the like
    holder = ram.groups["data-platform"] if how == "group" else ram.users["carol"]
    holder.attachments.append(Attachment(policy=add_policy(local, "may-pass", text)))


@PROPERTY
@given(mapping=specifications(), hands=by_other_hands())
def test_what_others_have_made_by_hand_is_adopted_to_an_empty_plan(
    local: RunningCloud, mapping: dict[str, Any], hands: dict[str, Any]
) -> None:
    _reset(local)
    spec = parse_spec({**mapping, "sync_task": None, "role": {}})
    policies, system = _reach(local, spec, hands["reach"])
    beside = document(
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": [DI, "ecs.aliyuncs.com"]}}
    )
    trust = beside if hands["trust"] == "beside" else ""
    role = add_role(local, hands["role"], *policies, system=system, trust=trust)
    _grant(local, hands["role"], hands["grant"])
    standard = spec.workspace == 10001
    environments = hands["environments"] if standard else (1,)
    add_source(local, spec, role, environments=environments, **hands["content"])
    if spec.type in NAMED_BY_POLICIES and hands["reach"] in ("everything", "system"):
        # Neither Content nor a policy nor a task names tables or Logstores: nobody can know them.
        (left,) = adopted(local, spec.name, workspace=spec.workspace).left[:1]
        assert "no policy of its role and no sync task names any" in left.why
        return
    made = _prove(local, spec)
    assert made.role.adopt is True
    assert made.role_name == hands["role"]


@PROPERTY
@given(mapping=specifications())
def test_what_lost_its_marks_is_adopted_with_its_sync_task(
    local: RunningCloud, mapping: dict[str, Any]
) -> None:
    _reset(local)
    spec = parse_spec(mapping)
    onboarding = Onboarding(local, spec)
    if run_preflight(onboarding.gate, spec).blocked:
        return
    onboarding.apply()
    for one in marked(local):
        one.tags.clear()
    task_by_hand(local.cloud, spec)
    made = _prove(local, spec)
    assert made.role.adopt is True
    assert (made.sync_task is None) is (spec.sync_task is None)

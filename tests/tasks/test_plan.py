"""The plan of a specification: everything it shows, that it writes nothing, and when its hash is another."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from cloud.errors import NotOurs
from cloud.gate import Gate
from config.limits import Edition
from config.names import SERVICE_PRINCIPAL, role_arns
from emulator.server import RunningCloud
from policy import Effect, PolicyKind, parse_policy
from tasks.outcome import Outcome
from tasks.plan import compute_plan, refusals
from tasks.planning import KNOWN_LATER, Kind, PlanMoved, require_same
from tests.clock import LocalClock
from tests.settings import REGION, settings_for
from tests.tasks.onboarding import ALLOW_USE, POLICY, ROLE, Onboarding, calls, example, sandbox_example
from tests.tasks.plans import as_planned, changes_of, plan_of, shown

ACCOUNT = "1234567890123456"
TASK = "sync task oss_orders_to_ods"


# -- what it shows -------------------------------------------------------------------------------------


def test_the_plan_for_a_fresh_cloud_lists_every_change_in_the_order_of_the_steps(local: RunningCloud) -> None:
    plan = plan_of(Onboarding(local))
    assert [(one.step, one.kind, one.subject) for one in plan.changes] == [
        (1, Kind.CREATE, f"custom policy {POLICY}"),
        (1, Kind.CREATE, f"role {ROLE}"),
        (1, Kind.ATTACH, f"custom policy {POLICY}"),
        (2, Kind.CREATE, f"custom policy {ALLOW_USE}"),
        (2, Kind.ATTACH, f"custom policy {ALLOW_USE}"),
        (2, Kind.ATTACH, f"custom policy {ALLOW_USE}"),
        (3, Kind.CREATE, "data source oss_orders (DEV)"),
        (3, Kind.CREATE, "data source oss_orders (PROD)"),
        (4, Kind.CREATE, "workflow onboarding"),
        (4, Kind.CREATE, TASK),
        (4, Kind.UPDATE, TASK),
        (4, Kind.SUBMIT, TASK),
        (4, Kind.DEPLOY, TASK),
        (5, Kind.RUN, f"{TASK} (DEV)"),
        (5, Kind.RUN, f"{TASK} (PROD)"),
    ]
    assert [one.persona.value for one in plan.changes] == (
        ["administrator"] * 6 + ["creator"] * 2 + ["developer"] * 5 + ["executor"] * 2
    )
    assert plan.summary() == {"create": 7, "attach": 3, "update": 1, "submit": 1, "deploy": 1, "run": 2}


def _after(local: RunningCloud, subject: str) -> dict[str, Any]:
    (change,) = [
        one
        for one in plan_of(Onboarding(local)).changes
        if one.subject == subject and one.kind is Kind.CREATE
    ]
    after: dict[str, Any] = json.loads(json.dumps(change.after))
    return after


def test_the_documents_are_shown_whole(local: RunningCloud) -> None:
    access = parse_policy(
        json.dumps(_after(local, f"custom policy {POLICY}")["document"]), PolicyKind.IDENTITY
    )
    assert {action for one in access.statements for action in one.actions} == {
        permission.action for permission in example().required_permissions()
    }
    trust = parse_policy(json.dumps(_after(local, f"role {ROLE}")["trust_policy"]), PolicyKind.TRUST)
    assert [one.value for one in trust.statements[0].principals] == [SERVICE_PRINCIPAL]
    grant = parse_policy(
        json.dumps(_after(local, f"custom policy {ALLOW_USE}")["document"]), PolicyKind.IDENTITY
    )
    (statement,) = grant.statements
    assert (statement.effect, statement.actions) == (Effect.ALLOW, ("ram:PassRole",))
    assert {*statement.resources} == {*role_arns(ACCOUNT, ROLE)}


def test_tags_content_task_and_schedule_are_shown_whole(local: RunningCloud) -> None:
    spec = example()
    tags = {"managed-by": "dataworks-onboarding", "source:10001:oss_orders": "served"}
    assert _after(local, f"role {ROLE}")["tags"] == tags
    source = _after(local, "data source oss_orders (PROD)")
    assert source["type"] == "oss"
    assert source["description"] == spec.description
    assert source["content"]["authIdentity"] == KNOWN_LATER
    assert source["content"]["bucket"] == "shop-orders"
    assert _after(local, TASK)["content"] == spec.task_content()
    (update,) = [one for one in plan_of(Onboarding(local)).changes if one.kind is Kind.UPDATE]
    assert update.after["scheduling"]["CronExpress"] == "00 30 05 * * ?"
    attached = [one.after["entity"] for one in plan_of(Onboarding(local)).changes if one.kind is Kind.ATTACH]
    assert attached == [f"role {ROLE}", "group data-platform", "user carol"]


def test_the_plan_shows_where_an_object_differs_and_nothing_else(local: RunningCloud) -> None:
    Onboarding(local).apply()
    for source in local.cloud.state.dataworks.data_sources:
        if (source.name, source.environment) == ("oss_orders", 1):
            source.content = json.dumps({**json.loads(source.content), "bucket": "elsewhere"})
    plan = plan_of(Onboarding(local))
    assert [(one.kind, one.subject) for one in plan.changes] == [
        (Kind.UPDATE, "data source oss_orders (PROD)")
    ]
    (difference,) = plan.changes[0].differences
    assert (difference.path, difference.before, difference.after) == (
        "content.bucket",
        "elsewhere",
        "shop-orders",
    )


def test_notes_tell_the_daily_calls_of_the_edition_and_that_role_mode_is_an_assumption(
    local: RunningCloud,
) -> None:
    plan = plan_of(Onboarding(local, edition=Edition.BASIC))
    assert f"this needs about {plan.calls['dataworks']}" in plan.notes[0]
    assert [note for note in plan.notes if "built-in profile of oss" in note]
    profile = {"oss": {"bucket": "{bucket}", "authType": "RamRole", "authIdentity": "{role_id}"}}
    quiet = plan_of(Onboarding(local, content_profiles=profile))
    assert not [note for note in quiet.notes if "built-in profile" in note]


def test_the_calls_it_announces_are_what_applying_takes_at_the_least(local: RunningCloud) -> None:
    onboarding = Onboarding(local)
    plan = plan_of(onboarding)
    before = {product: onboarding.gate.journal.total(product) for product in plan.calls}
    onboarding.apply()
    for product, announced in plan.calls.items():
        took = onboarding.gate.journal.total(product) - before[product]
        assert announced <= took <= announced * 1.5 + 15, product


# -- it writes nothing ---------------------------------------------------------------------------------


def test_a_plan_makes_no_writing_call(local: RunningCloud) -> None:
    onboarding = Onboarding(local)
    before = local.cloud.save()
    plan_of(onboarding)
    assert local.cloud.journal.writes == ()
    assert local.cloud.save()["state"] == before["state"]
    assert not [record for record in onboarding.gate.journal.records if record.write]


def test_a_plan_of_what_is_not_ours_is_refused_and_every_refusal_is_told(local: RunningCloud) -> None:
    Onboarding(local).apply()
    local.cloud.state.ram.roles[ROLE].tags.clear()
    local.cloud.state.ram.policies[ALLOW_USE].tags.clear()
    for source in local.cloud.state.dataworks.data_sources:
        if source.name == "oss_orders":
            source.content = json.dumps({**json.loads(source.content), "authIdentity": "300000000000000001"})
    for file in local.cloud.state.dataworks.files.values():
        file.description = "by hand"
    onboarding = Onboarding(local)
    writes = len(onboarding.writes)
    with pytest.raises(NotOurs, match=ROLE):
        plan_of(onboarding)
    told = [error.subject for error in refusals(onboarding.gate, onboarding.spec, onboarding.facts())]
    assert told == [
        f"role {ROLE}", f"custom policy {ALLOW_USE}", "data source oss_orders (DEV)", "data source oss_orders (PROD)",
        f"{TASK} in Business Flow/onboarding/Data Integration",
    ]  # fmt: skip
    assert len(onboarding.writes) == writes


# -- the hash ------------------------------------------------------------------------------------------


def test_planning_again_gives_the_same_hash(local: RunningCloud) -> None:
    onboarding = Onboarding(local)
    assert len({plan_of(onboarding).hash, plan_of(onboarding).hash, plan_of(Onboarding(local)).hash}) == 1


def test_the_same_hash_whoever_plans(local: RunningCloud) -> None:
    """One person plans with credentials that may read, another applies with others."""
    spec = example()
    alone = Gate(settings_for(local, "alice"), REGION, LocalClock(local.cloud))
    others = Onboarding(local)
    alice = Onboarding(local)
    alice.gate = alone
    assert plan_of(alice).hash == plan_of(others).hash
    assert others.spec == spec


@pytest.mark.parametrize(
    ("changes", "moved"),
    [
        ({"description": "Another"}, (True, False, True)),
        ({"resource_groups": ["S_res_group_1001_1"]}, (True, False, False)),
        ({"sync_task__concurrency": 3}, (True, False, True)),
        ({"sync_task__run": False}, (True, True, True)),
    ],
)
def test_another_specification_gives_another_hash(
    local: RunningCloud, changes: dict[str, Any], moved: tuple[bool, ...]
) -> None:
    one = plan_of(Onboarding(local)).hash.split("-")
    other = plan_of(Onboarding(local, example(**changes))).hash.split("-")
    assert tuple(a != b for a, b in zip(one, other, strict=True)) == moved


def _member(local: RunningCloud) -> None:
    local.cloud.state.dataworks.workspaces[10001].name = "Another name"


def _attached(local: RunningCloud) -> None:
    from emulator.state import Attachment

    local.cloud.state.ram.groups["data-platform"].attachments.append(Attachment(policy=POLICY))


def _trust(local: RunningCloud) -> None:
    role = local.cloud.state.ram.roles[ROLE]
    role.trust_policy = role.trust_policy.replace(SERVICE_PRINCIPAL, "ecs.aliyuncs.com")


def _file(local: RunningCloud) -> None:
    (file,) = local.cloud.state.dataworks.files.values()
    file.scheduling.cron = "00 00 07 * * ?"


def _instance(local: RunningCloud) -> None:
    for instance in local.cloud.state.dataworks.instances.values():
        if instance.environment == "PROD":
            instance.status = "FAILURE"


@pytest.mark.parametrize(
    ("move", "named"),
    [
        (_member, "workspace 10001"),
        (_attached, "grant of group data-platform"),
        (_trust, f"role {ROLE}"),
        (_file, TASK),
        (_instance, "run of oss_orders_to_ods (PROD)"),
    ],
)
def test_a_moved_cloud_gives_another_hash_and_the_object_is_named(
    local: RunningCloud, move: Callable[[RunningCloud], None], named: str
) -> None:
    Onboarding(local).apply()
    approved = plan_of(Onboarding(local))
    move(local)
    now = plan_of(Onboarding(local))
    with pytest.raises(PlanMoved) as caught:
        require_same(now, approved.hash, approved.readings)
    assert f"{named} has changed" in caught.value.what
    assert caught.value.what.count("has changed") == 1
    with pytest.raises(PlanMoved, match="the cloud has changed since"):
        require_same(now, approved.hash)


# -- apply leaves what the plan said -------------------------------------------------------------------


@pytest.mark.parametrize("spec", [example(), sandbox_example(), example(sync_task=None)])
def test_apply_makes_exactly_the_planned_changes_and_the_next_plan_is_empty(
    local: RunningCloud, spec: Any
) -> None:
    onboarding = Onboarding(local, spec)
    plan = plan_of(onboarding)
    applied = onboarding.apply()
    made = [as_planned(change, applied.role.role_id) for change in changes_of(applied)]
    assert shown(made) == shown(plan.changes)
    after = compute_plan(onboarding.gate, spec, applied.facts)
    assert after.empty
    assert after.summary() == {}
    assert {*Onboarding(local, spec).apply().outcomes} == {Outcome.UNCHANGED}


def test_what_a_specification_no_longer_describes_stays_and_is_no_change(local: RunningCloud) -> None:
    """The API takes an empty text for none, so it cannot be taken back by it."""
    Onboarding(local).apply()
    assert plan_of(Onboarding(local, example(description=None))).empty
    plain = {
        "sync_task__reader": {"object": ["orders/readme.txt"], "fileFormat": "text", "column": ["*"]},
        "sync_task__writer": {
            "type": "odps", "datasource": "odps_first", "table": "ods_orders", "partition": "pt=1", "truncate": True,
            "column": ["*"],
        },
        "sync_task__schedule": {"cron": "00 30 05 * * ?"}, "sync_task__run": False,
    }  # fmt: skip
    spec = example(**plain)
    Onboarding(local, spec).apply()
    assert plan_of(Onboarding(local, spec)).empty


def test_every_announced_write_is_made_once_and_no_other(local: RunningCloud) -> None:
    onboarding = Onboarding(local)
    plan = plan_of(onboarding)
    onboarding.apply()
    announced = [call.partition(":")[2] for change in plan.changes for call in change.calls]
    made = onboarding.writes
    # A backfill and a smoke test are both ways to run; which one is chosen is the environment's.
    assert sorted(made) == sorted(announced)
    assert len(calls(local, "CreateRole")) == 1

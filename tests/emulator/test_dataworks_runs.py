"""Runs: smoke tests and backfills, DAGs, the states of instances by polls and by the clock, stop and restart."""

from __future__ import annotations

import json
from typing import Any

import pytest

from config.limits import Edition
from emulator.server import RunningCloud
from emulator.settings import AdvanceBy
from tests.emulator.clients import document, refused
from tests.emulator.shop import ROWS, SANDBOX, Shop, day

PATH = ["NOT_RUN", "WAIT_TIME", "WAIT_RESOURCE", "RUNNING", "SUCCESS"]


@pytest.fixture
def shop(local: RunningCloud) -> Shop:
    """A shop whose bucket is open to reading."""
    made = Shop(local)
    made.opened()
    return made


def start(shop: Shop, node: int, environment: str = "PROD", user: str = "alice", **more: Any) -> int:
    """RunSmokeTest; returns the instance's id without looking at its state."""
    wanted = {"NodeId": node, "Bizdate": day(), "Name": "proof", "ProjectEnv": environment, **more}
    dag = shop.call("RunSmokeTest", user, **wanted).data
    (found,) = [one.id for one in shop.local.cloud.state.dataworks.instances.values() if one.dag == dag]
    return found


def look(shop: Shop, instance: int) -> str:
    return str(shop.call("GetInstance", InstanceId=instance, ProjectEnv="PROD").data.status)


# -- states --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("steps", [1, 2])
def test_an_instance_moves_by_polls(shop: Shop, steps: int) -> None:
    shop.local.cloud.settings.instance_steps = steps
    instance = start(shop, shop.published())
    seen = [look(shop, instance) for _ in range(4 * steps + 1)]
    assert seen == [state for state in PATH[:-1] for _ in range(steps)] + ["SUCCESS"]


def test_no_steps_mean_the_end_at_the_first_look(shop: Shop) -> None:
    shop.local.cloud.settings.instance_steps = 0
    assert look(shop, start(shop, shop.published())) == "SUCCESS"


def test_an_instance_moves_by_the_clock_and_not_by_polls(shop: Shop) -> None:
    node = shop.published()
    cloud = shop.local.cloud
    cloud.settings.advance_by, cloud.settings.instance_steps = AdvanceBy.CLOCK, 3600
    instance = start(shop, node)
    seen: list[str] = []
    for _ in PATH:
        seen.extend(look(shop, instance) for _ in range(2))
        cloud.clock.advance(3600)
    assert seen == [state for state in PATH for _ in range(2)]
    assert shop.rows() == ROWS


def test_a_long_sleep_passes_every_state(shop: Shop) -> None:
    node = shop.published()
    cloud = shop.local.cloud
    cloud.settings.advance_by, cloud.settings.instance_steps = AdvanceBy.CLOCK, 60
    instance = start(shop, node)
    cloud.clock.advance(3600)
    assert look(shop, instance) == "SUCCESS"
    found = cloud.state.dataworks.instances[instance]
    assert found.begin_run_ms is not None
    assert found.finish_ms is not None
    assert found.finish_ms - found.begin_run_ms == pytest.approx(60_000, abs=1)


def test_times_appear_as_they_come_and_are_milliseconds(shop: Shop) -> None:
    instance = start(shop, shop.published())
    first = shop.call("GetInstance", InstanceId=instance, ProjectEnv="PROD").data
    assert (first.begin_wait_time_time, first.begin_running_time, first.finish_time) == (None, None, None)
    for _ in range(4):
        last = shop.call("GetInstance", InstanceId=instance, ProjectEnv="PROD").data
    assert last.begin_wait_time_time <= last.begin_running_time <= last.finish_time
    assert abs(last.finish_time - shop.local.cloud.clock.now_ms()) < 60_000
    # The business date is the day before the run, whose hour is the cron expression's.
    assert last.cyc_time - last.bizdate == (24 * 60 + 5 * 60 + 30) * 60_000


def test_polling_the_dag_alone_is_enough(shop: Shop) -> None:
    (dag,) = shop.backfill(shop.published())
    seen = [shop.call("GetDag", DagId=dag, ProjectEnv="PROD").data.status for _ in range(5)]
    assert seen == ["CREATED", "RUNNING", "RUNNING", "RUNNING", "SUCCESS"]
    found = shop.call("GetDag", DagId=dag, ProjectEnv="PROD").data
    assert (found.type, found.name, found.project_id) == ("SUPPLY_DATA", "backfill", shop.workspace)
    assert found.finish_time >= found.start_time


def test_a_failed_instance_fails_its_dag(local: RunningCloud) -> None:
    shop = Shop(local)
    shop.opened(actions=())
    instance = shop.smoke(shop.published())
    assert instance.status == "FAILURE"
    found = shop.call("GetDag", DagId=instance.dag, ProjectEnv="PROD").data
    assert (found.status, found.type) == ("FAILURE", "SMOKE_TEST")


def test_a_fresh_dag_may_list_nothing_at_first(shop: Shop) -> None:
    shop.local.cloud.settings.instance_list_empty_polls = 2
    (dag,) = shop.backfill(shop.published())
    counts = [shop.here("ListInstances", ProjectEnv="PROD", DagId=dag).data.total_count for _ in range(3)]
    assert counts == [0, 0, 1]


def test_instances_are_found_by_what_they_are(shop: Shop) -> None:
    node = shop.published()
    shop.local.cloud.settings.instance_steps = 100  # the filters, not the states, are looked at
    dags = shop.backfill(node, StartBizDate=day(-2))

    def dates(**filters: Any) -> list[int]:
        found = shop.here("ListInstances", ProjectEnv="PROD", **filters).data.instances
        return [dags.index(one.dag_id) for one in found]

    assert dates(NodeId=node) == [0, 1, 2]
    assert dates(Bizdate=day(-1)) == [1]
    assert dates(BeginBizdate=day(-1)) == [1, 2]
    assert dates(EndBizdate=day(-1)) == [0, 1]
    assert dates(OrderBy="Bizdate desc") == [2, 1, 0]
    assert dates(NodeName="orders", BizName="onboarding", ProgramType="DI") == [0, 1, 2]
    assert dates(Status="SUCCESS") == []
    assert dates(DagId=1) == []
    for name, value in (("OrderBy", "Luck"), ("Status", "LOST"), ("Bizdate", "2026-01-01")):
        with refused(f"Invalid{name}", 400):
            dates(**{name: value})


# -- starting ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bizdate", ["2026-01-01", "2026-01-01 10:00:00", "20260101", "yesterday"])
def test_a_business_date_has_its_midnight(shop: Shop, bizdate: str) -> None:
    with refused("InvalidBizdate", 400):
        start(shop, 1, Bizdate=bizdate)


def test_a_smoke_test_needs_a_node_of_the_environment(shop: Shop) -> None:
    shop.business()
    file_id = shop.create_task().file_id
    shop.schedule(file_id)
    shop.submit(file_id)
    node = shop.node_of(file_id)
    with refused("Invalid.Wkbench.NodeNotExists", 400):
        start(shop, node, "PROD")
    assert start(shop, node, "DEV")


def test_a_basic_workspace_has_no_development_run(local: RunningCloud) -> None:
    shop = Shop(local, SANDBOX)
    shop.opened()
    node = shop.published()
    with refused("Invalid.Wkbench.NodeNotExists", 400):
        start(shop, node, "DEV")
    with refused("Invalid.Wkbench.NodeNotExists", 400):
        shop.backfill(node, ProjectEnv="DEV")


def test_smoke_tests_in_production_are_a_setting(shop: Shop) -> None:
    node = shop.published()
    shop.local.cloud.settings.smoke_test_runs_in_production = False
    with refused("InvalidProjectEnv", 400):
        start(shop, node)


def test_names_have_at_most_128_characters(shop: Shop) -> None:
    node = shop.published()
    assert start(shop, node, Name="n" * 128)
    with refused("InvalidName", 400):
        start(shop, node, Name="n" * 129)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"EndBizDate": day(1)}, "Invalid.Wkbench.FutureBizDate"),
        ({"StartBizDate": day(2), "EndBizDate": day(3)}, "Invalid.Wkbench.FutureBizDate"),
        ({"EndBizDate": day(-1)}, "InvalidEndBizDate"),
        ({"StartBizDate": "2026-01-01"}, "InvalidStartBizDate"),
        ({"IncludeNodeIds": "1,2"}, "Invalid.Wkbench.RootNotIncluded"),
        ({"IncludeNodeIds": "x"}, "InvalidIncludeNodeIds"),
        ({"ConcurrentRuns": 1}, "InvalidConcurrentRuns"),
        ({"ConcurrentRuns": 11}, "InvalidConcurrentRuns"),
        ({"NodeParams": "[]"}, "InvalidNodeParams"),
        ({"NodeParams": "{"}, "InvalidNodeParams"),
        ({"ProjectEnv": "TEST"}, "InvalidProjectEnv"),
    ],
)
def test_backfills_outside_the_rules_are_refused(shop: Shop, changes: dict[str, Any], code: str) -> None:
    node = shop.published()
    with refused(code, 400):
        shop.backfill(node, **changes)
    assert shop.local.cloud.state.dataworks.instances == {}


def test_a_backfill_of_today_is_a_setting(shop: Shop) -> None:
    node = shop.published()
    shop.local.cloud.settings.backfill_of_today_allowed = True
    assert len(shop.backfill(node, EndBizDate=day(1))) == 2


def test_lower_editions_may_lack_backfills(shop: Shop) -> None:
    node = shop.published()
    settings = shop.local.cloud.settings
    settings.backfill_needs_edition, settings.edition = True, Edition.PROFESSIONAL
    with refused("Forbidden.Access", 403):
        shop.backfill(node)
    assert start(shop, node)


def test_run_parameters_override_the_nodes(shop: Shop) -> None:
    node = shop.published(ParaValue="bizdate=$bizdate table=ods_orders")
    instance = start(shop, node, NodeParams=json.dumps({str(node): "table=other"}))
    found = shop.call("GetInstance", InstanceId=instance, ProjectEnv="PROD").data
    assert "table=other" in found.param_values
    assert f"bizdate={day()[:10].replace('-', '')}" in found.param_values


def test_only_members_with_a_running_role_start_nodes(shop: Shop) -> None:
    node = shop.published()
    shop.attach("MalloryWorks", document("dataworks:*"), user="mallory")
    with refused("Invalid.Tenant.UserNotInProject", 400):
        start(shop, node, user="mallory")
    shop.local.cloud.state.dataworks.workspaces[shop.workspace].members[2].roles = ["role_project_guest"]
    with refused("ResourceNotAuthorized.Api", 403):
        start(shop, node, user="dave")


@pytest.mark.parametrize(
    ("action", "parameters"),
    [
        ("GetInstance", {"InstanceId": 1}),
        ("GetInstanceLog", {"InstanceId": 1}),
        ("StopInstance", {"InstanceId": 1}),
        ("RestartInstance", {"InstanceId": 1}),
        ("GetDag", {"DagId": 1}),
    ],
)
def test_what_does_not_exist_is_refused(shop: Shop, action: str, parameters: dict[str, Any]) -> None:
    reason = "DagNotExists" if action == "GetDag" else "InstanceNotExists"
    with refused(f"Invalid.Wkbench.{reason}", 400):
        shop.call(action, ProjectEnv="PROD", **parameters)


# -- dry runs, stop, restart ---------------------------------------------------------------------------


def test_a_dry_run_node_succeeds_without_records(shop: Shop) -> None:
    instance = shop.smoke(shop.published(SchedulerType="SKIP"))
    assert (instance.status, instance.task_type, instance.begin_run_ms) == ("SUCCESS", "SKIP", None)
    assert (instance.records_read, instance.log) == (0, "")
    assert shop.rows() == []


def test_an_excluded_node_is_a_dry_run(shop: Shop) -> None:
    node = shop.published()
    (dag,) = shop.backfill(node, ExcludeNodeIds=str(node))
    instance = shop.finish(dag)
    assert (instance.status, instance.task_type) == ("SUCCESS", "SKIP")
    assert shop.rows() == []


def test_a_frozen_node_fails(shop: Shop) -> None:
    instance = shop.smoke(shop.published(SchedulerType="PAUSE"))
    assert (instance.status, instance.task_type) == ("FAILURE", "PAUSE")


def test_a_stopped_instance_fails_and_moves_nothing(shop: Shop) -> None:
    instance = start(shop, shop.published())
    with refused("Invalid.Wkbench.InstanceNotStoppable", 400):
        shop.call("StopInstance", InstanceId=instance, ProjectEnv="PROD")
    assert [look(shop, instance) for _ in range(4)] == PATH[:4]
    assert shop.call("StopInstance", InstanceId=instance, ProjectEnv="PROD").data is True
    assert look(shop, instance) == "FAILURE"
    assert shop.rows() == []
    assert "stopped" in shop.call("GetInstanceLog", InstanceId=instance, ProjectEnv="PROD").data


@pytest.mark.parametrize(
    ("mode", "after_success", "after_failure"),
    [("ALL_ALLOWED", True, True), ("FAILURE_ALLOWED", False, True), ("ALL_DENIED", False, False)],
)
def test_the_rerun_mode_decides_about_restarts(
    shop: Shop, mode: str, after_success: bool, after_failure: bool
) -> None:
    node = shop.published(RerunMode=mode)
    for allowed, broken in ((after_success, False), (after_failure, True)):
        shop.local.cloud.state.dataworks.resource_groups[0].reaches = [] if broken else ["*"]
        instance = shop.smoke(node)
        assert instance.status == ("FAILURE" if broken else "SUCCESS")
        if allowed:
            assert shop.call("RestartInstance", InstanceId=instance.id, ProjectEnv="PROD").data is True
            assert look(shop, instance.id) == "NOT_RUN"
        else:
            with refused("Invalid.Wkbench.RerunDenied", 400):
                shop.call("RestartInstance", InstanceId=instance.id, ProjectEnv="PROD")


def test_a_running_instance_is_not_restarted(shop: Shop) -> None:
    instance = start(shop, shop.published())
    with refused("Invalid.Wkbench.InstanceNotEnded", 400):
        shop.call("RestartInstance", InstanceId=instance, ProjectEnv="PROD")


def test_operation_refusals_may_come_as_success_false(shop: Shop) -> None:
    instance = start(shop, shop.published())
    shop.local.cloud.settings.ide_refusals_are_http_errors = False
    body = shop.call("StopInstance", InstanceId=instance, ProjectEnv="PROD")
    assert (body.success, body.error_code) == (False, "Invalid.Wkbench.InstanceNotStoppable")

"""The scheduler's instances, the stream writer, and secrets of data sources: sealed, and still the right ones."""

from __future__ import annotations

import json

import pytest

from emulator.sealed import is_secret, seal, sealed_content
from emulator.server import RunningCloud
from tests.emulator.clients import refused
from tests.emulator.shop import READ_ACTIONS, Shop, task
from tests.tasks.migrating import add_source, add_task, legacy_user, reading_task

DAY = 86_400
TASK = "orders_to_ods"


@pytest.fixture
def scheduled(local: RunningCloud) -> Shop:
    """A deployed task that runs each day at 05:30 with the legacy user's key."""
    legacy_user(local.cloud)
    add_source(local.cloud, "orders")
    add_task(local.cloud, TASK, reading_task("orders"))
    local.cloud.settings.scheduler_runs = True
    return Shop(local)


def test_a_node_runs_once_a_day_when_its_time_has_come(scheduled: Shop) -> None:
    cloud = scheduled.local.cloud
    assert scheduled.here("ListInstances", ProjectEnv="PROD").data.total_count == 0
    cloud.clock.advance(DAY)
    for _ in range(6):
        (shown,) = scheduled.here("ListInstances", ProjectEnv="PROD").data.instances
    assert (shown.dag_type, shown.node_name, shown.status) == ("DAILY", TASK, "SUCCESS")
    (instance,) = cloud.state.dataworks.instances.values()
    assert instance.executor == cloud.state.ram.users["dave"].id  # its owner
    cloud.clock.advance(2 * DAY)
    assert scheduled.here("ListInstances", ProjectEnv="PROD").data.total_count == 3


def test_a_dag_of_the_scheduler_is_not_known_to_getdag(scheduled: Shop) -> None:
    scheduled.local.cloud.clock.advance(DAY)
    (shown,) = scheduled.here("ListInstances", ProjectEnv="PROD").data.instances
    with refused("Invalid.Wkbench.DagNotExists"):
        scheduled.call("GetDag", DagId=shown.dag_id, ProjectEnv="PROD")


def test_without_the_setting_nothing_runs_by_itself(scheduled: Shop) -> None:
    scheduled.local.cloud.settings.scheduler_runs = False
    scheduled.local.cloud.clock.advance(7 * DAY)
    assert scheduled.here("ListInstances", ProjectEnv="PROD").data.total_count == 0


def test_a_run_with_a_key_is_its_users_and_fails_with_a_wrong_secret(scheduled: Shop) -> None:
    cloud = scheduled.local.cloud
    cloud.clock.advance(DAY)
    for source in cloud.state.dataworks.data_sources:
        if source.name == "orders":
            content = json.loads(source.content)
            assert content["accessKey"].startswith("sha256:")
            source.content = json.dumps({**content, "accessKey": seal("another")})
    for _ in range(6):
        scheduled.here("ListInstances", ProjectEnv="PROD")
    (instance,) = cloud.state.dataworks.instances.values()
    assert instance.status == "FAILURE"
    assert "SignatureDoesNotMatch" in instance.log


def test_the_stream_writer_takes_records_and_keeps_none(local: RunningCloud) -> None:
    shop = Shop(local)
    shop.opened(READ_ACTIONS)
    shop.grant_pass_role("alice")
    writer = {"stepType": "stream", "parameter": {"print": False}, "name": "Writer", "category": "writer"}
    node = shop.published(task(writer=writer))
    before = local.cloud.state.data.model_dump()
    instance = shop.smoke(node)
    assert instance.status == "SUCCESS", instance.log
    assert (instance.records_read, instance.records_written) == (5, 5)
    assert local.cloud.state.data.model_dump() == before


def test_a_sealed_secret_tells_whether_another_is_the_same_and_is_sealed_once() -> None:
    assert is_secret(seal("s"), "s")
    assert not is_secret(seal("s"), "t")
    assert seal(seal("s")) == seal("s")
    assert sealed_content("no json") == "no json"
    text = '{"bucket":  "b"}'
    assert sealed_content(text) == text

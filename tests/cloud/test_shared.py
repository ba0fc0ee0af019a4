"""What onboardings share: facts that grow old and are forgotten, and reads that one listing answers for many."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from cloud.dataworks import data_sources, deployments, runs, sync_tasks
from cloud.dataworks.data_sources import source_key
from cloud.errors import Refused
from cloud.shared import UNKNOWN, Shared
from config.sources.base import Environment
from emulator.server import RunningCloud
from tests.clock import LocalClock
from tests.cloud.gates import gate_of
from tests.cloud.shop import BUSINESS_DATE, RETAIL, RUN, SOURCE, Shop


def _sharing(local: RunningCloud) -> tuple[Shop, Shared]:
    """The shop with a clock that needs no waiting and a gate that shares its reads."""
    shop = Shop(local, gate_of(local, clock=LocalClock(local.cloud)))
    shared = shop.gate.shared = Shared(shop.gate.clock, interval=1, gather=0.1, maximum_age=600)
    return shop, shared


def _calls(local: RunningCloud, action: str) -> int:
    return sum(entry.action == action for entry in local.cloud.journal.entries)


def test_a_fact_is_known_until_it_is_forgotten_or_too_old(local: RunningCloud) -> None:
    clock = LocalClock(local.cloud)
    shared = Shared(clock, interval=1, gather=0, maximum_age=600)
    shared.learn({"a": 1, "absent": None}, clock.now())
    assert (shared.known("a"), shared.known("absent"), shared.known("never told")) == (1, None, UNKNOWN)
    shared.forget("a")
    assert shared.known("a") is UNKNOWN
    clock.sleep(601)
    assert shared.known("absent") is UNKNOWN


def test_what_is_listed_as_absent_is_not_looked_for_and_what_is_made_is_seen(local: RunningCloud) -> None:
    shop, shared = _sharing(local)
    shared.learn({source_key(RETAIL, SOURCE, Environment.PROD): None}, shop.gate.clock.now())
    assert data_sources.find_data_source(shop.gate, RETAIL, SOURCE, Environment.PROD) is None
    assert _calls(local, "ListDataSources") == 0
    made = shop.data_source(Environment.PROD)
    assert data_sources.find_data_source(shop.gate, RETAIL, SOURCE, Environment.PROD) == made


def test_a_data_source_that_another_run_has_just_made_is_used_and_noted_as_taken(local: RunningCloud) -> None:
    shop, shared = _sharing(local)
    key = source_key(RETAIL, SOURCE, Environment.PROD)
    made = Shop(local).data_source(Environment.PROD)
    shared.learn({key: None}, shop.gate.clock.now())
    found = data_sources.create_data_source(
        shop.gate, RETAIL, SOURCE, "oss", Environment.PROD, made.content, "orders of the shop"
    )
    assert found.id == made.id
    assert shared.taken(key)
    assert not shared.taken(key)


def test_a_data_source_of_somebody_else_that_appears_meanwhile_is_not_used(local: RunningCloud) -> None:
    shop, shared = _sharing(local)
    content = {**shop.content, "bucket": "another-bucket"}
    data_sources.create_data_source(gate_of(local), RETAIL, SOURCE, "oss", Environment.PROD, content, "")
    shared.learn({source_key(RETAIL, SOURCE, Environment.PROD): None}, shop.gate.clock.now())
    with pytest.raises(Refused):
        shop.data_source(Environment.PROD)


def test_a_workflow_is_made_once_by_many_onboardings_at_once(local: RunningCloud) -> None:
    shop, _ = _sharing(local)

    def make(_: int) -> None:
        with sync_tasks.making_folders(shop.gate, RETAIL, "shared"):
            if not sync_tasks.workflow_exists(shop.gate, RETAIL, "shared"):
                sync_tasks.create_workflow(shop.gate, RETAIL, "shared")

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(make, range(8)))
    assert _calls(local, "CreateBusiness") == 1


def test_a_deployment_and_a_run_are_watched_by_lists(local: RunningCloud) -> None:
    shop, _ = _sharing(local)
    package = deployments.submit(shop.gate, RETAIL, shop.scheduled, 1)
    seen = deployments.watch_deployment(shop.gate, RETAIL, package)
    while seen.running:
        seen = deployments.watch_deployment(shop.gate, RETAIL, package)
    assert seen.succeeded
    assert _calls(local, "GetDeployment") == 0
    task = sync_tasks.reread(shop.gate, RETAIL, shop.scheduled)
    assert task.committed
    assert task.node
    started = runs.start_run(shop.gate, RETAIL, "DEV", task.node, RUN, BUSINESS_DATE)
    instance = started.instance
    while instance is None or not instance.finished:
        instance = runs.instance_of_dag(shop.gate, RETAIL, "DEV", task.node, started.dag)
    assert instance.dag == started.dag
    assert _calls(local, "GetInstance") == _calls(local, "GetDag") == 0


def test_a_package_that_failed_is_asked_for_its_reason(local: RunningCloud) -> None:
    shop, _ = _sharing(local)
    local.cloud.settings.deployment_error = "the table is gone"
    package = deployments.submit(shop.gate, RETAIL, shop.scheduled, 1)
    seen = deployments.watch_deployment(shop.gate, RETAIL, package)
    while seen.running:
        seen = deployments.watch_deployment(shop.gate, RETAIL, package)
    assert not seen.succeeded
    assert "the table is gone" in seen.error


def test_a_package_that_a_check_holds_up_is_found_though_no_list_tells_it(local: RunningCloud) -> None:
    shop, _ = _sharing(local)
    local.cloud.settings.deployment_check_fails = True
    package = deployments.submit(shop.gate, RETAIL, shop.scheduled, 1)
    local.cloud.state.dataworks.deployments[package].checking = 8  # an extension looks at it
    for _ in range(12):
        seen = deployments.watch_deployment(shop.gate, RETAIL, package)
        if not seen.running:
            break
    assert seen.check_failed

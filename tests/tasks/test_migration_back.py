"""Migrations that fail: before the switch, after it with and without the key, and while they are watched."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cloud.errors import Mismatch
from emulator.server import RunningCloud
from tasks.migration.found import Stage
from tasks.migration.keys import RollbackKeys
from tasks.migration.result import Ending
from tests.tasks.migrating import (
    KEY_ID,
    NAME,
    RETAIL,
    ROLE,
    SECRET,
    Moving,
    add_source,
    add_task,
    contents,
    failing_run,
    key_content,
    keys,
    legacy_user,
    reading_task,
    remains,
    result_of,
    scheduled,
    sealed_content,
    source_plan,
)
from tests.tasks.onboarding import add_fault


@pytest.fixture
def moving(local: RunningCloud) -> Moving:
    """A migration to come."""
    return scheduled(local)


# -- the way back --------------------------------------------------------------------------------------


def test_a_failed_canary_leaves_everything_as_it_was(moving: Moving) -> None:
    for file in moving.local.cloud.state.dataworks.files.values():
        file.content = reading_task(NAME, object=["absent/*.csv"])
    before = remains(moving.local.cloud)
    result = result_of(moving)
    assert (result.ending, result.reached) == (Ending.RESTORED, Stage.PREPARE)
    assert "no object of data source" in result.reason
    assert remains(moving.local.cloud) == before
    assert "UpdateDataSource" not in [entry.action for entry in moving.local.cloud.journal.writes]


def test_a_role_that_was_kept_on_purpose_stays_when_a_later_run_fails(moving: Moving) -> None:
    moving.migrate(stage=Stage.PREPARE)
    role_id = moving.local.cloud.state.ram.roles[ROLE].id
    for file in moving.local.cloud.state.dataworks.files.values():
        file.content = reading_task(NAME, object=["absent/*.csv"])
    assert result_of(moving).ending is Ending.RESTORED
    assert moving.local.cloud.state.ram.roles[ROLE].id == role_id
    twins = [one for one in moving.local.cloud.state.dataworks.data_sources if "_migration_" in one.name]
    assert not twins


def test_a_failed_run_after_the_switch_puts_everything_back_with_the_key(moving: Moving) -> None:
    failing_run(moving)
    before = remains(moving.local.cloud)
    result = result_of(moving)
    assert (result.ending, result.reached) == (Ending.RESTORED, Stage.SWITCH)
    assert "failed after the switch" in result.reason
    assert contents(moving.local.cloud, NAME) == [sealed_content()] * 2
    assert remains(moving.local.cloud) == before


def test_without_the_key_it_says_beforehand_and_afterwards_who_must_do_what(moving: Moving) -> None:
    failing_run(moving)
    moving.keys = RollbackKeys()
    assert any("its key was not given" in note for note in source_plan(moving.plan()).notes)
    result = result_of(moving)
    assert result.ending is Ending.KEY_NEEDED
    assert result.undone is not None
    assert "ONBOARD_ROLLBACK_KEYS" in result.undone.remedy
    assert KEY_ID in result.undone.remedy
    assert {content["authType"] for content in contents(moving.local.cloud, NAME)} == {"RamRole"}


def test_the_same_command_with_the_key_then_puts_it_back(moving: Moving) -> None:
    failing_run(moving)
    before = remains(moving.local.cloud)
    moving.keys = RollbackKeys()
    moving.migrate()
    moving.keys = keys(orders=(None, SECRET))
    assert result_of(moving).ending is Ending.RESTORED
    assert remains(moving.local.cloud) == before


def test_a_run_that_was_repeated_and_succeeded_is_no_failure(moving: Moving) -> None:
    failing_run(moving)
    moving.keys = RollbackKeys()
    moving.migrate()
    for node in moving.local.cloud.state.dataworks.nodes:
        node.content = reading_task(NAME)
    (failed,) = [
        one for one in moving.local.cloud.state.dataworks.instances.values() if one.status == "FAILURE"
    ]
    failed.status = "SUCCESS"
    assert result_of(moving).ending is Ending.MIGRATED


def test_a_masked_id_is_given_with_the_key(moving: Moving) -> None:
    failing_run(moving)
    moving.local.cloud.settings.access_key_ids_masked = True
    before = remains(moving.local.cloud)
    moving.keys = keys(orders=(KEY_ID, SECRET))
    assert result_of(moving).ending is Ending.RESTORED
    assert remains(moving.local.cloud) == before


def test_another_key_than_the_one_it_holds_is_refused_before_anything_is_written(moving: Moving) -> None:
    moving.keys = keys(orders=("LTAIanother", SECRET))
    refusal = source_plan(moving.plan()).refusal
    assert isinstance(refusal, Mismatch)
    assert "another than the one" in refusal.what


def test_values_that_are_no_text_are_put_back_as_they_were(local: RunningCloud) -> None:
    legacy_user(local.cloud)
    add_source(local.cloud, NAME, content=key_content(version=2, secure=True, note=None))
    add_task(local.cloud, "orders_to_ods", reading_task(NAME))
    local.cloud.settings.scheduler_runs = True
    moving = Moving(local)
    failing_run(moving)
    before = remains(local.cloud)
    assert result_of(moving).ending is Ending.RESTORED
    assert remains(local.cloud) == before


def test_a_source_that_was_edited_meanwhile_is_not_switched(moving: Moving) -> None:
    plan = moving.plan()
    from tasks.migration.carrying import Choices, Migration, run_all

    migration = Migration(moving.gate, plan, Choices(), moving.keys)

    def carry(items: Any) -> None:
        for one in moving.local.cloud.state.dataworks.data_sources:
            if one.name == NAME:
                one.content = json.dumps({**json.loads(one.content), "bucket": "another"})
        for item in items:
            migration.carry(item)

    run_all(migration, carry)
    result = migration.results[RETAIL, NAME]
    assert result.ending is Ending.RESTORED
    assert "somebody has changed it" in result.reason
    assert {content["bucket"] for content in contents(moving.local.cloud, NAME)} == {"another"}


def test_a_switch_that_is_refused_in_production_puts_development_back(moving: Moving) -> None:
    before = remains(moving.local.cloud)
    add_fault(moving.local, action="UpdateDataSource", skip=1, times=3, status=403, code="Forbidden.Access")
    result = result_of(moving)
    assert result.ending is Ending.RESTORED
    assert remains(moving.local.cloud) == before


def test_too_few_runs_in_time_is_no_failure_and_the_next_run_goes_on_watching(moving: Moving) -> None:
    moving.local.cloud.settings.scheduler_runs = False
    result = result_of(moving)
    assert result.ending is Ending.WATCHED
    assert "0 of 1 runs seen" in result.reason
    moving.local.cloud.settings.scheduler_runs = True
    assert result_of(moving).ending is Ending.MIGRATED

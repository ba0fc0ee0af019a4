"""From AccessKey mode to role mode: what is proposed, what each stage makes, what remains, and the way back."""

from __future__ import annotations

import copy

import pytest

from config.sources.base import Access
from emulator.server import RunningCloud
from tasks.migration.found import Stage
from tasks.migration.result import Ending
from tasks.plan import compute_plan
from tasks.workspace import read_facts
from tests.emulator.shop import odps_reader, oss_writer, task
from tests.tasks.migrating import (
    KEY_ID,
    NAME,
    ROLE,
    SANDBOX,
    SECRET,
    Moving,
    add_source,
    add_task,
    contents,
    endings,
    legacy_user,
    migratable,
    reading_task,
    remains,
    result_of,
    scheduled,
    source_plan,
    spec_of,
)
from tests.tasks.starting_states import foreign_role


@pytest.fixture
def moving(local: RunningCloud) -> Moving:
    """A migration to come."""
    return scheduled(local)


# -- proposals -----------------------------------------------------------------------------------------


def test_inventory_names_those_with_a_key_and_leaves_engines_and_roles_alone(moving: Moving) -> None:
    assert [one.name for one in moving.plan().sources] == [NAME]
    assert not moving.local.cloud.journal.writes


def test_a_proposal_has_place_access_grantees_and_groups_of_today(moving: Moving) -> None:
    spec = spec_of(moving.plan())
    assert spec.location.model_dump(exclude_defaults=True)["bucket"] == "shop-orders"
    assert spec.access is Access.READ
    assert spec.grantees.users == ("carol", "dave", "erin")  # creator, owner of the task, executor
    assert spec.resource_groups == ("S_res_group_1001_1", "S_res_group_1001_2")  # the third has no network
    assert spec.role.adopt
    assert spec.sync_task is None


@pytest.mark.parametrize(
    ("contents_of_tasks", "access"),
    [
        ([reading_task(NAME)], Access.READ),
        ([task(odps_reader(), oss_writer(datasource=NAME))], Access.WRITE),
        ([reading_task(NAME), task(odps_reader(), oss_writer(datasource=NAME))], Access.READ_WRITE),
        ([], Access.READ),
    ],
)
def test_access_follows_from_the_sides_on_which_tasks_use_it(
    local: RunningCloud, contents_of_tasks: list[str], access: Access
) -> None:
    legacy_user(local.cloud)
    add_source(local.cloud, NAME)
    for number, content in enumerate(contents_of_tasks):
        add_task(local.cloud, f"task_{number}", content)
    plan = Moving(local).plan()
    assert spec_of(plan).access is access
    assert ("no sync task uses it: read access is assumed" in source_plan(plan).notes) == (
        not contents_of_tasks
    )


def test_a_task_that_truncates_gets_the_right_to_remove(local: RunningCloud) -> None:
    legacy_user(local.cloud)
    add_source(local.cloud, NAME)
    add_task(local.cloud, "export", task(odps_reader(), oss_writer(datasource=NAME)))
    plan = Moving(local).plan()
    actions = {one.action for one in spec_of(plan).required_permissions()}
    assert "oss:DeleteObject" in actions
    assert any("oss:DeleteObject" in note for note in source_plan(plan).notes)


def _refused(local: RunningCloud, name: str = NAME, *, only: tuple[str, ...] = ()) -> str:
    moving = Moving(local)
    plan = moving.plan(*only)
    refusal = source_plan(plan, name).refusal
    assert refusal is not None
    assert refusal.remedy
    before = remains(local.cloud)
    assert endings(moving.migrate(*only))[name] == "cannot be migrated"
    assert remains(local.cloud) == before
    return refusal.what


def test_a_type_without_role_mode_is_refused_by_itself(local: RunningCloud) -> None:
    content = {"project": "retail", "accessId": KEY_ID, "accessKey": SECRET}
    add_source(local.cloud, NAME, kind="odps", content=content)
    assert "odps is none of the types" in _refused(local)


def test_a_database_with_a_password_of_its_own_holds_no_access_key(local: RunningCloud) -> None:
    content = {"jdbcUrl": "jdbc:mysql://db.internal:3306/shop", "username": "u", "password": "p"}
    add_source(local.cloud, NAME, kind="mysql", content=content)
    assert Moving(local).plan().sources == ()


def test_a_source_that_nothing_reaches_is_refused(local: RunningCloud) -> None:
    migratable(local.cloud)
    for group in local.cloud.state.dataworks.resource_groups:
        group.reaches = []
    assert "no resource group reaches it today" in _refused(local)


def test_environments_that_lead_to_different_places_are_refused(local: RunningCloud) -> None:
    migratable(local.cloud)
    first = next(one for one in local.cloud.state.dataworks.data_sources if one.name == NAME)
    first.content = first.content.replace("shop-orders", "shop-development")
    assert "different places" in _refused(local)


def test_a_source_of_a_real_time_task_is_refused(local: RunningCloud) -> None:
    migratable(local.cloud)
    add_task(local.cloud, "live", reading_task(NAME))
    next(one for one in local.cloud.state.dataworks.files.values() if one.name == "live").type = 900
    assert "real-time tasks use it" in _refused(local)


def test_somebody_elses_role_of_the_name_is_refused(local: RunningCloud) -> None:
    migratable(local.cloud)
    foreign_role(local.cloud, spec_of(Moving(local).plan()))
    assert "does not carry the tag" in _refused(local)


def test_a_role_that_serves_others_is_refused(local: RunningCloud) -> None:
    migratable(local.cloud)
    foreign_role(local.cloud, spec_of(Moving(local).plan()))
    tags = {"managed-by": "dataworks-onboarding", "source:10001:other": "served"}
    local.cloud.state.ram.roles[ROLE].tags.update(tags)
    assert "serves other data sources" in _refused(local)


def test_a_name_that_does_not_exist_is_told(local: RunningCloud) -> None:
    assert _refused(local, "nobody", only=("nobody",)) == "it does not exist"


def test_a_source_without_a_key_is_unchanged(moving: Moving) -> None:
    migration = moving.migrate("odps_first")
    assert endings(migration) == {"odps_first": "unchanged"}


def test_an_owner_that_is_no_user_is_told_and_gets_no_grant(moving: Moving) -> None:
    for file in moving.local.cloud.state.dataworks.files.values():
        file.owner = "299999999999999999"
    plan = moving.plan()
    assert spec_of(plan).grantees.users == ("carol", "erin")
    assert any("299999999999999999" in note for note in source_plan(plan).notes)


# -- all stages ----------------------------------------------------------------------------------------


def test_a_migrated_source_keeps_name_id_and_description_and_holds_no_key(moving: Moving) -> None:
    works = moving.local.cloud.state.dataworks
    before = {(one.id, one.environment, one.description) for one in works.data_sources if one.name == NAME}
    result = result_of(moving)
    assert (result.ending, result.reached) == (Ending.MIGRATED, Stage.CLEAN)
    assert {
        (one.id, one.environment, one.description) for one in works.data_sources if one.name == NAME
    } == before
    role_id = moving.local.cloud.state.ram.roles[ROLE].id
    for content in contents(moving.local.cloud, NAME):
        assert (content["authType"], content["authIdentity"]) == ("RamRole", role_id)
        assert not {"accessId", "accessKey"} & set(content)


def test_it_is_proven_by_canaries_in_each_environment_and_the_next_run(moving: Moving) -> None:
    result = result_of(moving)
    assert result.item is not None
    assert [(proof.environment.name, proof.records_read) for proof in result.item.proofs] == [
        ("DEV", 1),
        ("PROD", 1),
    ]
    assert [(one.task, one.succeeded) for one in result.item.watched] == [("orders_to_ods", True)]
    assert [cell.connected for cell in result.item.cells] == [True] * 4


def test_nothing_temporary_remains(moving: Moving) -> None:
    before = remains(moving.local.cloud)
    moving.migrate()
    after = remains(moving.local.cloud)
    for kind in ("files", "nodes", "folders"):
        assert after[kind] == before[kind]
    assert [one[:5] for one in after["data sources"]] == [one[:5] for one in before["data sources"]]
    assert set(moving.local.cloud.state.ram.roles[ROLE].tags) == {"managed-by", "source:10001:orders"}


def test_a_canary_keeps_its_records_nowhere(moving: Moving) -> None:
    before = copy.deepcopy(moving.local.cloud.state.data.model_dump())
    moving.migrate(stage=Stage.TRIAL)
    assert moving.local.cloud.state.data.model_dump() == before


def test_the_plan_of_the_specification_is_empty_afterwards(moving: Moving) -> None:
    spec = spec_of(moving.plan())
    moving.migrate()
    assert compute_plan(moving.gate, spec, read_facts(moving.gate, spec)).changes == ()


def test_a_second_run_writes_nothing(moving: Moving) -> None:
    moving.migrate()
    before = len(moving.local.cloud.journal.writes)
    assert endings(moving.migrate()) == {}
    assert endings(moving.migrate(NAME)) == {NAME: "unchanged"}
    assert len(moving.local.cloud.journal.writes) == before


@pytest.mark.parametrize("stage", [Stage.PREPARE, Stage.TRIAL, Stage.SWITCH, Stage.WATCH])
def test_after_any_stage_the_next_run_goes_on_and_ends_the_same(moving: Moving, stage: Stage) -> None:
    stopped = result_of(moving, stage=stage)
    assert (stopped.ending, stopped.reached) == (Ending.STOPPED, stage)
    keyed = [bool(content.get("accessId")) for content in contents(moving.local.cloud, NAME)]
    assert keyed == [stage.number < Stage.SWITCH.number] * 2
    assert result_of(moving).ending is Ending.MIGRATED
    runs = [one for one in moving.local.cloud.state.dataworks.dags.values() if one.type != "DAILY"]
    assert len(runs) == 2  # the canaries ran once


@pytest.mark.parametrize("stage", [Stage.INVENTORY, Stage.PROPOSE])
def test_the_reading_stages_write_nothing(moving: Moving, stage: Stage) -> None:
    assert result_of(moving, stage=stage).ending is Ending.STOPPED
    assert not moving.local.cloud.journal.writes


def test_a_writing_task_that_replaces_is_tried_and_writes_the_same_again(local: RunningCloud) -> None:
    legacy_user(local.cloud)
    add_source(local.cloud, NAME, SANDBOX)
    table = local.cloud.state.data.maxcompute["sandbox"].tables["ods_orders"]
    table.partitions["pt=20200101"] = [["1", "ada", "10.50"]]
    reader = odps_reader(partition=["pt=20200101"])
    writer = oss_writer(datasource=NAME, object="export/part", writeSingleObject=True)
    add_task(local.cloud, "export", task(reader, writer), SANDBOX)
    moving = Moving(local, SANDBOX)
    result = result_of(moving, runs=0)
    assert result.ending is Ending.MIGRATED
    assert result.item is not None
    assert [proof.records_written for proof in result.item.proofs] == [1]
    assert local.cloud.state.data.buckets["shop-orders"].objects["export/part"] == "1,ada,10.50\n"


def test_a_writing_task_that_adds_is_not_run_and_the_plan_says_so(local: RunningCloud) -> None:
    legacy_user(local.cloud)
    add_source(local.cloud, NAME, SANDBOX)
    writer = oss_writer(datasource=NAME, writeMode="append")
    add_task(local.cloud, "export", task(odps_reader(), writer), SANDBOX)
    moving = Moving(local, SANDBOX)
    plan = moving.plan()
    assert any("writing is not tried before the switch: export" in one for one in source_plan(plan).notes)
    assert result_of(moving, runs=0).ending is Ending.MIGRATED
    assert not local.cloud.state.dataworks.instances


def test_a_source_that_nothing_uses_is_proven_by_its_connectivity(local: RunningCloud) -> None:
    legacy_user(local.cloud)
    add_source(local.cloud, NAME)
    result = result_of(Moving(local))
    assert (result.ending, result.reason) == (Ending.MIGRATED, "proven by its connectivity")


def test_grants_of_many_roles_are_written_once_a_grantee(local: RunningCloud) -> None:
    names = [f"orders_{number:02d}" for number in range(12)]
    migratable(local.cloud, names, SANDBOX)
    migration = Moving(local, SANDBOX).migrate(stage=Stage.PREPARE)
    assert set(endings(migration).values()) == {"stopped"}
    folded = [one.name for one in local.cloud.state.ram.policies.values() if "-AllowUse-" in one.name]
    assert len(folded) == 3  # carol, dave, erin

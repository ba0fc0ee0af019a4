"""Rows of a file, unused keys, hashes, names, records, copies of tasks, and sessions of a migration."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from cloud.errors import Mismatch, MissingObject, NotOurs
from config.load import parse_spec
from config.personas import Persona
from config.spec import DataSourceSpec
from emulator.server import RunningCloud
from emulator.state import File
from policy import Grant, policy_for
from tasks.migration.canary import copied
from tasks.migration.naming import temporary_name
from tasks.migration.record import Record, read_record
from tasks.migration.result import Ending
from tasks.migration.unused import unused_keys
from tasks.plan import compute_plan
from tasks.workspace import read_facts
from tests.tasks.migrating import (
    GROUP,
    KEY_ID,
    NAME,
    RETAIL,
    SANDBOX,
    Moving,
    add_task,
    endings,
    failing_run,
    migratable,
    reading_task,
    scheduled,
    source_plan,
    spec_of,
)
from tests.tasks.starting_states import foreign_role


@pytest.fixture
def moving(local: RunningCloud) -> Moving:
    """A migration to come."""
    return scheduled(local)


# -- files, keys, records ------------------------------------------------------------------------------


def _row(**changes: Any) -> DataSourceSpec:
    return parse_spec(
        {
            "name": NAME, "workspace": RETAIL, "region": "cn-hangzhou", "type": "oss",
            "location": {"bucket": "shop-orders", "prefix": "orders/"}, "access": "read", "role": {"adopt": True},
            "grantees": {"groups": ["data-platform"], "users": ["carol"]}, "resource_groups": [GROUP], **changes,
        }
    )  # fmt: skip


def test_a_row_is_migrated_as_it_is_written(moving: Moving) -> None:
    spec = _row()
    migration = moving.migrate(specs=[spec])
    assert endings(migration) == {NAME: "migrated"}
    document = moving.local.cloud.state.ram.policies[spec.policy_name].default_version().document
    assert "shop-orders/orders/*" in document
    assert compute_plan(moving.gate, spec, read_facts(moving.gate, spec)).changes == ()


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"access": "write"}, "its tasks need read"),
        ({"environments": ["DEV"]}, "it holds a key in PROD too"),
        (
            {"type": "loghub", "location": {"project": "shop-logs", "logstores": ["access-log"]}},
            "the specification's is loghub",
        ),
    ],
)
def test_a_row_that_does_not_fit_is_refused(moving: Moving, changes: dict[str, Any], why: str) -> None:
    plan = moving.plan(specs=[_row(**changes)])
    refusal = source_plan(plan).refusal
    assert refusal is not None
    assert why in refusal.what


def test_two_rows_of_one_role_are_refused(local: RunningCloud) -> None:
    migratable(local.cloud, ("orders", "returns"))
    specs = [_row(name=name, role={"adopt": True, "name": "Shared"}) for name in ("orders", "returns")]
    plan = Moving(local).plan(specs=specs)
    assert all(isinstance(one.refusal, Mismatch) for one in plan.sources)


def test_unused_keys_are_those_that_no_data_source_and_no_code_names(local: RunningCloud) -> None:
    migratable(local.cloud, ("orders", "returns"))
    moving = Moving(local)
    first = moving.migrate("orders", runs=0)
    items = [one.item for one in first.results.values() if one.item is not None]
    assert unused_keys(moving.gate, items) == ()
    second = moving.migrate("returns", runs=0)
    items += [one.item for one in second.results.values() if one.item is not None]
    (unused,) = unused_keys(moving.gate, items)
    assert (unused.key_id, unused.before) == (KEY_ID, ("orders", "returns"))
    code = json.dumps({"steps": [{"parameter": {"accessId": KEY_ID}}]})
    local.cloud.state.dataworks.files[1] = File(
        id=1,
        workspace=RETAIL,
        name="script",
        type=10,
        folder="Business Flow/shop/MaxCompute",
        content=code,
        owner="x",
    )
    assert unused_keys(moving.gate, items) == ()


def test_the_hash_covers_specifications_cloud_and_changes(moving: Moving) -> None:
    first = moving.plan().whole
    assert moving.plan().whole.hash == first.hash
    specification, cloud, _ = first.hash.split("-")
    assert moving.plan(runs=2).whole.hash.split("-")[0] != specification
    add_task(moving.local.cloud, "more", reading_task(NAME))
    assert moving.plan().whole.hash.split("-")[1] != cloud


@pytest.mark.parametrize("name", ["o", "orders", "x" * 255])
def test_temporary_names_are_valid_and_stable(name: str) -> None:
    twin = temporary_name(RETAIL, name)
    assert len(twin) <= 255
    assert twin == temporary_name(RETAIL, name) != temporary_name(SANDBOX, name)


def test_a_record_survives_its_tags_whatever_its_length() -> None:
    from config.sources.base import Environment

    for count in (0, 3, 30):
        values: dict[str, Any] = {f"key{number}": f"value {number * 7919}" for number in range(count)}
        record = Record({Environment.PROD: {**values, "flag": True, "number": 2}}, 1_800_000_000.0, kept=True)
        tags = record.tags(RETAIL, NAME)
        assert all(len(value) <= 256 for value in tags.values())
        assert read_record({**tags, "managed-by": "x"}, RETAIL, NAME) == record
    assert read_record({"migration:0:10001:orders": "2.broken"}, RETAIL, NAME) is None


def test_a_copy_of_a_task_names_the_twin_everywhere_and_leaves_the_task_as_it_is() -> None:
    content = json.loads(reading_task(NAME))
    content["steps"][0]["parameter"]["connection"] = [{"datasource": NAME, "table": ["a"]}]
    before = copy.deepcopy(content)
    changed = copied(content, NAME, "twin", stream=True)
    assert content == before
    assert NAME not in [
        changed["steps"][0]["parameter"]["datasource"],
        changed["steps"][0]["parameter"]["connection"][0]["datasource"],
    ]
    assert changed["steps"][1] == {
        "stepType": "stream", "category": "writer", "parameter": {"print": False}, "name": "Writer"
    }  # fmt: skip


def test_a_workspace_that_does_not_exist_is_told(local: RunningCloud) -> None:
    with pytest.raises(MissingObject):
        Moving(local, 404).plan()


def test_not_ours_is_a_refusal_not_an_error_of_the_run(local: RunningCloud) -> None:
    migratable(local.cloud, ("orders", "returns"))
    moving = Moving(local)
    foreign_role(local.cloud, spec_of(moving.plan()))
    migration = moving.migrate(runs=0)
    assert endings(migration) == {"orders": "cannot be migrated", "returns": "migrated"}
    assert isinstance(migration.results[RETAIL, "orders"].error, NotOurs)


# -- sessions ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("fails", "ending"), [(False, Ending.MIGRATED), (True, Ending.RESTORED)])
def test_sessions_of_assumed_roles_may_do_what_a_migration_needs_and_fit_their_limit(
    moving: Moving, fails: bool, ending: Ending
) -> None:
    from tests.tasks.personas import assumed_identities, give_personas

    spec = spec_of(moving.plan())
    everything = policy_for([Grant(("*",), ("*",))])
    give_personas(moving.local, spec, dict.fromkeys(Persona, everything))
    if fails:
        failing_run(moving)
    assumed = Moving(moving.local, identities=assumed_identities())
    assert spec_of(assumed.plan()).grantees.roles == ("onboarding-creator", "onboarding-executor")
    migration = assumed.migrate()
    result = migration.results[RETAIL, NAME]
    assert result.ending is ending, (result.reason, str(result.undone))
    items = [result.item] if result.item is not None else []
    assert len(unused_keys(assumed.gate, items)) == (not fails)

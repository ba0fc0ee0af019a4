"""The listings of an audit: what they tell beside what an onboarding asks, and what they keep to themselves."""

from __future__ import annotations

import json

import pytest

from cloud import ram
from cloud.dataworks import data_sources, runs, sync_tasks, workspaces
from cloud.inventory import Inventory
from config.sources.base import Environment
from emulator.state import DataSource, File
from tests.cloud.shop import RETAIL, SOURCE, Shop


def test_listed_roles_and_policies_tell_ids_tags_and_attachments(shop: Shop) -> None:
    inventory = Inventory(shop.gate)
    assert shop.role

    roles = {one.name: one for one in inventory.listed_roles()}
    policies = {one.name: one for one in inventory.listed_policies(ram.CUSTOM)}

    assert roles["OnboardRole"].role_id == shop.role.role_id
    assert policies["OnboardAccess"].attachments == 1
    assert inventory.listed_policies("System")[0].kind == "System"
    assert "alice" in inventory.user_ids().values()
    assert ram.policy_holders(shop.gate, "AliyunRAMFullAccess", "System") == ((ram.Grantee.USER, "alice"),)


def test_a_data_source_in_role_mode_has_an_operator_and_no_key(shop: Shop) -> None:
    assert shop.sources
    found = {
        (one.source.name, one.source.environment): one
        for one in data_sources.inspect_data_sources(shop.gate, RETAIL)
    }

    one = found[SOURCE, Environment.PROD]
    users = shop.local.cloud.state.ram.users
    assert one.operator in {user.id for user in users.values()}
    assert (one.engine, one.access_key, one.key_end) == (False, False, "")
    assert found["odps_first", Environment.PROD].engine


@pytest.mark.parametrize(
    ("kind", "content", "expected"),
    [
        ("oss", {"accessId": "LTAImadeUp1234", "accessKey": "made-up-secret"}, (True, "1234")),
        ("oss", {"accessId": "***", "accessKey": "made-up-secret"}, (True, "")),
        ("oss", {"authType": "RamRole", "authIdentity": "3000"}, (False, "")),
        ("ads", {"username": "LTAImadeUp1234", "password": "made-up-secret"}, (True, "1234")),
        ("mysql", {"username": "reader", "password": "made-up-secret"}, (False, "")),
    ],
)
def test_a_key_is_known_by_the_content_and_not_kept(
    shop: Shop, kind: str, content: dict[str, str], expected: tuple[bool, str]
) -> None:
    source = DataSource(id=1, workspace=RETAIL, name="keyed", type=kind, content=json.dumps(content))
    shop.local.cloud.state.dataworks.data_sources.append(source)

    (found,) = [
        one for one in data_sources.inspect_data_sources(shop.gate, RETAIL) if one.source.name == "keyed"
    ]

    assert (found.access_key, found.key_end) == expected
    assert "made-up-secret" not in repr(found)


def test_the_code_of_every_type_of_file_is_listed_and_not_shown(shop: Shop) -> None:
    assert shop.task
    state = shop.local.cloud.state.dataworks
    state.files[1] = File(
        id=1, workspace=RETAIL, name="note", type=10, folder="Business Flow/x", content="select 1", owner=""
    )

    found = {one.name: one for one in sync_tasks.list_code(shop.gate, RETAIL)}

    assert (found["note"].sync_task, found["note"].code) == (False, "select 1")
    assert found[shop.task.name].sync_task
    assert "select 1" not in repr(found["note"])


def test_nodes_tell_their_owner_and_runs_who_started_them(shop: Shop) -> None:
    started = shop.start("PROD")
    assert started is not None
    ids = {user.id for user in shop.local.cloud.state.ram.users.values()}

    (node,) = sync_tasks.list_nodes(shop.gate, RETAIL, "PROD")
    (run,) = runs.newest_instances(shop.gate, RETAIL, "PROD", 1, program="DI")

    assert {node.owner, run.creator} <= ids
    assert node.scheduled
    assert list(runs.newest_instances(shop.gate, RETAIL, "PROD", 1, program="ODPS_SQL")) == []


def test_workspaces_that_are_not_available_are_not_listed(shop: Shop) -> None:
    assert workspaces.list_workspaces(shop.gate) == (10001, 10002)
    shop.local.cloud.state.dataworks.workspaces[10002].status = 7

    assert workspaces.list_workspaces(shop.gate) == (10001,)

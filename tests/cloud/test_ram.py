"""RAM and STS through the cloud layer: what it makes is what it then reads."""

from __future__ import annotations

import json

import pytest

from cloud import ram, sts
from cloud.inventory import Inventory
from cloud.ram import Grantee
from config.personas import Persona
from emulator.server import RunningCloud
from tests.cloud.gates import ACCOUNT, OTHER_TRUST, TRUST, answer, document, gate_of
from tests.cloud.shop import (
    TAGS,
    Shop,
)


def test_a_role_is_created_read_and_changed_in_place(shop: Shop) -> None:
    assert ram.get_role(shop.gate, "OnboardRole") is None
    role = shop.role
    assert role.arn == f"acs:ram::{ACCOUNT}:role/onboardrole"
    assert json.loads(role.trust_policy) == json.loads(TRUST)
    assert abs(role.updated - shop.gate.clock.now()) < 60
    changed = ram.update_trust_policy(shop.gate, "OnboardRole", OTHER_TRUST)
    assert changed.role_id == role.role_id
    assert "dataworks.aliyuncs.com" in shop.local.cloud.state.ram.roles["OnboardRole"].trust_policy


def test_a_policy_is_changed_by_a_new_version_in_force_and_the_oldest_is_rotated_out(shop: Shop) -> None:
    assert ram.get_policy(shop.gate, "OnboardAccess") is None
    assert shop.role
    for number in range(2, 9):
        changed = ram.update_policy(shop.gate, "OnboardAccess", document(f"oss:Get{number}"))
        assert changed.version == f"v{number}"
    held = shop.local.cloud.state.ram.policies["OnboardAccess"]
    assert len(held.versions) == 5
    assert "oss:Get8" in held.default_version().document


@pytest.mark.parametrize("preserve", [True, False], ids=["as sent", "in the service's own spelling"])
def test_documents_are_compared_by_meaning_when_a_change_is_looked_for(shop: Shop, preserve: bool) -> None:
    shop.local.cloud.settings.preserve_document_text = preserve
    assert shop.role
    ram.update_trust_policy(shop.gate, "OnboardRole", OTHER_TRUST)
    ram.update_policy(shop.gate, "OnboardAccess", document("oss:PutObject"))
    writes = [entry.action for entry in shop.local.cloud.journal.writes]
    assert (writes.count("UpdateRole"), writes.count("CreatePolicyVersion")) == (1, 1)


def test_a_percent_encoded_document_is_read_as_text(shop: Shop) -> None:
    role = {
        "RoleName": "R",
        "RoleId": "3",
        "Arn": "acs:ram::1:role/r",
        "AssumeRolePolicyDocument": "%7B%22a%22%3A1%7D",
    }
    answer(shop.local, "GetRole", {"RequestId": "X", "Role": role})
    found = ram.get_role(shop.gate, "R")
    assert found is not None
    assert (found.trust_policy, found.updated, found.description) == ('{"a":1}', 0.0, "")


@pytest.mark.parametrize(
    ("kind", "name"),
    [(Grantee.USER, "carol"), (Grantee.GROUP, "data-platform"), (Grantee.ROLE, "OnboardRole")],
)
def test_a_custom_policy_is_attached_and_listed_without_the_system_policies(
    shop: Shop, kind: Grantee, name: str
) -> None:
    assert shop.role
    ram.create_policy(shop.gate, "Grant", document("ram:PassRole"), "", {})
    attached = ram.attach_policy(shop.gate, kind, name, "Grant")
    assert abs(attached.attached - shop.gate.clock.now()) < 60
    listed = ram.attached_policies(shop.gate, kind, name)
    assert listed is not None
    assert "Grant" in listed
    assert "AliyunDataWorksFullAccess" not in listed


def test_what_does_not_exist_in_ram_is_none_or_empty(local: RunningCloud) -> None:
    gate = gate_of(local)
    assert ram.attached_policies(gate, Grantee.USER, "nobody") is None
    assert ram.group_members(gate, "nobody") == ()
    assert Inventory(gate).attached(Grantee.USER, "nobody") is None
    assert Inventory(gate).groups_of("nobody") == ()
    assert not ram.user_exists(gate, "nobody")
    assert not ram.group_exists(gate, "nobody")


def test_an_inventory_reads_documents_of_custom_and_system_policies_once(shop: Shop) -> None:
    assert shop.role
    inventory = Inventory(shop.gate)
    for _ in range(2):
        (custom,) = inventory.attached(Grantee.ROLE, "OnboardRole") or ()
        (system,) = inventory.attached(Grantee.USER, "carol") or ()
    assert (custom.policy, custom.kind, system.kind) == ("OnboardAccess", "Custom", "System")
    assert json.loads(custom.document or "") == json.loads(document("oss:Get*", "oss:List*"))
    assert "dataworks" in (system.document or "")
    reads = [entry for entry in shop.local.cloud.journal.entries if entry.action == "GetPolicy"]
    assert [entry.object for entry in reads].count("AliyunDataWorksFullAccess") == 1


def test_an_inventory_names_everything_on_all_pages(shop: Shop) -> None:
    assert shop.role
    ram_state = shop.local.cloud.state.ram
    for number in range(120):
        name = f"user{number}"
        ram_state.users[name] = ram_state.users["carol"].model_copy(
            update={"name": name, "id": f"29{number}"}
        )
    inventory = Inventory(shop.gate)
    assert set(inventory.users()) == set(ram_state.users)
    assert set(inventory.groups()) == set(ram_state.groups)
    assert set(inventory.roles()) == set(ram_state.roles)
    assert inventory.custom_policies() == ("OnboardAccess",)


def test_what_may_not_be_read_is_not_taken_for_absent(local: RunningCloud) -> None:
    inventory = Inventory(gate_of(local, "mallory"))
    assert inventory.attached(Grantee.USER, "carol") is None
    assert inventory.groups_of("carol") is None


def test_people_and_their_groups_are_found(local: RunningCloud) -> None:
    gate = gate_of(local)
    assert set(ram.group_members(gate, "data-platform")) == {"dave", "erin"}
    assert Inventory(gate).groups_of("dave") == ("data-platform",)
    assert ram.user_exists(gate, "dave")
    assert ram.group_exists(gate, "data-platform")


@pytest.mark.parametrize(("resource", "name"), [("role", "OnboardRole"), ("policy", "OnboardAccess")])
def test_tags_are_added_and_those_of_other_keys_stay(shop: Shop, resource: str, name: str) -> None:
    assert shop.role
    assert ram.add_tags(shop.gate, resource, name, {"team": "shop"}) == {**TAGS, "team": "shop"}
    assert ram.tags_of(shop.gate, resource, name) == {**TAGS, "team": "shop"}


@pytest.mark.parametrize(("persona", "user"), [(Persona.ADMINISTRATOR, "alice"), (Persona.EXECUTOR, "root")])
def test_the_caller_behind_a_persona_is_named(local: RunningCloud, persona: Persona, user: str) -> None:
    gate = gate_of(local, user)
    assert gate.caller_name(persona) == ""
    identity = sts.caller_identity(gate, persona)
    assert (identity.account_id, identity.name, gate.caller_name(persona)) == (ACCOUNT, user, user)

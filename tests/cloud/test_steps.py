"""The functions of the cloud layer against the local cloud: what they make is what they then read."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

import cloud
from cloud import ram, sts
from cloud.clients import request_model, sdk_method
from cloud.dataworks import data_sources, runs, sync_tasks, workspaces
from cloud.errors import OutcomeUnknown
from cloud.inventory import Inventory
from cloud.ram import Grantee
from config.limits import DATAWORKS, RAM, STS
from config.personas import Persona
from config.sources.base import Environment
from emulator.server import RunningCloud
from tests.cloud.gates import ACCOUNT, TRUST, answer, document, gate_of
from tests.cloud.roles import assuming, operator_role
from tests.cloud.shop import (
    DEAF_GROUP,
    FOLDER,
    GROUP,
    OTHER_GROUP,
    RETAIL,
    RUN,
    SOURCE,
    TAGS,
    TASK,
    WORKFLOW,
    Shop,
    task_content,
)

OTHER_TRUST = (
    TRUST.replace('"Version": "1",', "").replace("]}}]}", ']}}], "Version": "1"}').replace("di.", "")
)


@pytest.fixture
def shop(local: RunningCloud) -> Shop:
    """A shop in which nothing is made yet."""
    return Shop(local)


# -- RAM -----------------------------------------------------------------------------------------------


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


# -- DataWorks -----------------------------------------------------------------------------------------


def test_a_workspace_tells_its_environments(local: RunningCloud) -> None:
    gate = gate_of(local)
    retail, sandbox = (workspaces.get_workspace(gate, number) for number in (10001, 10002))
    assert retail is not None
    assert sandbox is not None
    assert (retail.identifier, retail.standard, retail.available) == ("retail", True, True)
    assert retail.environments == (Environment.DEV, Environment.PROD)
    assert (sandbox.standard, sandbox.environments) == (False, (Environment.PROD,))
    assert workspaces.get_workspace(gate, 99) is None


def test_a_workspace_that_is_not_available_says_so(local: RunningCloud) -> None:
    local.cloud.state.dataworks.workspaces[10001].status = 4
    found = workspaces.get_workspace(gate_of(local), 10001)
    assert found is not None
    assert not found.available


def test_only_data_integration_groups_are_listed(local: RunningCloud) -> None:
    assert set(workspaces.data_integration_groups(gate_of(local))) == {GROUP, OTHER_GROUP, DEAF_GROUP}


def test_a_data_source_is_found_by_its_exact_name_and_environment(shop: Shop) -> None:
    assert data_sources.find_data_source(shop.gate, RETAIL, SOURCE, Environment.DEV) is None
    development, production = shop.sources
    assert development.id != production.id
    assert (development.environment, production.environment) == (Environment.DEV, Environment.PROD)
    assert production.role_id == shop.role.role_id
    assert production.content == shop.content
    # The service's own filter matches by containing.
    assert data_sources.find_data_source(shop.gate, RETAIL, "oss", Environment.DEV) is None


def test_secrets_of_a_foreign_data_source_are_not_read(shop: Shop) -> None:
    content = {"accessId": "AK", "accessKey": "SK", "password": "PW", "bucket": "b"}
    item = {
        "Id": 1, "Name": SOURCE, "DataSourceType": "oss", "EnvType": 1, "Content": json.dumps(content),
    }  # fmt: skip
    data = {"TotalCount": 1, "DataSources": [item]}
    answer(shop.local, "ListDataSources", {"RequestId": "X", "Success": True, "Data": data})
    found = data_sources.find_data_source(shop.gate, RETAIL, SOURCE, Environment.PROD)
    assert found is not None
    assert found.content == {"accessId": "AK", "bucket": "b"}
    assert found.role_id is None


@pytest.mark.parametrize("text", ["******", "[1]", ""])
def test_a_content_that_cannot_be_read_counts_as_different(shop: Shop, text: str) -> None:
    item = {"Id": 1, "Name": SOURCE, "DataSourceType": "oss", "EnvType": 1, "Content": text}
    data = {"TotalCount": 1, "DataSources": [item]}
    answer(shop.local, "ListDataSources", {"RequestId": "X", "Success": True, "Data": data})
    found = data_sources.find_data_source(shop.gate, RETAIL, SOURCE, Environment.PROD)
    assert found is not None
    assert found.content == {}


def test_a_data_source_is_changed(shop: Shop) -> None:
    production = shop.sources[1]
    content = {**shop.content, "endpoint": "http://oss-cn-hangzhou.aliyuncs.com"}
    changed = data_sources.update_data_source(shop.gate, RETAIL, production, content, "another description")
    assert (changed.id, changed.content, changed.description) == (
        production.id,
        content,
        "another description",
    )


def test_a_change_of_the_description_alone_is_seen(shop: Shop) -> None:
    changed = data_sources.update_data_source(shop.gate, RETAIL, shop.sources[1], shop.content, "new")
    assert changed.description == "new"


def test_connectivity_is_a_result_for_each_resource_group(shop: Shop) -> None:
    assert shop.sources
    good = data_sources.check_connection(shop.gate, RETAIL, SOURCE, Environment.PROD, GROUP)
    bad = data_sources.check_connection(shop.gate, RETAIL, SOURCE, Environment.PROD, DEAF_GROUP)
    assert (good.connected, bad.connected) == (True, False)
    assert bad.message


def test_a_list_is_read_to_its_last_page(shop: Shop) -> None:
    held = shop.local.cloud.state.dataworks.data_sources
    model = held[0]
    for number in range(205):
        held.append(
            model.model_copy(update={"id": 900_000 + number, "name": f"oss_src_{number}", "environment": 1})
        )
    held.append(model.model_copy(update={"id": 999_999, "name": "oss_src", "environment": 1}))
    found = data_sources.find_data_source(shop.gate, RETAIL, "oss_src", Environment.PROD)
    assert found is not None
    assert found.id == 999_999
    pages = [entry for entry in shop.local.cloud.journal.entries if entry.action == "ListDataSources"]
    assert len(pages) == 3


@pytest.mark.parametrize("as_http_errors", [True, False], ids=["HTTP 400", "Success: false"])
def test_what_does_not_exist_in_the_workspace_is_false_or_none(shop: Shop, as_http_errors: bool) -> None:
    shop.local.cloud.settings.ide_refusals_are_http_errors = as_http_errors
    assert not sync_tasks.workflow_exists(shop.gate, RETAIL, WORKFLOW)
    assert not sync_tasks.folder_exists(shop.gate, RETAIL, FOLDER)
    assert shop.folder
    assert sync_tasks.find_sync_task(shop.gate, RETAIL, FOLDER, TASK) is None
    assert sync_tasks.node_version(shop.gate, 7, "PROD") is None
    assert runs.dag_name(shop.gate, 7, "PROD") == ""


def test_a_workflow_is_found_by_its_exact_name(shop: Shop) -> None:
    assert shop.folder
    assert sync_tasks.workflow_exists(shop.gate, RETAIL, WORKFLOW)
    assert not sync_tasks.workflow_exists(shop.gate, RETAIL, WORKFLOW[:4])  # Keyword matches by containing
    assert sync_tasks.folder_exists(shop.gate, RETAIL, FOLDER)


def test_a_sync_task_goes_all_the_way_to_production(shop: Shop) -> None:
    assert (shop.task.node, shop.task.committed) == (0, False)
    assert shop.scheduled.scheduling["CronExpress"] == "00 30 05 * * ?"
    submitted = shop.submitted
    assert submitted.committed
    assert sync_tasks.node_version(shop.gate, submitted.node, "DEV") == submitted.version
    assert sync_tasks.node_version(shop.gate, submitted.node, "PROD") is None
    deployed = shop.deployed
    assert sync_tasks.node_version(shop.gate, deployed.node, "PROD") == deployed.version
    package = sync_tasks.recent_deployment(shop.gate, RETAIL, deployed, to_environment=2)
    assert package is not None
    assert package.succeeded


@pytest.mark.parametrize("setting", ["deployment_error", "deployment_check_fails"])
def test_a_package_that_fails_is_not_running_and_not_succeeded(shop: Shop, setting: str) -> None:
    assert shop.scheduled
    failing = {"deployment_error": "no room", "deployment_check_fails": True}[setting]
    setattr(shop.local.cloud.settings, setting, failing)
    identifier = shop.gate.write(
        DATAWORKS, "SubmitFile", {"ProjectId": RETAIL, "FileId": shop.task.file}, persona=Persona.DEVELOPER
    )["Data"]
    package = shop.wait(identifier)
    assert not package.succeeded
    assert package.check_failed is (setting == "deployment_check_fails")
    assert package.error == ("no room" if setting == "deployment_error" else "")


def test_content_and_resource_group_of_a_sync_task_are_changed(shop: Shop) -> None:
    changed = sync_tasks.update_sync_task(shop.gate, RETAIL, shop.task, task_content("5"), OTHER_GROUP)
    assert sync_tasks.same_json(changed.content, task_content("5"))
    assert shop.local.cloud.state.dataworks.files[shop.task.file].di_resource_group == OTHER_GROUP


@pytest.mark.parametrize("environment", ["DEV", "PROD"])
def test_a_run_is_started_found_again_and_proven_by_its_instance(shop: Shop, environment: str) -> None:
    started = shop.start(environment)
    assert started is not None
    ended = shop.finished(started, environment)
    assert ended.succeeded, runs.instance_log(shop.gate, ended.id, environment)
    assert ended.began_running_ms
    assert "5" in runs.instance_log(shop.gate, ended.id, environment)
    found = runs.find_run(shop.gate, RETAIL, environment, shop.deployed.node, RUN)
    assert found is not None
    assert found.id == ended.id
    assert runs.find_run(shop.gate, RETAIL, environment, shop.deployed.node, f"{RUN}-other") is None
    assert [one.id for one in runs.list_instances(shop.gate, RETAIL, environment, dag=ended.dag)] == [
        ended.id
    ]


def test_an_edition_without_backfill_runs_production_by_a_smoke_test(shop: Shop) -> None:
    assert shop.deployed
    shop.local.cloud.settings.backfill_needs_edition = True
    shop.local.cloud.settings.backfill_editions = ()
    started = shop.start("PROD")
    assert started is not None
    assert (started.dag_type, shop.finished(started, "PROD").succeeded) == ("SMOKE_TEST", True)


def test_a_run_that_no_list_shows_yet_is_started_once(shop: Shop) -> None:
    assert shop.deployed
    shop.local.cloud.settings.instance_list_empty_polls = 50
    assert shop.start("DEV") is None
    assert len(shop.local.cloud.state.dataworks.dags) == 1


def test_a_finished_instance_is_run_again_under_the_same_id(shop: Shop) -> None:
    started = shop.start("PROD")
    assert started is not None
    ended = shop.finished(started, "PROD")
    again = runs.restart_instance(shop.gate, ended, "PROD")
    assert (again.id, again.finished) == (ended.id, False)
    assert shop.local.cloud.state.dataworks.instances[ended.id].reruns == 1


def test_a_change_that_no_read_shows_is_not_called_done(shop: Shop) -> None:
    with pytest.raises(
        OutcomeUnknown, match="sync task orders: the change was accepted but cannot be seen yet"
    ):
        sync_tasks.update_file(shop.gate, RETAIL, shop.task, {"AutoRerunTimes": 3}, lambda _: False)
    assert [one.action for one in shop.local.cloud.journal.writes].count("UpdateFile") == 1


# -- the calls themselves ------------------------------------------------------------------------------


def _texts() -> set[str]:
    """Every text of the cloud layer's code; texts with a grantee's kind in them for every kind."""
    found: set[str] = set()
    for path in Path(cloud.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.add(node.value)
            if isinstance(node, ast.JoinedStr) and isinstance(node.values[0], ast.Constant):
                found.update(f"{node.values[0].value!s}{kind.value}" for kind in Grantee)
    return found


def _actions() -> set[tuple[str, str]]:
    """The actions of the SDK that the cloud layer names."""
    from alibabacloud_dataworks_public20200518.client import Client as DataWorks
    from alibabacloud_ram20150501.client import Client as Ram
    from alibabacloud_sts20150401.client import Client as Sts

    clients = {RAM: Ram, STS: Sts, DATAWORKS: DataWorks}
    return {
        (product, text)
        for text in _texts()
        if text.isalpha()
        for product, client in clients.items()
        if text[0].isupper() and hasattr(client, sdk_method(text))
    }


def test_every_action_the_cloud_layer_names_is_called_with_parameters_the_sdk_has(shop: Shop) -> None:
    """A wrong parameter name raises ProgrammingError, so it is enough that every action is really called."""
    gate = shop.gate
    sts.caller_identity(gate, Persona.ADMINISTRATOR)
    ram.user_exists(gate, "carol")
    ram.group_exists(gate, "data-platform")
    ram.group_members(gate, "data-platform")
    inventory = Inventory(gate)
    inventory.groups_of("dave")
    for listing in (inventory.users, inventory.groups, inventory.roles, inventory.custom_policies):
        listing()
    assert shop.role
    ram.update_trust_policy(gate, "OnboardRole", OTHER_TRUST)
    ram.update_trust_policy(gate, "OnboardRole", TRUST)
    ram.update_policy(gate, "OnboardAccess", document("oss:*"))
    ram.add_tags(gate, "role", "OnboardRole", {"team": "shop"})
    ram.create_policy(gate, "Grant", document("ram:PassRole"), "", {})
    ram.attach_policy(gate, Grantee.USER, "carol", "Grant")
    ram.attach_policy(gate, Grantee.GROUP, "data-platform", "Grant")
    workspaces.get_workspace(gate, RETAIL)
    workspaces.data_integration_groups(gate)
    workspaces.member_roles(gate, RETAIL)
    data_sources.update_data_source(gate, RETAIL, shop.sources[0], shop.content, "new")
    data_sources.check_connection(gate, RETAIL, SOURCE, Environment.PROD, GROUP)
    sync_tasks.update_sync_task(gate, RETAIL, shop.task, task_content("5"), GROUP)
    sync_tasks.node_version(gate, shop.deployed.node, "PROD")
    sync_tasks.recent_deployment(gate, RETAIL, shop.deployed, 2)
    for environment in ("DEV", "PROD"):
        started = shop.start(environment)
        assert started is not None
        ended = shop.finished(started, environment)
        runs.instance_log(gate, ended.id, environment)
    runs.restart_instance(gate, ended, "PROD")
    sessions = assuming(shop.local, operator_role(shop.local))
    sts.caller_identity(sessions, Persona.ADMINISTRATOR)
    called = {tuple(action.split(":")) for action in (*gate.journal.counts, *sessions.journal.counts)}
    named = _actions()
    assert called == named
    assert len(named) > 35


def test_every_named_action_has_its_method_and_its_request_in_the_sdk() -> None:
    assert sdk_method("CreateDISyncTask") == "create_disync_task_with_options"
    without_parameters = {action for product, action in _actions() if request_model(product, action) is None}
    assert without_parameters == {"GetCallerIdentity"}

"""Every action the cloud layer names is one of the SDK's, with parameters the SDK has."""

from __future__ import annotations

import ast
from pathlib import Path

import cloud
from cloud import ram, ram_removal, sts
from cloud.clients import request_model, sdk_method
from cloud.dataworks import data_sources, deployments, runs, sync_tasks, undeploying, workflows, workspaces
from cloud.inventory import Inventory
from cloud.ram import Grantee
from config.limits import DATAWORKS, RAM, STS
from config.personas import Persona
from config.sources.base import Environment
from tests.cloud.gates import OTHER_TRUST, TRUST, document
from tests.cloud.roles import assuming, operator_role
from tests.cloud.shop import (
    GROUP,
    LAYER,
    RETAIL,
    RUN,
    SOURCE,
    TASK,
    WORKFLOW,
    Shop,
    task_content,
)

# Keys of answers that are called like an action of another product: who started an instance.
_ANSWERS = {(RAM, "CreateUser")}


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
    return _ANSWERS ^ {
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
    assert set(ram.policy_holders(gate, "Grant")) == {
        (Grantee.USER, "carol"),
        (Grantee.GROUP, "data-platform"),
    }
    assert ram.policy_versions(gate, "OnboardAccess") == 2
    assert RETAIL in workspaces.list_workspaces(gate)
    workspaces.get_workspace(gate, RETAIL)
    workspaces.data_integration_groups(gate)
    workspaces.member_roles(gate, RETAIL)
    data_sources.update_data_source(gate, RETAIL, shop.sources[0], shop.content, "new")
    data_sources.check_connection(gate, RETAIL, SOURCE, Environment.PROD, GROUP)
    sync_tasks.update_sync_task(gate, RETAIL, shop.task, task_content("5"), GROUP)
    sync_tasks.node_version(gate, shop.deployed.node, "PROD")
    deployments.recent_deployment(gate, RETAIL, shop.deployed, 2)
    for environment in ("DEV", "PROD"):
        started = shop.start(environment)
        assert started is not None
        ended = shop.finished(started, environment)
        runs.instance_log(gate, ended.id, environment)
        assert runs.find_run(gate, RETAIL, environment, ended.node, RUN) == ended
    runs.restart_instance(gate, ended, "PROD")
    assert [one.file for one in sync_tasks.list_files(gate, RETAIL)] == [shop.task.file]
    assert [one.node for one in sync_tasks.list_nodes(gate, RETAIL, "PROD")] == [shop.deployed.node]
    _take_everything_away(shop)
    sessions = assuming(shop.local, operator_role(shop.local))
    sts.caller_identity(sessions, Persona.ADMINISTRATOR)
    called = {tuple(action.split(":")) for action in (*gate.journal.counts, *sessions.journal.counts)}
    named = _actions()
    assert called == named
    assert len(named) > 35


def _take_everything_away(shop: Shop) -> None:
    gate, task = shop.gate, shop.deployed
    sync_tasks.update_sync_task(gate, RETAIL, task, task_content("9"), GROUP)
    assert SOURCE in undeploying.deployed_references(gate, RETAIL, ("PROD",))
    assert [one.name for one in undeploying.references_to(gate, RETAIL, SOURCE)] == [TASK]
    assert [one.node for one in undeploying.nodes_named(gate, RETAIL, "PROD", TASK)] == [task.node]
    undeploying.offline_node(gate, RETAIL, task.node, TASK)
    undeploying.delete_file(gate, RETAIL, task)
    assert undeploying.newest_package(gate, RETAIL, task.file, TASK) is not None
    assert undeploying.deleted_description(gate, RETAIL, task.file) == ""
    for source in shop.sources:
        data_sources.delete_data_source(gate, RETAIL, source)
    workflow = workflows.find_workflow(gate, RETAIL, WORKFLOW)
    assert workflow is not None
    assert workflows.files_of_workflow(gate, RETAIL, workflow.id) == ()
    for folder in workflows.folders_below(gate, RETAIL, LAYER):
        workflows.delete_folder(gate, RETAIL, folder)
    workflows.delete_workflow(gate, RETAIL, workflow)
    ram_removal.remove_tags(gate, "role", "OnboardRole", ("team",))
    for kind, name in ((Grantee.USER, "carol"), (Grantee.GROUP, "data-platform")):
        ram_removal.detach_policy(gate, kind, name, "Grant")
    ram_removal.detach_policy(gate, Grantee.ROLE, "OnboardRole", "OnboardAccess")
    ram_removal.delete_policy(gate, "OnboardAccess")
    ram_removal.delete_role(gate, "OnboardRole")


def test_every_named_action_has_its_method_and_its_request_in_the_sdk() -> None:
    assert sdk_method("CreateDISyncTask") == "create_disync_task_with_options"
    without_parameters = {action for product, action in _actions() if request_model(product, action) is None}
    assert without_parameters == {"GetCallerIdentity"}

"""A whole apply, step by step: what the cloud holds afterwards, and what a second one does."""

from __future__ import annotations

import json
from typing import Any

from config.personas import Persona
from config.scheduler import last_business_date
from config.sources.base import Environment
from emulator.server import RunningCloud
from policy import PolicyKind, equivalent, parse_policy
from tasks.outcome import Outcome
from tests.tasks.onboarding import (
    ALLOW_USE,
    FULL_APPLY_WRITES,
    POLICY,
    ROLE,
    Onboarding,
    example,
    outline,
    sandbox_example,
    writing_example,
)

ACCOUNT = "1234567890123456"
TAGS = {"managed-by": "dataworks-onboarding", "source:10001:oss_orders": "served"}
YESTERDAY = f"{last_business_date():%Y%m%d}"
ROWS = [
    ["1", "ada", "10.50"],
    ["2", "grace", "20.00"],
    ["3", "edsger", "7.25"],
    ["4", "barbara", "99.90"],
    ["5", "donald", "3.14"],
]


def _means(text: str, wanted: dict[str, Any], kind: PolicyKind = PolicyKind.IDENTITY) -> bool:
    return equivalent(parse_policy(text, kind), parse_policy(json.dumps(wanted), kind))


def _rows(local: RunningCloud, project: str) -> list[list[str | None]]:
    table = local.cloud.state.data.maxcompute[project].tables["ods_orders"]
    return table.partitions.get(f"pt={YESTERDAY}", [])


def test_a_first_apply_creates_every_step_with_exactly_these_writes(local: RunningCloud) -> None:
    onboarding = Onboarding(local)
    assert set(onboarding.apply().outcomes) == {Outcome.CREATED}
    assert onboarding.writes == list(FULL_APPLY_WRITES)


def test_each_write_is_made_by_the_persona_whose_step_it_is(local: RunningCloud) -> None:
    Onboarding(local).apply()
    callers = {entry.action: entry.caller for entry in local.cloud.journal.writes}
    assert {callers[action] for action in callers if "Policy" in action or "Role" in action} == {"alice"}
    assert callers["CreateDataSource"] == "carol"
    assert {callers[name] for name in ("CreateDISyncTask", "UpdateFile", "SubmitFile", "DeployFile")} == {
        "dave"
    }
    assert {callers["RunSmokeTest"], callers["RunCycleDagNodes"]} == {"erin"}


def test_the_role_trusts_data_integration_only_and_carries_policy_and_tags(local: RunningCloud) -> None:
    Onboarding(local).apply()
    role = local.cloud.state.ram.roles[ROLE]
    trust = {
        "Version": "1",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "sts:AssumeRole",
                "Principal": {"Service": ["di.dataworks.aliyuncs.com"]},
            }
        ],
    }
    assert _means(role.trust_policy, trust, PolicyKind.TRUST)
    assert [(one.policy, one.type) for one in role.attachments] == [(POLICY, "Custom")]
    assert role.tags == TAGS


def test_the_access_policy_allows_what_the_engine_calls_inside_the_prefix_and_no_more(
    local: RunningCloud,
) -> None:
    Onboarding(local).apply()
    policy = local.cloud.state.ram.policies[POLICY]
    document = parse_policy(policy.default_version().document, PolicyKind.IDENTITY)
    allowed = {
        (action, resource)
        for one in document.statements
        for action in one.actions
        for resource in one.resources
    }
    assert document.statements
    assert allowed == {
        ("oss:ListObjects", "acs:oss:*:*:shop-orders"),
        ("oss:GetBucketAcl", "acs:oss:*:*:shop-orders"),
        ("oss:GetBucketInfo", "acs:oss:*:*:shop-orders"),
        ("oss:GetObject", "acs:oss:*:*:shop-orders/orders/*"),
    }
    assert policy.tags == TAGS
    assert len(policy.versions) == 1


def test_the_grant_lets_the_grantees_pass_this_role_to_the_services_and_nobody_else(
    local: RunningCloud,
) -> None:
    Onboarding(local).apply()
    ram = local.cloud.state.ram
    wanted = {
        "Version": "1",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "ram:PassRole",
                "Resource": [f"acs:ram::{ACCOUNT}:role/{ROLE.lower()}", f"acs:ram::{ACCOUNT}:role/{ROLE}"],
                "Condition": {
                    "StringEquals": {"acs:Service": ["oss.aliyuncs.com", "di.dataworks.aliyuncs.com"]}
                },
            }
        ],
    }
    assert _means(ram.policies[ALLOW_USE].default_version().document, wanted)
    assert ram.policies[ALLOW_USE].tags == TAGS
    holders = {
        one.name
        for one in (*ram.users.values(), *ram.groups.values(), *ram.roles.values())
        if ALLOW_USE in {attachment.policy for attachment in one.attachments}
    }
    assert holders == {"carol", "data-platform"}


def test_the_data_source_is_in_role_mode_with_the_numeric_role_id_in_both_environments(
    local: RunningCloud,
) -> None:
    Onboarding(local).apply()
    state = local.cloud.state
    made = [source for source in state.dataworks.data_sources if source.name == "oss_orders"]
    assert sorted(source.environment for source in made) == [0, 1]
    role_id = state.ram.roles[ROLE].id
    assert role_id.isdigit()
    for source in made:
        assert (source.workspace, source.type) == (10001, "oss")
        assert source.description == "Orders of the shop, read from OSS"
        content = json.loads(source.content)
        assert content["authType"] == "RamRole"
        assert content["authIdentity"] == role_id
        assert content["bucket"] == "shop-orders"
        assert content["endpoint"] == "http://oss-cn-hangzhou-internal.aliyuncs.com"
        assert not {"accessId", "accessKey", "accessKeySecret"} & set(content)


def test_the_file_holds_content_scheduling_and_mark_and_is_deployed_to_both_environments(
    local: RunningCloud,
) -> None:
    spec = example()
    Onboarding(local, spec).apply()
    works = local.cloud.state.dataworks
    (file,) = works.files.values()
    assert (file.name, file.folder) == ("oss_orders_to_ods", "Business Flow/onboarding/Data Integration")
    assert json.loads(file.content) == spec.task_content()
    assert file.description.startswith("Managed by dataworks-onboarding.")
    assert file.di_resource_group == "S_res_group_1001_1"
    scheduling = file.scheduling
    assert (scheduling.cycle_type, scheduling.cron) == ("DAY", "00 30 05 * * ?")
    assert (scheduling.parameters, scheduling.inputs) == ("bizdate=$bizdate", ["retail_root"])
    assert (scheduling.scheduler_type, scheduling.stop) == ("NORMAL", False)
    assert sorted(node.environment for node in works.nodes) == ["DEV", "PROD"]
    for node in works.nodes:
        assert (node.file_version, json.loads(node.content)) == (file.version, spec.task_content())


def test_each_run_has_read_and_written_the_rows_that_now_lie_in_its_environment(local: RunningCloud) -> None:
    applied = Onboarding(local).apply()
    assert _rows(local, "retail_dev") == ROWS
    assert _rows(local, "retail") == ROWS
    assert set(applied.proofs) == {Environment.DEV, Environment.PROD}
    for proof in applied.proofs.values():
        assert (proof.records_read, proof.records_written) == (len(ROWS), len(ROWS))
    instances = local.cloud.state.dataworks.instances.values()
    assert sorted((one.environment, one.status, one.task_type) for one in instances) == [
        ("DEV", "SUCCESS", "NORMAL"),
        ("PROD", "SUCCESS", "NORMAL"),
    ]


def test_a_basic_workspace_gets_production_only(local: RunningCloud) -> None:
    applied = Onboarding(local, sandbox_example()).apply()
    assert set(applied.outcomes) == {Outcome.CREATED}
    works = local.cloud.state.dataworks
    assert [one.environment for one in works.data_sources if one.name == "oss_orders"] == [1]
    assert [node.environment for node in works.nodes] == ["PROD"]
    assert list(applied.proofs) == [Environment.PROD]
    assert _rows(local, "sandbox") == ROWS
    assert "DeployFile" not in [entry.action for entry in local.cloud.journal.writes]


def test_without_a_sync_task_the_data_source_is_all(local: RunningCloud) -> None:
    onboarding = Onboarding(local, example(sync_task=None))
    applied = onboarding.apply()
    assert len(applied.sources) == 2
    assert onboarding.writes[-1] == "CreateDataSource"
    assert not local.cloud.state.dataworks.files


def test_run_false_deploys_and_runs_nothing(local: RunningCloud) -> None:
    onboarding = Onboarding(local, example(sync_task__run=False))
    onboarding.apply()
    assert onboarding.writes[-1] == "DeployFile"
    assert not local.cloud.state.dataworks.instances


def test_without_a_schedule_the_node_is_frozen_and_yet_proven(local: RunningCloud) -> None:
    applied = Onboarding(local, example(sync_task__schedule=None)).apply()
    (file,) = local.cloud.state.dataworks.files.values()
    assert file.scheduling.stop is True
    assert [proof.records_written for proof in applied.proofs.values()] == [5, 5]


def test_write_access_exports_the_rows_as_objects_under_the_prefix(local: RunningCloud) -> None:
    for project in ("retail", "retail_dev"):
        table = local.cloud.state.data.maxcompute[project].tables["ods_orders"]
        table.partitions[f"pt={YESTERDAY}"] = [list(row) for row in ROWS]
    applied = Onboarding(local, writing_example()).apply()
    assert [proof.records_written for proof in applied.proofs.values()] == [5, 5]
    objects = local.cloud.state.data.buckets["shop-orders"].objects
    written = {name: text for name, text in objects.items() if name.startswith(f"export/dt={YESTERDAY}/part")}
    assert written
    for row in ROWS:
        assert any(",".join(row) in text for text in written.values())


def test_a_second_apply_writes_nothing_and_finds_everything_unchanged(local: RunningCloud) -> None:
    onboarding = Onboarding(local)
    onboarding.apply()
    before = outline(local.cloud)
    local.cloud.journal.clear()
    again = Onboarding(local).apply()
    assert local.cloud.journal.writes == ()
    assert set(again.outcomes) == {Outcome.UNCHANGED}
    assert outline(local.cloud) == before


def test_a_second_apply_writes_nothing_for_every_shape_of_specification(local: RunningCloud) -> None:
    for spec in (
        sandbox_example(),
        example(name="oss_bare", sync_task=None),
        example(name="oss_no_run", sync_task__name="no_run", sync_task__run=False),
        example(name="oss_no_schedule", sync_task__name="no_schedule", sync_task__schedule=None),
        example(name="oss_retry", sync_task__name="retry", sync_task__schedule={
            "cron": "00 15 03 * * ?", "parameters": {"bizdate": "$bizdate"}, "auto_rerun_times": 2,
            "auto_rerun_interval": 180,
        }),
        example(name="oss_dev", environments=["DEV"], sync_task=None),
        example(name="oss_vendor", permissions="vendor", access="read_write", sync_task__name="vendor"),
        example(name="oss_folder", sync_task__name="deep", sync_task__folder="Business Flow/deep/Data Integration/a/b"),
        example(name="oss_owner", sync_task__name="owned", sync_task__owner=local.cloud.state.ram.users["carol"].id,
                sync_task__scheduling_resource_group="S_res_group_1001_9"),
    ):  # fmt: skip
        Onboarding(local, spec).apply()
        assert Onboarding(local, spec).writes_of_apply() == [], spec.name


def test_the_personas_are_told_apart_in_the_facts(local: RunningCloud) -> None:
    facts = Onboarding(local).facts()
    assert facts.callers == {
        Persona.ADMINISTRATOR.value: "alice",
        Persona.CREATOR.value: "carol",
        Persona.DEVELOPER.value: "dave",
        Persona.EXECUTOR.value: "erin",
    }
    assert facts.account_id == ACCOUNT

"""What the cloud refuses, who can fix it and how; and what is waited for because it may not be effective yet."""

from __future__ import annotations

import json

import pytest

from cloud.errors import (
    LimitExceeded,
    Mismatch,
    MissingObject,
    OnboardingError,
    PermissionDenied,
    RunFailed,
    StepError,
)
from config.personas import Persona
from emulator.server import RunningCloud
from emulator.state_ram import Attachment, Policy, PolicyVersion
from tests.tasks.onboarding import ALLOW_USE, POLICY, ROLE, Onboarding, add_fault, calls, example

ONLY_CAROL = {"users": ["carol"]}
WRONG_SERVICE = json.dumps(
    {
        "Version": "1",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "sts:AssumeRole",
                "Principal": {"Service": ["dataworks.aliyuncs.com"]},
            }
        ],
    }
)


def _project(local: RunningCloud, environment: int = 1) -> dict[str, str]:
    source = next(
        one
        for one in local.cloud.state.dataworks.data_sources
        if (one.name, one.environment) == ("oss_orders", environment)
    )
    content: dict[str, str] = json.loads(source.content)
    return content


# -- PassRole ------------------------------------------------------------------------------------------


def test_a_creator_without_the_grant_is_refused_at_once_with_name_persona_and_remedy(
    local: RunningCloud,
) -> None:
    onboarding = Onboarding(local, example(grantees={"groups": ["data-platform"]}))
    with pytest.raises(PermissionDenied, match="carol") as caught:
        onboarding.apply()
    error = caught.value
    assert error.persona is Persona.ADMINISTRATOR
    assert "PassRole" in str(error)
    assert "grantees" in error.remedy
    assert len(calls(local, "CreateDataSource")) == 1
    assert sum(onboarding.clock.slept) == 0
    assert not [one for one in local.cloud.state.dataworks.data_sources if one.name == "oss_orders"]


def test_an_executor_without_the_grant_fails_the_run_with_name_and_remedy(local: RunningCloud) -> None:
    onboarding = Onboarding(local, example(grantees=ONLY_CAROL))
    with pytest.raises(RunFailed, match="erin") as caught:
        onboarding.apply()
    assert caught.value.persona is Persona.ADMINISTRATOR
    assert caught.value.remedy.startswith("add erin, or a group it is in, to the specification's grantees")


def test_adding_the_executor_to_the_grantees_proves_the_run_that_had_failed(local: RunningCloud) -> None:
    with pytest.raises(RunFailed):
        Onboarding(local, example(grantees=ONLY_CAROL)).apply()
    again = Onboarding(local)
    writes = again.writes_of_apply()
    assert writes[0] == "AttachPolicyToGroup"
    assert "RestartInstance" in writes
    assert len(local.cloud.state.dataworks.instances) == 2


# -- the role ------------------------------------------------------------------------------------------


def test_a_trust_policy_for_the_wrong_service_fails_the_run_with_its_remedy(local: RunningCloud) -> None:
    onboarding = Onboarding(local)
    applied = onboarding.until_sync_task()
    local.cloud.state.ram.roles[ROLE].trust_policy = WRONG_SERVICE
    local.cloud.clock.advance(1000)
    with pytest.raises(RunFailed, match="may not assume role") as caught:
        onboarding.run(applied)
    assert caught.value.persona is Persona.ADMINISTRATOR
    assert "di.dataworks.aliyuncs.com" in caught.value.remedy
    assert Onboarding(local).writes_of_apply()[0] == "UpdateRole"


@pytest.mark.parametrize("missing", ["oss:GetObject", "oss:ListObjects"])
def test_a_permission_the_role_lacks_is_named_in_the_reason(local: RunningCloud, missing: str) -> None:
    onboarding = Onboarding(local)
    applied = onboarding.until_sync_task()
    version = local.cloud.state.ram.policies[POLICY].default_version()
    document = json.loads(version.document)
    for statement in document["Statement"]:
        actions = statement["Action"]
        kept = [one for one in ([actions] if isinstance(actions, str) else actions) if one != missing]
        statement["Action"] = kept or ["oss:GetBucketInfo"]
    version.document = json.dumps(document)
    local.cloud.clock.advance(1000)
    with pytest.raises(RunFailed, match=missing) as caught:
        onboarding.run(applied)
    assert caught.value.persona is Persona.ADMINISTRATOR
    assert caught.value.remedy


def test_a_bucket_in_the_endpoint_passes_the_test_and_fails_the_run_with_its_reason(
    local: RunningCloud,
) -> None:
    onboarding = Onboarding(local)
    applied = onboarding.until_sync_task()
    for source in local.cloud.state.dataworks.data_sources:
        if source.name == "oss_orders":
            endpoint = "http://shop-orders.oss-cn-hangzhou-internal.aliyuncs.com"
            source.content = json.dumps({**json.loads(source.content), "endpoint": endpoint})
    assert all(cell.connected for cell in onboarding.matrix(applied.facts))
    with pytest.raises(RunFailed, match="endpoint") as caught:
        onboarding.run(applied)
    assert caught.value.persona is Persona.CREATOR
    assert "without the bucket" in caught.value.remedy
    assert "UpdateDataSource" in Onboarding(local).writes_of_apply()
    assert _project(local)["endpoint"] == "http://oss-cn-hangzhou-internal.aliyuncs.com"


def test_too_many_dirty_records_are_the_developers_to_fix(local: RunningCloud) -> None:
    objects = local.cloud.state.data.buckets["shop-orders"].objects
    name = next(name for name in objects if name.endswith("part-1.csv"))
    objects[name] = "id,customer,amount\nfour,barbara,99.90\n"
    with pytest.raises(RunFailed, match="converted") as caught:
        Onboarding(local).apply()
    assert caught.value.persona is Persona.DEVELOPER
    Onboarding(local, example(sync_task__dirty_records=1)).apply()


def test_a_dry_run_proves_nothing(local: RunningCloud) -> None:
    onboarding = Onboarding(local)
    applied = onboarding.until_sync_task()
    local.cloud.state.dataworks.nodes[0].scheduling.scheduler_type = "SKIP"
    for node in local.cloud.state.dataworks.nodes:
        node.scheduling.scheduler_type = "SKIP"
    with pytest.raises(RunFailed, match="dry run"):
        onboarding.run(applied)


def test_a_run_that_read_nothing_is_proven_with_a_note(local: RunningCloud) -> None:
    objects = local.cloud.state.data.buckets["shop-orders"].objects
    for name in [name for name in objects if name.endswith(".csv") and "20200101" not in name]:
        objects[name] = "id,customer,amount\n"
    applied = Onboarding(local).apply()
    for proof in applied.proofs.values():
        assert (proof.records_read, proof.records_written) == (0, 0)
        assert "no record was read" in proof.report.notes[0]


# -- propagation ---------------------------------------------------------------------------------------


def test_a_grant_that_takes_half_a_minute_to_be_effective_is_waited_for_visibly(local: RunningCloud) -> None:
    local.cloud.settings.authorization_lag_seconds = 30
    onboarding = Onboarding(local)
    with onboarding.listening() as said:
        applied = onboarding.apply()
    waited = [line for line in said if "not yet effective" in line]
    assert waited
    assert all(line.endswith(" s of 120 s") for line in waited)
    assert 25 <= sum(onboarding.clock.slept) <= 120
    assert [proof.records_written for proof in applied.proofs.values()] == [5, 5]
    assert len([one for one in local.cloud.state.dataworks.data_sources if one.name == "oss_orders"]) == 2


def test_a_trust_that_is_never_effective_ends_after_the_propagation_time(local: RunningCloud) -> None:
    local.cloud.settings.authorization_lag_seconds = 100_000
    onboarding = Onboarding(local)
    with pytest.raises(PermissionDenied, match="carol"):
        onboarding.apply()
    assert 115 <= sum(onboarding.clock.slept) <= 130


def test_a_run_is_restarted_while_its_permissions_spread(local: RunningCloud) -> None:
    Onboarding(local, example(access="write", sync_task=None)).apply()
    local.cloud.settings.authorization_lag_seconds = 40
    onboarding = Onboarding(local)
    with onboarding.listening() as said:
        applied = onboarding.apply()
    assert any("perhaps not yet effective" in line for line in said)
    assert [proof.records_read for proof in applied.proofs.values()] == [5, 5]
    assert len(local.cloud.state.dataworks.instances) == 2


# -- what is missing -----------------------------------------------------------------------------------


def _nothing_was_written(local: RunningCloud) -> bool:
    return local.cloud.journal.writes == ()


def test_everything_that_is_missing_is_named_at_once_before_any_write(local: RunningCloud) -> None:
    spec = example(
        grantees={"users": ["nobody"], "groups": ["no-group"]},
        resource_groups=["S_res_group_1001_1", "S_res_group_1001_9", "S_res_group_404"],
        sync_task__writer={
            "type": "odps", "datasource": "odps_second", "table": "ods_orders", "partition": "pt=${bizdate}",
            "truncate": True, "column": ["id", "customer", "amount"],
        },
    )  # fmt: skip
    with pytest.raises(MissingObject) as caught:
        Onboarding(local, spec).apply()
    told = str(caught.value)
    for name in (
        "RAM user nobody", "RAM group no-group", "resource group S_res_group_1001_9", "resource group S_res_group_404",
        "odps_second (DEV)", "odps_second (PROD)",
    ):  # fmt: skip
        assert name in told
    assert caught.value.persona is not None
    assert "S_res_group_1001_1" in caught.value.remedy
    assert _nothing_was_written(local)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"workspace": 404}, "workspace 404: the workspace does not exist"),
        ({"workspace": 10002, "environments": ["DEV"]}, "has no environment DEV"),
        ({"environments": ["PROD"]}, "DEV too"),
        ({"environments": ["DEV"]}, "PROD too"),
        ({"grantees": {"users": ["nobody"]}}, "RAM user nobody: it does not exist"),
    ],
)
def test_a_missing_object_is_named_with_persona_and_remedy_before_any_write(
    local: RunningCloud, changes: dict[str, object], told: str
) -> None:
    with pytest.raises(MissingObject, match=told) as caught:
        Onboarding(local, example(**changes)).apply()
    assert caught.value.persona is not None
    assert caught.value.remedy
    assert _nothing_was_written(local)


def test_credentials_of_several_accounts_are_refused(local: RunningCloud) -> None:
    onboarding = Onboarding(local)
    body = {
        "RequestId": "R", "AccountId": "9999999999999999", "Arn": "acs:ram::9999999999999999:user/other",
        "IdentityType": "RAMUser", "UserId": "1", "PrincipalId": "1",
    }  # fmt: skip
    add_fault(
        local,
        action="GetCallerIdentity",
        body=json.dumps(body),
        status=200,
        content_type="application/json",
        times=1,
    )
    with pytest.raises(StepError, match="several accounts"):
        onboarding.apply()
    assert _nothing_was_written(local)


# -- quotas --------------------------------------------------------------------------------------------


def _fill(local: RunningCloud, attachments: list[Attachment]) -> None:
    document = json.dumps(
        {"Version": "1", "Statement": [{"Effect": "Allow", "Action": "oss:GetObject", "Resource": "*"}]}
    )
    for number in range(10):
        name = f"other-{number}"
        local.cloud.state.ram.policies[name] = Policy(
            name=name, versions=[PolicyVersion(id="v1", document=document)]
        )
        attachments.append(Attachment(policy=name))


def test_a_user_with_ten_policies_is_refused_before_any_write(local: RunningCloud) -> None:
    _fill(local, local.cloud.state.ram.users["carol"].attachments)
    onboarding = Onboarding(local)
    with pytest.raises(LimitExceeded, match="user carol: 10 custom policies") as caught:
        onboarding.plan()
    assert _nothing_was_written(local)
    assert caught.value.persona is Persona.ADMINISTRATOR
    assert "group instead of a user" in caught.value.remedy
    role = onboarding.role()
    before = len(onboarding.writes)
    with pytest.raises(LimitExceeded):
        onboarding.grant(role)
    assert len(onboarding.writes) == before


def test_a_role_with_ten_policies_is_refused_before_any_write(local: RunningCloud) -> None:
    Onboarding(local).apply()
    role = local.cloud.state.ram.roles[ROLE]
    role.attachments.clear()
    _fill(local, role.attachments)
    onboarding = Onboarding(local)
    before = len(onboarding.writes)
    with pytest.raises(LimitExceeded, match=f"role {ROLE}: 10 custom policies"):
        onboarding.role()
    assert len(onboarding.writes) == before


def test_ten_policies_one_of_which_is_ours_are_no_obstacle(local: RunningCloud) -> None:
    Onboarding(local).apply()
    carol = local.cloud.state.ram.users["carol"]
    _fill(local, carol.attachments)
    assert Onboarding(local).writes_of_apply() == []
    assert ALLOW_USE in {one.policy for one in carol.attachments}


def test_who_may_do_nothing_is_told_the_action_and_the_name(local: RunningCloud) -> None:
    onboarding = Onboarding(local, administrator="mallory")
    with pytest.raises(OnboardingError, match="mallory") as caught:
        onboarding.apply()
    assert "ram:" in str(caught.value)
    assert _nothing_was_written(local)


# -- region --------------------------------------------------------------------------------------------


def test_a_data_source_is_not_moved_to_another_region(local: RunningCloud) -> None:
    Onboarding(local).until_sources()
    before = _project(local)
    moved = Onboarding(local, example(region="cn-shanghai"))
    with pytest.raises(
        Mismatch, match="region cn-hangzhou, and the specification says cn-shanghai"
    ) as caught:
        moved.until_sources()
    assert caught.value.persona is Persona.CREATOR
    assert _project(local) == before
    assert calls(local, "UpdateDataSource") == []

"""One thing changed by hand after an apply: the next apply makes exactly the necessary writes, and nothing else."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from cloud.errors import CallError, DeploymentFailed
from emulator.cloud import LocalCloud
from emulator.server import RunningCloud
from emulator.state import DataSource, File
from emulator.state_ram import PolicyVersion
from tests.tasks.onboarding import (
    ALLOW_USE,
    POLICY,
    ROLE,
    Onboarding,
    add_fault,
    example,
    lose_answer,
    outline,
)

Change = Callable[[LocalCloud], None]
FOREIGN_TRUST = json.dumps(
    {
        "Version": "1",
        "Statement": [
            {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": ["ecs.aliyuncs.com"]}}
        ],
    }
)
WIDE = json.dumps({"Version": "1", "Statement": [{"Effect": "Allow", "Action": "oss:*", "Resource": "*"}]})


def _trust(cloud: LocalCloud) -> None:
    cloud.state.ram.roles[ROLE].trust_policy = FOREIGN_TRUST


def _document(name: str) -> Change:
    def change(cloud: LocalCloud) -> None:
        policy = cloud.state.ram.policies[name]
        policy.versions.append(PolicyVersion(id="v2", document=WIDE, created=cloud.clock.now()))
        policy.default, policy.next_version = "v2", 3

    return change


def _detached(cloud: LocalCloud) -> None:
    cloud.state.ram.roles[ROLE].attachments.clear()


def _role_untagged(cloud: LocalCloud) -> None:
    del cloud.state.ram.roles[ROLE].tags["source:10001:oss_orders"]


def _policy_untagged(name: str) -> Change:
    def change(cloud: LocalCloud) -> None:
        del cloud.state.ram.policies[name].tags["source:10001:oss_orders"]

    return change


def _user_detached(cloud: LocalCloud) -> None:
    user = cloud.state.ram.users["carol"]
    user.attachments = [one for one in user.attachments if one.policy != ALLOW_USE]


def _group_detached(cloud: LocalCloud) -> None:
    cloud.state.ram.groups["data-platform"].attachments.clear()


def _source(cloud: LocalCloud, environment: int) -> DataSource:
    return next(
        one
        for one in cloud.state.dataworks.data_sources
        if (one.name, one.environment) == ("oss_orders", environment)
    )


def _content(cloud: LocalCloud) -> None:
    source = _source(cloud, 1)
    source.content = json.dumps({**json.loads(source.content), "bucket": "another-bucket"})


def _description(cloud: LocalCloud) -> None:
    _source(cloud, 0).description = "changed by hand"


def _source_deleted(cloud: LocalCloud) -> None:
    cloud.state.dataworks.data_sources.remove(_source(cloud, 1))


def _file(cloud: LocalCloud) -> File:
    (file,) = cloud.state.dataworks.files.values()
    return file


def _edited(file: File) -> None:
    file.version += 1
    file.committed = False


def _file_content(cloud: LocalCloud) -> None:
    file = _file(cloud)
    content = json.loads(file.content)
    content["setting"]["speed"]["concurrent"] = 7
    file.content = json.dumps(content)
    _edited(file)


def _cron(cloud: LocalCloud) -> None:
    file = _file(cloud)
    file.scheduling.cron = "00 00 09 * * ?"
    _edited(file)


def _frozen(cloud: LocalCloud) -> None:
    file = _file(cloud)
    file.scheduling.stop = True
    _edited(file)


def _parent(cloud: LocalCloud) -> None:
    file = _file(cloud)
    file.scheduling.inputs = ["retail.another_node"]
    _edited(file)


def _undeployed(cloud: LocalCloud) -> None:
    (node,) = (one for one in cloud.state.dataworks.nodes if one.environment == "PROD")
    node.file_version = 0


def _unsubmitted(cloud: LocalCloud) -> None:
    _edited(_file(cloud))


CARRY = ["SubmitFile", "DeployFile"]
DRIFTS: dict[str, tuple[Change, list[str]]] = {
    "trust policy changed": (_trust, ["UpdateRole"]),
    "access policy changed": (_document(POLICY), ["CreatePolicyVersion"]),
    "PassRole policy changed": (_document(ALLOW_USE), ["CreatePolicyVersion"]),
    "policy detached from the role": (_detached, ["AttachPolicyToRole"]),
    "tag of the role removed": (_role_untagged, ["TagResources"]),
    "tag of the access policy removed": (_policy_untagged(POLICY), ["TagResources"]),
    "tag of the PassRole policy removed": (_policy_untagged(ALLOW_USE), ["TagResources"]),
    "user lost the grant": (_user_detached, ["AttachPolicyToUser"]),
    "group lost the grant": (_group_detached, ["AttachPolicyToGroup"]),
    "content of the data source changed": (_content, ["UpdateDataSource"]),
    "description of the data source changed": (_description, ["UpdateDataSource"]),
    "data source deleted in one environment": (_source_deleted, ["CreateDataSource"]),
    "content of the file changed": (_file_content, ["UpdateDISyncTask", *CARRY]),
    "cron changed": (_cron, ["UpdateFile", *CARRY]),
    "file frozen": (_frozen, ["UpdateFile", *CARRY]),
    "parent changed": (_parent, ["UpdateFile", *CARRY]),
    "version not submitted": (_unsubmitted, CARRY),
    "version not deployed": (_undeployed, ["DeployFile"]),
}


def _drifted(local: RunningCloud, change: Change) -> Onboarding:
    onboarding = Onboarding(local)
    onboarding.apply()
    change(local.cloud)
    return onboarding


@pytest.mark.parametrize("name", DRIFTS)
def test_a_drift_is_repaired_by_exactly_the_necessary_writes(local: RunningCloud, name: str) -> None:
    change, writes = DRIFTS[name]
    Onboarding(local).apply()
    before = outline(local.cloud)
    change(local.cloud)
    assert Onboarding(local).writes_of_apply() == writes
    after = outline(local.cloud)
    assert len(after.pop("deployments")) - len(before.pop("deployments")) == len(set(writes) & set(CARRY))
    assert after == before
    assert Onboarding(local).writes_of_apply() == []


@pytest.mark.parametrize("name", [name for name, (_, writes) in DRIFTS.items() if writes != CARRY])
def test_a_repair_whose_answer_is_lost_is_done_once(local: RunningCloud, name: str) -> None:
    change, writes = DRIFTS[name]
    onboarding = _drifted(local, change)
    lost = lose_answer(local, writes[0])
    assert onboarding.writes_of_apply() == writes
    assert lost.hits == 1
    assert Onboarding(local).writes_of_apply() == []


def test_only_the_fields_that_differ_are_sent_in_a_rescheduling(local: RunningCloud) -> None:
    onboarding = _drifted(local, _cron)
    # Set by a person; the specification says nothing of it.
    _file(local.cloud).scheduling.dependent_type = "SELF"
    onboarding.apply()
    scheduling = _file(local.cloud).scheduling
    assert (scheduling.cron, scheduling.dependent_type) == ("00 30 05 * * ?", "SELF")


def test_keys_that_the_service_added_to_a_data_source_are_left_alone(local: RunningCloud) -> None:
    onboarding = Onboarding(local)
    onboarding.apply()
    source = _source(local.cloud, 1)
    source.content = json.dumps({**json.loads(source.content), "tag": "public"})
    assert onboarding.writes_of_apply() == []


def test_a_document_written_another_way_means_the_same_and_is_left_alone(local: RunningCloud) -> None:
    onboarding = Onboarding(local)
    onboarding.apply()
    version = local.cloud.state.ram.policies[POLICY].default_version()
    document = json.loads(version.document)
    document["Statement"].reverse()
    for statement in document["Statement"]:
        statement["Resource"] = list(statement["Resource"])
    version.document = json.dumps(document, indent=4)
    assert onboarding.writes_of_apply() == []


def test_a_changed_permission_runs_the_proof_again_under_a_new_version_of_the_task(
    local: RunningCloud,
) -> None:
    Onboarding(local).apply()
    wider = Onboarding(local, example(access="read_write"))
    writes = wider.writes_of_apply()
    # The file's description says what its runs prove: it changes with it.
    assert writes[: 2 + len(CARRY)] == ["CreatePolicyVersion", "UpdateFile", *CARRY]
    assert len(writes) == 4 + len(CARRY)
    assert all(write.startswith("Run") for write in writes[-2:])


def test_another_resource_group_of_the_task_is_updated_though_no_read_shows_it(local: RunningCloud) -> None:
    Onboarding(local).apply()
    moved = Onboarding(local, example(sync_task__resource_group="S_res_group_1001_2"))
    writes = moved.writes_of_apply()
    assert writes[:4] == ["UpdateDISyncTask", "UpdateFile", *CARRY]
    assert _file(local.cloud).di_resource_group == "S_res_group_1001_2"
    assert moved.writes_of_apply() == []


def test_five_versions_of_a_policy_are_rotated_and_not_refused(local: RunningCloud) -> None:
    onboarding = Onboarding(local)
    onboarding.apply()
    policy = local.cloud.state.ram.policies[POLICY]
    for number in range(2, 6):
        policy.versions.append(PolicyVersion(id=f"v{number}", document=WIDE, created=local.cloud.clock.now()))
    policy.default, policy.next_version = "v5", 6
    assert onboarding.writes_of_apply() == ["CreatePolicyVersion"]
    assert len(policy.versions) == 5
    assert policy.default == "v6"


def test_a_trust_policy_is_updated_in_place_so_that_the_role_keeps_its_id(local: RunningCloud) -> None:
    onboarding = _drifted(local, _trust)
    before = local.cloud.state.ram.roles[ROLE].id
    onboarding.apply()
    assert local.cloud.state.ram.roles[ROLE].id == before


def test_a_deleted_run_record_is_run_again_and_nothing_else(local: RunningCloud) -> None:
    onboarding = Onboarding(local)
    onboarding.apply()
    works = local.cloud.state.dataworks
    works.dags.clear()
    works.instances.clear()
    writes = onboarding.writes_of_apply()
    assert len(writes) == 2
    assert all(write.startswith("Run") for write in writes)


def test_a_failed_deployment_names_the_reason_and_who_can_fix_it_and_a_later_apply_goes_on(
    local: RunningCloud,
) -> None:
    local.cloud.settings.deployment_error = "the node's code is not valid"
    onboarding = Onboarding(local)
    with pytest.raises(DeploymentFailed, match="the node's code is not valid") as caught:
        onboarding.apply()
    assert caught.value.persona is not None
    assert caught.value.remedy
    local.cloud.settings.deployment_error = ""
    assert Onboarding(local).writes_of_apply()[:2] == CARRY


def test_a_submission_that_is_under_way_is_waited_for_and_not_repeated(local: RunningCloud) -> None:
    local.cloud.settings.deployment_steps = 5
    onboarding = Onboarding(local)
    add_fault(local, action="GetDeployment", status=403, code="Forbidden.Access", times=1)
    with pytest.raises(CallError):
        onboarding.apply()
    assert onboarding.writes[-1] == "SubmitFile"
    assert "SubmitFile" not in Onboarding(local).writes_of_apply()

"""What exists already and is not ours is left alone, or taken over when the specification says so."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from cloud.errors import Mismatch, NotOurs
from emulator.cloud import LocalCloud
from emulator.server import RunningCloud
from emulator.state import Business, DataSource, File, Folder, Scheduling
from emulator.state_ram import Policy, PolicyVersion, Role
from policy import PolicyKind, parse_policy
from tasks.outcome import Outcome
from tests.tasks.onboarding import ALLOW_USE, POLICY, ROLE, Onboarding, example, outline

FOLDER = "Business Flow/onboarding/Data Integration"
TAG = ("managed-by", "dataworks-onboarding")
ECS_TRUST = json.dumps(
    {
        "Version": "1",
        "Statement": [
            {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": ["ecs.aliyuncs.com"]}}
        ],
    }
)
OTHER = json.dumps(
    {
        "Version": "1",
        "Statement": [
            {"Effect": "Allow", "Action": ["oss:GetObject"], "Resource": ["acs:oss:*:*:another-bucket/*"]}
        ],
    }
)


def _role(cloud: LocalCloud) -> None:
    cloud.state.ram.roles[ROLE] = Role(name=ROLE, id="300000000000009999", trust_policy=ECS_TRUST)


def _policy(name: str) -> Callable[[LocalCloud], None]:
    def make(cloud: LocalCloud) -> None:
        version = PolicyVersion(id="v1", document=OTHER)
        cloud.state.ram.policies[name] = Policy(name=name, versions=[version])

    return make


def _data_source(cloud: LocalCloud, **content: Any) -> None:
    text = json.dumps(
        {"endpoint": "http://oss-cn-hangzhou-internal.aliyuncs.com", "bucket": "shop-orders", **content}
    )
    for number, environment in enumerate((0, 1)):
        cloud.state.dataworks.data_sources.append(
            DataSource(
                id=39_000 + number, workspace=10001, name="oss_orders", type="oss", environment=environment,
                content=text,
            )
        )  # fmt: skip


def _sync_task(cloud: LocalCloud) -> None:
    works = cloud.state.dataworks
    works.businesses[900] = Business(id=900, workspace=10001, name="onboarding")
    works.folders["f9"] = Folder(id="f9", workspace=10001, path=FOLDER)
    works.files[901] = File(
        id=901, workspace=10001, name="oss_orders_to_ods", folder=FOLDER, content='{"type": "job"}', owner="1",
        description="made by hand", business=900, scheduling=Scheduling(outputs=["retail.900_out"]),
    )  # fmt: skip


FOREIGN: dict[str, Callable[[LocalCloud], None]] = {
    "role": _role,
    "access policy": _policy(POLICY),
    "PassRole policy": _policy(ALLOW_USE),
    "data source": _data_source,
    "sync task": _sync_task,
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_foreign_object_of_that_name_refuses_the_plan_and_nothing_is_written(
    local: RunningCloud, kind: str
) -> None:
    FOREIGN[kind](local.cloud)
    before = outline(local.cloud)
    with pytest.raises(NotOurs, match="it exists and") as caught:
        Onboarding(local).plan()
    assert caught.value.persona is not None
    assert "adopt" in caught.value.remedy
    assert local.cloud.journal.writes == ()
    assert outline(local.cloud) == before


@pytest.mark.parametrize("kind", FOREIGN)
def test_the_step_of_a_foreign_object_writes_nothing_of_its_own(local: RunningCloud, kind: str) -> None:
    FOREIGN[kind](local.cloud)
    onboarding = Onboarding(local)
    with pytest.raises(NotOurs):
        onboarding.apply()
    subjects = {"data source": "CreateDataSource", "sync task": "CreateDISyncTask"}
    forbidden = {
        "role": {"CreateRole", "UpdateRole", "CreatePolicy", "AttachPolicyToRole"},
        "access policy": {"CreateRole", "CreatePolicy", "CreatePolicyVersion", "AttachPolicyToRole"},
        "PassRole policy": {
            "CreatePolicyVersion",
            "AttachPolicyToUser",
            "AttachPolicyToGroup",
            "TagResources",
        },
        "data source": {subjects["data source"], "UpdateDataSource"},
        "sync task": {subjects["sync task"], "UpdateDISyncTask", "UpdateFile", "SubmitFile"},
    }[kind]
    assert not forbidden & set(onboarding.writes)


def _adopting() -> Any:
    return example(role={"adopt": True})


def test_adopting_takes_everything_over_and_a_second_apply_writes_nothing(local: RunningCloud) -> None:
    for make in FOREIGN.values():
        make(local.cloud)
    onboarding = Onboarding(local, _adopting())
    applied = onboarding.apply()
    assert [proof.records_written for proof in applied.proofs.values()] == [5, 5]
    assert "CreateRole" not in onboarding.writes
    assert "CreateDataSource" not in onboarding.writes
    assert "CreateDISyncTask" not in onboarding.writes
    ram = local.cloud.state.ram
    assert ram.roles[ROLE].id == "300000000000009999"
    for tagged in (ram.roles[ROLE], ram.policies[POLICY], ram.policies[ALLOW_USE]):
        assert tagged.tags[TAG[0]] == TAG[1]
    again = Onboarding(local, _adopting())
    assert again.writes_of_apply() == []
    assert set(again.apply().outcomes) == {Outcome.UNCHANGED}


def test_an_adopted_role_goes_on_trusting_whom_it_trusted(local: RunningCloud) -> None:
    _role(local.cloud)
    Onboarding(local, _adopting()).role()
    trust = parse_policy(local.cloud.state.ram.roles[ROLE].trust_policy, PolicyKind.TRUST)
    services = {principal.value for one in trust.statements for principal in one.principals}
    assert services == {"ecs.aliyuncs.com", "di.dataworks.aliyuncs.com"}


def test_an_adopted_policy_keeps_its_other_statements(local: RunningCloud) -> None:
    _policy(POLICY)(local.cloud)
    Onboarding(local, _adopting()).role()
    document = local.cloud.state.ram.policies[POLICY].default_version().document
    resources = {
        resource
        for one in parse_policy(document, PolicyKind.IDENTITY).statements
        for resource in one.resources
    }
    assert "acs:oss:*:*:another-bucket/*" in resources
    assert "acs:oss:*:*:shop-orders/orders/*" in resources


def test_an_adopted_policy_keeps_its_other_statements_in_every_later_apply(local: RunningCloud) -> None:
    _policy(POLICY)(local.cloud)
    onboarding = Onboarding(local, _adopting())
    onboarding.role()
    before = outline(local.cloud)
    assert Onboarding(local, _adopting()).role().report.outcome is Outcome.UNCHANGED
    assert outline(local.cloud) == before


def test_a_data_source_with_an_access_key_is_not_ours(local: RunningCloud) -> None:
    _data_source(local.cloud, accessId="LTAI", accessKey="key")
    with pytest.raises(NotOurs, match="not in role mode"):
        Onboarding(local).plan()
    assert local.cloud.journal.writes == ()


def test_a_data_source_of_another_type_cannot_be_changed_even_when_adopting(local: RunningCloud) -> None:
    _data_source(local.cloud)
    for source in local.cloud.state.dataworks.data_sources:
        if source.name == "oss_orders":
            source.type = "odps"
    with pytest.raises(Mismatch, match="type odps"):
        Onboarding(local, _adopting()).plan()
    assert local.cloud.journal.writes == ()


def test_two_data_sources_with_one_role_share_the_policy_and_keep_each_other_alive(
    local: RunningCloud,
) -> None:
    one = example(role={"name": "Shared", "policy": "SharedAccess"}, sync_task=None)
    other = example(
        name="oss_logs", role={"name": "Shared", "policy": "SharedAccess"},
        location={"bucket": "shop-orders", "prefix": "logs/"}, sync_task=None,
    )  # fmt: skip
    Onboarding(local, one).apply()
    Onboarding(local, other).apply()
    document = local.cloud.state.ram.policies["SharedAccess"].default_version().document
    assert "shop-orders/orders/*" in document
    assert "shop-orders/logs/*" in document
    grant = local.cloud.state.ram.policies["SharedAllowUse"].default_version().document
    for spec in (one, other):
        assert Onboarding(local, spec).writes_of_apply() == []
    assert local.cloud.state.ram.policies["SharedAllowUse"].default_version().document == grant


def test_an_adopted_grant_keeps_its_other_statements(local: RunningCloud) -> None:
    _policy(ALLOW_USE)(local.cloud)
    for _ in range(2):
        Onboarding(local, _adopting()).apply()
        document = local.cloud.state.ram.policies[ALLOW_USE].default_version().document
        assert "another-bucket" in document
        assert "ram:PassRole" in document


def test_narrower_access_takes_permissions_away_from_a_policy_of_its_own(local: RunningCloud) -> None:
    Onboarding(local, example(access="read_write", sync_task=None)).apply()
    assert "oss:PutObject" in local.cloud.state.ram.policies[POLICY].default_version().document
    Onboarding(local, example(access="read", sync_task=None)).apply()
    assert "oss:PutObject" not in local.cloud.state.ram.policies[POLICY].default_version().document


def test_a_shared_policy_whose_document_cannot_be_read_is_not_overwritten(local: RunningCloud) -> None:
    Onboarding(local).role()
    policy = local.cloud.state.ram.policies[POLICY]
    policy.default_version().document = "{"
    with pytest.raises(Mismatch, match="cannot be read"):
        Onboarding(local, _adopting()).role()
    assert policy.default_version().document == "{"

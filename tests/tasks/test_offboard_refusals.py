"""What still uses a source, or is not ours, refuses: everything is named, and nothing is written."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from cloud.errors import Mismatch, NotOurs, OnboardingError
from config.spec import DataSourceSpec
from emulator.server import RunningCloud
from emulator.state import Attachment, File
from tasks.offboarding.choices import Choices, StillUsed
from tasks.offboarding.data_source import remove_source
from tasks.offboarding.sync_task import remove_task
from tests.emulator.shop import Shop, odps_reader, oss_reader, oss_writer, task
from tests.tasks.offboarding import DELETE_ADOPTED, QUARANTINE, REMOVE, Offboarding, standing
from tests.tasks.onboarding import ALLOW_USE, POLICY, ROLE, Onboarding, add_fault, example
from tests.tasks.starting_states import document, policy, task_by_hand, trust, without_tags

SOURCE = "oss_orders"


def reads(local: RunningCloud) -> None:
    Shop(local).create_task(task(reader=oss_reader(datasource=SOURCE)), name="other_reader")


def writes(local: RunningCloud) -> None:
    content = task(reader=odps_reader(), writer=oss_writer(datasource=SOURCE))
    Shop(local).create_task(content, name="other_writer")


def real_time(local: RunningCloud) -> None:
    works = local.cloud.state.dataworks
    own = next(iter(works.files.values()))
    works.files[7] = File(
        id=7, workspace=10001, name="stream", type=900, folder=own.folder, owner=own.owner, node=77,
        content=task(reader=oss_reader(datasource=SOURCE)),
    )  # fmt: skip


def deployed_only(local: RunningCloud) -> None:
    """A task whose deployed version reads the source, and whose file has gone on to another."""
    shop = Shop(local)
    shop.opened()
    file_id = shop.create_task(task(reader=oss_reader(datasource=SOURCE)), name="edited_since").file_id
    shop.schedule(file_id)
    shop.submit(file_id)
    shop.deploy(file_id)
    shop.here("UpdateDISyncTask", FileId=file_id, TaskType="DI_OFFLINE", TaskContent=task())


def shared(local: RunningCloud) -> None:
    permissions = json.dumps([{"projectId": 10002, "permission": "READ", "sharedName": "retail.orders"}])
    Shop(local).here("SetDataSourceShare", DatasourceName=SOURCE, EnvType="1", ProjectPermissions=permissions)


def running(local: RunningCloud) -> None:
    works = local.cloud.state.dataworks
    next(one for one in works.instances.values() if one.environment == "PROD").status = "RUNNING"
    local.cloud.settings.instance_steps = 1_000


def further_policy(local: RunningCloud) -> None:
    policy(local.cloud, "ByHand", document("oss:GetObject"))
    local.cloud.state.ram.roles[ROLE].attachments.append(Attachment(policy="ByHand"))


def system_policy(local: RunningCloud) -> None:
    local.cloud.state.ram.roles[ROLE].attachments.append(
        Attachment(policy="AliyunOSSReadOnlyAccess", type="System")
    )


def held_elsewhere(local: RunningCloud) -> None:
    local.cloud.state.ram.users["mallory"].attachments.append(Attachment(policy=POLICY))


def trusted_elsewhere(local: RunningCloud) -> None:
    role = local.cloud.state.ram.roles[ROLE]
    both = json.loads(role.trust_policy)
    both["Statement"] += json.loads(trust("ecs.aliyuncs.com"))["Statement"]
    role.trust_policy = json.dumps(both)


USES: dict[str, tuple[Callable[[RunningCloud], None], str]] = {
    "a sync task that reads": (reads, "sync task other_reader reads it"),
    "a sync task that writes": (writes, "sync task other_writer writes it"),
    "a real-time task": (real_time, r"real-time sync task stream \(node 77\) reads it"),
    "a deployed version": (deployed_only, r"sync task edited_since \(node \d+\) reads it, deployed in"),
    "a share": (shared, rf"share of data source {SOURCE} \(PROD\)"),
    "a run": (running, r"a run of its sync task \(instance \d+\) is under way"),
    "a further policy": (further_policy, f"custom policy ByHand is attached to role {ROLE}"),
    "a system policy": (system_policy, f"system policy AliyunOSSReadOnlyAccess is attached to role {ROLE}"),
    "another holder": (held_elsewhere, f"user mallory holds custom policy {POLICY}"),
    "another trusted service": (trusted_elsewhere, f"Service ecs.aliyuncs.com may assume role {ROLE}"),
}


@pytest.mark.parametrize("use", USES)
def test_whatever_uses_the_source_refuses_and_is_named(local: RunningCloud, use: str) -> None:
    make, words = USES[use]
    Onboarding(local).apply()
    make(local)
    before = standing(local.cloud)
    offboarding = Offboarding(local, [example()])
    with pytest.raises(StillUsed, match=words) as caught:
        offboarding.apply()
    assert caught.value.uses
    assert all(use.persona and use.remedy for use in caught.value.uses)
    assert caught.value.remedy
    assert offboarding.plan().changes == ()
    assert standing(local.cloud) == before


def test_everything_that_uses_it_is_named_at_once(local: RunningCloud) -> None:
    Onboarding(local).apply()
    for make in (reads, writes, real_time, shared):
        make(local)
    with pytest.raises(StillUsed) as caught:
        Offboarding(local, [example()]).apply()
    assert len(caught.value.uses) == 4


@pytest.mark.parametrize("use", ["a sync task that reads", "a real-time task", "a share"])
def test_quarantine_refuses_for_the_same(local: RunningCloud, use: str) -> None:
    make, words = USES[use]
    Onboarding(local).apply()
    make(local)
    before = standing(local.cloud)
    with pytest.raises(StillUsed, match=words):
        Offboarding(local, [example()], QUARANTINE).apply()
    assert standing(local.cloud) == before


def test_a_task_that_starts_to_use_it_meanwhile_keeps_the_data_source(local: RunningCloud) -> None:
    """The service does not ask: it is asked once more right before the deletion."""
    Onboarding(local).apply()
    offboarding = Offboarding(local, [example()])
    plan = offboarding.plan()
    (one,) = plan.sources
    assert one.facts is not None
    reads(local)
    remove_task(offboarding.gate, one.spec, one.facts, REMOVE)
    with pytest.raises(StillUsed, match="other_reader"):
        remove_source(offboarding.gate, one.spec, one.facts, plan.roles[ROLE].reading.role_id, REMOVE)
    assert [source for source in local.cloud.state.dataworks.data_sources if source.name == SOURCE]


# -- whose it is ---------------------------------------------------------------------------------------


def untagged(local: RunningCloud) -> None:
    without_tags(local.cloud, example())


def other_role(local: RunningCloud) -> None:
    for source in local.cloud.state.dataworks.data_sources:
        if source.name == SOURCE:
            source.content = source.content.replace(
                local.cloud.state.ram.roles[ROLE].id, "300000000000000042"
            )


def by_hand(local: RunningCloud) -> None:
    task_by_hand(local.cloud, example())


def other_type(local: RunningCloud) -> None:
    for source in local.cloud.state.dataworks.data_sources:
        if source.name == SOURCE:
            source.type = "loghub"


FOREIGN: dict[str, tuple[Callable[[RunningCloud], None], type[OnboardingError]]] = {
    "no tags": (untagged, NotOurs),
    "another role": (other_role, NotOurs),
    "task by hand": (by_hand, NotOurs),
    "another type": (other_type, Mismatch),
}


@pytest.mark.parametrize("case", FOREIGN)
def test_what_is_not_ours_is_not_touched(local: RunningCloud, case: str) -> None:
    change, error = FOREIGN[case]
    Onboarding(local).apply()
    change(local)
    before = standing(local.cloud)
    with pytest.raises(error):
        Offboarding(local, [example()]).apply()
    assert standing(local.cloud) == before


def adopting(**changes: object) -> DataSourceSpec:
    """The example, taking over what exists."""
    return example(role={"adopt": True}, **changes)


def test_a_specification_that_adopts_is_given_back_and_nothing_is_deleted(local: RunningCloud) -> None:
    Onboarding(local, adopting()).apply()
    plan = Offboarding(local, [adopting()]).apply()
    ram = local.cloud.state.ram
    assert ram.roles[ROLE].tags == {}
    assert ram.policies[POLICY].tags == ram.policies[ALLOW_USE].tags == {}
    assert {change.kind.value for change in plan.changes} == {"untag"}
    assert sum("is kept" in note or "are kept" in note for note in plan.notes) >= 3
    assert Offboarding(local, [adopting()]).writes_of_apply() == []


def test_adopted_objects_go_on_demand_only(local: RunningCloud) -> None:
    first = standing(local.cloud, data=False)
    Onboarding(local, adopting()).apply()
    role = local.cloud.state.ram.roles[ROLE]
    role.description = "made in the console"
    Offboarding(local, [adopting()], DELETE_ADOPTED).apply()
    assert standing(local.cloud, data=False) == first


def test_a_role_that_somebody_else_made_stays_without_our_policies_and_tags(local: RunningCloud) -> None:
    Onboarding(local).apply()
    local.cloud.state.ram.roles[ROLE].description = "made in the console"
    Offboarding(local, [example()]).apply()
    ram = local.cloud.state.ram
    assert (ram.roles[ROLE].attachments, ram.roles[ROLE].tags) == ([], {})
    assert POLICY not in ram.policies
    assert ALLOW_USE not in ram.policies
    assert Offboarding(local, [example()]).writes_of_apply() == []


def test_what_was_never_onboarded_needs_nothing(local: RunningCloud) -> None:
    before = standing(local.cloud)
    plan = Offboarding(local, [example()]).apply()
    assert plan.changes == ()
    assert plan.refused == ()
    assert standing(local.cloud) == before


def test_a_refused_source_leaves_the_others_of_a_file_alone(local: RunningCloud) -> None:
    good = example(name="oss_good", sync_task=None)
    Onboarding(local).apply()
    Onboarding(local, good).apply()
    shared(local)
    plan = Offboarding(local, [example(), good]).plan()
    assert [one.spec.name for one in plan.refused] == [SOURCE]
    assert [one.spec.name for one in plan.touched] == ["oss_good"]


def test_a_workspace_that_may_not_be_read_refuses_its_own_sources(local: RunningCloud) -> None:
    add_fault(local, action="GetProject", status=403, code="Forbidden.Access", times=None)
    plan = Offboarding(local, [example()]).plan()
    assert [one.spec.name for one in plan.refused] == [SOURCE]


def test_choices_are_part_of_the_plans_hash(local: RunningCloud) -> None:
    Onboarding(local).apply()
    hashes = {
        Offboarding(local, [example()], choices).plan().as_plan("x", 1).hash
        for choices in (REMOVE, QUARANTINE, DELETE_ADOPTED, Choices(quarantine=True, delete_adopted=True))
    }
    assert len(hashes) == 4

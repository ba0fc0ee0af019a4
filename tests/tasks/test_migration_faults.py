"""A hundred data sources with AccessKeys and faults at every stage: each ends migrated and proven, or as it was."""

from __future__ import annotations

import json
import random
from typing import Any

from cloud.gate import Gate
from emulator.cloud import LocalCloud
from emulator.server import RunningCloud
from emulator.state_ram import Role
from tasks.migration.result import Ending
from tests.tasks.migrating import (
    GROUP,
    KEY_ID,
    SANDBOX,
    SECRET,
    Moving,
    add_source,
    add_task,
    contents,
    endings,
    key_content,
    legacy_user,
    reading_task,
    remains,
    sealed_content,
    told_everywhere,
)
from tests.tasks.onboarding import add_fault
from tests.tasks.starting_states import trust

COUNT, SEED = 100, 20261124
ABSENT = ["absent/*.csv"]
KINDS = (
    "good",
    "good",
    "good",
    "good",
    "no objects",
    "failing runs",
    "foreign role",
    "other bucket",
    "no task",
    "good",
)
"""What is the matter with each data source, by turns."""

# Refusals that are final, each some times, and failures that pass: answers that are lost, and an unwell service.
FINAL = (
    "CreateRole", "CreatePolicy", "TagResources", "AttachPolicyToRole", "CreateDataSource", "CreateDISyncTask", "UpdateFile",
    "SubmitFile", "RunCycleDagNodes", "UpdateDataSource", "GetInstance", "TestNetworkConnection",
)  # fmt: skip
PASSING = (
    *FINAL, "DeleteDataSource", "DeleteFile", "OfflineNode", "UntagResources", "DetachPolicyFromRole", "DeletePolicy",
    "DeleteRole", "ListDataSources", "ListTagResources", "GetRole", "ListInstances",
)  # fmt: skip


def _name(number: int) -> str:
    return f"orders_{number:03d}"


def _make(cloud: LocalCloud) -> dict[str, str]:
    """The data sources with what is the matter with each."""
    legacy_user(cloud)
    works = cloud.state.dataworks
    works.resource_groups = [one for one in works.resource_groups if one.identifier == GROUP]
    matters = {_name(number): KINDS[number % len(KINDS)] for number in range(COUNT)}
    for number, (name, matter) in enumerate(matters.items()):
        bucket = "gone-bucket" if matter == "other bucket" else "shop-orders"
        add_source(cloud, name, SANDBOX, content=key_content(bucket=bucket, configType=str(number)))
        if matter == "no task":
            continue
        node = add_task(cloud, f"{name}_to_ods", _content(name, absent=matter == "no objects"), SANDBOX)
        if matter == "failing runs":
            # What is deployed is not what the file says, so that no canary shows it.
            deployed = next(one for one in works.nodes if one.id == node)
            deployed.content = _content(name, absent=True)
        if matter == "foreign role":
            role = f"DataWorks-{SANDBOX}-{name.replace('_', '-')}"
            cloud.state.ram.roles[role] = Role(
                name=role, id=f"39{number:016d}", trust_policy=trust("ecs.aliyuncs.com")
            )
    return matters


def _content(name: str, *, absent: bool) -> str:
    return reading_task(name, object=ABSENT) if absent else reading_task(name)


def _inject(local: RunningCloud) -> None:
    chance = random.Random(SEED)
    for action in FINAL:
        add_fault(
            local, action=action, status=403, code="Forbidden.Access", skip=chance.randrange(5, 60), times=2
        )
    for action in PASSING:
        add_fault(local, action=action, when="after", effect="reset", probability=0.02, times=None)
        add_fault(local, action=action, status=503, code="ServiceUnavailable", probability=0.02, times=None)


def _share(found: dict[str, Any], name: str) -> dict[str, Any]:
    """What is one data source's own, and the folded grants that name its role."""
    role = f"DataWorks-{SANDBOX}-{name.replace('_', '-')}"
    return {
        "roles": {key: value for key, value in found["roles"].items() if key == role},
        "policies": {key: value for key, value in found["policies"].items() if key.startswith(role)},
        "grants": [
            key for key, value in found["policies"].items() if role.lower() in json.dumps(value).lower()
        ],
        "data sources": [one for one in found["data sources"] if one[2].startswith(name)],
        "files": [one for one in found["files"] if one[2].startswith(name)],
        "nodes": [one for one in found["nodes"] if one[2].startswith(name)],
    }


def test_every_source_ends_migrated_and_proven_or_exactly_as_it_was(local: RunningCloud) -> None:
    cloud = local.cloud
    cloud.settings.scheduler_runs = True
    cloud.settings.deployment_steps = cloud.settings.instance_steps = 0
    matters = _make(cloud)
    before = remains(cloud)
    _inject(local)
    moving = Moving(local, SANDBOX, gate=Gate)
    migration = moving.migrate()
    cloud.faults.rules.clear()

    after = remains(cloud)
    ended = endings(migration)
    assert len(ended) == COUNT
    for name, matter in matters.items():
        result = migration.results[SANDBOX, name]
        if result.ending is Ending.MIGRATED:
            assert matter in ("good", "no task"), name
            _require_migrated(cloud, name, after)
            assert result.item is not None
            assert result.item.cells
            assert all(cell.connected for cell in result.item.cells)
            if matter == "good":
                assert len(result.item.proofs) == 1
                assert [one.succeeded for one in result.item.watched] == [True]
        else:
            assert result.ending in (Ending.RESTORED, Ending.REFUSED), (
                name,
                result.reason,
                str(result.undone),
            )
            assert _share(after, name) == _share(before, name), name
            (content,) = contents(cloud, name)
            assert content == sealed_content(bucket=content["bucket"], configType=content["configType"])
            assert result.error is not None
            assert result.error.what
    _require_faults_of_each_kind(ended, matters, migration.results)
    assert not [one for one in cloud.state.dataworks.data_sources if "_migration_" in one.name]
    assert SECRET not in told_everywhere(local).replace(f'"secret": "{SECRET}"', "")
    assert KEY_ID not in repr(moving.keys)


def _require_migrated(cloud: LocalCloud, name: str, after: dict[str, Any]) -> None:
    role = cloud.state.ram.roles[f"DataWorks-{SANDBOX}-{name.replace('_', '-')}"]
    (content,) = contents(cloud, name)
    assert (content["authType"], content["authIdentity"]) == ("RamRole", role.id)
    assert not {"accessId", "accessKey"} & set(content)
    assert not [key for key in role.tags if key.startswith("migration:")]
    share = _share(after, name)
    assert [one[2] for one in share["data sources"]] == [name]
    assert len(share["files"]) == len(share["nodes"])


def _require_faults_of_each_kind(
    ended: dict[str, str], matters: dict[str, str], results: dict[tuple[int, str], Any]
) -> None:
    """Otherwise the test would prove nothing: something failed at each stage, and most that can be migrated are."""
    assert {ended[name] for name, matter in matters.items() if matter == "foreign role"} == {
        "cannot be migrated"
    }
    for matter in ("no objects", "failing runs", "other bucket"):
        found = {ended[name] for name, each in matters.items() if each == matter}
        assert "as it was" in found <= {"as it was", "cannot be migrated"}  # some are refused while planning
    good = [ended[name] for name, matter in matters.items() if matter == "good"]
    assert "as it was" in good
    assert good.count("migrated") > len(good) // 2
    stages = {one.reached.value for one in results.values() if one.ending is Ending.RESTORED}
    assert stages == {"propose", "prepare", "trial", "switch"}

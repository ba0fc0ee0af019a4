"""Data sources with AccessKeys, tasks that use them, and migrations of both on a local cloud, without Prefect."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from cloud.gate import Gate
from config.settings import RollbackKey
from config.spec import DataSourceSpec
from emulator.cloud import LocalCloud
from emulator.sealed import seal
from emulator.server import RunningCloud
from emulator.state import (
    AccessKey,
    Attachment,
    Business,
    DataSource,
    File,
    Folder,
    Node,
    Scheduling,
    User,
)
from tasks.migration.carrying import Choices, Migration, run_all
from tasks.migration.found import Stage
from tasks.migration.item import Item
from tasks.migration.keys import RollbackKeys
from tasks.migration.limits import only_reading
from tasks.migration.plan import MigrationPlan, SourcePlan, Wish, make_plan
from tasks.migration.result import SourceResult
from tests.clock import LocalClock
from tests.emulator.shop import odps_writer, oss_reader, task
from tests.settings import REGION, settings_for, settings_per_persona
from tests.tasks.starting_states import document, policy

RETAIL, SANDBOX = 10001, 10002
NAME, ROLE = "orders", "DataWorks-10001-orders"
GROUP = "S_res_group_1001_1"
KEY_ID, SECRET = "LTAIlocalLegacy", "legacy-secret-of-orders"
LEGACY = "legacy"
ENDPOINT = "http://oss-cn-hangzhou-internal.aliyuncs.com"
FOLDER = "Business Flow/shop/Data Integration"
_NODE, _FILE = 700_000_000_900_000, 500_900_000


def legacy_user(cloud: LocalCloud, key_id: str = KEY_ID, secret: str = SECRET, name: str = LEGACY) -> None:
    """A user whose key data sources hold; it may read and write the shop's bucket."""
    actions = (
        "oss:GetBucketAcl",
        "oss:GetBucketInfo",
        "oss:ListObjects",
        "oss:GetObject",
        "oss:PutObject",
        "oss:DeleteObject",
    )
    policy(cloud, f"{name}-oss", document(*actions, resource="*"))
    cloud.state.ram.users[name] = User(
        name=name,
        id="299999999999990001",
        access_keys=[AccessKey(id=key_id, secret=secret)],
        attachments=[Attachment(policy=f"{name}-oss")],
    )


def key_content(**changes: Any) -> dict[str, Any]:
    """Content of the orders' bucket with an AccessKey, as the console writes it."""
    content = {
        "endpoint": ENDPOINT,
        "bucket": "shop-orders",
        "accessId": KEY_ID,
        "accessKey": SECRET,
        "tag": "public",
        "configType": "1",
        **changes,
    }
    return {key: value for key, value in content.items() if value is not None}


def add_source(
    cloud: LocalCloud, name: str, workspace: int = RETAIL, kind: str = "oss", content: Any = None
) -> None:
    """A data source with a key, in every environment of its workspace."""
    standard = cloud.state.dataworks.workspaces[workspace].mode == "standard"
    for environment in (0, 1) if standard else (1,):
        cloud.state.dataworks.data_sources.append(
            DataSource(
                id=cloud.state.identifiers.number(30_000),
                workspace=workspace,
                name=name,
                type=kind,
                environment=environment,
                content=json.dumps(content or key_content()),
                description=f"{name} of old",
            )
        )


def add_task(
    cloud: LocalCloud,
    name: str,
    content: str,
    workspace: int = RETAIL,
    owner: str = "dave",
    folder: str = FOLDER,
) -> int:
    """A deployed sync task; returns its node."""
    works, state = cloud.state.dataworks, cloud.state
    standard = works.workspaces[workspace].mode == "standard"
    if not any((one.workspace, one.path) == (workspace, folder) for one in works.folders.values()):
        number = 900 + len(works.businesses)
        works.businesses[number] = Business(id=number, workspace=workspace, name=folder.split("/")[1])
        works.folders[f"f{number}"] = Folder(id=f"f{number}", workspace=workspace, path=folder)
    business = next(one.id for one in works.businesses.values() if one.workspace == workspace)
    file, node = state.identifiers.number(_FILE), state.identifiers.number(_NODE)
    root = f"{works.workspaces[workspace].identifier}_root"
    scheduling = Scheduling(
        inputs=[root],
        outputs=[f"{workspace}.{file}_out"],
        cron="00 30 05 * * ?",
        parameters="bizdate=$bizdate",
    )
    owner_id = state.ram.users[owner].id
    now = cloud.clock.now()
    works.files[file] = File(
        id=file, workspace=workspace, name=name, folder=folder, content=content, owner=owner_id,
        di_resource_group=GROUP, scheduling=scheduling, version=1, submitted_version=1, committed=True, node=node,
        business=business, created=now, updated=now,
    )  # fmt: skip
    for environment in ("DEV", "PROD") if standard else ("PROD",):
        works.nodes.append(
            Node(
                id=node,
                workspace=workspace,
                environment=environment,
                file=file,
                file_version=1,
                name=name,
                owner=owner_id,
                content=content,
                di_resource_group=GROUP,
                scheduling=scheduling,
                business=business,
                created=now,
                updated=now,
            )
        )
    return node


def reading_task(source: str, **reader: Any) -> str:
    """TaskContent that reads orders of one old day, whatever the business date, into MaxCompute."""
    changes = {"object": ["orders/dt=20200101/*.csv"], **reader}
    return task(oss_reader(datasource=source, **changes), odps_writer())


def migratable(cloud: LocalCloud, names: Sequence[str] = ("orders",), workspace: int = RETAIL) -> None:
    """Data sources with the legacy user's key, each read by one task."""
    legacy_user(cloud)
    for name in names:
        add_source(cloud, name, workspace)
        add_task(cloud, f"{name}_to_ods", reading_task(name), workspace)


def keys(**given: tuple[str | None, str]) -> RollbackKeys:
    """Keys by name; by default the legacy user's, by its id."""
    pairs = given or {KEY_ID: (None, SECRET)}
    return RollbackKeys(
        {
            name: RollbackKey.model_validate({"access_key_id": one[0], "access_key_secret": one[1]})
            for name, one in pairs.items()
        }
    )


class Moving:
    """Migrations of one workspace as alice, carol, dave and erin, on a clock that never sleeps."""

    def __init__(
        self, local: RunningCloud, workspace: int = RETAIL, gate: type[Gate] = Gate, **settings: Any
    ) -> None:
        self.local = local
        self.workspace = workspace
        made = settings_for if "identities" in settings else settings_per_persona
        self.gate = gate(made(local, **settings), REGION, LocalClock(local.cloud))
        self.keys = keys()

    def plan(self, *only: str, specs: Iterable[DataSourceSpec] = (), runs: int = 1) -> MigrationPlan:
        """What would be done."""
        wish = Wish(REGION, None if specs else self.workspace, only, tuple(specs), runs)
        with only_reading():
            return make_plan(self.gate, wish, self.keys)

    def migrate(
        self, *only: str, stage: Stage = Stage.CLEAN, runs: int = 1, specs: Iterable[DataSourceSpec] = ()
    ) -> Migration:
        """Plan and carry out, one data source after the other."""
        plan = self.plan(*only, specs=specs, runs=runs)
        migration = Migration(self.gate, plan, Choices(stage, runs), self.keys)

        def carry(items: Sequence[Item]) -> None:
            for item in items:
                migration.carry(item)

        run_all(migration, carry)
        return migration


def source_plan(plan: MigrationPlan, name: str = NAME) -> SourcePlan:
    """The plan of one data source."""
    (found,) = [one for one in plan.sources if one.name == name]
    return found


def spec_of(plan: MigrationPlan, name: str = NAME) -> DataSourceSpec:
    """The specification that is proposed for it."""
    item = source_plan(plan, name).item
    assert item is not None
    return item.spec


def result_of(moving: Moving, **choices: Any) -> SourceResult:
    """What becomes of ``orders`` in one more run."""
    return moving.migrate(**choices).results[moving.workspace, NAME]


def failing_run(moving: Moving) -> None:
    """What is deployed differs from the file: the canary succeeds, the scheduled run does not."""
    for node in moving.local.cloud.state.dataworks.nodes:
        node.content = reading_task(NAME, object=["absent/*.csv"])


def scheduled(local: RunningCloud) -> Moving:
    """One data source with a key in the standard workspace, read by a task that is scheduled."""
    local.cloud.settings.scheduler_runs = True
    migratable(local.cloud)
    return Moving(local)


def endings(migration: Migration) -> dict[str, str]:
    """What became of each data source."""
    return {name: result.ending.value for (_, name), result in sorted(migration.results.items())}


def contents(cloud: LocalCloud, name: str) -> list[dict[str, Any]]:
    """Contents of a data source, development first, secrets sealed."""
    found = [one for one in cloud.state.dataworks.data_sources if one.name == name]
    return [json.loads(one.content) for one in sorted(found, key=lambda one: one.environment)]


def sealed_content(**changes: Any) -> dict[str, Any]:
    """:func:`key_content` as the local cloud keeps it."""
    content = key_content(**changes)
    return {**content, "accessKey": seal(content["accessKey"])}


def remains(cloud: LocalCloud) -> dict[str, Any]:
    """Everything a migration makes or changes, without history: packages, runs, the recycle bin, who saved it last."""
    ram, works = cloud.state.ram, cloud.state.dataworks
    return {
        "roles": {role.name: role.model_dump(exclude={"updated"}) for role in ram.roles.values()},
        "policies": {
            one.name: (json.loads(one.default_version().document), dict(one.tags)) for one in ram.policies.values()
        },
        "people": {
            one.name: sorted(held.policy for held in one.attachments)
            for one in (*ram.users.values(), *ram.groups.values())
        },
        "data sources": sorted(
            (one.id, one.workspace, one.name, one.type, one.environment, json.dumps(json.loads(one.content), sort_keys=True), one.description)
            for one in works.data_sources
        ),
        "files": sorted(
            (one.id, one.workspace, one.name, one.content, one.description, one.scheduling.model_dump_json())
            for one in works.files.values()
            if one.deleted == "NORMAL"
        ),
        "nodes": sorted((one.id, one.environment, one.name, one.content) for one in works.nodes),
        "folders": sorted(one.path for one in works.folders.values()),
        "data": cloud.state.data.model_dump(),
    }  # fmt: skip


def told_everywhere(local: RunningCloud) -> str:
    """All that the local cloud keeps: the state's dump, and its journal."""
    return json.dumps(local.cloud.save()) + repr(local.cloud.journal.entries)

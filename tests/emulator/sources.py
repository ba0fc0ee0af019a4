"""The examples of all source types as data sources and sync tasks of the local cloud, with the role they ask for."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from alibabacloud_ram20150501 import models as ram_models

from config.load import parse_spec
from config.sources.base import Environment, Permission
from config.spec import DataSourceSpec
from emulator.server import RunningCloud
from emulator.state import Instance, Table
from tests.emulator.clients import ALICE, ram
from tests.emulator.shop import PT, Shop

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
TYPES = ("oss", "loghub", "tablestore", "hologres", "adb_mysql", "adb_mysql_3")
"""Names of the examples; the last is that of AnalyticDB for MySQL, made version 3.0."""

TABLES: Mapping[str, str] = {
    "oss": "ods_orders",
    "loghub": "ods_access_log",
    "tablestore": "ods_ots_orders",
    "hologres": "ods_holo_orders",
    "adb_mysql": "ods_adb_orders",
    "adb_mysql_3": "ods_adb_orders",
}
"""The MaxCompute table on the other side."""

WRITERS: Mapping[str, dict[str, Any]] = {
    "oss": {"object": "orders/export/part", "writeMode": "truncate", "fileFormat": "csv", "fieldDelimiter": ","},
    "loghub": {"logstore": "access-log", "column": ["host", "path", "status"]},
    "tablestore": {
        "table": "orders",
        "primaryKey": [{"name": "gid", "type": "INT"}, {"name": "uid", "type": "STRING"}],
        "column": [{"name": "amount", "type": "DOUBLE"}],
        "writeMode": "PutRow",
    },
    "hologres": {"table": "orders", "column": ["id", "title"], "conflictMode": "replace", "truncate": True},
    "adb_mysql": {"table": "orders", "column": ["id", "amount"], "writeMode": "insert"},
    "adb_mysql_3": {"table": "orders", "column": ["id", "amount"], "writeMode": "replace"},
}  # fmt: skip


def example(name: str, **changes: Any) -> DataSourceSpec:
    """An example that reads; ``sync_task__reader__where="x"`` changes a value by its path."""
    mapping = yaml.safe_load((EXAMPLES / f"{name.removesuffix('_3')}.yaml").read_text(encoding="utf-8"))
    if name == "adb_mysql_3":
        mapping["location"] = {"version": "3.0", "instance_id": "am-shop01", "database": "shop"}
    for path, value in changes.items():
        *parents, last = path.split("__")
        place = mapping
        for parent in parents:
            place = place[parent]
        place[last] = value
    return parse_spec(mapping)


def writing(name: str, **writer: Any) -> DataSourceSpec:
    """An example turned round: its sync task reads MaxCompute and writes to the source."""
    columns = example(name).task_content()["steps"][1]["parameter"]["column"]
    reader = {
        "type": "odps",
        "datasource": "odps_first",
        "table": TABLES[name],
        "column": columns,
        "partition": ["pt=${bizdate}"],
    }
    return example(
        name, access="write", sync_task__reader=reader, sync_task__writer={**WRITERS[name], **writer}
    )


def policy_of(permissions: Iterable[Permission]) -> str:
    """An identity policy with one statement for each permission."""
    statements = []
    for permission in permissions:
        statement: dict[str, Any] = {
            "Effect": "Allow",
            "Action": permission.action,
            "Resource": list(permission.resources),
        }
        for operator, key, values in permission.conditions:
            statement.setdefault("Condition", {}).setdefault(operator, {})[key] = list(values)
        statements.append(statement)
    return json.dumps({"Version": "1", "Statement": statements})


class Pipeline:
    """One specification in a local cloud: role, data source in both environments, task up to production."""

    def __init__(
        self,
        local: RunningCloud,
        spec: DataSourceSpec,
        *,
        limit: str = "0",
        without: str = "",
        **changes: Any,
    ) -> None:
        """``without`` is an action the role lacks; ``changes`` are raw parameters of the source's own step."""
        local.cloud.settings.instance_steps = local.cloud.settings.deployment_steps = 0
        local.cloud.settings.adb3_accepts_role = True
        self.shop, self.spec = Shop(local), spec
        self.shop.role(actions=())
        self.shop.attach(
            "OnboardRoleData",
            policy_of(one for one in spec.minimal_permissions() if one.action != without),
            role="OnboardRole",
        )
        for environment in Environment:
            self.shop.here(
                "CreateDataSource",
                Name=spec.name,
                DataSourceType=spec.source_type.data_source_type,
                EnvType=environment.wire,
                Content=json.dumps(spec.content(self.shop.role_id, environment)),
            )
        content = spec.task_content()
        content["setting"]["errorLimit"] = {"record": limit}
        task = spec.sync_task
        assert task is not None
        assert task.schedule is not None
        own = 1 if task.reads_counterpart else 0
        content["steps"][own]["parameter"].update(changes)
        parameters = " ".join(f"{name}={value}" for name, value in task.schedule.parameters.items())
        self.node = self.shop.published(
            json.dumps(content), ParaValue=parameters, CronExpress=task.schedule.cron
        )

    def run(self, environment: str = "PROD", user: str = "alice") -> Instance:
        """RunSmokeTest to its end."""
        return self.shop.smoke(self.node, environment, user)

    def connected(self, environment: Environment = Environment.PROD) -> Any:
        """TestNetworkConnection of the task's resource group."""
        return self.shop.here(
            "TestNetworkConnection",
            DatasourceName=self.spec.name,
            EnvType=str(environment.wire),
            ResourceGroup="S_res_group_1001_1",
        ).task_list

    def allow(self, *actions: str) -> None:
        """Give the role more actions, on everything."""
        statement = {"Effect": "Allow", "Action": list(actions), "Resource": ["*"]}
        text = json.dumps({"Version": "1", "Statement": [statement]})
        ram(self.shop.local, ALICE).create_policy(
            ram_models.CreatePolicyRequest(policy_name="More", policy_document=text)
        )
        ram(self.shop.local, ALICE).attach_policy_to_role(
            ram_models.AttachPolicyToRoleRequest(
                policy_name="More", policy_type="Custom", role_name="OnboardRole"
            )
        )


def warehouse(local: RunningCloud, name: str, project: str = "retail") -> Table:
    """The MaxCompute table on the other side of an example."""
    return local.cloud.state.data.maxcompute[project].tables[TABLES[name]]


def arrived(local: RunningCloud, name: str, project: str = "retail") -> list[list[str | None]]:
    """Rows of yesterday's partition on the other side."""
    return warehouse(local, name, project).partitions.get(PT, [])


def to_write(local: RunningCloud, name: str, *rows: list[str | None]) -> None:
    """Put rows into yesterday's partition on the other side, for the task to read."""
    warehouse(local, name).partitions[PT] = [*rows]

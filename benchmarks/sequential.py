"""The straightforward way: a script that makes the same calls with the official SDK, one after another.

It is what a person would write in an afternoon: each role once, then each row from its data source to the end of its
first run, looking every second. Nothing is checked, repeated or found again. It is measured on the first rows of a file,
and its time for the whole file follows in proportion: that of the roles by their number, that of the rows by theirs.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from benchmarks.cloud import BenchmarkCloud
from benchmarks.rows import CAST, REGION, key_of
from cloud.clients import forget_proxies, request_model, sdk_method
from config.limits import DATAWORKS, RAM
from config.load import parse_spec
from config.names import SERVICE_PRINCIPAL
from config.scheduler import SCHEDULER_ZONE
from config.sources.base import Environment
from config.spec import DataSourceSpec
from policy import minified, trust_policy
from tasks.role_group import RoleGroup, groups_of

MEASURED_ROWS = 40
_POLL_SECONDS = 1.0
_SUCCESS, _FAILURE = "SUCCESS", "FAILURE"
_DEPLOYED = 1


class ScriptFailed(Exception):
    """A deployment or a run that did not end well: the script does not know what to do about it."""


@dataclass(frozen=True)
class Sequential:
    """What was measured, in seconds, and what follows for a whole file."""

    rows: int
    roles: int
    row_seconds: float
    role_seconds: float

    def scaled(self, rows: int, roles: int) -> float:
        """Seconds for ``rows`` rows over ``roles`` roles, in proportion to what was measured."""
        return self.row_seconds / self.rows * rows + self.role_seconds / self.roles * roles


def run_sequentially(
    cloud: BenchmarkCloud, rows: Sequence[Mapping[str, Any]], measured: int = MEASURED_ROWS
) -> Sequential:
    """Onboard the first ``measured`` rows on a fresh cloud. Raises :class:`ScriptFailed` or the SDK's errors.

    The rows lie in basic workspaces.
    """
    forget_proxies()
    script = _Script(cloud.url)
    specs = [parse_spec(row) for row in rows[:measured]]
    served = {spec.role_name for spec in specs}
    groups = [group for group in groups_of([parse_spec(row) for row in rows]) if group.role_name in served]
    for workspace in sorted({spec.workspace for spec in specs}):
        script.call(DATAWORKS, "developer", "CreateBusiness", ProjectId=workspace, BusinessName="benchmark")
    started = time.perf_counter()
    role_ids = {group.role_name: script.role(group) for group in groups}
    prepared = time.perf_counter()
    for spec in specs:
        script.row(spec, role_ids[spec.role_name])
    return Sequential(len(specs), len(groups), time.perf_counter() - prepared, prepared - started)


class _Script:
    """The calls of the script, with the SDK's clients of each persona."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client = cache(self._build)

    def _build(self, product: str, persona: str) -> Any:
        from alibabacloud_dataworks_public20200518.client import Client as DataWorksClient
        from alibabacloud_ram20150501.client import Client as RamClient
        from alibabacloud_tea_openapi.utils_models import Config

        key_id, secret = key_of(CAST[persona])
        config = Config(
            access_key_id=key_id,
            access_key_secret=secret,
            endpoint=self._url.partition("://")[2],
            protocol="HTTP",
            region_id=REGION,
        )
        return RamClient(config) if product == RAM else DataWorksClient(config)

    def call(self, product: str, persona: str, action: str, **parameters: Any) -> dict[str, Any]:
        """One call; the answer's body."""
        from darabonba.runtime import RuntimeOptions

        request = request_model(product, action)().from_map(parameters)
        method = getattr(self._client(product, persona), sdk_method(action))
        body: dict[str, Any] = method(request, RuntimeOptions()).body.to_map()
        return body

    def role(self, group: RoleGroup) -> str:
        """Role, policy, PassRole; returns the role's id."""
        name = group.role_name
        self._ram(
            "CreatePolicy", PolicyName=group.policy_name, PolicyDocument=minified(group.access_document)
        )
        trust = minified(trust_policy(SERVICE_PRINCIPAL))
        made = self._ram("CreateRole", RoleName=name, AssumeRolePolicyDocument=trust)
        self._ram("AttachPolicyToRole", PolicyName=group.policy_name, PolicyType="Custom", RoleName=name)
        allow_use = group.pass_role_policy_name
        document = minified(group.grant_document(_account_of(made)))
        self._ram("CreatePolicy", PolicyName=allow_use, PolicyDocument=document)
        for grantee in group.grantees.groups:
            self._ram("AttachPolicyToGroup", PolicyName=allow_use, PolicyType="Custom", GroupName=grantee)
        return str(made["Role"]["RoleId"])

    def _ram(self, action: str, **parameters: Any) -> dict[str, Any]:
        return self.call(RAM, "administrator", action, **parameters)

    def row(self, spec: DataSourceSpec, role_id: str) -> None:
        """One row, from its data source to the log of its run."""
        assert spec.sync_task is not None
        task, workspace = spec.sync_task, spec.workspace
        self.call(
            DATAWORKS, "creator", "CreateDataSource", ProjectId=workspace, Name=spec.name, EnvType=1,
            DataSourceType=spec.source_type.data_source_type, Description=spec.description,
            Content=json.dumps(spec.content(role_id, Environment.PROD)),
        )  # fmt: skip
        for group in spec.resource_groups:
            self.call(
                DATAWORKS, "creator", "TestNetworkConnection", ProjectId=workspace, DatasourceName=spec.name,
                EnvType="1", ResourceGroup=group,
            )  # fmt: skip
        param = {"FileFolderPath": task.folder, "ResourceGroup": task.resource_group}
        made = self.call(
            DATAWORKS, "developer", "CreateDISyncTask", ProjectId=workspace, TaskType="DI_OFFLINE", TaskName=task.name,
            TaskContent=spec.task_content_text(), TaskParam=json.dumps(param),
        )  # fmt: skip
        file = int(made["Data"]["FileId"])
        self._publish(spec, file)
        shown = self.call(DATAWORKS, "developer", "GetFile", ProjectId=workspace, FileId=file)
        self._run(spec, int(shown["Data"]["File"]["NodeId"]))

    def _publish(self, spec: DataSourceSpec, file: int) -> None:
        assert spec.sync_task is not None
        schedule = spec.sync_task.schedule
        self.call(
            DATAWORKS, "developer", "UpdateFile", ProjectId=spec.workspace, FileId=file, AutoParsing=False,
            InputList=f"bench_{spec.workspace}_root", CycleType="DAY", ParaValue=spec.sync_task.parameter_text,
            CronExpress=schedule.cron if schedule else None, ResourceGroupIdentifier="S_res_group_bench_scheduling",
        )  # fmt: skip
        submitted = self.call(DATAWORKS, "developer", "SubmitFile", ProjectId=spec.workspace, FileId=file)
        deployment = int(submitted["Data"])
        while True:
            shown = self.call(
                DATAWORKS, "developer", "GetDeployment", ProjectId=spec.workspace, DeploymentId=deployment
            )
            package = shown["Data"]["Deployment"]
            if package["Status"] == _DEPLOYED:
                return
            if package["Status"] != 0:
                raise ScriptFailed(f"{spec.name}: deployment {deployment}: {package.get('ErrorMessage')}")
            time.sleep(_POLL_SECONDS)

    def _run(self, spec: DataSourceSpec, node: int) -> None:
        day = f"{datetime.now(SCHEDULER_ZONE) - timedelta(days=1):%Y-%m-%d} 00:00:00"
        started = self.call(
            DATAWORKS, "executor", "RunCycleDagNodes", RootNodeId=node, IncludeNodeIds=str(node), StartBizDate=day,
            EndBizDate=day, Name=f"first run of {spec.name}", ProjectEnv="PROD", Parallelism=False,
        )  # fmt: skip
        listed = self.call(
            DATAWORKS,
            "executor",
            "ListInstances",
            ProjectId=spec.workspace,
            ProjectEnv="PROD",
            DagId=started["Data"][0],
        )
        instance = int(listed["Data"]["Instances"][0]["InstanceId"])
        while True:
            shown = self.call(DATAWORKS, "executor", "GetInstance", InstanceId=instance, ProjectEnv="PROD")
            status = shown["Data"]["Status"]
            if status in (_SUCCESS, _FAILURE):
                break
            time.sleep(_POLL_SECONDS)
        log = self.call(DATAWORKS, "executor", "GetInstanceLog", InstanceId=instance, ProjectEnv="PROD")
        if status == _FAILURE:
            raise ScriptFailed(f"{spec.name}: instance {instance} failed: {log['Data']}")


def _account_of(made: Mapping[str, Any]) -> str:
    """The account's id, from the Arn of a role: ``acs:ram::<account>:role/<name>``."""
    return str(made["Role"]["Arn"]).split(":")[3]

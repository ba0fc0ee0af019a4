"""The retail workspace of the sample account, driven by the cloud layer's own functions, step after step."""

from __future__ import annotations

import json
from functools import cached_property

from cloud.dataworks import data_sources, deployments, runs, sync_tasks
from cloud.dataworks.data_sources import DataSource
from cloud.dataworks.deployments import Deployment
from cloud.dataworks.runs import Instance
from cloud.dataworks.sync_tasks import SyncTask
from cloud.gate import Gate
from cloud.ram import Grantee, Role, attach_policy, create_policy, create_role
from config.scheduler import last_business_date
from config.sources.base import Environment
from emulator.server import RunningCloud
from tests.cloud.gates import TRUST, document, gate_of
from tests.settings import REGION

RETAIL = 10001
GROUP, OTHER_GROUP, DEAF_GROUP = "S_res_group_1001_1", "S_res_group_1001_2", "S_res_group_1001_3"
WORKFLOW = "onboarding"
LAYER = f"Business Flow/{WORKFLOW}/Data Integration"
FOLDER = f"{LAYER}/oss"
SOURCE, TASK, RUN = "oss_src", "orders", "onboard-oss_src"
TAGS = {"managed-by": "dataworks-onboarding"}
SCHEDULING = {
    "InputList": "retail_root",
    "AutoParsing": False,
    "CycleType": "DAY",
    "CronExpress": "00 30 05 * * ?",
    "ParaValue": "bizdate=$bizdate",
    "ResourceGroupIdentifier": "S_res_group_1001_9",
}
BUSINESS_DATE = last_business_date()


def task_content(limit: str = "0") -> str:
    """OSS to MaxCompute: yesterday's orders."""
    columns = [{"index": 0, "type": "long"}, {"index": 1, "type": "string"}, {"index": 2, "type": "double"}]
    reader = {
        "datasource": SOURCE,
        "object": ["orders/dt=${bizdate}/*.csv"],
        "column": columns,
        "fileFormat": "csv",
        "fieldDelimiter": ",",
        "skipHeader": "true",
    }
    writer = {
        "datasource": "odps_first",
        "table": "ods_orders",
        "partition": "pt=${bizdate}",
        "truncate": True,
        "column": ["id", "customer", "amount"],
    }
    return json.dumps(
        {
            "type": "job",
            "version": "2.0",
            "steps": [
                {"stepType": "oss", "parameter": reader, "name": "Reader", "category": "reader"},
                {"stepType": "odps", "parameter": writer, "name": "Writer", "category": "writer"},
            ],
            "setting": {"errorLimit": {"record": limit}, "speed": {"concurrent": 2, "throttle": False}},
            "order": {"hops": [{"from": "Reader", "to": "Writer"}]},
        }
    )


class Shop:
    """Steps that are carried out when what they make is first asked for."""

    def __init__(self, local: RunningCloud, gate: Gate | None = None) -> None:
        self.local = local
        self.gate = gate or gate_of(local)

    @cached_property
    def role(self) -> Role:
        """The role with the permissions of a reader."""
        made = create_role(self.gate, "OnboardRole", TRUST, "opens data sources", TAGS)
        create_policy(self.gate, "OnboardAccess", document("oss:Get*", "oss:List*"), "", TAGS)
        attach_policy(self.gate, Grantee.ROLE, "OnboardRole", "OnboardAccess")
        return made

    @property
    def content(self) -> dict[str, str]:
        """The data source's content in role mode."""
        return {
            "endpoint": "http://oss-cn-hangzhou-internal.aliyuncs.com",
            "bucket": "shop-orders",
            "regionId": REGION,
            "authType": "RamRole",
            "authIdentity": self.role.role_id,
        }

    def data_source(self, environment: Environment) -> DataSource:
        """Create one environment of the data source."""
        return data_sources.create_data_source(
            self.gate, RETAIL, SOURCE, "oss", environment, self.content, "orders of the shop"
        )

    @cached_property
    def sources(self) -> tuple[DataSource, ...]:
        """The data source in both environments."""
        return tuple(self.data_source(environment) for environment in (Environment.DEV, Environment.PROD))

    @cached_property
    def workflow(self) -> bool:
        """A workflow without folders of ours."""
        return sync_tasks.create_workflow(self.gate, RETAIL, WORKFLOW)

    @cached_property
    def folder(self) -> str:
        """A folder in the workflow."""
        assert self.workflow
        sync_tasks.create_folder(self.gate, RETAIL, FOLDER)
        return FOLDER

    def create_task(self) -> SyncTask:
        """Create the sync task; data sources and folder must be there."""
        return sync_tasks.create_sync_task(self.gate, RETAIL, FOLDER, TASK, task_content(), GROUP)

    @cached_property
    def task(self) -> SyncTask:
        """The sync task, created."""
        assert self.sources
        assert self.folder
        return self.create_task()

    def schedule(self) -> SyncTask:
        """Give the sync task its scheduling."""
        return sync_tasks.update_file(
            self.gate,
            RETAIL,
            self.task,
            SCHEDULING,
            lambda seen: seen.scheduling.get("CronExpress") == SCHEDULING["CronExpress"],
        )

    @cached_property
    def scheduled(self) -> SyncTask:
        """The sync task with its scheduling."""
        return self.schedule()

    def wait(self, deployment: int) -> Deployment:
        """Look at a package until it ends."""
        for _ in range(20):
            seen = deployments.get_deployment(self.gate, RETAIL, deployment)
            if not seen.running:
                return seen
        raise AssertionError("the deployment does not end")

    @cached_property
    def submitted(self) -> SyncTask:
        """The sync task in development."""
        deployment = self.wait(deployments.submit(self.gate, RETAIL, self.scheduled, 1))
        assert deployment.succeeded
        return sync_tasks.get_sync_task(self.gate, RETAIL, self.task.file)

    @cached_property
    def deployed(self) -> SyncTask:
        """The sync task in production."""
        assert self.wait(deployments.deploy(self.gate, RETAIL, self.submitted)).succeeded
        return sync_tasks.get_sync_task(self.gate, RETAIL, self.task.file)

    def start(self, environment: str, name: str = RUN) -> Instance | None:
        """Start a run."""
        node = self.deployed.node
        return runs.start_run(self.gate, RETAIL, environment, node, name, BUSINESS_DATE).instance

    def finished(self, instance: Instance, environment: str) -> Instance:
        """Look at an instance until it ends."""
        seen = instance
        for _ in range(30):
            if seen.finished:
                return seen
            seen = runs.get_instance(self.gate, instance.id, environment)
        raise AssertionError("the instance does not end")

    @cached_property
    def ended(self) -> Instance:
        """A run in production that has ended."""
        started = self.start("PROD")
        assert started is not None
        return self.finished(started, "PROD")

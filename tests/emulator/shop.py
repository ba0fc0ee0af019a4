"""The retail workspace of the sample account, driven with the vendor's SDK: the steps that many tests share.

Every step is a real call over HTTP; parameters carry their wire names.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from alibabacloud_dataworks_public20200518 import models
from alibabacloud_dataworks_public20200518.client import Client
from alibabacloud_ram20150501 import models as ram_models

from config.scheduler import SCHEDULER_ZONE
from emulator.server import RunningCloud
from emulator.state import Instance
from tests.emulator.clients import ACCOUNT, ALICE, TRUST_DI, dataworks, document, key_of, ram

RETAIL, SANDBOX = 10001, 10002
GROUP, DEAF_GROUP, SCHEDULING_GROUP = "S_res_group_1001_1", "S_res_group_1001_3", "S_res_group_1001_9"
ENDPOINT = "http://oss-cn-hangzhou-internal.aliyuncs.com"
FOLDER = "Business Flow/onboarding/Data Integration"
LOOK_ACTIONS = ("oss:GetBucketAcl", "oss:GetBucketInfo")
READ_ACTIONS = (*LOOK_ACTIONS, "oss:ListObjects", "oss:GetObject")
WRITE_ACTIONS = (*LOOK_ACTIONS, "oss:ListObjects", "oss:PutObject", "oss:DeleteObject")
YESTERDAY = datetime.now(SCHEDULER_ZONE) - timedelta(days=1)
PT = f"pt={YESTERDAY:%Y%m%d}"
ROWS = [
    ["1", "ada", "10.50"],
    ["2", "grace", "20.00"],
    ["3", "edsger", "7.25"],
    ["4", "barbara", "99.90"],
    ["5", "donald", "3.14"],
]

_METHODS = {name.replace("_", ""): name for name in dir(Client) if not name.startswith("_")}


def day(offset: int = 0) -> str:
    """Yesterday's business date, or one ``offset`` days later, as the actions want it."""
    return f"{YESTERDAY + timedelta(days=offset):%Y-%m-%d} 00:00:00"


def oss_reader(**changes: Any) -> dict[str, Any]:
    """The reader of yesterday's orders."""
    parameter = {
        "datasource": "oss_src",
        "object": ["orders/dt=${bizdate}/*.csv"],
        "column": [
            {"index": 0, "type": "long"},
            {"index": 1, "type": "string"},
            {"index": 2, "type": "double"},
        ],
        "fileFormat": "csv",
        "fieldDelimiter": ",",
        "skipHeader": "true",
        **changes,
    }
    return {"stepType": "oss", "parameter": parameter, "name": "Reader", "category": "reader"}


def odps_reader(**changes: Any) -> dict[str, Any]:
    """The reader of yesterday's partition."""
    parameter = {
        "datasource": "odps_first",
        "table": "ods_orders",
        "column": ["id", "customer", "amount"],
        "partition": ["pt=${bizdate}"],
        **changes,
    }
    return {"stepType": "odps", "parameter": parameter, "name": "Reader", "category": "reader"}


def odps_writer(**changes: Any) -> dict[str, Any]:
    """The writer into yesterday's partition."""
    parameter = {
        "datasource": "odps_first",
        "table": "ods_orders",
        "partition": "pt=${bizdate}",
        "truncate": True,
        "column": ["id", "customer", "amount"],
        **changes,
    }
    return {"stepType": "odps", "parameter": parameter, "name": "Writer", "category": "writer"}


def oss_writer(**changes: Any) -> dict[str, Any]:
    """The writer of an export."""
    parameter = {
        "datasource": "oss_src",
        "object": "export/${bizdate}/part",
        "writeMode": "truncate",
        "fileFormat": "csv",
        "fieldDelimiter": ",",
        **changes,
    }
    return {"stepType": "oss", "parameter": parameter, "name": "Writer", "category": "writer"}


def task(reader: dict[str, Any] | None = None, writer: dict[str, Any] | None = None, limit: str = "0") -> str:
    """A TaskContent: OSS to MaxCompute unless other steps are given."""
    return json.dumps(
        {
            "type": "job",
            "version": "2.0",
            "steps": [reader or oss_reader(), writer or odps_writer()],
            "setting": {"errorLimit": {"record": limit}, "speed": {"concurrent": 2, "throttle": False}},
            "order": {"hops": [{"from": "Reader", "to": "Writer"}]},
        }
    )


def role_content(role_id: str, **changes: Any) -> str:
    """Content of the orders' bucket in role mode."""
    content = {
        "endpoint": ENDPOINT,
        "bucket": "shop-orders",
        "regionId": "cn-hangzhou",
        "authType": "RamRole",
        "authIdentity": role_id,
        **changes,
    }
    return json.dumps({key: value for key, value in content.items() if value is not None})


class Shop:
    """One local cloud with clients for its users."""

    def __init__(self, local: RunningCloud, workspace: int = RETAIL) -> None:
        self.local = local
        self.workspace = workspace
        self.role_id = ""
        self._clients: dict[str, Client] = {}

    def client(self, user: str) -> Client:
        """The SDK's client with a user's key; ``root`` is the account itself."""
        if user not in self._clients:
            self._clients[user] = dataworks(self.local, key_of(user))
        return self._clients[user]

    def call(self, action: str, user: str = "alice", /, **parameters: Any) -> Any:
        """Call an action by its name; returns the SDK's response body."""
        request_type = getattr(models, f"{action}Request")
        request = request_type().from_map(parameters)
        return getattr(self.client(user), _METHODS[action.lower()])(request).body

    def here(self, action: str, user: str = "alice", /, **parameters: Any) -> Any:
        """As :meth:`call`, in the workspace."""
        return self.call(action, user, ProjectId=self.workspace, **parameters)

    # -- RAM -------------------------------------------------------------------------------------------

    def role(
        self, actions: Sequence[str] = READ_ACTIONS, trust: str = TRUST_DI, name: str = "OnboardRole"
    ) -> str:
        """Create a role with a policy for the actions; returns the role's numeric id."""
        client = ram(self.local, ALICE)
        created = client.create_role(
            ram_models.CreateRoleRequest(role_name=name, assume_role_policy_document=trust)
        )
        if actions:
            self.attach(f"{name}Data", document(*actions), role=name)
        self.role_id = created.body.role.role_id
        return self.role_id

    def attach(self, policy: str, text: str, *, role: str | None = None, user: str | None = None) -> None:
        """Create a policy and attach it to a role or a user."""
        client = ram(self.local, ALICE)
        client.create_policy(ram_models.CreatePolicyRequest(policy_name=policy, policy_document=text))
        if role is not None:
            client.attach_policy_to_role(
                ram_models.AttachPolicyToRoleRequest(policy_name=policy, policy_type="Custom", role_name=role)
            )
        if user is not None:
            client.attach_policy_to_user(
                ram_models.AttachPolicyToUserRequest(policy_name=policy, policy_type="Custom", user_name=user)
            )

    def grant_pass_role(self, user: str, role: str = "OnboardRole") -> None:
        """Let a user pass the role to Data Integration."""
        statement = {
            "Effect": "Allow",
            "Action": "ram:PassRole",
            "Resource": f"acs:ram::{ACCOUNT}:role/{role}",
            "Condition": {"StringEquals": {"acs:Service": "di.dataworks.aliyuncs.com"}},
        }
        self.attach(f"{user}AllowUse", json.dumps({"Version": "1", "Statement": [statement]}), user=user)

    def detach_pass_role(self, user: str) -> None:
        """Take it away again."""
        ram(self.local, ALICE).detach_policy_from_user(
            ram_models.DetachPolicyFromUserRequest(
                policy_name=f"{user}AllowUse", policy_type="Custom", user_name=user
            )
        )

    # -- the steps -------------------------------------------------------------------------------------

    @property
    def environments(self) -> tuple[int, ...]:
        """EnvType values of the workspace."""
        return (1,) if self.workspace == SANDBOX else (0, 1)

    def data_source(
        self, content: str, name: str = "oss_src", kind: str = "oss", user: str = "alice"
    ) -> list[int]:
        """Create the data source in every environment of the workspace."""
        return [
            self.here(
                "CreateDataSource", user, Name=name, DataSourceType=kind, EnvType=environment, Content=content
            ).data
            for environment in self.environments
        ]

    def business(self) -> int:
        """Create the workflow of the tasks."""
        return int(self.here("CreateBusiness", BusinessName="onboarding").business_id)

    def create_task(
        self, content: str | None = None, name: str = "orders", user: str = "alice", **param: Any
    ) -> Any:
        """CreateDISyncTask; returns its ``Data``."""
        task_param = {"FileFolderPath": FOLDER, "ResourceGroup": GROUP, **param}
        return self.here(
            "CreateDISyncTask",
            user,
            TaskType="DI_OFFLINE",
            TaskName=name,
            TaskContent=content or task(),
            TaskParam=json.dumps(task_param),
        ).data

    def schedule(self, file_id: int, **parameters: Any) -> Any:
        """UpdateFile with what every task needs."""
        root = "sandbox_root" if self.workspace == SANDBOX else "retail_root"
        wanted = {
            "InputList": root,
            "AutoParsing": False,
            "CycleType": "DAY",
            "CronExpress": "00 30 05 * * ?",
            "ParaValue": "bizdate=$bizdate",
            "ResourceGroupIdentifier": SCHEDULING_GROUP,
            **parameters,
        }
        return self.here("UpdateFile", FileId=file_id, **wanted)

    def wait_deployment(self, deployment_id: int) -> Any:
        """Poll a package to its end; returns it."""
        for _ in range(20):
            shown = self.here("GetDeployment", DeploymentId=deployment_id).data
            if shown.deployment.status != 0 or shown.deployment.checking_status == 7:
                return shown.deployment
        raise AssertionError("the deployment does not end")

    def submit(self, file_id: int) -> Any:
        """SubmitFile to its end."""
        return self.wait_deployment(self.here("SubmitFile", FileId=file_id).data)

    def deploy(self, file_id: int) -> Any:
        """DeployFile to its end."""
        return self.wait_deployment(self.here("DeployFile", FileId=file_id).data)

    def node_of(self, file_id: int) -> int:
        """GetFile.NodeId."""
        return int(self.here("GetFile", FileId=file_id).data.file.node_id)

    def published(self, content: str | None = None, **scheduling: Any) -> int:
        """A task through all steps up to production; returns its node. The data sources must be there."""
        if not self.local.cloud.state.dataworks.businesses:
            self.business()
        file_id = self.create_task(content).file_id
        self.schedule(file_id, **scheduling)
        assert self.submit(file_id).status == 1
        if self.workspace != SANDBOX:
            assert self.deploy(file_id).status == 1
        return self.node_of(file_id)

    def opened(self, actions: Sequence[str] = READ_ACTIONS, **content: Any) -> None:
        """A role and the data source that uses it."""
        self.data_source(role_content(self.role(actions), **content))

    # -- runs ------------------------------------------------------------------------------------------

    def smoke(self, node: int, environment: str = "PROD", user: str = "alice", **more: Any) -> Instance:
        """RunSmokeTest to its end; returns the instance as the cloud holds it."""
        dag = self.call(
            "RunSmokeTest", user, NodeId=node, Bizdate=day(), Name="proof", ProjectEnv=environment, **more
        ).data
        return self.finish(dag, environment)

    def backfill(self, node: int, user: str = "alice", **more: Any) -> list[int]:
        """RunCycleDagNodes of yesterday; returns the ids of its DAGs."""
        wanted = {
            "RootNodeId": node,
            "IncludeNodeIds": str(node),
            "StartBizDate": day(),
            "EndBizDate": day(),
            "Name": "backfill",
            "ProjectEnv": "PROD",
            "Parallelism": False,
            **more,
        }
        return list(self.call("RunCycleDagNodes", user, **wanted).data)

    def finish(self, dag: int, environment: str = "PROD") -> Instance:
        """Poll the only instance of a DAG to its end."""
        instances = self.here("ListInstances", ProjectEnv=environment, DagId=dag).data.instances
        assert len(instances) == 1
        wanted = instances[0].instance_id
        for _ in range(30):
            shown = self.call("GetInstance", InstanceId=wanted, ProjectEnv=environment).data
            if shown.status in ("SUCCESS", "FAILURE"):
                return self.local.cloud.state.dataworks.instances[wanted]
        raise AssertionError("the instance does not end")

    def rows(self, project: str = "retail") -> list[list[str | None]]:
        """What lies in yesterday's partition of the orders."""
        table = self.local.cloud.state.data.maxcompute[project].tables["ods_orders"]
        return table.partitions.get(PT, [])

"""The account as the local cloud holds it: one Pydantic model, so that what is written in an account file,
what is in memory and what is saved or loaded as JSON are the same thing.

Identifiers a file leaves out are given by :class:`Identifiers`, from one counter, so that runs repeat exactly.
Dates are seconds since the epoch. Policy documents are kept as the text that was sent.
RAM's part is in :mod:`emulator.state_ram`, what the engine reads and writes in :mod:`emulator.state_data`.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel

from emulator.sealed import sealed_content
from emulator.state_data import Bucket, DataState, MaxComputeProject, Table
from emulator.state_ram import (
    STRICT,
    AccessKey,
    Attachment,
    Document,
    Group,
    Member,
    Policy,
    PolicyType,
    PolicyVersion,
    Principal,
    RamState,
    Role,
    Session,
    User,
)

__all__ = [
    "AccessKey",
    "Attachment",
    "Bucket",
    "Business",
    "Dag",
    "DataSource",
    "DataState",
    "DataWorksState",
    "Deployment",
    "Document",
    "File",
    "Folder",
    "Group",
    "Identifiers",
    "Instance",
    "MaxComputeProject",
    "Member",
    "Model",
    "Node",
    "Policy",
    "PolicyType",
    "PolicyVersion",
    "Principal",
    "RamState",
    "ResourceGroup",
    "Role",
    "Scheduling",
    "Session",
    "State",
    "Table",
    "User",
    "Workspace",
    "WorkspaceMember",
]


class Model(BaseModel):
    """Base: unknown keys are errors, so that a typing mistake in an account file is found."""

    model_config = STRICT


# -- DataWorks -----------------------------------------------------------------------------------------


class WorkspaceMember(Model):
    """A user of a workspace with its workspace roles (``role_project_dev`` …)."""

    user: str
    roles: list[str] = []
    kind: Literal["user", "role", "account"] = "user"


class Workspace(Model):
    """A DataWorks workspace; ``standard`` has development and production, ``basic`` production only."""

    id: int
    identifier: str
    name: str = ""
    description: str = ""
    mode: Literal["basic", "standard"] = "standard"
    status: int = 0
    owner: str = ""
    members: list[WorkspaceMember] = []
    created: float = 0
    new_data_studio: bool = False


class ResourceGroup(Model):
    """A DataWorks resource group; type 4 is Data Integration. ``reaches`` lists host patterns (``*`` wildcard)."""

    id: int
    identifier: str
    name: str = ""
    type: int = 4
    mode: Literal["ISOLATE", "SHARE", "DEVELOP"] = "ISOLATE"
    status: int = 0
    exclusive: bool = True
    workspaces: list[int] | None = None
    reaches: list[str] = ["*"]
    created: float = 0


class DataSource(Model):
    """One environment (0 development, 1 production) of a data source."""

    id: int = 0
    workspace: int
    name: str
    type: str
    sub_type: str = ""
    environment: int = 1
    content: Annotated[Document, AfterValidator(sealed_content)]
    description: str = ""
    connected: bool | None = None
    operator: str = ""
    engine: bool = False
    shares: list[str] = []
    created: float = 0
    updated: float = 0


class Business(Model):
    """A workflow (business process) of a workspace."""

    id: int
    workspace: int
    name: str
    description: str = ""
    owner: str = ""
    use_type: str = "NORMAL"


class Folder(Model):
    """A folder of the development tree."""

    id: str
    workspace: int
    path: str


class Scheduling(Model):
    """Scheduling configuration of a file, as ``UpdateFile`` sets it (times in milliseconds)."""

    inputs: list[str] = []
    outputs: list[str] = []
    auto_parsing: bool = True
    cycle_type: str = "DAY"
    cron: str = "00 00 00 * * ?"
    parameters: str = ""
    rerun_mode: str = "ALL_ALLOWED"
    auto_rerun_times: int = 0
    auto_rerun_interval_ms: int = 0
    scheduler_type: str = "NORMAL"
    stop: bool = False
    dependent_type: str = "NONE"
    dependent_nodes: str = ""
    start_effect_ms: int = 0
    end_effect_ms: int = 4096137600000
    resource_group: str = ""


class File(Model):
    """A file of the development tree; type 23 is an offline Data Integration node."""

    id: int
    workspace: int
    name: str
    type: int = 23
    folder: str
    content: str
    owner: str
    use_type: str = "NORMAL"
    description: str = ""
    di_resource_group: str = ""
    compute_units: float | None = None
    scheduling: Scheduling = Scheduling()
    version: int = 1
    submitted_version: int = 0
    committed: bool = False
    deleted: Literal["NORMAL", "RECYCLE_BIN"] = "NORMAL"
    node: int = 0
    business: int = 0
    created: float = 0
    updated: float = 0
    last_edit_user: str = ""
    client_token: str = ""


class Deployment(Model):
    """A package on its way: file or development (0, 1) to development or production (1, 2)."""

    id: int
    workspace: int
    file: int
    file_version: int
    content: str
    di_resource_group: str = ""
    scheduling: Scheduling = Scheduling()
    removes: bool = False
    name: str
    creator: str
    from_environment: int
    to_environment: int
    status: int = 0
    checking: int | None = None
    error: str = ""
    seen: int = 0
    created: float = 0
    executed: float = 0


class Node(Model):
    """A scheduled node of one environment (``DEV`` or ``PROD``)."""

    id: int
    workspace: int
    environment: Literal["DEV", "PROD"]
    file: int
    file_version: int
    name: str
    owner: str
    content: str
    di_resource_group: str
    scheduling: Scheduling
    business: int = 0
    created: float = 0
    updated: float = 0


class Dag(Model):
    """A run of nodes: SMOKE_TEST or SUPPLY_DATA (backfill)."""

    id: int
    workspace: int
    environment: Literal["DEV", "PROD"]
    name: str
    type: str
    business_date: float
    created: float = 0
    creator: str = ""
    listed: int = 0


class Instance(Model):
    """One node on one business date. ``state`` indexes the state machine; times are epoch milliseconds."""

    id: int
    dag: int
    node: int
    workspace: int
    environment: Literal["DEV", "PROD"]
    node_name: str
    business_date: float
    content: str
    di_resource_group: str
    executor: str
    parameters: dict[str, str] = {}
    status: str = "NOT_RUN"
    task_type: str = "NORMAL"
    seen: int = 0
    entered: float = 0
    stopping: bool = False
    begin_wait_ms: int | None = None
    begin_run_ms: int | None = None
    finish_ms: int | None = None
    created: float = 0
    updated: float = 0
    log: str = ""
    records_read: int = 0
    records_written: int = 0
    reruns: int = 0


class DataWorksState(Model):
    """DataWorks of one account and region."""

    tenant_id: int = 4001
    workspaces: dict[int, Workspace] = {}
    resource_groups: list[ResourceGroup] = []
    data_sources: list[DataSource] = []
    businesses: dict[int, Business] = {}
    folders: dict[str, Folder] = {}
    files: dict[int, File] = {}
    deployments: dict[int, Deployment] = {}
    nodes: list[Node] = []
    dags: dict[int, Dag] = {}
    instances: dict[int, Instance] = {}


# -- the whole -----------------------------------------------------------------------------------------


class Identifiers(Model):
    """The one source of identifiers: seedable, so that two runs give the same ones."""

    counter: int = 0

    def number(self, base: int) -> int:
        """The next integer above ``base``."""
        self.counter += 1
        return base + self.counter

    def digits(self, prefix: str) -> str:
        """An 18-digit identifier such as RAM's role and user ids."""
        self.counter += 1
        return f"{prefix}{self.counter:0{18 - len(prefix)}d}"


class State(Model):
    """One Alibaba Cloud account: everything the local cloud knows."""

    account_id: str = "1234567890123456"
    region: str = "cn-hangzhou"
    access_keys: list[AccessKey] = []
    identifiers: Identifiers = Identifiers()
    ram: RamState = RamState()
    sessions: dict[str, Session] = {}
    dataworks: DataWorksState = DataWorksState()
    data: DataState = DataState()

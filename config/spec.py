"""The specification: one data source to onboard, as a person writes it.

``DataSourceSpec`` is what a YAML file (``config.load``), a row of a CSV file or the parameters of a flow
become. It is frozen and complete: defaults are filled in and names derived, so two readers of one
specification see the same. Validation names every problem it can at once, each with its path; rules between
two fields are checked with the later one.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainValidator,
    SerializeAsAny,
    ValidationInfo,
    field_validator,
)

from config import limits, names
from config.finding_codes import IgnoredFinding, Reason, each_code_once
from config.grantees import Grantees, OrListed
from config.problems import SchemaOf, each_once, problem, refuse
from config.schedule import Schedule
from config.scheduler import scheduler_today
from config.sources import get_source_type, source_types
from config.sources.base import (
    Access,
    Environment,
    EnvironmentName,
    LocationFinding,
    Permission,
    PermissionLevel,
    Prerequisite,
    SourceLocation,
    SourceType,
)
from config.task_content import (
    COUNTERPART_KEYS,
    side_models,
    side_problems,
    stable_json,
    task_content,
)

_TODAY_PARAMETERS = "bizdate=$bizdate"


_FROZEN = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)
_RoleName = Annotated[str, AfterValidator(names.check_role_name)]
_PolicyName = Annotated[str, AfterValidator(names.check_policy_name)]
_ResourceGroup = Annotated[str, AfterValidator(names.check_resource_group)]


class RoleSpec(BaseModel):
    """The RAM role of the data source and its two policies."""

    model_config = _FROZEN

    name: _RoleName | None = Field(
        default=None,
        description="Role name. Default: DataWorks-<workspace>-<data source>.",
        examples=["DataWorks-10001-oss-orders"],
    )
    policy: _PolicyName | None = Field(
        default=None,
        description="Custom policy with the role's permissions. Default: <role>-Access.",
        examples=["DataWorks-10001-oss-orders-Access"],
    )
    pass_role_policy: _PolicyName | None = Field(
        default=None,
        description="Custom policy that lets grantees pass the role. Default: <role>AllowUse.",
        examples=["DataWorks-10001-oss-ordersAllowUse"],
    )
    pass_role: Literal["role", "broad"] = Field(
        default="role",
        description="What the PassRole policy covers. role: this role. broad: every role of the account.",
        examples=["role"],
    )
    pass_role_reason: Reason | None = Field(
        default=None,
        validate_default=True,
        description="Why pass_role is broad, in at least 10 characters; required then.",
        examples=["One role for each tenant, made by another pipeline"],
    )
    adopt: bool = Field(
        default=False,
        description="Take over a role, policies and data source that exist and were made by someone else.",
        examples=[False],
    )

    @field_validator("pass_role_reason")
    @classmethod
    def _reason_of_broad(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and info.data.get("pass_role") == "broad":
            raise ValueError("say why grantees may pass every role of the account, or give pass_role: role")
        return value


class SyncTaskSpec(BaseModel):
    """An offline sync task between the data source and a counterpart.

    One side is the data source itself and holds only parameters; the other names its ``type`` and
    ``datasource``.
    """

    model_config = _FROZEN

    name: Annotated[str, AfterValidator(names.check_sync_task_name)] = Field(
        description="Name of the sync task.", examples=["oss_orders_to_ods"]
    )
    folder: Annotated[str, AfterValidator(names.check_folder)] = Field(
        description="Folder: <root>/<workflow>/<layer>[/...], in the console language of the account.",
        examples=["Business Flow/onboarding/Data Integration"],
    )
    owner: str | None = Field(
        default=None,
        min_length=1,
        description="User id of the task's owner. Default: the calling identity.",
        examples=["201234567890123456"],
    )
    reader: Annotated[dict[str, Any], SchemaOf(*side_models("reader"))] = Field(
        description="Reader parameters with the keys of script mode.",
        examples=[{"object": ["orders/dt=${bizdate}/*.csv"], "column": ["*"]}],
    )
    writer: Annotated[dict[str, Any], SchemaOf(*side_models("writer"))] = Field(
        description="Writer parameters with the keys of script mode.",
        examples=[{"type": "odps", "datasource": "odps_first", "table": "ods_orders", "column": ["*"]}],
    )
    resource_group: _ResourceGroup = Field(
        description="Data Integration resource group that runs the task; one of resource_groups.",
        examples=["S_res_group_1001_1"],
    )
    scheduling_resource_group: _ResourceGroup | None = Field(
        default=None,
        description="Resource group that starts the task. Default: the workspace's.",
        examples=["group_1001"],
    )
    schedule: Schedule | None = Field(
        default=None,
        description="When the task runs by itself; without, it is only run once.",
        examples=[{"cron": "00 30 05 * * ?"}],
    )
    run: bool = Field(default=True, description="Whether the task is run once, as proof.", examples=[True])
    business_date: date | None = Field(
        default=None, description="Business date of that run. Default: yesterday.", examples=["2026-01-31"]
    )
    concurrency: int = Field(
        default=2,
        ge=1,
        le=limits.CONCURRENCY_MAXIMUM,
        description="Parallel threads; billed as used.",
        examples=[2],
    )
    dirty_records: int = Field(default=0, ge=0, description="Bad rows that are tolerated.", examples=[0])

    @field_validator("business_date")
    @classmethod
    def _not_in_the_future(cls, value: date | None) -> date | None:
        if value is not None and value > scheduler_today():
            raise ValueError("a business date must not be in the future")
        return value

    @property
    def parameter_text(self) -> str:
        """UpdateFile.ParaValue: the schedule's parameters; without schedule the business date."""
        return _TODAY_PARAMETERS if self.schedule is None else self.schedule.parameter_text

    @property
    def reads_counterpart(self) -> bool:
        """Whether the reader is the counterpart, so that the task writes to the data source."""
        return not COUNTERPART_KEYS.isdisjoint(self.reader)

    @property
    def counterpart(self) -> str:
        """Name of the data source on the other side."""
        side = self.reader if self.reads_counterpart else self.writer
        return str(side["datasource"])

    def business_date_on(self, today: date) -> date:
        """Business date of the proving run; by default the day before ``today``."""
        return self.business_date or today - timedelta(days=1)


def _location(value: Any, info: ValidationInfo) -> Any:
    """Validate with the model of the type; without a valid type or region only what can be checked is."""
    if "type" not in info.data:
        return value
    source_type = get_source_type(info.data["type"])
    location = source_type.Location.model_validate(value)
    return source_type.resolve_location(location, info.data["region"]) if "region" in info.data else location


def _type(value: Any) -> str:
    return get_source_type(value if isinstance(value, str) else repr(value)).name


class DataSourceSpec(BaseModel):
    """One data source in RAM role-based authorization, and optionally its first sync task."""

    model_config = _FROZEN

    name: Annotated[str, AfterValidator(names.check_data_source_name)] = Field(
        description="Name of the data source: letters, digits and '_', starting with a letter.",
        examples=["oss_orders"],
    )
    description: str = Field(
        default="",
        max_length=limits.DESCRIPTION_CHARACTERS,
        description="Description, at most 80 characters.",
        examples=["Orders of the shop"],
    )
    workspace: int = Field(
        ge=1, le=limits.WORKSPACE_ID_MAXIMUM, description="Workspace id (ProjectId).", examples=[10001]
    )
    region: Annotated[str, AfterValidator(names.check_region)] = Field(
        description="Region of the workspace and the data.", examples=["cn-hangzhou"]
    )
    type: Annotated[str, PlainValidator(_type), SchemaOf(*source_types())] = Field(
        description="Type of the source.", examples=["oss"]
    )
    environments: tuple[EnvironmentName, ...] | None = Field(
        default=None,
        min_length=1,
        description="Environments to add the data source to. Default: all the workspace has.",
        examples=[["DEV", "PROD"]],
    )
    location: Annotated[
        SerializeAsAny[SourceLocation],
        PlainValidator(_location),
        SchemaOf(*(source_type.Location for source_type in source_types().values())),
    ] = Field(description="Where the data is.", examples=[{"bucket": "shop-orders", "prefix": "orders/"}])
    access: Access = Field(description="What sync tasks may do with the source.", examples=["read"])
    permissions: PermissionLevel = Field(
        default="minimal",
        description="minimal: only what the engine calls. vendor: the list of the vendor's page.",
        examples=["minimal"],
    )
    role: RoleSpec = Field(
        default_factory=RoleSpec, description="The role and its policies.", examples=[{"adopt": False}]
    )
    grantees: Annotated[Grantees, OrListed()] = Field(
        description="Who may use the role.", examples=[{"users": ["carol"], "groups": ["data-platform"]}]
    )
    resource_groups: Annotated[tuple[_ResourceGroup, ...], AfterValidator(each_once)] = Field(
        min_length=1,
        description="Data Integration resource groups that must reach the source.",
        examples=[["S_res_group_1001_1"]],
    )
    sync_task: SyncTaskSpec | None = Field(
        default=None,
        description="A first sync task, which proves the data source.",
        examples=[{"name": "oss_orders_to_ods"}],
    )
    ignore: Annotated[tuple[IgnoredFinding, ...], AfterValidator(each_code_once)] = Field(
        default=(),
        description="Findings that are accepted, each with its reason; reports list them as ignored.",
        examples=[[{"code": "RAM201", "reason": "One role for each tenant, made by another pipeline"}]],
    )

    @field_validator("environments")
    @classmethod
    def _each_once(cls, value: tuple[Environment, ...] | None) -> tuple[Environment, ...] | None:
        if value is not None:
            each_once(tuple(environment.name for environment in value))
        return value

    @field_validator("grantees")
    @classmethod
    def _ending_by_role(cls, value: Grantees, info: ValidationInfo) -> Grantees:
        role = info.data.get("role")
        if value.until and role is not None and role.pass_role == "broad":
            raise ValueError("a grant that ends is on this role alone; give pass_role: role, or no end date")
        return value

    @field_validator("sync_task")
    @classmethod
    def _fits(cls, task: SyncTaskSpec | None, info: ValidationInfo) -> SyncTaskSpec | None:
        if task is None:
            return None
        lines = []
        groups = info.data.get("resource_groups")
        if groups is not None and task.resource_group not in groups:
            rule = "is not one of the data source's resource_groups, whose connectivity is tested"
            lines.append(problem(("resource_group",), rule, task.resource_group))
        if "type" in info.data:
            location = info.data.get("location")
            source_type = get_source_type(info.data["type"])
            if location is not None:
                source_type = source_type.variant(location)
            lines += side_problems(task, source_type, info.data.get("access"), location)
        refuse("SyncTaskSpec", lines)
        return task

    @property
    def source_type(self) -> SourceType:
        """What the project knows about the type, in the form it has at the location."""
        return get_source_type(self.type).variant(self.location)

    @property
    def role_name(self) -> str:
        """Role of the data source, given or derived."""
        return self.role.name or names.role_name(self.workspace, self.name)

    @property
    def policy_name(self) -> str:
        """Custom policy with the role's permissions, given or derived."""
        return self.role.policy or names.access_policy_name(self.role_name)

    @property
    def pass_role_policy_name(self) -> str:
        """PassRole policy of the role, given or derived."""
        return self.role.pass_role_policy or names.pass_role_policy_name(self.role_name)

    def environments_of(self, available: tuple[Environment, ...]) -> tuple[Environment, ...]:
        """Environments to use in a workspace with ``available``; ``ValueError`` when one is missing."""
        wanted = self.environments or available
        missing = [environment.name for environment in wanted if environment not in available]
        if missing:
            raise ValueError(f"workspace {self.workspace} has no environment {', '.join(missing)}")
        return wanted

    def required_permissions(self) -> tuple[Permission, ...]:
        """Actions the role needs, at the level asked for, including what the sync task does."""
        return self.source_type.permissions(
            self.location, self.access, self.permissions, deletes=self._deletes
        )

    def minimal_permissions(self) -> tuple[Permission, ...]:
        """Actions the engine calls, whatever level the specification asks for."""
        return self.source_type.permissions(self.location, self.access, "minimal", deletes=self._deletes)

    @property
    def _deletes(self) -> bool:
        """Whether the sync task writes to the data source and removes what it finds there."""
        task = self.sync_task
        return task is not None and task.reads_counterpart and self.source_type.deletes(task.writer)

    def prerequisites(self, role_id: str) -> tuple[Prerequisite, ...]:
        """What must be so outside RAM before the sync task can run; ``role_id`` is the numeric Role.RoleId."""
        return self.source_type.prerequisites(self.location, self.access, role_id, deletes=self._deletes)

    def location_findings(self) -> tuple[LocationFinding, ...]:
        """What is allowed but suspicious about the location."""
        return self.source_type.location_findings(self.location)

    def content(
        self, role_id: str, environment: Environment, profile: Mapping[str, str] | None = None
    ) -> dict[str, str]:
        """CreateDataSource.Content; ``profile`` replaces the type's own (``Settings.content_profiles``)."""
        return self.source_type.content(self.location, self.region, role_id, environment, profile)

    def task_content(self, environment: Environment = Environment.PROD) -> dict[str, Any]:
        """CreateDISyncTask.TaskContent. Raises ``ValueError`` when the specification has no sync task."""
        if self.sync_task is None:
            raise ValueError(f"the specification of {self.name} has no sync_task")
        return task_content(self.sync_task, self.source_type, self.name, environment)

    def task_content_text(self, environment: Environment = Environment.PROD) -> str:
        """``task_content`` as stable JSON: equal specifications give equal texts."""
        return stable_json(self.task_content(environment))

    def text(self) -> str:
        """The whole specification as stable JSON, defaults included."""
        return stable_json(self.model_dump(mode="json"))

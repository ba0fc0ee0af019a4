"""Hologres: location, role-mode Content, permissions, grants inside the database, reader and writer.

Hologres asks twice: RAM for the instance, and the database for everything in it. A role is an ordinary user there,
named ``v4_<RoleId>``, whom a superuser must create and grant; no policy replaces that.

Sources: DataWorks 2024-05-18 ConnectionProperties, Hologres; Hologres pages "Grant permissions on Hologres to RAM
users", "SPM functions", "SLPM functions", "Standard PostgreSQL authorization model", CreateUser of 2022-06-01 (user
names); Data Integration, Hologres data source, script mode.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)
from pydantic_core import InitErrorDetails

from config.counterparts import Columns, Name, column_problems
from config.personas import Persona
from config.problems import problem, refuse
from config.run_failures import run_failure
from config.sources.base import (
    Access,
    ContentProfile,
    Environment,
    Permission,
    PermissionLevel,
    Prerequisite,
    SourceLocation,
    SourceType,
    StepParameters,
    documented_minimum,
)
from config.sources.inverse import Traces
from config.sources.parameters import EachOnce, OneOrMore, outside, product_actions

# PostgreSQL: an identifier has at most 63 bytes.
_IDENTIFIER_BYTES = 63
_INSTANCE = re.compile(r"hg[a-z0-9]*(-[a-z0-9]+)+")
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")
_PARTITION = re.compile(r"[^=\s]+=\S+")


def _identifier(name: str) -> str:
    if not name or len(name.encode()) > _IDENTIFIER_BYTES or not name.isprintable():
        raise ValueError(f"a name in Hologres has 1 to {_IDENTIFIER_BYTES} bytes of printable text")
    return name


Identifier = Annotated[str, AfterValidator(_identifier)]


class HologresLocation(SourceLocation):
    """One schema of a Hologres database, or some of its tables. It is found by its instance, without an endpoint."""

    instance_id: str = Field(description="Hologres instance.", examples=["hgpostcn-cn-shop01"])
    database: Identifier = Field(description="Database.", examples=["shop"])
    # The attribute may not be called "schema": pydantic's BaseModel has a method of that name.
    schema_name: Identifier = Field(
        default="public", alias="schema", description="Schema.", examples=["public"]
    )
    tables: Annotated[tuple[Identifier, ...], EachOnce, OneOrMore] = Field(
        default=(), description="Tables of the schema. Default: all it has.", examples=[["orders"]]
    )

    @field_validator("instance_id")
    @classmethod
    def _check_instance(cls, name: str) -> str:
        if not _INSTANCE.fullmatch(name):
            raise ValueError("an instance id looks like hgpostcn-cn-shop01: lower-case parts joined by '-'")
        return name

    @model_serializer(mode="wrap")
    def _with_alias(self, dump: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Whoever reads the location again, or fills a template from it, knows the field as ``schema``."""
        dumped: dict[str, Any] = dump(self)
        return {"schema" if key == "schema_name" else key: value for key, value in dumped.items()}


class HologresStep(StepParameters):
    """What reader and writer have in common."""

    table: Name = Field(description="Table, or schema.table.", examples=["orders"])
    column: Columns = Field(description='Columns in order, or ["*"] for all.', examples=[["id", "title"]])
    selected_database: Name = Field(
        default="public", description="Schema, in spite of its name.", examples=["public"]
    )
    partition: str | None = Field(
        default=None,
        description="column=value; required for a partitioned table, whose parent is the table.",
        examples=["ds=${bizdate}"],
    )

    @model_validator(mode="after")
    def _common_rules(self) -> HologresStep:
        lines = column_problems(self.column)
        if self.partition is not None and not _PARTITION.fullmatch(self.partition):
            lines.append(problem(("partition",), "a partition is written column=value", self.partition))
        refuse(type(self).__name__, lines)
        return self


class HologresReader(HologresStep):
    """Reader of one table."""

    where: str = Field(default="", description="Filter of rows.", examples=["id > 0"])


class HologresWriter(HologresStep):
    """Writer of one table. Its columns must hold the whole primary key."""

    schema_name: Name = Field(default="public", alias="schema", description="Schema.", examples=["public"])
    conflict_mode: Literal["replace", "update", "ignore"] = Field(
        default="ignore", description="What becomes of a row whose key exists.", examples=["replace"]
    )
    write_mode: Literal["insert", "sdk"] = Field(
        default="insert", description="How rows are written.", examples=["insert"]
    )
    truncate: bool = Field(default=False, description="Whether the table is emptied first.", examples=[False])
    max_connection_count: Annotated[int, Field(ge=1)] = Field(
        default=9, description="Connections at most.", examples=[9]
    )
    re_shuffle_by_distribution_key: bool | None = Field(
        default=None, description="For serverless resource groups only.", examples=[True]
    )


class PermissionModel(str, Enum):
    """The three ways a Hologres database grants permissions; each database has one."""

    EXPERT = "standard PostgreSQL"
    SPM = "simple (SPM)"
    SLPM = "schema-level (SLPM)"


def quoted(name: str) -> str:
    """A name as SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _group(name: str) -> str:
    """A user group as argument: one that is not plain lower-case text has double quotes inside the single ones."""
    return _text(name if all(_PLAIN.fullmatch(part) for part in name.split(".")) else quoted(name))


def grant_sql(
    location: HologresLocation,
    access: Access,
    role_id: str,
    model: PermissionModel,
    *,
    deletes: bool = False,
) -> str:
    """The statements a superuser runs in the database for the user of the role, one on a line.

    Writing includes reading: the writer reads the table's columns, and replacing a row reads the old one.
    """
    user = f"v4_{role_id}"
    group = "writer" if access.writes else "viewer"
    if model is PermissionModel.SPM:
        name = _group(f"{location.database}_{group}")
        return f"CALL spm_create_user({_text(user)});\nCALL spm_grant({name}, {_text(user)});"
    if model is PermissionModel.SLPM:
        name = _group(f"{location.database}.{location.schema_name}.{group}")
        return f"CALL slpm_create_user({_text(user)});\nCALL slpm_grant({name}, {_text(user)});"
    privileges = ["SELECT"]
    if access.writes:
        privileges += ["INSERT", "UPDATE", *(["TRUNCATE"] if deletes else [])]
    schema = quoted(location.schema_name)
    objects = [f"TABLE {schema}.{quoted(table)}" for table in location.tables]
    return "\n".join(
        (
            f"CREATE USER {quoted(user)};",
            f"GRANT USAGE ON SCHEMA {schema} TO {quoted(user)};",
            *(
                f"GRANT {', '.join(privileges)} ON {target} TO {quoted(user)};"
                for target in objects or [f"ALL TABLES IN SCHEMA {schema}"]
            ),
        )
    )


_CATALOGUE = "Hologres, grant permissions on Hologres to RAM users"
_USED = product_actions(
    "hologram",
    "ListInstances GetInstance DescribeInstance GetInstanceMetrics ListWarehouses GetWarehouse GetWarehouseDetail "
    "ListBackupData ListUsers ListDatabases GrantAssumeRole GetRootCertificate GetCertificateAttribute "
    "ListTagResources",
)
_DESTRUCTIVE = product_actions(
    "hologram",
    "CreateInstance DeleteInstance StopInstance ResumeInstance RestartInstance RenewInstance ScaleInstance "
    "UpdateInstanceName UpdateInstanceNetworkType ModifyInstanceNetworkType ChangeResourceGroup EnableHiveAccess "
    "DisableHiveAccess EnableSSL DisableSSL RenewSSLCertificate CreateWarehouse DeleteWarehouse ScaleWarehouse "
    "RenameWarehouse SuspendWarehouse ResumeWarehouse RestartWarehouse RebalanceHoloWarehouse CreateUser DeleteUser "
    "CreateDatabase DeleteDatabase GrantDatabasePermission RevokeDatabasePermission GrantSchemaPermission "
    "RevokeSchemaPermission TagResources UntagResources",
)

_REFUSALS = (
    run_failure(
        r"(role|user) \"?v4_\d+\"? does not exist|password authentication failed for user",
        "role {role} is no user of the Hologres instance of data source {data_source}",
        Persona.ADMINISTRATOR,
        "as a superuser, run the statements of the prerequisites in the database; no RAM policy replaces them",
    ),
    run_failure(
        r"permission denied for (table|relation|schema|database|view|column)|must be owner of",
        "the database does not allow the user of role {role} what the sync task does",
        Persona.ADMINISTRATOR,
        "as a superuser, run the statements of the prerequisites in the database; no RAM policy replaces them",
    ),
    run_failure(
        r"(relation|schema|database|column) \"[^\"]*\".{0,80} does not exist",
        "the sync task names a database, schema, table or column that data source {data_source} does not have",
        Persona.DEVELOPER,
        "correct the location and the sync task's table and columns, then apply again",
    ),
    run_failure(
        r"AliyunHologresReadOnlyAccess|hologram:(Get|List|Describe)\w+|InstanceNotFound|Instance does not exist",
        "Hologres does not let role {role} see the instance of data source {data_source}, or there is no such instance",
        Persona.ADMINISTRATOR,
        "check location.instance_id and the role's policy; applying again restores the generated policy",
        spreads=True,
    ),
    run_failure(
        r"too many clients|remaining connection slots|exceeds? the (maximum )?connection",
        "the Hologres instance has no connection left",
        Persona.DEVELOPER,
        "lower maxConnectionCount of the writer or sync_task.concurrency and run again",
    ),
)

_KEYS = {"instanceId": "{instance_id}", "database": "{database}", "regionId": "{region}"}
_SOURCE = "DataWorks 2024-05-18 ConnectionProperties, Hologres; tag from CreateDataSource 2020-05-18"


class Hologres(SourceType):
    """Hologres as a source type."""

    name = "hologres"
    title = "Hologres"
    data_source_type = "holo"
    service = "hologram.aliyuncs.com"
    ram_code = "hologram"
    known_actions = _USED | _DESTRUCTIVE
    destructive_actions = _DESTRUCTIVE
    content_profile = ContentProfile(
        template=MappingProxyType(
            {**_KEYS, "authType": "RamRole", "authIdentity": "{role_id}", "tag": "aliyun"}
        ),
        confidence="medium to low: documented for the 2024-05-18 API, inferred for 2020-05-18",
        source=_SOURCE,
    )
    development_profile = ContentProfile(
        template=MappingProxyType({**_KEYS, "authType": "Executor", "tag": "aliyun"}),
        confidence="medium to low: documented for the 2024-05-18 API, where development has no other authType",
        source=_SOURCE,
    )
    refusals = _REFUSALS
    Location = HologresLocation
    reader_type = HologresReader
    writer_type = HologresWriter

    def resolve_location(self, location: SourceLocation, region: str) -> HologresLocation:
        """Nothing depends on the region: the instance is found by its id in the workspace's region."""
        return _hologres(location)

    def opened_by_role(self, environment: Environment) -> bool:
        """Only production: in development DataWorks uses the account of whoever executes the task."""
        return environment is Environment.PROD

    def profile(self, environment: Environment) -> ContentProfile:
        """Production names the role, development the executor."""
        return self.content_profile if self.opened_by_role(environment) else self.development_profile

    def permissions(
        self, location: SourceLocation, access: Access, level: PermissionLevel, *, deletes: bool = False
    ) -> tuple[Permission, ...]:
        """Actions the role needs to find the instance; reading and writing are granted in the database."""
        place = _hologres(location)
        instance = (f"acs:hologram:*:*:instance/{place.instance_id}",)
        minimal = (
            Permission(
                "hologram:GetInstance", instance, "the instance's endpoint, which is looked up", _CATALOGUE
            ),
            Permission(
                "hologram:ListWarehouses", instance, "the compute group that connections go to", _CATALOGUE
            ),
        )
        if level == "minimal":
            return minimal
        # ListInstances cannot be narrowed to one instance.
        every = ("acs:hologram:*:*:instance/*",)
        documented = {"hologram:ListInstances": every, "hologram:GetInstance": instance}
        return documented_minimum(minimal, documented, _CATALOGUE)

    def prerequisites(
        self, location: SourceLocation, access: Access, role_id: str, *, deletes: bool = False
    ) -> tuple[Prerequisite, ...]:
        """The grants inside the database, for the role and, in development, for each executor."""
        place = _hologres(location)
        statements = "\n".join(
            f"-- {model.value} permission model\n" + grant_sql(place, access, role_id, model, deletes=deletes)
            for model in PermissionModel
        )
        return (
            Prerequisite(
                f"the role is a user of database {place.database} of instance {place.instance_id} "
                f"and may {access.value.replace('_', ' and ')} schema {place.schema_name}",
                Persona.ADMINISTRATOR,
                f"As a superuser, connected to database {place.database}, run what fits its permission model:\n"
                f"{statements}",
            ),
            Prerequisite(
                "in the development environment the executor's own account has the same grants: "
                "there DataWorks does not use the role",
                Persona.ADMINISTRATOR,
                "Run the same statements for each executor, with the user p4_<UID of the RAM user> "
                f"in place of v4_{role_id}.",
            ),
        )

    def location_fields(
        self, content: Mapping[str, str], traces: Traces, profile: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """The schema is the sync tasks': neither Content nor a policy tells it. Raises ``ValueError`` for several."""
        fields = super().location_fields(content, traces, profile)
        schemas = traces.given("selectedDatabase", "schema")
        if len(schemas) > 1:
            raise ValueError(f"a location has one schema; sync tasks use {', '.join(schemas)}")
        return fields | {"schema": schemas[0]} if schemas else fields

    def deletes(self, writer: Mapping[str, Any]) -> bool:
        """Whether the writer empties the table."""
        return writer.get("truncate") is True

    def reader_problems(
        self, parameters: Mapping[str, Any], location: SourceLocation
    ) -> list[InitErrorDetails]:
        """A schema or table the role has no grant for."""
        step = HologresReader.model_validate(dict(parameters))
        return _outside(step, (("selectedDatabase", step.selected_database),), _hologres(location))

    def writer_problems(
        self, parameters: Mapping[str, Any], location: SourceLocation
    ) -> list[InitErrorDetails]:
        """A schema or table the role has no grant for."""
        step = HologresWriter.model_validate(dict(parameters))
        schemas = (("selectedDatabase", step.selected_database), ("schema", step.schema_name))
        return _outside(step, schemas, _hologres(location))


def _outside(
    step: HologresStep, schemas: tuple[tuple[str, str], ...], location: HologresLocation
) -> list[InitErrorDetails]:
    rule = f"is not the location's schema, {location.schema_name}"
    lines = [problem((key,), rule, schema) for key, schema in schemas if schema != location.schema_name]
    table = step.table
    if "." in table and table not in location.tables:
        schema, table = table.split(".", 1)
        if schema != location.schema_name:
            lines.append(problem(("table",), rule, step.table))
    if location.tables:
        lines += outside(("table",), "tables", table, location.tables)
    return lines


def _hologres(location: SourceLocation) -> HologresLocation:
    if not isinstance(location, HologresLocation):
        raise TypeError(f"a Hologres location is needed, not {type(location).__name__}")
    return location


SOURCE_TYPE = Hologres()

"""AnalyticDB for MySQL, versions 2.0 and 3.0: location, role-mode Content, permissions, reader and writer.

The two versions are two types to DataWorks (``ads`` and ``analyticdb_for_mysql``); ``location.version`` says which.
How either is opened with a role is not documented. The plug-in of 2.0 logs in with an AccessKey, which the credentials
of a role could replace, yet a page of 2.0 says that roles are not supported; the plug-in of 3.0 logs in with a database
account. So 2.0 is the default, 3.0 carries a warning, and both carry a prerequisite to try them in a real workspace.

Sources: CreateDataSource and ListDataSources of 2020-05-18, ConnectionProperties of 2024-05-18; RAM help page of policy
AliyunDTSRolePolicy (which actions another of the vendor's services uses); AnalyticDB for MySQL 2.0 page on permissions;
Data Integration, AnalyticDB for MySQL 2.0 and 3.0 data sources, script mode (``adb_mysql_steps``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator
from pydantic_core import InitErrorDetails

from config.personas import Persona
from config.problems import problem, refuse
from config.run_failures import run_failure
from config.sources.adb_mysql_steps import Adb2Reader, Adb2Writer, Adb3Reader, Adb3Writer
from config.sources.base import (
    Access,
    ContentProfile,
    LocationFinding,
    Permission,
    PermissionLevel,
    Prerequisite,
    SourceLocation,
    SourceType,
    documented_minimum,
)
from config.sources.inverse import Traces
from config.sources.parameters import product_actions

# MySQL: an identifier has at most 64 characters.
_DATABASE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_CLUSTER = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_ENDPOINT = re.compile(
    r"(?P<name>[a-z0-9-]+)(\.(?P<region>[a-z]{2,}(-[a-z]+)+(-\d+)?))?\.ads\.aliyuncs\.com:(?P<port>\d{1,5})"
)


class AdbLocation(SourceLocation):
    """One database of an AnalyticDB for MySQL cluster."""

    instance_id: str = Field(description="Cluster (3.0) or database instance (2.0).", examples=["am-shop01"])
    database: str = Field(description="Database.", examples=["shop"])
    version: Literal["2.0", "3.0"] = Field(
        default="2.0",
        description="Version of the product. Role mode is likelier to work with 2.0.",
        examples=["2.0"],
    )
    endpoint: str = Field(
        default="",
        description="Host and port, required for 2.0; 3.0 is found by its cluster and has none.",
        examples=["am-shop01.cn-hangzhou-1.ads.aliyuncs.com:3029"],
    )

    @field_validator("version", mode="before")
    @classmethod
    def _version_as_text(cls, value: object) -> object:
        # YAML reads 2.0 without quotes as a number.
        return str(value) if isinstance(value, float) else value

    @field_validator("instance_id")
    @classmethod
    def _check_cluster(cls, name: str) -> str:
        if not _CLUSTER.fullmatch(name):
            raise ValueError("an instance id looks like am-shop01: lower-case letters, digits and '-'")
        return name

    @field_validator("database")
    @classmethod
    def _check_database(cls, name: str) -> str:
        if not _DATABASE.fullmatch(name):
            raise ValueError("a database name has 1 to 64 letters, digits and '_', and no digit first")
        return name

    @field_validator("endpoint")
    @classmethod
    def _check_endpoint(cls, endpoint: str) -> str:
        if endpoint and not _ENDPOINT.fullmatch(endpoint):
            raise ValueError(
                "an endpoint is host:port, such as am-shop01.cn-hangzhou-1.ads.aliyuncs.com:3029, "
                "without jdbc:mysql:// and database"
            )
        return endpoint

    @model_validator(mode="after")
    def _rules(self) -> AdbLocation:
        lines = []
        if self.version == "2.0" and not self.endpoint:
            lines.append(problem(("endpoint",), "version 2.0 needs the endpoint, which the console shows"))
        if self.version == "3.0" and self.endpoint:
            rule = "version 3.0 is found by its cluster and takes no endpoint"
            lines.append(problem(("endpoint",), rule, self.endpoint))
        refuse("AdbLocation", lines)
        return self


_PAGE = "RAM, AliyunDTSRolePolicy (its AnalyticDB for MySQL block, reading actions)"
_WEAK = (
    "inferred, weak: RAM, AliyunDTSRolePolicy; the data itself is guarded by database accounts, not by RAM"
)
_USED = product_actions(
    "adb",
    "DescribeDBClusters DescribeDBClusterAttribute DescribeDBClusterNetInfo DescribeClusterNetInfo "
    "DescribeDBClusterAccessWhiteList DescribeRegions DescribeAccounts DescribeSchemas DescribeTables DescribeColumns "
    "DescribeAllDataSource DescribeTableDetail DescribeDBClusterPerformance DescribeDBClusterSpaceSummary "
    "DescribeDBClusterStatus DescribeDBClusterVersion DescribeClusterAccessWhiteList DescribeTableStatistics "
    "DescribeDiagnosisRecords DescribeDiagnosisSqlInfo DescribeBadSqlDetection DescribeSQLPatterns "
    "DescribeProcessList DescribeSlowLogRecords DescribeBackupPolicy DescribeBackups DescribeDBResourceGroup "
    "ListTagResources",
)
_DESTRUCTIVE = product_actions(
    "adb",
    "CreateDBCluster DeleteDBCluster ModifyDBCluster ModifyDBClusterAccessWhiteList ModifyClusterAccessWhiteList "
    "ModifyDBClusterDescription ModifyDBClusterMaintainTime ModifyDBClusterPayType ModifyDBClusterResourceGroup "
    "AllocateClusterPublicConnection ReleaseClusterPublicConnection ModifyClusterConnectionString CreateAccount "
    "DeleteAccount ModifyAccountDescription ModifyAccountPrivileges ResetAccountPassword BindAccount UnbindAccount "
    "BindDBResourceGroupWithUser UnbindDBResourceGroupWithUser CreateDBResourceGroup ModifyDBResourceGroup "
    "DeleteDBResourceGroup KillProcess ModifyBackupPolicy ModifyAuditLogConfig RestartCluster TagResources "
    "UntagResources",
)

_ROLE_3, _OTHER_HOST = "ADB001", "ADB002"
_TRY = "location.version and how the data source is opened; whether role mode works is not documented"
_REFUSALS = (
    run_failure(
        r"Access denied for user|\berror (code )?:? ?1045\b|using password|STS.{0,40}(not supported|denied)",
        "AnalyticDB for MySQL did not accept the login of role {role}",
        Persona.CREATOR,
        f"check {_TRY}; make one such data source in the console and give its Content as content_profiles",
    ),
    run_failure(
        r"command denied to user|\b114[23]\b|no privilege",
        "AnalyticDB for MySQL does not allow the account of data source {data_source} what the sync task does",
        Persona.ADMINISTRATOR,
        "grant the account the privilege named in the log, inside the database",
    ),
    run_failure(
        r"Unknown (database|table|column)|Table '[^']*' doesn't exist|Unknown column",
        "the sync task names a database, table or column that data source {data_source} does not have",
        Persona.DEVELOPER,
        "correct location.database and the sync task's table and columns, then apply again",
    ),
    run_failure(
        r"Communications link failure|IP.{0,40}white ?list|not in (the )?white ?list",
        "the cluster of data source {data_source} is not reached from the sync task's resource group",
        Persona.CREATOR,
        "add the resource group's addresses to the cluster's whitelist and check the network between them",
    ),
    run_failure(
        r"(?:Forbidden|NoPermission).{0,200}adb:|adb:Describe\w+",
        "AnalyticDB for MySQL does not let role {role} see the cluster of data source {data_source}",
        Persona.ADMINISTRATOR,
        "compare the role's policy with the action in the log; applying again restores the generated policy",
        spreads=True,
    ),
)
_UNTRIED = "low: documented for no API"


class Adb(SourceType):
    """What both versions have in common; which one it is follows from the location."""

    name = "adb_mysql"
    title = "AnalyticDB for MySQL"
    service = "ads.aliyuncs.com"
    ram_code = "adb"
    known_actions = _USED | _DESTRUCTIVE
    destructive_actions = _DESTRUCTIVE
    refusals = _REFUSALS
    finding_codes = MappingProxyType(
        {_ROLE_3: "AnalyticDB for MySQL 3.0 in role mode", _OTHER_HOST: "Other address than the cluster's"}
    )
    credential_keys = ("username", "password")
    Location = AdbLocation

    def variants(self) -> tuple[SourceType, ...]:
        """Version 2.0, the default, and version 3.0."""
        return (ADB_2, ADB_3)

    def variant(self, location: SourceLocation) -> SourceType:
        """The version that the location names."""
        return ADB_2 if _adb(location).version == "2.0" else ADB_3

    def resolve_location(self, location: SourceLocation, region: str) -> AdbLocation:
        """Refuse an endpoint of another region or cluster; there is no default, as none is documented."""
        place = _adb(location)
        match = _ENDPOINT.fullmatch(place.endpoint)
        lines = []
        # The host has the region's name or, older, that of one of its zones: cn-hangzhou-1.
        if match and match["region"] and not re.fullmatch(rf"{re.escape(region)}(-\d+)?", match["region"]):
            rule = f"the endpoint belongs to another region than the specification's, {region}"
            lines.append(problem(("endpoint",), rule, place.endpoint))
        if match and not match["name"].startswith(place.instance_id):
            rule = f"the endpoint belongs to another cluster than the location's, {place.instance_id}"
            lines.append(problem(("endpoint",), rule, place.endpoint))
        refuse("AdbLocation", lines)
        return place

    def location_findings(self, location: SourceLocation) -> tuple[LocationFinding, ...]:
        """Version 3.0 in role mode; a host that is not simply the cluster's name."""
        place = _adb(location)
        found = []
        if place.version == "3.0":
            rule = "version 3.0 logs in with a database account; that it can be opened with a role is not documented"
            fix = (
                "try it in a real workspace before relying on it, or use version 2.0 where the data is there"
            )
            found.append(LocationFinding(_ROLE_3, rule, fix))
        match = _ENDPOINT.fullmatch(place.endpoint)
        if match and match["name"] != place.instance_id:
            rule = f"{match['name']} is not {place.instance_id}: it looks like the cluster's public address"
            found.append(
                LocationFinding(_OTHER_HOST, rule, "give the address in the VPC, which the console shows")
            )
        return tuple(found)

    def permissions(
        self, location: SourceLocation, access: Access, level: PermissionLevel, *, deletes: bool = False
    ) -> tuple[Permission, ...]:
        """Actions the role needs to find the cluster. None gives access to data, in either version."""
        cluster = (f"acs:adb:*:*:dbcluster/{_adb(location).instance_id}",)
        minimal = (
            Permission("adb:DescribeDBClusterAttribute", cluster, "looking the cluster up", _WEAK),
            Permission("adb:DescribeDBClusterNetInfo", cluster, "the cluster's addresses", _WEAK),
        )
        if level == "minimal":
            return minimal
        documented = {
            "adb:DescribeDBClusters": ("acs:adb:*:*:dbcluster/*",),
            "adb:DescribeDBClusterAttribute": cluster,
            "adb:DescribeDBClusterNetInfo": cluster,
            "adb:DescribeClusterNetInfo": cluster,
            "adb:DescribeDBClusterAccessWhiteList": cluster,
        }
        return documented_minimum(minimal, documented, _PAGE)

    def prerequisites(
        self, location: SourceLocation, access: Access, role_id: str, *, deletes: bool = False
    ) -> tuple[Prerequisite, ...]:
        """What nobody documents about role mode, to be tried in a real workspace."""
        place = _adb(location)
        reason = (
            "the engine logs in with an AccessKey, which the role may replace, but a page of version 2.0 says that "
            "roles are not supported"
            if place.version == "2.0"
            else "the engine logs in with a database account, and role mode for it is documented nowhere"
        )
        return (
            Prerequisite(
                f"AnalyticDB for MySQL {place.version} accepts the role for database {place.database} of "
                f"{place.instance_id}: not documented; {reason}",
                Persona.CREATOR,
                "Test the connectivity and run the sync task once in a real workspace before relying on it. If it is "
                "refused, make one such data source in the console in role mode and give its Content as "
                "content_profiles, or stay with a database account.",
            ),
            Prerequisite(
                "the cluster's whitelist has the addresses of the resource groups",
                Persona.ADMINISTRATOR,
                "Add them in the console of AnalyticDB for MySQL.",
            ),
        )

    def reader_problems(
        self, parameters: Mapping[str, Any], location: SourceLocation
    ) -> list[InitErrorDetails]:
        """A table of another database."""
        database, dot, _ = str(parameters["table"]).rpartition(".")
        place = _adb(location)
        if not dot or database == place.database:
            return []
        rule = f"is in another database than the location's, {place.database}"
        return [problem(("table",), rule, parameters["table"])]

    def writer_problems(
        self, parameters: Mapping[str, Any], location: SourceLocation
    ) -> list[InitErrorDetails]:
        """A table of another database."""
        return self.reader_problems(parameters, location)


class Adb2(Adb):
    """Version 2.0."""

    data_source_type = "ads"
    content_profile = ContentProfile(
        template=MappingProxyType(
            {
                "url": "{endpoint}",
                "schema": "{database}",
                "authType": "RamRole",
                "authIdentity": "{role_id}",
                "tag": "public",
            }
        ),
        confidence=_UNTRIED,
        source="location keys from ListDataSources 2020-05-18, ads; role keys as documented for OSS and Hologres",
    )
    reader_type = Adb2Reader
    writer_type = Adb2Writer

    def location_fields(
        self, content: Mapping[str, str], traces: Traces, profile: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """The cluster is the one that the role may look up, else the one in the endpoint."""
        fields = super().location_fields(content, traces, profile)
        host = fields.get("endpoint", "").partition(".")[0]
        named = [name for name in traces.named("adb", "dbcluster/") if host.startswith(name)]
        return fields | {"version": "2.0", "instance_id": max(named, key=len) if named else host}

    def deletes(self, writer: Mapping[str, Any]) -> bool:
        """Whether the writer replaces what is there."""
        return writer.get("overWrite") in (True, "true")


class Adb3(Adb):
    """Version 3.0."""

    data_source_type = "analyticdb_for_mysql"
    content_profile = ContentProfile(
        template=MappingProxyType(
            {
                "instanceId": "{instance_id}",
                "database": "{database}",
                "regionId": "{region}",
                "authType": "RamRole",
                "authIdentity": "{role_id}",
            }
        ),
        confidence=f"{_UNTRIED}; both APIs name a database account only",
        source="location keys from ConnectionProperties 2024-05-18; role keys as documented for OSS and Hologres",
    )
    reader_type = Adb3Reader
    writer_type = Adb3Writer

    def location_fields(
        self, content: Mapping[str, str], traces: Traces, profile: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """Without a cluster id, as where an address was given, the address begins with it."""
        fields = super().location_fields(content, traces, profile)
        host = content.get("connectionString", "").partition(".")[0]
        return {"instance_id": host, **fields, "version": "3.0"} if host else {**fields, "version": "3.0"}

    def deletes(self, writer: Mapping[str, Any]) -> bool:
        """Never by itself: what preSql removes is in its author's hands."""
        return False


def _adb(location: SourceLocation) -> AdbLocation:
    if not isinstance(location, AdbLocation):
        raise TypeError(f"an AnalyticDB for MySQL location is needed, not {type(location).__name__}")
    return location


ADB_2, ADB_3 = Adb2(), Adb3()
SOURCE_TYPE = ADB_2

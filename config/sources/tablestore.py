"""Tablestore (OTS): location, role-mode Content, permissions, reader and writer.

Sources: Tablestore pages "Custom RAM policy" (actions, resources, lower-case instance names), "Naming conventions",
"Endpoints", "Error codes"; MaxCompute page on Tablestore external tables (the vendor's smallest printed policy); Data
Integration, Tablestore data source, script mode (``tablestore_steps``); DataX ``OtsReader`` and ``OtsWriter`` (which
operations are called).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import AfterValidator, Field, field_validator
from pydantic_core import InitErrorDetails

from config.personas import Persona
from config.problems import problem, refuse
from config.run_failures import run_failure
from config.sources.base import (
    Access,
    ContentProfile,
    LocationFinding,
    Permission,
    PermissionLevel,
    SourceLocation,
    SourceType,
    documented_minimum,
)
from config.sources.inverse import Traces
from config.sources.parameters import EachOnce, OneOrMore, outside, product_actions
from config.sources.tablestore_steps import TablestoreReader, TablestoreWriter

# Tablestore, CreateInstance: 3-16 characters. Naming conventions: a table name has 1-255.
_INSTANCE_CHARACTERS = (3, 16)
_TABLE_CHARACTERS = 255

_INSTANCE = re.compile(r"[A-Za-z]([A-Za-z0-9-]*[A-Za-z0-9])?")
_TABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ENDPOINT = re.compile(
    r"https?://(?P<instance>[A-Za-z0-9-]+)\.(?P<region>[a-z0-9-]+)\."
    r"(?P<network>ots|ots-internal|vpc\.tablestore|tablestore)\.aliyuncs\.com/?"
)
_INTERNAL = frozenset({"ots-internal", "vpc.tablestore"})


def _check_table(name: str) -> str:
    if not 1 <= len(name) <= _TABLE_CHARACTERS or not _TABLE.fullmatch(name):
        raise ValueError(
            f"a table name has 1 to {_TABLE_CHARACTERS} letters, digits and '_' and does not start with a digit"
        )
    return name


class TablestoreLocation(SourceLocation):
    """Tables of one Tablestore instance."""

    instance: str = Field(description="Tablestore instance.", examples=["shop-ots"])
    tables: Annotated[
        tuple[Annotated[str, AfterValidator(_check_table)], ...], Field(min_length=1), EachOnce, OneOrMore
    ] = Field(description="Tables, case-sensitive; the role may reach no other.", examples=[["orders"]])
    endpoint: str = Field(
        default="",
        description="Endpoint of the instance. Default: https://<instance>.<region>.vpc.tablestore.aliyuncs.com.",
        examples=["https://shop-ots.cn-hangzhou.vpc.tablestore.aliyuncs.com"],
    )

    @field_validator("instance")
    @classmethod
    def _check_instance(cls, name: str) -> str:
        low, high = _INSTANCE_CHARACTERS
        if not low <= len(name) <= high:
            raise ValueError(f"an instance name has {low} to {high} characters, this one has {len(name)}")
        if not _INSTANCE.fullmatch(name):
            raise ValueError(
                "an instance name may hold only letters, digits and '-', starts with a letter and does not end with '-'"
            )
        return name

    @field_validator("endpoint")
    @classmethod
    def _check_endpoint(cls, endpoint: str) -> str:
        if endpoint and not _ENDPOINT.fullmatch(endpoint):
            raise ValueError(
                "a Tablestore endpoint looks like https://shop-ots.cn-hangzhou.vpc.tablestore.aliyuncs.com"
            )
        return endpoint


_CATALOGUE = "Tablestore Custom RAM policy page; DataX OtsReader and OtsWriter"
_PAGE = "MaxCompute, access Tablestore with an AccessKey pair"
_MINIMUM_READ = ("ots:GetRow", "ots:GetRange", "ots:BatchGetRow", "ots:ComputeSplitPointsBySize")
_MINIMUM_WRITE = ("ots:PutRow", "ots:UpdateRow", "ots:DeleteRow", "ots:BatchWriteRow")

# Tablestore Custom RAM policy page: an action is the name of an API operation.
_USED = product_actions(
    "ots",
    "ListInstance GetInstance ListTable DescribeTable GetRow GetRange BatchGetRow PutRow UpdateRow DeleteRow "
    "BatchWriteRow BulkImport BulkExport ComputeSplitPointsBySize ComputeSplits ParallelScan Search ListSearchIndex "
    "DescribeSearchIndex ListTunnel DescribeTunnel CreateTunnel ConsumeTunnel ListStream DescribeStream "
    "GetShardIterator GetStreamRecord ListTimeseriesTable DescribeTimeseriesTable GetTimeseriesData "
    "PutTimeseriesData QueryTimeseriesMeta ScanTimeseriesData SplitTimeseriesScanTask SQL_Select SQL_DescribeTable "
    "ListTagResources ListDeliveryTask DescribeDeliveryTask",
)
_DESTRUCTIVE = product_actions(
    "ots",
    "InsertInstance CreateInstance UpdateInstance DeleteInstance CreateTable UpdateTable DeleteTable CreateIndex "
    "DropIndex AddDefinedColumn DeleteDefinedColumn CreateSearchIndex UpdateSearchIndex DeleteSearchIndex "
    "DeleteTunnel CreateTimeseriesTable UpdateTimeseriesTable DeleteTimeseriesTable UpdateTimeseriesMeta "
    "DeleteTimeseriesMeta StartLocalTransaction CommitTransaction AbortTransaction SQL_Create SQL_DropMapping "
    "SQL_Delete SQL_Insert SQL_Update BindInstance2Vpc UnbindInstance2Vpc InsertTags DeleteTags TagResources "
    "UntagResources CreateDeliveryTask DeleteDeliveryTask PutResourcePolicy DeleteResourcePolicy",
)

_PUBLIC, _PLAIN = "OTS001", "OTS002"
_REFUSALS = (
    run_failure(
        r"OTSNoPermissionAccess",
        "Tablestore refused role {role}: its policy, or the instance's, does not allow the operation on the table",
        Persona.ADMINISTRATOR,
        "compare the role's policy with the table in the log (the instance is lower-case in it); "
        "applying again restores the generated policy",
        spreads=True,
    ),
    run_failure(
        r"OTSObjectNotExist|Requested table does not exist",
        "a table of data source {data_source} does not exist",
        Persona.DEVELOPER,
        "correct location.tables and the sync task's table, whose case counts, and apply again",
    ),
    run_failure(
        r"OTSAuthFailed|Instance not found|instance is not running",
        "the Tablestore instance of data source {data_source} is not there, or does not accept the role's login",
        Persona.CREATOR,
        "correct location.instance and apply again; if it is right, check how the data source is opened",
    ),
    run_failure(
        r"Request denied by instance ACL|network type of the client is not allowed",
        "the instance of data source {data_source} does not accept requests from this network",
        Persona.CREATOR,
        "use the endpoint of a network the instance's access control allows",
    ),
    run_failure(
        r"OTSParameterInvalid|OTSInvalidPK|primary key (schema )?(mismatch|does not match)",
        "the sync task's columns or range do not fit the primary key of the table",
        Persona.DEVELOPER,
        "give one value or column per primary key column, in the table's order and types",
    ),
    run_failure(
        r"OTS(Quota|NotEnoughCapacityUnit|ServerBusy|PartitionUnavailable)",
        "Tablestore could not serve so many requests at once",
        Persona.DEVELOPER,
        "lower sync_task.concurrency, or give the table more capacity, and run again",
    ),
    run_failure(
        r"UnknownHost|Name or service not known",
        "the endpoint of data source {data_source} leads nowhere",
        Persona.CREATOR,
        "correct location.instance, or leave location.endpoint out for the VPC endpoint of the region, and apply again",
    ),
)


class Tablestore(SourceType):
    """Tablestore as a source type."""

    name = "tablestore"
    title = "Tablestore"
    data_source_type = "ots"
    service = "ots.aliyuncs.com"
    ram_code = "ots"
    known_actions = _USED | _DESTRUCTIVE
    destructive_actions = _DESTRUCTIVE
    content_profile = ContentProfile(
        template=MappingProxyType(
            {
                "endpoint": "{endpoint}",
                "instanceName": "{instance}",
                "regionId": "{region}",
                "authType": "RamRole",
                "authIdentity": "{role_id}",
            }
        ),
        confidence="low: location keys documented for the 2024-05-18 API, role mode for no API",
        source="DataWorks 2024-05-18 ConnectionProperties, Tablestore; role keys as documented for OSS and Hologres",
    )
    refusals = _REFUSALS
    finding_codes = MappingProxyType(
        {_PUBLIC: "Public Tablestore endpoint", _PLAIN: "Public Tablestore endpoint without encryption"}
    )
    Location = TablestoreLocation
    reader_type = TablestoreReader
    writer_type = TablestoreWriter

    def resolve_location(self, location: SourceLocation, region: str) -> TablestoreLocation:
        """Default endpoint: the instance's in the VPC network, which resource groups of the region reach."""
        place = _tablestore(location)
        host = f"{place.instance.lower()}.{region}.vpc.tablestore.aliyuncs.com"
        if not place.endpoint:
            return place.model_copy(update={"endpoint": f"https://{host}"})
        match = _ENDPOINT.fullmatch(place.endpoint)
        lines = []
        if match and match["instance"].lower() != place.instance.lower():
            rule = f"the endpoint belongs to another instance than the location's, {place.instance}"
            lines.append(problem(("endpoint",), rule, place.endpoint))
        if match and match["region"] != region:
            rule = f"the endpoint belongs to another region than the specification's, {region}"
            lines.append(problem(("endpoint",), rule, place.endpoint))
        refuse("TablestoreLocation", lines)
        return place

    def location_findings(self, location: SourceLocation) -> tuple[LocationFinding, ...]:
        """A public endpoint where one of the vendor's networks would do, worse without encryption."""
        endpoint = _tablestore(location).endpoint
        match = _ENDPOINT.fullmatch(endpoint)
        if match is None or match["network"] in _INTERNAL:
            return ()
        rule = f"{endpoint} is reached over the internet; traffic is billed and leaves the vendor's network"
        fix = "leave location.endpoint out: the default is the instance's VPC endpoint"
        found = [LocationFinding(_PUBLIC, rule, fix)]
        if endpoint.startswith("http://"):
            rule = f"{endpoint} sends the rows over the internet without encryption"
            found.append(LocationFinding(_PLAIN, rule, "write https:// or leave location.endpoint out"))
        return tuple(found)

    def permissions(
        self, location: SourceLocation, access: Access, level: PermissionLevel, *, deletes: bool = False
    ) -> tuple[Permission, ...]:
        """Actions the role needs on the tables. In a resource the name of an instance is lower-case."""
        place = _tablestore(location)
        start = f"acs:ots:*:*:instance/{place.instance.lower()}/table/"
        tables = tuple(start + table for table in place.tables)

        def wanted(action: str, why: str) -> Permission:
            return Permission(f"ots:{action}", tables, why, _CATALOGUE)

        minimal = [wanted("DescribeTable", "primary key and columns of the table, for reader and writer")]
        if access.reads:
            minimal.append(wanted("GetRange", "GetRange of the reader"))
            minimal.append(wanted("ComputeSplitPointsBySize", "splitting the table for parallel reading"))
        if access.writes:
            minimal.append(wanted("BatchWriteRow", "BatchWriteRow of the writer, asked for each table"))
            minimal.append(wanted("PutRow", "rows of writeMode PutRow"))
            minimal.append(wanted("UpdateRow", "rows of writeMode UpdateRow"))
        if access.writes and deletes:
            minimal.append(wanted("DeleteRow", "versions that mode multiVersion removes"))
        why = "listing tables: the meta reader, probably the connectivity test"
        listing = (f"{start}*",)
        minimal.append(Permission("ots:ListTable", listing, why, _CATALOGUE))
        if level == "minimal":
            return tuple(minimal)
        documented = {"ots:ListTable": listing, "ots:DescribeTable": tables}
        documented |= dict.fromkeys(_MINIMUM_READ, tables) if access.reads else {}
        documented |= dict.fromkeys(_MINIMUM_WRITE, tables) if access.writes else {}
        return documented_minimum(minimal, documented, _PAGE)

    def location_fields(
        self, content: Mapping[str, str], traces: Traces, profile: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """The tables are those that the role may reach; without a role, those that sync tasks use."""
        fields = super().location_fields(content, traces, profile)
        # In a resource the name of an instance is lower-case.
        names = traces.named("ots", f"instance/{fields.get('instance', '').lower()}/table/")
        return fields | {"tables": names or traces.given("table")}

    def deletes(self, writer: Mapping[str, Any]) -> bool:
        """Whether the writer removes versions of cells."""
        return writer.get("mode") == "multiVersion"

    def column_count(self, parameter: Mapping[str, Any]) -> int | None:
        """A writer's primary key columns come before its other columns."""
        return len(parameter.get("primaryKey", ())) + len(parameter["column"])

    def reader_problems(
        self, parameters: Mapping[str, Any], location: SourceLocation
    ) -> list[InitErrorDetails]:
        """A table the role may not read."""
        return outside(("table",), "tables", str(parameters["table"]), _tablestore(location).tables)

    def writer_problems(
        self, parameters: Mapping[str, Any], location: SourceLocation
    ) -> list[InitErrorDetails]:
        """A table the role may not write."""
        return self.reader_problems(parameters, location)


def _tablestore(location: SourceLocation) -> TablestoreLocation:
    if not isinstance(location, TablestoreLocation):
        raise TypeError(f"a Tablestore location is needed, not {type(location).__name__}")
    return location


SOURCE_TYPE = Tablestore()

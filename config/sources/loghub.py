"""LogHub of Simple Log Service (SLS): location, role-mode Content, permissions, reader and writer.

Sources: SLS pages "RAM authorization" (which actions exist), "Examples of using custom policies" (consume or write one
Logstore), "Endpoints", CreateProject and CreateLogStore (names); Data Integration, LogHub data source, script mode;
DataX ``LogHubReader`` and ``LogHubWriter`` (which operations the engine calls).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import AfterValidator, Field, field_validator, model_validator
from pydantic_core import InitErrorDetails

from config.counterparts import Columns, Name, column_problems
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
    StepParameters,
    documented_minimum,
)
from config.sources.inverse import Traces
from config.sources.parameters import (
    BatchSize,
    EachOnce,
    NumberAsText,
    OneOrMore,
    outside,
    product_actions,
)

# SLS, CreateProject: 3-63 characters. CreateLogStore: 2-63 on the older page, 3-63 on the newer.
_PROJECT_CHARACTERS = (3, 63)
_LOGSTORE_CHARACTERS = (2, 63)
# Data Integration, LogHub reader: batchSize is in (0, 1000].
_BATCH_MAXIMUM = 1000

_PROJECT = re.compile(r"[a-z0-9][a-z0-9-]*[a-z0-9]")
_LOGSTORE = re.compile(r"[a-z0-9][a-z0-9_-]*[a-z0-9]")
_ENDPOINT = re.compile(r"https?://(?P<region>[a-z0-9-]+?)(?P<internal>-intranet)?\.log\.aliyuncs\.com/?")
_ACCELERATED = re.compile(r"https?://log-global\.aliyuncs\.com/?")
_PROJECT_IN_ENDPOINT = re.compile(r"(https?://)?[^./]+\.([a-z0-9-]+\.log|log-global)\.aliyuncs\.com.*")
_MOMENT = re.compile(r"\d{14}")


def _check_logstore(name: str) -> str:
    low, high = _LOGSTORE_CHARACTERS
    if not low <= len(name) <= high:
        raise ValueError(f"a Logstore name has {low} to {high} characters, this one has {len(name)}")
    if not _LOGSTORE.fullmatch(name):
        raise ValueError(
            "a Logstore name may hold only lower-case letters, digits, '-' and '_', and a letter or digit at both ends"
        )
    return name


class LoghubLocation(SourceLocation):
    """Logstores of one SLS project."""

    project: str = Field(description="SLS project.", examples=["shop-logs"])
    logstores: Annotated[
        tuple[Annotated[str, AfterValidator(_check_logstore)], ...], Field(min_length=1), EachOnce, OneOrMore
    ] = Field(description="Logstores; the role may reach no other.", examples=[["access-log"]])
    endpoint: str = Field(
        default="",
        description="SLS endpoint without the project. Default: http://<region>-intranet.log.aliyuncs.com.",
        examples=["http://cn-hangzhou-intranet.log.aliyuncs.com"],
    )

    @field_validator("project")
    @classmethod
    def _check_project(cls, name: str) -> str:
        low, high = _PROJECT_CHARACTERS
        if not low <= len(name) <= high:
            raise ValueError(f"an SLS project name has {low} to {high} characters, this one has {len(name)}")
        if not _PROJECT.fullmatch(name):
            raise ValueError(
                "an SLS project name may hold only lower-case letters, digits and '-', with no '-' at either end"
            )
        return name

    @field_validator("endpoint")
    @classmethod
    def _check_endpoint(cls, endpoint: str) -> str:
        if not endpoint or _ENDPOINT.fullmatch(endpoint) or _ACCELERATED.fullmatch(endpoint):
            return endpoint
        if _PROJECT_IN_ENDPOINT.fullmatch(endpoint):
            raise ValueError(
                "the project must not stand before the region in the endpoint: it is given apart"
            )
        raise ValueError("an SLS endpoint looks like http://cn-hangzhou-intranet.log.aliyuncs.com")


def _moment(text: str) -> str:
    if not _MOMENT.fullmatch(text) and "${" not in text:
        raise ValueError("a moment is written yyyyMMddHHmmss, with ${name} for scheduling parameters")
    return text


Moment = Annotated[str, AfterValidator(_moment)]


class LoghubReader(StepParameters):
    """Reader of one Logstore between two moments, the first included."""

    logstore: Name = Field(description="Logstore to read; one of the location's.", examples=["access-log"])
    column: Columns = Field(
        description="Keys of a log in order, case-sensitive.", examples=[["host", "path", "status"]]
    )
    begin_date_time: Moment | None = Field(
        default=None,
        description="First moment, yyyyMMddHHmmss, by the time the log arrived.",
        examples=["${bizdate}000000"],
    )
    end_date_time: Moment | None = Field(
        default=None,
        description="Moment at which reading ends, not included.",
        examples=["${today}000000"],
    )
    begin_timestamp_millis: Annotated[int, Field(ge=-1)] | None = Field(
        default=None,
        description="Instead of beginDateTime: milliseconds since 1970; -1 is the oldest log.",
        examples=[-1],
    )
    end_timestamp_millis: Annotated[int, Field(ge=-1)] | None = Field(
        default=None,
        description="Instead of endDateTime: milliseconds since 1970; -1 is the newest log.",
        examples=[-1],
    )
    batch_size: Annotated[NumberAsText, Field(ge=1, le=_BATCH_MAXIMUM)] = Field(
        default=256, description="Logs fetched at once, at most 1000.", examples=[256]
    )
    query: str | None = Field(default=None, description="Filter, in SLS syntax.", examples=["status: 500"])
    field_delimiter: str = Field(default=",", description="Between columns.", examples=[","])
    max_retry_times: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="Tries of a failed request; default of the engine 7.", examples=[7]
    )
    retry_interval_seconds: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="Pause between them, in seconds; default of the engine 1.", examples=[1]
    )

    @model_validator(mode="after")
    def _rules(self) -> LoghubReader:
        lines = column_problems(self.column)
        for word, moment, millis in (
            ("begin", self.begin_date_time, self.begin_timestamp_millis),
            ("end", self.end_date_time, self.end_timestamp_millis),
        ):
            if (moment is None) == (millis is None):
                rule = f"give exactly one of {word}DateTime and {word}TimestampMillis"
                lines.append(problem((f"{word}DateTime",), rule, moment))
        begin, end = self.begin_date_time, self.end_date_time
        if begin and end and _MOMENT.fullmatch(begin) and _MOMENT.fullmatch(end) and end <= begin:
            lines.append(problem(("endDateTime",), "the end must be after the beginning", end))
        refuse("LoghubReader", lines)
        return self


class LoghubWriter(StepParameters):
    """Writer to one Logstore. Logs are only ever added: a second run of a task adds them again."""

    logstore: Name = Field(description="Logstore to write; one of the location's.", examples=["access-log"])
    column: Columns = Field(description="Keys of a log in order.", examples=[["host", "path", "status"]])
    topic: str = Field(default="", description="Topic of the logs.", examples=["orders"])
    batch_size: BatchSize = Field(default=1024, description="Logs sent at once.", examples=[1024])

    @model_validator(mode="after")
    def _rules(self) -> LoghubWriter:
        refuse("LoghubWriter", column_problems(self.column))
        return self


_CATALOGUE = "SLS RAM authorization page; DataX LogHubReader and LogHubWriter"
_PAGE = "SLS, custom policies to consume or write one Logstore"
_CONSUME = (
    *("log:ListShards", "log:GetCursorOrData", "log:GetConsumerGroupCheckPoint", "log:UpdateConsumerGroup"),
    *("log:ConsumerGroupHeartBeat", "log:ConsumerGroupUpdateCheckPoint", "log:ListConsumerGroup"),
    "log:CreateConsumerGroup",
)

# SLS RAM authorization page.
_USED = product_actions(
    "log",
    "ListProject GetProject GetProjectLogs GetLogging ListLogStores GetLogStore GetLogStoreLogs GetLogStoreHistogram "
    "GetLogStoreContextLogs GetCursorOrData ListShards PostLogStoreLogs BatchPostLogStoreLogs GetIndex "
    "GetShipperStatus GetShipperConfig ListShipper GetConfig ListConfig GetMachineGroup ListMachineGroup ListMachines "
    "GetAppliedMachineGroups GetAppliedConfigs GetSavedSearch ListSavedSearch GetDashboard ListDashboard GetJob "
    "ListJobs GetEtlJob ListEtlJob GetExternalStore ListExternalStore GetSqlInstance ListTagResources GetMetricStore "
    "ListMetricStores GetResource ListResources GetResourceRecord ListResourceRecords GetProjectPolicy GetApp ListApp "
    "GetSortedSubStore ListSortedSubStore CreateConsumerGroup UpdateConsumerGroup ListConsumerGroup "
    "GetConsumerGroupCheckPoint ConsumerGroupHeartBeat ConsumerGroupUpdateCheckPoint GetProductDataCollection "
    "GetProjectQuery",
)
_DESTRUCTIVE = product_actions(
    "log",
    "CreateProject UpdateProject DeleteProject CreateLogStore UpdateLogStore DeleteLogStore CreateLogging "
    "UpdateLogging DeleteLogging SplitShard MergeShards CreateIndex UpdateIndex DeleteIndex RetryShipperTask "
    "CreateShipper UpdateShipper DeleteShipper CreateConfig UpdateConfig DeleteConfig CreateMachineGroup "
    "UpdateMachineGroup DeleteMachineGroup ApplyConfigToGroup RemoveConfigFromGroup RemoveConfigFromMachineGroup "
    "CreateSavedSearch UpdateSavedSearch DeleteSavedSearch CreateDashboard UpdateDashboard DeleteDashboard CreateJob "
    "UpdateJob DeleteJob CreateEtlJob UpdateEtlJob DeleteEtlJob CreateExternalStore UpdateExternalStore "
    "DeleteExternalStore CreateSqlInstance UpdateSqlInstance TagResources UntagResources CreateMetricStore "
    "UpdateMetricStore DeleteMetricStore CreateResource UpdateResource DeleteResource CreateResourceRecord "
    "UpdateResourceRecord UpsertResourceRecord DeleteResourceRecord PutProjectPolicy DeleteProjectPolicy CreateApp "
    "UpdateApp DeleteApp CreateSortedSubStore UpdateSortedSubStore DeleteSortedSubStore DeleteConsumerGroup "
    "DeleteLogStoreLogs OpenProductDataCollection CloseProductDataCollection PostProjectQuery PutProjectQuery "
    "DeleteProjectQuery",
)

_PUBLIC, _PLAIN = "LOG001", "LOG002"
_REFUSALS = (
    run_failure(
        r"ProjectNotExist",
        "the SLS project of data source {data_source} does not exist in the region of its endpoint",
        Persona.CREATOR,
        "correct location.project or location.endpoint and apply again",
    ),
    run_failure(
        r"LogStoreNotExist",
        "a Logstore of data source {data_source} does not exist",
        Persona.DEVELOPER,
        "correct location.logstores and the sync task's logstore, or create the Logstore, and apply again",
    ),
    run_failure(
        r"denied by sts or ram|errorCode\W+Unauthorized|\bUnauthorized\b",
        "SLS refused role {role}: its policy does not allow the action on the Logstore",
        Persona.ADMINISTRATOR,
        "compare the role's policy with action and resource in the log; applying again restores the generated policy",
        spreads=True,
    ),
    run_failure(
        r"ShardNotExist|InvalidCursor|InvalidTimeStamp",
        "the moments of the sync task lie outside what the Logstore keeps",
        Persona.DEVELOPER,
        "correct beginDateTime and endDateTime, or lengthen the Logstore's retention",
    ),
    run_failure(
        r"(Write|Read)QuotaExceed|ShardWriteQuotaExceed|ProjectQuotaExceed",
        "the quota of the SLS project or of a shard is used up",
        Persona.DEVELOPER,
        "lower sync_task.concurrency, or split the shards, and run again",
    ),
    run_failure(
        r"UnknownHost|Name or service not known",
        "the endpoint of data source {data_source} leads nowhere",
        Persona.CREATOR,
        "give the endpoint without the project, such as http://cn-hangzhou-intranet.log.aliyuncs.com",
    ),
)


class Loghub(SourceType):
    """LogHub as a source type."""

    name = "loghub"
    title = "LogHub (Simple Log Service)"
    data_source_type = "loghub"
    service = "log.aliyuncs.com"
    ram_code = "log"
    known_actions = _USED | _DESTRUCTIVE
    destructive_actions = _DESTRUCTIVE
    content_profile = ContentProfile(
        template=MappingProxyType(
            {
                "endpoint": "{endpoint}",
                "project": "{project}",
                "regionId": "{region}",
                "authType": "RamRole",
                "authIdentity": "{role_id}",
            }
        ),
        confidence="low: location keys documented for the 2024-05-18 API, role mode for no API",
        source="DataWorks 2024-05-18 ConnectionProperties, LogHub; role keys as documented for OSS and Hologres",
    )
    refusals = _REFUSALS
    finding_codes = MappingProxyType(
        {_PUBLIC: "Public SLS endpoint", _PLAIN: "Public SLS endpoint without encryption"}
    )
    # The reader's page writes LogHub, the writer's loghub.
    reader_step_type = "LogHub"
    writer_step_type = "loghub"
    Location = LoghubLocation
    reader_type = LoghubReader
    writer_type = LoghubWriter

    def resolve_location(self, location: SourceLocation, region: str) -> LoghubLocation:
        """Default endpoint: the internal one of the region, which resource groups of the region reach."""
        place = _loghub(location)
        if not place.endpoint:
            return place.model_copy(update={"endpoint": f"http://{region}-intranet.log.aliyuncs.com"})
        match = _ENDPOINT.fullmatch(place.endpoint)
        if match and match["region"] != region:
            rule = f"the endpoint belongs to another region than the specification's, {region}"
            refuse("LoghubLocation", [problem(("endpoint",), rule, place.endpoint)])
        return place

    def location_findings(self, location: SourceLocation) -> tuple[LocationFinding, ...]:
        """A public endpoint where the internal one would do, worse without encryption."""
        endpoint = _loghub(location).endpoint
        if not endpoint or "-intranet." in endpoint:
            return ()
        rule = f"{endpoint} is reached over the internet; traffic is billed and leaves the vendor's network"
        fix = "leave location.endpoint out: the default is the internal endpoint of the region"
        found = [LocationFinding(_PUBLIC, rule, fix)]
        if endpoint.startswith("http://"):
            rule = f"{endpoint} sends the logs over the internet without encryption"
            found.append(LocationFinding(_PLAIN, rule, "write https:// or leave location.endpoint out"))
        return tuple(found)

    def permissions(
        self, location: SourceLocation, access: Access, level: PermissionLevel, *, deletes: bool = False
    ) -> tuple[Permission, ...]:
        """Actions the role needs on the Logstores; nothing is ever deleted."""
        place = _loghub(location)
        project = f"acs:log:*:*:project/{place.project}"
        logstores = tuple(f"{project}/logstore/{logstore}" for logstore in place.logstores)
        wanted = [Permission("log:ListShards", logstores, "splitting the Logstore by its shards", _CATALOGUE)]
        if access.reads:
            why = "GetCursor, PullLogs and GetCursorTime of the reader"
            wanted.append(Permission("log:GetCursorOrData", logstores, why, _CATALOGUE))
        if access.writes:
            wanted.append(Permission("log:PostLogStoreLogs", logstores, "PutLogs of the writer", _CATALOGUE))
        why = "probably the connectivity test"
        wanted.append(Permission("log:GetProject", (project,), why, "inferred; SLS RAM authorization page"))
        if level == "minimal":
            return tuple(wanted)
        # Matching is literal: the consumer groups below a Logstore need a resource of their own.
        below = tuple(part for logstore in logstores for part in (logstore, f"{logstore}/*"))
        documented: dict[str, tuple[str, ...]] = {}
        if access.reads:
            documented |= dict.fromkeys(_CONSUME, below)
        if access.writes:
            documented |= dict.fromkeys(("log:PostLogStoreLogs", "log:BatchPostLogStoreLogs"), logstores)
        return documented_minimum(wanted, documented, _PAGE)

    def location_fields(
        self, content: Mapping[str, str], traces: Traces, profile: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """The Logstores are those that the role may reach; without a role, those that sync tasks use."""
        fields = super().location_fields(content, traces, profile)
        names = traces.named("log", f"project/{fields.get('project', '')}/logstore/")
        return fields | {"logstores": names or traces.given("logstore")}

    def deletes(self, writer: Mapping[str, Any]) -> bool:
        """Never: logs are only added."""
        return False

    def reader_problems(
        self, parameters: Mapping[str, Any], location: SourceLocation
    ) -> list[InitErrorDetails]:
        """A Logstore the role may not read."""
        return outside(("logstore",), "logstores", str(parameters["logstore"]), _loghub(location).logstores)

    def writer_problems(
        self, parameters: Mapping[str, Any], location: SourceLocation
    ) -> list[InitErrorDetails]:
        """A Logstore the role may not write."""
        return self.reader_problems(parameters, location)


def _loghub(location: SourceLocation) -> LoghubLocation:
    if not isinstance(location, LoghubLocation):
        raise TypeError(f"a LogHub location is needed, not {type(location).__name__}")
    return location


SOURCE_TYPE = Loghub()

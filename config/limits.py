"""Quotas, formats and request rates of RAM, STS and DataWorks: every number is stated here and nowhere else.

Each constant names its number, the vendor's page and the consequence of passing it. Sources, in short:

- "RAM limits": help page *Limits* of RAM (document 28753)
- "RAM rates", "STS rates": pages ``api-ram-2015-05-01-quota`` and ``api-sts-2015-04-01-quota``
- "DataWorks rates": page *Use DataWorks OpenAPI*; counted per Alibaba Cloud account and region
- "<Action>": the API reference page of that action
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

RAM = "ram"
STS = "sts"
DATAWORKS = "dataworks"

# --- Names (characters) -------------------------------------------------------------------------------------
# CreateRole: 1-64. Longer answers 400 InvalidParameter.RoleName.Length.
ROLE_NAME_CHARACTERS = 64
# CreatePolicy: 1-128. Longer answers 400 InvalidParameter.PolicyName.Length.
POLICY_NAME_CHARACTERS = 128
# CreateUser, CreateGroup: 1-64. Longer answers 400 InvalidParameter.UserName.Length or .GroupName.Length.
USER_NAME_CHARACTERS = 64
GROUP_NAME_CHARACTERS = 64
# CreateDataSource (2024-05-18): 255. The 2020-05-18 page states none; a longer name is refused before the
# call.
DATA_SOURCE_NAME_CHARACTERS = 255
# OSS "Bucket naming conventions": 3-63. No bucket outside this range exists.
BUCKET_NAME_CHARACTERS_MINIMUM = 3
BUCKET_NAME_CHARACTERS = 63
# OSS "Object naming conventions": 1,023 bytes in UTF-8. A longer prefix matches no object.
OBJECT_NAME_BYTES = 1023
# RunCycleDagNodes.Name, RunSmokeTest.Name: at most 128. Longer is refused as an invalid parameter.
RUN_NAME_CHARACTERS = 128

# Ours: the same as for runs. The vendor states no limit; a run is named after its task.
SYNC_TASK_NAME_CHARACTERS = 128

# --- Texts (characters) -------------------------------------------------------------------------------------
# Console page of the data source: 80. The API states no limit, but the console could not edit a longer one.
DESCRIPTION_CHARACTERS = 80
# CreateRole, CreatePolicy: 1-1,024. Longer answers 400 InvalidParameter.Description.Length.
RAM_DESCRIPTION_CHARACTERS = 1024
# RAM limits: 6,144, not adjustable. Longer answers 400 InvalidParameter.PolicyDocument.Length; documents are
# sent minified, and grants that do not fit are split over several policies.
POLICY_DOCUMENT_CHARACTERS = 6144
# CreateRole: a limit exists (InvalidParameter.AssumeRolePolicyDocument.Length), older pages print 2,048.
TRUST_POLICY_CHARACTERS = 2048
# AssumeRole: 1-2,048. Longer answers 400 InvalidParameter.PolicySize.
SESSION_POLICY_CHARACTERS = 2048
# RAM tags: key at most 128, value at most 256 characters.
TAG_KEY_CHARACTERS = 128
TAG_VALUE_CHARACTERS = 256

# --- Counts -------------------------------------------------------------------------------------------------
# RAM limits: 5, not adjustable. The sixth answers 409 LimitExceeded.Policy.Version unless the oldest is
# rotated out.
POLICY_VERSIONS = 5
# RAM limits: 10 per user, group or role, adjustable. The eleventh answers 409 LimitExceeded.<Entity>.Policy.
CUSTOM_POLICIES_PER_ENTITY = 10
# RAM limits: 20 per user, group or role, adjustable.
SYSTEM_POLICIES_PER_ENTITY = 20
# RAM limits: 1,000, adjustable. More answers 409 LimitExceeded.Role.
ROLES_PER_ACCOUNT = 1000
# RAM limits: 1,500 custom policies, adjustable. More answers 409 LimitExceeded.Policy.
POLICIES_PER_ACCOUNT = 1500
# RAM limits: 5,000 users, 300 groups, 10 groups per user. More answers 409 LimitExceeded.*.
USERS_PER_ACCOUNT = 5000
GROUPS_PER_ACCOUNT = 300
GROUPS_PER_USER = 10
# RAM limits: 20 (published for users; the same is used for roles and policies).
TAGS_PER_RESOURCE = 20
# TagResources, ListTagResources: 50 resource names a call.
TAG_RESOURCE_NAMES_PER_CALL = 50
# ListFiles.FileIdIn: 50 ids a call.
FILE_IDS_PER_CALL = 50
# DataWorks actions with ProjectId: 1-10,000,000,000.
WORKSPACE_ID_MAXIMUM = 10_000_000_000

# --- Page sizes (items) -------------------------------------------------------------------------------------
# ListRoles, ListPolicies, ListUsers: MaxItems 1-1,000, default 100.
RAM_PAGE_ITEMS = 1000
RAM_PAGE_ITEMS_DEFAULT = 100
# ListGroups: MaxItems 1-100, default 100.
RAM_GROUP_PAGE_ITEMS = 100
# DataWorks lists: PageSize at most 100, default 10. A larger one is refused; a forgotten one hides items.
DATAWORKS_PAGE_ITEMS = 100
DATAWORKS_PAGE_ITEMS_DEFAULT = 10
# ListProjects, ListInstances, ListNodes: PageNumber 1-100. ListProjectMembers: 1-30.
DATAWORKS_PAGE_NUMBER_MAXIMUM = 100
PROJECT_MEMBERS_PAGE_NUMBER_MAXIMUM = 30
# Ours: 500 pages, 50,000 items, of lists whose PageNumber has no published maximum. A longer one is an error.
DATAWORKS_PAGES_READ = 500

# --- Sessions (seconds) -------------------------------------------------------------------------------------
# AssumeRole.DurationSeconds: 900 to the role's MaxSessionDuration, default 3,600.
SESSION_SECONDS_MINIMUM = 900
SESSION_SECONDS_DEFAULT = 3600
# CreateRole.MaxSessionDuration: 3,600-43,200, default 3,600.
ROLE_SESSION_SECONDS_MINIMUM = 3600
ROLE_SESSION_SECONDS_MAXIMUM = 43_200
# AssumeRole.RoleSessionName: 2-64 characters.
SESSION_NAME_CHARACTERS_MINIMUM = 2
SESSION_NAME_CHARACTERS = 64
# Signatures: a request dated more than 15 minutes away answers 400 InvalidTimeStamp.Expired.
CLOCK_SKEW_SECONDS = 900

# --- Sync tasks ---------------------------------------------------------------------------------------------
# Data Integration, setting.speed.concurrent: 1-32. Billed by the actual concurrency.
CONCURRENCY_MAXIMUM = 32
# Data Integration, executeMode "distribute": needs at least 8.
DISTRIBUTED_CONCURRENCY_MINIMUM = 8
# UpdateFile.AutoRerunTimes: at most 10.
AUTO_RERUN_TIMES_MAXIMUM = 10
# UpdateFile.AutoRerunIntervalMillis: at most 1,800,000 milliseconds, here in seconds.
AUTO_RERUN_INTERVAL_SECONDS_MAXIMUM = 1800
# UpdateFile.CronExpress: at least 5 minutes between two runs.
SCHEDULE_INTERVAL_MINUTES_MINIMUM = 5
# UpdateFile.CronExpress: daily and rarer schedules start at 00:05 at the earliest; given in minutes after
# midnight.
SCHEDULE_EARLIEST_MINUTE = 5
# RunCycleDagNodes.ConcurrentRuns: 2-10.
CONCURRENT_RUNS_MINIMUM = 2
CONCURRENT_RUNS_MAXIMUM = 10
# GetInstanceLog: logs older than 7 days may be gone.
INSTANCE_LOG_DAYS = 7

# --- Specification files ------------------------------------------------------------------------------------
# Ours: 1 MiB. A specification has a few kilobytes; a larger file is another file given by mistake.
SPECIFICATION_BYTES = 1024 * 1024

# --- CSV files ----------------------------------------------------------------------------------------------
# Ours: 64 MiB. 100,000 rows of 600 characters; a larger file is refused before it is held in memory as text.
CSV_FILE_BYTES = 64 * 1024 * 1024
# Ours: 100,000 rows. A larger file is refused: it is split, so that each run ends in a working day.
CSV_ROWS = 100_000
# Ours: 65,536 characters. A longer cell is refused; nearly always it is the rest of a file after an open quote.
CSV_CELL_CHARACTERS = 64 * 1024
# Ours: 1 MiB. A file with a longer line is refused before it is split: a line of separators only would become millions
# of cells.
CSV_LINE_CHARACTERS = 1024 * 1024
# Ours: 500 columns, five times the specification's. A file with more is refused: it is another file.
CSV_COLUMNS = 500
# Ours: a file behind a URL must begin to arrive within 10 seconds and be there within 120.
CSV_CONNECT_SECONDS = 10
CSV_READ_SECONDS = 120

# Ours: 256 MiB. A report of 100,000 rows has about 200 MB; a larger file is another file given by mistake.
BULK_REPORT_BYTES = 256 * 1024 * 1024


class Edition(str, Enum):
    """DataWorks edition of the account; decides request rates, daily calls and which actions are open.

    Source: DataWorks rates. ``ULTIMATE`` is also called Flagship.
    """

    BASIC = "basic"
    STANDARD = "standard"
    PROFESSIONAL = "professional"
    ENTERPRISE = "enterprise"
    ULTIMATE = "ultimate"


@dataclass(frozen=True)
class RateLimit:
    """At most ``calls`` requests in any window of ``seconds`` seconds."""

    calls: int
    seconds: float

    @property
    def per_second(self) -> float:
        """Calls per second."""
        return self.calls / self.seconds


# RAM rates: 10 a second for each of these actions and account. TagResources, AttachPolicyToGroup and
# DetachPolicyFromUser are not printed in the excerpt of the page and follow their siblings.
_RAM_TEN_A_SECOND = frozenset(
    {
        "AddUserToGroup",
        "AttachPolicyToGroup",
        "AttachPolicyToRole",
        "AttachPolicyToUser",
        "DecodeDiagnosticMessage",
        "DetachPolicyFromGroup",
        "DetachPolicyFromRole",
        "DetachPolicyFromUser",
        "RemoveUserFromGroup",
        "TagResources",
        "UntagResources",
    }
)
# RAM rates: Get* and List* have 100 a second; every other write (CreateRole, CreatePolicy, ...) has 20.
_RAM_READ_CALLS = 100
_RAM_WRITE_CALLS = 20
_RAM_ATTACH_CALLS = 10
# STS rates: 100 a second for each action; users and roles of the account are counted together.
_STS_CALLS = 100
# DataWorks rates: all actions together 5 a second up to Professional; from Enterprise reads 50, writes 20.
_DATAWORKS_SHARED_CALLS = 5
_DATAWORKS_READ_CALLS = 50
_DATAWORKS_WRITE_CALLS = 20
# DataWorks rates: Basic has 100 calls a day, failed ones included; then 429 Throttling.Api.Risk until the
# next day.
# Older pages print 1,000 (Standard) and 10,000 (Professional) a day, the newest none.
_BASIC_DAILY_CALLS = 100

_SHARED_EDITIONS = frozenset({Edition.BASIC, Edition.STANDARD, Edition.PROFESSIONAL})
_READ_PREFIXES = ("Get", "List", "Query", "Export")


def is_read(action: str) -> bool:
    """Whether an action only reads, judged by its verb.

    TestNetworkConnection counts as a write: the vendor does not say, and the lower rate is the safe one.
    """
    return action.startswith(_READ_PREFIXES)


def rate_group(product: str, action: str, edition: Edition) -> str:
    """Name of the bucket that counts this action: actions with the same name share one rate.

    RAM and STS count each action alone; DataWorks counts all actions together, or reads and writes apart from
    the Enterprise edition on. Raises ``ValueError`` for an unknown product.
    """
    if product in (RAM, STS):
        return f"{product}:{action}"
    if product == DATAWORKS:
        if edition in _SHARED_EDITIONS:
            return DATAWORKS
        return f"{DATAWORKS}:{'read' if is_read(action) else 'write'}"
    raise ValueError(f"unknown product {product!r}; known are {RAM}, {STS} and {DATAWORKS}")


def rate_limit(product: str, action: str, edition: Edition) -> RateLimit:
    """Published rate of the bucket of ``rate_group``, per Alibaba Cloud account.

    Raises ``ValueError`` for an unknown product.
    """
    if product == RAM:
        return RateLimit(_ram_calls(action), 1.0)
    if product == STS:
        return RateLimit(_STS_CALLS, 1.0)
    if product == DATAWORKS:
        if edition in _SHARED_EDITIONS:
            return RateLimit(_DATAWORKS_SHARED_CALLS, 1.0)
        return RateLimit(_DATAWORKS_READ_CALLS if is_read(action) else _DATAWORKS_WRITE_CALLS, 1.0)
    raise ValueError(f"unknown product {product!r}; known are {RAM}, {STS} and {DATAWORKS}")


def daily_calls(edition: Edition) -> int | None:
    """DataWorks calls allowed a day for the account, failed ones included; None means no daily limit."""
    return _BASIC_DAILY_CALLS if edition is Edition.BASIC else None


def _ram_calls(action: str) -> int:
    if action in _RAM_TEN_A_SECOND:
        return _RAM_ATTACH_CALLS
    return _RAM_READ_CALLS if is_read(action) else _RAM_WRITE_CALLS

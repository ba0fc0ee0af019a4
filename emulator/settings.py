"""Everything about the real service that is uncertain, as settings of the local cloud with a stated default.

A field's description says what is known, what is assumed, and how sure we are:
``documented`` (vendor's page), ``observed`` (seen by third parties), ``assumed`` (our inference).
Change a value in the account file (``settings:``) or over HTTP (``PATCH /_emulator/settings``).
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from config.limits import Edition


class AdvanceBy(str, Enum):
    """What moves a deployment or an instance to its next state."""

    POLLS = "polls"
    CLOCK = "clock"


class Executor(str, Enum):
    """Whose ``ram:PassRole`` is asked for when a sync task runs."""

    CALLER = "caller"
    OWNER = "owner"


class EmulatorSettings(BaseModel):
    """Uncertain behaviour of the real service, one field each.

    Units: seconds for every duration, calls per second for rates.
    """

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    # -- gateway ---------------------------------------------------------------------------------------
    clock_skew_seconds: Annotated[float, Field(ge=0)] = Field(
        900, description="Largest accepted distance of a request's date from now. Documented: 15 minutes."
    )
    nonce_lifetime_seconds: Annotated[float, Field(ge=0)] = Field(
        900, description="How long a nonce of one AccessKey is remembered. Documented: 15 minutes."
    )
    throttling_status: int = Field(
        400, description="HTTP status of Throttling.* of RAM and STS. Assumed: 400; 429 occurs too."
    )
    retry_after_header: bool = Field(
        False, description="Send x-acs-retry-after (ms) with throttling. Which products do is unknown."
    )
    enforce_rates: bool = Field(True, description="Refuse calls over the published rates.")
    rate_factor: Annotated[float, Field(gt=0)] = Field(
        1.0, description="Multiplies every published rate; a rehearsal may run faster than the real cloud."
    )
    answer_latency_seconds: Annotated[float, Field(ge=0)] = Field(
        0,
        description="The way to the service and back: each answer is this much later. For rehearsals of speed.",
    )
    edition: Edition = Field(
        Edition.ENTERPRISE, description="DataWorks edition of the account: decides call rates and allowance."
    )
    missing_parameter_code: str = Field(
        "MissingParameter.{name}",
        description="RAM and STS code for an absent parameter. Assumed from AssumeRoleWithSAML's page.",
    )

    # -- RAM -------------------------------------------------------------------------------------------
    lowercase_role_arn: bool = Field(
        True, description="The name inside a role's Arn is lower-cased. Observed; RoleName keeps its case."
    )
    preserve_document_text: bool = Field(
        True, description="Documents are returned as sent. Assumed; clients must compare by meaning."
    )
    policy_attached_to_role_code: str = Field(
        "DeleteConflict.Role.Policy",
        description="DeletePolicy while a role has it. Assumed from Terraform's retry list; page has no row.",
    )
    service_linked_role_code: str = Field(
        "InvalidOperation.ServiceLinkedRole",
        description="Changing a service-linked role with RAM's own actions (400). Documented as refused, code unknown.",
    )
    authorization_lag_seconds: Annotated[float, Field(ge=0)] = Field(
        0,
        description="Delay until a policy, attachment or trust change counts. Vendor notes: 30 s to minutes.",
    )
    list_lag_seconds: Annotated[float, Field(ge=0)] = Field(
        0, description="ListEntitiesForPolicy answers this old. Observed: still showed a detached role."
    )

    # -- DataWorks -------------------------------------------------------------------------------------
    ram_policy_required: bool = Field(
        True, description="A caller needs dataworks:<Action> on * besides its workspace role. Assumed."
    )
    pass_role_checked_at_creation: bool = Field(
        True, description="Create/UpdateDataSource in role mode asks for ram:PassRole. Documented."
    )
    pass_role_checked_at_run: bool = Field(True, description="Each run asks for ram:PassRole. Documented.")
    pass_role_denied_code: str = Field(
        "NoPermission",
        description="Code of CreateDataSource without PassRole (403). Unknown; RAM's own assumed.",
    )
    executor: Executor = Field(
        Executor.CALLER,
        description="Who the executor of a run is: the API's caller or the file's owner. Unknown; caller assumed.",
    )
    trust_checked_at_creation: bool = Field(
        False,
        description="CreateDataSource refuses a role that does not trust the service. Unknown; no assumed.",
    )
    connectivity_checks_role: bool = Field(
        False, description="TestNetworkConnection tries the role, not only the network. Unknown; no assumed."
    )
    connectivity_seconds: Annotated[float, Field(ge=0)] = Field(
        0, description="How long one connectivity test takes. Unknown."
    )
    duplicate_data_source_code: str = Field(
        "ConnectionAlreadyExist",
        description="Second CreateDataSource of a name (400). Listed, not tied to a call.",
    )
    unknown_data_source_types_refused: bool = Field(
        True, description="CreateDataSource refuses a type it does not know. Assumed."
    )
    update_replaces_content: bool = Field(
        True, description="UpdateDataSource replaces Content (not merges). Unknown; replace assumed."
    )
    access_key_ids_masked: bool = Field(
        False,
        description="ListDataSources shows accessId as ***, as it does accessKey and password. Observed both ways.",
    )
    scheduler_runs: bool = Field(
        False,
        description="Deployed nodes run each day at the hour of their cron expression. For rehearsals of a clock.",
    )
    folder_roots: tuple[str, ...] = Field(
        ("Business Flow", "业务流程"),
        description="Accepted first segments of a folder path. By console language.",
    )
    folder_layers: tuple[str, ...] = Field(
        ("Data Integration", "数据集成"), description="Accepted third segments of a folder path."
    )
    basic_mode_submit_publishes: bool = Field(
        True, description="In a basic workspace SubmitFile alone reaches production. Two sources disagree."
    )
    unchanged_update_file_fails: bool = Field(
        False,
        description="UpdateFile with all-equal values answers 'invalid data'. Documented for one SDK only.",
    )
    name_filter_is_fuzzy: bool = Field(
        True,
        description="ListDataSources/ListNodes match names by containing. Unknown; fuzzy is the safe case.",
    )
    advance_by: AdvanceBy = Field(
        AdvanceBy.POLLS, description="Deployments and instances move by being looked at, or by the clock."
    )
    deployment_steps: Annotated[int, Field(ge=0)] = Field(
        2, description="Polls (or seconds) until a deployment ends."
    )
    instance_steps: Annotated[int, Field(ge=0)] = Field(
        1, description="Polls (or seconds) an instance stays in each state before SUCCESS or FAILURE."
    )
    instance_list_empty_polls: Annotated[int, Field(ge=0)] = Field(
        0, description="ListInstances of a fresh DAG is empty for so many polls. Assumed possible."
    )
    smoke_test_runs_in_production: bool = Field(
        True, description="RunSmokeTest accepts ProjectEnv PROD. Documented."
    )
    backfill_editions: tuple[Edition, ...] = Field(
        (Edition.ENTERPRISE, Edition.ULTIMATE),
        description="Editions that may call RunCycleDagNodes, SubmitFile, DeployFile: newest pages.",
    )
    backfill_needs_edition: bool = Field(
        False, description="Refuse the calls above on lower editions (Forbidden.Access). Pages disagree."
    )
    backfill_of_today_allowed: bool = Field(
        False, description="RunCycleDagNodes accepts a business date of today or later. Assumed: refused."
    )
    full_access_manages_data_sources: bool = Field(
        False,
        description="AliyunDataWorksFullAccess or AdministratorAccess replaces the workspace role for data sources. "
        "One page says so; the workspace role is assumed to be needed.",
    )
    ide_refusals_are_http_errors: bool = Field(
        True,
        description="IDE and operation actions refuse with HTTP 400 (observed); else HTTP 200 with Success: false.",
    )
    ide_code: str = Field(
        "Invalid.Wkbench.{reason}",
        description="Code of such a refusal. Numeric codes and Invalid.Wkbench.* were observed; no list is published.",
    )
    new_data_studio_status: int = Field(
        500, description="HTTP status of IDE actions in a workspace with the new Data Studio. Assumed."
    )
    invalid_resource_group_is_http_error: bool = Field(
        False,
        description="TestNetworkConnection refuses a group that is not of type 4 with 400 Invalid.DI.Parameter; "
        "else ConnectStatus false. The text was observed, the channel is unknown.",
    )
    connectivity_success_message: str = Field(
        "", description="ConnectMessage of a passed test. Documented as empty; samples print Connectable."
    )
    offline_task_is_read: bool = Field(
        True,
        description="GetDISyncTask answers for DI_OFFLINE. Only the other types are documented; assumed.",
    )
    deployment_error: str = Field(
        "",
        description="Every deployment ends with status 2 and this text, when it is not empty. For rehearsals.",
    )
    deployment_check_fails: bool = Field(
        False, description="Every deployment stops with CheckingStatus 7 (failed check). For rehearsals."
    )
    runs_look_first: bool = Field(
        True,
        description="A reader or writer first looks at its source as a connectivity test may do: OSS GetBucketAcl and "
        "GetBucketInfo, log:GetProject (and log:ListShards before writing), ots:ListTable, hologram:ListWarehouses. "
        "Unknown; assumed, so that a rehearsal asks for every action a role is given.",
    )
    hologres_modes_by_environment: bool = Field(
        True,
        description="A Hologres data source has authType Executor in development only, every other authType in "
        "production only. Documented for the 2024-05-18 API.",
    )
    hologres_grants_to_any_role: bool = Field(
        True,
        description="Every user may do everything in every Hologres database. The real one needs grants to "
        '"v4_<RoleId>", or "p4_<UserId>" of an executor; False asks for them in the account\'s data.',
    )
    hologres_accounts_need_ram: bool = Field(
        False,
        description="Where Hologres is opened with an account (authType Executor, SubAccount), its RAM policies are "
        "asked for hologram actions. Unknown; no assumed: the database's grants decide.",
    )
    adb2_accepts_role: bool = Field(
        True,
        description="AnalyticDB for MySQL 2.0 accepts a role's credentials. Its login is an AccessKey, yet a page says "
        "that roles are not supported. Assumed: DataWorks offers role mode for it.",
    )
    adb3_accepts_role: bool = Field(
        False,
        description="AnalyticDB for MySQL 3.0 accepts a role. Its login is a database account; no is assumed.",
    )
    log_language: Literal["en", "zh"] = Field(
        "en", description="Language of an instance log's summary. By console language; English assumed."
    )

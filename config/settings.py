"""Settings of an installation: endpoints, waiting times, identities. Everything a specification does not say.

Each is an environment variable with the prefix ``ONBOARD_``, parts joined by ``__``, for example
``ONBOARD_LOCAL_CLOUD=http://127.0.0.1:8090`` or ``ONBOARD_IDENTITIES__CREATOR__ACCESS_KEY_ID``. Secrets are
shown by no repr and no error.
"""

from __future__ import annotations

import difflib
import os
import re
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from config import limits
from config.limits import Edition
from config.personas import Persona

_Seconds = Annotated[float, Field(gt=0, le=86_400)]


def _local_cloud(url: str) -> str:
    rule = "local_cloud looks like http://127.0.0.1:8090: http or https, a host, a port and nothing else"
    try:
        parts = urlsplit(url.rstrip("/"))
        port = parts.port
    except ValueError:
        raise ValueError(rule) from None
    if parts.scheme not in ("http", "https") or not parts.hostname or not port:
        raise ValueError(rule)
    if parts.path or parts.query or parts.fragment or "@" in parts.netloc:
        raise ValueError(rule)
    return f"{parts.scheme}://{parts.netloc}"


def _host(endpoint: str) -> str:
    parts = urlsplit(f"//{endpoint}")
    if (
        not endpoint
        or parts.netloc != endpoint
        or "@" in endpoint
        or any(sign.isspace() for sign in endpoint)
    ):
        raise ValueError("an endpoint is a host, such as ram.aliyuncs.com, without https:// and path")
    return endpoint


def _role_arn(arn: str) -> str:
    if not re.fullmatch(r"acs:ram::\d+:role/[A-Za-z0-9.\-]+", arn):
        raise ValueError("a role Arn looks like acs:ram::1234567890123456:role/onboarding-administrator")
    return arn


_RoleArn = Annotated[str, AfterValidator(_role_arn)]
_Host = Annotated[str, AfterValidator(_host)]


class IdentitySettings(BaseModel):
    """Credentials of one identity. All empty: the SDK's own environment variables and default chain.

    With ``role_arn`` these credentials (or, left out, those of the default chain) assume that role by STS, and each
    step's session carries a session policy limited to what the step declares.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    access_key_id: str | None = Field(
        default=None, min_length=1, repr=False, description="AccessKey id.", examples=["LTAI5t"]
    )
    access_key_secret: SecretStr | None = Field(
        default=None, description="AccessKey secret.", examples=["..."]
    )
    security_token: SecretStr | None = Field(
        default=None, description="Security token, for temporary credentials only.", examples=["..."]
    )
    role_arn: _RoleArn | None = Field(
        default=None,
        description="Role to assume (AssumeRole, or AssumeRoleWithOIDC with oidc_token_file).",
        examples=["acs:ram::1234567890123456:role/onboarding-administrator"],
    )
    session_seconds: int = Field(
        default=limits.SESSION_SECONDS_DEFAULT,
        ge=2 * limits.SESSION_SECONDS_MINIMUM,
        le=limits.ROLE_SESSION_SECONDS_MAXIMUM,
        description="Length of an assumed session, in seconds. Renewed before it ends.",
        examples=[3600],
    )
    external_id: str | None = Field(
        default=None,
        min_length=2,
        description="sts:ExternalId the role's trust policy asks for.",
        examples=["team-a"],
    )
    ecs_role: str | None = Field(
        default=None, min_length=1, description="Role of the ECS instance this runs on.", examples=["worker"]
    )
    oidc_provider_arn: str | None = Field(
        default=None,
        min_length=1,
        description="OIDC provider of AssumeRoleWithOIDC.",
        examples=["acs:ram::1234567890123456:oidc-provider/ack"],
    )
    oidc_token_file: str | None = Field(
        default=None,
        min_length=1,
        description="File with the OIDC token.",
        examples=["/var/run/secrets/token"],
    )

    @model_validator(mode="after")
    def _complete(self) -> IdentitySettings:
        if (self.access_key_id is None) != (self.access_key_secret is None):
            raise ValueError("access_key_id and access_key_secret belong together: give both or neither")
        if self.security_token is not None and self.access_key_id is None:
            raise ValueError(
                "a security_token needs the access_key_id and access_key_secret it was issued with"
            )
        if (self.oidc_provider_arn is None) != (self.oidc_token_file is None):
            raise ValueError("oidc_provider_arn and oidc_token_file belong together: give both or neither")
        if self.oidc_token_file is not None and self.role_arn is None:
            raise ValueError("an OIDC token needs the role_arn it is exchanged for")
        ways = (self.access_key_id, self.ecs_role, self.oidc_token_file)
        if sum(way is not None for way in ways) > 1:
            raise ValueError("give one of access_key_id, ecs_role and oidc_token_file")
        return self

    @property
    def assumes_role(self) -> bool:
        """Whether a role is assumed by AssumeRole (with OIDC the SDK exchanges the token itself)."""
        return self.role_arn is not None and self.oidc_token_file is None

    @property
    def configured(self) -> bool:
        """Whether credentials are given here; else the SDK's default chain is used."""
        return self != IdentitySettings(session_seconds=self.session_seconds)


class Identities(BaseModel):
    """The identity of each persona. One that is not given uses ``default``."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    default: IdentitySettings = Field(
        default_factory=IdentitySettings,
        description="For personas without their own.",
        examples=[{}],
    )
    administrator: IdentitySettings | None = Field(
        default=None, description="Steps 1 and 2: RAM.", examples=[{}]
    )
    creator: IdentitySettings | None = Field(
        default=None, description="Step 3: the data source.", examples=[{}]
    )
    developer: IdentitySettings | None = Field(
        default=None, description="Step 4: the sync task.", examples=[{}]
    )
    executor: IdentitySettings | None = Field(default=None, description="Step 5: the run.", examples=[{}])

    def of(self, persona: Persona) -> IdentitySettings:
        """Credentials with which the persona's calls are made."""
        own = {
            Persona.ADMINISTRATOR: self.administrator,
            Persona.CREATOR: self.creator,
            Persona.DEVELOPER: self.developer,
            Persona.EXECUTOR: self.executor,
        }[persona]
        return self.default if own is None else own


class RollbackKey(BaseModel):
    """What a data source was opened with before a migration, given by its owner so that it can be put back."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    access_key_id: str | None = Field(
        default=None,
        min_length=1,
        repr=False,
        description="AccessKey id, or a database's user. Default: the one that the data source shows.",
        examples=["LTAI5t"],
    )
    access_key_secret: SecretStr = Field(
        description="AccessKey secret, or the user's password.", examples=["..."]
    )


class Settings(BaseSettings):
    """Settings of an installation. Times are in seconds."""

    model_config = SettingsConfigDict(
        env_prefix="ONBOARD_",
        env_nested_delimiter="__",
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
    )

    local_cloud: Annotated[str, AfterValidator(_local_cloud)] | None = Field(
        default=None,
        description="Address of a local cloud: the one switch that sends all three products' calls there.",
        examples=["http://127.0.0.1:8090"],
    )
    ram_endpoint: _Host = Field(
        default="ram.aliyuncs.com",
        description="RAM endpoint of all regions. Always given: the SDK derives a wrong one for some.",
        examples=["ram.aliyuncs.com"],
    )
    sts_endpoint: _Host | None = Field(
        default=None,
        description="STS endpoint. Default: sts.<region>.aliyuncs.com.",
        examples=["sts.cn-hangzhou.aliyuncs.com"],
    )
    dataworks_endpoint: _Host | None = Field(
        default=None,
        description="DataWorks endpoint. Default: dataworks.<region>.aliyuncs.com.",
        examples=["dataworks.cn-hangzhou.aliyuncs.com"],
    )
    edition: Edition = Field(
        default=Edition.STANDARD,
        description="DataWorks edition of the account: decides request rates and daily calls.",
        examples=["standard"],
    )
    rate_headroom: float = Field(
        default=0.8,
        gt=0,
        le=1,
        description="Share of the published request rates to use; others in the account call too.",
        examples=[0.8],
    )
    rate_share: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="This process's part of the used rates, when several onboard in one account at once.",
        examples=[0.5],
    )
    daily_allowance: int | None = Field(
        default=None,
        ge=1,
        description="DataWorks calls of the account a day, failed ones included. Default: the edition's.",
        examples=[1000],
    )
    daily_calls_used: int = Field(
        default=0,
        ge=0,
        description="DataWorks calls that others have made today before this process began.",
        examples=[20],
    )
    connect_timeout: _Seconds = Field(
        default=5.0, description="Longest wait for a connection, in seconds.", examples=[5]
    )
    read_timeout: _Seconds = Field(
        default=10.0, description="Longest silence while an answer is read, in seconds.", examples=[10]
    )
    connectivity_timeout: _Seconds = Field(
        default=60.0,
        description="read_timeout of a connectivity test, which answers only when it is done, in seconds.",
        examples=[60],
    )
    call_deadline: _Seconds = Field(
        default=60.0,
        description="Longest time for one call with its retries, in seconds.",
        examples=[60],
    )
    retry_attempts: int = Field(
        default=6, ge=1, le=20, description="Tries of one call, the first included.", examples=[6]
    )
    retry_wait_initial: _Seconds = Field(
        default=0.5, description="Pause before the first retry, in seconds.", examples=[0.5]
    )
    retry_wait_maximum: _Seconds = Field(
        default=20.0, description="Longest pause between retries, in seconds.", examples=[20]
    )
    propagation_timeout: _Seconds = Field(
        default=120.0,
        description="How long a refusal after a change in RAM counts as not yet effective, in seconds.",
        examples=[120],
    )
    poll_interval_initial: _Seconds = Field(
        default=2.0, description="First pause between two looks, in seconds.", examples=[2]
    )
    poll_interval_maximum: _Seconds = Field(
        default=10.0, description="Longest pause between two looks, in seconds.", examples=[10]
    )
    deployment_timeout: _Seconds = Field(
        default=600.0, description="Longest wait for a deployment, in seconds.", examples=[600]
    )
    run_timeout: _Seconds = Field(
        default=3600.0, description="Longest wait for a run, in seconds.", examples=[3600]
    )
    watch_timeout: _Seconds = Field(
        default=86_400.0,
        description="Longest wait for the next runs after a data source was switched, in seconds.",
        examples=[86_400],
    )
    watch_interval_maximum: _Seconds = Field(
        default=900.0,
        description="Longest pause between two looks at these runs, in seconds.",
        examples=[900],
    )
    rollback_keys: dict[str, RollbackKey] = Field(
        default_factory=dict,
        repr=False,
        description="For `onboard migrate`: AccessKeys with which data sources can be put back, by the name of the data "
        "source or the id of the key. Never stored.",
        examples=[{"orders": {"access_key_secret": "..."}}],
    )
    shard_silence: _Seconds = Field(
        default=120.0,
        description="How long a shard of a file may be silent before it is started again, in seconds.",
        examples=[120],
    )
    metrics_file: str | None = Field(
        default=None,
        pattern=r"\.prom$",
        description="File to which each run adds its Prometheus metrics, in the folder of a textfile collector.",
        examples=["/var/lib/node_exporter/onboarding.prom"],
    )
    content_profiles: dict[str, dict[str, str]] = Field(
        default_factory=dict,
        description="Role-mode Content by `<type>.<ENV>` (DEV, PROD) or `<type>`, in place of the built-in.",
        examples=[{"oss": {"bucket": "{bucket}", "authType": "RamRole", "authIdentity": "{role_id}"}}],
    )
    identities: Identities = Field(
        default_factory=Identities, description="Credentials of the personas.", examples=[{}]
    )

    @model_validator(mode="before")
    @classmethod
    def _no_unknown_variable(cls, values: Any) -> Any:
        """A misspelt ONBOARD_LOCAL_CLOUD would send a rehearsal's calls to the real cloud."""
        prefix = cls.model_config["env_prefix"]
        known = {f"{prefix}{name.upper()}" for name in cls.model_fields}
        for variable in sorted(os.environ):
            start = variable.upper().partition("__")[0]
            if start.startswith(prefix) and start not in known:
                near = difflib.get_close_matches(start, known, n=1)
                hint = f"; {near[0]} is one" if near else ""
                raise ValueError(f"{variable} is no setting{hint}")
        return values

    @model_validator(mode="after")
    def _initial_below_maximum(self) -> Settings:
        if self.retry_wait_initial > self.retry_wait_maximum:
            raise ValueError("retry_wait_initial must not be above retry_wait_maximum")
        if self.poll_interval_initial > self.poll_interval_maximum:
            raise ValueError("poll_interval_initial must not be above poll_interval_maximum")
        return self

    @property
    def protocol(self) -> str:
        """``http`` or ``https``, for the SDK's Config."""
        return "https" if self.local_cloud is None else urlsplit(self.local_cloud).scheme

    def endpoint(self, product: str, region: str) -> str:
        """Host, and port of a local cloud, of a product (``limits.RAM``, ``STS``, ``DATAWORKS``) in a region.

        Raises ``ValueError`` for an unknown product.
        """
        endpoints = {
            limits.RAM: self.ram_endpoint,
            limits.STS: self.sts_endpoint or f"sts.{region}.aliyuncs.com",
            limits.DATAWORKS: self.dataworks_endpoint or f"dataworks.{region}.aliyuncs.com",
        }
        if product not in endpoints:
            raise ValueError(f"unknown product {product!r}; known are {', '.join(endpoints)}")
        return endpoints[product] if self.local_cloud is None else urlsplit(self.local_cloud).netloc

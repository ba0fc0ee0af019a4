"""Credentials of personas as Prefect blocks: created in the UI or in code, named in a deployment or a flow run.

Each block turns into :class:`config.settings.IdentitySettings`, the one form in which the cloud layer takes
credentials. Secrets are secret fields: Prefect stores them encrypted and shows them nowhere. The entry point
``prefect.collections`` lets every Prefect server and worker beside which this project is installed know them;
elsewhere ``onboard blocks`` registers them.

Importing this module imports Prefect; the command line does so only when a block is named.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from prefect.blocks.core import Block
from pydantic import ConfigDict, Field, HttpUrl, SecretStr, ValidationError, model_validator

from config import limits
from config.settings import Identities, IdentitySettings


class BlockError(Exception):
    """A block that cannot be used: names it, what is wrong, and how a person puts it right."""


class PersonaCredentials(Block, ABC):
    """What all credential blocks have in common."""

    _logo_url: ClassVar[HttpUrl | None] = HttpUrl(
        "https://cdn.jsdelivr.net/npm/simple-icons@13/icons/alibabacloud.svg"
    )

    model_config = ConfigDict(
        hide_input_in_errors=True
    )  # the input of a block that lacks a field holds its secrets

    @abstractmethod
    def identity(self) -> IdentitySettings:
        """The credentials in the form the cloud layer takes. Raises ``pydantic.ValidationError``."""

    @model_validator(mode="after")
    def _usable(self) -> PersonaCredentials:
        """A block that could not be used is refused when it is saved, not when it is needed."""
        self.identity()
        return self


class AccessKeyCredentials(PersonaCredentials):
    """A long-lived AccessKey of a RAM user. Prefer one of the others: a leaked key works until it is disabled.

    Examples:
        Save it, then name it for a persona of a flow run:
        ```python
        from config.credentials import AccessKeyCredentials

        AccessKeyCredentials(access_key_id="LTAI5t", access_key_secret="...").save("creator")
        credentials = {"creator": "alibaba-cloud-access-key/creator"}
        ```
    """

    _block_type_name: ClassVar[str] = "Alibaba Cloud AccessKey"
    _block_type_slug: ClassVar[str] = "alibaba-cloud-access-key"
    _documentation_url: ClassVar[HttpUrl | None] = HttpUrl(
        "https://www.alibabacloud.com/help/doc-detail/63482.htm"
    )

    access_key_id: str = Field(min_length=1, description="AccessKey id.", examples=["LTAI5t"])
    access_key_secret: SecretStr = Field(description="AccessKey secret.", examples=["..."])

    def identity(self) -> IdentitySettings:
        """The key pair."""
        return IdentitySettings(access_key_id=self.access_key_id, access_key_secret=self.access_key_secret)


class StsTokenCredentials(PersonaCredentials):
    """Temporary credentials somebody else has issued; they are not renewed.

    Examples:
        Save it, then name it for a persona of a flow run:
        ```python
        from config.credentials import StsTokenCredentials

        block = StsTokenCredentials(access_key_id="STS.NU", access_key_secret="...", security_token="...")
        block.save("today")
        credentials = {"default": "alibaba-cloud-sts-token/today"}
        ```
    """

    _block_type_name: ClassVar[str] = "Alibaba Cloud STS token"
    _block_type_slug: ClassVar[str] = "alibaba-cloud-sts-token"
    _documentation_url: ClassVar[HttpUrl | None] = HttpUrl(
        "https://www.alibabacloud.com/help/en/ram/api-assumerole"
    )

    access_key_id: str = Field(
        min_length=1, description="AccessKey id, STS. and letters.", examples=["STS.NU"]
    )
    access_key_secret: SecretStr = Field(description="AccessKey secret.", examples=["..."])
    security_token: SecretStr = Field(description="Security token.", examples=["..."])

    def identity(self) -> IdentitySettings:
        """The key pair with its token."""
        return IdentitySettings(
            access_key_id=self.access_key_id,
            access_key_secret=self.access_key_secret,
            security_token=self.security_token,
        )


class AssumeRoleCredentials(PersonaCredentials):
    """A role that is assumed for each step, with a session policy limited to what the step declares.

    Examples:
        Save it, then name it for a persona of a flow run:
        ```python
        from config.credentials import AssumeRoleCredentials

        role = "acs:ram::1234567890123456:role/onboarding-administrator"
        AssumeRoleCredentials(role_arn=role, external_id="team-a").save("administrator")
        credentials = {"administrator": "alibaba-cloud-assumed-role/administrator"}
        ```
    """

    _block_type_name: ClassVar[str] = "Alibaba Cloud assumed role"
    _block_type_slug: ClassVar[str] = "alibaba-cloud-assumed-role"
    _documentation_url: ClassVar[HttpUrl | None] = HttpUrl(
        "https://www.alibabacloud.com/help/en/ram/api-assumerole"
    )

    role_arn: str = Field(
        description="Arn of the role.", examples=["acs:ram::1234567890123456:role/onboarding-administrator"]
    )
    access_key_id: str | None = Field(
        default=None,
        min_length=1,
        description="AccessKey id of the user that may assume it. Default: the SDK's default chain.",
        examples=["LTAI5t"],
    )
    access_key_secret: SecretStr | None = Field(default=None, description="Its secret.", examples=["..."])
    external_id: str | None = Field(
        default=None,
        min_length=2,
        description="sts:ExternalId the trust policy asks for.",
        examples=["team-a"],
    )
    session_seconds: int = Field(
        default=limits.SESSION_SECONDS_DEFAULT,
        ge=2 * limits.SESSION_SECONDS_MINIMUM,
        le=limits.ROLE_SESSION_SECONDS_MAXIMUM,
        description="Length of a session, in seconds. Renewed before it ends.",
        examples=[3600],
    )

    def identity(self) -> IdentitySettings:
        """The role with the credentials that assume it."""
        return IdentitySettings(
            role_arn=self.role_arn,
            access_key_id=self.access_key_id,
            access_key_secret=self.access_key_secret,
            external_id=self.external_id,
            session_seconds=self.session_seconds,
        )


class EcsRoleCredentials(PersonaCredentials):
    """The role of the ECS instance a worker runs on: no secret is stored at all.

    Examples:
        Save it, then name it for a persona of a flow run:
        ```python
        from config.credentials import EcsRoleCredentials

        EcsRoleCredentials(role_name="onboarding-worker").save("worker")
        credentials = {"default": "alibaba-cloud-ecs-role/worker"}
        ```
    """

    _block_type_name: ClassVar[str] = "Alibaba Cloud ECS role"
    _block_type_slug: ClassVar[str] = "alibaba-cloud-ecs-role"
    _documentation_url: ClassVar[HttpUrl | None] = HttpUrl("https://github.com/aliyun/credentials-python")

    role_name: str = Field(min_length=1, description="Role of the instance.", examples=["onboarding-worker"])

    def identity(self) -> IdentitySettings:
        """The instance's role."""
        return IdentitySettings(ecs_role=self.role_name)


class OidcCredentials(PersonaCredentials):
    """A role for a Kubernetes service account (RRSA) or another OIDC identity: no secret is stored at all.

    Examples:
        Save it, then name it for a persona of a flow run:
        ```python
        from config.credentials import OidcCredentials

        OidcCredentials(
            role_arn="acs:ram::1234567890123456:role/onboarding-executor",
            provider_arn="acs:ram::1234567890123456:oidc-provider/ack",
            token_file="/var/run/secrets/ack.alibabacloud.com/rrsa-tokens/token",
        ).save("executor")
        credentials = {"executor": "alibaba-cloud-oidc-role/executor"}
        ```
    """

    _block_type_name: ClassVar[str] = "Alibaba Cloud OIDC role"
    _block_type_slug: ClassVar[str] = "alibaba-cloud-oidc-role"
    _documentation_url: ClassVar[HttpUrl | None] = HttpUrl(
        "https://www.alibabacloud.com/help/doc-detail/356611.html"
    )

    role_arn: str = Field(
        description="Arn of the role.", examples=["acs:ram::1234567890123456:role/onboarding-executor"]
    )
    provider_arn: str = Field(
        min_length=1, description="OIDC provider.", examples=["acs:ram::1234567890123456:oidc-provider/ack"]
    )
    token_file: str = Field(
        min_length=1,
        description="File on the worker with the token.",
        examples=["/var/run/secrets/ack.alibabacloud.com/rrsa-tokens/token"],
    )

    def identity(self) -> IdentitySettings:
        """The role with its provider and token file."""
        return IdentitySettings(
            role_arn=self.role_arn, oidc_provider_arn=self.provider_arn, oidc_token_file=self.token_file
        )


class DefaultChainCredentials(PersonaCredentials):
    """Whatever the SDK's default credential chain finds on the worker.

    Examples:
        Save it, then name it for a persona of a flow run:
        ```python
        from config.credentials import DefaultChainCredentials

        DefaultChainCredentials().save("worker")
        credentials = {"default": "alibaba-cloud-default-credentials/worker"}
        ```
    """

    _block_type_name: ClassVar[str] = "Alibaba Cloud default credentials"
    _block_type_slug: ClassVar[str] = "alibaba-cloud-default-credentials"
    _documentation_url: ClassVar[HttpUrl | None] = HttpUrl("https://github.com/aliyun/credentials-python")

    def identity(self) -> IdentitySettings:
        """Nothing given: the chain decides."""
        return IdentitySettings()


BLOCK_TYPES: tuple[type[PersonaCredentials], ...] = (
    AccessKeyCredentials,
    AssumeRoleCredentials,
    DefaultChainCredentials,
    EcsRoleCredentials,
    OidcCredentials,
    StsTokenCredentials,
)


def block_of(identity: IdentitySettings) -> PersonaCredentials:
    """The block that holds the same credentials. Raises :class:`BlockError` when no kind of block can."""
    given = identity.model_dump(exclude_none=True)
    if identity.oidc_token_file is not None:
        kind: type[PersonaCredentials] = OidcCredentials
        fields = {
            "role_arn": identity.role_arn,
            "provider_arn": identity.oidc_provider_arn,
            "token_file": identity.oidc_token_file,
        }
    elif identity.role_arn is not None:
        kind, fields = AssumeRoleCredentials, given
    elif identity.ecs_role is not None:
        kind, fields = EcsRoleCredentials, {"role_name": identity.ecs_role}
    elif identity.access_key_id is not None:
        kind = AccessKeyCredentials if identity.security_token is None else StsTokenCredentials
        fields = given
    else:
        kind, fields = DefaultChainCredentials, {}
    block = kind.model_validate({name: fields[name] for name in kind.model_fields if name in fields})
    if block.identity() != identity:
        raise BlockError("no credentials block holds this combination of settings: create one under Blocks")
    return block


def load_identity(slug: str) -> IdentitySettings:
    """The credentials of a saved block, ``<type slug>/<name>``.

    Raises :class:`BlockError` for an unknown block, a block of another kind, or one that cannot be used.
    """
    kinds = {kind.get_block_type_slug(): kind for kind in BLOCK_TYPES}
    kind = kinds.get(slug.partition("/")[0])
    if kind is None:
        raise BlockError(f"{slug!r} is no credentials block; its type is one of: {', '.join(sorted(kinds))}")
    try:
        block = Block.load(slug)
    except (ValidationError, RuntimeError) as error:  # Prefect hides the one behind the other
        raise BlockError(f"the block {slug!r} cannot be used: save it anew") from error
    except ValueError as error:
        raise BlockError(
            f"the block {slug!r} does not exist on this Prefect server; create it under Blocks"
        ) from error
    if not isinstance(block, PersonaCredentials):
        raise BlockError(f"the block {slug!r} holds something else than credentials")
    return block.identity()


def identities_from(names: dict[str, str], base: Identities) -> Identities:
    """``base`` with the blocks named per persona (or ``default``) in place. Raises :class:`BlockError`."""
    loaded = {persona: load_identity(slug) for persona, slug in names.items()}
    return base.model_copy(update=loaded)

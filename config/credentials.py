"""Credentials of personas as Prefect blocks: created in the UI or in code, named in a deployment or a flow run.

Each block turns into :class:`config.settings.IdentitySettings`, the one form in which the cloud layer takes
credentials. Secrets are secret fields: Prefect stores them encrypted and shows them nowhere.

Importing this module imports Prefect; the command line does so only when a block is named.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from prefect.blocks.core import Block
from pydantic import ConfigDict, Field, SecretStr, ValidationError, model_validator

from config import limits
from config.settings import Identities, IdentitySettings


class BlockError(Exception):
    """A block that cannot be used: names it, what is wrong, and how a person puts it right."""


class PersonaCredentials(Block):
    """What all credential blocks have in common."""

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
    """A long-lived AccessKey of a RAM user. Prefer one of the others: a leaked key works until it is disabled."""

    _block_type_name: ClassVar[str] = "Alibaba Cloud AccessKey"
    _block_type_slug: ClassVar[str] = "alibaba-cloud-access-key"

    access_key_id: str = Field(min_length=1, description="AccessKey id.", examples=["LTAI5t"])
    access_key_secret: SecretStr = Field(description="AccessKey secret.", examples=["..."])

    def identity(self) -> IdentitySettings:
        """The key pair."""
        return IdentitySettings(access_key_id=self.access_key_id, access_key_secret=self.access_key_secret)


class StsTokenCredentials(PersonaCredentials):
    """Temporary credentials somebody else has issued; they are not renewed."""

    _block_type_name: ClassVar[str] = "Alibaba Cloud STS token"
    _block_type_slug: ClassVar[str] = "alibaba-cloud-sts-token"

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
    """A role that is assumed for each step, with a session policy limited to what the step declares."""

    _block_type_name: ClassVar[str] = "Alibaba Cloud assumed role"
    _block_type_slug: ClassVar[str] = "alibaba-cloud-assumed-role"

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
    """The role of the ECS instance a worker runs on: no secret is stored at all."""

    _block_type_name: ClassVar[str] = "Alibaba Cloud ECS role"
    _block_type_slug: ClassVar[str] = "alibaba-cloud-ecs-role"

    role_name: str = Field(min_length=1, description="Role of the instance.", examples=["onboarding-worker"])

    def identity(self) -> IdentitySettings:
        """The instance's role."""
        return IdentitySettings(ecs_role=self.role_name)


class OidcCredentials(PersonaCredentials):
    """A role for a Kubernetes service account (RRSA) or another OIDC identity: no secret is stored at all."""

    _block_type_name: ClassVar[str] = "Alibaba Cloud OIDC role"
    _block_type_slug: ClassVar[str] = "alibaba-cloud-oidc-role"

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
    """Whatever the SDK's default credential chain finds on the worker."""

    _block_type_name: ClassVar[str] = "Alibaba Cloud default credentials"
    _block_type_slug: ClassVar[str] = "alibaba-cloud-default-credentials"

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

"""RAM and STS of one account, with the checks that an account file or a loaded state must pass.

A document that RAM would refuse, an attachment of a policy that does not exist or a default version that is missing
would otherwise show up much later, as a wrong decision.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from emulator.ram.system_policies import SYSTEM_POLICIES
from policy import PolicyKind, PolicySyntaxError, parse_policy

STRICT = ConfigDict(extra="forbid")


class Model(BaseModel):
    """Base: unknown keys are errors, so that a typing mistake in an account file is found."""

    model_config = STRICT


def _document_text(value: Any) -> Any:
    """An account file may write a document as YAML; it is kept as JSON text like one that was sent."""
    return json.dumps(value) if isinstance(value, dict) else value


def _checked(kind: PolicyKind) -> AfterValidator:
    def check(text: str) -> str:
        try:
            parse_policy(text, kind)
        except PolicySyntaxError as error:
            raise ValueError(str(error)) from error
        return text

    return AfterValidator(check)


Document = Annotated[str, BeforeValidator(_document_text)]
IdentityDocument = Annotated[str, BeforeValidator(_document_text), _checked(PolicyKind.IDENTITY)]
SessionDocument = Annotated[str, BeforeValidator(_document_text), _checked(PolicyKind.SESSION)]
TrustDocument = Annotated[str, BeforeValidator(_document_text), _checked(PolicyKind.TRUST)]
PolicyType = Literal["Custom", "System"]


class Attachment(Model):
    """A policy attached to a user, group or role."""

    policy: str
    type: PolicyType = "Custom"
    attached: float = 0


class AccessKey(Model):
    """A key pair of a user or of the account itself."""

    id: str
    secret: str = Field(repr=False)
    active: bool = True


class Principal(Model):
    """What users, groups and roles share."""

    name: str
    id: str = ""
    created: float = 0
    updated: float = 0
    attachments: list[Attachment] = []


class User(Principal):
    """A RAM user."""

    display_name: str = ""
    comments: str = ""
    email: str = ""
    mobile_phone: str = ""
    access_keys: list[AccessKey] = []


class Member(Model):
    """A user in a group, with the date it joined."""

    user: str
    joined: float = 0


def _member(value: Any) -> Any:
    return {"user": value} if isinstance(value, str) else value


class Group(Principal):
    """A RAM user group."""

    comments: str = ""
    members: list[Annotated[Member, BeforeValidator(_member)]] = []


class Role(Principal):
    """A RAM role with its trust policy."""

    trust_policy: TrustDocument
    description: str = ""
    max_session_duration: int = 3600
    allow_console_login: bool = False
    service_linked: bool = False
    tags: dict[str, str] = {}


class PolicyVersion(Model):
    """One version of a custom policy: ``v1``, ``v2`` …; numbers are not used again."""

    id: str
    document: IdentityDocument
    created: float = 0


class Policy(Model):
    """A custom policy."""

    name: str
    description: str = ""
    created: float = 0
    updated: float = 0
    versions: list[PolicyVersion] = []
    default: str = "v1"
    next_version: int = 2
    tags: dict[str, str] = {}

    @model_validator(mode="after")
    def _default_exists(self) -> Policy:
        if all(version.id != self.default for version in self.versions):
            raise ValueError(f"policy {self.name} has no version {self.default}, its default")
        return self

    def default_version(self) -> PolicyVersion:
        """The version in force."""
        return next(version for version in self.versions if version.id == self.default)


class RamState(Model):
    """RAM of one account. Keys are names; role names are unique whatever their case (their Arns are)."""

    users: dict[str, User] = {}
    groups: dict[str, Group] = {}
    roles: dict[str, Role] = {}
    policies: dict[str, Policy] = {}

    @model_validator(mode="after")
    def _consistent(self) -> RamState:
        for kind, entries in (
            ("users", self.users),
            ("groups", self.groups),
            ("roles", self.roles),
            ("policies", self.policies),
        ):
            for key, entry in entries.items():
                if key != entry.name:
                    raise ValueError(f"{kind}.{key} is named {entry.name}: key and name must be the same")
        if len({name.lower() for name in self.roles}) != len(self.roles):
            raise ValueError("roles: names must differ by more than case")
        for group in self.groups.values():
            for member in group.members:
                if member.user not in self.users:
                    raise ValueError(f"group {group.name}: its member {member.user} is no user")
        for owner in (*self.users.values(), *self.groups.values(), *self.roles.values()):
            for one in owner.attachments:
                if one.policy not in (SYSTEM_POLICIES if one.type == "System" else self.policies):
                    raise ValueError(
                        f"{owner.name} has the {one.type} policy {one.policy}, which does not exist"
                    )
        return self


class Session(Model):
    """An STS session of an assumed role, found by its AccessKey id."""

    access_key_id: str
    secret: str = Field(repr=False)
    token: str = Field(repr=False)
    role: str
    role_id: str
    session_name: str
    expires: float
    policy: SessionDocument | None = None
    source_identity: str | None = None

"""What a source type has to say about itself: the contract of every module in this folder.

A source type knows its location, how DataWorks expresses its role mode, which permissions a sync task needs
on it and the parameters of its reader and writer. Everything else in the project is the same for all types.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, WithJsonSchema, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import InitErrorDetails

from config.problems import problem, refuse

PermissionLevel = Literal["minimal", "vendor"]
"""``minimal``: only what the engine calls; ``vendor``: the list printed on the vendor's page."""


class Access(str, Enum):
    """What the data source is opened for."""

    READ = "read"
    WRITE = "write"
    READ_WRITE = "read_write"

    @property
    def reads(self) -> bool:
        """Whether a sync task may read from the source."""
        return self is not Access.WRITE

    @property
    def writes(self) -> bool:
        """Whether a sync task may write to the source."""
        return self is not Access.READ


class Environment(int, Enum):
    """Environment of a data source; the value is ``EnvType`` on the wire, the name ``ProjectEnv``.

    Source: CreateDataSource, RunSmokeTest.
    """

    DEV = 0
    PROD = 1

    @property
    def wire(self) -> int:
        """``EnvType``: 0 development, 1 production."""
        return int(self.value)


def _environment(value: object) -> object:
    """Accept the names, in any case: a person writes an environment as a word, not as 0 or 1."""
    if isinstance(value, Environment):
        return value
    if isinstance(value, str) and value.upper() in Environment.__members__:
        return Environment[value.upper()]
    raise ValueError("an environment is DEV or PROD")


EnvironmentName = Annotated[
    Environment,
    BeforeValidator(_environment),
    PlainSerializer(lambda environment: environment.name, return_type=str),
    WithJsonSchema({"type": "string", "enum": [*Environment.__members__]}),
]
"""An ``Environment`` written and serialized by its name."""


@dataclass(frozen=True)
class Permission:
    """One RAM action the role needs.

    ``conditions`` are triples of operator, key and values; ``why`` names the operation that calls the action;
    ``source`` says where that is known from.
    """

    action: str
    resources: tuple[str, ...]
    why: str
    source: str
    conditions: tuple[tuple[str, str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True)
class ContentProfile:
    """How CreateDataSource.Content expresses role mode for a type.

    Values of ``template`` may hold the fields of the location and ``{region}``, ``{role_id}`` and
    ``{environment}`` (Dev or Prod). The 2020-05-18 API documents no role mode, so a profile carries its
    ``confidence`` and ``source`` and can be replaced in the settings (``content_profiles``) by one read from
    a data source made in the console.
    """

    template: Mapping[str, str]
    confidence: str
    source: str


class SourceLocation(BaseModel):
    """Where the data is. Each type adds its own fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class StepParameters(BaseModel):
    """Parameters of a reader or writer step, written with the keys of the vendor's script mode (camelCase).

    Unknown keys are refused, and so are keys that carry credentials or an address: in role mode a step names
    its data source and nothing else, and such keys would silently take its place.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        alias_generator=to_camel,
        hide_input_in_errors=True,
        validate_default=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _no_inline_address(cls, value: Any) -> Any:
        if isinstance(value, Mapping):
            refuse(cls.__name__, inline_address_problems(value))
        return value

    def step_parameter(self) -> dict[str, Any]:
        """The parameters as sent; keys that were not given and have no default are left out."""
        return self.model_dump(by_alias=True, exclude_none=True, mode="json")


_INLINE_KEYS = frozenset(
    {
        "accessid",
        "accesskey",
        "accesskeyid",
        "accesskeysecret",
        "securitytoken",
        "ststoken",
        "username",
        "password",
        "endpoint",
        "bucket",
        "project",
        "instancename",
    }
)


def inline_address_problems(parameters: Mapping[Any, Any]) -> Iterable[InitErrorDetails]:
    """Problems for keys that carry credentials or an address; their values are not repeated."""
    for key in parameters:
        if isinstance(key, str) and key.replace("_", "").lower() in _INLINE_KEYS:
            yield problem(
                (key,),
                "credentials and addresses belong to the data source: "
                "in role mode a step names only its data source",
            )


class SourceType(ABC):
    """Everything the project knows about one type of source. Instances hold no state."""

    name: ClassVar[str]
    """Word used in a specification, for example ``oss``."""
    title: ClassVar[str]
    """Name in prose."""
    data_source_type: ClassVar[str]
    """CreateDataSource.DataSourceType."""
    service: ClassVar[str]
    """The source's own service name, used beside the Data Integration one in PassRole policies."""
    content_profile: ClassVar[ContentProfile]
    Location: ClassVar[type[SourceLocation]]
    reader_type: ClassVar[type[StepParameters]]
    writer_type: ClassVar[type[StepParameters]]

    @abstractmethod
    def resolve_location(self, location: SourceLocation, region: str) -> SourceLocation:
        """Fill in what depends on the region; raise ``pydantic.ValidationError`` for a location elsewhere."""

    @abstractmethod
    def permissions(
        self, location: SourceLocation, access: Access, level: PermissionLevel, *, deletes: bool = False
    ) -> tuple[Permission, ...]:
        """Actions the role needs; ``deletes`` when a writer removes what it finds."""

    @abstractmethod
    def deletes(self, writer: Mapping[str, Any]) -> bool:
        """Whether a writer with these parameters removes what it finds."""

    @abstractmethod
    def reader_problems(
        self, parameters: Mapping[str, Any], location: SourceLocation
    ) -> list[InitErrorDetails]:
        """Problems of valid reader parameters with this location: what the role could not reach."""

    @abstractmethod
    def writer_problems(
        self, parameters: Mapping[str, Any], location: SourceLocation
    ) -> list[InitErrorDetails]:
        """Problems of valid writer parameters with this location: what the role could not reach."""

    def pass_role_services(self, service_principal: str) -> tuple[str, ...]:
        """Values of ``acs:Service`` in the PassRole policy, in the order of the vendor's Template 2."""
        return (self.service, service_principal)

    def content(
        self,
        location: SourceLocation,
        region: str,
        role_id: str,
        environment: Environment,
        profile: Mapping[str, str] | None = None,
    ) -> dict[str, str]:
        """CreateDataSource.Content in role mode. ``role_id`` is the numeric Role.RoleId of GetRole.

        ``profile`` replaces the type's own template. Raises ``ValueError`` for a placeholder nobody fills.
        """
        values = {
            **{key: str(value) for key, value in location.model_dump().items()},
            "region": region,
            "role_id": role_id,
            "environment": environment.name.capitalize(),
        }
        template = self.content_profile.template if profile is None else profile
        return {key: _fill(text, values, f"{self.name}.{key}") for key, text in template.items()}

    def reader_step(self, params: Mapping[str, Any], datasource: str) -> dict[str, Any]:
        """Reader step of a TaskContent. Raises ``pydantic.ValidationError`` for bad parameters."""
        made = step("Reader", "reader", self.data_source_type, self.reader_type, params)
        made["parameter"]["datasource"] = datasource
        return made

    def writer_step(self, params: Mapping[str, Any], datasource: str) -> dict[str, Any]:
        """Writer step of a TaskContent. Raises ``pydantic.ValidationError`` for bad parameters."""
        made = step("Writer", "writer", self.data_source_type, self.writer_type, params)
        made["parameter"]["datasource"] = datasource
        return made


def step(
    name: str, category: str, step_type: str, model: type[StepParameters], params: Mapping[str, Any]
) -> dict[str, Any]:
    """One step of a TaskContent. Source: CreateDISyncTask, sample of TaskContent."""
    return {
        "stepType": step_type,
        "parameter": model.model_validate(dict(params)).step_parameter(),
        "name": name,
        "category": category,
    }


_PLACEHOLDER = re.compile(r"\{([a-z_]+)\}")


def _fill(text: str, values: Mapping[str, str], where: str) -> str:
    # Not str.format: a profile is a person's text, and format would let it reach attributes of objects.
    def value_of(match: re.Match[str]) -> str:
        try:
            return values[match[1]]
        except KeyError:
            known = ", ".join(sorted(values))
            raise ValueError(
                f"content profile {where}: unknown placeholder {match[0]}; known are {known}"
            ) from None

    return _PLACEHOLDER.sub(value_of, text)

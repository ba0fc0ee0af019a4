"""What a source type has to say about itself: the contract of every module in this folder.

A source type knows its location, how DataWorks expresses its role mode in each environment, which permissions
a sync task needs on it, what has to be granted outside RAM, the parameters of its reader and writer, and how its
product words a refusal. Everything else in the project is the same for all types.

What a type has to give (``SourceType`` without a default): ``name``, ``title``, ``data_source_type``, ``service``,
``ram_code``, ``known_actions``, ``destructive_actions``, ``content_profile``, ``refusals``, ``Location``,
``reader_type``, ``writer_type`` and the abstract methods. What it may give: ``profile`` (another Content by
environment), ``opened_by_role``, ``prerequisites``, ``location_findings`` with ``finding_codes``, ``variant`` (one
type that is two to DataWorks), ``reader_step_type`` and ``writer_step_type``, ``column_count``.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import BaseModel, BeforeValidator, ConfigDict, PlainSerializer, WithJsonSchema, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import InitErrorDetails

from config.personas import Persona
from config.problems import problem, refuse
from config.run_failures import RunFailure
from config.sources.inverse import Traces, inverted

PermissionLevel = Literal["minimal", "vendor"]
"""``minimal``: only what the engine calls; ``vendor``: the list printed on the vendor's page.

The vendor's page on role mode prints a list for OSS only. For every other type ``vendor`` is the minimum that the
product's own pages document, together with what ``minimal`` has.
"""


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


def documented_minimum(
    minimal: Iterable[Permission], actions: Mapping[str, tuple[str, ...]], page: str
) -> tuple[Permission, ...]:
    """Level ``vendor`` of a type without a list on the vendor's page on role mode.

    ``actions`` are those that ``page`` documents, each with its resources; ``minimal`` adds what they lack.
    """
    source = f"no list on the vendor's page on role mode; documented minimum of the product: {page}"
    documented = tuple(
        Permission(action, resources, "in the product's documented minimum", source)
        for action, resources in actions.items()
    )
    return documented + tuple(each for each in minimal if each.action not in actions)


@dataclass(frozen=True)
class Prerequisite:
    """Something outside RAM that must be so before a sync task can run, and that no API call here brings about.

    ``how`` says how ``persona`` does it; it may have several lines, such as SQL.
    """

    what: str
    persona: Persona
    how: str


class LocationFinding(NamedTuple):
    """Something about a location that is allowed but suspicious. ``code`` is one of the type's ``finding_codes``."""

    code: str
    message: str
    fix: str


@dataclass(frozen=True)
class ContentProfile:
    """How CreateDataSource.Content expresses role mode for a type.

    Values of ``template`` may hold the text fields of the location and ``{region}``, ``{role_id}`` and
    ``{environment}`` (Dev or Prod). The 2020-05-18 API documents no role mode, so a profile carries its
    ``confidence`` and ``source`` and can be replaced in the settings (``content_profiles``) by one read from
    a data source made in the console: see ``content_override`` for the keys.
    """

    template: Mapping[str, str]
    confidence: str
    source: str


def content_override(
    profiles: Mapping[str, Mapping[str, str]], source_type: str, environment: Environment
) -> Mapping[str, str] | None:
    """The template of ``Settings.content_profiles`` for a type in an environment; None when there is none.

    Keys are ``<type>.<ENV>``, for example ``hologres.PROD``, which holds for one environment, and ``<type>``, which
    holds for every environment without a key of its own.
    """
    return profiles.get(f"{source_type}.{environment.name}", profiles.get(source_type))


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
        "address",
        "connectionstring",
        "host",
        "jdbcurl",
        "url",
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
    ram_code: ClassVar[str]
    """The product in actions and resource ARNs, for example ``oss`` in ``oss:GetObject``."""
    known_actions: ClassVar[frozenset[str]]
    """Action names the product documents. RAM accepts any name in a policy; one that is not here grants nothing."""
    destructive_actions: ClassVar[frozenset[str]]
    """Known actions that delete, create or open up something and that the engine never needs."""
    content_profile: ClassVar[ContentProfile]
    """Content of the production environment, and of the other one unless ``profile`` says otherwise."""
    refusals: ClassVar[tuple[RunFailure, ...]]
    """How the product's refusals look in a run's log; ``config.run_failures.classify`` asks them first."""
    finding_codes: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """Codes of ``location_findings`` with their titles."""
    reader_step_type: ClassVar[str] = ""
    """``stepType`` of the reader; "" when it is ``data_source_type``."""
    writer_step_type: ClassVar[str] = ""
    """``stepType`` of the writer; "" when it is ``data_source_type``."""
    credential_keys: ClassVar[tuple[str, str]] = ("accessId", "accessKey")
    """Keys of Content that hold name and secret of a data source that is not opened with a role."""
    Location: ClassVar[type[SourceLocation]]
    reader_type: ClassVar[type[StepParameters]]
    writer_type: ClassVar[type[StepParameters]]

    def variants(self) -> tuple[SourceType, ...]:
        """All forms of a type that is several to DataWorks; by default the type itself."""
        return (self,)

    def variant(self, location: SourceLocation) -> SourceType:
        """The form of the type at a location; by default the type itself."""
        return self

    def opened_by_role(self, environment: Environment) -> bool:
        """Whether data sources of this environment are opened with the role; else with the executor's own account."""
        return True

    def profile(self, environment: Environment) -> ContentProfile:
        """Content of an environment; by default ``content_profile`` for both."""
        return self.content_profile

    def prerequisites(
        self, location: SourceLocation, access: Access, role_id: str, *, deletes: bool = False
    ) -> tuple[Prerequisite, ...]:
        """What must be so outside RAM; ``role_id`` is the numeric Role.RoleId of GetRole."""
        return ()

    def location_findings(self, location: SourceLocation) -> tuple[LocationFinding, ...]:
        """What is allowed but suspicious about a location that ``resolve_location`` has passed."""
        return ()

    def column_count(self, parameter: Mapping[str, Any]) -> int | None:
        """Columns of a step as sent, which are matched by position; None when it does not say."""
        columns = parameter.get("column")
        return None if columns is None or "*" in columns else len(columns)

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
            **{key: value for key, value in location.model_dump().items() if isinstance(value, str)},
            "region": region,
            "role_id": role_id,
            "environment": environment.name.capitalize(),
        }
        template = self.profile(environment).template if profile is None else profile
        return {key: _fill(text, values, f"{self.name}.{key}") for key, text in template.items()}

    def location_fields(
        self, content: Mapping[str, str], traces: Traces, profile: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """The location of a data source that exists, in role mode or with an AccessKey: the inverse of ``content``.

        ``profile`` is the template that replaces the type's own. A type whose Content does not tell the whole location
        takes the rest from ``traces``. Fields are not validated; raises ``ValueError`` for what no location expresses.
        """
        found = {**inverted(self.content_profile.template, content), **inverted(profile or {}, content)}
        return {key: value for key, value in found.items() if key not in _NOT_OF_LOCATION}

    def reader_step(self, params: Mapping[str, Any], datasource: str) -> dict[str, Any]:
        """Reader step of a TaskContent. Raises ``pydantic.ValidationError`` for bad parameters."""
        step_type = self.reader_step_type or self.data_source_type
        made = step("Reader", "reader", step_type, self.reader_type, params)
        made["parameter"]["datasource"] = datasource
        return made

    def writer_step(self, params: Mapping[str, Any], datasource: str) -> dict[str, Any]:
        """Writer step of a TaskContent. Raises ``pydantic.ValidationError`` for bad parameters."""
        step_type = self.writer_step_type or self.data_source_type
        made = step("Writer", "writer", step_type, self.writer_type, params)
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


_NOT_OF_LOCATION = frozenset({"region", "role_id", "environment"})
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

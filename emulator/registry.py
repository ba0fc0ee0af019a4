"""Actions and how they are declared.

An action is a function from :class:`Call` to its answer, registered with what the gateway must know: version,
parameters, whether it writes, and which RAM action on which resource its caller needs::

    @action(DATAWORKS, "DeleteDataSource", Param("DataSourceId", int, required=True), write=True)
    def delete_data_source(call: Call) -> Answer: ...

The list of implemented actions in the documentation is made from this registry.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from emulator.errors import ApiError

if TYPE_CHECKING:
    from emulator.authorization import Caller
    from emulator.cloud import LocalCloud

_INTEGER = re.compile(r"-?[0-9]{1,19}")

Answer = dict[str, Any]
Handler = Callable[["Call"], Answer]


@dataclass(frozen=True)
class Product:
    """One API: its RAM code and version, and how it words its own validation errors."""

    name: str
    version: str
    title: str

    def missing(self, name: str, pattern: str) -> ApiError:
        """An absent parameter. DataWorks: ``Missing<Param>``; RAM and STS: a setting."""
        if self.name == "dataworks":
            return ApiError(f"Missing{name}", f"{name} is mandatory for this action.", status=400)
        return ApiError(pattern.format(name=name), f"Parameter {name} is required.", status=400)

    def invalid(self, name: str) -> ApiError:
        """A parameter of the wrong type."""
        if self.name == "dataworks":
            return ApiError(f"Invalid{name}", f"Specified parameter {name} is not valid.", status=400)
        return ApiError(f"InvalidParameter.{name}", f'The parameter - "{name}" is incorrect.', status=400)


RAM = Product("ram", "2015-05-01", "Resource Access Management")
STS = Product("sts", "2015-04-01", "Security Token Service")
DATAWORKS = Product("dataworks", "2020-05-18", "DataWorks")
PRODUCTS: Mapping[str, Product] = {product.version: product for product in (RAM, STS, DATAWORKS)}


@dataclass(frozen=True)
class Param:
    """A declared parameter. ``kind`` is ``str``, ``int``, ``bool``, or ``list``/``dict`` for JSON text."""

    name: str
    kind: type = str
    required: bool = False

    def parse(self, text: str, product: Product) -> Any:
        """The typed value. Raises the product's "invalid parameter" refusal."""
        try:
            if self.kind is int:
                if not _INTEGER.fullmatch(text):  # int() also takes "1_000" and " 5 "
                    raise ValueError(text)
                return int(text)
            if self.kind is bool:  # the SDK writes True and False with a capital
                return {"true": True, "false": False}[text.lower()]
            if self.kind in (list, dict):
                value = json.loads(text)
                if not isinstance(value, self.kind):
                    raise ValueError(text)
                return value
        except (ValueError, KeyError, RecursionError) as error:
            raise product.invalid(self.name) from error
        return text


@dataclass(frozen=True)
class Needed:
    """What a caller must be allowed to do: a RAM action on a resource."""

    action: str
    resource: str


@dataclass
class Call:
    """One authenticated call, as a handler sees it.

    ``delay`` is how long the answer takes, in seconds: a handler sets it, the server waits.
    """

    cloud: LocalCloud
    caller: Caller
    request_id: str
    params: Mapping[str, Any]
    raw: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0

    def text(self, name: str, default: str = "") -> str:
        """A string parameter, or ``default`` when absent."""
        value = self.params.get(name)
        return default if value is None else str(value)

    def number(self, name: str, default: int = 0) -> int:
        """An integer parameter, or ``default`` when absent."""
        value = self.params.get(name)
        return default if value is None else int(value)

    def given(self, name: str) -> bool:
        """Whether the parameter was sent."""
        return self.params.get(name) is not None


@dataclass(frozen=True)
class Action:
    """A registered action."""

    product: Product
    name: str
    handler: Handler
    params: tuple[Param, ...]
    write: bool
    needs: Callable[[Call], list[Needed]] | None

    def parse(self, raw: Mapping[str, str], missing_pattern: str) -> dict[str, Any]:
        """Typed parameters: mandatory first, then format, as the real gateway does."""
        for param in self.params:
            if param.required and raw.get(param.name, "") == "":
                raise self.product.missing(param.name, missing_pattern)
        return {
            param.name: param.parse(raw[param.name], self.product)
            for param in self.params
            if raw.get(param.name, "") != ""
        }


ACTIONS: dict[tuple[str, str], Action] = {}


def action(
    product: Product,
    name: str,
    *params: Param,
    write: bool = False,
    needs: Callable[[Call], list[Needed]] | None = None,
) -> Callable[[Handler], Handler]:
    """Register a handler. Without ``needs`` the action asks for no RAM permission of its own.

    Raises ``ValueError`` when the action is registered twice.
    """

    def register(handler: Handler) -> Handler:
        key = (product.version, name)
        if key in ACTIONS:
            raise ValueError(f"{product.name}:{name} is registered twice")
        ACTIONS[key] = Action(product, name, handler, params, write, needs)
        return handler

    return register

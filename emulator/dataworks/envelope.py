"""The envelopes of DataWorks' answers, its pages, and how its IDE and operation actions refuse.

| family                      | envelope                                                          |
|-----------------------------|-------------------------------------------------------------------|
| IDE and operation actions   | Success, HttpStatusCode (int), ErrorCode, ErrorMessage, Data      |
| data source writes          | Success, HttpStatusCode (**string**), Data                        |
| GetProject, resource groups, ListDataSources | Success, HttpStatusCode (int), Data              |
| Data Integration            | Success, Data with Status ``success`` or ``fail``                 |
| ListProjects, members, ListDeployments | the payload alone                                      |

Source: the response models of the official SDK.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from config.limits import DATAWORKS_PAGE_ITEMS, DATAWORKS_PAGE_ITEMS_DEFAULT, DATAWORKS_PAGE_NUMBER_MAXIMUM
from emulator.errors import ApiError, DomainFailure
from emulator.registry import DATAWORKS, Answer, Call
from emulator.settings import EmulatorSettings

Item = TypeVar("Item")


def present(**payload: Any) -> dict[str, Any]:
    """The keys whose value is not None: the service leaves out what it does not know."""
    return {key: value for key, value in payload.items() if value is not None}


def ide(**payload: Any) -> Answer:
    """Envelope of the IDE and operation actions."""
    return {"Success": True, "HttpStatusCode": 200, "ErrorCode": "", "ErrorMessage": "", **payload}


def tenant(data: Any) -> Answer:
    """Envelope with an integer HttpStatusCode and no ErrorCode."""
    return {"Success": True, "HttpStatusCode": 200, "Data": data}


def data_source(data: int | bool) -> Answer:
    """Envelope of Create-, Update- and DeleteDataSource: their HttpStatusCode is a string."""
    return {"Success": True, "HttpStatusCode": "200", "Data": data}


def integration(**data: Any) -> Answer:
    """Envelope of the Data Integration actions that succeeded."""
    return {"Success": True, "Data": data}


def page(
    call: Call,
    items: Sequence[Item],
    *,
    largest: int = DATAWORKS_PAGE_ITEMS,
    last: int = DATAWORKS_PAGE_NUMBER_MAXIMUM,
) -> tuple[dict[str, int], Sequence[Item]]:
    """The asked page, with PageNumber, PageSize and TotalCount.

    ``largest`` is the largest PageSize, ``last`` the largest PageNumber. Raises ``InvalidPageNumber`` and
    ``InvalidPageSize``.
    """
    number = call.number("PageNumber", 1)
    size = call.number("PageSize", DATAWORKS_PAGE_ITEMS_DEFAULT)
    if not 1 <= number <= last:
        raise DATAWORKS.invalid("PageNumber")
    if not 1 <= size <= largest:
        raise DATAWORKS.invalid("PageSize")
    start = (number - 1) * size
    return {"PageNumber": number, "PageSize": size, "TotalCount": len(items)}, items[start : start + size]


def refusal(settings: EmulatorSettings, reason: str, message: str) -> Exception:
    """How an IDE or operation action refuses: HTTP 400, or HTTP 200 with Success false (a setting).

    ``reason`` is the last part of the code.
    """
    code = settings.ide_code.format(reason=reason)
    if settings.ide_refusals_are_http_errors:
        return ApiError(code, message, status=400)
    return DomainFailure(code, message)


def one_of(call: Call, name: str, allowed: Sequence[str] | Mapping[str, Any], default: str = "") -> str:
    """An enumerated parameter. Raises ``Invalid<name>`` for another value."""
    value = call.text(name, default)
    if value not in allowed and value != default:
        raise DATAWORKS.invalid(name)
    return value


def milliseconds(seconds: float) -> int:
    """Epoch milliseconds: the unit of DataWorks' operation times."""
    return int(seconds * 1000)

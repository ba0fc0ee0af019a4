"""The condition operators of the RAM policy language: one table, `OPERATORS`.

Source: RAM help "Condition operators" (String, Numeric, Date, Bool, IpAddress). The vendor documents no `IfExists`,
`Null`, `ForAnyValue:` or `ForAllValues:`; they are not operators here, so a document that uses them is refused.

A comparison has three results. What the document lists but cannot be read (a number, date, address or boolean in an
unknown spelling) is UNKNOWN, since the service may read it; what the request carries but cannot be read equals
nothing and lies in no range, so that comparison is FALSE (and its negation TRUE).
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from types import MappingProxyType
from typing import Any, TypeVar

from policy.matching import fold, match


class Truth(Enum):
    """The three results of a comparison or condition."""

    TRUE = "true"
    FALSE = "false"
    UNKNOWN = "unknown"


Comparison = Callable[[str, str], Truth]
"""(value of the request, value listed in the document) -> result."""


@dataclass(frozen=True)
class Operator:
    """How one operator compares; a negated one holds only if no listed value compares TRUE."""

    compare: Comparison
    negated: bool = False


_NUMBER = re.compile(r"[+-]?[0-9]{1,400}(\.[0-9]{1,400})?([eE][+-]?[0-9]{1,3})?")
_DATE = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,6}))?(Z|[+-][0-9]{2}:[0-9]{2})"
)
_PREFIX_LENGTH = re.compile(r"[0-9]{1,3}")
_IPV4_MAPPED_BITS = 96

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
T = TypeVar("T")


@lru_cache(maxsize=1024)
def _number(text: str) -> Decimal | None:
    return Decimal(text) if _NUMBER.fullmatch(text) else None


@lru_cache(maxsize=1024)
def _date(text: str) -> datetime | None:
    """ISO 8601 with seconds and a zone, as in the vendor's examples; a local time names no instant."""
    parts = _DATE.fullmatch(text)
    if parts is None:
        return None
    moment, fraction, zone = parts.groups()
    try:
        return datetime.fromisoformat(
            f"{moment}.{(fraction or '').ljust(6, '0')}{zone.replace('Z', '+00:00')}"
        )
    except ValueError:
        return None


@lru_cache(maxsize=16)
def _boolean(text: str) -> bool | None:
    return {"true": True, "false": False}.get(fold(text))


@lru_cache(maxsize=1024)
def _address(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        if address.scope_id is not None:
            return None
        # A dual-stack socket reports an IPv4 peer this way; the document means the IPv4 address.
        return address.ipv4_mapped or address
    return address


@lru_cache(maxsize=1024)
def _network(text: str) -> Network | None:
    """An address or CIDR block; host bits are dropped, netmask spellings (`/255.0.0.0`) are not CIDR."""
    _, slash, prefix = text.partition("/")
    if slash and not _PREFIX_LENGTH.fullmatch(prefix):
        return None
    try:
        network = ip_network(text, strict=False)
    except ValueError:
        return None
    if isinstance(network, IPv6Network):
        if network.network_address.scope_id is not None:
            return None
        mapped = network.network_address.ipv4_mapped
        if mapped is not None and network.prefixlen >= _IPV4_MAPPED_BITS:
            return IPv4Network((mapped, network.prefixlen - _IPV4_MAPPED_BITS))
    return network


def _truth(result: bool) -> Truth:
    return Truth.TRUE if result else Truth.FALSE


def _of_values(parse: Callable[[str], T | None], holds: Callable[[Any, Any], Any]) -> Comparison:
    """A comparison of two values read by `parse`."""

    def compare(requested: str, listed: str) -> Truth:
        right = parse(listed)
        if right is None:
            return Truth.UNKNOWN
        left = parse(requested)
        return _truth(left is not None and bool(holds(left, right)))

    return compare


def _in_network(requested: str, listed: str) -> Truth:
    network = _network(listed)
    if network is None:
        return Truth.UNKNOWN
    address = _address(requested)
    return _truth(address is not None and address in network)


def _equals(requested: str, listed: str) -> Truth:
    return _truth(requested == listed)


def _equals_ignoring_case(requested: str, listed: str) -> Truth:
    return _truth(fold(requested) == fold(listed))


def _like(requested: str, listed: str) -> Truth:
    return _truth(match(listed, requested, ignore_case=False))


def _ordered(family: str, parse: Callable[[str], T | None]) -> dict[str, Operator]:
    """The six operators of a family of ordered values."""
    equal = _of_values(parse, operator.eq)
    return {
        f"{family}Equals": Operator(equal),
        f"{family}NotEquals": Operator(equal, negated=True),
        f"{family}LessThan": Operator(_of_values(parse, operator.lt)),
        f"{family}LessThanEquals": Operator(_of_values(parse, operator.le)),
        f"{family}GreaterThan": Operator(_of_values(parse, operator.gt)),
        f"{family}GreaterThanEquals": Operator(_of_values(parse, operator.ge)),
    }


OPERATORS: Mapping[str, Operator] = MappingProxyType(
    {
        "StringEquals": Operator(_equals),
        "StringNotEquals": Operator(_equals, negated=True),
        "StringEqualsIgnoreCase": Operator(_equals_ignoring_case),
        "StringNotEqualsIgnoreCase": Operator(_equals_ignoring_case, negated=True),
        "StringLike": Operator(_like),
        "StringNotLike": Operator(_like, negated=True),
        **_ordered("Numeric", _number),
        **_ordered("Date", _date),
        "Bool": Operator(_of_values(_boolean, operator.eq)),
        "IpAddress": Operator(_in_network),
        "NotIpAddress": Operator(_in_network, negated=True),
    }
)
"""Every documented operator by its exact name."""

"""Pages of RAM lists: ``Marker`` and ``MaxItems`` in, ``IsTruncated`` and ``Marker`` out.

Items are sorted by name and a marker holds the last name shown, so that a list that changes between two pages
neither repeats nor loses what stays. The order of the real service is not documented.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from typing import TypeVar

from emulator.ram.validation import checked_number
from emulator.registry import RAM, Answer, Call

Item = TypeVar("Item")


def encode_marker(key: str) -> str:
    """The opaque marker behind which the next page begins."""
    return base64.urlsafe_b64encode(key.encode()).decode()


def decode_marker(call: Call, parameter: str) -> str:
    """The key inside a marker, "" for none. Raises ``InvalidParameter.<parameter>`` (assumed)."""
    try:
        return base64.b64decode(call.text(parameter), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError) as error:
        raise RAM.invalid(parameter) from error


def cut(items: Iterable[tuple[str, Item]], after: str, size: int) -> tuple[list[Item], str | None]:
    """``size`` items whose key is above ``after``, and the key of the last one when there are more."""
    rest = sorted((pair for pair in items if pair[0] > after), key=lambda pair: pair[0])
    return [item for _, item in rest[:size]], rest[size - 1][0] if len(rest) > size else None


def page(
    call: Call, items: Iterable[tuple[str, Item]], largest: int, default: int
) -> tuple[list[Item], Answer]:
    """The page a call asks for, and the part of the answer that says whether there are more.

    Raises ``InvalidParameter.MaxItems`` or ``InvalidParameter.Marker`` (assumed: the pages list no code).
    """
    size = checked_number(call, "MaxItems", 1, largest, default)
    shown, last = cut(items, decode_marker(call, "Marker"), size)
    if last is None:
        return shown, {"IsTruncated": False}
    return shown, {"IsTruncated": True, "Marker": encode_marker(last)}

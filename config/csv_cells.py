"""Cells of a CSV file: what a cell of each kind means, and how a value is written so that it is read back the same.

How a cell is read follows from its column's kind, and a kind from the field's annotation (``config.csv_columns``):

- spaces around a cell do not count; an empty cell is not given, so the default holds
- true or false is also yes, no, 1 or 0, in any case; a whole number has digits only, a date looks like 2026-01-31
- structures are JSON; ``null`` there means none, whatever the defaults say
- a cell that is one JSON text (``"..."``, quotes included) is that text: for text that is empty, has spaces around it
  or starts like a formula
- a list is separated by ``;``. ``\\;`` is a semicolon inside an item and ``\\\\`` a backslash before one; a cell that
  starts with ``[`` is a JSON list
- a cell that starts with ``=``, ``+``, ``-``, ``@``, a tab or a line end is refused unless it is a plain number: a
  spreadsheet that opens the file would execute it
- ``2.01235E+17`` is refused: a spreadsheet has shortened a number, and its last digits are lost
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Any

LIST_SEPARATOR = ";"

_FORMULA = frozenset("=+-@")
_FORMULA_SPACE = frozenset("\t\r\n")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
_INTEGER = re.compile(r"[+-]?\d{1,18}")
_SHORTENED = re.compile(r"\d([.,]\d+)?E\+\d+", re.IGNORECASE)
_ITEM = re.compile(r"(?:\\[\\;]|[^;])*")
_ESCAPED = re.compile(r"\\([\\;])")
_BOOLEANS: Mapping[str, bool] = MappingProxyType(
    {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
)


class Kind(str, Enum):
    """How the cells of a column are written; the value is what documentation calls it."""

    TEXT = "text"
    INTEGER = "whole number"
    BOOLEAN = "true or false"
    DATE = "date"
    LIST = "list"
    TEXT_OR_LIST = "text or JSON list"
    LISTED = "JSON list"
    MAPPING = "JSON object"
    ANY = "text or JSON"


def formula_rule(cell: str) -> str:
    """What is wrong with a cell that a spreadsheet would execute; "" when it would not."""
    start = cell.lstrip(" ")[:1]
    if start not in _FORMULA and cell[0] not in _FORMULA_SPACE:
        return ""
    if _NUMBER.fullmatch(cell.strip()) and cell[0] not in _FORMULA_SPACE:
        return ""
    return (
        "starts like a formula, which a spreadsheet would execute; "
        'write text that must start so as JSON text, "=..." with its quotes'
    )


def read_cell(kind: Kind, cell: str) -> Any:
    """The value of a cell without spaces around it, not empty. Raises ``ValueError`` with the rule it breaks."""
    return READERS[kind](cell)


def write_cell(kind: Kind, value: Any) -> str | None:
    """A cell that ``read_cell`` turns into an equal value of the same types; None when none of this kind does."""
    wanted = _fingerprint(value)
    for cell in _candidates(kind, value):
        if not cell or cell != cell.strip() or "\0" in cell or formula_rule(cell):
            continue
        try:
            if _fingerprint(read_cell(kind, cell)) == wanted:
                return cell
        except ValueError:
            continue
    return None


def _candidates(kind: Kind, value: Any) -> list[str]:
    """Ways to write a value, the plainest first."""
    plain: list[str] = []
    if isinstance(value, bool):
        plain.append("true" if value else "false")
    elif isinstance(value, str):
        plain.append(value)
    elif isinstance(value, int):
        plain.append(str(value))
    elif isinstance(value, list) and kind is Kind.LIST and all(isinstance(item, str) for item in value):
        plain.append(LIST_SEPARATOR.join(_escaped(item) for item in value))
    return [*plain, json.dumps(value, ensure_ascii=False), json.dumps(value)]


def _escaped(item: str) -> str:
    # A backslash elsewhere means itself, so that ${...} expressions and paths stay readable.
    return re.sub(r"\\(?=[\\;]|$)|;", lambda match: "\\" + match[0], item)


def _fingerprint(value: Any) -> str:
    """Equal only for equal values of equal types: 1, 1.0 and true are three."""
    return json.dumps(value, sort_keys=True)


def _text(cell: str) -> str:
    first = cell[0]
    if first == '"' and cell[-1] == '"':
        text = _json_text(cell)
        return cell if text is None else text
    if first.isdigit() and _SHORTENED.fullmatch(cell):
        raise ValueError(
            "is a number that a spreadsheet has shortened; format the column as text and enter it again"
        )
    return cell


def _json_text(cell: str) -> str | None:
    if len(cell) < 2 or cell[0] != '"':
        return None
    try:
        value = json.loads(cell)
    except ValueError:
        return None
    return value if isinstance(value, str) else None


def _integer(cell: str) -> Any:
    text = _json_text(cell)
    if text is not None:
        return text
    if _SHORTENED.fullmatch(cell):
        return _text(cell)
    if not _INTEGER.fullmatch(cell):
        raise ValueError("is a whole number, written with digits only")
    return int(cell)


def _boolean(cell: str) -> Any:
    text = _json_text(cell)
    if text is not None:
        return text
    try:
        return _BOOLEANS[cell.lower()]
    except KeyError:
        raise ValueError("is true or false (also yes, no, 1, 0)") from None


def _list(cell: str) -> Any:
    if cell[0] == "[":
        return _listed(cell)
    text = _json_text(cell)
    if text is not None:
        return text
    items = _split(cell)
    for position, item in enumerate(items, start=1):
        if not item:
            raise ValueError(f"item {position} of the list is empty")
    return [_text(item) for item in items]


def _split(cell: str) -> list[str]:
    if "\\" not in cell:
        return [item.strip() for item in cell.split(LIST_SEPARATOR)]
    items = []
    position = 0
    while True:
        match = _ITEM.match(cell, position)
        assert match is not None  # the pattern matches the empty text, too
        items.append(_ESCAPED.sub(r"\1", match[0].strip()))
        position = match.end() + 1
        if position > len(cell):
            return items


def _text_or_list(cell: str) -> Any:
    return _listed(cell) if cell[0] == "[" else _text(cell)


def _json(cell: str) -> Any:
    try:
        return _JSON.decode(cell)
    except json.JSONDecodeError as error:
        raise ValueError(f"is not JSON: {error.msg} at character {error.pos + 1}") from None
    except RecursionError:
        raise ValueError("is JSON nested too deep") from None


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        raise ValueError("gives a key twice in one JSON object")
    return mapping


def _no_constant(name: str) -> Any:
    raise ValueError(f"is not JSON: {name} is no number")


# Made once: json.loads with these arguments would make one for each cell.
_JSON = json.JSONDecoder(object_pairs_hook=_unique_keys, parse_constant=_no_constant)


def _listed(cell: str) -> Any:
    value = _json(cell)
    if value is not None and not isinstance(value, list):
        raise ValueError("is a JSON list, which starts with [")
    return value


def _mapping(cell: str) -> Any:
    value = _json(cell)
    if value is not None and not isinstance(value, dict):
        raise ValueError("is a JSON object, which starts with {")
    return value


def _any(cell: str) -> Any:
    return _json(cell) if cell[0] in "[{" else _text(cell)


READERS: Mapping[Kind, Callable[[str], Any]] = MappingProxyType(
    {
        Kind.TEXT: _text,
        Kind.INTEGER: _integer,
        Kind.BOOLEAN: _boolean,
        Kind.DATE: _text,
        Kind.LIST: _list,
        Kind.TEXT_OR_LIST: _text_or_list,
        Kind.LISTED: _listed,
        Kind.MAPPING: _mapping,
        Kind.ANY: _any,
    }
)
"""Converter of each kind: what ``read_cell`` calls, to be looked up once for a column."""

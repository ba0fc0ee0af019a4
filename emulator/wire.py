"""The wire of the RPC style: parameters in, JSON or XML out.

Source: the SDK's own requests as captured (ACS3: action in headers; v1: action in the query), and the
vendor's "Request syntax" and "Responses" pages of the RPC style.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

FORM_TYPE = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class HttpRequest:
    """One request as it arrived. Header names are lower-case."""

    method: str
    path: str
    query_string: str
    headers: Mapping[str, str]
    body: bytes
    query: Mapping[str, str] = field(init=False)
    form: Mapping[str, str] = field(init=False)

    def __post_init__(self) -> None:
        # Blank values are kept: the older core SDK signs "SignatureType=" with nothing behind it.
        object.__setattr__(self, "query", dict(parse_qsl(self.query_string, keep_blank_values=True)))
        form: dict[str, str] = {}
        if self.body and self.headers.get("content-type", "").partition(";")[0].strip().lower() == FORM_TYPE:
            form = dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))
        object.__setattr__(self, "form", form)

    def parameters(self) -> dict[str, str]:
        """Query and form together; the form wins where both name a parameter."""
        return {**self.query, **self.form}


@dataclass(frozen=True)
class HttpResponse:
    """What goes back. ``effect`` asks the server for what HTTP has no word for (reset, close, truncate)."""

    status: int
    body: bytes
    content_type: str = "application/json;charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)
    effect: str | None = None


def render(
    payload: Mapping[str, Any], *, status: int, xml_root: str | None, headers: Mapping[str, str]
) -> HttpResponse:
    """The answer as JSON, or as XML under ``xml_root``."""
    if xml_root is None:
        body = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
        return HttpResponse(status, body, headers=headers)
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<{xml_root}>{_xml_items(payload)}</{xml_root}>'
    return HttpResponse(status, text.encode(), content_type="text/xml;charset=utf-8", headers=headers)


def _xml_items(payload: Mapping[str, Any]) -> str:
    return "".join(_xml(name, value) for name, value in payload.items())


def _xml(name: str, value: Any) -> str:
    """One element; a list repeats its element, which is why RAM wraps lists twice (``Roles.Role[]``)."""
    if isinstance(value, list):
        return "".join(_xml(name, item) for item in value)
    if isinstance(value, Mapping):
        return f"<{name}>{_xml_items(value)}</{name}>"
    if value is None:
        return f"<{name}/>"
    if isinstance(value, bool):
        return f"<{name}>{str(value).lower()}</{name}>"
    return f"<{name}>{escape(str(value))}</{name}>"

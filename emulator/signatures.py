"""Verification of the two signature dialects.

- ``ACS3-HMAC-SHA256`` (current SDKs): vendor's page "Request syntax and signature method V3".
- RPC v1, ``HMAC-SHA1`` (older SDKs, and the credentials library's own AssumeRole): vendor's page
  "Request syntax and signature method V2" (signature version 1.0).

The functions are pure; comparison is constant in time.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote

from emulator.wire import HttpRequest

ACS3 = "ACS3-HMAC-SHA256"
REQUIRED_SIGNED_HEADERS = frozenset(
    {"host", "x-acs-action", "x-acs-version", "x-acs-date", "x-acs-signature-nonce"}
)


class MalformedAuthorization(ValueError):
    """The Authorization header has not the documented form."""


@dataclass(frozen=True)
class Acs3Authorization:
    """The parts of an ``Authorization: ACS3-HMAC-SHA256 …`` header."""

    access_key_id: str
    signed_headers: tuple[str, ...]
    signature: str


def percent_encode(text: str) -> str:
    """RFC 3986 with the unreserved characters ``A-Z a-z 0-9 - _ . ~`` (space is %20, * is %2A)."""
    return quote(text, safe="-_.~")


def canonical_query(pairs: Iterable[tuple[str, str]]) -> str:
    """Sorted, encoded pairs joined by ``&``."""
    return "&".join(f"{percent_encode(name)}={percent_encode(value)}" for name, value in sorted(pairs))


def parse_acs3(header: str) -> Acs3Authorization:
    """Take the header apart. Raises :class:`MalformedAuthorization`."""
    algorithm, _, rest = header.partition(" ")
    if algorithm != ACS3:
        raise MalformedAuthorization(f"unknown algorithm {algorithm!r}")
    parts = dict(part.strip().partition("=")[::2] for part in rest.split(","))
    try:
        signed = tuple(name.lower() for name in parts["SignedHeaders"].split(";"))
        return Acs3Authorization(parts["Credential"], signed, parts["Signature"])
    except KeyError as missing:
        raise MalformedAuthorization(f"{missing} is missing") from missing


def acs3_string_to_sign(request: HttpRequest, signed_headers: Iterable[str]) -> str:
    """``ACS3-HMAC-SHA256\\n`` and the hash of the canonical request. The form body enters by its hash only."""
    names = sorted(signed_headers)
    canonical = "\n".join(
        [
            request.method,
            "/",
            canonical_query(parse_qsl(request.query_string, keep_blank_values=True)),
            "".join(f"{name}:{request.headers.get(name, '').strip()}\n" for name in names),
            ";".join(names),
            request.headers.get("x-acs-content-sha256", ""),
        ]
    )
    return f"{ACS3}\n{hashlib.sha256(canonical.encode()).hexdigest()}"


def acs3_signature(secret: str, string_to_sign: str) -> str:
    """Lower-case hex; the key is the secret itself."""
    return hmac.new(secret.encode(), string_to_sign.encode(), hashlib.sha256).hexdigest()


def v1_string_to_sign(method: str, parameters: Mapping[str, str]) -> str:
    """Method, encoded ``/`` and the encoded canonical query of query and form parameters."""
    query = canonical_query((name, value) for name, value in parameters.items() if name != "Signature")
    return f"{method}&%2F&{percent_encode(query)}"


def v1_signature(secret: str, string_to_sign: str) -> str:
    """Base64; the key is the secret with ``&`` behind it."""
    digest = hmac.new(f"{secret}&".encode(), string_to_sign.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def same(expected: str, given: str) -> bool:
    """Equality in constant time."""
    return hmac.compare_digest(expected.encode(), given.encode())

"""What every error code of RAM, STS and DataWorks means, who can repair it, and how.

``lookup`` finds the exact code first, then the documented families (``Throttling*``, ``EntityNotExist.*``,
...), else answers kind ``UNKNOWN``. Whether to retry follows from the kind, never from a message or an HTTP
status: ``Forbidden.Not.Server`` answers 500 and is permanent. The rows and their sources are in
``config.code_table``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType

from config.code_table import ROWS
from config.kinds import Kind
from config.personas import Persona

__all__ = ["CODES", "ErrorCode", "Kind", "lookup"]


@dataclass(frozen=True)
class ErrorCode:
    """One error code.

    ``status`` is the HTTP status, 0 when unknown; ``persona`` who can repair it, None when waiting is all
    there is or nothing is known; ``remedy`` one imperative sentence; ``message`` the service's documented
    text, "" when none.
    """

    code: str
    status: int
    kind: Kind
    persona: Persona | None
    remedy: str
    message: str = ""


CODES = MappingProxyType({row.code: ErrorCode(*row) for row in ROWS})
"""Every documented code. Exact spelling is the key."""


# Prefix of a family, and the code that stands for it. First match wins. "EntityAlreadyExist" without "s" is a
# spelling other products use. A family has no text of its own, so the example's message is left out.
_FAMILIES = tuple(
    (prefix, replace(CODES[example], message="", remedy=remedy or CODES[example].remedy))
    for prefix, example, remedy in (
        ("Throttling", "Throttling", ""),
        ("EntityNotExist.", "EntityNotExist.Role", ""),
        ("EntityAlreadyExist", "EntityAlreadyExists.Role", ""),
        ("DeleteConflict.", "DeleteConflict.Role.Policy", ""),
        ("LimitExceeded.", "LimitExceeded.Role", "Free some of the quota or ask for a higher one."),
        ("InvalidSecurityToken.", "InvalidSecurityToken.Expired", ""),
        ("InvalidAccessKey", "InvalidAccessKeyId.NotFound", ""),
        ("InvalidTimeStamp", "InvalidTimeStamp.Expired", ""),
        ("AuthenticationFail.", "AuthenticationFail.ApiUsername", ""),
        ("InvalidParameter.", "InvalidParameter.RoleName.Length", ""),
        ("Missing", "Param.Invalid", "Give the parameter named in the code."),
        ("Invalid.Wkbench.", "Invalid.Wkbench", ""),
        ("Invalid", "Param.Invalid", ""),
    )
)


def lookup(code: str) -> ErrorCode:
    """What a code means: exact, else by family, else kind ``UNKNOWN`` with status 0. Never raises."""
    known = CODES.get(code)
    if known is not None:
        return known
    for prefix, family in _FAMILIES:
        if code.startswith(prefix):
            return replace(family, code=code)
    return ErrorCode(
        code, 0, Kind.UNKNOWN, None, "Read the service's message and look the code up in the API reference."
    )

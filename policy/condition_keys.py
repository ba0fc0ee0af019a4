"""The documented condition keys. Each has one value in a request.

Sources: RAM help, common condition keys; the pages on custom policies of OSS, Simple Log Service and DataWorks.
`acs:Service` stands on none of the common pages: it is in the vendor's PassRole examples. `acs:VpcSourceIp` is on
the Key Management Service page of condition keys.
"""

from __future__ import annotations

from policy.matching import fold

DOCUMENTED_KEYS = (
    "acs:CurrentTime",
    "acs:MFAPresent",
    "acs:PrincipalARN",
    "acs:PrincipalRDId",
    "acs:PrincipalRDPath",
    "acs:SecureTransport",
    "acs:Service",
    "acs:SourceIp",
    "acs:SourceVpc",
    "acs:UserAgent",
    "acs:VpcSourceIp",
    "dataworks:Scope",
    "log:Encrypted",
    "log:TLSVersion",
    "oss:Delimiter",
    "oss:Prefix",
    "ram:ServiceName",
)
"""Keys by their exact names."""

DOCUMENTED_TAG_KEYS = ("acs:RequestTag/", "acs:ResourceTag/", "oss:BucketTag/", "oss:ExistingObjectTag/")
"""Starts of the keys that end in the name of a tag."""

_COMMON = "acs:"
_SPELLING = {fold(key): key for key in DOCUMENTED_KEYS}


def is_documented(key: str) -> bool:
    """Whether a key is documented in exactly this spelling."""
    return key in DOCUMENTED_KEYS or any(
        key.startswith(start) and key != start for start in DOCUMENTED_TAG_KEYS
    )


def documented_spelling(key: str) -> str | None:
    """The documented key that differs from this one in case only, if there is one."""
    if is_documented(key):
        return key
    for start in DOCUMENTED_TAG_KEYS:
        if fold(key).startswith(fold(start)) and len(key) > len(start):
            return start + key[len(start) :]
    return _SPELLING.get(fold(key))


def is_unknown(key: str) -> bool:
    """Whether a key is surely not documented.

    The list of the common keys (`acs:`) is complete as far as the pages are; of products' own keys only another
    case of a listed one is surely wrong.
    """
    if is_documented(key):
        return False
    return fold(key).startswith(_COMMON) or ":" not in key or documented_spelling(key) is not None

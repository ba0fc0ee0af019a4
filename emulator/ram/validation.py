"""Checks of RAM parameters: names, lengths, numbers and documents, refused with RAM's codes.

Sources: the API reference page of each action (names and lengths), page "Limits" (numbers, in :mod:`config.limits`),
"Policy structure and syntax" (documents, checked by :mod:`policy`).
"""

from __future__ import annotations

import re

from config import limits
from emulator.errors import ApiError
from emulator.registry import RAM, Call
from policy import PolicyKind, PolicySyntaxError, minified, parse_policy

_NAMES = {
    "RoleName": (re.compile(r"[A-Za-z0-9.\-]+"), limits.ROLE_NAME_CHARACTERS),
    "PolicyName": (re.compile(r"[A-Za-z0-9\-]+"), limits.POLICY_NAME_CHARACTERS),
    "UserName": (re.compile(r"[A-Za-z0-9._\-]+"), limits.USER_NAME_CHARACTERS),
    "GroupName": (re.compile(r"[A-Za-z0-9._\-]+"), limits.GROUP_NAME_CHARACTERS),
}
_VERSION_ID = re.compile(r"v[1-9][0-9]{0,8}")
_DOCUMENT_LIMITS = {
    PolicyKind.IDENTITY: limits.POLICY_DOCUMENT_CHARACTERS,
    PolicyKind.TRUST: limits.TRUST_POLICY_CHARACTERS,
}


def _too_long(parameter: str) -> ApiError:
    return ApiError(
        f"InvalidParameter.{parameter}.Length",
        f'The parameter - "{parameter}" beyond the length limit.',
        status=400,
    )


def checked_name(call: Call, parameter: str) -> str:
    """A name that follows the rule of ``RoleName``, ``PolicyName``, ``UserName`` or ``GroupName``.

    Raises :class:`ApiError` ``InvalidParameter.<parameter>.Length`` or ``.InvalidChars``.
    """
    pattern, longest = _NAMES[parameter]
    name = call.text(parameter)
    if len(name) > longest:
        raise _too_long(parameter)
    if not pattern.fullmatch(name):
        raise ApiError(f"InvalidParameter.{parameter}.InvalidChars", status=400)
    return name


def checked_text(call: Call, parameter: str, longest: int) -> str:
    """A free text of at most ``longest`` characters. Raises ``InvalidParameter.<parameter>.Length``."""
    text = call.text(parameter)
    if len(text) > longest:
        raise _too_long(parameter)
    return text


def checked_number(call: Call, parameter: str, lowest: int, highest: int, default: int) -> int:
    """An integer within bounds. Raises ``InvalidParameter.<parameter>`` (assumed: the pages list no code)."""
    number = call.number(parameter, default)
    if not lowest <= number <= highest:
        raise RAM.invalid(parameter)
    return number


def checked_choice(call: Call, parameter: str, choices: tuple[str, ...], default: str = "") -> str:
    """One of the listed words. Raises ``InvalidParameter.<parameter>``."""
    word = call.text(parameter, default)
    if word not in choices:
        raise RAM.invalid(parameter)
    return word


def checked_policy_type(call: Call) -> str:
    """``System`` or ``Custom``. Raises ``InvalidParameter.PolicyType``."""
    return checked_choice(call, "PolicyType", ("System", "Custom"))


def checked_version_id(call: Call) -> str:
    """``v1``, ``v2`` …. Raises ``InvalidParameter.VersionId.Format``."""
    version = call.text("VersionId")
    if not _VERSION_ID.fullmatch(version):
        raise ApiError("InvalidParameter.VersionId.Format", status=400)
    return version


def checked_document(call: Call, parameter: str, kind: PolicyKind) -> str:
    """A policy document, as the text to keep.

    Raises ``InvalidParameter.<parameter>.Length``, or ``MalformedPolicyDocument`` with the place and the rule.
    """
    text = call.text(parameter)
    if len(text) > _DOCUMENT_LIMITS[kind]:
        raise _too_long(parameter)
    try:
        parsed = parse_policy(text, kind)
    except PolicySyntaxError as error:
        raise ApiError("MalformedPolicyDocument", str(error), status=400) from error
    return text if call.cloud.settings.preserve_document_text else minified(parsed)


def _indexed(call: Call, parameter: str, suffix: str = "") -> list[str]:
    """``TagKeys.1``, ``Tag.1.Key`` …: the older spelling of a list, up to the first number that is left out."""
    found: list[str] = []
    while (value := call.raw.get(f"{parameter}.{len(found) + 1}{suffix}")) is not None:
        found.append(value)
    return found


def text_list(call: Call, parameter: str, longest: int) -> list[str]:
    """A list of texts, as JSON text or as ``<parameter>.1`` …. Raises ``InvalidParameter.<parameter>``."""
    values = call.params.get(parameter) or _indexed(call, parameter)
    if len(values) > longest or not all(isinstance(value, str) and value for value in values):
        raise RAM.invalid(parameter)
    return list(values)


def tag_pairs(call: Call) -> dict[str, str | None]:
    """Tags, as JSON text (``[{"Key": …, "Value": …}]``) or as ``Tag.1.Key``; None where a filter gives no value.

    Raises ``InvalidParameter.Tag`` (assumed: no page was found that lists the codes).
    """
    sent = call.params.get("Tag")
    if sent is None:
        sent = [
            {"Key": key, "Value": call.raw.get(f"Tag.{number}.Value")}
            for number, key in enumerate(_indexed(call, "Tag", ".Key"), start=1)
        ]
    pairs: dict[str, str | None] = {}
    for item in sent:
        key = item.get("Key") if isinstance(item, dict) else None
        value = item.get("Value") if isinstance(item, dict) else None
        if not isinstance(key, str) or not 0 < len(key) <= limits.TAG_KEY_CHARACTERS or key in pairs:
            raise RAM.invalid("Tag")
        if value is not None and (not isinstance(value, str) or len(value) > limits.TAG_VALUE_CHARACTERS):
            raise RAM.invalid("Tag")
        pairs[key] = value
    if len(pairs) > limits.TAGS_PER_RESOURCE:
        raise RAM.invalid("Tag")
    return pairs


def has_tags(tags: dict[str, str], wanted: dict[str, str | None]) -> bool:
    """Whether a resource has all wanted tags; a wanted key without a value matches any value."""
    return all(key in tags and value in (None, tags[key]) for key, value in wanted.items())


def shown_tags(tags: dict[str, str]) -> dict[str, list[dict[str, str]]]:
    """Tags in the wrapping of ListRoles and ListPolicies."""
    return {"Tag": [{"TagKey": key, "TagValue": value} for key, value in tags.items()]}

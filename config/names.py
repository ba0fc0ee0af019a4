"""Naming rules of the vendor, and the names this project derives.

Rules obeyed (source: API reference of the action named):

- role (CreateRole): 1-64 characters, letters, digits, ``.`` and ``-``; **no underscore**
- custom policy (CreatePolicy): 1-128 characters, letters, digits and ``-``; no dot, no underscore
- user and group (CreateUser, CreateGroup): 1-64 characters, letters, digits, ``.``, ``_`` and ``-``
- data source (console page): letters, digits and ``_``, not starting with a digit or ``_``; 255 characters
- bucket (OSS "Bucket naming conventions"): 3-63 characters, lower-case letters, digits and ``-`` inside
- region: ``cn-hangzhou``, ``ap-southeast-1``, ...

Derived names must be stable (a second run finds what the first one made) and must not meet: two data sources
never derive one role. RAM keeps the case of a role name but lower-cases it inside its ARN, so derived role
names are lower-case after their fixed start, and a data source that loses something on the way (case, length)
gets a checksum.
"""

from __future__ import annotations

import hashlib
import re

from config import limits

MANAGED_TAG = ("managed-by", "dataworks-onboarding")
"""Tag key and value of every role and policy this project creates; what lacks it is never changed unasked."""

SOURCE_TAG_START = "source:"
"""Start of the tag keys that name the data sources a role or policy serves."""

MANY_SOURCES_TAG = (f"{SOURCE_TAG_START}many", "served")
"""Tag key and value of a role or policy that serves data sources which its tags do not name: they would not fit."""

SERVICE_PRINCIPAL = "di.dataworks.aliyuncs.com"
"""Service trusted by the role, and checked with ram:PassRole. Source: vendor page, steps 1.3 and 2."""

SERVICE_LINKED_ROLE = "AliyunServiceRoleForDataWorksDI"
"""Role of Data Integration itself. Source: vendor page "Service-linked roles of DataWorks Data Integration"."""

_CHECKSUM_CHARACTERS = 8
_ROLE_START = "DataWorks-"
_ACCESS_END = "-Access"
_ALLOW_USE_END = "AllowUse"

_ROLE = re.compile(r"[A-Za-z0-9.\-]+")
_POLICY = re.compile(r"[A-Za-z0-9\-]+")
_PRINCIPAL = re.compile(r"[A-Za-z0-9._\-]+")
_DATA_SOURCE = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9\-]*[a-z0-9]")
_REGION = re.compile(r"[a-z]{2,}(-[a-z0-9]+)+")
_RESOURCE_GROUP = re.compile(r"[A-Za-z0-9_\-]+")
# Letters of any script: workflows and tasks are often named in Chinese.
_SYNC_TASK = re.compile(r"[\w.\-]+")
_FOLDER_PARTS = 3
_CHECKSUM_END = re.compile(rf"_[0-9a-f]{{{_CHECKSUM_CHARACTERS}}}\Z")
_FOLDED_CHECKSUM_END = re.compile(rf"-[0-9a-f]{{{_CHECKSUM_CHARACTERS}}}\Z")
_FOLDED_END = f"-{_ALLOW_USE_END}-"


def check_role_name(name: str) -> str:
    """Return a valid RAM role name unchanged, else raise ``ValueError`` with the rule. Source: CreateRole."""
    return _check(
        name, _ROLE, limits.ROLE_NAME_CHARACTERS, "role name", "letters, digits, '.' and '-' (no '_')"
    )


def check_policy_name(name: str) -> str:
    """Return a valid custom policy name unchanged, else raise ``ValueError`` with the rule.

    Source: CreatePolicy.
    """
    return _check(name, _POLICY, limits.POLICY_NAME_CHARACTERS, "policy name", "letters, digits and '-'")


def check_user_name(name: str) -> str:
    """Return a valid RAM user name unchanged, else raise ``ValueError`` with the rule. Source: CreateUser."""
    return _check(
        name, _PRINCIPAL, limits.USER_NAME_CHARACTERS, "user name", "letters, digits, '.', '_' and '-'"
    )


def check_group_name(name: str) -> str:
    """Return a valid RAM group name unchanged, else raise ``ValueError`` with the rule.

    Source: CreateGroup.
    """
    return _check(
        name, _PRINCIPAL, limits.GROUP_NAME_CHARACTERS, "group name", "letters, digits, '.', '_' and '-'"
    )


def check_data_source_name(name: str) -> str:
    """Return a valid data source name unchanged, else raise ``ValueError`` with the rule.

    Source: console page.
    """
    return _check(
        name,
        _DATA_SOURCE,
        limits.DATA_SOURCE_NAME_CHARACTERS,
        "data source name",
        "letters, digits and '_', and start with a letter",
    )


def check_bucket_name(name: str) -> str:
    """Return a valid OSS bucket name unchanged; raise ``ValueError`` with the rule otherwise."""
    minimum, maximum = limits.BUCKET_NAME_CHARACTERS_MINIMUM, limits.BUCKET_NAME_CHARACTERS
    if not minimum <= len(name) <= maximum:
        raise ValueError(f"a bucket name has {minimum} to {maximum} characters, this one has {len(name)}")
    if not _BUCKET.fullmatch(name):
        raise ValueError(
            "a bucket name may hold only lower-case letters, digits and '-', with no '-' at either end"
        )
    return name


def check_region(name: str) -> str:
    """Return a well-formed region id unchanged; raise ``ValueError`` otherwise.

    Whether it exists is not checked.
    """
    if not _REGION.fullmatch(name):
        raise ValueError(
            "a region id looks like cn-hangzhou or ap-southeast-1: lower-case parts joined by '-'"
        )
    return name


def check_resource_group(identifier: str) -> str:
    """Return a well-formed resource group identifier unchanged, else raise ``ValueError``.

    Source: ListResourceGroups.
    """
    if not _RESOURCE_GROUP.fullmatch(identifier):
        raise ValueError(
            "a resource group identifier looks like S_res_group_1001_1: letters, digits, '_' and '-'"
        )
    return identifier


def check_sync_task_name(name: str) -> str:
    """Return a usable sync task name unchanged, else raise ``ValueError``.

    The vendor states no rule for the name; it is a file name in the workspace, so ``/`` and spaces are
    refused.
    """
    if not 1 <= len(name) <= limits.SYNC_TASK_NAME_CHARACTERS:
        raise ValueError(
            f"a sync task name has 1 to {limits.SYNC_TASK_NAME_CHARACTERS} characters, not {len(name)}"
        )
    if not _SYNC_TASK.fullmatch(name):
        raise ValueError("a sync task name may hold only letters, digits, '_', '-' and '.'")
    return name


def check_folder(path: str) -> str:
    """Return a well-formed folder path unchanged, else raise ``ValueError``.

    Source: CreateDISyncTask, TaskParam.
    """
    parts = path.split("/")
    if len(parts) < _FOLDER_PARTS or any(not part or part != part.strip() for part in parts):
        raise ValueError(
            "a folder looks like <root>/<workflow>/<layer>[/...], "
            "for example Business Flow/onboarding/Data Integration"
        )
    return path


def role_name(workspace: int, data_source: str) -> str:
    """Role of a data source: ``DataWorks-<workspace>-<data source>`` in lower case, with ``-`` for ``_``.

    When that would lose something (upper-case letters, length, a name that could be read as another's
    checksum), ``-`` and 8 hexadecimal characters of the SHA-256 of the original name are added, so that two
    data sources never derive one role. Always valid for CreateRole. Raises ``ValueError`` for an invalid data
    source name.
    """
    check_data_source_name(data_source)
    start = f"{_ROLE_START}{workspace}-"
    plain = data_source.lower().replace("_", "-")
    room = limits.ROLE_NAME_CHARACTERS - len(start)
    # A name that already ends like a checksum gets one too: no plain name can then equal a checked one.
    looks_checked = _CHECKSUM_END.search(data_source) is not None
    if data_source == data_source.lower() and len(plain) <= room and not looks_checked:
        return start + plain
    checksum = hashlib.sha256(data_source.encode()).hexdigest()[:_CHECKSUM_CHARACTERS]
    return f"{start}{plain[: room - _CHECKSUM_CHARACTERS - 1].rstrip('-')}-{checksum}"


def access_policy_name(role: str) -> str:
    """Custom policy with the role's permissions: ``<Role>-Access``.

    Dots become ``-``: CreatePolicy refuses them.
    """
    return _policy_name(role, _ACCESS_END)


def pass_role_policy_name(role: str) -> str:
    """PassRole policy of a role: ``<Role>AllowUse``, the vendor's name in Template 2. Dots become ``-``."""
    return _policy_name(role, _ALLOW_USE_END)


def folded_policy_start(kind: str, grantee: str) -> str:
    """Start of the names of a grantee's folded PassRole policies: ``DataWorks-<kind>-<grantee>-AllowUse-``.

    ``kind`` is ``user``, ``group`` or ``role``. CreatePolicy refuses ``.`` and ``_``: they become ``-``, and ``-``
    with 8 hexadecimal characters of the SHA-256 of the grantee's name is added, so that two grantees never meet.
    """
    plain = re.sub(r"[._]", "-", grantee)
    if plain != grantee or _FOLDED_CHECKSUM_END.search(grantee):
        plain = f"{plain}-{hashlib.sha256(grantee.encode()).hexdigest()[:_CHECKSUM_CHARACTERS]}"
    return f"{_ROLE_START}{kind}-{plain}{_FOLDED_END}"


def folded_policy_name(kind: str, grantee: str, number: int) -> str:
    """Custom policy that lets a grantee pass many roles; ``number`` counts from 1. Valid for CreatePolicy."""
    return check_policy_name(f"{folded_policy_start(kind, grantee)}{number}")


def folded_policy_number(kind: str, grantee: str, policy: str) -> int | None:
    """The number in the name of a folded policy of this grantee; None for any other policy."""
    number = policy.removeprefix(folded_policy_start(kind, grantee))
    return int(number) if number != policy and re.fullmatch(r"[1-9][0-9]{0,3}", number) else None


def folded_policy_pattern(kind: str = "*") -> str:
    """Pattern, as policies write it, of the names of folded policies of every grantee of a kind, or of all kinds."""
    return f"{_ROLE_START}{kind}-*{_FOLDED_END}*"


def is_folded_policy(policy: str) -> bool:
    """Whether a policy's name has the form of a folded one, whoever the grantee."""
    return (
        re.fullmatch(rf"{_ROLE_START}(user|group|role)-.+{_FOLDED_END}[1-9][0-9]{{0,3}}", policy) is not None
    )


def _policy_name(role: str, end: str) -> str:
    check_role_name(role)
    return check_policy_name(role.replace(".", "-") + end)


def _check(name: str, pattern: re.Pattern[str], maximum: int, what: str, allowed: str) -> str:
    if not 1 <= len(name) <= maximum:
        raise ValueError(f"a {what} has 1 to {maximum} characters, this one has {len(name)}")
    if not pattern.fullmatch(name):
        raise ValueError(f"a {what} may hold only {allowed}")
    return name


def source_tag(workspace: int, data_source: str) -> tuple[str, str]:
    """Tag key and value by which a role or policy names a data source it serves: ``source:<workspace>:<name>``.

    A name too long for a tag key (128 characters) is shortened to the SHA-256 of the whole.
    """
    key = f"{SOURCE_TAG_START}{workspace}:{data_source}"
    if len(key) > limits.TAG_KEY_CHARACTERS:
        checksum = hashlib.sha256(data_source.encode()).hexdigest()
        key = f"{SOURCE_TAG_START}{workspace}:{checksum}"
    return key, "served"


def role_arns(account_id: str, role: str) -> tuple[str, ...]:
    """The role's Arn with its name in lower case, and as it is spelled.

    RAM lower-cases the name inside an Arn, the vendor's own template does not; which of the two a PassRole check
    compares is not documented, so both are listed.
    """
    start = f"acs:ram::{account_id}:role/"
    return tuple(dict.fromkeys((start + role.lower(), start + role)))

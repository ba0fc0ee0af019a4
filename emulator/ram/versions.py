"""Policy versions: CreatePolicyVersion, ListPolicyVersions, GetPolicyVersion, SetDefaultPolicyVersion,
DeletePolicyVersion.

At most five versions (page "Limits"); the numbers of deleted ones are not used again.
"""

from __future__ import annotations

from config import limits
from emulator.clock import iso8601
from emulator.errors import ApiError
from emulator.ram.lookups import changing, custom_policy_of, needs_on, typed_policy_of
from emulator.ram.validation import checked_choice, checked_document, checked_version_id
from emulator.registry import RAM, Answer, Call, Param, action
from emulator.state import Policy, PolicyVersion
from policy import PolicyKind

_NAME = Param("PolicyName", required=True)
_TYPE = Param("PolicyType", required=True)
_VERSION_ID = Param("VersionId", required=True)
_ROTATE = "DeleteOldestNonDefaultVersionWhenLimitExceeded"


def shown_version(policy: Policy, version: PolicyVersion) -> Answer:
    """A version as every answer shows it."""
    return {
        "VersionId": version.id,
        "IsDefaultVersion": version.id == policy.default,
        "PolicyDocument": version.document,
        "CreateDate": iso8601(version.created or policy.created),
    }


def _version_of(call: Call, policy: Policy) -> PolicyVersion:
    wanted = checked_version_id(call)
    for version in policy.versions:
        if version.id == wanted:
            return version
    raise ApiError("EntityNotExist.Policy.Version")


@action(
    RAM,
    "CreatePolicyVersion",
    _NAME,
    Param("PolicyDocument", required=True),
    Param("SetAsDefault", bool),
    Param("RotateStrategy"),
    write=True,
    needs=needs_on("CreatePolicyVersion", "PolicyName"),
)
@changing
def create_policy_version(call: Call) -> Answer:
    """Without ``SetAsDefault`` the old text stays in force."""
    policy = custom_policy_of(call)
    document = checked_document(call, "PolicyDocument", PolicyKind.IDENTITY)
    strategy = checked_choice(call, "RotateStrategy", ("None", _ROTATE), "None")
    if len(policy.versions) >= limits.POLICY_VERSIONS:
        if strategy != _ROTATE:
            raise ApiError(
                "LimitExceeded.Policy.Version",
                "The count of policy version beyond the current limits.",
                status=409,
            )
        # Versions are kept in the order of their creation.
        oldest = next(version for version in policy.versions if version.id != policy.default)
        policy.versions.remove(oldest)
    now = call.cloud.clock.now()
    version = PolicyVersion(id=f"v{policy.next_version}", document=document, created=now)
    policy.next_version += 1
    policy.versions.append(version)
    if call.params.get("SetAsDefault", False):
        policy.default = version.id
    policy.updated = now
    return {"PolicyVersion": shown_version(policy, version)}


@action(RAM, "ListPolicyVersions", _NAME, _TYPE, needs=needs_on("ListPolicyVersions", "PolicyName"))
def list_policy_versions(call: Call) -> Answer:
    """All versions in one answer: the action has no pages."""
    policy = typed_policy_of(call).policy
    return {"PolicyVersions": {"PolicyVersion": [shown_version(policy, one) for one in policy.versions]}}


@action(RAM, "GetPolicyVersion", _NAME, _TYPE, _VERSION_ID, needs=needs_on("GetPolicyVersion", "PolicyName"))
def get_policy_version(call: Call) -> Answer:
    """One version with its document."""
    policy = typed_policy_of(call).policy
    return {"PolicyVersion": shown_version(policy, _version_of(call, policy))}


@action(
    RAM,
    "SetDefaultPolicyVersion",
    _NAME,
    _VERSION_ID,
    write=True,
    needs=needs_on("SetDefaultPolicyVersion", "PolicyName"),
)
@changing
def set_default_policy_version(call: Call) -> Answer:
    """The default version is the one in force."""
    policy = custom_policy_of(call)
    policy.default = _version_of(call, policy).id
    policy.updated = call.cloud.clock.now()
    return {}


@action(
    RAM,
    "DeletePolicyVersion",
    _NAME,
    _VERSION_ID,
    write=True,
    needs=needs_on("DeletePolicyVersion", "PolicyName"),
)
@changing
def delete_policy_version(call: Call) -> Answer:
    """The default version cannot be deleted."""
    policy = custom_policy_of(call)
    version = _version_of(call, policy)
    if version.id == policy.default:
        raise ApiError("DeleteConflict.Policy.Version.Default")
    policy.versions.remove(version)
    policy.updated = call.cloud.clock.now()
    return {}

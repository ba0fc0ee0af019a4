"""Policies: CreatePolicy, GetPolicy, ListPolicies, DeletePolicy, UpdatePolicyDescription.

A policy is changed by a new version (:mod:`emulator.ram.versions`); there is no UpdatePolicy.
"""

from __future__ import annotations

from collections import Counter

from config import limits
from emulator.clock import iso8601
from emulator.errors import ApiError
from emulator.ram.lookups import (
    TypedPolicy,
    changing,
    custom_policy_of,
    needs_on,
    needs_on_all,
    system_policy,
    typed_policy_of,
)
from emulator.ram.paging import page
from emulator.ram.system_policies import SYSTEM_POLICIES
from emulator.ram.validation import (
    checked_document,
    checked_name,
    checked_policy_type,
    checked_text,
    has_tags,
    shown_tags,
    tag_pairs,
)
from emulator.ram.versions import shown_version
from emulator.registry import RAM, Answer, Call, Param, action
from emulator.state import Policy, PolicyVersion, RamState
from policy import PolicyKind

POLICY_NAME = Param("PolicyName", required=True)
POLICY_TYPE = Param("PolicyType", required=True)


def _shown(typed: TypedPolicy) -> Answer:
    """What every answer about a policy has."""
    policy = typed.policy
    return {
        "PolicyName": policy.name,
        "PolicyType": typed.type,
        "Description": policy.description,
        "DefaultVersion": policy.default,
        "CreateDate": iso8601(policy.created),
    }


def _attachments(ram: RamState) -> Counter[tuple[str, str]]:
    """How many users, groups and roles have each policy, by type and name."""
    return Counter(
        (attachment.type, attachment.policy)
        for principals in (ram.users, ram.groups, ram.roles)
        for principal in principals.values()
        for attachment in principal.attachments
    )


@action(
    RAM,
    "CreatePolicy",
    POLICY_NAME,
    Param("PolicyDocument", required=True),
    Param("Description"),
    Param("Tag", list),
    write=True,
    needs=needs_on("CreatePolicy", "PolicyName"),
)
@changing
def create_policy(call: Call) -> Answer:
    """The document becomes version ``v1``, the default."""
    ram = call.cloud.state.ram
    name = checked_name(call, "PolicyName")
    description = checked_text(call, "Description", limits.RAM_DESCRIPTION_CHARACTERS)
    tags = {key: value or "" for key, value in tag_pairs(call).items()}
    document = checked_document(call, "PolicyDocument", PolicyKind.IDENTITY)
    if name in ram.policies or name in SYSTEM_POLICIES:
        raise ApiError("EntityAlreadyExists.Policy")
    if len(ram.policies) >= limits.POLICIES_PER_ACCOUNT:
        raise ApiError("LimitExceeded.Policy")
    now = call.cloud.clock.now()
    policy = Policy(
        name=name,
        description=description,
        created=now,
        updated=now,
        versions=[PolicyVersion(id="v1", document=document, created=now)],
        tags=tags,
    )
    ram.policies[name] = policy
    return {"Policy": _shown(TypedPolicy("Custom", policy))}


@action(RAM, "GetPolicy", POLICY_NAME, POLICY_TYPE, needs=needs_on("GetPolicy", "PolicyName"))
def get_policy(call: Call) -> Answer:
    """The text is in ``DefaultPolicyVersion``; the deprecated ``Policy.PolicyDocument`` is left out."""
    typed = typed_policy_of(call)
    policy = typed.policy
    return {
        "Policy": {
            **_shown(typed),
            "UpdateDate": iso8601(policy.updated),
            "AttachmentCount": _attachments(call.cloud.state.ram)[typed.type, policy.name],
        },
        "DefaultPolicyVersion": shown_version(policy, policy.default_version()),
    }


@action(
    RAM,
    "ListPolicies",
    Param("PolicyType"),
    Param("Marker"),
    Param("MaxItems", int),
    Param("Tag", list),
    needs=needs_on_all("ListPolicies", "policy"),
)
def list_policies(call: Call) -> Answer:
    """System and custom policies, unless ``PolicyType`` narrows."""
    wanted = tag_pairs(call)
    kinds = (checked_policy_type(call),) if call.given("PolicyType") else ("Custom", "System")
    ram = call.cloud.state.ram
    found = []
    if "Custom" in kinds:
        found += [(name, TypedPolicy("Custom", policy)) for name, policy in ram.policies.items()]
    if "System" in kinds:
        found += [(name, TypedPolicy("System", system_policy(name))) for name in SYSTEM_POLICIES]
    matching = [(name, typed) for name, typed in found if has_tags(typed.policy.tags, wanted)]
    shown, more = page(call, matching, limits.RAM_PAGE_ITEMS, limits.RAM_PAGE_ITEMS_DEFAULT)
    counts = _attachments(ram)
    items = [
        {
            **_shown(typed),
            "UpdateDate": iso8601(typed.policy.updated),
            "AttachmentCount": counts[typed.type, typed.policy.name],
            "Tags": shown_tags(typed.policy.tags),
        }
        for typed in shown
    ]
    return {"Policies": {"Policy": items}, **more}


@action(
    RAM,
    "DeletePolicy",
    POLICY_NAME,
    Param("CascadingDelete", bool),
    write=True,
    needs=needs_on("DeletePolicy", "PolicyName"),
)
@changing
def delete_policy(call: Call) -> Answer:
    """``CascadingDelete`` removes the other versions too; it does not detach."""
    policy = custom_policy_of(call)
    ram = call.cloud.state.ram
    for principals, code in (
        (ram.users.values(), "DeleteConflict.Policy.User"),
        (ram.groups.values(), "DeleteConflict.Policy.Group"),
        (ram.roles.values(), call.cloud.settings.policy_attached_to_role_code),
    ):
        for principal in principals:
            if any(one.policy == policy.name and one.type == "Custom" for one in principal.attachments):
                raise ApiError(code, status=409)
    if len(policy.versions) > 1 and not call.params.get("CascadingDelete", False):
        raise ApiError("DeleteConflict.Policy.Version")
    del ram.policies[policy.name]
    return {}


@action(
    RAM,
    "UpdatePolicyDescription",
    POLICY_NAME,
    Param("NewDescription"),
    write=True,
    needs=needs_on("UpdatePolicyDescription", "PolicyName"),
)
@changing
def update_policy_description(call: Call) -> Answer:
    """Changes nothing but the description."""
    policy = custom_policy_of(call)
    policy.description = checked_text(call, "NewDescription", limits.RAM_DESCRIPTION_CHARACTERS)
    policy.updated = call.cloud.clock.now()
    return {"Policy": {**_shown(TypedPolicy("Custom", policy)), "UpdateDate": iso8601(policy.updated)}}

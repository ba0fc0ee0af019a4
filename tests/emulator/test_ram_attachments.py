"""Attaching and detaching through the vendor's SDK: the same rules for roles, users and groups."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from alibabacloud_ram20150501 import models as m

from config import limits
from emulator.server import RunningCloud
from emulator.state import Attachment, Principal
from tests.emulator.clients import TRUST_DI, document, ram, refused

OBJECTS = {"role": "Worker", "user": "carol", "group": "data-platform"}
ALREADY = {
    "role": "The policy has already been attached to the role.",
    "user": "The user has already been attached this policy.",
    "group": "The group has already been attached this policy.",
}


class Grants:
    """Attachments of one kind of object, and of one object of it."""

    def __init__(self, local: RunningCloud, kind: str) -> None:
        self.client, self.kind, self.word = ram(local), kind, kind.capitalize()
        self.target = {f"{kind}_name": OBJECTS[kind]}

    def _call(self, method: str, model: str, **more: Any) -> Any:
        return getattr(self.client, method)(getattr(m, model)(**{**self.target, **more})).body

    def attach(self, policy: str = "reader", kind: str = "Custom", **more: Any) -> Any:
        """AttachPolicyTo…."""
        parameters = {"policy_name": policy, "policy_type": kind, **more}
        return self._call(f"attach_policy_to_{self.kind}", f"AttachPolicyTo{self.word}Request", **parameters)

    def detach(self, policy: str = "reader", kind: str = "Custom", **more: Any) -> Any:
        """DetachPolicyFrom…."""
        parameters = {"policy_name": policy, "policy_type": kind, **more}
        return self._call(
            f"detach_policy_from_{self.kind}", f"DetachPolicyFrom{self.word}Request", **parameters
        )

    def listed(self) -> list[tuple[str, str]]:
        """ListPoliciesFor…."""
        body = self._call(f"list_policies_for_{self.kind}", f"ListPoliciesFor{self.word}Request")
        return [(one.policy_type, one.policy_name) for one in body.policies.policy]


@pytest.fixture(params=list(OBJECTS))
def grants(local: RunningCloud, request: pytest.FixtureRequest) -> Grants:
    """A role, a user and a group in turn, without attachments, and the custom policy "reader"."""
    found = Grants(local, request.param)
    found.client.create_role(m.CreateRoleRequest(role_name="Worker", assume_role_policy_document=TRUST_DI))
    found.client.create_policy(
        m.CreatePolicyRequest(policy_name="reader", policy_document=document("oss:GetObject"))
    )
    for principal in (local.cloud.state.ram.users["carol"], local.cloud.state.ram.groups["data-platform"]):
        principal.attachments = []
    return found


def test_attached_policies_are_listed_in_order(grants: Grants) -> None:
    grants.attach()
    grants.attach("AliyunOSSFullAccess", "System")
    assert grants.listed() == [("Custom", "reader"), ("System", "AliyunOSSFullAccess")]
    grants.detach()
    assert grants.listed() == [("System", "AliyunOSSFullAccess")]


def test_attaching_twice_is_refused(grants: Grants) -> None:
    grants.attach()
    with refused(f"EntityAlreadyExists.{grants.word}.Policy", 409, ALREADY[grants.kind]):
        grants.attach()
    assert grants.listed() == [("Custom", "reader")]


def test_detaching_twice_is_refused(grants: Grants) -> None:
    grants.attach()
    grants.detach()
    with refused(f"EntityNotExist.{grants.word}.Policy", 404) as caught:
        grants.detach()
    assert "does not exist" in caught.value.data["Message"]


def test_policies_that_do_not_exist_are_refused(grants: Grants) -> None:
    for call in (grants.attach, grants.detach):
        with refused("EntityNotExist.Policy", 404):
            call("nothing")
        with refused("EntityNotExist.Policy", 404):
            call("reader", "System")
        with refused("InvalidParameter.PolicyType", 400):
            call("reader", "Other")


def test_objects_that_do_not_exist_are_refused(grants: Grants) -> None:
    name = f"{grants.kind}_name"
    calls: tuple[Callable[..., Any], ...] = (grants.attach, grants.detach)
    for call in calls:
        with refused(f"EntityNotExist.{grants.word}", 404, f"The {grants.kind} does not exist."):
            call(**{name: "nobody"})
        with refused(f"InvalidParameter.{grants.word}Name.InvalidChars", 400):
            call(**{name: "no/body"})
        with refused(f"MissingParameter.{grants.word}Name", 400):
            call(**{name: None})


def test_the_quota_of_custom_policies(local: RunningCloud, grants: Grants) -> None:
    for number in range(limits.CUSTOM_POLICIES_PER_ENTITY):
        name = f"p{number}"
        grants.client.create_policy(
            m.CreatePolicyRequest(policy_name=name, policy_document=document("oss:GetObject"))
        )
        grants.attach(name)
    text = f"The policy count of the {grants.kind} attached policies beyond the current limits."
    with refused(f"LimitExceeded.{grants.word}.Policy", 409, text):
        grants.attach()
    grants.attach("AliyunOSSFullAccess", "System")  # counted apart
    grants.detach("p0")
    grants.attach()


def test_the_quota_of_system_policies(local: RunningCloud, grants: Grants) -> None:
    state = local.cloud.state.ram
    principals: dict[str, Principal] = {
        "role": state.roles["Worker"],
        "user": state.users["carol"],
        "group": state.groups["data-platform"],
    }
    # More system policies than the local cloud knows are needed; the quota counts attachments only.
    principals[grants.kind].attachments = [Attachment(policy=f"Aliyun{n}", type="System") for n in range(20)]
    with refused(f"LimitExceeded.{grants.word}.Policy", 409):
        grants.attach("AliyunOSSFullAccess", "System")


def test_a_grant_limited_to_a_resource_group_is_not_taken_for_one_of_the_account(grants: Grants) -> None:
    with refused("NotImplemented", 400) as caught:
        grants.attach(resource_group_id="rg-1")
    assert "resource group" in caught.value.data["Message"]
    assert grants.listed() == []


def entities(local: RunningCloud) -> tuple[list[str], list[str], list[str]]:
    """Names of the users, groups and roles that have "reader"."""
    request = m.ListEntitiesForPolicyRequest(policy_name="reader", policy_type="Custom")
    body = ram(local).list_entities_for_policy(request).body
    return (
        [one.user_name for one in body.users.user],
        [one.group_name for one in body.groups.group],
        [one.role_name for one in body.roles.role],
    )


def test_the_entities_of_a_policy_are_all_who_have_it(local: RunningCloud, grants: Grants) -> None:
    assert entities(local) == ([], [], [])
    for kind in OBJECTS:
        Grants(local, kind).attach()
    assert entities(local) == (["carol"], ["data-platform"], ["Worker"])
    grants.detach()
    assert sum(map(len, entities(local))) == 2


def test_the_list_of_entities_may_be_late_while_the_list_of_policies_is_not(
    local: RunningCloud, grants: Grants
) -> None:
    grants.attach()
    local.cloud.settings.list_lag_seconds = 60
    grants.detach()
    assert grants.listed() == []
    assert sum(map(len, entities(local))) == 1
    local.cloud.clock.advance(59)
    assert sum(map(len, entities(local))) == 1
    local.cloud.clock.advance(2)
    assert sum(map(len, entities(local))) == 0


def test_the_entities_of_a_policy_that_does_not_exist(local: RunningCloud) -> None:
    with refused("EntityNotExist.Policy", 404):
        entities(local)

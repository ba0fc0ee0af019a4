"""Rights beside the specification are reported, with who can take them away, and left alone."""

from __future__ import annotations

from emulator.server import RunningCloud
from emulator.state import Attachment
from tests.tasks.onboarding import ALLOW_USE, POLICY, ROLE, Onboarding, example
from tests.tasks.plans import found
from tests.tasks.starting_states import allow, holds_statements


def test_a_further_policy_on_the_role_is_found_whoever_made_it(local: RunningCloud) -> None:
    onboarding = Onboarding(local)
    onboarding.apply()
    local.cloud.state.ram.roles[ROLE].attachments.append(
        Attachment(policy="AdministratorAccess", type="System")
    )

    (finding,) = found(onboarding, "PRE030")

    assert finding.subject == f"role {ROLE}"
    assert "system policy AdministratorAccess" in finding.what
    assert (finding.severity, finding.blocks) == ("high", False)
    assert onboarding.writes_of_apply() == []


def test_the_policy_of_another_data_source_on_a_shared_role_is_no_finding(local: RunningCloud) -> None:
    first = Onboarding(local, example(role={"name": ROLE}))
    first.apply()
    other = example(name="other_orders", role={"name": ROLE, "policy": "Other-Access"}, sync_task=None)
    Onboarding(local, other).apply()

    assert found(first, "PRE030") == []


def test_the_role_s_policy_on_a_user_is_found(local: RunningCloud) -> None:
    onboarding = Onboarding(local)
    onboarding.apply()
    local.cloud.state.ram.users["mallory"].attachments.append(Attachment(policy=POLICY))

    (finding,) = found(onboarding, "PRE031")

    assert finding.what.startswith("user mallory holds it")


def test_a_grantee_who_was_taken_out_still_holds_pass_role_and_is_found(local: RunningCloud) -> None:
    Onboarding(local).apply()
    without_carol = Onboarding(local, example(grantees={"users": ["alice"], "groups": ["data-platform"]}))

    (finding,) = found(without_carol, "PRE032")

    assert finding.subject == f"custom policy {ALLOW_USE}"
    assert "user carol" in finding.what
    assert "detach it from user carol" in finding.remedy


def test_who_holds_the_policies_is_said_to_be_unknown_when_it_may_not_be_read(local: RunningCloud) -> None:
    onboarding = Onboarding(local)
    onboarding.apply()
    deny = {**allow("ram:ListEntitiesForPolicy"), "Effect": "Deny"}
    holds_statements(local, "alice", allow("ram:*"), allow("dataworks:*"), deny)

    (finding,) = found(Onboarding(local), "PRE033")

    assert "ram:ListEntitiesForPolicy" in finding.what
    assert not finding.blocks

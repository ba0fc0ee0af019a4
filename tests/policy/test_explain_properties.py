"""Laws of explanations, tried on random policies."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from policy import (
    AttachedPolicy,
    GroupPolicies,
    Inventory,
    Outcome,
    PolicyDocument,
    Request,
    RolePolicies,
    Source,
    UserPolicies,
    Verdict,
    can_access,
    can_pass,
    evaluate_identity,
    trust_policy,
    who_can_pass,
)
from tests.policy.test_properties import ACTIONS, RESOURCES, documents, policies, profile

ROLE = "acs:ram::1:role/app"
SERVICE = "di.dataworks.aliyuncs.com"
services = st.sampled_from(["a", "b"])
VERDICTS = {
    Outcome.ALLOW: Verdict.ALLOW,
    Outcome.UNKNOWN: Verdict.UNKNOWN,
    Outcome.IMPLICIT_DENY: Verdict.DENY,
    Outcome.EXPLICIT_DENY: Verdict.DENY,
}


def attach(some: list[PolicyDocument]) -> tuple[AttachedPolicy, ...]:
    return tuple(AttachedPolicy(f"p{number}", "custom policy", one) for number, one in enumerate(some))


def expected(action: str, resource: str, some: list[PolicyDocument], service: str | None) -> Outcome:
    context = {} if service is None else {"acs:Service": (service,)}
    request = Request(
        action, resource, context, frozenset({"acs:Service", "acs:SourceIp", "acs:N"} - {*context})
    )
    return evaluate_identity(request, [Source("p", "custom policy", one) for one in some]).outcome


@profile
@given(policies, policies, services)
def test_a_user_passes_a_role_iff_its_own_and_its_groups_policies_allow_it(
    own: list[PolicyDocument], of_group: list[PolicyDocument], service: str
) -> None:
    inventory = Inventory(
        "1",
        (UserPolicies("u", attach(own)),),
        (
            GroupPolicies("g", frozenset({"u"}), attach(of_group)),
            GroupPolicies("h", frozenset(), attach(own)),
        ),
    )
    outcome = expected("ram:PassRole", ROLE, own + of_group, service)
    answer = can_pass(inventory, "u", ROLE, service)
    assert answer.decision is VERDICTS[outcome]
    assert (answer.statement is None) == (outcome is Outcome.IMPLICIT_DENY)
    by_name = {one.name: one.explanation.decision for one in who_can_pass(inventory, ROLE, service)}
    assert by_name == {
        "u": VERDICTS[outcome],
        "g": VERDICTS[expected("ram:PassRole", ROLE, of_group, service)],
        "h": VERDICTS[expected("ram:PassRole", ROLE, own, service)],
    }


@profile
@given(policies, st.sampled_from(ACTIONS), st.sampled_from([one for one in RESOURCES if "*" not in one]))
def test_a_trusted_service_accesses_iff_the_policies_of_the_role_allow_it(
    some: list[PolicyDocument], action: str, resource: str
) -> None:
    trusting = RolePolicies("r", trust_policy(SERVICE), attach(some))
    answer = can_access(Inventory("1", roles=(trusting,)), "r", action, resource, service=SERVICE)
    assert answer.decision is VERDICTS[expected(action, resource, some, None)]
    other = can_access(Inventory("1", roles=(trusting,)), "r", action, resource, service="oss.aliyuncs.com")
    assert other.decision is Verdict.DENY


@profile
@given(policies, documents, services)
def test_an_unreadable_policy_never_leads_to_an_allow_and_an_unread_one_can_be_any(
    some: list[PolicyDocument], unread: PolicyDocument, service: str
) -> None:
    def ask(*more: AttachedPolicy) -> Verdict:
        inventory = Inventory("1", (UserPolicies("u", (*attach(some), *more)),))
        return can_pass(inventory, "u", ROLE, service).decision

    hidden = ask(AttachedPolicy("hidden", "system policy", None))
    assert hidden is not Verdict.ALLOW
    # A sure answer without the policy is the answer with it, whatever it says.
    if hidden is Verdict.DENY:
        assert ask(AttachedPolicy("hidden", "system policy", unread)) is Verdict.DENY


@profile
@given(policies, st.sampled_from(["oss:GetObject", "oss:PutObject"]))
def test_an_allow_for_a_pattern_is_an_allow_for_all_that_fits(
    some: list[PolicyDocument], action: str
) -> None:
    role = RolePolicies("r", trust_policy(SERVICE), attach(some))

    def ask(resource: str) -> Verdict:
        return can_access(Inventory("1", roles=(role,)), "r", action, resource, service=SERVICE).decision

    if ask("acs:oss:x:1:b/*") is Verdict.ALLOW:
        assert {ask(f"acs:oss:x:1:b/{name}") for name in ("", "x", "y", "x/y", "*")} == {Verdict.ALLOW}

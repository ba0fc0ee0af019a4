"""Who may do what in an account, and why."""

from __future__ import annotations

from typing import Any

import pytest

from config.load import parse_spec
from config.names import SERVICE_PRINCIPAL
from config.sources.base import Permission
from policy import (
    AttachedPolicy,
    Condition,
    Explanation,
    Grant,
    GroupPolicies,
    Inventory,
    PolicyKind,
    RolePolicies,
    UserPolicies,
    Verdict,
    access_to,
    can_access,
    can_pass,
    parse_policy,
    pass_role_policy,
    policy_for,
    trust_policy,
    who_can_pass,
)
from tests.config.specs import example

ROLE = "acs:ram::1:role/app"
OSS = "oss.aliyuncs.com"
ALLOW, DENY, UNKNOWN = Verdict.ALLOW, Verdict.DENY, Verdict.UNKNOWN
UNREADABLE = AttachedPolicy("AdministratorAccess", "system policy", None)
OBJECTS = "acs:oss:*:*:b/*"
TRUSTING = trust_policy(SERVICE_PRINCIPAL)


def attached(*statements: dict[str, Any], name: str = "p") -> AttachedPolicy:
    document = parse_policy({"Version": "1", "Statement": list(statements)}, PolicyKind.IDENTITY)
    return AttachedPolicy(name, "custom policy", document)


def statement(effect: str, action: Any, resource: Any = "*", condition: Any = None) -> dict[str, Any]:
    written = {"Effect": effect, "Action": action, "Resource": resource}
    return written | ({"Condition": condition} if condition else {})


PASS = AttachedPolicy("appAllowUse", "custom policy", pass_role_policy([ROLE], [SERVICE_PRINCIPAL]))
NO_PASS = attached(statement("Deny", "ram:PassRole"), name="NoPass")


def passing(*own: AttachedPolicy, group: tuple[AttachedPolicy, ...] = ()) -> Explanation:
    inventory = Inventory(
        "1", (UserPolicies("carol", own),), (GroupPolicies("ops", frozenset({"carol"}), group),)
    )
    return can_pass(inventory, "carol", ROLE, SERVICE_PRINCIPAL)


def access(
    *policies: AttachedPolicy,
    action: str = "oss:GetObject",
    resource: str = "acs:oss:*:*:b/x",
    trust: Any = TRUSTING,
    context: Any = None,
) -> Explanation:
    inventory = Inventory("1", roles=(RolePolicies("app", trust, policies),))
    return can_access(inventory, "app", action, resource, service=SERVICE_PRINCIPAL, context=context)


# --- PassRole -----------------------------------------------------------------------------------------------


def test_a_user_passes_a_role_by_its_own_policy_which_is_named() -> None:
    answer = passing(PASS)
    assert answer.allowed
    assert answer.because == (
        f"statement 1 of custom policy of user carol appAllowUse allows ram:PassRole on {ROLE}"
    )
    assert PASS.document is not None
    assert answer.statement is PASS.document.statements[0]


def test_a_user_passes_a_role_by_a_policy_of_its_group_which_is_named() -> None:
    answer = passing(group=(PASS,))
    assert answer.decision is ALLOW
    assert "custom policy of group ops appAllowUse" in answer.because


def test_a_user_without_pass_role_is_denied() -> None:
    answer = passing()
    assert (answer.decision, answer.source) == (DENY, None)
    assert "no statement allows ram:PassRole" in answer.because


def test_a_deny_of_the_group_wins_over_the_users_own_allow() -> None:
    answer = passing(PASS, group=(NO_PASS,))
    assert answer.decision is DENY
    assert "custom policy of group ops NoPass denies" in answer.because


def test_a_group_helps_its_members_only() -> None:
    inventory = Inventory(
        "1",
        (UserPolicies("carol"), UserPolicies("bob")),
        (GroupPolicies("ops", frozenset({"bob"}), (PASS,)),),
    )
    assert can_pass(inventory, "carol", ROLE, SERVICE_PRINCIPAL).decision is DENY
    assert can_pass(inventory, "bob", ROLE, SERVICE_PRINCIPAL).decision is ALLOW


@pytest.mark.parametrize(
    ("role", "service", "expected"),
    [
        ("acs:ram::1:role/APP", SERVICE_PRINCIPAL, ALLOW),
        ("acs:ram::1:role/other", SERVICE_PRINCIPAL, DENY),
        (ROLE, OSS, DENY),
    ],
)
def test_pass_role_is_for_the_role_and_service_it_names(role: str, service: str, expected: Verdict) -> None:
    inventory = Inventory("1", (UserPolicies("carol", (PASS,)),))
    assert can_pass(inventory, "carol", role, service).decision is expected


@pytest.mark.parametrize("readable", [(), (PASS,)])
def test_an_unreadable_policy_makes_the_answer_unknown_and_is_named(
    readable: tuple[AttachedPolicy, ...],
) -> None:
    for answer in (passing(*readable, UNREADABLE), passing(*readable, group=(UNREADABLE,))):
        assert answer.decision is UNKNOWN
        assert "AdministratorAccess could not be read" in answer.because


def test_a_deny_that_was_read_stands_whatever_is_unreadable() -> None:
    assert passing(PASS, UNREADABLE, NO_PASS).decision is DENY


@pytest.mark.parametrize(
    "condition",
    [
        {"IpAddress": {"acs:SourceIp": "10.0.0.0/8"}},
        {"DateLessThan": {"acs:CurrentTime": "2030-01-01T00:00:00Z"}},
        {"Bool": {"acs:MFAPresent": "true"}},
        {"StringEquals": {"acs:Anything": "x"}},
    ],
)
def test_a_condition_on_what_nobody_stated_makes_the_answer_unknown(condition: Any) -> None:
    answer = passing(attached(statement("Allow", "ram:PassRole", condition=condition)))
    assert answer.decision is UNKNOWN
    assert next(iter(next(iter(condition.values())))) in answer.because
    # The same on a Deny beside a sure Allow.
    assert passing(PASS, attached(statement("Deny", "ram:*", condition=condition))).decision is UNKNOWN
    # And it matters no more once an Allow without condition is there.
    assert passing(PASS, attached(statement("Allow", "ram:PassRole", condition=condition))).decision is ALLOW


def test_somebody_who_was_not_read_is_unknown() -> None:
    assert can_pass(Inventory("1"), "carol", ROLE, SERVICE_PRINCIPAL).decision is UNKNOWN
    answer = can_access(Inventory("1"), "app", "oss:GetObject", "*", service=SERVICE_PRINCIPAL)
    assert (answer.decision, answer.because) == (UNKNOWN, "role app is not among those that were read")


def test_who_can_pass_lists_users_then_groups_by_name() -> None:
    inventory = Inventory(
        "1",
        (UserPolicies("dave", (UNREADABLE,)), UserPolicies("carol", (NO_PASS,)), UserPolicies("bob")),
        (GroupPolicies("z"), GroupPolicies("ops", frozenset({"bob", "carol"}), (PASS,))),
    )
    holders = who_can_pass(inventory, ROLE, SERVICE_PRINCIPAL)
    assert [(one.kind, one.name, one.explanation.decision) for one in holders] == [
        ("user", "bob", ALLOW),
        ("user", "carol", DENY),
        ("user", "dave", UNKNOWN),
        ("group", "ops", ALLOW),
        ("group", "z", DENY),
    ]


# --- Access of a role ---------------------------------------------------------------------------------------

READ = attached(statement("Allow", "oss:Get*", OBJECTS), name="app-Access")


def test_a_service_accesses_by_the_policies_of_a_role_that_trusts_it() -> None:
    answer = access(READ)
    assert answer.decision is ALLOW
    assert "custom policy of role app app-Access allows oss:GetObject" in answer.because
    assert access(READ, action="oss:PutObject").decision is DENY


def test_a_role_that_does_not_trust_the_service_gives_it_nothing() -> None:
    answer = access(READ, trust=trust_policy("dataworks.aliyuncs.com"))
    assert answer.decision is DENY
    assert answer.because.startswith("role app: no statement allows sts:AssumeRole to service di.dataworks")
    assert access(UNREADABLE, trust=trust_policy("dataworks.aliyuncs.com")).decision is DENY


def test_an_unreadable_trust_policy_makes_access_unknown_unless_the_policies_deny() -> None:
    answer = access(READ, trust=None)
    assert (answer.decision, answer.because) == (UNKNOWN, "the trust policy of role app could not be read")
    assert access(READ, trust=None, action="oss:PutObject").decision is DENY


def test_trust_under_an_unknown_condition_makes_access_unknown() -> None:
    trust = {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"Service": SERVICE_PRINCIPAL},
        "Condition": {"IpAddress": {"acs:SourceIp": "10.0.0.0/8"}},
    }
    document = parse_policy({"Version": "1", "Statement": [trust]}, PolicyKind.TRUST)
    assert access(READ, trust=document).decision is UNKNOWN


def test_an_unreadable_policy_of_the_role_makes_access_unknown() -> None:
    assert access(READ, UNREADABLE).decision is UNKNOWN
    assert access(UNREADABLE).decision is UNKNOWN


def test_a_stated_condition_key_is_known() -> None:
    listing = attached(statement("Allow", "oss:ListObjects", "*", {"StringLike": {"oss:Prefix": "orders/*"}}))

    def ask(context: Any) -> Verdict:
        return access(listing, action="oss:ListObjects", resource="acs:oss:*:*:b", context=context).decision

    assert ask(None) is UNKNOWN
    assert ask({"oss:Prefix": ("orders/2026",)}) is ALLOW
    assert ask({"oss:Prefix": ("other",)}) is DENY


@pytest.mark.parametrize(
    ("statements", "expected"),
    [
        ([statement("Allow", "oss:*", OBJECTS)], ALLOW),
        ([statement("Allow", "oss:*", "acs:oss:*:*:b/?")], UNKNOWN),
        ([statement("Allow", "oss:*", "acs:oss:*:*:b/orders/*")], UNKNOWN),
        ([statement("Allow", "oss:*", "acs:oss:*:*:c/*")], DENY),
        ([statement("Allow", "oss:*"), statement("Deny", "oss:*", "acs:oss:*:*:b/secret/*")], UNKNOWN),
        ([statement("Allow", "oss:*"), statement("Deny", "*", "acs:log:*:*:project/p")], ALLOW),
        # By the letter this denies the object "x:c/y" of bucket b too.
        ([statement("Allow", "oss:*"), statement("Deny", "oss:*", "acs:oss:*:*:c/*")], UNKNOWN),
        ([statement("Allow", "oss:*"), statement("Deny", "oss:Put*", "acs:oss:*:*:b/secret/*")], ALLOW),
        ([statement("Allow", "oss:*"), statement("Deny", "oss:*", OBJECTS)], DENY),
    ],
)
def test_a_question_about_a_pattern_is_about_all_that_fits(statements: list[Any], expected: Verdict) -> None:
    assert access(attached(*statements), resource=OBJECTS).decision is expected


def test_a_question_about_a_pattern_of_actions_has_no_answer() -> None:
    assert access(attached(statement("Allow", "oss:Get*")), action="oss:Get*").decision is UNKNOWN


# --- The table ----------------------------------------------------------------------------------------------


def permission(action: str, *resources: str, condition: Any = ()) -> Permission:
    return Permission(action, resources, "", "", condition)


def table(permissions: list[Permission], *policies: AttachedPolicy) -> list[tuple[str, str, Verdict]]:
    inventory = Inventory("1", roles=(RolePolicies("app", trust_policy(SERVICE_PRINCIPAL), policies),))
    rows = access_to(inventory, "app", permissions, service=SERVICE_PRINCIPAL)
    return [(row.action, row.resource, row.explanation.decision) for row in rows]


def test_the_table_has_a_row_for_each_action_and_resource_in_order() -> None:
    needed = [permission("oss:PutObject", OBJECTS), permission("oss:GetObject", OBJECTS, "acs:oss:*:*:c/*")]
    assert table(needed, READ) == [
        ("oss:PutObject", OBJECTS, DENY),
        ("oss:GetObject", OBJECTS, ALLOW),
        ("oss:GetObject", "acs:oss:*:*:c/*", DENY),
    ]


@pytest.mark.parametrize("level", ["minimal", "vendor"])
def test_the_policy_written_for_a_specification_gives_all_it_needs(level: str) -> None:
    needed = list(parse_spec(example(permissions=level)).required_permissions())
    written = policy_for(
        [
            Grant((one.action,), one.resources, tuple(Condition(*each) for each in one.conditions))
            for one in needed
        ]
    )
    answers = table(needed, AttachedPolicy("app-Access", "custom policy", written))
    assert len(answers) >= len(needed)
    assert {decision for _, _, decision in answers} == {ALLOW}


def listing(operator: str, *values: str, effect: str = "Allow") -> dict[str, Any]:
    return statement(effect, "oss:ListObjects", "*", {operator: {"oss:Prefix": list(values)}})


@pytest.mark.parametrize(
    ("statements", "needed", "expected"),
    [
        # What is needed is a pattern: the policy has to cover all of it.
        ([listing("StringLike", "orders/*")], ("StringLike", "orders/*"), ALLOW),
        ([listing("StringLike", "*")], ("StringLike", "orders/*"), ALLOW),
        ([listing("StringLike", "orders/2026/*")], ("StringLike", "orders/*"), UNKNOWN),
        ([listing("StringLike", "orders/?")], ("StringLike", "orders/*"), UNKNOWN),
        ([listing("StringEquals", "orders/*")], ("StringLike", "orders/*"), UNKNOWN),
        (
            [listing("StringLike", "*"), listing("StringLike", "orders/secret/*", effect="Deny")],
            ("StringLike", "orders/*"),
            UNKNOWN,
        ),
        (
            [listing("StringLike", "*"), listing("StringLike", "orders*", effect="Deny")],
            ("StringLike", "orders/*"),
            DENY,
        ),
        # What is needed are values: each of them.
        ([listing("StringEquals", "a", "b")], ("StringEquals", "a", "b"), ALLOW),
        ([listing("StringEquals", "a")], ("StringEquals", "a", "b"), DENY),
        ([listing("StringLike", "a*")], ("StringLike", "a", "abc"), ALLOW),
        # What is needed is not said: the key stays unknown.
        ([listing("StringEquals", "a")], ("StringNotEquals", "b"), UNKNOWN),
        ([listing("StringEquals", "a")], ("StringEquals",), UNKNOWN),
    ],
)
def test_the_conditions_of_a_permission_say_what_is_asked(
    statements: list[Any], needed: tuple[str, ...], expected: Verdict
) -> None:
    operator, *values = needed
    condition = ((operator, "oss:Prefix", tuple(values)),)
    asked = [permission("oss:ListObjects", "acs:oss:*:*:b", condition=condition)]
    assert table(asked, attached(*statements)) == [("oss:ListObjects", "acs:oss:*:*:b", expected)]


def test_the_table_names_policy_and_statement_as_they_are_attached() -> None:
    written = attached(statement("Allow", "log:*"), listing("StringLike", "orders/*"), name="app-Access")
    inventory = Inventory("1", roles=(RolePolicies("app", trust_policy(SERVICE_PRINCIPAL), (written,)),))
    asked = permission(
        "oss:ListObjects", "acs:oss:*:*:b", condition=(("StringLike", "oss:Prefix", ("orders/*",)),)
    )
    (row,) = access_to(inventory, "app", [asked], service=SERVICE_PRINCIPAL)
    assert written.document is not None
    assert row.explanation.source is not None
    assert row.explanation.source.document is written.document
    assert row.explanation.statement is written.document.statements[1]

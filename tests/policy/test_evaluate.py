"""Decisions of identity, session and trust policies."""

from __future__ import annotations

from typing import Any

import pytest

from policy import (
    Caller,
    Decision,
    Outcome,
    PolicyKind,
    Request,
    Source,
    Truth,
    evaluate_identity,
    evaluate_session,
    evaluate_trust,
    parse_policy,
    pass_role_policy,
    trust_policy,
)

ALLOW, IMPLICIT, EXPLICIT, UNKNOWN = (
    Outcome.ALLOW,
    Outcome.IMPLICIT_DENY,
    Outcome.EXPLICIT_DENY,
    Outcome.UNKNOWN,
)
OBJECT = "acs:oss:oss-cn-hangzhou:1:bucket/orders/a"


def statement(
    effect: str, action: Any = "*", resource: Any = "*", condition: Any = None, not_action: Any = None
) -> dict[str, Any]:
    written = {"Effect": effect, "Resource": resource}
    written |= {"NotAction": not_action} if not_action else {"Action": action}
    return written | ({"Condition": condition} if condition else {})


def policy(*statements: dict[str, Any], name: str = "p", kind: str = "custom policy") -> Source:
    return Source(
        name, kind, parse_policy({"Version": "1", "Statement": list(statements)}, PolicyKind.IDENTITY)
    )


def ask(
    *statements: dict[str, Any],
    action: str = "oss:GetObject",
    resource: str = OBJECT,
    unknown: frozenset[str] = frozenset(),
    missing_key: Truth = Truth.FALSE,
    **context: str,
) -> Decision:
    values = {key.replace("_", ":"): (value,) for key, value in context.items()}
    request = Request(action, resource, values, unknown)
    return evaluate_identity(request, [policy(one) for one in statements], missing_key=missing_key)


SECURE = {"Bool": {"acs:SecureTransport": "true"}}
UNKNOWN_KEY = frozenset({"acs:SecureTransport"})


def test_nothing_is_allowed_without_policies() -> None:
    decision = evaluate_identity(Request("oss:GetObject", OBJECT), [])
    assert (decision.outcome, decision.source, decision.statement) == (IMPLICIT, None, None)
    assert not decision.allowed


def test_a_matching_allow_allows_and_is_named() -> None:
    source = policy(
        statement("Allow", "log:*"),
        statement("Allow", "oss:Get*"),
        name="read",
        kind="custom policy of group ops",
    )
    decision = evaluate_identity(Request("oss:GetObject", OBJECT), [source])
    assert decision.allowed
    assert (decision.source, decision.statement) == (source, source.document.statements[1])
    assert (
        decision.reason == f"statement 2 of custom policy of group ops read allows oss:GetObject on {OBJECT}"
    )


def test_an_explicit_deny_wins_over_an_allow_and_is_named() -> None:
    decision = ask(statement("Allow"), statement("Deny", "oss:GetObject"))
    assert decision.outcome is EXPLICIT
    assert decision.statement is not None
    assert decision.statement.actions == ("oss:GetObject",)
    assert "denies oss:GetObject" in decision.reason


def test_a_failed_condition_on_an_allow_is_no_match_not_a_denial() -> None:
    conditioned = statement("Allow", condition=SECURE)
    assert ask(conditioned, acs_SecureTransport="false").outcome is IMPLICIT
    assert ask(conditioned, statement("Allow"), acs_SecureTransport="false").outcome is ALLOW


def test_a_failed_condition_on_a_deny_lets_the_allow_stand() -> None:
    assert ask(statement("Allow"), statement("Deny", condition=SECURE), acs_SecureTransport="false").allowed


def test_an_implicit_denial_names_the_statement_that_came_nearest() -> None:
    elsewhere = statement("Allow", resource="acs:oss:*:*:other/*")
    conditioned = statement("Allow", condition=SECURE)
    assert "allows the action, but for other resources" in ask(elsewhere).reason
    reason = ask(elsewhere, conditioned, elsewhere).reason
    assert "would, but its condition Bool acs:SecureTransport [true] fails" in reason
    assert ask(statement("Allow", "log:*")).reason == f"no statement allows oss:GetObject on {OBJECT}"


def test_not_action_of_an_allow_allows_everything_else() -> None:
    everything_else = statement("Allow", not_action=["ram:*", "OSS:Delete*"])
    assert ask(everything_else).allowed
    assert ask(everything_else, action="ram:PassRole").outcome is IMPLICIT
    assert ask(everything_else, action="oss:DeleteObject").outcome is IMPLICIT


def test_not_action_of_a_deny_denies_everything_else() -> None:
    only_reads = statement("Deny", not_action="oss:Get*")
    assert ask(statement("Allow"), only_reads).allowed
    assert ask(statement("Allow"), only_reads, action="oss:PutObject").outcome is EXPLICIT
    assert ask(only_reads).outcome is IMPLICIT


def test_conditions_must_all_hold_and_values_are_alternatives() -> None:
    both = statement(
        "Allow", condition={"StringEquals": {"a:k": ["x", "y"], "a:j": "z"}, "NumericLessThan": {"a:n": 5}}
    )
    assert ask(both, a_k="y", a_j="z", a_n="4").allowed
    assert ask(both, a_k="q", a_j="z", a_n="4").outcome is IMPLICIT
    assert ask(both, a_k="y", a_j="q", a_n="4").outcome is IMPLICIT
    assert ask(both, a_k="y", a_j="z", a_n="5").outcome is IMPLICIT
    assert ask(both, a_k="y", a_j="z").outcome is IMPLICIT


def test_wildcards_cross_slashes_and_colons() -> None:
    assert ask(statement("Allow", resource="acs:oss:*:*:bucket/*a")).allowed
    assert ask(statement("Allow", resource="acs:oss:*:*:b*a")).allowed


@pytest.mark.parametrize(
    ("pattern", "covered"),
    [("instance/*/", False), ("instance/abc", True), ("instance/*", True), ("instance/abc/*", False)],
)
def test_tablestore_resources_are_matched_as_plain_text(pattern: str, covered: bool) -> None:
    allow = statement("Allow", "ots:*", f"acs:ots:*:*:{pattern}")
    decision = ask(allow, action="ots:GetRow", resource="acs:ots:cn-hangzhou:1:instance/abc")
    assert decision.allowed is covered


def test_a_resource_does_not_cover_what_is_below_it() -> None:
    assert ask(statement("Allow", resource="acs:oss:*:*:bucket")).outcome is IMPLICIT


def test_action_case_does_not_count_but_resource_case_does() -> None:
    assert ask(statement("Allow", "OSS:getOBJECT")).allowed
    assert ask(statement("Deny", "OSS:getOBJECT"), statement("Allow")).outcome is EXPLICIT
    assert ask(statement("Allow", resource="acs:oss:*:*:Bucket/*")).outcome is IMPLICIT


@pytest.mark.parametrize("granted", ["BigDataOssRole", "bigdataossrole"])
@pytest.mark.parametrize("passed", ["BigDataOssRole", "bigdataossrole"])
def test_pass_role_matches_the_role_in_any_case_for_the_named_services_only(
    granted: str, passed: str
) -> None:
    document = pass_role_policy(
        [f"acs:ram::1:role/{granted}"], ["oss.aliyuncs.com", "di.dataworks.aliyuncs.com"]
    )

    def outcome(role: str, service: str | None) -> Outcome:
        context = {} if service is None else {"acs:Service": (service,)}
        request = Request("ram:PassRole", role, context)
        return evaluate_identity(request, [Source("p", "custom policy", document)]).outcome

    role = f"acs:ram::1:role/{passed}"
    assert outcome(role, "di.dataworks.aliyuncs.com") is ALLOW
    assert outcome(role, "ecs.aliyuncs.com") is IMPLICIT
    assert outcome(role, None) is IMPLICIT
    assert outcome(role + "2", "di.dataworks.aliyuncs.com") is IMPLICIT
    assert outcome(role.replace("::1:", "::2:"), "di.dataworks.aliyuncs.com") is IMPLICIT


def test_an_unknown_deny_makes_an_allow_unknown() -> None:
    unsure = statement("Deny", condition=SECURE)
    decision = ask(statement("Allow"), unsure, unknown=UNKNOWN_KEY)
    assert decision.outcome is UNKNOWN
    assert not decision.allowed
    assert decision.statement is not None
    assert decision.statement.effect.value == "Deny"
    assert "depends on its condition Bool acs:SecureTransport [true], which is unknown" in decision.reason


def test_an_unknown_deny_without_an_allow_is_still_an_implicit_denial() -> None:
    assert ask(statement("Deny", condition=SECURE), unknown=UNKNOWN_KEY).outcome is IMPLICIT


def test_an_unknown_allow_is_unknown_unless_something_sure_decides() -> None:
    unsure = statement("Allow", condition=SECURE)
    assert ask(unsure, unknown=UNKNOWN_KEY).outcome is UNKNOWN
    assert ask(unsure, statement("Allow"), unknown=UNKNOWN_KEY).outcome is ALLOW
    assert ask(unsure, statement("Deny"), unknown=UNKNOWN_KEY).outcome is EXPLICIT
    assert ask(unsure, statement("Deny", condition=SECURE), unknown=UNKNOWN_KEY).outcome is UNKNOWN


def test_a_condition_value_that_cannot_be_read_in_a_deny_is_never_passed_over() -> None:
    broken = statement("Deny", condition={"IpAddress": {"acs:SourceIp": "10.0.0.0/99"}})
    assert ask(statement("Allow"), broken, acs_SourceIp="10.0.0.1").outcome is UNKNOWN


def test_the_rule_for_missing_keys_can_be_set() -> None:
    conditioned = statement("Allow", condition=SECURE)
    assert ask(conditioned).outcome is IMPLICIT
    assert ask(conditioned, missing_key=Truth.UNKNOWN).outcome is UNKNOWN
    assert ask(conditioned, missing_key=Truth.TRUE).outcome is ALLOW


A = policy(statement("Allow"), name="a")
NOTHING = policy(statement("Allow", "log:*"), name="nothing")
D = policy(statement("Deny"), name="d")
U = policy(statement("Allow", condition=SECURE), name="u")


@pytest.mark.parametrize(
    ("identity", "session", "expected"),
    [
        (A, None, ALLOW),
        (NOTHING, None, IMPLICIT),
        (A, A, ALLOW),
        (A, NOTHING, IMPLICIT),
        (NOTHING, A, IMPLICIT),
        (NOTHING, NOTHING, IMPLICIT),
        (A, D, EXPLICIT),
        (D, A, EXPLICIT),
        (NOTHING, D, EXPLICIT),
        (D, NOTHING, EXPLICIT),
        (A, U, UNKNOWN),
        (U, A, UNKNOWN),
        (U, U, UNKNOWN),
        (U, NOTHING, IMPLICIT),
        (NOTHING, U, IMPLICIT),
        (U, D, EXPLICIT),
    ],
)
def test_a_session_policy_narrows_and_never_widens(
    identity: Source, session: Source | None, expected: Outcome
) -> None:
    request = Request("oss:GetObject", OBJECT, unknown_keys=UNKNOWN_KEY)
    assert evaluate_session(request, [identity], session).outcome is expected


def test_a_session_policy_that_lacks_an_allow_is_named() -> None:
    decision = evaluate_session(Request("oss:GetObject", OBJECT), [A], NOTHING)
    assert (decision.source, decision.statement) == (NOTHING, None)
    assert decision.reason.startswith("the session policy narrows: no statement allows")


def test_an_allow_of_a_session_names_both_policies() -> None:
    reason = evaluate_session(
        Request("oss:GetObject", OBJECT), [A], policy(statement("Allow"), name="s")
    ).reason
    assert "custom policy a allows" in reason
    assert "custom policy s allows" in reason


DI = "di.dataworks.aliyuncs.com"
USER = Caller("user", "acs:ram::1:user/alice", "1")
ROLE = Caller("role", "acs:ram::1:role/deployer", "1")
SERVICE = Caller("service", DI, "1")
OTHER_ACCOUNTS_SERVICE = Caller("service", DI, "1", "2")
PROVIDER = Caller("federated", "acs:ram::1:oidc-provider/p", "1")


def trusts(caller: Caller, *statements: dict[str, Any], **fields: Any) -> Outcome:
    document = parse_policy({"Version": "1", "Statement": list(statements)}, PolicyKind.TRUST)
    return evaluate_trust(document, caller, {}, **fields).outcome


def trusted(kind: str, *values: str, effect: str = "Allow", **fields: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": "sts:AssumeRole", "Principal": {kind: list(values)}, **fields}


@pytest.mark.parametrize(
    ("kind", "value", "covered"),
    [
        ("RAM", "acs:ram::1:root", (USER, ROLE)),
        ("RAM", "acs:ram::2:root", ()),
        ("RAM", "acs:ram::1:user/alice", (USER,)),
        ("RAM", "acs:ram::1:user/Alice", (USER,)),
        ("RAM", "acs:ram::2:user/alice", ()),
        ("RAM", "acs:ram::1:role/alice", ()),
        ("RAM", "acs:ram::1:role/Deployer", (ROLE,)),
        ("RAM", "acs:ram::1:role/deployer2", ()),
        ("Service", DI, (SERVICE,)),
        ("Service", DI.upper(), ()),
        ("Service", "dataworks.aliyuncs.com", ()),
        ("Service", f"2@{DI}", (OTHER_ACCOUNTS_SERVICE,)),
        ("Service", f"3@{DI}", ()),
        ("Federated", "acs:ram::1:oidc-provider/p", (PROVIDER,)),
        ("Federated", "acs:ram::1:oidc-provider/q", ()),
    ],
)
def test_a_principal_covers_exactly_its_callers(kind: str, value: str, covered: tuple[Caller, ...]) -> None:
    callers = (
        USER,
        ROLE,
        SERVICE,
        OTHER_ACCOUNTS_SERVICE,
        PROVIDER,
        Caller("account", "acs:ram::1:root", "1"),
    )
    allowed = tuple(one for one in callers if trusts(one, trusted(kind, value)) is ALLOW)
    assert allowed == covered


def test_a_deny_in_a_trust_policy_denies() -> None:
    allow = trusted("RAM", "acs:ram::1:root")
    deny = trusted("RAM", "acs:ram::1:user/alice", effect="Deny")
    assert trusts(USER, allow, deny) is EXPLICIT
    assert trusts(USER, deny, allow) is EXPLICIT
    assert trusts(ROLE, allow, deny) is ALLOW


def test_a_trust_statement_about_another_action_trusts_nobody() -> None:
    assert trusts(USER, trusted("RAM", "acs:ram::1:root", Action="sts:SetSourceIdentity")) is IMPLICIT
    both = trusted("RAM", "acs:ram::1:root", Action=["sts:SetSourceIdentity", "STS:assumerole"])
    assert trusts(USER, both) is ALLOW


def test_conditions_of_a_trust_policy_count() -> None:
    conditioned = trusted("RAM", "acs:ram::1:root", Condition={"Bool": {"acs:MFAPresent": "true"}})
    assert trusts(USER, conditioned) is IMPLICIT
    assert trusts(USER, conditioned, unknown_keys=frozenset({"acs:MFAPresent"})) is UNKNOWN
    assert trusts(USER, conditioned, missing_key=Truth.TRUE) is ALLOW
    document = parse_policy({"Version": "1", "Statement": [conditioned]}, PolicyKind.TRUST)
    assert evaluate_trust(document, USER, {"acs:MFAPresent": ("true",)}).allowed
    assert not evaluate_trust(document, USER, {"acs:MFAPresent": ("false",)}).allowed


def test_replacing_the_trust_policy_by_a_service_shuts_the_account_out() -> None:
    document = trust_policy(DI)
    assert evaluate_trust(document, SERVICE, {}).allowed
    decision = evaluate_trust(document, USER, {})
    assert decision.outcome is IMPLICIT
    assert decision.reason == (
        "no statement allows sts:AssumeRole to user acs:ram::1:user/alice; "
        "statement 1 of trust policy of the role allows the action, but for other principals"
    )


def test_a_trust_refusal_says_for_which_account_a_service_acts() -> None:
    reason = evaluate_trust(trust_policy(DI), OTHER_ACCOUNTS_SERVICE, {}).reason
    assert f"service {DI} acting for account 2" in reason

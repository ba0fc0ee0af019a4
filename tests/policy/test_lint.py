"""What the linter finds: each rule where it holds, and where it just does not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from policy import (
    Finding,
    PolicyKind,
    Severity,
    broad_pass_role_policy,
    lint_identity,
    lint_pass_role,
    lint_trust,
    parse_policy,
    pass_role_policy,
    trust_policy,
)

SERVICE = "di.dataworks.aliyuncs.com"
SERVICES = frozenset({"oss.aliyuncs.com", SERVICE})
KNOWN = frozenset({"oss:GetObject", "oss:PutObject", "oss:ListObjects", "oss:PutBucket", "oss:DeleteBucket"})
BUCKET = "acs:oss:*:*:b/*"
ROLE = "acs:ram::1:role/app"
ONLY_DI = {"StringEquals": {"acs:Service": SERVICE}}


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "1", "Statement": list(statements)}


def allow(
    action: Any, resource: Any = BUCKET, condition: Any = None, effect: str = "Allow"
) -> dict[str, Any]:
    written = {"Effect": effect, "Action": action, "Resource": resource}
    return written | ({"Condition": condition} if condition else {})


def deny(action: Any, resource: Any = BUCKET, condition: Any = None) -> dict[str, Any]:
    return allow(action, resource, condition, "Deny")


def trust(principal: Any, effect: str = "Allow", condition: Any = None) -> dict[str, Any]:
    written = {"Effect": effect, "Action": "sts:AssumeRole", "Principal": principal}
    return written | ({"Condition": condition} if condition else {})


def identity(*statements: dict[str, Any], limit: int = 6144) -> tuple[Finding, ...]:
    return lint_identity(
        document(*statements),
        name="Access",
        known_actions=KNOWN,
        destructive_actions=frozenset({"oss:PutBucket", "oss:DeleteBucket"}),
        limit=limit,
    )


def of_trust(*statements: dict[str, Any]) -> tuple[Finding, ...]:
    return lint_trust(document(*statements), account_id="1", name="app", expected_service=SERVICE)


def pass_role(*statements: dict[str, Any]) -> tuple[Finding, ...]:
    return lint_pass_role(document(*statements), name="appAllowUse", expected_services=SERVICES)


def found(findings: tuple[Finding, ...]) -> list[tuple[str, str]]:
    return [(one.code, one.location) for one in findings]


def codes(findings: tuple[Finding, ...]) -> list[str]:
    return [one.code for one in findings]


# --- Any document -------------------------------------------------------------------------------------------


def test_a_least_privilege_policy_has_no_findings() -> None:
    assert (
        identity(allow(["oss:GetObject", "oss:PutObject"]), allow("oss:ListObjects", "acs:oss:*:*:b")) == ()
    )


def test_a_document_is_linted_as_text_as_json_value_and_parsed() -> None:
    written = document(allow("oss:*"))
    parsed = parse_policy(written, PolicyKind.IDENTITY)
    each = [lint_identity(one, name="p", limit=6144) for one in (json.dumps(written), written, parsed)]
    assert [codes(one) for one in each] == [["RAM302"]] * 3
    assert [one[0].location for one in each] == [
        "Statement[0].Action",
        "Statement[0].Action",
        "Statement[0].Action[0]",
    ]


@pytest.mark.parametrize(
    "broken", ["{", "", "[]", "7", "NaN", [], None, 7, {}, {"Version": "1", "Statement": 3}]
)
def test_a_malformed_document_is_a_finding_of_every_linter(broken: object) -> None:
    for findings in (
        lint_identity(broken, name="p", limit=6144),
        lint_trust(broken, account_id="1", name="p", expected_service=SERVICE),
        lint_pass_role(broken, name="p"),
    ):
        assert "RAM001" in codes(findings)


def test_every_broken_rule_is_found_with_its_place() -> None:
    findings = identity({"Effect": "allow", "Action": "oss", "Resource": BUCKET}, allow("oss:GetObject", "b"))
    assert found(findings) == [
        ("RAM001", "Statement[0].Action"),
        ("RAM001", "Statement[0].Effect"),
        ("RAM001", "Statement[1].Resource"),
    ]
    assert findings[0].message.startswith("policy Access: Statement.Action must be")


def test_a_trust_policy_is_malformed_as_a_permission_policy_even_when_parsed() -> None:
    assert "RAM001" in codes(lint_identity(trust_policy(SERVICE), name="p", limit=6144))


def test_the_size_counts_without_spaces_and_is_found_above_80_percent_and_above_the_limit() -> None:
    written = allow("oss:GetObject", "acs:oss:*:*:b/xx*")
    minified = '{"Version":"1","Statement":[{"Effect":"Allow","Action":["oss:GetObject"],"Resource":["acs:oss:*:*:b/xx*"]}]}'
    characters = len(minified)
    assert characters % 4 == 0  # so that it can be 80 % exactly
    assert codes(identity(written, limit=characters - 1)) == ["RAM002"]
    assert codes(identity(written, limit=characters)) == ["RAM003"]
    assert f"{characters} of {characters} characters" in identity(written, limit=characters)[0].message
    assert codes(identity(written, limit=characters * 5 // 4 - 1)) == ["RAM003"]
    assert codes(identity(written, limit=characters * 5 // 4)) == []


def test_a_duplicate_statement_is_found_in_another_spelling_and_order() -> None:
    first = allow(["oss:GetObject", "oss:PutObject"])
    assert found(identity(first, allow(["OSS:putobject", "oss:GetObject"], [BUCKET]))) == [
        ("RAM004", "Statement[1]")
    ]
    assert identity(first, allow(["oss:GetObject", "oss:PutObject"], "acs:oss:*:*:b/x")) == ()


@pytest.mark.parametrize(
    "condition",
    [
        {"StringEquals": {"acs:Service": "a"}, "StringNotEquals": {"acs:Service": ["b", "a"]}},
        {"StringEquals": {"acs:Service": ["a", "b"]}, "StringLike": {"acs:Service": "c*"}},
        {"StringEquals": {"acs:Service": "a"}, "StringEqualsIgnoreCase": {"acs:Service": "B"}},
        {"StringEquals": {"my:Own": "a"}, "StringNotLike": {"my:Own": "*"}},
    ],
)
def test_contradictory_conditions_never_match(condition: Any) -> None:
    findings = identity(allow("oss:GetObject", condition=condition))
    key = next(iter(condition["StringEquals"]))
    assert found(findings) == [("RAM005", f"Statement[0].Condition.StringEquals.{key}")]


@pytest.mark.parametrize(
    "condition",
    [
        {"StringEquals": {"acs:Service": ["a", "b"]}, "StringNotEquals": {"acs:Service": "a"}},
        {"StringEquals": {"acs:Service": "a"}, "StringLike": {"acs:Service": "?"}},
        {"StringEquals": {"acs:Service": "a"}, "StringNotEquals": {"acs:SourceVpc": "a"}},
        # A request may carry two values of a key that nobody documents.
        {"StringEquals": {"my:Own": "a"}, "StringLike": {"my:Own": "b"}},
    ],
)
def test_conditions_that_can_hold_together_are_no_finding(condition: Any) -> None:
    assert identity(allow("oss:GetObject", condition=condition)) == ()


@pytest.mark.parametrize(
    ("key", "fix"),
    [
        ("acs:service", "Write acs:Service."),
        ("acs:Sourceip", "Write acs:SourceIp."),
        ("oss:prefix", "Write oss:Prefix."),
        ("acs:resourcetag/team", "Write acs:ResourceTag/team."),
        ("acs:Nothing", "Use a documented key, in its documented spelling."),
        ("Service", "Use a documented key, in its documented spelling."),
    ],
)
def test_an_unknown_condition_key_is_found_with_its_documented_spelling(key: str, fix: str) -> None:
    (one,) = identity(allow("oss:GetObject", condition={"StringLike": {key: "a"}}))
    assert (one.code, one.location, one.fix) == ("RAM006", f"Statement[0].Condition.StringLike.{key}", fix)


@pytest.mark.parametrize("key", ["acs:MFAPresent", "acs:ResourceTag/team", "oss:Prefix", "oss:x-oss-acl"])
def test_a_documented_key_and_an_unlisted_key_of_a_product_are_no_finding(key: str) -> None:
    assert identity(allow("oss:GetObject", condition={"StringEquals": {key: "a"}})) == ()


PREFIX = {"StringEquals": {"oss:Prefix": "a"}}


@pytest.mark.parametrize(
    "denies",
    [
        [deny("oss:*", "*")],
        [deny("OSS:getobject"), deny("oss:Put*", "acs:oss:*:*:*")],
        [deny("*", "*", PREFIX)],
    ],
)
def test_an_allow_that_denies_undo_altogether_is_found(denies: list[dict[str, Any]]) -> None:
    findings = identity(allow(["oss:GetObject", "oss:PutObject"], condition=PREFIX), *denies)
    assert found(findings) == [("RAM007", "Statement[0]")]


@pytest.mark.parametrize(
    "denies",
    [
        [deny("oss:GetObject")],
        [deny("oss:*", "acs:oss:*:*:b/x")],
        [deny("oss:*", "*", {"Bool": {"acs:SecureTransport": "false"}})],
        [{"Effect": "Deny", "NotAction": "log:Get*", "Resource": "*"}],
    ],
)
def test_an_allow_of_which_something_may_be_left_is_no_finding(denies: list[dict[str, Any]]) -> None:
    assert "RAM007" not in codes(identity(allow(["oss:GetObject", "oss:PutObject"]), *denies))


def test_allow_with_not_action_is_found_and_deny_with_not_action_is_not() -> None:
    statement = {"Effect": "Allow", "NotAction": "ram:*", "Resource": "*"}
    assert ("RAM307", "Statement[0].NotAction") in found(identity(statement))
    assert "RAM307" not in codes(identity(statement | {"Effect": "Deny"}))


# --- Permissions --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "code"),
    [
        ("*", "RAM301"),
        ("*:*", "RAM301"),
        ("oss:*", "RAM302"),
        ("oss:Get*", "RAM303"),
        ("oss:?utObject", "RAM303"),
        ("*:GetObject", "RAM303"),
    ],
)
def test_wildcard_actions_are_found_by_their_breadth(action: str, code: str) -> None:
    assert found(identity(allow([action])))[0] == (code, "Statement[0].Action[0]")
    assert codes(identity(deny([action]))) == []


@pytest.mark.parametrize("resource", ["*", "acs:oss:*:*:*"])
@pytest.mark.parametrize("action", ["oss:PutObject", "ram:PassRole", "oss:P*", "*"])
def test_writing_actions_on_every_resource_are_found(resource: str, action: str) -> None:
    assert ("RAM304", "Statement[0].Resource") in found(identity(allow(action, resource)))


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("oss:GetObject", "*"),
        ("oss:LISTOBJECTS", "*"),
        ("oss:Get*", "*"),
        ("oss:PutObject", "acs:oss:*:*:b*"),
    ],
)
def test_reading_everything_and_writing_something_are_not_writing_everything(
    action: str, resource: str
) -> None:
    assert "RAM304" not in codes(identity(allow(action, resource)))


def test_a_destructive_action_is_found_by_name_and_by_pattern() -> None:
    (by_name,) = identity(allow("oss:putbucket"))
    assert (by_name.code, by_name.severity) == ("RAM305", Severity.MEDIUM)
    by_pattern = [one for one in identity(allow("oss:Delete*")) if one.code == "RAM305"]
    assert [one.message for one in by_pattern] == [
        "policy Access: 'oss:Delete*' is allowed, which covers 'oss:DeleteBucket'"
    ]
    assert codes(identity(deny("oss:PutBucket"))) == []
    # Not once more what the breadth of the action says already.
    assert codes(identity(allow("oss:*"))) == ["RAM302"]
    assert codes(identity(allow("*"))) == ["RAM301"]


@pytest.mark.parametrize("action", ["oss:GetObjectMetadata", "oss:GetObjectMeta", "oss:Fetch*"])
def test_an_action_that_the_product_does_not_have_is_found(action: str) -> None:
    assert "RAM306" in codes(identity(allow(action)))
    assert codes(identity(deny(action))) == ["RAM306"]


def test_an_unknown_action_is_found_with_the_nearest_known_one() -> None:
    (one,) = identity(allow("oss:GetObjectMetadata"))
    assert one.message.endswith("'oss:GetObjectMetadata'; the nearest one is oss:GetObject")


def test_actions_are_not_judged_for_other_products_or_without_a_list() -> None:
    assert identity(allow("log:Anything", "acs:log:*:*:project/p")) == ()
    assert lint_identity(document(allow("oss:Anything")), name="p", limit=6144) == ()


# --- Trust --------------------------------------------------------------------------------------------------


def test_the_trust_policy_of_the_vendor_has_no_findings() -> None:
    assert of_trust(trust({"Service": [SERVICE]})) == ()


@pytest.mark.parametrize(
    ("service", "how"),
    [
        ("dataworks.aliyuncs.com", "another service of the same product"),
        ("openplatform.dataworks.aliyuncs.com", "another service of the same product"),
        ("DI.dataworks.aliyuncs.com", "differs in case"),
        ("di.datawork.aliyuncs.com", "typing error"),
        ("di.dataworks.aliyun.com", "typing error"),
        ("d\u0456.dataworks.aliyuncs.com", "look-alike letters"),
        ("\uff44i.dataworks.aliyuncs.com", "look-alike letters"),
    ],
)
def test_a_look_alike_service_is_found_and_the_right_one_is_missing(service: str, how: str) -> None:
    findings = of_trust(trust({"Service": service}))
    look_alike = next(one for one in findings if one.code == "RAM102")
    assert look_alike.location == "Statement[0].Principal.Service"
    assert how in look_alike.message
    assert look_alike.message.isascii()
    assert "RAM101" in codes(findings)


def test_another_service_beside_the_expected_one_is_found() -> None:
    findings = of_trust(trust({"Service": [SERVICE, "ecs.aliyuncs.com"]}))
    assert found(findings) == [("RAM103", "Statement[0].Principal.Service[1]")]


def test_a_service_that_is_denied_or_not_named_is_missing() -> None:
    assert codes(of_trust(trust({"Service": SERVICE}), trust({"Service": SERVICE}, "Deny"))) == [
        "RAM007",
        "RAM101",
    ]
    assert codes(of_trust(trust({"Service": SERVICE}, "Deny"))) == ["RAM101"]
    assert codes(of_trust(trust({"RAM": "acs:ram::1:user/bob"}))) == ["RAM101"]


def test_a_service_trusted_for_another_action_only_is_missing() -> None:
    other = trust({"Service": [SERVICE, "ecs.aliyuncs.com"]}) | {"Action": "sts:SetSourceIdentity"}
    assert codes(of_trust(other)) == ["RAM101"]


def test_a_service_trusted_under_a_condition_is_found() -> None:
    condition = {"IpAddress": {"acs:SourceIp": "10.0.0.0/8"}}
    assert codes(of_trust(trust({"Service": SERVICE}, condition=condition))) == ["RAM108"]
    assert (
        codes(of_trust(trust({"Service": SERVICE}), trust({"Service": SERVICE}, condition=condition))) == []
    )


@pytest.mark.parametrize(
    ("principal", "expected"),
    [
        ({"RAM": "acs:ram::2:root"}, ["RAM104"]),
        ({"RAM": "acs:ram::2:user/eve"}, ["RAM104"]),
        ({"Federated": "acs:ram::2:saml-provider/idp"}, ["RAM104"]),
        ({"Service": f"2@{SERVICE}"}, ["RAM105"]),
        ({"Service": "2@dataworks.aliyuncs.com"}, ["RAM102", "RAM105"]),
        ({"RAM": "acs:ram::1:root"}, ["RAM107"]),
        ({"RAM": "acs:ram::1:role/other"}, []),
        ({"Service": f"1@{SERVICE}"}, []),
    ],
)
def test_whom_else_the_trust_is_open_to(principal: Any, expected: list[str]) -> None:
    assert sorted(codes(of_trust(trust({"Service": SERVICE}), trust(principal)))) == expected
    assert of_trust(trust({"Service": SERVICE}), trust(principal, "Deny")) == ()


@pytest.mark.parametrize("principal", ["*", {"RAM": "*"}, {"RAM": ["acs:ram::*:root"]}, {"Service": "*"}])
def test_trust_open_to_everyone_is_found_although_the_grammar_has_no_such_principal(principal: Any) -> None:
    assert {"RAM001", "RAM106"} <= set(codes(of_trust(trust(principal))))


def test_the_own_account_acting_through_the_service_is_the_service() -> None:
    assert of_trust(trust({"Service": f"1@{SERVICE}"})) == ()


# --- PassRole -----------------------------------------------------------------------------------------------


def test_template_2_has_no_findings() -> None:
    assert (
        lint_pass_role(pass_role_policy([ROLE], sorted(SERVICES)), name="p", expected_services=SERVICES) == ()
    )


def test_template_1_is_found() -> None:
    findings = lint_pass_role(broad_pass_role_policy([SERVICE]), name="p", expected_services=SERVICES)
    assert found(findings) == [("RAM201", "Statement[0].Resource[0]")]


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        ("*", ["RAM201"]),
        ("acs:ram::1:*", ["RAM201"]),
        ("acs:ram:*:1:role/*", ["RAM201"]),
        ("acs:ram::1:role/DataWorks-*", ["RAM202"]),
        ("acs:ram:*:*:role/app", []),
    ],
)
def test_pass_role_on_every_role_and_on_a_pattern(resource: str, expected: list[str]) -> None:
    assert codes(pass_role(allow("ram:PassRole", resource, ONLY_DI))) == expected


@pytest.mark.parametrize(
    "condition",
    [
        None,
        {"StringLike": {"acs:Service": "*"}},
        {"StringNotEquals": {"acs:Service": "ecs.aliyuncs.com"}},
        {"IpAddress": {"acs:SourceIp": "10.0.0.0/8"}},
    ],
)
def test_pass_role_to_any_service_is_found(condition: Any) -> None:
    assert codes(pass_role(allow("ram:PassRole", ROLE, condition))) == ["RAM203"]


def test_pass_role_to_additional_services_is_found() -> None:
    named = {"StringEquals": {"acs:Service": [SERVICE, "ecs.aliyuncs.com"]}}
    (one,) = pass_role(allow("ram:PassRole", ROLE, named))
    assert (one.code, one.location) == ("RAM204", "Statement[0].Condition.StringEquals.acs:Service")
    assert "'ecs.aliyuncs.com'" in one.message
    assert SERVICE not in one.message
    assert codes(
        pass_role(allow("ram:PassRole", ROLE, {"StringLike": {"acs:Service": "*.aliyuncs.com"}}))
    ) == ["RAM204"]


def test_without_expected_services_only_patterns_of_services_are_found() -> None:
    def lint(condition: Any) -> list[str]:
        return codes(lint_pass_role(document(allow("ram:PassRole", ROLE, condition)), name="p"))

    assert lint({"StringEquals": {"acs:Service": "ecs.aliyuncs.com"}}) == []
    assert lint({"StringLike": {"acs:Service": "*.aliyuncs.com"}}) == ["RAM204"]


def test_pass_role_by_a_wildcard_action_is_judged_as_pass_role() -> None:
    assert codes(pass_role(allow("ram:*", "*"))) == ["RAM203", "RAM302", "RAM201"]


@pytest.mark.parametrize(
    "statement",
    [
        allow("oss:GetObject"),
        allow("ram:PassRole", BUCKET, ONLY_DI),
        deny("ram:PassRole", ROLE),
        {"Effect": "Allow", "NotAction": "ram:*", "Resource": "*"},
    ],
)
def test_a_pass_role_policy_without_pass_role_on_a_role_is_found(statement: dict[str, Any]) -> None:
    assert ("RAM205", "document") in found(pass_role(statement))

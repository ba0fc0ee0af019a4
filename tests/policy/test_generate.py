"""Documents that the pipeline writes."""

from __future__ import annotations

import pytest

from policy import (
    Condition,
    Effect,
    Grant,
    PolicyDocument,
    PolicyKind,
    PolicySyntaxError,
    Statement,
    broad_pass_role_policy,
    check_policy,
    equivalent,
    parse_policy,
    pass_role_policy,
    policy_for,
    subtract,
    to_dict,
    trust_policy,
    union,
)

SERVICES = ("oss.aliyuncs.com", "di.dataworks.aliyuncs.com")


def allow(*actions: str, effect: Effect = Effect.ALLOW) -> PolicyDocument:
    return PolicyDocument("1", tuple(Statement(effect, (one,), resources=("*",)) for one in actions))


def test_trust_policy_is_the_vendors() -> None:
    vendors = """{"Statement": [{"Action": "sts:AssumeRole", "Effect": "Allow",
        "Principal": {"Service": ["di.dataworks.aliyuncs.com"]}}], "Version": "1"}"""
    assert equivalent(trust_policy("di.dataworks.aliyuncs.com"), parse_policy(vendors, PolicyKind.TRUST))


def test_pass_role_policy_is_the_vendors_template_2() -> None:
    vendors = """{"Version": "1", "Statement": [{"Action": "ram:PassRole",
        "Resource": "acs:ram::1:role/BigDataOssRole", "Effect": "Allow",
        "Condition": {"StringEquals": {"acs:Service": ["oss.aliyuncs.com", "di.dataworks.aliyuncs.com"]}}}]}"""
    written = pass_role_policy(["acs:ram::1:role/BigDataOssRole"], SERVICES)
    assert equivalent(written, parse_policy(vendors, PolicyKind.IDENTITY))


def test_pass_role_policy_covers_several_roles_in_one_statement() -> None:
    (statement,) = pass_role_policy(
        ["acs:ram::1:role/b", "acs:ram::1:role/a", "acs:ram::1:role/b"], SERVICES
    ).statements
    assert statement.resources == ("acs:ram::1:role/a", "acs:ram::1:role/b")


def test_broad_pass_role_policy_is_the_vendors_template_1() -> None:
    (statement,) = broad_pass_role_policy(SERVICES).statements
    assert statement.resources == ("*",)
    assert statement.conditions == (Condition("StringEquals", "acs:Service", tuple(sorted(SERVICES))),)


@pytest.mark.parametrize(("roles", "services"), [((), SERVICES), (("acs:ram::1:role/a",), ())])
def test_pass_role_policy_needs_a_role_and_a_service(
    roles: tuple[str, ...], services: tuple[str, ...]
) -> None:
    with pytest.raises(PolicySyntaxError):
        pass_role_policy(roles, services)


def test_grants_of_equal_resources_and_conditions_share_a_statement_in_any_order() -> None:
    bucket, objects = "acs:oss:*:*:b", "acs:oss:*:*:b/*"
    prefix = (Condition("StringLike", "oss:Prefix", ("b/*", "a/*")),)
    same_prefix = (Condition("StringLike", "oss:Prefix", ("a/*", "b/*")),)
    grants = [
        Grant(("oss:PutObject",), (objects, bucket)),
        Grant(("oss:ListObjects",), (bucket,), prefix),
        Grant(("oss:GetObject", "oss:PutObject"), (bucket, objects)),
        Grant(("oss:GetBucketInfo",), (bucket,), same_prefix),
        Grant(("oss:GetBucketAcl",), (bucket,)),
    ]
    written = policy_for(grants)
    assert written == policy_for(grants[::-1])
    assert {(one.actions, one.resources, bool(one.conditions)) for one in written.statements} == {
        (("oss:GetObject", "oss:PutObject"), (bucket, objects), False),
        (("oss:GetBucketInfo", "oss:ListObjects"), (bucket,), True),
        (("oss:GetBucketAcl",), (bucket,), False),
    }
    assert check_policy(to_dict(written), PolicyKind.IDENTITY) == ()


@pytest.mark.parametrize("bad", [Grant((), ("*",)), Grant(("oss:GetObject",), ())])
def test_a_grant_without_actions_or_resources_is_refused_even_if_it_would_merge(bad: Grant) -> None:
    with pytest.raises(PolicySyntaxError):
        policy_for([Grant(("oss:GetObject",), ("*",)), bad])
    with pytest.raises(PolicySyntaxError):
        policy_for([])


def test_union_has_statements_of_equal_meaning_once() -> None:
    both = union(allow("oss:GetObject", "log:*"), allow("OSS:getobject", "ots:*"))
    assert len(both.statements) == 3
    assert union(both, both) == both
    assert union(allow("a:b"), allow("c:d")) == union(allow("c:d"), allow("a:b"))


def test_union_of_a_trust_policy_and_an_identity_policy_is_refused() -> None:
    with pytest.raises(PolicySyntaxError):
        union(trust_policy("di.dataworks.aliyuncs.com"), allow("oss:GetObject"))


def test_subtract_takes_out_what_the_other_contributes() -> None:
    a, b = allow("oss:GetObject"), allow("log:*", "ots:*")
    left = subtract(union(a, b), b)
    assert left is not None
    assert equivalent(left, a)
    assert subtract(union(a, b), allow("OSS:GETOBJECT")) == b
    assert subtract(a, a) is None


def test_subtract_leaves_every_deny() -> None:
    deny = allow("oss:DeleteObject", effect=Effect.DENY)
    assert subtract(union(allow("oss:*"), deny), union(allow("oss:*"), deny)) == deny

"""The JSON documents of the vendor's page on RAM role-based authorization, reproduced by meaning.

Source: DataWorks, "Use the RAM role-based authorization mode to add a data source", steps 1 and 2.
"""

from __future__ import annotations

import pytest

from config.load import parse_spec
from config.names import SERVICE_PRINCIPAL, pass_role_policy_name
from config.spec import DataSourceSpec
from policy import (
    Condition,
    Grant,
    PolicyDocument,
    PolicyKind,
    broad_pass_role_policy,
    equivalent,
    lint_identity,
    lint_pass_role,
    lint_trust,
    parse_policy,
    pass_role_policy,
    policy_for,
    trust_policy,
)
from tests.config.specs import example, writing

TRUST = """{
  "Statement": [
    {"Action": "sts:AssumeRole", "Effect": "Allow", "Principal": {"Service": ["di.dataworks.aliyuncs.com"]}}
  ],
  "Version": "1"
}"""
TEMPLATE_1 = """{
  "Version": "1",
  "Statement": [
    {
      "Action": "ram:PassRole",
      "Resource": "*",
      "Effect": "Allow",
      "Condition": {"StringEquals": {"acs:Service": "di.dataworks.aliyuncs.com"}}
    }
  ]
}"""
TEMPLATE_2 = """{
  "Version": "1",
  "Statement": [
    {
      "Action": "ram:PassRole",
      "Resource": ["acs:ram::1:role/BigDataOssRole"],
      "Effect": "Allow",
      "Condition": {"StringEquals": {"acs:Service": ["oss.aliyuncs.com", "di.dataworks.aliyuncs.com"]}}
    }
  ]
}"""
READ = [
    *("oss:GetObject", "oss:ListObjects", "oss:GetObjectMetadata", "oss:GetObjectMeta"),
    *("oss:GetBucketAcl", "oss:GetBucketInfo"),
]
WRITE = ["oss:PutObject", "oss:DeleteObject", "oss:PutBucket"]
RESOURCES = ["acs:oss:*:*:shop-orders", "acs:oss:*:*:shop-orders/*"]


def oss_policy(actions: list[str]) -> PolicyDocument:
    statement = {"Effect": "Allow", "Action": actions, "Resource": RESOURCES}
    return parse_policy({"Version": "1", "Statement": [statement]}, PolicyKind.IDENTITY)


def spec_for(access: str, permissions: str = "vendor") -> DataSourceSpec:
    spec = example if access == "read" else writing
    return parse_spec(spec(access=access, permissions=permissions))


def generated(spec: DataSourceSpec) -> PolicyDocument:
    return policy_for(
        [
            Grant((one.action,), one.resources, tuple(Condition(*each) for each in one.conditions))
            for one in spec.required_permissions()
        ]
    )


def test_the_trust_policy_of_step_1() -> None:
    assert equivalent(trust_policy(SERVICE_PRINCIPAL), parse_policy(TRUST, PolicyKind.TRUST))
    assert lint_trust(TRUST, account_id="1", name="BigDataOssRole", expected_service=SERVICE_PRINCIPAL) == ()


def test_template_1_of_step_2_is_reproduced_and_found() -> None:
    written = broad_pass_role_policy([SERVICE_PRINCIPAL])
    assert equivalent(written, parse_policy(TEMPLATE_1, PolicyKind.IDENTITY))
    assert [one.code for one in lint_pass_role(TEMPLATE_1, name="AllowUse")] == ["RAM201"]


def test_template_2_of_step_2_names_the_role_and_both_services() -> None:
    services = spec_for("read").source_type.pass_role_services(SERVICE_PRINCIPAL)
    assert services == ("oss.aliyuncs.com", "di.dataworks.aliyuncs.com")
    written = pass_role_policy(["acs:ram::1:role/BigDataOssRole"], services)
    assert equivalent(written, parse_policy(TEMPLATE_2, PolicyKind.IDENTITY))
    assert pass_role_policy_name("BigDataOssRole") == "BigDataOssRoleAllowUse"
    assert lint_pass_role(TEMPLATE_2, name="AllowUse", expected_services=frozenset(services)) == ()


@pytest.mark.parametrize(
    ("access", "actions"), [("read", READ), ("write", [*READ, *WRITE]), ("read_write", [*READ, *WRITE])]
)
def test_the_permission_list_of_oss_on_the_bucket_and_its_objects(access: str, actions: list[str]) -> None:
    assert equivalent(generated(spec_for(access)), oss_policy(actions))


def test_the_permission_list_of_oss_has_three_findings_and_the_minimal_one_none() -> None:
    spec = spec_for("read_write")
    oss = spec.source_type
    found = [
        (one.code, one.message)
        for one in lint_identity(
            oss_policy([*READ, *WRITE]),
            name="vendor",
            known_actions=oss.known_actions,
            destructive_actions=oss.destructive_actions,
            limit=6144,
        )
    ]
    assert sorted((code, message.split("'")[1]) for code, message in found) == [
        ("RAM305", "oss:PutBucket"),
        ("RAM306", "oss:GetObjectMeta"),
        ("RAM306", "oss:GetObjectMetadata"),
    ]
    for access in ("read", "write", "read_write"):
        minimal = generated(spec_for(access, "minimal"))
        assert (
            lint_identity(
                minimal,
                name="minimal",
                known_actions=oss.known_actions,
                destructive_actions=oss.destructive_actions,
                limit=6144,
            )
            == ()
        )

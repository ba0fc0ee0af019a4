"""Quotas and request rates."""

from __future__ import annotations

import pytest

from config import limits
from config.limits import Edition, RateLimit, daily_calls, rate_group, rate_limit

SHARED = [Edition.BASIC, Edition.STANDARD, Edition.PROFESSIONAL]
SPLIT = [Edition.ENTERPRISE, Edition.ULTIMATE]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ROLE_NAME_CHARACTERS", 64),
        ("POLICY_NAME_CHARACTERS", 128),
        ("USER_NAME_CHARACTERS", 64),
        ("GROUP_NAME_CHARACTERS", 64),
        ("DATA_SOURCE_NAME_CHARACTERS", 255),
        ("DESCRIPTION_CHARACTERS", 80),
        ("POLICY_DOCUMENT_CHARACTERS", 6144),
        ("SESSION_POLICY_CHARACTERS", 2048),
        ("RUN_NAME_CHARACTERS", 128),
        ("POLICY_VERSIONS", 5),
        ("CUSTOM_POLICIES_PER_ENTITY", 10),
        ("SYSTEM_POLICIES_PER_ENTITY", 20),
        ("ROLES_PER_ACCOUNT", 1000),
        ("POLICIES_PER_ACCOUNT", 1500),
        ("TAGS_PER_RESOURCE", 20),
    ],
)
def test_quota_is_the_published_one(name: str, value: int) -> None:
    assert getattr(limits, name) == value


@pytest.mark.parametrize(
    ("product", "action", "calls"),
    [
        ("ram", "AttachPolicyToRole", 10),
        ("ram", "DetachPolicyFromUser", 10),
        ("ram", "CreateRole", 20),
        ("ram", "CreatePolicyVersion", 20),
        ("ram", "GetRole", 100),
        ("ram", "ListEntitiesForPolicy", 100),
        ("sts", "AssumeRole", 100),
        ("sts", "GetCallerIdentity", 100),
    ],
)
@pytest.mark.parametrize("edition", list(Edition))
def test_ram_and_sts_count_each_action_alone_whatever_the_edition(
    product: str, action: str, calls: int, edition: Edition
) -> None:
    assert rate_limit(product, action, edition) == RateLimit(calls, 1.0)
    assert rate_group(product, action, edition) == f"{product}:{action}"


@pytest.mark.parametrize("edition", SHARED)
def test_dataworks_counts_all_actions_together_up_to_professional(edition: Edition) -> None:
    actions = ("CreateDataSource", "ListDataSources", "TestNetworkConnection")
    assert {rate_group("dataworks", action, edition) for action in actions} == {"dataworks"}
    assert {rate_limit("dataworks", action, edition).per_second for action in actions} == {5.0}


@pytest.mark.parametrize("edition", SPLIT)
def test_dataworks_counts_reads_and_writes_apart_from_enterprise_on(edition: Edition) -> None:
    assert rate_limit("dataworks", "ListDataSources", edition) == RateLimit(50, 1.0)
    assert rate_limit("dataworks", "CreateDataSource", edition) == RateLimit(20, 1.0)
    assert rate_group("dataworks", "ListDataSources", edition) == rate_group("dataworks", "GetFile", edition)
    assert rate_group("dataworks", "GetFile", edition) != rate_group("dataworks", "UpdateFile", edition)


def test_connectivity_test_counts_at_the_lower_rate() -> None:
    assert rate_limit("dataworks", "TestNetworkConnection", Edition.ENTERPRISE).calls == 20


def test_only_the_basic_edition_has_a_daily_allowance() -> None:
    assert daily_calls(Edition.BASIC) == 100
    assert {daily_calls(edition) for edition in Edition if edition is not Edition.BASIC} == {None}


@pytest.mark.parametrize("function", [rate_group, rate_limit])
def test_unknown_product_is_refused(function: object) -> None:
    assert callable(function)
    with pytest.raises(ValueError, match="unknown product 'oss'"):
        function("oss", "GetObject", Edition.BASIC)

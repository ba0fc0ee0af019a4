"""Naming rules and derived names."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config import names

DATA_SOURCES = st.from_regex(r"[A-Za-z][A-Za-z0-9_]{0,254}", fullmatch=True)
# Few letters, so that pairs differ only by case, underscore, length or a look-alike of a checksum.
CLOSE = st.from_regex(r"[aA][aA_]{0,4}(_[0-9a-f]{8})?", fullmatch=True)
LONG = st.from_regex(r"a{40}[ab_]{0,3}", fullmatch=True)
WORKSPACES = st.integers(min_value=1, max_value=10_000_000_000)
CHECKED = settings(max_examples=200, derandomize=True, deadline=None)


@CHECKED
@given(workspace=WORKSPACES, name=DATA_SOURCES)
def test_derived_names_obey_the_vendors_rules(workspace: int, name: str) -> None:
    role = names.role_name(workspace, name)
    assert re.fullmatch(r"[A-Za-z0-9.\-]{1,64}", role)
    assert role.startswith(f"DataWorks-{workspace}-")
    for policy in (names.access_policy_name(role), names.pass_role_policy_name(role)):
        assert re.fullmatch(r"[A-Za-z0-9\-]{1,128}", policy)


@CHECKED
@given(
    first=st.tuples(st.integers(1, 20), DATA_SOURCES | CLOSE | LONG),
    second=st.tuples(st.integers(1, 20), DATA_SOURCES | CLOSE | LONG),
)
def test_two_data_sources_never_derive_one_role_even_without_case(
    first: tuple[int, str], second: tuple[int, str]
) -> None:
    roles = [names.role_name(*source).lower() for source in (first, second)]
    assert (roles[0] == roles[1]) == (first == second)


@CHECKED
@given(workspace=WORKSPACES, name=CLOSE)
def test_a_derived_role_is_no_other_data_sources_role(workspace: int, name: str) -> None:
    start = f"DataWorks-{workspace}-"
    lookalike = names.role_name(workspace, name).removeprefix(start).replace("-", "_")
    if lookalike != name:
        assert names.role_name(workspace, lookalike) != names.role_name(workspace, name)


def test_plain_name_is_kept_readable() -> None:
    assert names.role_name(10001, "oss_orders") == "DataWorks-10001-oss-orders"


def test_upper_case_adds_a_checksum_of_the_original() -> None:
    assert names.role_name(10001, "oss_Orders") == "DataWorks-10001-oss-orders-374edd51"


def test_long_name_is_cut_to_64_characters_with_a_checksum() -> None:
    assert len(names.role_name(10001, "a" * 255)) == 64


def test_policies_are_named_after_the_role_in_the_vendors_way() -> None:
    assert names.access_policy_name("BigDataOssRole") == "BigDataOssRole-Access"
    assert names.pass_role_policy_name("BigDataOssRole") == "BigDataOssRoleAllowUse"


def test_dots_of_a_role_become_hyphens_in_its_policies() -> None:
    assert names.pass_role_policy_name("big.data") == "big-dataAllowUse"


@pytest.mark.parametrize(
    ("check", "name", "rule"),
    [
        (names.check_role_name, "a_b", "no '_'"),
        (names.check_role_name, "a\n", "role name may hold only"),
        (names.check_role_name, "", "1 to 64 characters, this one has 0"),
        (names.check_role_name, "a" * 65, "1 to 64 characters, this one has 65"),
        (names.check_policy_name, "a.b", "letters, digits and '-'"),
        (names.check_policy_name, "a" * 129, "1 to 128"),
        (names.check_user_name, "a b", "user name may hold only"),
        (names.check_group_name, "a/b", "group name may hold only"),
        (names.check_data_source_name, "1a", "start with a letter"),
        (names.check_data_source_name, "_a", "start with a letter"),
        (names.check_data_source_name, "a-b", "letters, digits and '_'"),
        (names.check_data_source_name, "a" * 256, "1 to 255"),
        (names.check_bucket_name, "ab", "3 to 63 characters"),
        (names.check_bucket_name, "Shop", "lower-case"),
        (names.check_bucket_name, "-shop", "no '-' at either end"),
        (names.check_region, "hangzhou", "looks like cn-hangzhou"),
        (names.check_region, "cn-hangzhou.evil.com", "looks like cn-hangzhou"),
        (names.check_resource_group, "S res", "resource group identifier looks like"),
        (names.check_sync_task_name, "a/b", "letters, digits, '_', '-' and '.'"),
        (names.check_sync_task_name, "", "1 to 128"),
        (names.check_folder, "Business Flow/onboarding", "<root>/<workflow>/<layer>"),
        (names.check_folder, "/a/b/c", "<root>/<workflow>/<layer>"),
    ],
)
def test_bad_name_is_refused_with_the_rule(check: object, name: str, rule: str) -> None:
    assert callable(check)
    with pytest.raises(ValueError, match=re.escape(rule)):
        check(name)


def test_valid_names_pass_unchanged() -> None:
    assert names.check_role_name("DataWorks-1.a") == "DataWorks-1.a"
    assert names.check_folder("业务流程/订单/数据集成") == "业务流程/订单/数据集成"
    assert names.check_sync_task_name("订单_sync") == "订单_sync"


def test_derivation_refuses_an_invalid_data_source_name() -> None:
    with pytest.raises(ValueError, match="data source name"):
        names.role_name(1, "a-b")

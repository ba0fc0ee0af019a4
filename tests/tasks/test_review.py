"""Lint of what applying leaves behind: which document is looked at, and what the specification accepts."""

from __future__ import annotations

from typing import Any

import pytest

from cloud.ram import CustomPolicy, Role
from config.spec import DataSourceSpec
from policy import minified
from policy.findings import Severity
from tasks.grant_plan import GrantState, grant_document
from tasks.review import review
from tasks.role import RoleState, access_document
from tests.emulator.sources import TYPES
from tests.emulator.sources import example as example_of
from tests.tasks.onboarding import example, writing_example
from tests.tasks.starting_states import document, trust

ACCOUNT = "1234567890123456"
FRESH = RoleState(None, {}, None, {}, {})
NO_GRANT = GrantState(None, {}, {})
OTHERS = {"managed-by": "dataworks-onboarding", "source:10001:other": "served"}


def _codes(spec: DataSourceSpec, state: RoleState = FRESH, grant: GrantState = NO_GRANT) -> list[str]:
    kept, ignored = review(spec, ACCOUNT, state, grant)
    assert not ignored
    return [one.code for one in kept]


def _policy(text: str) -> CustomPolicy:
    return CustomPolicy("P", text, "v1", 0.0)


def _role(service: str) -> Role:
    return Role("R", "3", f"acs:ram::{ACCOUNT}:role/r", trust(service), "", 0.0)


@pytest.mark.parametrize("name", TYPES)
def test_what_this_project_writes_by_default_has_no_finding(name: str) -> None:
    spec = example_of(name)
    assert _codes(spec) == [one.code for one in spec.location_findings()]
    assert name == "adb_mysql_3" or not spec.location_findings()


def test_deleting_what_the_task_needs_to_delete_is_no_finding_of_its_own() -> None:
    assert _codes(writing_example()) == []


def test_ours_alone_is_looked_at_as_it_will_be_not_as_it_is() -> None:
    wide = _policy(document("oss:*", resource="*"))
    tags = {"managed-by": "dataworks-onboarding", "source:10001:oss_orders": "served"}
    state = RoleState(wide, tags, _role("ecs.aliyuncs.com"), tags, {})
    assert _codes(example(), state, GrantState(wide, tags, {})) == []


def test_what_others_keep_in_a_shared_policy_is_looked_at() -> None:
    wide = _policy(document("oss:*", resource="*"))
    state = RoleState(wide, OTHERS, None, {}, {})
    assert {"RAM302", "RAM304"} <= {*_codes(example(), state)}
    assert "RAM201" in _codes(
        example(), FRESH, GrantState(_policy(document("ram:PassRole", resource="*")), OTHERS, {})
    )


def test_what_an_adopted_role_trusts_is_looked_at() -> None:
    state = RoleState(None, {}, _role("ecs.aliyuncs.com"), {}, {})
    assert _codes(example(role={"adopt": True}), state) == ["RAM103"]


@pytest.mark.parametrize("permissions", ["minimal", "vendor"])
def test_an_unchanged_document_has_the_findings_of_a_new_one(permissions: str) -> None:
    spec = example(permissions=permissions)
    present = RoleState(_policy(minified(access_document(spec))), OTHERS, None, {}, {})
    granted = GrantState(_policy(minified(grant_document(spec, ACCOUNT))), OTHERS, {})
    assert _codes(spec, present, granted) == _codes(spec)


def test_a_location_that_is_allowed_but_suspicious_is_a_finding() -> None:
    location = {
        "bucket": "shop-orders",
        "prefix": "orders/",
        "endpoint": "http://oss-cn-hangzhou.aliyuncs.com",
    }
    spec = example(location=location)
    kept, _ = review(spec, ACCOUNT, FRESH, NO_GRANT)
    assert [one.code for one in kept] == [one.code for one in spec.location_findings()]
    assert kept
    assert {(one.location, one.severity) for one in kept} == {("location", Severity.LOW)}
    assert all(one.title and one.fix for one in kept)


BROAD: dict[str, Any] = {"pass_role": "broad", "pass_role_reason": "One role for each tenant, made elsewhere"}


def test_an_accepted_finding_is_kept_with_its_reason_and_only_it() -> None:
    reason = "Agreed with the security office"
    spec = example(role=BROAD, permissions="vendor", ignore=[{"code": "RAM201", "reason": reason}])
    kept, ignored = review(spec, ACCOUNT, FRESH, NO_GRANT)
    assert [(one.finding.code, one.reason) for one in ignored] == [("RAM201", reason)]
    assert kept
    assert "RAM201" not in {one.code for one in kept}

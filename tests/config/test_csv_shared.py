"""Rules between the rows of a CSV file."""

from __future__ import annotations

import pytest

from tests.config.csv_files import plain_row, read, row_of, text_of, told

ROLE = "Shared-Role"


def test_a_name_twice_in_a_workspace_is_told_for_every_row_and_no_such_row_is_valid() -> None:
    text = text_of(
        plain_row("a"), plain_row("b"), plain_row("a"), plain_row("a"), plain_row("a", workspace="10002")
    )
    found = [problem for problem in told(text) if "column name" in problem]
    rule = "workspace 10001 has a data source of this name in"
    assert found == [
        f"row 2, column name: {rule} row 4 and 1 more, too (found 'a')",
        f"row 4, column name: {rule} row 2 and 1 more, too (found 'a')",
        f"row 5, column name: {rule} row 2 and 1 more, too (found 'a')",
    ]
    assert [row.number for row in read(text).rows] == [3, 6]


def test_names_that_differ_in_case_are_two_data_sources() -> None:
    assert told(text_of(plain_row("orders"), plain_row("Orders"))) == []


def test_a_workspace_is_in_one_region() -> None:
    assert told(text_of(plain_row("a"), plain_row("b", region="cn-beijing"), plain_row("c"))) == [
        "row 2, column region: workspace 10001 is in region cn-beijing in row 3 (found 'cn-hangzhou')",
        "row 3, column region: workspace 10001 is in region cn-hangzhou in row 2 (found 'cn-beijing')",
        "row 4, column region: workspace 10001 is in region cn-beijing in row 3 (found 'cn-hangzhou')",
    ]


@pytest.mark.parametrize(
    ("column", "first", "second"),
    [
        ("role.policy", "One-Policy", "Other-Policy"),
        ("role.pass_role_policy", "One-Policy", "Other-Policy"),
        ("role.adopt", "true", "false"),
        ("grantees.users", "carol", "carol;dave"),
        ("grantees.groups", "data-platform", "analysts"),
        ("grantees.roles", "onboarding-creator", "other-creator"),
    ],
)
def test_rows_that_share_a_role_must_agree(column: str, first: str, second: str) -> None:
    rows = [plain_row(name, role__name=ROLE) | {column: cell} for name, cell in (("a", first), ("b", second))]
    assert told(text_of(*rows)) == [
        f"row 2, column {column}: rows that share role {ROLE} must agree: row 3 has '{second}' (found '{first}')",
        f"row 3, column {column}: rows that share role {ROLE} must agree: row 2 has '{first}' (found '{second}')",
    ]


def test_broad_and_its_reason_are_compared_too() -> None:
    broad = {"role.pass_role": "broad", "role.pass_role_reason": "One role for each tenant"}
    rows = [plain_row("a", role__name=ROLE) | broad, plain_row("b", role__name=ROLE)]
    assert {problem.split(":")[0] for problem in told(text_of(*rows))} == {
        "row 2, column role.pass_role",
        "row 2, column role.pass_role_reason",
        "row 3, column role.pass_role",
        "row 3, column role.pass_role_reason",
    }


def test_rows_beside_a_disagreement_about_their_role_are_not_valid_either() -> None:
    rows = [plain_row(name, role__name=ROLE) for name in "abc"]
    rows[1]["grantees.users"] = "dave"
    assert told(text_of(*rows, plain_row("d"))) == [
        f"row 2, column grantees.users: rows that share role {ROLE} must agree: row 3 has 'dave' (found 'carol')",
        f"row 3, column grantees.users: rows that share role {ROLE} must agree: row 2 has 'carol' (found 'dave')",
        f"row 4, column role.name: shares role {ROLE} with rows that disagree about it: 2, 3",
    ]
    assert [row.spec.name for row in read(text_of(*rows, plain_row("d"))).rows] == ["d"]


def test_the_order_of_grantees_and_an_explicit_name_equal_to_the_derived_one_are_no_disagreement() -> None:
    derived = "DataWorks-10001-a"
    rows = [
        plain_row("a", grantees__users="carol;dave"),
        plain_row("b", grantees__users="dave;carol", role__name=derived, role__policy=f"{derived}-Access"),
    ]
    assert told(text_of(*rows)) == []


def test_role_names_that_differ_in_case_only_meet_in_the_cloud() -> None:
    found = told(text_of(plain_row("a", role__name="Role-A"), plain_row("b", role__name="role-a")))
    assert (
        "row 3, column role.name: rows that share role Role-A must agree: row 2 has 'Role-A' (found 'role-a')"
        in found
    )


def test_one_role_in_two_regions_is_refused() -> None:
    rows = [
        plain_row("a", role__name=ROLE),
        plain_row("b", role__name=ROLE, region="cn-beijing", workspace="20001"),
    ]
    assert told(text_of(*rows)) == [
        f"row 2, column region: rows that share role {ROLE} must agree: row 3 has 'cn-beijing' (found 'cn-hangzhou')",
        f"row 3, column region: rows that share role {ROLE} must agree: row 2 has 'cn-hangzhou' (found 'cn-beijing')",
    ]


def test_a_custom_policy_belongs_to_one_role() -> None:
    rows = [
        plain_row("a", role__policy="Shared-Policy"),
        plain_row("b", role__pass_role_policy="shared-policy"),
    ]
    assert told(text_of(*rows)) == [
        "row 2, column role.policy: custom policy Shared-Policy is role.pass_role_policy "
        "of role DataWorks-10001-b in row 3, too (found 'Shared-Policy')",
        "row 3, column role.pass_role_policy: custom policy shared-policy is role.policy "
        "of role DataWorks-10001-a in row 2, too (found 'shared-policy')",
    ]


def test_the_two_policies_of_a_role_are_two() -> None:
    found = told(plain_row("a", role__policy="One", role__pass_role_policy="One"))
    assert [problem.split(":")[0] for problem in found] == [
        "row 2, column role.policy",
        "row 2, column role.pass_role_policy",
    ]


def test_a_sync_task_is_there_once_in_a_folder() -> None:
    same = {"name": "others", "role.name": ""}
    rows = [row_of("oss"), row_of("oss") | same]
    folder = "Business Flow/onboarding/Data Integration"
    assert told(text_of(*rows)) == [
        f"row 2, column sync_task.name: folder {folder} has a sync task of this name in row 3, too (found 'oss_orders_to_ods')",
        f"row 3, column sync_task.name: folder {folder} has a sync task of this name in row 2, too (found 'oss_orders_to_ods')",
    ]  # fmt: skip
    elsewhere = rows[1] | {"sync_task.folder": "Business Flow/other/Data Integration"}
    assert told(text_of(rows[0], elsewhere)) == []

"""The generated rows are valid, and the generated account is one in which they can be onboarded."""

from __future__ import annotations

import csv
import json
from collections import defaultdict
from pathlib import Path

import pytest

from benchmarks.rows import TYPES, account_text, make_account, make_rows, write_csv
from config.limits import CUSTOM_POLICIES_PER_ENTITY, GROUPS_PER_USER, POLICY_DOCUMENT_CHARACTERS, Edition
from config.load import parse_spec
from emulator.account import load_account
from policy import size
from tasks.role_group import groups_of


def test_rows_are_specifications_mixed_over_types_and_roles() -> None:
    specs = [parse_spec(row) for row in make_rows(100, roles=4, workspaces=2)]
    assert len({(spec.workspace, spec.name) for spec in specs}) == 100
    met = defaultdict(set)
    for spec in specs:
        met[spec.role_name].add((spec.type, spec.workspace))
    assert len(met) == 4
    assert all(len(pairs) == len(TYPES) * 2 for pairs in met.values())


def test_rows_of_a_role_agree_and_fit_into_one_policy() -> None:
    groups = groups_of([parse_spec(row) for row in make_rows(2000, roles=20)])  # refuses what disagrees
    assert len(groups) == 20
    assert all(size(group.access_document) < POLICY_DOCUMENT_CHARACTERS for group in groups)


@pytest.mark.parametrize("roles", [1, 7, 80])
def test_grants_fit_into_the_quotas_of_groups_and_users(roles: int) -> None:
    held = defaultdict(set)
    for row in make_rows(roles * len(TYPES), roles=roles):
        held[row["grantees"]["groups"][0]].add(row["role"]["name"])
    assert len(held) <= GROUPS_PER_USER
    assert all(len(names) < CUSTOM_POLICIES_PER_ENTITY for names in held.values())


def test_rows_of_a_standard_workspace_name_both_environments() -> None:
    (row,) = make_rows(1, roles=1, standard=True, run=False, resource_groups=2)
    spec = parse_spec(row)
    assert [one.name for one in spec.environments or ()] == ["DEV", "PROD"]
    assert len(spec.resource_groups) == 2
    assert spec.sync_task is not None
    assert not spec.sync_task.run


@pytest.mark.parametrize("wrong", [{"count": 0}, {"roles": 0}, {"types": ("floppy",)}])
def test_impossible_rows_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=r"at least one|unknown types: floppy"):
        make_rows(**{"count": 1, "roles": 1, **wrong})  # type: ignore[arg-type]  # the point of the test


def test_the_account_is_an_account_file(tmp_path: Path) -> None:
    path = tmp_path / "account.yaml"
    account = make_account(make_rows(30, roles=2), edition=Edition.BASIC, answer_latency_seconds=0.06)
    path.write_text(account_text(account), encoding="utf-8")
    loaded = load_account(path)
    assert loaded.settings.edition is Edition.BASIC
    assert loaded.settings.answer_latency_seconds == 0.06
    assert {one.mode for one in loaded.state.dataworks.workspaces.values()} == {"basic"}


def test_the_file_of_rows_has_one_column_a_field(tmp_path: Path) -> None:
    rows = make_rows(3, roles=1, resource_groups=2)
    write_csv(rows, tmp_path / "rows.csv")
    with (tmp_path / "rows.csv").open(encoding="utf-8", newline="") as file:
        cells = list(csv.DictReader(file))
    assert [cell["name"] for cell in cells] == [row["name"] for row in rows]
    assert cells[0]["resource_groups"] == ";".join(rows[0]["resource_groups"])
    assert json.loads(cells[0]["location"]) == rows[0]["location"]
    assert cells[0]["sync_task.schedule.cron"] == "00 30 05 * * ?"

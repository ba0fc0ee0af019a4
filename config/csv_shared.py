"""Rules between the rows of a CSV file: what is there twice, and what rows that share a role disagree about.

- a data source's name is there once in a workspace; its case counts
- a workspace is in one region
- a sync task's name is there once in a folder of a workspace
- rows that share a role, given or derived, name the same region, policies, grantees and other fields of ``role``
- a custom policy belongs to one role, and is not both its permissions and its PassRole policy

Every row that takes part in a contradiction gets a problem that names another one, for which of them is right cannot
be told from here. Rows that are wrong by themselves are not compared.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from config import names
from config.csv_problems import RowProblem, cell_value
from config.spec import DataSourceSpec


@dataclass(frozen=True)
class Row:
    """One data source of a CSV file; ``number`` is the line of the file in which its row begins."""

    number: int
    spec: DataSourceSpec


class _Facts(NamedTuple):
    """What rows that share a role must agree about; read once for a row, because names are derived and checked."""

    role: str
    region: str
    policy: str
    pass_role_policy: str
    pass_role: str
    pass_role_reason: str
    adopt: str
    users: frozenset[str]
    groups: frozenset[str]
    roles: frozenset[str]
    until: frozenset[str]


_COLUMNS = (
    *(
        "role.name",
        "region",
        "role.policy",
        "role.pass_role_policy",
        "role.pass_role",
        "role.pass_role_reason",
    ),
    *("role.adopt", "grantees.users", "grantees.groups", "grantees.roles", "grantees.until"),
)
"""The column of each fact."""


def _facts(spec: DataSourceSpec) -> _Facts:
    role = spec.role
    name = spec.role_name
    return _Facts(
        name,
        spec.region,
        role.policy or names.access_policy_name(name),
        role.pass_role_policy or names.pass_role_policy_name(name),
        role.pass_role,
        role.pass_role_reason or "",
        "true" if role.adopt else "false",
        frozenset(spec.grantees.users),
        frozenset(spec.grantees.groups),
        frozenset(spec.grantees.roles),
        frozenset(spec.grantees.until),
    )


def shared_problems(rows: Sequence[Row], source: str) -> list[RowProblem]:
    """Every contradiction between valid rows, in the order of the rules."""
    facts = {row.number: _facts(row.spec) for row in rows}
    return [
        *_duplicates(rows, source),
        *_workspaces(rows, source),
        *_roles(rows, facts, source),
        *_policies(rows, facts, source),
        *_sync_tasks(rows, source),
    ]


def _groups(rows: Sequence[Row], key: Callable[[DataSourceSpec], Hashable]) -> list[list[Row]]:
    """Rows with the same key, for each key that several have; rows whose key is None have none."""
    found: dict[Hashable, list[Row]] = {}
    for row in rows:
        of_row = key(row.spec)
        if of_row is not None:
            found.setdefault(of_row, []).append(row)
    return [group for group in found.values() if len(group) > 1]


def _other(group: Sequence[Row], row: Row) -> str:
    """Another row of the group, in words: the first one, or for that one the second."""
    other = group[0] if row is not group[0] else group[1]
    more = f" and {len(group) - 2} more" if len(group) > 2 else ""
    return f"row {other.number}{more}"


def _duplicates(rows: Sequence[Row], source: str) -> Iterator[RowProblem]:
    for group in _groups(rows, lambda spec: (spec.workspace, spec.name)):
        for row in group:
            rule = (
                f"workspace {row.spec.workspace} has a data source of this name in {_other(group, row)}, too"
            )
            yield RowProblem(row.number, "name", cell_value("name", row.spec.name), rule, source)


def _workspaces(rows: Sequence[Row], source: str) -> Iterator[RowProblem]:
    """A workspace is in one region."""
    regions: dict[int, dict[str, int]] = {}
    for row in rows:
        regions.setdefault(row.spec.workspace, {}).setdefault(row.spec.region, row.number)
    for row in rows:
        found = regions[row.spec.workspace]
        for region, number in found.items():
            if region != row.spec.region:
                rule = f"workspace {row.spec.workspace} is in region {region} in row {number}"
                yield RowProblem(row.number, "region", cell_value("region", row.spec.region), rule, source)
                break


def _roles(rows: Sequence[Row], facts: Mapping[int, _Facts], source: str) -> Iterator[RowProblem]:
    # RAM writes the name in lower case into the role's ARN, so names that differ in case would meet there.
    groups: dict[str, list[int]] = {}
    for row in rows:
        groups.setdefault(facts[row.number].role.lower(), []).append(row.number)
    for group in groups.values():
        first = facts[group[0]]
        if all(facts[number] == first for number in group):
            continue
        blamed: set[int] = set()
        for place, column in enumerate(_COLUMNS):
            others = [number for number in group if facts[number][place] != first[place]]
            blamed.update(others)
            for number, other in (
                [(group[0], others[0]), *((each, group[0]) for each in others)] if others else []
            ):
                mine, theirs = (cell_value(column, _shown(facts[each][place])) for each in (number, other))
                rule = f"rows that share role {first.role} must agree: row {other} has {theirs}"
                yield RowProblem(number, column, mine, rule, source)
        quarrel = ", ".join(str(number) for number in [group[0], *sorted(blamed)][:3])
        for number in group[1:]:
            if number not in blamed:
                rule = f"shares role {first.role} with rows that disagree about it: {quarrel}"
                yield RowProblem(number, "role.name", "", rule, source)


def _shown(value: object) -> str:
    return ";".join(sorted(value)) if isinstance(value, frozenset) else str(value)


def _policies(rows: Sequence[Row], facts: Mapping[int, _Facts], source: str) -> Iterator[RowProblem]:
    """A custom policy belongs to one role, and is either its permissions or its PassRole policy."""
    owners: dict[str, dict[tuple[str, str], int]] = {}
    for row in rows:
        mine = facts[row.number]
        for column, policy in (
            ("role.policy", mine.policy),
            ("role.pass_role_policy", mine.pass_role_policy),
        ):
            owners.setdefault(policy.lower(), {}).setdefault((mine.role.lower(), column), row.number)
    if all(len(claims) == 1 for claims in owners.values()):
        return
    for row in rows:
        mine = facts[row.number]
        for column, policy in (
            ("role.policy", mine.policy),
            ("role.pass_role_policy", mine.pass_role_policy),
        ):
            claim = (mine.role.lower(), column)
            for other, number in owners[policy.lower()].items():
                if other == claim:
                    continue
                rule = (
                    f"custom policy {policy} is {other[1]} of role {facts[number].role} in row {number}, too"
                )
                yield RowProblem(row.number, column, cell_value(column, policy), rule, source)
                break


def _sync_tasks(rows: Sequence[Row], source: str) -> Iterator[RowProblem]:
    def key(spec: DataSourceSpec) -> Hashable:
        task = spec.sync_task
        return None if task is None else (spec.workspace, task.folder, task.name)

    for group in _groups(rows, key):
        for row in group:
            assert row.spec.sync_task is not None  # rows without one have no key
            name = row.spec.sync_task.name
            rule = f"folder {row.spec.sync_task.folder} has a sync task of this name in {_other(group, row)}, too"
            yield RowProblem(row.number, "sync_task.name", cell_value("sync_task.name", name), rule, source)

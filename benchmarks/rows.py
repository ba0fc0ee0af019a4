"""Rows to onboard, and an account in which every one of them really can be.

Rows are mixed over the source types and share roles: all rows of a role lie in the same few locations, so that the
role's policy stays well below its limit, and have the same grantees. A grantee is a group of which creator, developer
and executor are members. RAM lets a user be in 10 groups and a group have 10 policies: above 80 roles the PassRole grants
of a group must be folded into fewer policies than roles.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from config.limits import CUSTOM_POLICIES_PER_ENTITY, GROUPS_PER_USER, Edition
from config.scheduler import last_business_date

REGION = "cn-hangzhou"
ACCOUNT = "1234567890123456"
TYPES = ("oss", "tablestore", "loghub", "hologres", "adb_mysql")
CAST = {"administrator": "alice", "creator": "carol", "developer": "dave", "executor": "erin"}
"""Which user of the account plays which persona."""

_FIRST_WORKSPACE = 20001
_FOLDER = "Business Flow/benchmark/Data Integration"
_MEMBER_ROLES = {
    "alice": ["role_project_owner", "role_project_admin"],
    "carol": ["role_project_pe"],
    "dave": ["role_project_dev"],
    "erin": ["role_project_pe"],
}
# Two places of each group stay free: a run must not depend on filling a quota to the brim.
_POLICIES_PER_GROUP = CUSTOM_POLICIES_PER_ENTITY - 2
_ROLE_START = "DataWorks-bench-"
_LIST_FIELDS = frozenset(
    {"resource_groups", "grantees.groups", "grantees.users", "grantees.roles", "environments"}
)
# Fields that are objects of the source type's own: one JSON cell each.
_JSON_FIELDS = frozenset(
    {"location", "sync_task.reader", "sync_task.writer", "sync_task.schedule.parameters"}
)


def key_of(user: str) -> tuple[str, str]:
    """AccessKey id and secret of a user of the account; they are made up."""
    return f"LTAIbench{user.capitalize()}", f"bench-secret-{user}"


def make_rows(
    count: int,
    *,
    roles: int,
    types: Sequence[str] = TYPES,
    workspaces: int = 1,
    standard: bool = False,
    run: bool = True,
    resource_groups: int = 1,
) -> list[dict[str, Any]]:
    """``count`` specifications as plain mappings, over ``roles`` roles and ``workspaces`` workspaces.

    ``standard`` adds every row to development and production; else the workspaces are basic, with one environment.
    Raises ``ValueError`` for a count that is not above zero or an unknown type.
    """
    if min(count, roles, workspaces, resource_groups) < 1 or not types:
        raise ValueError("rows, roles, workspaces, resource groups and types must each be at least one")
    unknown = sorted(set(types) - set(TYPES))
    if unknown:
        raise ValueError(f"unknown types: {', '.join(unknown)}; known are {', '.join(TYPES)}")
    groups = [group_identifier(number) for number in range(resource_groups)]
    return [
        _row(
            number,
            types[number % len(types)],
            # Types turn fastest, then workspaces, then roles: every role meets every type and workspace.
            role=number // (len(types) * workspaces) % roles,
            roles=roles,
            workspace=_FIRST_WORKSPACE + number // len(types) % workspaces,
            environments=["DEV", "PROD"] if standard else ["PROD"],
            run=run,
            groups=groups,
        )
        for number in range(count)
    ]


def group_identifier(number: int) -> str:
    """A Data Integration resource group, counted from 0."""
    return f"S_res_group_bench_{number + 1}"


def _row(
    number: int,
    kind: str,
    *,
    role: int,
    roles: int,
    workspace: int,
    environments: list[str],
    run: bool,
    groups: list[str],
) -> dict[str, Any]:
    name = f"{kind}_{number:05d}"
    location, reader, columns = _SOURCES[kind](role)
    grantees = min(GROUPS_PER_USER, -(-roles // _POLICIES_PER_GROUP))
    return {
        "name": name,
        "description": f"Row {number} of a benchmark",
        "workspace": workspace,
        "region": REGION,
        "type": kind,
        "environments": environments,
        "location": location,
        "access": "read",
        "role": {"name": f"{_ROLE_START}{role:04d}"},
        "grantees": {"groups": [f"bench-{role * grantees // roles:02d}"]},
        "resource_groups": groups,
        "sync_task": {
            "name": f"{name}_to_ods",
            "folder": _FOLDER,
            "resource_group": groups[0],
            "reader": reader,
            "writer": {
                "type": "odps",
                "datasource": "odps_first",
                "table": f"ods_{kind}",
                "partition": "pt=${bizdate}",
                "truncate": True,
                "column": columns,
            },
            "schedule": {
                "cron": "00 30 05 * * ?",
                "parameters": {"bizdate": "$bizdate", "today": "$[yyyymmdd]"},
            },
            "run": run,
        },
    }


def role_words(role_name: str) -> tuple[str, ...]:
    """The words by which the locations of a role of these rows are its own, always in one order."""
    number = role_name.removeprefix(_ROLE_START)
    return f"r{number}", f"orders_{number}", f"access-{number}"


# -- locations: one of each type a role --------------------------------------------------------------------


def _oss(role: int) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
    reader = {
        "object": [f"r{role:04d}/dt=${{bizdate}}/*.csv"],
        "fileFormat": "csv",
        "skipHeader": True,
        "column": [{"index": 0, "type": "long"}, {"index": 1, "type": "string"}],
    }
    return {"bucket": "bench-orders", "prefix": f"r{role:04d}/"}, reader, ["id", "name"]


def _tablestore(role: int) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
    table = f"orders_{role:04d}"
    reader = {"table": table, "column": [{"name": "id"}, {"name": "name"}]}
    return {"instance": "bench-ots", "tables": [table]}, reader, ["id", "name"]


def _loghub(role: int) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
    logstore = f"access-{role:04d}"
    reader = {
        "logstore": logstore,
        "beginDateTime": "${bizdate}000000",
        "endDateTime": "${today}000000",
        "column": ["id", "name"],
    }
    return {"project": "bench-logs", "logstores": [logstore]}, reader, ["id", "name"]


def _hologres(role: int) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
    table = f"orders_{role:04d}"
    location = {
        "instance_id": "hgpostcn-cn-bench",
        "database": "bench",
        "schema": "public",
        "tables": [table],
    }
    return location, {"selectedDatabase": "public", "table": table, "column": ["id", "name"]}, ["id", "name"]


def _adb_mysql(role: int) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
    location = {
        "version": "2.0",
        "instance_id": "am-bench",
        "database": "bench",
        "endpoint": "am-bench.cn-hangzhou-1.ads.aliyuncs.com:3029",
    }
    return location, {"table": f"orders_{role:04d}", "column": ["id", "name"]}, ["id", "name"]


_SOURCES = {
    "oss": _oss,
    "tablestore": _tablestore,
    "loghub": _loghub,
    "hologres": _hologres,
    "adb_mysql": _adb_mysql,
}


# -- the account -------------------------------------------------------------------------------------------


def make_account(
    rows: Sequence[Mapping[str, Any]], *, edition: Edition = Edition.ENTERPRISE, **settings: Any
) -> dict[str, Any]:
    """The content of an account file in which the rows can be onboarded and their sync tasks run.

    ``settings`` are fields of the local cloud's settings. Users: one for each persona (:data:`CAST`).
    """
    standard = any("DEV" in row["environments"] for row in rows)
    workspaces = sorted({int(row["workspace"]) for row in rows})
    groups = sorted({group for row in rows for group in row["resource_groups"]})
    grantees = sorted({group for row in rows for group in row["grantees"]["groups"]})
    return {
        "account": {
            "account_id": ACCOUNT,
            "region": REGION,
            "ram": {
                "users": {user: _user(user) for user in CAST.values()},
                "groups": {name: {"members": [CAST["creator"], CAST["developer"], CAST["executor"]]} for name in grantees},
                "roles": {"AliyunServiceRoleForDataWorksDI": _service_linked_role()},
            },
            "dataworks": {
                "workspaces": {number: _workspace(number, standard) for number in workspaces},
                "resource_groups": [
                    *({"id": 51000 + n, "identifier": name, "name": name, "type": 4} for n, name in enumerate(groups)),
                    {"id": 50999, "identifier": "S_res_group_bench_scheduling", "name": "scheduling", "type": 7},
                ],
                "data_sources": [
                    _counterpart(number, environment)
                    for number in workspaces
                    for environment in ((0, 1) if standard else (1,))
                ],
            },
            "data": _data(rows, standard),
        },
        "settings": {"edition": edition.value, **settings},
    }  # fmt: skip


def account_text(account: Mapping[str, Any]) -> str:
    """An account as the text of an account file."""
    return yaml.safe_dump(dict(account), sort_keys=False, allow_unicode=True)


def _user(name: str) -> dict[str, Any]:
    policies = [
        "AliyunDataWorksFullAccess",
        *(["AliyunRAMFullAccess"] if name == CAST["administrator"] else []),
    ]
    key_id, secret = key_of(name)
    return {
        "access_keys": [{"id": key_id, "secret": secret}],
        "attachments": [{"policy": policy, "type": "System"} for policy in policies],
    }


def _service_linked_role() -> dict[str, Any]:
    statement = {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"Service": ["di.dataworks.aliyuncs.com"]},
    }
    return {
        "service_linked": True,
        "trust_policy": {"Version": "1", "Statement": [statement]},
        "attachments": [{"policy": "AliyunServiceRolePolicyForDataWorksDI", "type": "System"}],
    }


def _workspace(number: int, standard: bool) -> dict[str, Any]:
    return {
        "identifier": f"bench_{number}",
        "name": f"Benchmark {number}",
        "mode": "standard" if standard else "basic",
        "owner": CAST["administrator"],
        "members": [{"user": user, "roles": list(roles)} for user, roles in _MEMBER_ROLES.items()],
    }


def _counterpart(workspace: int, environment: int) -> dict[str, Any]:
    content = {
        "project": f"bench_{workspace}" + ("" if environment else "_dev"),
        "endpoint": "http://service.cn-hangzhou.maxcompute.aliyun.com/api",
        "authType": "2",
        "tag": "public",
    }
    return {
        "workspace": workspace, "name": "odps_first", "type": "odps", "environment": environment, "engine": True,
        "connected": True, "content": content,
    }  # fmt: skip


def _data(rows: Iterable[Mapping[str, Any]], standard: bool) -> dict[str, Any]:
    """Three records in every location that a row names, and the tables they go to."""
    yesterday = f"{last_business_date():%Y%m%d}"
    objects: dict[str, str] = {}
    tables: dict[str, Any] = {}
    logstores: dict[str, Any] = {}
    hologres: dict[str, Any] = {}
    analyticdb: dict[str, Any] = {}
    projects: set[str] = set()
    sql = {
        "columns": {"id": "BIGINT", "name": "TEXT"},
        "primary_key": ["id"],
        "rows": [["1", "ada"], ["2", "grace"], ["3", "edsger"]],
    }
    for row in rows:
        projects |= {f"bench_{row['workspace']}"} | ({f"bench_{row['workspace']}_dev"} if standard else set())
        location, reader = row["location"], row["sync_task"]["reader"]
        match row["type"]:
            case "oss":
                path = f"{location['prefix']}dt={yesterday}/part-0.csv"
                objects.setdefault(path, "id,name\n1,ada\n2,grace\n3,edsger\n")
            case "tablestore":
                tables.setdefault(reader["table"], _ots_table())
            case "loghub":
                logstores.setdefault(reader["logstore"], _logstore(yesterday))
            case "hologres":
                hologres.setdefault(f"public.{reader['table']}", sql)
            case _:
                analyticdb.setdefault(reader["table"], sql)
    ods = {"columns": ["id", "name"], "partition_columns": ["pt"]}
    project = {"tables": {f"ods_{kind}": ods for kind in TYPES}}
    return {
        "buckets": {"bench-orders": {"region": REGION, "objects": objects}},
        "maxcompute": dict.fromkeys(sorted(projects), project),
        "log_projects": {"bench-logs": {"region": REGION, "logstores": logstores}},
        "tablestore": {"bench-ots": {"region": REGION, "tables": tables}},
        "hologres": {"hgpostcn-cn-bench": {"region": REGION, "databases": {"bench": {"tables": hologres}}}},
        "analyticdb": {"am-bench": {"region": REGION, "databases": {"bench": {"tables": analyticdb}}}},
    }


def _ots_table() -> dict[str, Any]:
    rows = [{"id": str(number), "name": name} for number, name in enumerate(("ada", "grace", "edsger"), 1)]
    return {"primary_key": {"id": "INT"}, "columns": {"name": "STRING"}, "rows": rows}


def _logstore(yesterday: str) -> dict[str, Any]:
    entries = [
        {"time": f"{yesterday}0{hour}0000", "shard": 0, "fields": {"id": str(hour), "name": name}}
        for hour, name in enumerate(("ada", "grace", "edsger"), 1)
    ]
    return {"shards": 2, "entries": entries}


# -- CSV ---------------------------------------------------------------------------------------------------


def write_csv(rows: Iterable[Mapping[str, Any]], path: Path) -> None:
    """Write rows as a bulk file: columns are dotted fields of the specification, lists are separated by ``;``,
    and objects of the source type (location, reader, writer) are one JSON cell each."""
    cells = [dict(_cells("", row)) for row in rows]
    header = list(dict.fromkeys(name for row in cells for name in row))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, header, restval="")
        writer.writeheader()
        writer.writerows(cells)


def _cells(start: str, mapping: Mapping[str, Any]) -> Iterable[tuple[str, str]]:
    for key, value in mapping.items():
        name = f"{start}{key}"
        if name in _JSON_FIELDS:
            yield name, json.dumps(value, ensure_ascii=False)
        elif isinstance(value, Mapping):
            yield from _cells(f"{name}.", value)
        elif name in _LIST_FIELDS:
            yield name, ";".join(value)
        elif isinstance(value, bool):
            yield name, str(value).lower()
        else:
            yield name, str(value)

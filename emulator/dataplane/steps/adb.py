"""AnalyticDB for MySQL: finding cluster, database and table, for version 2.0 (``ads``) and 3.0 (``analyticdb_for_mysql``).

RAM is asked for finding the cluster only: ``adb:DescribeDBClusterAttribute`` and ``adb:DescribeDBClusterNetInfo``.
The database asks for a login: one with a database account must have its password right; whether a role is one is
documented nowhere and a setting for each version. Source: AliyunDTSRolePolicy (which actions another of the vendor's
services uses); CreateDataSource and ListDataSources of 2020-05-18 (how a login is given).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from emulator.dataplane.errors import AccessRefused, RunFailure
from emulator.dataplane.session import Session
from emulator.dataplane.steps.base import Row, StepRun
from emulator.dataplane.steps.sql import check_filter, columns_of, partition_of, read_rows
from emulator.dataworks.content import host_of
from emulator.sealed import is_secret
from emulator.state import State
from emulator.state_data import AdbCluster, SqlTable

TWO, THREE = "ads", "analyticdb_for_mysql"
_VERSIONS = {TWO: "2.0", THREE: "3.0"}


def _type(content: Mapping[str, Any]) -> str:
    return TWO if "url" in content else THREE


def _cluster_of(state: State, content: Mapping[str, Any]) -> tuple[str, AdbCluster | None]:
    """Id and cluster of a data source; a host begins with the cluster's id, or is one of its addresses."""
    if content.get("instanceId"):
        name = str(content["instanceId"])
        return name, state.data.analyticdb.get(name)
    host = host_of(_type(content), content)
    for name, cluster in state.data.analyticdb.items():
        if host in cluster.addresses:
            return name, cluster
    name = host.partition(".")[0]
    return name, state.data.analyticdb.get(name)


def look(session: Session, content: Mapping[str, Any]) -> None:
    """Where the cluster is: asked at each run and, perhaps, by a connectivity test. Raises :class:`AccessRefused`."""
    state = session.cloud.state
    region = content.get("regionId") or state.region
    arn = f"acs:adb:{region}:{state.account_id}:dbcluster/{_cluster_of(state, content)[0]}"
    session.authorise("adb:DescribeDBClusterAttribute", arn)
    session.authorise("adb:DescribeDBClusterNetInfo", arn)


def _log_in(step: StepRun, cluster: AdbCluster) -> None:
    """Raise what the database answers to a login it does not accept; never with a password."""
    kind, settings, holder = _type(step.content), step.cloud.settings, step.session.holder
    product = f"AnalyticDB for MySQL {_VERSIONS[kind]}"
    if holder is None:
        user = str(step.content.get("username") or "")
        if user in cluster.accounts and is_secret(step.content.get("password"), cluster.accounts[user]):
            return
        raise AccessRefused(
            "1045", f"{product} answered: Access denied for user '{user}' (using password: YES)"
        )
    if not (settings.adb2_accepts_role if kind == TWO else settings.adb3_accepts_role):
        raise AccessRefused(
            "1045",
            f"{product} answered: Access denied for user '{holder.name}' (using password: NO): a database account is "
            "needed, STS credentials of a role are not supported",
        )


def open_table(step: StepRun) -> tuple[str, SqlTable, list[str]]:
    """Title, table and columns of a step. Raises what a client of the database would see."""
    look(step.session, step.content)
    name, cluster = _cluster_of(step.cloud.state, step.content)
    if cluster is None:
        raise RunFailure(
            "InvalidDBCluster.NotFound",
            f"AnalyticDB for MySQL answered 404 InvalidDBCluster.NotFound: {name}",
        )
    _log_in(step, cluster)
    database, _, table = str(step.needed("table")).rpartition(".")
    database = database or str(step.content.get("schema") or step.content.get("database"))
    if database not in cluster.databases:
        raise RunFailure("1049", f"AnalyticDB for MySQL answered: Unknown database '{database}'")
    title, tables = f"{database}.{table}", cluster.databases[database].tables
    if table not in tables:
        raise RunFailure("1146", f"AnalyticDB for MySQL answered: Table '{title}' doesn't exist")
    found = tables[table]
    return title, found, columns_of(step, found, lambda column: _unknown(title, column))


def _unknown(title: str, name: str) -> RunFailure:
    return RunFailure("1054", f"AnalyticDB for MySQL answered: Unknown column '{name}' in '{title}'")


def read(step: StepRun) -> Iterator[Row]:
    """All rows of a table."""
    check_filter(step)
    title, table, names = open_table(step)
    split = step.text("splitPk")
    if split and split not in table.columns:
        raise _unknown(title, split)
    step.log.info(f"reading {title}")
    return read_rows(table, names, partition_of(step, table, title) if step.text("partition") else {})

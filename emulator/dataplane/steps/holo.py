"""Hologres: reader of one table, writer with conflict modes and truncate.

Hologres asks twice. RAM, for the instance: ``hologram:GetInstance`` (its endpoint) and, in the look at it that comes
first (a setting), ``hologram:ListWarehouses``. The database, for everything in it: a role is its user
``v4_<RoleId>``, a RAM user ``p4_<UserId>``; the account itself is a superuser. The grants are in the account's data and
are asked for where a setting says so. Reading needs SELECT; writing INSERT, UPDATE unless rows that exist are left, and
TRUNCATE. Source: Hologres "Grant permissions on Hologres to RAM users", CreateUser of 2022-06-01 (names of users);
vendor's pages of the Hologres reader and writer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Any, get_args

from emulator.authorization import Caller
from emulator.dataplane.errors import AccessRefused, RunFailure
from emulator.dataplane.session import Session
from emulator.dataplane.steps.base import Row, StepRun
from emulator.dataplane.steps.sql import (
    OnConflict,
    check_filter,
    columns_of,
    empty,
    partition_of,
    read_rows,
    write_rows,
)
from emulator.state_data import HologresDatabase, SqlTable

TYPE = "holo"

_SCHEMA = "public"


# -- instance, database, table -------------------------------------------------------------------------


def _arn(session: Session, content: Mapping[str, Any]) -> str:
    region = content.get("regionId") or session.cloud.state.region
    return f"acs:hologram:{region}:{session.cloud.state.account_id}:instance/{content['instanceId']}"


def look(session: Session, content: Mapping[str, Any]) -> None:
    """Where the instance is, as a connectivity test may ask. Raises :class:`AccessRefused`."""
    session.authorise("hologram:GetInstance", _arn(session, content))
    session.authorise("hologram:ListWarehouses", _arn(session, content))


def _database(step: StepRun) -> HologresDatabase:
    """The database of the data source. Raises what a client of Hologres would see."""
    name, database = str(step.content["instanceId"]), str(step.content["database"])
    step.look(look)
    step.session.authorise("hologram:GetInstance", _arn(step.session, step.content))
    instance = step.cloud.state.data.hologres.get(name)
    if instance is None or step.content.get("regionId") not in (None, "", instance.region):
        raise RunFailure(
            "InstanceNotFound", f"Hologres answered 404 InstanceNotFound: Instance does not exist: {name}"
        )
    if database not in instance.databases:
        raise RunFailure("3D000", f'Hologres answered FATAL: database "{database}" does not exist')
    return instance.databases[database]


def _open(step: StepRun, schema: str, *privileges: str) -> tuple[str, SqlTable]:
    """The table by ``schema.table``, with the privileges on it."""
    database, table = _database(step), str(step.needed("table"))
    title = table if "." in table else f"{schema}.{table}"
    if title not in database.tables:
        raise RunFailure("42P01", f'Hologres answered ERROR: relation "{title}" does not exist')
    _check_grants(step, database, title, privileges)
    return title, database.tables[title]


def _check_grants(step: StepRun, database: HologresDatabase, title: str, privileges: Iterable[str]) -> None:
    holder = step.session.holder
    if step.cloud.settings.hologres_grants_to_any_role or holder is None or holder.kind == "account":
        return
    user = database_user(holder)
    granted = {
        privilege
        for pattern, those in database.users.get(user, {}).items()
        if fnmatchcase(title, pattern)
        for privilege in those
    }
    missing = [privilege for privilege in privileges if privilege not in granted]
    if missing:
        has = "has no" if user in database.users else "is not known to the database and has no"
        table = title.partition(".")[2]
        raise AccessRefused(
            "42501",
            f'Hologres answered ERROR: permission denied for table {table}: "{user}" {has} {", ".join(missing)}',
        )


def database_user(holder: Caller) -> str:
    """The name of an identity in a database. Source: CreateUser of Hologres 2022-06-01."""
    return {"role": f"v4_{holder.id}", "user": f"p4_{holder.id}"}.get(holder.kind, holder.id)


def _unknown(title: str, name: str) -> RunFailure:
    return RunFailure(
        "42703", f'Hologres answered ERROR: column "{name}" of relation "{title}" does not exist'
    )


# -- reading and writing -------------------------------------------------------------------------------


def read(step: StepRun) -> Iterator[Row]:
    """Rows of a table, or of one partition of a partitioned one."""
    check_filter(step)
    title, table = _open(step, step.text("selectedDatabase", _SCHEMA), "SELECT")
    names = columns_of(step, table, lambda name: _unknown(title, name))
    step.log.info(f"reading {title}")
    return read_rows(table, names, partition_of(step, table, title))


def write(step: StepRun, rows: Iterable[Row]) -> int:
    """Write rows; ``truncate`` first empties the table, or its partition."""
    mode: OnConflict | None = next(
        (one for one in get_args(OnConflict) if one == step.text("conflictMode", "ignore")), None
    )
    if mode is None:
        raise RunFailure("HoloWriter-01", f"unknown conflictMode {step.text('conflictMode')!r}")
    if step.text("writeMode", "insert") not in ("insert", "sdk"):
        raise RunFailure("HoloWriter-01", f"unknown writeMode {step.text('writeMode')!r}")
    truncate = step.flag("truncate")
    schema = step.text("schema") or step.text("selectedDatabase") or _SCHEMA
    needed = ["INSERT", *(["UPDATE"] if mode != "ignore" else []), *(["TRUNCATE"] if truncate else [])]
    title, table = _open(step, schema, *needed)
    names = columns_of(step, table, lambda name: _unknown(title, name))
    partition = partition_of(step, table, title)
    missing = [name for name in table.primary_key if name not in (*names, *partition)]
    if missing:
        raise RunFailure(
            "HoloWriter-01", f"column must hold the primary key; {', '.join(missing)} is missing"
        )
    if truncate:
        step.log.info(f"removed {empty(table, partition)} records of {title}")
    count = write_rows(step, table, rows, names, mode, partition)
    step.log.info(f"wrote {count} records into {title}")
    return count

"""What the engine of the local cloud reads and writes: one small store for each product.

Values of cells are texts, or None for NULL, whatever their type: a type is asked only when a value is written.
"""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, model_validator

from config.scheduler import SCHEDULER_ZONE
from emulator.state_ram import STRICT

Cell = str | None

_MOMENT = re.compile(r"\d{14}")


class Model(BaseModel):
    """Base: unknown keys are errors, so that a typing mistake in an account file is found."""

    model_config = STRICT


class Bucket(Model):
    """An OSS bucket: object name to text. ``encoding`` of an object is UTF-8."""

    region: str = "cn-hangzhou"
    objects: dict[str, str] = {}


class Table(Model):
    """A MaxCompute table: column names, partition columns, and rows by partition (``pt=20260101``; "" is none)."""

    columns: list[str]
    partition_columns: list[str] = []
    partitions: dict[str, list[list[Cell]]] = {}


class MaxComputeProject(Model):
    """A MaxCompute project with its tables."""

    tables: dict[str, Table] = {}


# -- Simple Log Service --------------------------------------------------------------------------------


def moment(text: str) -> float:
    """``yyyyMMddHHmmss`` in the scheduler's zone as seconds since the epoch. Raises ``ValueError``."""
    if not _MOMENT.fullmatch(text):
        raise ValueError(f"{text!r} is no moment: it is written yyyyMMddHHmmss")
    return datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=SCHEDULER_ZONE).timestamp()


def _epoch(value: Any) -> Any:
    """An account file may write a time as a moment, with or without quotes."""
    return moment(str(value)) if isinstance(value, int | str) and _MOMENT.fullmatch(str(value)) else value


class LogEntry(Model):
    """A log: when it arrived (seconds since the epoch, or in a file ``yyyyMMddHHmmss``), and its fields."""

    time: Annotated[float, BeforeValidator(_epoch)]
    fields: dict[str, str]
    topic: str = ""
    source: str = ""
    shard: Annotated[int, Field(ge=0)] = 0


class Logstore(Model):
    """A Logstore; shards are numbered from 0."""

    shards: Annotated[int, Field(ge=1)] = 2
    entries: list[LogEntry] = []

    @model_validator(mode="after")
    def _shards_exist(self) -> Logstore:
        for entry in self.entries:
            if entry.shard >= self.shards:
                raise ValueError(f"an entry lies in shard {entry.shard}, the Logstore has {self.shards}")
        return self


class LogProject(Model):
    """An SLS project."""

    region: str = "cn-hangzhou"
    logstores: dict[str, Logstore] = {}


# -- Tablestore ----------------------------------------------------------------------------------------

KeyType = Literal["INT", "STRING", "BINARY"]
AttributeType = Literal["INT", "STRING", "DOUBLE", "BOOL", "BINARY"]


class OtsTable(Model):
    """A Tablestore table: key and attribute columns with their types in order; a row has its whole key.

    An attribute that a row does not have is not in it. Rows lie in the order of their keys once they are written.
    """

    primary_key: Annotated[dict[str, KeyType], Field(min_length=1)]
    columns: dict[str, AttributeType] = {}
    rows: list[dict[str, str]] = []

    @model_validator(mode="after")
    def _whole_keys(self) -> OtsTable:
        for row in self.rows:
            missing = [name for name in self.primary_key if name not in row]
            if missing:
                raise ValueError(f"a row lacks {', '.join(missing)} of its primary key")
        return self


class OtsInstance(Model):
    """A Tablestore instance."""

    region: str = "cn-hangzhou"
    tables: dict[str, OtsTable] = {}


def _lower(name: str) -> str:
    if name != name.lower():
        raise ValueError(f"the name of a Tablestore instance is lower-case, not {name!r}")
    return name


# -- databases -----------------------------------------------------------------------------------------


class SqlTable(Model):
    """A table of Hologres or AnalyticDB for MySQL: columns with their SQL types in order, and rows."""

    columns: Annotated[dict[str, str], Field(min_length=1)]
    primary_key: list[str] = []
    partition_column: str = ""
    rows: list[list[Cell]] = []

    @model_validator(mode="after")
    def _columns_agree(self) -> SqlTable:
        for name in (*self.primary_key, *filter(None, (self.partition_column,))):
            if name not in self.columns:
                raise ValueError(f"the key or partition column {name!r} is no column")
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ValueError(f"a row must have {len(self.columns)} values")
        return self


Privilege = Literal["SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE"]


class HologresDatabase(Model):
    """A database: tables by ``schema.table``, and what its users may do with them.

    ``users`` are ``v4_<RoleId>`` for a role and ``p4_<UserId>`` for a RAM user; a table's name may have ``*``.
    """

    tables: dict[str, SqlTable] = {}
    users: dict[str, dict[str, list[Privilege]]] = {}


class HologresInstance(Model):
    """A Hologres instance."""

    region: str = "cn-hangzhou"
    databases: dict[str, HologresDatabase] = {}


class AdbDatabase(Model):
    """A database of AnalyticDB for MySQL."""

    tables: dict[str, SqlTable] = {}


class AdbCluster(Model):
    """A cluster (3.0) or database instance (2.0) of AnalyticDB for MySQL.

    Its hosts begin with its id, or are in ``addresses``. ``accounts`` are database accounts with their passwords.
    """

    region: str = "cn-hangzhou"
    addresses: list[str] = []
    databases: dict[str, AdbDatabase] = {}
    accounts: dict[str, str] = {}


# -- the whole -----------------------------------------------------------------------------------------


class DataState(Model):
    """Everything the engine reads and writes, by the name or id of bucket, project, instance and cluster."""

    buckets: dict[str, Bucket] = {}
    maxcompute: dict[str, MaxComputeProject] = {}
    log_projects: dict[str, LogProject] = {}
    tablestore: dict[Annotated[str, AfterValidator(_lower)], OtsInstance] = {}
    hologres: dict[str, HologresInstance] = {}
    analyticdb: dict[str, AdbCluster] = {}

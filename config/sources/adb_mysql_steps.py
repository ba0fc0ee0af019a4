"""AnalyticDB for MySQL: parameters of the reader and writer of a sync task, versions 2.0 and 3.0.

Source: Data Integration, AnalyticDB for MySQL 2.0 and 3.0 data sources, script mode.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from config.counterparts import Columns, Name, column_problems
from config.problems import problem, refuse
from config.sources.base import StepParameters
from config.sources.parameters import BatchSize, Flag, NumberAsText


class AdbStep(StepParameters):
    """What readers and writers of both versions have."""

    table: Name = Field(description="Table.", examples=["orders"])
    column: Columns = Field(description='Columns in order, or ["*"] for all.', examples=[["id", "amount"]])

    @model_validator(mode="after")
    def _common_rules(self) -> AdbStep:
        refuse(type(self).__name__, column_problems(self.column))
        return self


def _not_odps(value: object) -> object:
    if value == "ODPS":
        raise ValueError("mode ODPS needs an AccessKey in the step, which role mode does not have")
    return value


class Adb2Reader(AdbStep):
    """Reader of one table of version 2.0."""

    where: str = Field(default="", description="Filter of rows.", examples=["amount > 0"])
    limit: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Rows to read at most.", examples=[1000]
    )
    mode: Annotated[Literal["Select"], BeforeValidator(_not_odps)] = Field(
        default="Select", description="How rows are read.", examples=["Select"]
    )


class Adb2Writer(AdbStep):
    """Writer of one table of version 2.0."""

    write_mode: Literal["insert", "load"] = Field(
        description="insert: row by row; load: in bulk.", examples=["insert"]
    )
    batch_size: Annotated[NumberAsText, Field(ge=1)] | None = Field(
        default=None, description="Rows sent at once, for insert; default 256.", examples=[256]
    )
    partition: Name | None = Field(
        default=None, description="Partition, for load.", examples=["ds=${bizdate}"]
    )
    over_write: Flag | None = Field(
        default=None, description="Whether load replaces what is there.", examples=[True]
    )
    suffix: str | None = Field(default=None, description="End of the connection's address.", examples=[""])
    buffer_size: BatchSize | None = Field(
        default=None, description="Rows that are collected and sorted before they are sent.", examples=[2048]
    )

    options: dict[str, Any] | None = Field(
        default=None, description="Options of load.", examples=[{"ignoreEmptySource": True}]
    )

    @model_validator(mode="before")
    @classmethod
    def _batch(cls, value: Any) -> Any:
        if isinstance(value, Mapping) and value.get("writeMode") == "insert":
            return {"batchSize": 256, **value}
        return value

    @model_validator(mode="after")
    def _rules(self) -> Adb2Writer:
        given: tuple[tuple[str, str, object], ...] = (
            ("load", "partition", self.partition),
            ("load", "overWrite", self.over_write),
            ("load", "options", self.options),
            ("insert", "batchSize", self.batch_size),
        )
        lines = [
            problem((key,), f"only writeMode {mode} has {key}", value)
            for mode, key, value in given
            if value is not None and self.write_mode != mode
        ]
        refuse("Adb2Writer", lines)
        return self


class Adb3Reader(AdbStep):
    """Reader of one table of version 3.0."""

    where: str = Field(default="", description="Filter of rows, without LIMIT.", examples=["amount > 0"])
    split_pk: Name | None = Field(
        default=None, description="Whole-number key by which the work is split.", examples=["id"]
    )
    encoding: str = Field(default="UTF-8", description="Character encoding.", examples=["UTF-8"])

    @field_validator("where")
    @classmethod
    def _no_limit(cls, where: str) -> str:
        if re.search(r"\blimit\b", where, re.IGNORECASE):
            raise ValueError("a filter has no LIMIT")
        return where


class Adb3Writer(AdbStep):
    """Writer of one table of version 3.0."""

    write_mode: Literal["insert", "replace", "update"] = Field(
        default="insert",
        description="What becomes of a row whose key exists; insert ignores it.",
        examples=["replace"],
    )
    pre_sql: tuple[str, ...] = Field(default=(), description="Statements before.", examples=[[]])
    post_sql: tuple[str, ...] = Field(default=(), description="Statements after.", examples=[[]])
    batch_size: BatchSize = Field(default=1024, description="Rows sent at once.", examples=[1024])
    encoding: str = Field(default="UTF-8", description="Character encoding.", examples=["UTF-8"])

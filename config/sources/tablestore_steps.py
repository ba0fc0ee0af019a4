"""Tablestore (OTS): parameters of the reader and writer of a sync task.

Source: Data Integration, Tablestore data source, script mode. Only the wide column model is supported: the actions of
the time-series model are documented incompletely.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from config.counterparts import Name
from config.problems import problem, refuse
from config.sources.base import StepParameters
from config.sources.parameters import Flag, number_as_text


def _only_false(value: str) -> str:
    if value == "true":
        raise ValueError("time-series tables are not supported: their permissions are not fully documented")
    return value


NewVersion = Annotated[Flag, Field(description="Whether the newer plug-in is used.", examples=[True])]
NoTimeseries = Annotated[Flag, AfterValidator(_only_false)]
Mode = Literal["normal", "multiVersion"]


class KeyValue(StepParameters):
    """Value of one primary key column at the beginning or end of a range."""

    type: Literal["STRING", "INT", "BINARY", "INF_MIN", "INF_MAX"] = Field(
        description="Type; INF_MIN and INF_MAX are before and after every value.", examples=["INF_MIN"]
    )
    value: Annotated[str, BeforeValidator(number_as_text, json_schema_input_type=str | int)] | None = Field(
        default=None, description="Value, for STRING, INT and BINARY.", examples=["100"]
    )

    @model_validator(mode="after")
    def _rules(self) -> KeyValue:
        if (self.value is None) != self.type.startswith("INF_"):
            rule = "INF_MIN and INF_MAX have no value, all other types have one"
            refuse("KeyValue", [problem(("value",), rule, self.value)])
        return self


class KeyRange(StepParameters):
    """Rows to read, by primary key: from ``begin``, included, to ``end``, not included."""

    begin: Annotated[tuple[KeyValue, ...], Field(min_length=1)] = Field(
        description="First key, one value per primary key column.", examples=[[{"type": "INF_MIN"}]]
    )
    end: Annotated[tuple[KeyValue, ...], Field(min_length=1)] = Field(
        description="Key at which reading ends.", examples=[[{"type": "INF_MAX"}]]
    )
    split: tuple[KeyValue, ...] = Field(
        default=(), description="Values of the first key column at which to split the work.", examples=[[]]
    )

    @model_validator(mode="after")
    def _rules(self) -> KeyRange:
        if len(self.begin) != len(self.end):
            rule = f"one value per primary key column: {len(self.end)} here, {len(self.begin)} in begin"
            refuse("KeyRange", [problem(("end",), rule)])
        return self


class ReadColumn(StepParameters):
    """One column: either read by its name, or a constant."""

    name: Name | None = Field(default=None, description="Column to read.", examples=["uid"])
    type: Literal["STRING", "INT", "DOUBLE", "BOOL", "BINARY"] | None = Field(
        default=None, description="Type of a constant.", examples=["STRING"]
    )
    value: Annotated[str, BeforeValidator(number_as_text, json_schema_input_type=str | int)] | None = Field(
        default=None, description="Constant instead of a column.", examples=["web"]
    )

    @model_validator(mode="after")
    def _rules(self) -> ReadColumn:
        if (self.name is None) == (self.value is None):
            refuse("ReadColumn", [problem((), "a column has either a name or a constant value")])
        if (self.value is None) != (self.type is None):
            refuse(
                "ReadColumn", [problem(("type",), "a constant has a type, a column that is read has none")]
            )
        return self


class KeyColumn(StepParameters):
    """One primary key column to write."""

    name: Name = Field(description="Name.", examples=["gid"])
    type: Literal["STRING", "INT", "BINARY"] = Field(description="Type.", examples=["INT"])


class WriteColumn(StepParameters):
    """One attribute column to write."""

    name: Name = Field(description="Name.", examples=["amount"])
    type: Literal["STRING", "INT", "DOUBLE", "BOOL", "BINARY"] = Field(
        description="Type; whole numbers are INT.", examples=["DOUBLE"]
    )


class TimeRange(StepParameters):
    """Versions to read, by the time they were written."""

    begin: Annotated[int, Field(ge=0)] = Field(
        description="First moment, in milliseconds since 1970.", examples=[1767225600000]
    )
    end: Annotated[int, Field(ge=0)] = Field(
        description="Moment at which reading ends, not included.", examples=[1767312000000]
    )


class TablestoreReader(StepParameters):
    """Reader of one table."""

    table: Name = Field(description="Table to read; one of the location's.", examples=["orders"])
    column: Annotated[tuple[ReadColumn, ...], Field(min_length=1)] = Field(
        description="Columns in order.", examples=[[{"name": "gid"}, {"name": "uid"}]]
    )
    range: KeyRange | None = Field(
        default=None,
        description="Rows to read. Default: the whole table.",
        examples=[{"begin": [{"type": "INF_MIN"}], "end": [{"type": "INF_MAX"}]}],
    )
    new_version: NewVersion = "true"
    mode: Mode = Field(
        default="normal", description="normal: the newest version of a cell.", examples=["normal"]
    )
    is_timeseries_table: NoTimeseries = Field(
        default="false", description="Time-series tables are not supported.", examples=[False]
    )
    max_version: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Versions to read, for multiVersion.", examples=[10]
    )

    time_range: TimeRange | None = Field(
        default=None,
        description="Versions to read, for multiVersion. Default: all.",
        examples=[{"begin": 1767225600000, "end": 1767312000000}],
    )

    @model_validator(mode="after")
    def _rules(self) -> TablestoreReader:
        given = (("maxVersion", self.max_version), ("timeRange", self.time_range))
        if self.mode != "multiVersion":
            lines = [
                problem((key,), f"only mode multiVersion has {key}")
                for key, value in given
                if value is not None
            ]
            refuse("TablestoreReader", lines)
        return self


class TablestoreWriter(StepParameters):
    """Writer of one table. Columns of the reader go first to the primary key, then to the other columns."""

    table: Name = Field(description="Table to write; one of the location's.", examples=["orders"])
    primary_key: Annotated[tuple[KeyColumn, ...], Field(min_length=1)] = Field(
        description="Primary key columns in order.", examples=[[{"name": "gid", "type": "INT"}]]
    )
    column: tuple[WriteColumn, ...] = Field(
        description="Other columns in order.", examples=[[{"name": "amount", "type": "DOUBLE"}]]
    )
    write_mode: Literal["PutRow", "UpdateRow"] = Field(
        description="PutRow replaces a row, UpdateRow changes the columns given.", examples=["PutRow"]
    )
    new_version: NewVersion = "true"
    mode: Mode = Field(
        default="normal", description="multiVersion also removes versions of cells.", examples=["normal"]
    )
    is_timeseries_table: NoTimeseries = Field(
        default="false", description="Time-series tables are not supported.", examples=[False]
    )
    enable_auto_increment: Flag | None = Field(
        default=None, description="Whether a key column counts by itself.", examples=[True]
    )

    @model_validator(mode="after")
    def _rules(self) -> TablestoreWriter:
        seen = {column.name for column in self.primary_key}
        lines = [
            problem(("column", position, "name"), "is a primary key column already", column.name)
            for position, column in enumerate(self.column)
            if column.name in seen
        ]
        refuse("TablestoreWriter", lines)
        return self

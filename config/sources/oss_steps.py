"""Object Storage Service (OSS): parameters of the reader and writer of a sync task.

Source: Data Integration, OSS data source, script mode.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PlainValidator, model_validator

from config.problems import SchemaOf, problem, refuse
from config.sources.base import StepParameters
from config.sources.parameters import Flag, OneOrMore


def _object_name(name: str) -> str:
    if not name or name.startswith("/"):
        raise ValueError("an object name is not empty and does not start with '/'")
    return name


ObjectName = Annotated[str, AfterValidator(_object_name)]
ObjectNames = Annotated[tuple[ObjectName, ...], Field(min_length=1), OneOrMore]


class OssColumn(StepParameters):
    """One column: either read from a position, or a constant."""

    index: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="Position, from 0.", examples=[0]
    )
    value: str | None = Field(default=None, description="Constant instead of a position.", examples=["web"])
    type: Literal["string", "long", "double", "boolean", "date"] = Field(
        description="Type.", examples=["string"]
    )
    format: str | None = Field(
        default=None, description="Format of a date.", examples=["yyyy-MM-dd HH:mm:ss"]
    )

    @model_validator(mode="after")
    def _rules(self) -> OssColumn:
        lines = []
        if (self.index is None) == (self.value is None):
            lines.append(problem((), "a column has either an index or a constant value"))
        if self.format is not None and self.type != "date":
            lines.append(problem(("format",), "only a date has a format", self.format))
        refuse("OssColumn", lines)
        return self


def _column(value: Any) -> Any:
    return value if value == "*" else OssColumn.model_validate(value).step_parameter()


Column = Annotated[Any, PlainValidator(_column), SchemaOf(OssColumn, "*")]


class OssReader(StepParameters):
    """Reader of objects; all objects of a task have the same columns."""

    object: ObjectNames | None = Field(
        default=None,
        description="Names of the objects, with wildcards and ${bizdate}; not for parquet and orc.",
        examples=[["orders/dt=${bizdate}/*.csv"]],
    )
    path: ObjectName | None = Field(
        default=None, description="Objects of parquet and orc.", examples=["orders/"]
    )
    column: Annotated[tuple[Column, ...], Field(min_length=1)] = Field(
        description='Columns in order, or ["*"] for all as text.', examples=[[{"index": 0, "type": "long"}]]
    )
    file_format: Literal["csv", "text", "parquet", "orc", "jsonl"] = Field(
        default="csv", description="Format of the objects.", examples=["csv"]
    )
    field_delimiter: str | None = Field(
        default=None, description="Between columns; default ',' for csv, text.", examples=[","]
    )
    line_delimiter: str | None = Field(default=None, description="Between rows, for text.", examples=["\n"])
    encoding: str = Field(default="UTF-8", description="Character encoding.", examples=["UTF-8"])
    null_format: str = Field(default="", description="Text that stands for NULL.", examples=["\\N"])
    skip_header: Flag = Field(
        default="false", description="Whether the first row is skipped.", examples=[True]
    )
    compress: Literal["", "gzip", "bzip2", "zip"] = Field(
        default="", description="Compression of csv and text; one file per archive.", examples=["gzip"]
    )
    parquet_schema: str | None = Field(
        default=None, description="Schema of parquet objects.", examples=["message m {}"]
    )
    csv_reader_config: dict[str, Any] | None = Field(
        default=None, description="Options of the CSV reader.", examples=[{"safetySwitch": False}]
    )

    @model_validator(mode="before")
    @classmethod
    def _delimiter(cls, value: Any) -> Any:
        return _with_delimiter(value)

    @model_validator(mode="after")
    def _rules(self) -> OssReader:
        lines = []
        if self.file_format in ("parquet", "orc"):
            if self.path is None or self.object is not None:
                lines.append(problem(("path",), f"{self.file_format} is read by path, not by object"))
        elif self.object is None or self.path is not None:
            lines.append(problem(("object",), f"{self.file_format} is read by object, not by path"))
        if "*" in self.column and len(self.column) > 1:
            lines.append(problem(("column",), "'*' stands for all columns and must stand alone"))
        if self.compress and self.file_format not in ("csv", "text"):
            lines.append(problem(("compress",), "only csv and text may be compressed", self.compress))
        if self.compress and self.skip_header == "true":
            lines.append(problem(("skipHeader",), "the header of a compressed object cannot be skipped"))
        if self.field_delimiter is not None and self.file_format not in ("csv", "text"):
            lines.append(
                problem(("fieldDelimiter",), "only csv and text have a delimiter", self.field_delimiter)
            )
        refuse("OssReader", lines)
        return self


class OssWriter(StepParameters):
    """Writer of objects whose names start with ``object``."""

    object: ObjectName | None = Field(
        default=None,
        description="Start of the names; an end is added unless writeSingleObject. Not for parquet, orc.",
        examples=["export/orders/${bizdate}/part"],
    )
    path: ObjectName | None = Field(
        default=None, description="Folder of parquet and orc.", examples=["export/"]
    )
    file_name: str | None = Field(default=None, description="Object name below path.", examples=["part"])
    write_mode: Literal["truncate", "append", "nonConflict"] = Field(
        description="truncate deletes all objects with the start; nonConflict fails if there are any.",
        examples=["truncate"],
    )
    file_format: Literal["csv", "text", "parquet", "orc"] = Field(
        default="csv", description="Format of the objects.", examples=["csv"]
    )
    field_delimiter: str | None = Field(
        default=None, description="Between columns; default ',' for csv, text.", examples=[","]
    )
    encoding: str = Field(default="UTF-8", description="Character encoding.", examples=["UTF-8"])
    null_format: str = Field(default="", description="Text that stands for NULL.", examples=["\\N"])
    date_format: str | None = Field(default=None, description="Format of dates.", examples=["yyyy-MM-dd"])
    write_header: Flag | None = Field(
        default=None, description="Whether a header is written.", examples=[True]
    )
    header: tuple[str, ...] | None = Field(
        default=None, description="Names in the header.", examples=[["id", "name"]]
    )
    write_single_object: Flag = Field(
        default="false", description="Whether one object is written.", examples=[False]
    )
    max_file_size: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Largest object, in MB.", examples=[10000]
    )
    compress: str | None = Field(
        default=None, description="Compression of parquet and orc.", examples=["SNAPPY"]
    )
    parquet_schema: str | None = Field(
        default=None, description="Schema of parquet objects.", examples=["message m {}"]
    )
    oss_block_size: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Part size, in MB.", examples=[16]
    )
    generate_empty_file: bool | None = Field(
        default=None, description="Whether no rows make an object.", examples=[True]
    )

    @model_validator(mode="before")
    @classmethod
    def _delimiter(cls, value: Any) -> Any:
        return _with_delimiter(value)

    @model_validator(mode="after")
    def _rules(self) -> OssWriter:
        lines = []
        if self.file_format in ("parquet", "orc"):
            if self.path is None or self.object is not None:
                lines.append(problem(("path",), f"{self.file_format} is written by path, not by object"))
            if self.field_delimiter is not None:
                lines.append(
                    problem(("fieldDelimiter",), "only csv and text have a delimiter", self.field_delimiter)
                )
        else:
            if self.object is None or self.path is not None:
                lines.append(problem(("object",), f"{self.file_format} is written by object, not by path"))
            if self.compress:
                lines.append(problem(("compress",), "only parquet and orc may be compressed", self.compress))
        refuse("OssWriter", lines)
        return self


def _with_delimiter(value: Any) -> Any:
    """The delimiter is required for csv and text, and has no meaning elsewhere."""
    if isinstance(value, Mapping) and value.get("fileFormat", "csv") in ("csv", "text"):
        return {"fieldDelimiter": ",", **value}
    return value

"""The other side of a sync task: MaxCompute, as reader or writer. It is used as it is, never onboarded.

Source: Data Integration, MaxCompute data source, script mode.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints, model_validator
from pydantic_core import InitErrorDetails

from config.problems import problem, refuse
from config.sources.base import StepParameters, step

Name = Annotated[str, StringConstraints(min_length=1, pattern=r"^\S+$")]
Columns = Annotated[tuple[Name, ...], Field(min_length=1)]


class OdpsParameters(StepParameters):
    """What both sides have: the counterpart names itself beside its parameters."""

    type: Literal["odps"] = Field(description="Type of the counterpart: MaxCompute.", examples=["odps"])
    datasource: Name = Field(description="Name of the counterpart's data source.", examples=["odps_first"])


class OdpsReader(OdpsParameters):
    """Reader of one MaxCompute table."""

    table: Name = Field(description="Table to read.", examples=["ods_orders"])
    column: Columns = Field(description='Columns in order, or ["*"] for all.', examples=[["id", "customer"]])
    partition: Name | Annotated[tuple[Name, ...], Field(min_length=1)] | None = Field(
        default=None,
        description="Partitions to read, wildcards allowed; required for a partitioned table.",
        examples=["pt=${bizdate}"],
    )
    enable_where: bool | None = Field(
        default=None, description="Whether `where` is applied.", examples=[True]
    )
    where: str | None = Field(default=None, description="Filter of rows.", examples=["amount > 0"])
    # The attribute may not be called "schema": pydantic's BaseModel has a method of that name.
    schema_name: Name | None = Field(
        default=None,
        alias="schema",
        description="Schema, in the three-layer model only.",
        examples=["default"],
    )
    tunnel_quota: Name | None = Field(default=None, description="Tunnel quota to use.", examples=["default"])

    @model_validator(mode="after")
    def _rules(self) -> OdpsReader:
        lines = column_problems(self.column)
        if self.where and not self.enable_where:
            lines.append(problem(("where",), "where has no effect unless enableWhere is true", self.where))
        refuse("OdpsReader", lines)
        return self


class OdpsWriter(OdpsParameters):
    """Writer of one MaxCompute table."""

    table: Name = Field(description="Table to write; no external table.", examples=["ods_orders"])
    column: Columns = Field(description='Columns in order, or ["*"] for all.', examples=[["id", "customer"]])
    partition: Name | None = Field(
        default=None,
        description="Partition to write, to its last level; must be absent for a table without partitions.",
        examples=["pt=${bizdate}"],
    )
    truncate: bool = Field(
        default=True,
        description="True replaces the partition or table; false appends again at each rerun.",
        examples=[True],
    )
    empty_as_null: bool = Field(
        default=False, description="Whether empty text becomes NULL.", examples=[False]
    )
    schema_name: Name | None = Field(
        default=None,
        alias="schema",
        description="Schema, in the three-layer model only.",
        examples=["default"],
    )
    tunnel_quota: Name | None = Field(default=None, description="Tunnel quota to use.", examples=["default"])
    over_length_rule: Literal["truncate", "keepOn", "setNull"] | None = Field(
        default=None,
        description="What becomes of values longer than maxOdpsFieldLength.",
        examples=["keepOn"],
    )
    max_odps_field_length: Annotated[int, Field(ge=1)] | None = Field(
        default=None, description="Longest value, in bytes.", examples=[8388608]
    )
    consistency_commit: bool | None = Field(
        default=None, description="Whether all becomes visible at once (at most 1 TB).", examples=[False]
    )

    @model_validator(mode="after")
    def _rules(self) -> OdpsWriter:
        lines = column_problems(self.column)
        if self.partition is not None and "*" in self.partition:
            lines.append(problem(("partition",), "a writer's partition has no wildcards", self.partition))
        refuse("OdpsWriter", lines)
        return self


def column_problems(columns: tuple[str, ...]) -> list[InitErrorDetails]:
    """A list that holds ``*`` holds nothing else."""
    if "*" in columns and len(columns) > 1:
        return [problem(("column",), "'*' stands for all columns and must stand alone")]
    return []


@dataclass(frozen=True)
class Counterpart:
    """A type of data source a sync task may have on its other side."""

    step_type: str
    reader_type: type[StepParameters]
    writer_type: type[StepParameters]

    def reader_step(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Reader step of a TaskContent. Raises ``pydantic.ValidationError`` for bad values."""
        return self._named(step("Reader", "reader", self.step_type, self.reader_type, values))

    def writer_step(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Writer step of a TaskContent. Raises ``pydantic.ValidationError`` for bad values."""
        return self._named(step("Writer", "writer", self.step_type, self.writer_type, values))

    @staticmethod
    def _named(made: dict[str, Any]) -> dict[str, Any]:
        """The type is the step's, not one of its parameters."""
        del made["parameter"]["type"]
        return made


COUNTERPARTS: Mapping[str, Counterpart] = MappingProxyType(
    {"odps": Counterpart("odps", OdpsReader, OdpsWriter)}
)
"""Counterparts by the word used as ``type`` in a specification."""

"""The types of the parameters of the flows over a file, with a title for each choice of a form."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from config.forms import Choices

Defaults = Annotated[
    str | dict[str, Any] | None, Choices(string="YAML file", object="Values as JSON", null="No defaults")
]
OnInvalid = Literal["stop", "skip"]
Count = Annotated[Annotated[int, Field(ge=0)] | None, Choices(integer="Number", null="No bound")]
Percent = Annotated[Annotated[float, Field(ge=0, le=100)] | None, Choices(number="Per cent", null="No bound")]
Only = list[Literal["failed", "blocked", "not_started"]]
OnlyRows = Annotated[Only | None, Choices(array="Rows that ended so", null="All rows")]
PreviousReport = Annotated[str | None, Choices(string="Path or URL", null="None")]
ReportFolder = Annotated[str | None, Choices(string="Folder", null="No files")]
RowsAtOnce = Annotated[
    Annotated[int, Field(ge=1, le=512)] | None, Choices(integer="Number", null="By the edition's rates")
]
ShardCount = Annotated[
    Annotated[int, Field(ge=1, le=64)] | Literal["auto"],
    Choices(integer="Number", string="All that are online"),
]

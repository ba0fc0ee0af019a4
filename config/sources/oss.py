"""Object Storage Service (OSS): location, role-mode Content, permissions, reader and writer.

Sources: vendor page "Use the RAM role-based authorization mode to add a data source"; OSS "RAM Policy" page
(which actions exist); Data Integration, OSS data source, script mode; DataX ``OssReader`` and ``OssWriter``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, PlainValidator, field_validator, model_validator
from pydantic_core import InitErrorDetails

from config.limits import OBJECT_NAME_BYTES
from config.names import check_bucket_name
from config.problems import SchemaOf, problem, refuse
from config.sources.base import (
    Access,
    ContentProfile,
    Permission,
    PermissionLevel,
    SourceLocation,
    SourceType,
    StepParameters,
)

_ENDPOINT = re.compile(r"https?://oss(-[a-z0-9-]+)?\.aliyuncs\.com/?")
_BUCKET_IN_ENDPOINT = re.compile(r"(https?://)?[^/]+\.oss(-[a-z0-9-]+)?\.aliyuncs\.com.*")
# Acceleration endpoints serve every region.
_REGIONLESS = frozenset({"accelerate", "accelerate-overseas"})


class OssLocation(SourceLocation):
    """A bucket, or the part of it below a prefix."""

    bucket: str = Field(description="Bucket name.", examples=["shop-orders"])
    prefix: str = Field(
        default="",
        description="Only objects whose names start so, as literal text. Empty: the whole bucket.",
        examples=["orders/"],
    )
    endpoint: str = Field(
        default="",
        description="OSS endpoint without the bucket. Default: http://oss-<region>-internal.aliyuncs.com.",
        examples=["http://oss-cn-hangzhou-internal.aliyuncs.com"],
    )

    _bucket = field_validator("bucket")(check_bucket_name)

    @field_validator("prefix")
    @classmethod
    def _check_prefix(cls, prefix: str) -> str:
        if prefix.startswith("/"):
            raise ValueError("a prefix does not start with '/': object names do not")
        for sign in ("*", "?", "..", "${"):
            if sign in prefix:
                raise ValueError(f"a prefix is literal text and must not hold {sign!r}")
        if len(prefix.encode()) > OBJECT_NAME_BYTES:
            raise ValueError(f"a prefix has at most {OBJECT_NAME_BYTES} bytes, as object names do")
        return prefix

    @field_validator("endpoint")
    @classmethod
    def _check_endpoint(cls, endpoint: str) -> str:
        if not endpoint or _ENDPOINT.fullmatch(endpoint):
            return endpoint
        if _BUCKET_IN_ENDPOINT.fullmatch(endpoint):
            raise ValueError(
                "the bucket must not stand before 'oss' in the endpoint: "
                "such an endpoint may pass the connectivity test and still fail the sync task"
            )
        raise ValueError("an OSS endpoint looks like http://oss-cn-hangzhou-internal.aliyuncs.com")


def _flag(value: object) -> object:
    """The engine expects the words "true" and "false"."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value


def _object_name(name: str) -> str:
    if not name or name.startswith("/"):
        raise ValueError("an object name is not empty and does not start with '/'")
    return name


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


Flag = Annotated[
    Literal["true", "false"], BeforeValidator(_flag, json_schema_input_type=bool | Literal["true", "false"])
]
ObjectName = Annotated[str, AfterValidator(_object_name)]
_OneOrMore = BeforeValidator(_as_list, json_schema_input_type=str | list[str])
ObjectNames = Annotated[tuple[ObjectName, ...], Field(min_length=1), _OneOrMore]


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


_PAGE = "vendor page, OSS permission list"
_CATALOGUE = "OSS RAM Policy page; DataX OssReader and OssWriter"
_VENDOR_READ = (
    *("oss:GetObject", "oss:ListObjects", "oss:GetObjectMetadata", "oss:GetObjectMeta"),
    *("oss:GetBucketAcl", "oss:GetBucketInfo"),
)
_VENDOR_WRITE = ("oss:PutObject", "oss:DeleteObject", "oss:PutBucket")


class Oss(SourceType):
    """OSS as a source type."""

    name = "oss"
    title = "Object Storage Service"
    data_source_type = "oss"
    service = "oss.aliyuncs.com"
    content_profile = ContentProfile(
        template=MappingProxyType(
            {
                "endpoint": "{endpoint}",
                "bucket": "{bucket}",
                "regionId": "{region}",
                "authType": "RamRole",
                "authIdentity": "{role_id}",
                "tag": "public",
            }
        ),
        confidence="medium: documented for the 2024-05-18 API, inferred for 2020-05-18",
        source="DataWorks 2024-05-18 ConnectionProperties, OSS; tag from CreateDataSource 2020-05-18",
    )
    Location = OssLocation
    reader_type = OssReader
    writer_type = OssWriter

    def resolve_location(self, location: SourceLocation, region: str) -> OssLocation:
        """Default endpoint: the internal one of the region, which resource groups of the region reach."""
        place = _oss(location)
        if not place.endpoint:
            return place.model_copy(update={"endpoint": f"http://oss-{region}-internal.aliyuncs.com"})
        match = _ENDPOINT.fullmatch(place.endpoint)
        part = (match[1] or "")[1:] if match else ""
        if part and part not in _REGIONLESS and part.removesuffix("-internal") != region:
            rule = f"the endpoint belongs to another region than the specification's, {region}"
            refuse("OssLocation", [problem(("endpoint",), rule, place.endpoint)])
        return place

    def permissions(
        self, location: SourceLocation, access: Access, level: PermissionLevel, *, deletes: bool = False
    ) -> tuple[Permission, ...]:
        """Actions the role needs on the bucket and on the objects below the prefix.

        ``vendor`` is the vendor's list as printed, on the whole bucket. Its write actions alone cannot look
        the bucket up, so write access has its read actions too.
        """
        place = _oss(location)
        bucket = (f"acs:oss:*:*:{place.bucket}",)
        if level == "vendor":
            actions = _VENDOR_READ + (_VENDOR_WRITE if access.writes else ())
            return tuple(
                Permission(action, (*bucket, f"{bucket[0]}/*"), "printed by the vendor", _PAGE)
                for action in actions
            )
        objects = (f"{bucket[0]}/{place.prefix}*",)
        listed = (("StringLike", "oss:Prefix", (f"{place.prefix}*",)),) if place.prefix else ()
        wanted: list[Permission] = []
        if access.reads:
            why = "GetObject and HeadObject of the reader"
            wanted.append(Permission("oss:GetObject", objects, why, _CATALOGUE))
        if access.writes:
            why = "PutObject and multipart upload of the writer"
            wanted.append(Permission("oss:PutObject", objects, why, _CATALOGUE))
            why = "clean-up of a failed multipart upload of the writer"
            wanted.append(Permission("oss:AbortMultipartUpload", objects, why, _CATALOGUE))
        if access.writes and deletes:
            why = "removal of older objects by a writer that truncates"
            wanted.append(Permission("oss:DeleteObject", objects, why, _CATALOGUE))
        why = "finding the objects to read, or those in the way of a writer"
        return (
            *wanted,
            Permission("oss:ListObjects", bucket, why, _CATALOGUE, listed),
            Permission("oss:GetBucketAcl", bucket, "the engine's look whether the bucket exists", _CATALOGUE),
            Permission("oss:GetBucketInfo", bucket, "probably the connectivity test", _PAGE),
        )

    def deletes(self, writer: Mapping[str, Any]) -> bool:
        """A writer that truncates deletes all objects with its start."""
        return writer.get("writeMode") == "truncate"

    def reader_problems(
        self, parameters: Mapping[str, Any], location: SourceLocation
    ) -> list[InitErrorDetails]:
        """Objects outside the prefix, which the role may not read."""
        return _outside(OssReader.model_validate(dict(parameters)), _oss(location))

    def writer_problems(
        self, parameters: Mapping[str, Any], location: SourceLocation
    ) -> list[InitErrorDetails]:
        """Objects outside the prefix, which the role may not write."""
        return _outside(OssWriter.model_validate(dict(parameters)), _oss(location))


def _outside(parameters: OssReader | OssWriter, location: OssLocation) -> list[InitErrorDetails]:
    rule = f"outside the location's prefix {location.prefix!r}, which is all the role may reach"
    names: list[tuple[tuple[str | int, ...], str | None]] = [(("path",), parameters.path)]
    if isinstance(parameters.object, tuple):
        names += [(("object", position), name) for position, name in enumerate(parameters.object)]
    else:
        names.append((("object",), parameters.object))
    return [
        problem(path, rule, name) for path, name in names if name and not name.startswith(location.prefix)
    ]


def _oss(location: SourceLocation) -> OssLocation:
    if not isinstance(location, OssLocation):
        raise TypeError(f"an OSS location is needed, not {type(location).__name__}")
    return location


SOURCE_TYPE = Oss()

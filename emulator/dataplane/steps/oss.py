"""OSS: reader of csv and text objects, writer with truncate, append and nonConflict.

Each operation asks for the RAM action that OSS asks for. Source: OSS "RAM Policy" page (which action authorises which
operation), DataX ``OssReader`` and ``OssWriter`` (which operations the engine calls):

- the look at the bucket, first of all (a setting): ``oss:GetBucketAcl`` and ``oss:GetBucketInfo`` on the bucket;
- reading: ``oss:ListObjects`` on the bucket for each pattern, ``oss:GetObject`` on each object;
- writing: ``oss:GetBucketAcl`` on the bucket (the engine's test whether it exists), ``oss:ListObjects`` on the bucket,
  ``oss:DeleteObject`` on each object that is replaced, ``oss:PutObject`` on the new one, and, when rows stop coming in
  the middle, ``oss:AbortMultipartUpload``.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from emulator.dataplane.errors import AccessRefused, NotBuilt, RunFailure
from emulator.dataplane.network import endpoint_of
from emulator.dataplane.session import Session
from emulator.dataplane.steps.base import Row, StepRun
from emulator.dataworks.content import host_of
from emulator.state import Bucket

TYPE = "oss"

_FORMATS = ("csv", "text")
_DATE_WORDS = (("yyyy", "%Y"), ("MM", "%m"), ("dd", "%d"), ("HH", "%H"), ("mm", "%M"), ("ss", "%S"))
_DATE = "yyyy-MM-dd HH:mm:ss"


# -- the bucket ----------------------------------------------------------------------------------------


def look(session: Session, content: Mapping[str, Any]) -> None:
    """Whether the bucket is there, as a connectivity test may ask. Raises :class:`AccessRefused`."""
    bucket = f"acs:oss:*:{session.cloud.state.account_id}:{content['bucket']}"
    session.authorise("oss:GetBucketAcl", bucket)
    session.authorise("oss:GetBucketInfo", bucket)


def _arn(step: StepRun, name: str = "") -> str:
    path = f"{step.content['bucket']}/{name}" if name else step.content["bucket"]
    return f"acs:oss:*:{step.cloud.state.account_id}:{path}"


def _bucket(step: StepRun) -> Bucket:
    """The bucket as its endpoint finds it. Raises what a client of OSS would see."""
    name = str(step.content["bucket"])
    host = host_of(TYPE, step.content)
    endpoint = endpoint_of(TYPE, host)
    if endpoint is None or endpoint.label is not None:
        # The engine puts the bucket before the endpoint; with one already there the name does not exist.
        raise RunFailure("UnknownHostException", f"{name}.{host}: Name or service not known")
    bucket = step.cloud.state.data.buckets.get(name)
    if bucket is None:
        raise RunFailure(
            "NoSuchBucket", f"OSS answered 404 NoSuchBucket: The specified bucket does not exist: {name}"
        )
    region = endpoint.region
    if region is not None and region != bucket.region:
        raise RunFailure(
            "AccessDenied",
            "OSS answered 403 AccessDenied: The bucket you are attempting to access must be addressed using the "
            f"specified endpoint (bucket {name} is in {bucket.region}, the endpoint in {region})",
        )
    step.look(look)
    return bucket


def _list(step: StepRun, bucket: Bucket, prefix: str) -> list[str]:
    step.session.authorise("oss:ListObjects", _arn(step), {"oss:Prefix": (prefix,)})
    return sorted(name for name in bucket.objects if name.startswith(prefix))


def _check_format(step: StepRun) -> None:
    file_format = step.text("fileFormat", "csv")
    if file_format not in _FORMATS:
        raise NotBuilt(f"fileFormat {file_format} of oss; it has {', '.join(_FORMATS)}")
    if step.text("compress"):
        raise NotBuilt(f"compress {step.text('compress')} of oss")
    if step.text("encoding", "UTF-8").upper().replace("-", "") != "UTF8":
        raise NotBuilt(f"encoding {step.text('encoding')} of oss; it has UTF-8")


# -- reading -------------------------------------------------------------------------------------------


def read(step: StepRun) -> Iterator[Row]:
    """Rows of all objects that match, in the order of their names."""
    _check_format(step)
    bucket = _bucket(step)
    wanted = step.needed("object")
    names: list[str] = []
    for pattern in wanted if isinstance(wanted, list) else [wanted]:
        prefix = re.split(r"[*?]", str(pattern), maxsplit=1)[0]
        expression = re.compile(_regex(str(pattern)), re.DOTALL)
        names.extend(name for name in _list(step, bucket, prefix) if expression.fullmatch(name))
    names = sorted(set(names))
    if not names:
        raise RunFailure("OssReader-08", f"no object of bucket {step.content['bucket']} matches {wanted}")
    step.log.info(f"reading {len(names)} objects: {', '.join(names)}")
    columns = _columns(step)
    return _rows(step, bucket, names, columns)


def _columns(step: StepRun) -> list[Any]:
    """The task's columns, each an object with an index or a constant, or one star."""
    columns = step.listed("column")
    for column in columns if columns != ["*"] else ():
        constant = isinstance(column, dict) and column.get("value") is not None
        if not constant and not (isinstance(column, dict) and str(column.get("index", "")).isdigit()):
            raise RunFailure("OssReader-01", f"a column needs an index or a value, not {column!r}")
        if str(column.get("type", "string")).lower() not in _TYPES:
            raise RunFailure("OssReader-01", f"unknown column type {column.get('type')!r}")
    return columns


def _regex(pattern: str) -> str:
    return "".join({"*": ".*", "?": "."}.get(sign, re.escape(sign)) for sign in pattern)


def _rows(step: StepRun, bucket: Bucket, names: list[str], columns: list[Any]) -> Iterator[Row]:
    for name in names:
        step.session.authorise("oss:GetObject", _arn(step, name))
        lines = _records(step, bucket.objects[name])
        if step.flag("skipHeader"):
            next(lines, None)
        for number, cells in enumerate(lines, 1):
            row = _row(step, cells, columns, f"{name}, record {number}")
            if row is not None:
                yield row


def _records(step: StepRun, text: str) -> Iterator[list[str]]:
    delimiter = step.text("fieldDelimiter", ",").replace("\\t", "\t")
    if len(delimiter) != 1:
        raise RunFailure("OssReader-01", f"fieldDelimiter must be one character, not {delimiter!r}")
    if step.text("fileFormat", "csv") == "csv":
        return (cells for cells in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if cells)
    line_delimiter = step.text("lineDelimiter", "\n").replace("\\n", "\n")
    return (line.split(delimiter) for line in text.split(line_delimiter) if line)


def _row(step: StepRun, cells: list[str], columns: list[Any], where: str) -> Row | None:
    """One record by the task's columns, or None when it is dirty and was counted."""
    if columns == ["*"]:
        return [_null(step, cell) for cell in cells]
    row: Row = []
    for column in columns:
        if column.get("value") is not None:
            text: str | None = str(column["value"])
        else:
            index = int(column["index"])
            if index >= len(cells):
                step.dirty.add(f"{where} has {len(cells)} columns, index {index} is asked for")
                return None
            text = _null(step, cells[index])
        try:
            row.append(None if text is None else _converted(text, column))
        except ValueError:
            step.dirty.add(f"{where}: {text!r} is no {column.get('type', 'string')}")
            return None
    return row


def _null(step: StepRun, cell: str) -> str | None:
    return None if "nullFormat" in step.parameter and cell == step.text("nullFormat") else cell


def _converted(text: str, column: dict[str, Any]) -> str:
    """The text of a value of the column's type. Raises ``ValueError``."""
    convert = _TYPES[str(column.get("type", "string")).lower()]
    return convert(text, str(column.get("format") or _DATE))


def _boolean(text: str, _: str) -> str:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower()


def _number(text: str, _: str) -> str:
    float(text)
    return text


def _date(text: str, pattern: str) -> str:
    for word, directive in _DATE_WORDS:
        pattern = pattern.replace(word, directive)
    return f"{datetime.strptime(text, pattern):%Y-%m-%d %H:%M:%S}"


_TYPES: dict[str, Callable[[str, str], str]] = {
    "string": lambda text, _: text,
    "long": lambda text, _: str(int(text)),
    "double": _number,
    "boolean": _boolean,
    "date": _date,
}


# -- writing -------------------------------------------------------------------------------------------


def write(step: StepRun, rows: Iterable[Row]) -> int:
    """Write one object; ``truncate`` first deletes every object whose name starts with ``object``."""
    _check_format(step)
    bucket = _bucket(step)
    prefix, mode = str(step.needed("object")), step.text("writeMode", "append")
    if mode not in ("truncate", "append", "nonConflict"):
        raise RunFailure("OssWriter-01", f"unknown writeMode {mode!r}")
    step.session.authorise("oss:GetBucketAcl", _arn(step))
    existing = _list(step, bucket, prefix)
    if mode == "nonConflict" and existing:
        raise RunFailure("OssWriter-02", f"writeMode nonConflict, but {', '.join(existing)} exist")
    if mode == "truncate":
        for name in existing:
            step.session.authorise("oss:DeleteObject", _arn(step, name))
            del bucket.objects[name]
        step.log.info(f"deleted {len(existing)} objects that start with {prefix}")
    # The engine adds a random end; here it is the instance's id, so that runs repeat exactly.
    name = prefix if step.flag("writeSingleObject") else f"{prefix}__{step.instance:x}"
    step.session.authorise("oss:PutObject", _arn(step, name))
    text, count = _rendered(step, rows, name)
    if count or step.flag("generateEmptyFile", True):
        bucket.objects[name] = bucket.objects.get(name, "") + text
    step.log.info(f"wrote {count} records into {name}")
    return count


def _rendered(step: StepRun, rows: Iterable[Row], name: str) -> tuple[str, int]:
    """The object's text. Gives the started upload up when reading fails, as the engine does."""
    target = io.StringIO()
    null = step.text("nullFormat")
    out = csv.writer(target, delimiter=step.text("fieldDelimiter", ","), lineterminator="\n")
    header = step.parameter.get("header")
    if header and step.flag("writeHeader", True):
        out.writerow(header)
    count = 0
    try:
        for row in rows:
            out.writerow([null if value is None else value for value in row])
            count += 1
    except RunFailure:
        try:
            step.session.authorise("oss:AbortMultipartUpload", _arn(step, name))
        except AccessRefused as refused:
            step.log.warn(f"the unfinished upload of {name} stays: {refused}")
        raise
    return target.getvalue(), count

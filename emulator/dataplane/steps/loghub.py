"""LogHub of Simple Log Service (SLS): reader of a Logstore between two moments, writer that adds logs.

Each operation asks for the RAM action that SLS asks for. Source: SLS "RAM authorization" page (which action authorises
which operation), DataX ``LogHubReader`` and ``LogHubWriter`` (which operations the engine calls):

- the look at the project, first of all (a setting): ``log:GetProject``;
- reading: ``log:ListShards``, then ``log:GetCursorOrData`` for each shard;
- writing: ``log:ListShards`` where a setting says so (the open writer does it only with ``hashByKey``), then
  ``log:PostLogStoreLogs`` for each batch.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

from emulator.dataplane.errors import NotBuilt, RunFailure
from emulator.dataplane.network import endpoint_of
from emulator.dataplane.session import Session
from emulator.dataplane.steps.base import Row, StepRun
from emulator.dataworks.content import host_of
from emulator.state_data import LogEntry, Logstore, moment

TYPE = "loghub"

_READ_BATCH, _READ_BATCH_MAXIMUM, _WRITE_BATCH = 256, 1000, 1024  # logs of one request
_DAY_CHARACTERS = 8
# Two spellings of the same metadata, as the reader knows them.
_META = {
    "C_Source": "__source__",
    "C_Topic": "__topic__",
    "C_Category": "__category__",
    "C_LogTime": "__logtime__",
    "C_HostName": "__hostname__",
    "C_Path": "__path__",
    "C_MachineUUID": "__machineUUID__",
}
_OTHERS, _ALL_META = "C__extract_others__", "C__extract_all_meta__"


# -- the Logstore --------------------------------------------------------------------------------------


def _project_arn(session: Session, content: Mapping[str, Any]) -> str:
    endpoint = endpoint_of(TYPE, host_of(TYPE, content))
    region = (endpoint and endpoint.region) or session.cloud.state.region
    return f"acs:log:{region}:{session.cloud.state.account_id}:project/{content['project']}"


def look(session: Session, content: Mapping[str, Any]) -> None:
    """Whether the project is there, as a connectivity test may ask. Raises :class:`AccessRefused`."""
    session.authorise("log:GetProject", _project_arn(session, content))


def _open(step: StepRun) -> tuple[Logstore, str]:
    """The Logstore as its endpoint finds it, with its resource. Raises what a client of SLS would see."""
    project, name = str(step.content["project"]), str(step.needed("logstore"))
    host = host_of(TYPE, step.content)
    endpoint = endpoint_of(TYPE, host)
    if endpoint is None or endpoint.label is not None:
        # The engine puts the project before the endpoint; with one already there the name does not exist.
        raise RunFailure("UnknownHostException", f"{project}.{host}: Name or service not known")
    found = step.cloud.state.data.log_projects.get(project)
    if found is None or endpoint.region not in (None, found.region):
        raise RunFailure(
            "ProjectNotExist", f"SLS answered 404 ProjectNotExist: The Project does not exist : {project}"
        )
    step.look(look)
    if name not in found.logstores:
        raise RunFailure(
            "LogStoreNotExist", f"SLS answered 404 LogStoreNotExist: logstore {name} does not exist"
        )
    return found.logstores[name], f"{_project_arn(step.session, step.content)}/logstore/{name}"


# -- reading -------------------------------------------------------------------------------------------


def read(step: StepRun) -> Iterator[Row]:
    """Logs that arrived from the first moment, included, to the last, not included; shard by shard."""
    if step.text("query"):
        raise NotBuilt("the query of the loghub reader")
    names = [str(name) for name in step.listed("column")]
    if names == ["*"]:
        raise NotBuilt("column * of the loghub reader")
    batch = step.number("batchSize", _READ_BATCH)
    if batch > _READ_BATCH_MAXIMUM:
        raise RunFailure("LogHubReader-02", f"Invalid batchSize[{batch}] value (0,{_READ_BATCH_MAXIMUM}]!")
    begin, end = _moment(step, "begin", -math.inf), _moment(step, "end", math.inf)
    if end <= begin:
        raise RunFailure("LogHubReader-02", "the end of reading must be after its beginning")
    store, resource = _open(step)
    step.session.authorise("log:ListShards", resource)
    step.log.info(f"reading {step.text('logstore')}, {store.shards} shards")
    return _rows(step, store, resource, names, (begin, end))


def _moment(step: StepRun, word: str, open_end: float) -> float:
    """Seconds since the epoch. The milliseconds -1 stand for the oldest or newest log."""
    text, millis = step.text(f"{word}DateTime"), step.text(f"{word}TimestampMillis")
    try:
        if text:
            return moment(f"{text}000000" if len(text) == _DAY_CHARACTERS else text)
        return open_end if millis in ("", "-1") else int(millis) / 1000
    except ValueError as error:
        raise RunFailure(
            "LogHubReader-02",
            f"Invalid {word}DateTime[{text or millis}], format [yyyyMMddHHmmss or yyyyMMdd]!",
        ) from error


def _rows(
    step: StepRun, store: Logstore, resource: str, names: list[str], window: tuple[float, float]
) -> Iterator[Row]:
    begin, end = window
    for shard in range(store.shards):
        step.session.authorise("log:GetCursorOrData", resource)
        held = [one for one in store.entries if one.shard == shard and begin <= one.time < end]
        for entry in sorted(held, key=lambda one: one.time):
            yield _row(step, entry, names)


def _row(step: StepRun, entry: LogEntry, names: list[str]) -> Row:
    """The named keys; one that the log does not have may be metadata or a constant in quotes, else it is NULL."""
    meta = {
        "__source__": entry.source,
        "__topic__": entry.topic,
        "__category__": step.text("logstore"),
        "__logtime__": f"{entry.time:.0f}",
        "__receive_time__": f"{entry.time:.0f}",
    }
    values: dict[str, str | None] = {**{short: meta.get(long) for short, long in _META.items()}, **meta}
    others = {key: value for key, value in entry.fields.items() if key not in names}
    values[_OTHERS], values[_ALL_META] = json.dumps(others), json.dumps(meta)
    values |= entry.fields
    return [values[name] if name in values else _constant(name) for name in names]


def _constant(name: str) -> str | None:
    quoted = len(name) > 1 and name[0] == name[-1] == "'"
    return name[1:-1] if quoted else None


# -- writing -------------------------------------------------------------------------------------------


def write(step: StepRun, rows: Iterable[Row]) -> int:
    """Add logs with the time of writing, in batches that go to the shards in turn; a NULL is left out."""
    names = [str(name) for name in step.listed("column")]
    size = step.number("batchSize", _WRITE_BATCH)
    store, resource = _open(step)
    if step.cloud.settings.runs_look_first or step.flag("hashByKey"):
        step.session.authorise("log:ListShards", resource)
    fitting = _fitting(step, rows, names)
    shard = 0
    while batch := list(islice(fitting, size)):
        step.session.authorise("log:PostLogStoreLogs", resource)
        now = step.cloud.clock.now()
        for row in batch:
            fields = {name: value for name, value in zip(names, row, strict=True) if value is not None}
            store.entries.append(LogEntry(time=now, fields=fields, topic=step.text("topic"), shard=shard))
        step.progress.written += len(batch)
        shard = (shard + 1) % store.shards
    step.log.info(f"wrote {step.progress.written} records into {step.text('logstore')}")
    return step.progress.written


def _fitting(step: StepRun, rows: Iterable[Row], names: list[str]) -> Iterator[Row]:
    for row in rows:
        if len(row) == len(names):
            yield row
        else:
            step.dirty.add(f"column not match: {len(row)} values for {len(names)} columns")

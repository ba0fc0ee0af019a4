"""Runs one instance: from its TaskContent to moved records, or to a log that names what failed.

Order: task and parameters → data sources of the instance's environment → PassRole of the executor and the role's trust →
network of the task's resource group → reading and writing, each operation authorised with the role's policies.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from emulator.cloud import LocalCloud
from emulator.dataplane.errors import RunFailure, TaskContentError
from emulator.dataplane.log import RunLog
from emulator.dataplane.network import integration_group, unreachable
from emulator.dataplane.parameters import date_of, substitute
from emulator.dataplane.session import Session, open_session
from emulator.dataplane.steps import reader_of, writer_of
from emulator.dataplane.steps.base import DirtyRecords, Progress, Row, StepRun, column_count
from emulator.dataplane.task import Step, SyncTask, parse_task
from emulator.state import DataSource, Instance

ENVIRONMENTS = {"DEV": 0, "PROD": 1}
"""EnvType of the data sources that an instance of each environment uses: batch tasks honour the isolation."""


@dataclass(frozen=True)
class Result:
    """How a run ended."""

    succeeded: bool
    log: str
    read: int
    written: int


class _Counted:
    """Rows on their way, counted; those that the reader found dirty and dropped were read too."""

    def __init__(self, rows: Iterator[Row], dirty: DirtyRecords) -> None:
        self.count = 0
        self._rows = rows
        self._dirty = dirty

    def __iter__(self) -> Iterator[Row]:
        return self

    def __next__(self) -> Row:
        before = self._dirty.count
        try:
            row = next(self._rows)
        finally:
            self.count += self._dirty.count - before
        self.count += 1
        return row


def run(cloud: LocalCloud, instance: Instance) -> Result:
    """Run an instance. Never raises for what the task, the account or its policies have wrong."""
    log = RunLog(cloud)
    log.info(
        f"instance {instance.id} of node {instance.node_name} ({instance.node}), environment {instance.environment}, "
        f"business date {date_of(instance.business_date):%Y-%m-%d}"
    )
    dirty = DirtyRecords(None, log)
    rows = _Counted(iter(()), dirty)
    progress = Progress()
    try:
        task = _task(instance)
        dirty = DirtyRecords(task.error_limit, log)
        reader = _step(cloud, instance, task.reader, log, dirty)
        writer = _step(cloud, instance, task.writer, log, dirty)
        progress = writer.progress
        _check_columns(reader, writer)
        read, write = reader_of(task.reader.type), writer_of(task.writer.type)
        rows = _Counted(read(reader), dirty)
        progress.written = write(writer, rows)
    except RunFailure as failure:
        log.error(f"Code:[{failure.code}], Description:[{failure.message}]")
        log.summary(rows.count, progress.written, dirty.count)
        return Result(False, log.text(), rows.count, progress.written)
    log.summary(rows.count, progress.written, dirty.count)
    return Result(True, log.text(), rows.count, progress.written)


def _task(instance: Instance) -> SyncTask:
    try:
        content = substitute(json.loads(instance.content), instance.parameters)
        return parse_task(json.dumps(content, ensure_ascii=False))
    except ValueError as error:
        raise RunFailure("Framework-03", f"TaskContent is no JSON: {error}") from error
    except TaskContentError as error:
        raise RunFailure("Framework-03", str(error)) from error


def _data_source(cloud: LocalCloud, instance: Instance, step: Step) -> DataSource:
    environment = ENVIRONMENTS[instance.environment]
    for source in cloud.state.dataworks.data_sources:
        # The name first: an account may have thousands of data sources.
        if (
            source.name == step.data_source
            and source.environment == environment
            and source.workspace == instance.workspace
        ):
            if source.type != step.type:
                raise RunFailure(
                    "Framework-03",
                    f"step {step.name} is of type {step.type}, data source {source.name} of {source.type}",
                )
            return source
    raise RunFailure(
        "DataSourceNotExist",
        f"data source {step.data_source} does not exist in environment {instance.environment}",
    )


def _step(cloud: LocalCloud, instance: Instance, step: Step, log: RunLog, dirty: DirtyRecords) -> StepRun:
    """Everything a step needs, with rights and network checked."""
    if not step.data_source:
        nobody = Session(cloud, None)
        return StepRun(cloud, instance.id, step.parameter, {}, nobody, log, dirty)
    source = _data_source(cloud, instance, step)
    pass_role = cloud.settings.pass_role_checked_at_run
    session = open_session(cloud, source, instance.executor, pass_role=pass_role)
    log.info(
        f"{step.name}: data source {source.name} ({instance.environment}, id {source.id}) with {session.shown}"
    )
    group = integration_group(cloud, instance.di_resource_group, instance.workspace)
    if group is None:
        raise RunFailure("ResourceGroup", f"ResourceGroup:[{instance.di_resource_group}] is invalid.")
    reason = unreachable(cloud, group, source)
    if reason is not None:
        raise RunFailure("ConnectTimeout", reason)
    return StepRun(
        cloud=cloud,
        instance=instance.id,
        parameter=step.parameter,
        content=json.loads(source.content),
        session=session,
        log=log,
        dirty=dirty,
    )


def _check_columns(reader: StepRun, writer: StepRun) -> None:
    """Columns map by order, so that their numbers must agree. Source: vendor's pages of the plug-ins."""
    read, write = column_count(reader.parameter), column_count(writer.parameter)
    if read is not None and write is not None and read != write:
        raise RunFailure("Framework-03", f"the reader has {read} columns, the writer {write}")

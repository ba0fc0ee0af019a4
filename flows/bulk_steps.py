"""The five steps of one row of a file, as asynchronous tasks: each is seen, named and repeated by itself in Prefect.

The same functions as in a single onboarding do the work, in threads. Steps 1 and 2 are done once for all rows of a role.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar

from prefect import task

from cloud.dataworks.data_sources import source_key
from cloud.errors import Blocked, OnboardingError, RetryableError
from cloud.gate import Gate
from config.sources.base import Environment
from config.spec import DataSourceSpec
from flows.bulk_units import Threads, Units
from flows.report import OnboardingReport
from tasks.bulk_plan import GroupPlan
from tasks.connection import step_limits
from tasks.connectivity import check_cell, judge
from tasks.data_source import DataSourceReady, ensure_data_source
from tasks.deploying import ensure_deployed, ensure_submitted
from tasks.options import completed, ended, options
from tasks.outcome import Outcome, StepReport
from tasks.pass_role import Granted
from tasks.role import RoleReady
from tasks.run import ensure_run
from tasks.sync_task import SyncTaskReady, ensure_created, ensure_scheduled, proved_by
from tasks.workspace import Facts

T = TypeVar("T")


class RowRun:
    """One row on its way: what the steps have made so far, and its report. No dataclass: Prefect need not look inside."""

    def __init__(
        self,
        number: int,
        spec: DataSourceSpec,
        facts: Facts,
        group: GroupPlan,
        gate: Gate,
        units: Units,
        threads: Threads,
    ) -> None:
        self.number = number
        self.spec = spec
        self.name = spec.name
        self.facts = facts
        self.group = group
        self.gate = gate
        self.units = units
        self.threads = threads
        self.report = OnboardingReport(spec.name, spec.workspace, spec.region, spec.type)
        self.seconds: dict[int, float] = {}
        self.at = 0
        self.role: RoleReady | None = None
        self.granted: Granted | None = None
        self.sources: dict[Environment, DataSourceReady] = {}
        self.sync_task: SyncTaskReady | None = None

    async def work(self, step: int, act: Callable[[Gate], T]) -> T:
        """Call ``act`` in a thread with the sessions of a step."""

        def limited() -> T:
            with step_limits(self.spec, step):
                return act(self.gate)

        return await self.threads.run(limited)

    @asynccontextmanager
    async def step(self, number: int) -> AsyncIterator[None]:
        """Note where the row is and how long it takes. A repeated step counts from its first attempt."""
        self.at = number
        began = time.monotonic()
        self.report.steps = [one for one in self.report.steps if one.number != number]
        try:
            yield
        finally:
            self.seconds[number] = self.seconds.get(number, 0.0) + time.monotonic() - began


class Taken(Exception):
    """Another run makes the same data source at this moment. Not an error: the row is looked at again later."""


class Done:
    """What a step hands to the next, so that Prefect draws the edge."""


def _shared(row: RowRun, error: OnboardingError) -> OnboardingError:
    """A failure of what rows share blocks them; one that is repeated, or of a row's own role, is the row's."""
    if isinstance(error, RetryableError) or len(row.group.group.specs) == 1:
        return error
    return Blocked.by(error)


@task(**options("1 RAM role", "1 role of {row.name}", timeout=900))
async def role_of_row(row: RowRun, before: Done) -> Done:
    """Step 1: the role, made by whichever of its rows comes first. Raises :class:`Blocked` or its error."""
    del before
    async with row.step(1):
        try:
            row.role = await row.units.role(row.group)
        except OnboardingError as error:
            raise _shared(row, error) from error
        row.report.steps.append(row.role.report)
        return completed(row.role.report, Done())


@task(**options("2 PassRole", "2 PassRole for {row.name}", timeout=900))
async def grant_of_row(row: RowRun, before: Done) -> Done:
    """Step 2: the grant, made once for all rows of the role."""
    del before
    async with row.step(2):
        try:
            row.granted = await row.units.grant(row.group)
        except OnboardingError as error:
            raise _shared(row, error) from error
        row.report.steps.append(row.granted.report)
        return completed(row.granted.report, Done())


@task(**options("3 data source", "3 data source {row.name}", timeout=1800))
async def source_of_row(row: RowRun, before: Done) -> Done:
    """Step 3: the data source in every environment, and its connectivity from every resource group."""
    del before
    async with row.step(3):
        spec, role, granted = row.spec, row.role, row.granted
        assert role is not None
        assert granted is not None
        for where in row.facts.environments:
            make = partial(ensure_data_source, spec=spec, environment=where, role=role, granted=granted)
            row.sources[where] = await row.work(3, make)
            shared = row.gate.shared
            if shared is not None and shared.taken(source_key(spec.workspace, spec.name, where)):
                raise Taken(f"another run is making data source {spec.name} ({where.name})")
            row.report.steps.append(row.sources[where].report)
        cells = [(where, group) for where in row.facts.environments for group in spec.resource_groups]
        row.report.matrix = list(
            await asyncio.gather(
                *(
                    row.work(3, partial(check_cell, spec=spec, environment=where, resource_group=group))
                    for where, group in cells
                )
            )
        )
        verdict = judge(spec, row.report.matrix)
        made = ", ".join(source.report.line for source in row.sources.values())
        return ended(f"{made}; {verdict}", Done())


@task(**options("4 sync task", "4 sync task of {row.name}", timeout=3600))
async def sync_task_of_row(row: RowRun, before: Done) -> Done:
    """Step 4: the sync task, from its file to its deployment."""
    del before
    async with row.step(4):
        spec, facts, wanted, role = row.spec, row.facts, row.spec.sync_task, row.role
        if wanted is None:
            report = StepReport(4, "sync task", "", Outcome.SKIPPED, "the specification has none")
            row.report.steps.append(report)
            return completed(report, Done())
        assert role is not None

        def act(gate: Gate) -> SyncTaskReady:
            proved = proved_by(spec, facts, role, row.sources.values())
            ready = ensure_scheduled(gate, spec, facts, ensure_created(gate, spec), proved)
            return ensure_deployed(gate, spec, facts, ensure_submitted(gate, spec, facts, ready))

        ready = row.sync_task = await row.work(4, act)
        where = f"file {ready.task.file}, node {ready.task.node}, version {ready.task.version}"
        report = ready.report(wanted, where)
        row.report.steps.append(report)
        return completed(report, Done())


@task(**options("5 sync run", "5 run of {row.name}", timeout=7200))
async def run_of_row(row: RowRun, before: Done) -> Done:
    """Step 5: the run in every environment, watched to its end."""
    del before
    async with row.step(5):
        spec, ready, role, granted = row.spec, row.sync_task, row.role, row.granted
        if ready is None or spec.sync_task is None or not spec.sync_task.run:
            reason = (
                "the specification has no sync task" if ready is None else "the specification says run: false"
            )
            report = StepReport(5, "sync run", "", Outcome.SKIPPED, reason)
            row.report.steps.append(report)
            return completed(report, Done())
        assert role is not None
        assert granted is not None
        row.report.proofs = []
        for where, source in row.sources.items():
            run = partial(
                ensure_run,
                spec=spec,
                environment=where,
                role=role,
                granted=granted,
                source=source,
                ready=ready,
            )
            proof = await row.work(5, run)
            row.report.proofs.append(proof)
            row.report.steps.append(proof.report)
        return ended("; ".join(proof.report.line for proof in row.report.proofs), Done())


Step = Callable[[RowRun, Done], Awaitable[Done]]

STEPS = (
    role_of_row,
    grant_of_row,
    source_of_row,
    sync_task_of_row,
    run_of_row,
)
"""In their order; each is given what the one before it has handed on."""

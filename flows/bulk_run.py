"""Carrying out the plan of a file: rows side by side under a bound, brakes, progress, and the report of each row.

One row never stops another. What stops the run, a brake or an allowance, lets the steps under way end and begins no more.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial

from httpx import HTTPError
from prefect.exceptions import PrefectException

from cloud.errors import Blocked, DailyAllowanceSpent, OnboardingError
from cloud.gate import Gate
from config.csv_file import Row
from config.limits import DATAWORKS
from config.spec import DataSourceSpec
from flows.bulk_brakes import GOES_ON, Brakes
from flows.bulk_progress import Progress
from flows.bulk_report import RowOutcome, RowReport, Stop
from flows.bulk_steps import STEPS, Done, RowRun, Step, Taken
from flows.bulk_units import Ready, Threads, Units, threads
from flows.report import STEP_TITLES, Failure, OnboardingReport
from flows.row_turns import RowTurns
from flows.turn import Held
from tasks.bulk_plan import FilePlan, GroupPlan, plan_again
from tasks.bulk_rows import RowPlan
from tasks.connection import file_limits
from tasks.options import announce
from tasks.outcome import Outcome, StepReport
from tasks.sync_task import make_folders

# Two threads a row: the row's own step, and its connectivity tests beside it.
_THREADS_A_ROW = 2
# How long another run on the same rows may make no progress before its rows are taken over.
_PATIENCE_SECONDS = 60.0


class BulkRun:
    """One region's rows, from the plan to their reports."""

    def __init__(
        self,
        gate: Gate,
        rows: Sequence[Row],
        plan: FilePlan,
        brakes: Brakes,
        rows_at_once: int,
        steps: Sequence[Step] = STEPS,
        ready: Mapping[str, Ready] | None = None,
        turns: RowTurns | None = None,
    ) -> None:
        self.gate = gate
        self.rows = rows
        self.plan = plan
        self.brakes = brakes
        self.rows_at_once = rows_at_once
        self.steps = steps
        self.ready = dict(ready or {})
        """Roles with their grants, by role name, that are made and handed on."""
        self._turns = turns
        """The turns that rows take; None: nobody else is there who could onboard the same."""
        self._waits = False
        self._under_way: dict[int, int] = {}
        self.taken: list[int] = []
        """Places of rows that another run was seen to work on."""
        self.stop: Stop | None = None
        self.reports: dict[int, RowReport] = {}
        self.progress = Progress(len(plan.changed))
        self._failures: list[str] = []

    @property
    def failures(self) -> int:
        """How many rows, and roles of several rows, have failed in this process."""
        return len(self._failures)

    # -- without writing -------------------------------------------------------------------------------

    def planned(self) -> list[RowReport]:
        """Every row as the plan sees it: refused, planned or unchanged."""
        return [self._without_steps(place, RowOutcome.PLANNED) for place in range(len(self.rows))]

    def _without_steps(self, place: int, changed: RowOutcome) -> RowReport:
        """A row that is not carried out: why it cannot be, that it would change, or that it is as specified."""
        plan, row = self.plan, self.plan.rows[place]
        report = self.row_report(place, RowOutcome.UNCHANGED)
        refusal = plan.refusal(place)
        group = plan.group_of(plan.specs[place])
        changes = (*group.changes, *row.changes)
        report.planned = tuple(f"{change.kind.value} {change.subject}" for change in changes)
        if refusal is not None:
            self._refuse(report, refusal, shared=row.refusal is None and len(group.group.specs) > 1)
        elif changes or row.waits:
            report.outcome = changed
            report.reason = f"{len(changes)} changes" if changes else "its run is still under way"
        else:
            report.reason = "as specified"
            report.onboarding = self._unchanged(place)
        return report

    def row_report(self, place: int, outcome: RowOutcome) -> RowReport:
        """An empty report of a row."""
        spec = self.plan.specs[place]
        return RowReport(
            row=self.rows[place].number,
            workspace=spec.workspace,
            data_source=spec.name,
            type=spec.type,
            region=spec.region,
            role=spec.role_name,
            outcome=outcome,
        )

    def _refuse(self, report: RowReport, refusal: OnboardingError, *, shared: bool) -> None:
        """A refusal of the row's own fails it; one of the role it shares blocks it."""
        report.outcome = RowOutcome.BLOCKED if shared else RowOutcome.FAILED
        report.reason, report.remedy = refusal.what, refusal.remedy
        report.persona = refusal.persona.value if refusal.persona else ""
        onboarding = report.onboarding or OnboardingReport(
            report.data_source, report.workspace, report.region, report.type
        )
        onboarding.failure = onboarding.failure or Failure.of(0, refusal)
        report.onboarding = onboarding

    def _unchanged(self, place: int) -> OnboardingReport:
        """The report of a row that is as specified, by what was read."""
        spec, row = self.plan.specs[place], self.plan.rows[place]
        onboarding = OnboardingReport(spec.name, spec.workspace, spec.region, spec.type)
        steps = [
            (1, f"role {spec.role_name}"),
            (2, f"PassRole on {spec.role_name}"),
            (3, f"data source {spec.name}"),
        ]
        if spec.sync_task is not None:
            steps.append((4, f"sync task {spec.sync_task.name}"))
            if spec.sync_task.run:
                steps.append((5, f"run of {spec.sync_task.name}"))
        ids = {1: ("role_id",), 3: ("data_source_id",), 4: ("file_id", "node_id"), 5: ("instance_id",)}
        present = {"role_id": self.plan.group_of(spec).role_id, **row.present}
        for number, subject in steps:
            facts = {k: v for k, v in present.items() if k.startswith(ids.get(number, ("-",)))}
            onboarding.steps.append(
                StepReport(
                    number, STEP_TITLES[number], subject, Outcome.UNCHANGED, "as specified", facts=facts
                )
            )
        return onboarding

    # -- carrying out ----------------------------------------------------------------------------------

    async def apply(self, told: Callable[[Progress], None]) -> list[RowReport]:
        """Carry out everything that can be; ``told`` hears of each row that has ended."""
        if self.may_begin():
            with self.threads() as threads:
                units = Units(self.gate, self.plan, threads, self.ready)
                await self._rows(self.plan.changed, units, threads, told)
                await self._taken_rows(units, threads, told)
                await self._roles(units)
        return self.all_reports()

    async def share_out(self) -> list[int]:
        """Make what rows share, and return the places of the rows that are left for others to carry out.

        :attr:`ready` holds what they need of it.
        """
        if not self.may_begin():
            return []
        with self.threads() as threads:
            units = Units(self.gate, self.plan, threads)
            blocked = await self._roles(units)
            changed = self.plan.changed
            left = [place for place in changed if self.plan.specs[place].role_name not in blocked]
            groups = {self.plan.specs[place].role_name for place in left}
            self.ready = {name: await units.ready(self.plan.groups[name]) for name in sorted(groups)}
            await threads.run(lambda: make_folders(self.gate, [self.plan.specs[place] for place in left]))
        return left

    def may_begin(self) -> bool:
        """Whether no brake forbids the first write."""
        self.stop = self.stop or self.brakes.before(len(self.plan.touched), len(self.plan.rows))
        return self.stop is None

    def threads(self) -> AbstractContextManager[Threads]:
        """The run's threads, ended with the block."""
        return threads(self.rows_at_once * _THREADS_A_ROW)

    def all_reports(self, elsewhere: Iterable[RowReport] = ()) -> list[RowReport]:
        """Every row's report in the file's order; rows that were not begun say why.

        ``elsewhere`` are reports of rows that others have carried out.
        """
        place_of = {row.number: place for place, row in enumerate(self.rows)}
        self.reports |= {place_of[report.row]: report for report in elsewhere}
        begun = set(self.reports)
        for place in range(len(self.rows)):
            if place not in begun:
                self.reports[place] = self._not_begun(place)
        return [self.reports[place] for place in sorted(self.reports)]

    async def _rows(
        self, changed: Sequence[int], units: Units, threads: Threads, told: Callable[[Progress], None]
    ) -> None:
        """The rows in the file's order, so many at once: each that ends lets the next begin."""
        waiting = iter(changed)

        async def lane() -> None:
            for place in waiting:
                if self._must_stop(place):
                    return
                await self._row(place, units, threads)
                told(self.progress)

        await asyncio.gather(*(lane() for _ in range(min(self.rows_at_once, len(changed)))))

    def _must_stop(self, place: int) -> bool:
        """Whether no further row may begin; the calls of rows under way are part of what must fit."""
        if self.stop is None:
            calls = self.plan.calls_of(place)[DATAWORKS]
            # What rows under way still need is not free; they may have used some of it already.
            if not self.gate.allowance.fits(calls + sum(self._under_way.values())):
                self.stop = self._spent(
                    f"the next row needs {calls} calls, {self.gate.allowance.remaining} are left"
                )
        return self.stop is not None

    def _spent(self, what: str) -> Stop:
        begins = f"{self.gate.allowance.next_day:%Y-%m-%d %H:%M %Z}"
        return Stop("allowance", f"today's DataWorks calls are used: {what}", f"from {begins} on, {GOES_ON}")

    async def _row(self, place: int, units: Units, threads: Threads) -> None:
        plan, spec = self.plan, self.plan.specs[place]
        facts = plan.rows[place].facts
        assert facts is not None
        run = RowRun(self.rows[place].number, spec, facts, plan.group_of(spec), self.gate, units, threads)
        began = time.monotonic()
        self._under_way[place] = plan.calls_of(place)[DATAWORKS]
        report = self.row_report(place, RowOutcome.NOT_STARTED)
        report.onboarding = run.report
        self.reports[place] = report
        try:
            await self._take_turn(spec, threads)
            done = Done()
            for step, task in enumerate(self.steps, start=1):
                if self.stop is not None and self.stop.kind != "allowance":
                    report.reason = f"stopped before step {step}: {self.stop.what}"
                    report.remedy = GOES_ON
                    break
                if self._turns is not None:
                    self._turns.require(spec)
                done = await task(run, done)
            else:
                report.outcome = RowOutcome(run.report.outcome.value)
        except Taken:
            self.taken.append(place)
            del self.reports[place]
            self.progress.done -= 1
        except Blocked as error:
            run.report.failure = Failure.of(run.at, error)
            self._refuse(report, error, shared=True)
            self._failed(f"role {spec.role_name}", error)
        except DailyAllowanceSpent as error:
            self.stop = self.stop or self._spent(error.what)
            report.reason, report.remedy = f"stopped in step {run.at}: {error.what}", GOES_ON
        except OnboardingError as error:
            run.report.failure = Failure.of(run.at, error)
            report.outcome = RowOutcome.FAILED
            announce(f"row {run.number}, {spec.name}: step {run.at} failed: {error}")
            self._failed(f"row {run.number}", error)
        except Exception as error:  # noqa: BLE001  # a fault, or Prefect's own error: told as this row's, never another's
            # Its text is not told here: a fault's may hold anything, a signed address included.
            fault = OnboardingError(
                f"a fault of the program ({type(error).__name__})",
                subject=f"data source {spec.name}",
                remedy="look at the task run's log; then start it again with the same file",
            )
            run.report.failure = Failure.of(run.at, fault)
            report.outcome = RowOutcome.FAILED
            announce(f"row {run.number}, {spec.name}: step {run.at} ended with a fault: {fault}")
            self._failed(f"row {run.number}", fault)
        finally:
            report.seconds = time.monotonic() - began
            report.step_seconds = dict(run.seconds)
            self.progress.done += 1
            del self._under_way[place]
        # Not when the run is cancelled: calls of the row may be under way.
        await self._leave_turn(spec, threads)

    async def _take_turn(self, spec: DataSourceSpec, threads: Threads) -> None:
        """Raises :class:`Taken` when another run onboards it, unless nothing is left to do but to wait for that."""
        if self._turns is None:
            return
        take = partial(self._turns.take, spec, wait=self._waits)
        try:
            await threads.run(take)
        except Held as other:
            raise Taken(str(other)) from None
        except (PrefectException, HTTPError) as error:
            raise OnboardingError(
                f"Prefect's server does not answer ({type(error).__name__}), so that another run may onboard it",
                subject=f"data source {spec.name}",
                remedy=f"look after the server, then {GOES_ON}",
            ) from error

    async def _leave_turn(self, spec: DataSourceSpec, threads: Threads) -> None:
        if self._turns is None:
            return
        try:
            await threads.run(partial(self._turns.leave, spec))
        except (PrefectException, HTTPError) as error:
            announce(f"the turn of data source {spec.name} was not given back: {type(error).__name__}")

    def _failed(self, what: str, error: OnboardingError) -> None:
        """Count a failure, once a role, and pull the brake."""
        if what not in self._failures:
            self._failures.append(what)
        self.progress.failed = len(self._failures)
        limit = self.brakes.failures
        if limit is not None and len(self._failures) >= limit and self.stop is None:
            told = f"{len(self._failures)} of at most {limit} failures, the last of {what}: {error.what}"
            self.stop = Stop("failures", told, f"mend what failed, then {GOES_ON}")

    async def _taken_rows(self, units: Units, threads: Threads, told: Callable[[Progress], None]) -> None:
        """Rows that another run makes: wait for it as long as it makes progress, then do what it has left."""
        patience = self.gate.clock.now() + _PATIENCE_SECONDS
        while self.taken and self.stop is None:
            places, self.taken = self.taken, []
            rows = await threads.run(partial(self._as_it_is_now, places))
            for place, row in zip(places, rows, strict=True):
                if row.to_do or row.refusal is not None:
                    self.taken.append(place)
                    continue
                self.plan = self.plan.with_row(place, row)
                report = self.reports[place] = self.row_report(place, RowOutcome.UNCHANGED)
                report.reason, report.onboarding = "another run made it", self._unchanged(place)
                self.progress.done += 1
            if len(self.taken) < len(places):
                patience = self.gate.clock.now() + _PATIENCE_SECONDS
            elif self.gate.clock.now() >= patience:
                left, self.taken, self._waits = self.taken, [], True
                await self._rows(left, units, threads, told)
                return
            else:
                await threads.run(lambda: self.gate.clock.sleep(self.gate.settings.poll_interval_maximum))

    def _as_it_is_now(self, places: Sequence[int]) -> tuple[RowPlan, ...]:
        with file_limits():
            return plan_again(self.gate, self.plan, places)

    async def _roles(self, units: Units) -> set[str]:
        """Roles that change, side by side: those that no row has made yet are made now. Returns the names that failed.

        Rows without work of their own are reported here; of a role that failed all that are not reported yet are blocked.
        """
        wanted = [
            group
            for group in self.plan.groups.values()
            if group.refusal is None and group.changes and (self.stop is None or units.began(group))
        ]
        made = await asyncio.gather(*(self._role(units, group) for group in wanted))
        return {group.group.role_name for group, fine in zip(wanted, made, strict=True) if not fine}

    async def _role(self, units: Units, group: GroupPlan) -> bool:
        """One role with its grant, and the reports of its rows; whether it was made."""
        plan, name = self.plan, group.group.role_name
        places = [
            place
            for place, spec in enumerate(plan.specs)
            if spec.role_name == name and plan.rows[place].refusal is None and place not in self.reports
        ]
        try:
            role, granted = await units.role(group), await units.grant(group)
        except OnboardingError as error:
            self._failed(f"role {name}", error)
            for place in places:
                self.reports[place] = self.row_report(place, RowOutcome.BLOCKED)
                self._refuse(self.reports[place], error, shared=True)
            return False
        for place in places:
            if plan.rows[place].to_do:
                continue
            report = self.reports[place] = self.row_report(place, RowOutcome.UPDATED)
            report.reason = f"its role was updated: {role.report.reason}"
            report.onboarding = self._unchanged(place)
            report.onboarding.steps[:2] = [role.report, granted.report]
        return True

    def _not_begun(self, place: int) -> RowReport:
        report = self._without_steps(place, RowOutcome.NOT_STARTED)
        if report.outcome is RowOutcome.NOT_STARTED:
            stopped = self.stop.what if self.stop else "the run ended before it"
            report.reason, report.remedy = stopped, self.stop.goes_on if self.stop else GOES_ON
        return report

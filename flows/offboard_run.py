"""One run of an offboarding in one region: planned, approved elsewhere, carried out some data sources at a time.

Data sources first, each with its sync task; then the roles of those that are gone, one after the other, because folded
policies hold the grants of many; then the workflows. Whatever fails stays by itself, and its role with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TypeVar

from prefect.futures import PrefectFuture

from cloud.errors import OnboardingError
from cloud.gate import Gate
from flows.bulk_brakes import GOES_ON, Brakes
from flows.bulk_report import Stop
from flows.offboard_report import Ending, OffboardingReport, SourceReport, told
from flows.row_turns import RowTurns
from flows.stopping import ends_with_its_call
from tasks.offboarding.folders import places_of
from tasks.offboarding.plan import OffboardingPlan, SourcePlan
from tasks.offboarding.steps import (
    Removal,
    look_around,
    remove_data_source,
    remove_folders,
    remove_grants,
    remove_role,
    remove_sync_task,
)
from tasks.offboarding.surroundings import Surroundings
from tasks.role_group import RoleGroup, groups_of

T = TypeVar("T")
_OF_A_SOURCE = 2  # steps 1 and 2; those after it are of roles and workflows
AT_ONCE = 8
"""Data sources that are under way at the same time."""


class RegionRun:
    """Carries out the plan of one region; writes what becomes of each data source into the report."""

    def __init__(
        self,
        region: str,
        plan: OffboardingPlan,
        report: OffboardingReport,
        brakes: Brakes,
        advance: Callable[[int], None],
    ) -> None:
        self.region = region
        self.plan = plan
        self.report = report
        self.brakes = brakes
        self._advance = advance
        keys = {one.key for one in plan.sources}
        self._rows = {row.key: row for row in report.rows if row.key in keys}

    def tell_plan(self) -> None:
        """What the plan says of each data source: refused, with something to do, or without."""
        touched = {one.key for one in self.plan.touched}
        for one in self.plan.sources:
            row = self._rows[one.key]
            row.notes, row.error = one.notes, one.refusal
            if one.refusal is not None:
                row.ending = Ending.REFUSED
                continue
            role = self.plan.roles.get(one.spec.role_name)
            changes = (*one.changes, *(role.changes if role is not None else ()))
            row.planned = tuple(map(told, changes))
            row.ending = Ending.PLANNED if one.key in touched else Ending.UNCHANGED

    def apply(self, gate: Gate) -> None:
        """Carry out everything that was planned and is not refused; cancelled, it ends after the present call."""
        touched = [one for one in self.plan.touched if self._rows[one.key].ending is Ending.PLANNED]
        for row in (self._rows[one.key] for one in touched):
            row.ending = Ending.NOT_STARTED
        with RowTurns() as turns, ends_with_its_call(gate):
            begun: list[SourcePlan] = []
            for batch in _batches(touched, AT_ONCE):
                if self._stopped():
                    return
                mine = [one for one in sorted(batch, key=lambda each: each.key) if self._taken(one, turns)]
                begun += mine
                if not self.plan.choices.quarantine:
                    self._sources(mine, turns)
                self._advance(len(batch))
            gone = [one for one in begun if self._rows[one.key].error is None]
            if gone:
                around = look_around.submit(self.region, [one.spec for one in gone]).result()
                self._roles(gone, around)
                if not self.plan.choices.quarantine:
                    self._workflows([one for one in gone if self._rows[one.key].error is None])
            for one in gone:
                self._end(self._rows[one.key])

    def _end(self, row: SourceReport) -> None:
        if row.error is not None:
            return
        choices = self.plan.choices
        if row.spec.role.adopt and not choices.delete_adopted:
            row.ending = Ending.GIVEN_BACK
        else:
            row.ending = Ending.QUARANTINED if choices.quarantine else Ending.REMOVED

    def _stopped(self) -> bool:
        """Whether so many have failed that nothing more is begun."""
        failed = sum(row.ending is Ending.FAILED for row in self.report.rows)
        if self.brakes.failures is not None and failed and failed >= self.brakes.failures:
            self.report.stop = Stop("failures", f"{failed} data sources have failed", GOES_ON)
        return self.report.stop is not None

    def _sources(self, batch: Sequence[SourcePlan], turns: RowTurns) -> None:
        """Steps 1 and 2 of some data sources, side by side; the data source waits for its own sync task."""
        choices = self.plan.choices
        first: list[tuple[SourcePlan, PrefectFuture[Removal]]] = []
        for one in batch:
            assert one.facts is not None
            if self._may_go_on(1, one, turns):
                first.append((one, remove_sync_task.submit(one.spec, one.facts, choices)))
        second: list[tuple[SourcePlan, PrefectFuture[Removal]]] = []
        for one, future in first:
            removal = self._result(1, [one], future)
            if removal is not None and self._may_go_on(2, one, turns):
                assert one.facts is not None
                role_id = self.plan.roles[one.spec.role_name].reading.role_id
                second.append(
                    (one, remove_data_source.submit(one.spec, one.facts, role_id, choices, removal))
                )
        for one, future in second:
            self._result(2, [one], future)

    def _taken(self, one: SourcePlan, turns: RowTurns) -> bool:
        """Take a data source's turn. Everybody takes turns in one order, so that two runs never wait for each other."""
        try:
            turns.take(one.spec, wait=True)
        except OnboardingError as error:
            self._rows[one.key].fail(0, error)
            return False
        return True

    def _may_go_on(self, step: int, one: SourcePlan, turns: RowTurns) -> bool:
        """Whether no other run has taken the data source over."""
        try:
            turns.require(one.spec)
        except OnboardingError as error:
            self._rows[one.key].fail(step, error)
            return False
        return True

    def _result(
        self, step: int, members: Sequence[SourcePlan], future: PrefectFuture[Removal]
    ) -> Removal | None:
        """What a step has done; None when it has failed, which its data sources then tell."""
        rows = [self._rows[one.key] for one in members]
        try:
            removal = future.result()
        except OnboardingError as error:
            for row in rows:
                row.fail(step, error)
            return None
        if step > _OF_A_SOURCE:
            self.report.shared.append(removal)
        else:
            rows[0].steps.append(removal)
        return removal

    def _roles(self, gone: Sequence[SourcePlan], around: Surroundings) -> None:
        """Steps 3 and 4: of each role what those need that are gone."""
        choices = self.plan.choices
        for group in groups_of(one.spec for one in gone):
            members = _members(group, gone)
            grants = self._result(3, members, remove_grants.submit(group, around, choices))
            if grants is not None and not choices.quarantine:
                self._result(4, members, remove_role.submit(group, around, choices, grants))

    def _workflows(self, gone: Sequence[SourcePlan]) -> None:
        """Step 5: workflows in which nothing is left."""
        for place, paths in places_of(one.spec for one in gone).items():
            spec = next(one.spec for one in gone if one.spec.sync_task and one.spec.workspace == place[0])
            members = [one for one in gone if one.spec.sync_task and one.spec.sync_task.folder in paths]
            self._result(5, members, remove_folders.submit(spec, place, paths))


def _members(group: RoleGroup, sources: Sequence[SourcePlan]) -> list[SourcePlan]:
    keys = {(spec.workspace, spec.name) for spec in group.specs}
    return [one for one in sources if one.key in keys]


def _batches(items: Sequence[T], size: int) -> Iterator[list[T]]:
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch

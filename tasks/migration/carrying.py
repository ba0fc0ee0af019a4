"""Carrying a plan out: each data source by itself, so that one that fails stops no other.

What fails before the switch is undone, what fails after it is put back and undone. Which of the two it is is read from
the cloud. A stage whose error may pass is tried again: every stage looks first and repeats nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from cloud.errors import OnboardingError, RetryableError
from cloud.gate import Gate
from cloud.ram import group_members
from tasks.grant_plan import GrantPlan, plan_grants
from tasks.migration.found import Stage
from tasks.migration.item import Item
from tasks.migration.keys import RollbackKeys
from tasks.migration.limits import only_for, only_reading
from tasks.migration.plan import MigrationPlan, SourcePlan
from tasks.migration.preparing import make_grant, make_role, write_record
from tasks.migration.removing import clean, undo
from tasks.migration.result import Ending, SourceResult
from tasks.migration.switching import KeyNeeded, any_switched, put_back, switch, told, verify
from tasks.migration.trial import try_it
from tasks.migration.watching import Verdict, watch
from tasks.options import announce
from tasks.pass_role import ensure_folded, read_grants
from tasks.role_group import Entity, RoleGroup

T = TypeVar("T")
_TRIES = 3
_PAUSE_SECONDS = 15.0


@dataclass(frozen=True)
class Choices:
    """``stage``: stop after it (the last one: go through); ``runs``: how many runs to watch after the switch."""

    stage: Stage = Stage.CLEAN
    runs: int = 1

    def goes_on(self, stage: Stage) -> bool:
        """Whether something is to be done after a stage."""
        return self.stage.number > stage.number


class Migration:
    """One run over a plan. Its methods are the stages; what became of a data source is in ``results``."""

    def __init__(self, gate: Gate, plan: MigrationPlan, choices: Choices, keys: RollbackKeys) -> None:
        self.gate = gate
        self.plan = plan
        self.choices = choices
        self.keys = keys
        self.results: dict[tuple[int, str], SourceResult] = {}
        # Folded policies belong to a grantee of many data sources: one change at a time.
        self._of_grantees = threading.Lock()
        self._notes = {(one.workspace, one.name): one.notes for one in plan.sources}
        for one in plan.sources:
            if one.item is None:
                self._not_begun(one)

    def _not_begun(self, one: SourcePlan) -> None:
        ending = Ending.UNCHANGED if one.refusal is None else Ending.REFUSED
        reason = told(one.refusal) if one.refusal is not None else "; ".join(one.notes)
        self.results[one.workspace, one.name] = SourceResult(
            one.workspace, one.name, one.type, ending, Stage.INVENTORY, reason, None, one.notes, one.refusal
        )

    @property
    def open(self) -> list[Item]:
        """The data sources that nothing has ended yet."""
        return [one for one in self.plan.items if (one.workspace, one.name) not in self.results]

    def end(
        self, item: Item, ending: Ending, reached: Stage, reason: str, error: OnboardingError | None = None,
        undone: OnboardingError | None = None,
    ) -> None:  # fmt: skip
        """Note what became of a data source."""
        key = item.workspace, item.name
        self.results[key] = SourceResult(
            *key, item.found.type, ending, reached, reason, item, self._notes[key], error, undone
        )
        announce(f"{item.name}: {ending.value}" + (f" ({reason})" if reason else ""))

    def stop_after(self, stage: Stage, reason: str) -> None:
        """End everything that is still open on purpose."""
        for item in self.open:
            self.end(item, Ending.STOPPED, stage, reason)

    # -- prepare ---------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Roles and records, then the grants of all roles as one plan: a grantee's folded policy is written once."""
        for item in self.open:
            self._attempt(item, Stage.PROPOSE, partial(make_role, self.gate, item))
        items = self.open
        if not items:
            return
        try:
            plan, written, refused = self._grants(items)
        except OnboardingError as error:
            for item in items:
                self.fail(item, Stage.PROPOSE, error)
            return
        members = _members(self.gate)
        for item in items:
            bad = next((refused[one] for one in RoleGroup.of(item.strict).entities if one in refused), None)
            if bad is not None:
                self.fail(item, Stage.PROPOSE, bad)
                continue
            self._attempt(
                item,
                Stage.PROPOSE,
                partial(make_grant, self.gate, item, plan, written, members),
            )

    def _grants(
        self, items: Sequence[Item]
    ) -> tuple[GrantPlan, dict[Entity, float], dict[Entity, OnboardingError]]:
        """The plan of all grants as the cloud is now, when each grantee's folded policies were written, and why not."""
        groups = [RoleGroup.of(item.strict) for item in items]
        with only_reading():
            states = self._insist(lambda: read_grants(self.gate, groups))
        account = items[0].facts.account_id
        plan = plan_grants(groups, account, states)
        written: dict[Entity, float] = {}
        refused: dict[Entity, OnboardingError] = {}
        for entity in plan.folded:
            owner = next(item for item in items if entity in RoleGroup.of(item.strict).entities)
            try:
                with self._of_grantees, only_for(owner.strict):
                    written[entity] = self._insist(partial(ensure_folded, self.gate, plan, entity))
            except OnboardingError as error:
                refused[entity] = error
        return plan, written, refused

    def keep(self) -> None:
        """Note on each role that a person has stopped here: a failure of a later run leaves it."""
        for item in self.open:
            self._attempt(item, Stage.PREPARE, partial(self._keep, item))

    def _keep(self, item: Item) -> None:
        assert item.record is not None
        assert item.role is not None
        item.record = item.record.keeping()
        write_record(self.gate, item, item.role.name, item.record)

    # -- trial and switch ------------------------------------------------------------------------------

    def carry(self, item: Item) -> None:
        """Trial, then the switch and its verification, as far as was chosen. Safe to call from threads."""
        if item.found.keyed and not self._attempt(item, Stage.PREPARE, lambda: try_it(self.gate, item)):
            return
        if not self.choices.goes_on(Stage.TRIAL):
            return
        self._attempt(item, Stage.TRIAL, lambda: self._switch(item))

    def _switch(self, item: Item) -> None:
        switch(self.gate, item)
        verify(self.gate, item)

    # -- watch and clean -------------------------------------------------------------------------------

    def watch(self) -> None:
        """The next runs of every workspace's data sources; what has failed is put back at once."""
        workspaces = dict.fromkeys(item.workspace for item in self.open)
        for workspace in workspaces:
            items = [item for item in self.open if item.workspace == workspace]
            try:
                with only_reading():
                    self._insist(partial(self._watch, items))
            except OnboardingError as error:
                for item in [one for one in items if one in self.open]:
                    self.end(
                        item, Ending.WATCHED, Stage.SWITCH, f"its runs could not be read: {error.what}", error
                    )

    def _watch(self, items: Sequence[Item]) -> None:
        watch(self.gate, [one for one in items if one in self.open], self.choices.runs, self._settle)

    def _settle(self, verdict: Verdict) -> None:
        item = verdict.item
        if verdict.failure is not None:
            self.fail(item, Stage.SWITCH, verdict.failure)
        elif verdict.waiting:
            self.end(
                item,
                Ending.WATCHED,
                Stage.SWITCH,
                f"{verdict.waiting}; start the same command again to go on",
            )

    def finish(self, item: Item) -> None:
        """Take away what was temporary. A failure leaves a migrated data source with something to remove."""
        try:
            with self._of_grantees, only_for(item.strict):
                self._insist(lambda: clean(self.gate, item), OnboardingError)
        except OnboardingError as error:
            reason = f"it is migrated, but what was temporary is not all gone: {told(error)}"
            self.end(item, Ending.FAILED, Stage.WATCH, reason, error)
            return
        good = sum(one.succeeded for one in item.watched)
        proven = [f"{len(item.proofs)} canary runs"] if item.proofs else []
        proven += [f"{good} watched runs"] if good else []
        self.end(item, Ending.MIGRATED, Stage.CLEAN, f"proven by {', '.join(proven) or 'its connectivity'}")

    # -- failures --------------------------------------------------------------------------------------

    def _attempt(self, item: Item, reached: Stage, act: Callable[[], object]) -> bool:
        """One stage of one data source; False when it has failed and was undone."""
        try:
            with only_for(item.strict):
                self._insist(act)
        except OnboardingError as error:
            self.fail(item, reached, error)
            return False
        return True

    def fail(self, item: Item, reached: Stage, error: OnboardingError) -> None:
        """Put back and undo, and note what became of it."""
        announce(f"{item.name}: {told(error)}; it is put back")
        kept = self.choices.stage is not Stage.CLEAN or (item.record is not None and item.record.kept)
        try:
            with self._of_grantees, only_for(item.strict):
                self._insist(lambda: self._back(item, keep_role=kept), OnboardingError)
        except KeyNeeded as needed:
            self.end(item, Ending.KEY_NEEDED, reached, told(error), error, needed)
        except OnboardingError as another:
            self.end(item, Ending.FAILED, reached, told(error), error, another)
        else:
            self.end(item, Ending.RESTORED, reached, told(error), error)

    def _back(self, item: Item, *, keep_role: bool) -> None:
        if any_switched(self.gate, item):
            put_back(self.gate, item, self.keys)
        undo(self.gate, item, keep_role=keep_role)

    def _insist(self, act: Callable[[], T], passing: type[OnboardingError] = RetryableError) -> T:
        """Try again what failed in a way that may pass; the gate has repeated its calls for a while before.

        On the way back every refusal but a missing key counts as one: to be given up it must last.
        """
        for _ in range(_TRIES - 1):
            try:
                return act()
            except KeyNeeded:
                raise
            except passing as error:
                announce(f"tried again in {_PAUSE_SECONDS:.0f} s: {error.what}")
                self.gate.clock.sleep(_PAUSE_SECONDS)
        return act()


def _members(gate: Gate) -> Callable[[str], Sequence[str]]:
    known: Mapping[str, tuple[str, ...]] = {}

    def members(name: str) -> Sequence[str]:
        nonlocal known
        if name not in known:
            known = {**known, name: group_members(gate, name)}
        return known[name]

    return members


def run_all(migration: Migration, carry: Callable[[Sequence[Item]], None]) -> None:
    """All stages that were chosen. ``carry`` calls :meth:`Migration.carry` for each, side by side if it likes."""
    choices = migration.choices
    if not choices.goes_on(Stage.PROPOSE):
        migration.stop_after(choices.stage, f"stopped after {choices.stage.value}")
        return
    migration.prepare()
    if choices.stage in (Stage.PREPARE, Stage.TRIAL):
        migration.keep()
    if not choices.goes_on(Stage.PREPARE):
        migration.stop_after(Stage.PREPARE, "stopped after prepare: role and grants are there")
        return
    carry(migration.open)
    if choices.stage in (Stage.TRIAL, Stage.SWITCH):
        migration.stop_after(choices.stage, f"stopped after {choices.stage.value}")
        return
    migration.watch()
    if choices.stage is Stage.WATCH:
        migration.stop_after(Stage.WATCH, "stopped after watch: what was temporary is still there")
        return
    for item in migration.open:
        migration.finish(item)

"""One data source onboarded while things go wrong, then once more without, and what must hold after each."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

from cloud.errors import OnboardingError
from config.spec import DataSourceSpec
from emulator.faults import Fault, Faults
from emulator.server import RunningCloud
from tasks.outcome import Outcome
from tasks.preflight import require_clear
from tests.campaign.calls import CampaignGate
from tests.campaign.drawing import LATE, READ_TIMEOUT, Trouble, draw_trouble
from tests.campaign.invariants import Wanted, add_others, check_error, others_of
from tests.emulator.shop import PT
from tests.emulator.sources import TYPES, example, warehouse, writing
from tests.flows.test_bulk_interruptions import Cut
from tests.settings import REGION, settings_for
from tests.tasks.onboarding import Applied, Onboarding, add_fault
from tests.tasks.personas import Steps, assumed_identities, for_roles, give_personas
from tests.tasks.test_every_source import VALUES

T = TypeVar("T")
_PROJECTS = ("retail", "retail_dev", "sandbox")
_wanted: dict[tuple[object, ...], Wanted] = {}


@dataclass(frozen=True)
class Case:
    """What is onboarded: a source type, to read or to write, in which workspace, with keys or with sessions."""

    source: str
    access: str
    workspace: int
    sessions: bool

    @classmethod
    def of(cls, draw: random.Random) -> Case:
        """One of all."""
        return cls(
            draw.choice(TYPES),
            draw.choice(("read", "write")),
            draw.choice((10001, 10002)),
            draw.random() < 0.5,
        )

    def spec(self) -> DataSourceSpec:
        """The specification."""
        base = example(self.source) if self.access == "read" else writing(self.source)
        changes: dict[str, Any] = {"workspace": self.workspace}
        if self.sessions:
            changes["grantees"] = for_roles().grantees
        return base.model_copy(update=changes)

    @property
    def environments(self) -> int:
        """How many there are."""
        return 2 if self.workspace == 10001 else 1


@dataclass
class Figures:
    """What one case of a campaign was: strikes by kind, how it ended, seconds by the injected clock, runs repeated."""

    hits: dict[str, int] = field(default_factory=dict)
    ended: str = ""
    seconds: float = 0.0
    repeated_runs: int = 0


def fresh(local: RunningCloud, case: Case) -> DataSourceSpec:
    """The account with everything that the case needs, and with objects of others."""
    spec, cloud = case.spec(), local.cloud
    cloud.reset()
    cloud.settings.enforce_rates = False
    cloud.settings.adb3_accepts_role = True
    for project in _PROJECTS:
        table = warehouse(local, case.source, project)
        rows: list[list[str | None]] = [
            [VALUES[column].format(number) for column in table.columns] for number in (7, 8)
        ]
        if case.access == "write":
            table.partitions[PT] = rows
    assert spec.sync_task is not None
    near = {"role": spec.role_name, "data source": spec.name, "file": spec.sync_task.name}
    add_others(cloud, case.workspace, near, "carol")
    if case.sessions:
        give_personas(local, spec)
    return spec


def onboarding(local: RunningCloud, case: Case, spec: DataSourceSpec, **settings: Any) -> Steps:
    """The steps with a campaign's gate."""
    found = Onboarding(local, spec, **settings)
    if case.sessions:
        found.settings = settings_for(local, identities=assumed_identities(), **settings)
    found.gate = CampaignGate(found.settings, REGION, found.clock)
    return Steps(found)


def apply(steps: Steps) -> Applied:
    """Preflight and all steps, as the flow does them."""
    require_clear(steps.preflight(), steps.onboarding.spec)
    return steps.apply()


def wanted(local: RunningCloud, case: Case) -> Wanted:
    """What a run without trouble leaves behind; once a case."""
    key = (case.source, case.access, case.workspace, case.sessions)
    if key not in _wanted:
        spec = fresh(local, case)
        apply(onboarding(local, case, spec))
        _wanted[key] = Wanted(local.cloud)
    return _wanted[key]


def prove(local: RunningCloud, case: Case, troubles: list[Trouble], seed: int) -> Figures:
    """Run with each trouble in turn, then without; raises ``AssertionError`` for what must not be."""
    goal, figures = wanted(local, case), Figures()
    spec, cloud = fresh(local, case), local.cloud
    others = others_of(cloud)
    random.seed(seed)  # the jitter of pauses between tries
    for trouble in troubles:
        cloud.faults = Faults(seed)
        applied = _run(local, case, spec, trouble, figures)
        goal.check_parts(cloud)
        assert others_of(cloud) == others
        if applied is not None:
            _check_done(local, case, spec, applied)
        calm(local)
    finish(local, case, spec, goal)
    assert others_of(cloud) == others
    figures.repeated_runs = goal.repeated_runs(cloud)
    return figures


def _run(
    local: RunningCloud, case: Case, spec: DataSourceSpec, trouble: Trouble, figures: Figures
) -> Applied | None:
    """One run under trouble: what it made, or None when it ended with an error of the tree or was cut off."""

    def start(quick: Mapping[str, float]) -> tuple[CampaignGate, Callable[[], Applied]]:
        steps = onboarding(local, case, spec, **quick)
        gate = steps.onboarding.gate
        assert isinstance(gate, CampaignGate)
        gate.jump_at = trouble.jump
        return gate, partial(apply, steps)

    gate, applied = run_under(local, trouble, figures, case.environments, start)
    gate.check_deadlines()
    return applied


def run_under(
    local: RunningCloud,
    trouble: Trouble,
    figures: Figures,
    environments: int,
    start: Callable[[Mapping[str, float]], tuple[CampaignGate, Callable[[], T]]],
) -> tuple[CampaignGate, T | None]:
    """Run under trouble what ``start`` gives for the settings that the trouble wants; its gate, and its result.

    No result: it ended with an error of the tree, or was cut off. Raises ``AssertionError`` when it took longer than its
    waits in so many environments allow.
    """
    rules = [(kind, add_fault(local, **rule)) for kind, rule in trouble.rules]
    for name, value in trouble.late.items():
        setattr(local.cloud.settings, name, value)
    gate, act = start(
        {"read_timeout": READ_TIMEOUT, "connectivity_timeout": READ_TIMEOUT} if trouble.slow else {}
    )
    gate.cut_at = trouble.cut
    began = gate.clock.now()
    result = None
    try:
        result = act()
        figures.ended = "done"
    except Cut:
        figures.ended = "cut off"
    except OnboardingError as error:
        check_error(error)
        figures.ended = type(error).__name__
    took = gate.clock.now() - began
    figures.seconds += took
    assert took <= gate.run_bound(environments), f"the run took {took:.0f} s"
    _count_hits(figures, trouble, rules, gate.made)
    return gate, result


def _count_hits(figures: Figures, trouble: Trouble, rules: list[tuple[str, Fault]], made: int) -> None:
    """Count what has struck in a run of so many calls."""
    hits = Counter(figures.hits)
    for kind, rule in rules:
        hits[kind] += rule.hits
    hits.update(dict.fromkeys(trouble.late, 1))
    if trouble.jump is not None and made >= trouble.jump:
        hits["hours passed"] += 1
    figures.hits = dict(hits)


def _check_done(local: RunningCloud, case: Case, spec: DataSourceSpec, applied: Applied) -> None:
    """What a finished run hands on is what is there."""
    ram, works = local.cloud.state.ram, local.cloud.state.dataworks
    assert ram.roles[spec.role_name].id == applied.role.role_id
    there = [one for one in works.data_sources if (one.workspace, one.name) == (case.workspace, spec.name)]
    assert len(there) == len(applied.sources) == case.environments
    assert applied.sync_task is not None
    assert applied.sync_task.task.file in works.files
    assert len(applied.proofs) == case.environments
    for proof in applied.proofs.values():
        assert works.instances[proof.instance].status == "SUCCESS"


def calm(local: RunningCloud) -> None:
    """Nothing goes wrong any more, and what was late has come."""
    cloud = local.cloud
    cloud.faults.rules.clear()
    usual = type(cloud.settings).model_validate({})
    for name in LATE:
        setattr(cloud.settings, name, getattr(usual, name))
    cloud.clock.advance(3600)


def finish(local: RunningCloud, case: Case, spec: DataSourceSpec, goal: Wanted) -> None:
    """One run without trouble is enough; nothing is left to do, and the next writes nothing."""
    apply(onboarding(local, case, spec))
    goal.check_whole(local.cloud)
    steps = onboarding(local, case, spec)
    before = len(local.cloud.journal.writes)
    preflight = steps.preflight()
    require_clear(preflight, spec)
    assert preflight.plan is not None
    assert preflight.plan.empty, [
        f"{change.kind.value} {change.subject}" for change in preflight.plan.changes
    ]
    assert {*steps.apply().outcomes} == {Outcome.UNCHANGED}
    made = [entry.action for entry in local.cloud.journal.writes[before:]]
    assert not made, made


def smallest(local: RunningCloud, case: Case, troubles: list[Trouble], seed: int) -> list[Trouble]:
    """As little trouble as still breaks what must hold."""
    for at, trouble in enumerate(troubles):
        smaller = [[*troubles[:at], one, *troubles[at + 1 :]] for one in trouble.smaller()]
        if len(troubles) > 1:
            smaller.append(troubles[:at] + troubles[at + 1 :])
        for fewer in smaller:
            try:
                prove(local, case, fewer, seed)
            except Exception:  # noqa: BLE001  # whatever breaks it still does
                return smallest(local, case, fewer, seed)
    return troubles


def case_of(seed: int, *, killed: bool) -> tuple[Case, list[Trouble]]:
    """The case of a seed; ``killed`` cuts it off once or twice."""
    draw = random.Random(f"{'killed' if killed else 'single'} {seed}")
    case = Case.of(draw)
    times = draw.choice((1, 2)) if killed else 1
    below = 75 if case.environments == 1 else 100
    return case, [
        draw_trouble(draw, cut_below=below if killed else 0, jumps=case.sessions) for _ in range(times)
    ]

"""A file of data sources onboarded while things go wrong, then once more without, and what must hold after each."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from config.spec import DataSourceSpec
from emulator.cloud import LocalCloud
from emulator.faults import Faults
from emulator.server import RunningCloud
from flows.bulk_report import RowOutcome, RowReport
from tests.campaign.calls import CampaignGate
from tests.campaign.drawing import Trouble, draw_trouble
from tests.campaign.invariants import (
    Wanted,
    add_others,
    check_failure,
    check_told,
    others_of,
)
from tests.campaign.singles import Figures, calm, run_under
from tests.flows.files import Applied, apply, gate_of

_DONE = {RowOutcome.CREATED, RowOutcome.UPDATED, RowOutcome.UNCHANGED}
_HOLDER = "carol"


def fresh(local: RunningCloud, specs: Sequence[DataSourceSpec]) -> None:
    """The account as it was, with objects of others beside those of the first row."""
    local.cloud.reset()
    local.cloud.settings.enforce_rates = False
    first = specs[0]
    assert first.sync_task is not None
    near = {"role": first.role_name, "data source": first.name, "file": first.sync_task.name}
    add_others(local.cloud, first.workspace, near, _HOLDER)


def _gate(local: RunningCloud, **settings: Any) -> CampaignGate:
    gate = gate_of(local, CampaignGate, **settings)
    assert isinstance(gate, CampaignGate)
    return gate


def wanted_of(local: RunningCloud, specs: Sequence[DataSourceSpec]) -> Wanted:
    """What a run without trouble leaves behind."""
    fresh(local, specs)
    applied = apply(_gate(local), specs)
    assert set(applied.outcomes) == {"created"}
    return Wanted(local.cloud)


def prove(
    local: RunningCloud, specs: Sequence[DataSourceSpec], goal: Wanted, troubles: Sequence[Trouble], seed: int
) -> Figures:
    """Run with each trouble in turn, then without; raises ``AssertionError`` for what must not be."""
    fresh(local, specs)
    figures, cloud = Figures(), local.cloud
    others = others_of(cloud)
    random.seed(seed)  # the jitter of pauses between tries
    for trouble in troubles:
        cloud.faults = Faults(seed)
        reports = _run(local, specs, trouble, figures, rows_at_once=1 + seed % 8)
        goal.check_parts(cloud)
        assert others_of(cloud) == others
        for spec, report in zip(specs, reports, strict=bool(reports)):
            check_row(cloud, spec, report)
        calm(local)
    finish(local, specs, goal)
    assert others_of(cloud) == others
    figures.repeated_runs = goal.repeated_runs(cloud)
    return figures


def _run(
    local: RunningCloud,
    specs: Sequence[DataSourceSpec],
    trouble: Trouble,
    figures: Figures,
    rows_at_once: int,
) -> list[RowReport]:
    """The reports of one run under trouble; none when its plan could not be made, or it was cut off."""

    def start(quick: Mapping[str, float]) -> tuple[CampaignGate, Callable[[], Applied]]:
        gate = _gate(local, **quick)
        return gate, partial(apply, gate, specs, rows_at_once=rows_at_once)

    environments = sum(len(spec.environments or ()) for spec in specs)
    _, applied = run_under(local, trouble, figures, environments, start)
    if applied is None:
        return []
    if not {report.outcome for report in applied.reports} <= _DONE:
        figures.ended = "rows failed"
    return applied.reports


def check_row(cloud: LocalCloud, spec: DataSourceSpec, report: RowReport) -> None:
    """A row is told as what the state says, or with a named error, or with why it was not begun."""
    assert report.data_source == spec.name
    if report.outcome in _DONE:
        assert report.onboarding is not None
        assert report.failure is None
        check_told(cloud, report.onboarding, len(spec.environments or ()))
        assert spec.sync_task is not None
        names = [node.name for node in cloud.state.dataworks.nodes if node.environment == "PROD"]
        assert spec.sync_task.name in names
    elif report.outcome is RowOutcome.NOT_STARTED:
        assert report.reason
    else:
        assert report.outcome in {RowOutcome.FAILED, RowOutcome.BLOCKED}
        check_failure(report.failure)


def finish(local: RunningCloud, specs: Sequence[DataSourceSpec], goal: Wanted) -> None:
    """One run without trouble is enough; nothing is left to do, and the next writes nothing."""
    applied = apply(_gate(local), specs)
    assert set(applied.outcomes) <= {one.value for one in _DONE}, [report.why for report in applied.reports]
    for spec, report in zip(specs, applied.reports, strict=True):
        check_row(local.cloud, spec, report)
    goal.check_whole(local.cloud)
    before = len(local.cloud.journal.writes)
    again = apply(_gate(local), specs)
    assert again.plan.changes == ()
    assert set(again.outcomes) == {"unchanged"}
    assert len(local.cloud.journal.writes) == before


def troubles_of(seed: int, *, killed: bool) -> list[Trouble]:
    """The trouble of a seed; ``killed`` cuts it off once or twice."""
    draw = random.Random(f"{'killed' if killed else 'file'} {seed}")
    times = draw.choice((1, 2)) if killed else 1
    return [draw_trouble(draw, patience=3, cut_below=190 if killed else 0) for _ in range(times)]

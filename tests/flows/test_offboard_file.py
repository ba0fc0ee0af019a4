"""A whole file on a real Prefect server: exactly the approved plan, brakes, rows that fail, and going on afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.rows import make_rows, write_csv
from emulator.server import RunningCloud
from flows.offboard import offboard_from_csv
from tasks.connection import use_gate
from tests.flows.files import apply, gate_of, served, specs_of
from tests.flows.offboarded import Seen
from tests.tasks.offboarding import standing
from tests.tasks.onboarding import add_fault

ROWS = make_rows(4, roles=2)


@pytest.fixture(scope="module")
def _cloud() -> Iterator[RunningCloud]:
    with served(ROWS) as running:
        yield running


@pytest.fixture
def shop(_cloud: RunningCloud) -> RunningCloud:
    """The generated account, with every row onboarded."""
    _cloud.cloud.reset()
    _cloud.cloud.settings.enforce_rates = False
    return _cloud


@pytest.fixture
def file(tmp_path: Path) -> Path:
    write_csv(ROWS, tmp_path / "sources.csv")
    return tmp_path / "sources.csv"


def whole(local: RunningCloud, file: Path, **parameters: Any) -> Seen:
    with use_gate(gate_of(local)):
        return Seen(offboard_from_csv(str(file), return_state=True, **parameters))


@pytest.mark.usefixtures("prefect_server")
def test_a_file_is_offboarded_and_the_account_is_as_it_was(shop: RunningCloud, file: Path) -> None:
    first = standing(shop.cloud, data=False)
    apply(gate_of(shop), specs_of(ROWS))
    planned = whole(shop, file)
    assert planned.endings == ["planned"] * len(ROWS)
    assert planned.report.plan is not None
    done = whole(shop, file, mode="apply", approved_plan=planned.report.plan.hash)
    assert done.endings == ["removed"] * len(ROWS)
    assert standing(shop.cloud, data=False) == first
    writes = len(shop.cloud.journal.writes)
    assert whole(shop, file, mode="apply").endings == ["unchanged"] * len(ROWS)
    assert len(shop.cloud.journal.writes) == writes


@pytest.mark.usefixtures("prefect_server")
def test_a_bound_on_changes_stops_before_the_first_write(shop: RunningCloud, file: Path) -> None:
    apply(gate_of(shop), specs_of(ROWS))
    writes = len(shop.cloud.journal.writes)
    seen = whole(shop, file, mode="apply", max_changes=len(ROWS) - 1)
    assert (seen.report.exit_code, seen.report.outcome) == (4, "stopped")
    assert seen.report.stop is not None
    assert seen.report.stop.kind == "changes"
    assert len(shop.cloud.journal.writes) == writes


@pytest.mark.usefixtures("prefect_server")
def test_a_row_that_fails_keeps_its_role_and_the_next_run_finishes(shop: RunningCloud, file: Path) -> None:
    first = standing(shop.cloud, data=False)
    apply(gate_of(shop), specs_of(ROWS))
    add_fault(shop, action="DeleteDataSource", status=403, code="Forbidden.Access", times=1)
    seen = whole(shop, file, mode="apply")
    assert sorted(seen.endings) == ["failed", *["removed"] * (len(ROWS) - 1)]
    (failed,) = [row for row in seen.report.rows if row.error is not None]
    assert failed.spec.role_name in shop.cloud.state.ram.roles
    assert whole(shop, file, mode="apply").report.exit_code == 0
    assert standing(shop.cloud, data=False) == first


@pytest.mark.usefixtures("prefect_server")
def test_many_failures_stop_the_run(shop: RunningCloud, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.offboard_run.AT_ONCE", 2)
    apply(gate_of(shop), specs_of(ROWS))
    add_fault(shop, action="DeleteDataSource", status=403, code="Forbidden.Access", times=None)
    seen = whole(shop, file, mode="apply", max_failures=2)
    assert seen.report.exit_code == 4
    assert seen.endings.count("failed") == 2
    assert seen.endings.count("not_started") == len(ROWS) - 2
    assert [role for role in shop.cloud.state.ram.roles if role.startswith("DataWorks-")]

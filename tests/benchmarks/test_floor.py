"""The floor of a run, worked out by hand for small cases, and against the one that a run itself tells."""

from __future__ import annotations

import pytest

from benchmarks.floor import floor_seconds, necessary_calls
from benchmarks.rows import make_rows
from config.limits import Edition
from flows.bulk_floor import floor_seconds as floor_of_plan
from tests.flows.files import gate_of, plan_of, served, specs_of

LATENCY, DEPLOYMENT, RUN = 0.1, 2.0, 4.0


def test_a_fresh_row_needs_six_writes_in_a_basic_workspace() -> None:
    calls = necessary_calls(make_rows(7, roles=1))
    assert {action: count for (product, action), count in calls.items() if product == "dataworks"} == dict.fromkeys(
        ("CreateDataSource", "TestNetworkConnection", "CreateDISyncTask", "UpdateFile", "SubmitFile", "RunCycleDagNodes"), 7
    )  # fmt: skip


def test_a_fresh_row_needs_ten_writes_in_a_standard_workspace() -> None:
    calls = necessary_calls(make_rows(1, roles=1, standard=True))
    assert sum(count for (product, _), count in calls.items() if product == "dataworks") == 10


def test_a_single_row_is_bounded_by_its_own_chain() -> None:
    found = floor_seconds(make_rows(1, roles=1), Edition.ENTERPRISE, LATENCY, deployment=DEPLOYMENT, run=RUN)
    # Two calls for PassRole, six writes, the deployment and the run.
    assert found.chain == pytest.approx(8 * LATENCY + DEPLOYMENT + RUN)
    assert found.seconds == found.chain


def test_many_rows_are_bounded_by_the_rate_of_writes() -> None:
    found = floor_seconds(
        make_rows(500, roles=30), Edition.ENTERPRISE, LATENCY, deployment=DEPLOYMENT, run=RUN
    )
    assert found.busiest == "dataworks:write"
    assert found.calls["dataworks:write"] == 3000
    assert (
        found.by_group["dataworks:write"] == 149
    )  # 20 a second, and the last window's calls at its beginning
    assert found.seconds == pytest.approx(149 + 2 * LATENCY + RUN + LATENCY)


def test_without_a_run_the_deployment_comes_behind_the_last_write() -> None:
    found = floor_seconds(
        make_rows(500, roles=30, run=False), Edition.ENTERPRISE, LATENCY, deployment=DEPLOYMENT, run=RUN
    )
    assert found.seconds == pytest.approx(124 + 2 * LATENCY + DEPLOYMENT + LATENCY)


def test_lower_editions_count_all_actions_together() -> None:
    found = floor_seconds(make_rows(100, roles=1), Edition.PROFESSIONAL, LATENCY)
    assert found.by_group["dataworks"] == 119  # 600 calls, 5 a second


def test_a_run_over_many_roles_can_be_bounded_by_attachments() -> None:
    found = floor_seconds(make_rows(400, roles=80, types=("oss",), run=False), Edition.ENTERPRISE, LATENCY)
    assert found.by_group["ram:AttachPolicyToRole"] == 7


def test_the_floor_that_a_run_tells_is_this_one_without_what_comes_before_and_behind() -> None:
    rows = make_rows(500, roles=30)
    with served(rows) as cloud:
        gate = gate_of(cloud)
        plan = plan_of(gate, specs_of(rows))
        told = floor_of_plan(gate, plan)
    # The plan's writes are the necessary ones and the workflow's folder or two, which all rows share.
    writes = sum(call.startswith("dataworks:") for change in plan.changes for call in change.calls)
    necessary = floor_seconds(rows).calls["dataworks:write"]
    folders = {
        call for change in plan.changes for call in change.calls if call.endswith(("Business", "Folder"))
    }
    assert writes + len(rows) == necessary + len(folders)
    assert told == pytest.approx((necessary + len(folders)) / 20)
    assert told < floor_seconds(rows).seconds < told * 1.03

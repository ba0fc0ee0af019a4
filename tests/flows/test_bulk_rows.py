"""Rows side by side: what is shared is done once, one row never stops another, and brakes stop before more is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.rows import make_rows
from emulator.server import RunningCloud
from flows.bulk_brakes import Brakes
from tests.flows.files import PLAIN, ROWS, apply, gate_of, meaning, served, specs_of
from tests.tasks.onboarding import add_fault

SPECS = specs_of(ROWS)


@pytest.fixture
def cloud() -> Iterator[RunningCloud]:
    with served(ROWS) as running:
        yield running


def _calls(local: RunningCloud) -> Counter[str]:
    return Counter(entry.action for entry in local.cloud.journal.entries)


def test_every_row_is_created_and_what_rows_share_is_written_once(cloud: RunningCloud) -> None:
    applied = apply(gate_of(cloud), SPECS)
    assert applied.outcomes == ["created"] * len(SPECS)
    calls = _calls(cloud)
    assert calls["CreateRole"] == 3
    assert calls["CreatePolicy"] == 6
    assert calls["CreateBusiness"] == 1
    assert calls["CreateDataSource"] == calls["CreateDISyncTask"] == calls["RunCycleDagNodes"] == len(SPECS)
    assert {one.status for one in cloud.cloud.state.dataworks.instances.values()} == {"SUCCESS"}


def test_a_second_run_lists_and_writes_nothing(cloud: RunningCloud) -> None:
    apply(gate_of(cloud), SPECS)
    before = meaning(cloud.cloud)
    cloud.cloud.journal.clear()
    again = apply(gate_of(cloud), SPECS)
    assert again.outcomes == ["unchanged"] * len(SPECS)
    assert cloud.cloud.journal.writes == ()
    assert again.plan.changes == ()
    calls = _calls(cloud)
    assert not calls.keys() & {"GetFile", "GetDag", "GetNode", "GetInstance", "TestNetworkConnection"}
    assert calls["ListDataSources"] == calls["ListFiles"] == calls["ListNodes"] == calls["ListInstances"] == 1
    assert meaning(cloud.cloud) == before


def test_the_report_of_an_unchanged_row_has_the_ids_that_were_read(cloud: RunningCloud) -> None:
    first = apply(gate_of(cloud), SPECS)
    again = apply(gate_of(cloud), SPECS)
    for made, found in zip(first.reports, again.reports, strict=True):
        assert made.onboarding is not None
        assert found.onboarding is not None
        proof, *_ = made.onboarding.proofs
        assert found.onboarding.step(5).facts == {"instance_id (PROD)": str(proof.instance)}
        assert found.onboarding.step(4).facts["node_id"] == made.onboarding.step(4).facts["node_id"]
        assert found.onboarding.step(1).facts == {"role_id": made.onboarding.step(1).facts["role_id"]}


def test_a_row_that_is_refused_stops_no_other_and_says_who_can_mend_it(cloud: RunningCloud) -> None:
    add_fault(cloud, action="CreateDISyncTask", status=400, code="InvalidParameter", times=1)
    applied = apply(gate_of(cloud), SPECS)
    counted = Counter(applied.outcomes)
    assert counted == {"created": len(SPECS) - 1, "failed": 1}
    (failed,) = [report for report in applied.reports if report.outcome.value == "failed"]
    assert failed.failure is not None
    assert failed.failure.step == 4
    assert failed.failure.code == "InvalidParameter"
    assert failed.failure.request_id
    assert failed.failure.remedy
    again = apply(gate_of(cloud), SPECS)
    assert Counter(again.outcomes) == {"unchanged": len(SPECS) - 1, "created": 1}


def test_rows_of_a_role_that_cannot_be_made_are_blocked_and_the_others_are_done(cloud: RunningCloud) -> None:
    add_fault(cloud, action="CreateRole", status=403, code="NoPermission", times=1)
    applied = apply(gate_of(cloud), SPECS)
    blocked = [report for report in applied.reports if report.outcome.value == "blocked"]
    assert len({report.role for report in blocked}) == 1
    assert {report.role for report in applied.reports if report.outcome.value == "created"}.isdisjoint(
        {blocked[0].role}
    )
    assert Counter(applied.outcomes) == {"blocked": len(blocked), "created": len(SPECS) - len(blocked)}
    assert {report.persona for report in blocked} == {"administrator"}
    assert all(report.remedy for report in blocked)
    assert applied.run.progress.failed == 1  # the role, not each of its rows


def test_a_role_that_is_somebody_elses_blocks_its_rows_before_anything_is_written(
    cloud: RunningCloud,
) -> None:
    apply(gate_of(cloud), SPECS[:1])
    role = cloud.cloud.state.ram.roles[SPECS[0].role_name]
    role.tags.clear()
    cloud.cloud.journal.clear()
    applied = apply(gate_of(cloud), SPECS)
    mine = [report for report in applied.reports if report.role == SPECS[0].role_name]
    assert {report.outcome.value for report in mine} == {"blocked"}
    assert all("adopt" in report.remedy for report in mine)
    assert role.tags == {}


def test_a_bound_on_changes_stops_before_the_first_write(cloud: RunningCloud) -> None:
    for brakes in (Brakes(changes=11), Brakes(changes_percent=99)):
        applied = apply(gate_of(cloud), SPECS, brakes)
        assert applied.run.stop is not None
        assert applied.run.stop.kind == "changes"
        assert set(applied.outcomes) == {"not_started"}
    assert cloud.cloud.journal.writes == ()
    assert set(apply(gate_of(cloud), SPECS, Brakes(changes=12, changes_percent=100)).outcomes) == {"created"}


def test_a_bound_on_failures_lets_no_further_row_begin(cloud: RunningCloud) -> None:
    add_fault(cloud, action="CreateDISyncTask", status=400, code="InvalidParameter", times=None)
    applied = apply(gate_of(cloud), SPECS, Brakes(failures=2), rows_at_once=1)
    assert applied.outcomes == ["failed"] * 2 + ["not_started"] * 10
    assert applied.run.stop is not None
    assert applied.run.stop.kind == "failures"
    assert _calls(cloud)["CreateDISyncTask"] == 2
    cloud.cloud.faults.rules.clear()
    assert set(apply(gate_of(cloud), SPECS).outcomes) == {"created"}


def test_todays_calls_are_never_passed_and_the_next_day_goes_on(cloud: RunningCloud) -> None:
    gate = gate_of(cloud, daily_allowance=60)
    applied = apply(gate, SPECS, rows_at_once=2)
    assert applied.run.stop is not None
    assert applied.run.stop.kind == "allowance"
    assert "from 2" in applied.run.stop.goes_on
    done = applied.outcomes.count("created")
    assert 0 < done < len(SPECS)
    assert set(applied.outcomes) == {"created", "not_started"}
    assert gate.journal.total("dataworks") <= 60
    later = apply(gate_of(cloud, daily_allowance=2000), SPECS)
    assert Counter(later.outcomes) == {"unchanged": done, "created": len(SPECS) - done}


def test_a_missing_counterpart_fails_its_row_and_a_missing_grantee_blocks_its_role(
    cloud: RunningCloud,
) -> None:
    rows: list[dict[str, Any]] = [dict(row) for row in ROWS]
    task = rows[0]["sync_task"]
    rows[0] = {**rows[0], "sync_task": {**task, "writer": {**task["writer"], "datasource": "odps_second"}}}
    strangers = {row["role"]["name"] for row in rows[5:6]}
    rows = [
        {**row, "grantees": {"groups": ["nobody-here"]}} if row["role"]["name"] in strangers else row
        for row in rows
    ]
    applied = apply(gate_of(cloud), specs_of(rows))
    assert applied.reports[0].outcome.value == "failed"
    assert applied.reports[0].failure is not None
    assert "odps_second" in applied.reports[0].failure.subject
    blocked = [report for report in applied.reports if report.role in strangers]
    assert {report.outcome.value for report in blocked} == {"blocked"}
    assert all("nobody-here" in report.why for report in blocked)
    assert applied.outcomes.count("created") == len(rows) - 1 - len(blocked)


def test_roles_change_by_themselves_when_none_of_their_rows_does(cloud: RunningCloud) -> None:
    apply(gate_of(cloud), SPECS)
    role = cloud.cloud.state.ram.roles[SPECS[0].role_name]
    wanted, role.trust_policy = role.trust_policy, '{"Version": "1", "Statement": []}'
    cloud.cloud.journal.clear()
    applied = apply(gate_of(cloud), SPECS)
    assert [entry.action for entry in cloud.cloud.journal.writes] == ["UpdateRole"]
    assert role.trust_policy.replace(" ", "") == wanted.replace(" ", "")
    updated = {report.role for report in applied.reports if report.outcome.value == "updated"}
    assert updated == {SPECS[0].role_name}
    assert applied.outcomes.count("unchanged") == len(SPECS) - applied.outcomes.count("updated")


def test_both_environments_of_a_standard_workspace_are_proven() -> None:
    rows = make_rows(6, roles=2, standard=True, workspaces=2)
    with served(rows) as cloud:
        specs = specs_of(rows)
        assert set(apply(gate_of(cloud), specs).outcomes) == {"created"}
        assert Counter(one.environment for one in cloud.cloud.state.dataworks.instances.values()) == {
            "DEV": 6,
            "PROD": 6,
        }
        again = apply(gate_of(cloud), specs)
        assert set(again.outcomes) == {"unchanged"}
        assert again.plan.changes == ()


def _refused(rows: list[dict[str, Any]], *places: int, **changes: Any) -> list[dict[str, Any]]:
    return [{**row, **changes} if place in places else dict(row) for place, row in enumerate(rows)]


def test_no_role_is_made_for_rows_that_cannot_be_begun(cloud: RunningCloud) -> None:
    role = ROWS[0]["role"]["name"]
    places = [place for place, row in enumerate(ROWS) if row["role"]["name"] == role]
    applied = apply(gate_of(cloud), specs_of(_refused(ROWS, *places, workspace=99999)))
    assert {applied.outcomes[place] for place in places} == {"failed"}
    assert role not in cloud.cloud.state.ram.roles
    assert applied.outcomes.count("created") == len(ROWS) - len(places)
    again = apply(gate_of(cloud), specs_of(_refused(ROWS, *places, workspace=99999)))
    assert {again.outcomes[place] for place in places} == {"failed"}


def test_a_row_that_is_added_to_a_shared_role_leaves_the_others_as_they_are(cloud: RunningCloud) -> None:
    role = ROWS[0]["role"]["name"]
    shared = [row for row in ROWS if row["role"]["name"] == role]
    apply(gate_of(cloud), specs_of(shared[:-1]))
    cloud.cloud.journal.clear()
    applied = apply(gate_of(cloud), specs_of(shared))
    assert applied.outcomes[-1] == "created"
    assert set(applied.outcomes[:-1]) <= {"updated", "unchanged"}
    assert _calls(cloud)["CreateDISyncTask"] == _calls(cloud)["RunCycleDagNodes"] == 1
    assert set(apply(gate_of(cloud), specs_of(shared)).outcomes) == {"unchanged"}


def test_a_day_that_is_too_short_for_the_file_still_ends_the_rows_that_were_begun(
    cloud: RunningCloud,
) -> None:
    done = 0
    for _ in range(4):
        applied = apply(gate_of(cloud, daily_allowance=70), SPECS)
        now = applied.outcomes.count("created") + applied.outcomes.count("unchanged")
        assert now > done
        done = now
        if done == len(SPECS):
            return
    assert done >= len(SPECS) // 2


def test_a_workspace_that_may_not_be_read_fails_its_own_rows_only() -> None:
    rows = make_rows(10, roles=2, workspaces=2)
    with served(rows) as cloud:
        space = cloud.cloud.state.dataworks.workspaces[20002]
        space.members.clear()
        applied = apply(gate_of(cloud), specs_of(rows))
        outcomes: dict[int, set[str]] = {row["workspace"]: set() for row in rows}
        for row, outcome in zip(rows, applied.outcomes, strict=True):
            outcomes[row["workspace"]].add(outcome)
        assert outcomes == {20001: {"created"}, 20002: {"failed"}}


def test_a_data_source_that_nothing_reaches_is_tested_again_by_the_next_run() -> None:
    rows = make_rows(2, roles=1)
    specs = specs_of([{**row, "sync_task": None} for row in rows])
    with served(rows) as cloud:
        groups = cloud.cloud.state.dataworks.resource_groups
        (group,) = [one for one in groups if one.identifier == rows[0]["resource_groups"][0]]
        group.reaches = []
        assert set(apply(gate_of(cloud), specs).outcomes) == {"failed"}
        assert set(apply(gate_of(cloud), specs).outcomes) == {"failed"}
        group.reaches = ["*"]
        assert set(apply(gate_of(cloud), specs).outcomes) == {"unchanged"}
        cloud.cloud.journal.clear()
        assert set(apply(gate_of(cloud), specs).outcomes) == {"unchanged"}
        assert _calls(cloud)["TestNetworkConnection"] == 0


def test_a_fault_in_one_row_is_told_as_its_own(cloud: RunningCloud) -> None:
    def step(run: Any, before: Any) -> Any:
        if run.name == SPECS[3].name:
            raise RuntimeError("https://dataworks.example?Signature=secret")
        return PLAIN[0](run, before)

    applied = apply(gate_of(cloud), SPECS, steps=(step, *PLAIN[1:]))
    assert Counter(applied.outcomes) == {"created": len(SPECS) - 1, "failed": 1}
    assert applied.row(SPECS[3].name).why == "a fault of the program (RuntimeError)"

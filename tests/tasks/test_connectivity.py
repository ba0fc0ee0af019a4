"""The connectivity matrix: every cell a result, and only what the sync task needs stops the onboarding."""

from __future__ import annotations

import pytest

from cloud.errors import NotConnected
from config.personas import Persona
from config.sources.base import Environment
from emulator.server import RunningCloud
from tasks.connectivity import Cell, Connection, check_cell, judge
from tests.tasks.onboarding import Onboarding, add_fault, example

ONE, TWO, DEAF = "S_res_group_1001_1", "S_res_group_1001_2", "S_res_group_1001_3"


def test_every_environment_is_tested_from_every_resource_group(local: RunningCloud) -> None:
    applied = Onboarding(local).until_sources()
    seen = {(cell.environment, cell.resource_group) for cell in applied.matrix}
    assert seen == {(environment, group) for environment in Environment for group in (ONE, TWO)}
    assert judge(example(), applied.matrix) == "4 of 4 connections work"


def test_a_group_that_reaches_nothing_is_reported_and_the_run_goes_on_when_it_is_not_needed(
    local: RunningCloud,
) -> None:
    applied = Onboarding(local, example(resource_groups=[ONE, DEAF])).apply()
    red = [cell for cell in applied.matrix if not cell.connected]
    assert [cell.resource_group for cell in red] == [DEAF, DEAF]
    for cell in red:
        assert cell.state is Connection.NOT_CONNECTED
        assert cell.reason
        assert cell.persona == Persona.CREATOR.value
        assert "network" in cell.remedy
    assert [proof.records_written for proof in applied.proofs.values()] == [5, 5]


def test_a_needed_group_that_reaches_nothing_stops_before_step_4(local: RunningCloud) -> None:
    onboarding = Onboarding(local, example(resource_groups=[ONE, DEAF], sync_task__resource_group=DEAF))
    with pytest.raises(NotConnected, match=DEAF) as caught:
        onboarding.apply()
    assert caught.value.subject == "data source oss_orders (DEV)"
    assert caught.value.persona is Persona.CREATOR
    assert caught.value.remedy
    assert onboarding.writes[-1] == "CreateDataSource"
    assert not local.cloud.state.dataworks.files


def test_without_a_sync_task_one_working_group_is_enough_and_none_is_not(local: RunningCloud) -> None:
    Onboarding(local, example(resource_groups=[DEAF, ONE], sync_task=None)).apply()
    with pytest.raises(NotConnected):
        Onboarding(local, example(resource_groups=[DEAF], sync_task=None)).apply()


def test_a_test_that_never_answers_is_a_result(local: RunningCloud) -> None:
    onboarding = Onboarding(local)
    onboarding.until_sources()
    add_fault(local, action="TestNetworkConnection", effect="reset", times=None)
    cell = check_cell(onboarding.gate, onboarding.spec, Environment.DEV, ONE)
    assert cell.state is Connection.TIMEOUT
    assert cell.reason
    assert cell.remedy
    assert not cell.connected


def test_a_refused_test_is_a_result_with_who_can_fix_it(local: RunningCloud) -> None:
    onboarding = Onboarding(local)
    onboarding.until_sources()
    add_fault(local, action="TestNetworkConnection", status=403, code="Forbidden.Access")
    cell = check_cell(onboarding.gate, onboarding.spec, Environment.DEV, ONE)
    assert cell.state is Connection.REFUSED
    assert cell.persona
    assert cell.remedy


def test_the_judgement_names_the_environment_that_is_red() -> None:
    cells = [
        Cell(Environment.DEV, ONE, Connection.CONNECTED),
        Cell(Environment.PROD, ONE, Connection.TIMEOUT, "no answer", "creator", "bind it"),
        Cell(Environment.PROD, TWO, Connection.CONNECTED),
    ]
    with pytest.raises(NotConnected, match=r"data source oss_orders \(PROD\).*timeout"):
        judge(example(), cells)
    assert judge(example(sync_task=None), cells) == "2 of 3 connections work"

"""Offboarding after onboarding: the cloud is as it was, byte for byte apart from history."""

from __future__ import annotations

import pytest

from benchmarks.rows import make_rows
from config.names import MANY_SOURCES_TAG
from emulator.server import RunningCloud
from tests.emulator.sources import TYPES, example
from tests.flows.files import apply, gate_of, served, specs_of
from tests.tasks.offboarding import Offboarding, standing
from tests.tasks.onboarding import Onboarding


@pytest.mark.parametrize("workspace", [10001, 10002], ids=["standard", "basic"])
@pytest.mark.parametrize("name", TYPES)
def test_offboarding_returns_every_source_type_to_the_first_state(
    local: RunningCloud, name: str, workspace: int
) -> None:
    local.cloud.settings.adb3_accepts_role = True
    spec = example(name).model_copy(update={"workspace": workspace})
    first = standing(local.cloud, data=False)
    Onboarding(local, spec).apply()
    copied = local.cloud.state.data.model_dump_json()
    offboarding = Offboarding(local, [spec])

    assert standing(local.cloud, data=False) != first
    offboarding.apply()

    assert standing(local.cloud, data=False) == first
    assert local.cloud.state.data.model_dump_json() == copied
    assert offboarding.writes_of_apply() == []
    assert offboarding.plan().changes == ()


def test_more_sources_than_tags_can_name_leave_a_role_together_and_some_before_the_others() -> None:
    rows = make_rows(24, roles=1)
    with served(rows) as local:
        specs = specs_of(rows)
        first = standing(local.cloud, data=False)
        apply(gate_of(local), specs)
        (role,) = [one for one in local.cloud.state.ram.roles.values() if one.name == specs[0].role_name]
        assert MANY_SOURCES_TAG[0] in role.tags
        held = {(spec.name, spec.workspace) for spec in specs[5:]}

        Offboarding(local, specs[:5], gate=gate_of(local)).apply()

        left = {
            (one.name, one.workspace) for one in local.cloud.state.dataworks.data_sources if not one.engine
        }
        assert held <= left
        assert not {(spec.name, spec.workspace) for spec in specs[:5]} & left
        again = len(local.cloud.journal.writes)
        assert {*apply(gate_of(local), specs[5:]).outcomes} == {"unchanged"}
        assert len(local.cloud.journal.writes) == again
        Offboarding(local, specs[5:], gate=gate_of(local)).apply()
        assert standing(local.cloud, data=False) == first

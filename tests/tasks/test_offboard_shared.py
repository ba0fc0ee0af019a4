"""A role that several data sources share shrinks by the share of the one that leaves, and goes with the last one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cloud.errors import OnboardingError
from config.spec import DataSourceSpec
from emulator.server import RunningCloud
from emulator.state import DataSource
from tasks.offboarding.choices import StillUsed
from tests.emulator import sources
from tests.tasks.offboarding import QUARANTINE, Offboarding, standing
from tests.tasks.onboarding import Onboarding, example

SHARED = {"name": "Shared"}
TASK = "sync_task"


def orders(**changes: Any) -> DataSourceSpec:
    """Orders, read, with the shared role."""
    return example(role=SHARED, **changes)


def export(**changes: Any) -> DataSourceSpec:
    """Another prefix of the same bucket, written, with the same role and without a sync task."""
    location = {"bucket": "shop-orders", "prefix": "export/"}
    values = {"name": "oss_export", "location": location, "access": "write", TASK: None, **changes}
    return example(role=SHARED, **values)


def logs() -> DataSourceSpec:
    """A source of another type with the same role and the same grantees."""
    found = sources.example("loghub", role=SHARED)
    return found.model_copy(update={"grantees": orders().grantees})


def onboard(local: RunningCloud, *specs: DataSourceSpec) -> list[str]:
    """Onboard one after the other; returns what stands before each and at the end."""
    seen = [standing(local.cloud, data=False)]
    for spec in specs:
        Onboarding(local, spec).apply()
        seen.append(standing(local.cloud, data=False))
    return seen


def document(local: RunningCloud, name: str) -> str:
    """A custom policy's text in force."""
    return local.cloud.state.ram.policies[name].default_version().document


PAIRS = {
    "two prefixes": lambda: (orders(), export()),
    "two prefixes, no sync task": lambda: (orders(sync_task=None), export()),
    "two types": lambda: (orders(), logs()),
    "another type first": lambda: (logs(), orders()),
    "another workspace": lambda: (orders(), export(workspace=10002)),
}


@pytest.mark.parametrize("pair", PAIRS)
def test_the_last_to_come_leaves_everything_as_it_found_it(local: RunningCloud, pair: str) -> None:
    stays, leaves = PAIRS[pair]()
    before, alone, both = onboard(local, stays, leaves)
    assert len({before, alone, both}) == 3

    offboarding = Offboarding(local, [leaves])
    plan = offboarding.apply()

    assert standing(local.cloud, data=False) == alone
    assert any(stays.name in note for note in plan.notes)
    assert offboarding.writes_of_apply() == []
    Offboarding(local, [stays]).apply()
    assert standing(local.cloud, data=False) == before


@pytest.mark.parametrize("pair", PAIRS)
def test_the_first_to_come_may_leave_first_and_the_other_goes_on_working(
    local: RunningCloud, pair: str
) -> None:
    leaves, stays = PAIRS[pair]()
    before, _, _ = onboard(local, leaves, stays)

    Offboarding(local, [leaves]).apply()

    again = Onboarding(local, stays)
    assert again.writes_of_apply() == []
    Offboarding(local, [stays]).apply()
    assert standing(local.cloud, data=False) == before


def test_both_leave_together(local: RunningCloud) -> None:
    specs = orders(), export(), logs()
    before, *_ = onboard(local, *specs)
    Offboarding(local, specs).apply()
    assert standing(local.cloud, data=False) == before


def test_what_two_sources_of_one_location_need_stays_and_the_plan_says_so(local: RunningCloud) -> None:
    twin = orders(name="oss_twin", sync_task=None)
    onboard(local, orders(sync_task=None), twin)
    full = document(local, "Shared-Access")
    plan = Offboarding(local, [twin]).apply()
    assert document(local, "Shared-Access") == full
    assert not [note for note in plan.notes if "keeps" in note]
    assert "source:10001:oss_twin" not in local.cloud.state.ram.roles["Shared"].tags


def test_a_wider_access_to_the_same_location_stays_where_the_other_may_have_it(local: RunningCloud) -> None:
    onboard(local, orders(sync_task=None), orders(name="oss_twin", sync_task=None, access="read_write"))
    Offboarding(local, [orders(name="oss_twin", sync_task=None, access="read_write")]).apply()
    assert "oss:PutObject" in document(local, "Shared-Access")
    # Applied again, the one that is left takes the rest away: it knows what it needs.
    assert Onboarding(local, orders(sync_task=None)).writes_of_apply() == ["CreatePolicyVersion"]
    assert "oss:PutObject" not in document(local, "Shared-Access")


def test_a_source_that_is_nowhere_to_be_seen_keeps_the_role_and_all_of_its_policy(
    local: RunningCloud,
) -> None:
    onboard(local, orders())
    ram = local.cloud.state.ram
    full = document(local, "Shared-Access")
    ram.roles["Shared"].tags["source:99:elsewhere"] = "served"
    plan = Offboarding(local, [orders()]).apply()
    assert document(local, "Shared-Access") == full
    assert ram.roles["Shared"].tags == {"managed-by": "dataworks-onboarding", "source:99:elsewhere": "served"}
    assert any("source:99:elsewhere" in note for note in plan.notes)
    assert not [one for one in local.cloud.state.dataworks.data_sources if one.name == "oss_orders"]


def stranger(local: RunningCloud) -> None:
    """A data source that somebody has opened with the role in the console."""
    works = local.cloud.state.dataworks
    role_id = local.cloud.state.ram.roles["Shared"].id
    content = {"bucket": "shop-orders", "endpoint": "http://oss-cn-hangzhou-internal.aliyuncs.com",
               "authType": "RamRole", "authIdentity": role_id}  # fmt: skip
    works.data_sources.append(
        DataSource(id=39_500, workspace=10002, name="by_hand", type="oss", content=json.dumps(content))
    )


@pytest.mark.parametrize("with_another", [False, True])
def test_a_data_source_that_nobody_onboarded_with_the_role_refuses(
    local: RunningCloud, with_another: bool
) -> None:
    onboard(local, orders(), *([export()] if with_another else []))
    stranger(local)
    before = standing(local.cloud)
    offboarding = Offboarding(local, [orders()])
    with pytest.raises(StillUsed, match=r"data source by_hand \(PROD\) of workspace 10002"):
        offboarding.apply()
    assert standing(local.cloud) == before
    assert offboarding.plan().changes == ()


def test_a_shared_role_is_not_quarantined_for_one_of_its_sources(local: RunningCloud) -> None:
    onboard(local, orders(), export())
    before = standing(local.cloud)
    with pytest.raises(OnboardingError, match="oss_export"):
        Offboarding(local, [orders()], QUARANTINE).apply()
    assert standing(local.cloud) == before
    Offboarding(local, [orders(), export()], QUARANTINE).apply()
    assert standing(local.cloud) != before


def test_a_workspace_that_may_not_be_read_is_said_in_the_plan(local: RunningCloud) -> None:
    onboard(local, orders())
    space = local.cloud.state.dataworks.workspaces[10002]
    space.members = [member for member in space.members if member.user != "carol"]
    plan = Offboarding(local, [orders()]).plan()
    assert any("workspaces 10002 could not be read" in note for note in plan.notes)

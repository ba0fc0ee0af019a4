"""A workflow that onboarding made goes with its last sync task; whatever else there is stays, and the plan says why."""

from __future__ import annotations

from typing import Any

from cloud.dataworks.sync_tasks import WORKFLOW_MARK
from config.spec import DataSourceSpec
from emulator.server import RunningCloud
from tasks.scheduling import MARK
from tests.emulator.shop import FOLDER, Shop
from tests.tasks.offboarding import Offboarding, standing
from tests.tasks.onboarding import Onboarding, example

DAILY = f"{FOLDER}/orders/daily"


def deep(**changes: Any) -> DataSourceSpec:
    """The example with its sync task two folders below the layer."""
    return example(sync_task__folder=DAILY, **changes)


def paths(local: RunningCloud) -> list[str]:
    """The folders of the workspace."""
    return sorted(folder.path for folder in local.cloud.state.dataworks.folders.values())


def test_a_workflow_and_a_file_of_ours_say_the_same() -> None:
    assert WORKFLOW_MARK == MARK


def test_folders_go_from_below_and_then_the_workflow(local: RunningCloud) -> None:
    first = standing(local.cloud, data=False)
    Onboarding(local, deep()).apply()
    assert DAILY in paths(local)
    plan = Offboarding(local, [deep()]).apply()
    assert [change.subject for change in plan.changes if change.step == 5] == [
        f"folder {DAILY}", f"folder {FOLDER}/orders", "workflow onboarding",
    ]  # fmt: skip
    assert standing(local.cloud, data=False) == first


def test_a_workflow_that_somebody_else_made_stays_with_its_folders(local: RunningCloud) -> None:
    Shop(local).business()
    Onboarding(local, deep()).apply()
    plan = Offboarding(local, [deep()]).apply()
    assert any("does not say that it was made here" in note for note in plan.notes)
    assert DAILY in paths(local)


def test_a_file_of_somebody_else_keeps_the_workflow(local: RunningCloud) -> None:
    shop = Shop(local)
    Onboarding(local).apply()
    shop.opened()
    shop.create_task(name="theirs")
    plan = Offboarding(local, [example()]).apply()
    assert any("1 files are in it, such as theirs" in note for note in plan.notes)
    assert [one.name for one in local.cloud.state.dataworks.businesses.values()] == ["onboarding"]


def test_a_folder_of_somebody_else_keeps_the_workflow(local: RunningCloud) -> None:
    Onboarding(local, deep()).apply()
    Shop(local).here("CreateFolder", FolderPath=f"{FOLDER}/theirs")
    plan = Offboarding(local, [deep()]).apply()
    assert any(f"folder {FOLDER}/theirs is in it" in note for note in plan.notes)
    assert DAILY in paths(local)


def test_the_last_of_several_sync_tasks_takes_the_workflow_along(local: RunningCloud) -> None:
    first = standing(local.cloud, data=False)
    other = deep(name="oss_other", sync_task__name="other_to_ods")
    Onboarding(local, deep()).apply()
    Onboarding(local, other).apply()
    Offboarding(local, [deep()]).apply()
    assert DAILY in paths(local)
    Offboarding(local, [other]).apply()
    assert standing(local.cloud, data=False) == first


def test_a_task_of_the_same_name_in_another_folder_is_left_alone(local: RunningCloud) -> None:
    shop = Shop(local)
    shop.opened()
    Onboarding(local, deep()).apply()
    shop.create_task(name="oss_orders_to_ods")
    file_id = next(one.id for one in local.cloud.state.dataworks.files.values() if one.folder == FOLDER)
    shop.schedule(file_id)
    shop.submit(file_id)
    shop.deploy(file_id)
    theirs = [node for node in local.cloud.state.dataworks.nodes if node.file == file_id]
    Offboarding(local, [deep()]).apply()
    assert list(local.cloud.state.dataworks.nodes) == theirs
    assert local.cloud.state.dataworks.files[file_id].deleted == "NORMAL"
    assert Offboarding(local, [deep()]).writes_of_apply() == []

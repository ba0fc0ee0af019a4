"""The scheduling and the description of a sync task's file: what UpdateFile sets and GetFile shows.

The description says that the file is ours, which resource group it uses (no read returns that), and what its runs
prove (no list of instances shows the names of runs).
"""

from __future__ import annotations

from typing import Any

from cloud.dataworks.sync_tasks import SyncTask
from config.spec import SyncTaskSpec
from tasks.workspace import Facts

MARK = "Managed by dataworks-onboarding."
"""Start of the description of a file that this project manages."""
_GROUP = f"{MARK} Data Integration resource group: "
_PROVES = ". Proves: "


def description(wanted: SyncTaskSpec, proves: str) -> str:
    """What the file's description says; ``proves`` is :func:`tasks.proof.proves`."""
    return f"{_GROUP}{wanted.resource_group}{_PROVES}{proves}"


def described_group(text: str) -> str:
    """The resource group that a file's description names, or ""."""
    return text.removeprefix(_GROUP).partition(_PROVES)[0] if text.startswith(_GROUP) else ""


def wanted_scheduling(wanted: SyncTaskSpec, facts: Facts) -> dict[str, Any]:
    """UpdateFile's parameters for the specification, without the description.

    A node needs a parent; the workspace's root is the vendor's own choice for sync nodes.
    """
    target: dict[str, Any] = {
        "InputList": f"{facts.workspace.identifier}_root",
        "SchedulerType": "NORMAL",
        # Without a schedule the node is never started by itself; a smoke test or a backfill still runs it.
        "Stop": wanted.schedule is None,
    }
    # The API takes an empty value for none. Parameters that nothing in the task names do no harm.
    if wanted.parameter_text:
        target["ParaValue"] = wanted.parameter_text
    if wanted.owner:
        target["Owner"] = wanted.owner
    if wanted.scheduling_resource_group:
        target["ResourceGroupIdentifier"] = wanted.scheduling_resource_group
    if wanted.schedule is not None:
        target |= {
            "CycleType": wanted.schedule.cycle.value,
            "CronExpress": wanted.schedule.cron,
            "RerunMode": wanted.schedule.rerun_mode.value,
            "AutoRerunTimes": wanted.schedule.auto_rerun_times,
        }
        if wanted.schedule.auto_rerun_times:
            target["AutoRerunIntervalMillis"] = wanted.schedule.auto_rerun_interval * 1000
    return target


def shown_scheduling(found: SyncTask) -> dict[str, Any]:
    """What GetFile shows, in UpdateFile's words."""
    shown = found.scheduling
    return {
        **{
            key: shown.get(key)
            for key in ("ParaValue", "SchedulerType", "CycleType", "CronExpress", "RerunMode")
        },
        "FileDescription": found.description,
        "InputList": ",".join(str(item.get("Input")) for item in shown.get("InputList") or []),
        "Stop": bool(shown.get("Stop")),
        "Owner": found.owner,
        "AutoRerunTimes": int(shown.get("AutoRerunTimes") or 0),
        "AutoRerunIntervalMillis": int(shown.get("AutoRerunIntervalMillis") or 0),
    }


def differences(found: SyncTask, target: dict[str, Any]) -> dict[str, Any]:
    """The part of ``target`` that GetFile does not show yet."""
    present = shown_scheduling(found)
    # GetFile shows the scheduling resource group as a number, UpdateFile takes its identifier: it is sent along
    # with other changes, never alone.
    different = {
        key: value
        for key, value in target.items()
        if key != "ResourceGroupIdentifier" and not _same(key, present.get(key), value)
    }
    if different and "ResourceGroupIdentifier" in target:
        different["ResourceGroupIdentifier"] = target["ResourceGroupIdentifier"]
    return different


def _same(key: str, present: Any, wanted: Any) -> bool:
    """Equal in meaning: parameters are named, and their order says nothing."""
    if key == "ParaValue" and isinstance(present, str):
        return sorted(present.split()) == sorted(str(wanted).split())
    return bool(present == wanted)

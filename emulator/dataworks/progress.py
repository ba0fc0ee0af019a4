"""The states of an instance, and the one place that moves it on.

NOT_RUN → WAIT_TIME → WAIT_RESOURCE → RUNNING → SUCCESS or FAILURE. The engine runs when RUNNING is over, so that an
instance stopped before has moved nothing. An instance moves by being looked at, or by the clock (a setting).
A dry-run instance (SKIP) succeeds without running; a frozen one (PAUSE) fails. Source: ListInstances.
"""

from __future__ import annotations

from collections.abc import Sequence

from emulator.cloud import LocalCloud
from emulator.dataplane.engine import run
from emulator.settings import AdvanceBy
from emulator.state import Dag, Instance

STATES = ("NOT_RUN", "WAIT_TIME", "WAIT_RESOURCE", "RUNNING")
"""The states before the end, in order."""
SUCCESS, FAILURE = "SUCCESS", "FAILURE"
TERMINAL = (SUCCESS, FAILURE)


def settle(cloud: LocalCloud, instance: Instance) -> None:
    """Bring an instance up to date; called whenever one is shown."""
    if instance.status in TERMINAL:
        return
    settings = cloud.settings
    if settings.advance_by is AdvanceBy.CLOCK:
        while instance.status not in TERMINAL:
            due = instance.entered + settings.instance_steps
            if due > cloud.clock.now() and not instance.stopping:
                return
            _move_on(cloud, instance, min(due, cloud.clock.now()))
        return
    while instance.status not in TERMINAL and (instance.seen >= settings.instance_steps or instance.stopping):
        _move_on(cloud, instance, cloud.clock.now())
    instance.seen += 1


def _move_on(cloud: LocalCloud, instance: Instance, moment: float) -> None:
    """One step; ``moment`` is when it happened, in seconds since the epoch."""
    instance.seen = 0
    instance.entered = instance.updated = moment
    milliseconds = int(moment * 1000)
    if instance.stopping:
        instance.stopping = False
        instance.log += "The instance was stopped.\n"
        _end(instance, False, milliseconds)
    elif instance.status == "NOT_RUN":
        instance.status = "WAIT_TIME"
        instance.begin_wait_ms = milliseconds
    elif instance.status == "WAIT_TIME" and instance.task_type in ("SKIP", "PAUSE"):
        _end(instance, instance.task_type == "SKIP", milliseconds)
    elif instance.status == "RUNNING":
        result = run(cloud, instance)
        instance.log = result.log
        instance.records_read, instance.records_written = result.read, result.written
        _end(instance, result.succeeded, milliseconds)
    else:
        instance.status = STATES[STATES.index(instance.status) + 1]
        if instance.status == "RUNNING":
            instance.begin_run_ms = milliseconds


def _end(instance: Instance, succeeded: bool, milliseconds: int) -> None:
    instance.status = SUCCESS if succeeded else FAILURE
    instance.finish_ms = milliseconds


def restart(cloud: LocalCloud, instance: Instance) -> None:
    """Begin again under the same id, with a new log."""
    now = cloud.clock.now()
    instance.status = STATES[0]
    instance.seen = 0
    instance.entered = instance.updated = now
    instance.begin_wait_ms = instance.begin_run_ms = instance.finish_ms = None
    instance.log = ""
    instance.records_read = instance.records_written = 0
    instance.reruns += 1


def instances_of(cloud: LocalCloud, dag: Dag) -> list[Instance]:
    """The instances of a DAG."""
    return [instance for instance in cloud.state.dataworks.instances.values() if instance.dag == dag.id]


def dag_status(instances: Sequence[Instance]) -> str:
    """CREATED, RUNNING, SUCCESS or FAILURE. Source: GetDag."""
    states = {instance.status for instance in instances}
    if states <= {SUCCESS}:
        return SUCCESS
    if states <= set(TERMINAL):
        return FAILURE
    return "CREATED" if states == {STATES[0]} else "RUNNING"

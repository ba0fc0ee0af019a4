"""The scheduler: instances of nodes that run each day by themselves (DagType DAILY), for as long as a setting wants them.

A node's instance comes to be when its time has come and somebody looks. Only the hour of a cron expression counts, once
a day, as :func:`emulator.dataplane.parameters.scheduled_time` reads it; its executor is the node's owner.
Source: ListInstances (DagType), GetDag (which does not know DAGs of the scheduler).
"""

from __future__ import annotations

from datetime import timedelta

from emulator.cloud import LocalCloud
from emulator.dataplane.parameters import date_of, scheduled_time
from emulator.dataworks.runs import SCHEDULED, new_instance
from emulator.state import Dag, Node

_DAG_BASE = 400_000_000_000


def settle_schedule(cloud: LocalCloud) -> None:
    """Make the instances whose time has come since each node was deployed, or since its last one."""
    if not cloud.settings.scheduler_runs:
        return
    dataworks = cloud.state.dataworks
    last: dict[int, float] = {}
    for instance in dataworks.instances.values():
        if dataworks.dags[instance.dag].type == SCHEDULED:
            last[instance.node] = max(last.get(instance.node, 0.0), instance.business_date)
    for node in [one for one in dataworks.nodes if one.environment == "PROD"]:
        if node.scheduling.scheduler_type in ("NORMAL", "SKIP") and not node.scheduling.stop:
            _make_due(cloud, node, last.get(node.id))


def _make_due(cloud: LocalCloud, node: Node, last: float | None) -> None:
    now = cloud.clock.now()
    first = node.updated - 86_400 if last is None else last + 86_400
    day = date_of(first).replace(hour=0, minute=0, second=0, microsecond=0)
    while True:
        due = scheduled_time(day, node.scheduling.cron).timestamp()
        if due > now:
            return
        if due > node.updated:
            _start(cloud, node, day.timestamp(), due)
        day += timedelta(days=1)


def _start(cloud: LocalCloud, node: Node, business_date: float, due: float) -> None:
    dag = Dag(
        id=cloud.state.identifiers.number(_DAG_BASE),
        workspace=node.workspace,
        environment=node.environment,
        name="",
        type=SCHEDULED,
        business_date=business_date,
        created=due,
        creator=node.owner,
    )
    dataworks = cloud.state.dataworks
    dataworks.dags[dag.id] = dag
    instance = new_instance(cloud, dag, node, executor=node.owner, now=due)
    dataworks.instances[instance.id] = instance

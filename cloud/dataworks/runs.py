"""Runs and their instances. Source: RunSmokeTest, RunCycleDagNodes, GetDag, ListInstances, GetInstance,
GetInstanceLog, RestartInstance (2020-05-18). Made as the executor.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from cloud.dataworks.paging import pages
from cloud.ensure import LOOKS, write_once
from cloud.errors import InvalidRequest, NotFound, PermissionDenied, TaskRefused, Unsupported
from cloud.gate import Gate
from config.limits import DATAWORKS
from config.personas import Persona

_AS = Persona.EXECUTOR
SUCCESS, FAILURE = "SUCCESS", "FAILURE"
_SMOKE_TEST, _BACKFILL = "SMOKE_TEST", "SUPPLY_DATA"
_DRY_RUN = "SKIP"
_FINISHED = frozenset({SUCCESS, FAILURE})


@dataclass(frozen=True)
class Instance:
    """One node on one business date."""

    id: int
    dag: int
    dag_type: str
    node: int
    status: str
    task_type: str
    business_date_ms: int
    began_running_ms: int | None

    @property
    def finished(self) -> bool:
        """Terminal: SUCCESS or FAILURE."""
        return self.status in _FINISHED

    @property
    def succeeded(self) -> bool:
        """SUCCESS of a real run; the SUCCESS of a dry run proves nothing."""
        return self.status == SUCCESS and not self.dry_run

    @property
    def dry_run(self) -> bool:
        """A SKIP instance ends in SUCCESS without running."""
        return self.task_type == _DRY_RUN


def _instance(item: dict[str, Any]) -> Instance:
    began = item.get("BeginRunningTime")
    return Instance(
        id=int(item["InstanceId"]),
        dag=int(item.get("DagId") or 0),
        dag_type=str(item.get("DagType") or ""),
        node=int(item.get("NodeId") or 0),
        status=str(item["Status"]),
        task_type=str(item.get("TaskType") or "NORMAL"),
        business_date_ms=int(item.get("Bizdate") or 0),
        began_running_ms=int(began) if began else None,
    )


def list_instances(
    gate: Gate, workspace: int, environment: str, *, node: int | None = None, dag: int | None = None
) -> list[Instance]:
    """ListInstances of a node or of a DAG, in ``DEV`` or ``PROD``."""
    parameters: dict[str, Any] = {"ProjectId": workspace, "ProjectEnv": environment}
    if node is not None:
        parameters["NodeId"] = node
    if dag is not None:
        parameters["DagId"] = dag
    found = pages(
        gate, "ListInstances", parameters, persona=_AS, subject=f"instances of node {node or dag}",
        container="Data", items="Instances",
    )  # fmt: skip
    return [_instance(dict(item)) for item in found]


def dag_name(gate: Gate, dag: int, environment: str) -> str:
    """GetDag's Name; "" for a DAG of the scheduler, which GetDag does not know."""
    try:
        body = gate.read(
            DATAWORKS, "GetDag", {"DagId": dag, "ProjectEnv": environment}, persona=_AS, subject=f"DAG {dag}"
        )
    except (NotFound, InvalidRequest, TaskRefused):
        return ""  # the code for an absent DAG is not documented
    return str((body.get("Data") or {}).get("Name") or "")


def find_run(gate: Gate, workspace: int, environment: str, node: int, name: str) -> Instance | None:
    """The newest instance of the node that belongs to a run of exactly this name."""
    ours = (_SMOKE_TEST, _BACKFILL)
    candidates = [i for i in list_instances(gate, workspace, environment, node=node) if i.dag_type in ours]
    for instance in sorted(candidates, key=lambda item: item.id, reverse=True):
        if dag_name(gate, instance.dag, environment) == name:
            return instance
    return None


def start_run(
    gate: Gate, workspace: int, environment: str, node: int, name: str, business_date: date
) -> Instance | None:
    """Start the node once: a backfill of one day in production, a smoke test in development.

    Lower editions have no backfill; there a smoke test in production does the same for one node.
    Returns the instance when the list shows it already, else None (it may be empty for some seconds).
    """
    moment = f"{business_date:%Y-%m-%d} 00:00:00"  # the date alone is refused

    def smoke_test() -> object:
        parameters = {"NodeId": node, "Bizdate": moment, "Name": name, "ProjectEnv": environment}
        return gate.write(DATAWORKS, "RunSmokeTest", parameters, persona=_AS, subject=f"node {node}")

    def backfill() -> object:
        parameters = {
            "RootNodeId": node,
            "IncludeNodeIds": str(node),
            "StartBizDate": moment,
            "EndBizDate": moment,
            "Name": name,
            "ProjectEnv": environment,
            "Parallelism": False,
        }
        try:
            return gate.write(DATAWORKS, "RunCycleDagNodes", parameters, persona=_AS, subject=f"node {node}")
        except (Unsupported, PermissionDenied) as error:
            if error.code != "Forbidden.Access":
                raise
            return smoke_test()

    started: list[bool] = []

    def act() -> object:
        result = backfill() if environment == "PROD" else smoke_test()
        started.append(True)
        return result

    def look_up() -> tuple[Instance | None] | None:
        found = find_run(gate, workspace, environment, node, name)
        # Once the service has accepted the run it must not be started again, even if no list shows it yet.
        return (found,) if found is not None or started else None

    return write_once(gate, act, look_up, subject=f"run {name} of node {node}", looks=LOOKS)[0]


def get_instance(gate: Gate, instance: int, environment: str) -> Instance:
    """GetInstance."""
    body = gate.read(
        DATAWORKS,
        "GetInstance",
        {"InstanceId": instance, "ProjectEnv": environment},
        persona=_AS,
        subject=f"instance {instance}",
    )
    return _instance(body["Data"])


def instance_log(gate: Gate, instance: int, environment: str) -> str:
    """GetInstanceLog; logs older than seven days may be gone."""
    body = gate.read(
        DATAWORKS,
        "GetInstanceLog",
        {"InstanceId": instance, "ProjectEnv": environment},
        persona=_AS,
        subject=f"log of instance {instance}",
    )
    return str(body.get("Data") or "")


def restart_instance(gate: Gate, instance: Instance, environment: str) -> Instance:
    """RestartInstance: a new run under the same instance id, allowed when it has finished."""

    def act() -> object:
        return gate.write(
            DATAWORKS,
            "RestartInstance",
            {"InstanceId": instance.id, "ProjectEnv": environment},
            persona=_AS,
            subject=f"instance {instance.id}",
        )

    done: list[bool] = []

    def act_once() -> object:
        result = act()
        done.append(True)
        return result

    def restarted() -> Instance | None:
        found = get_instance(gate, instance.id, environment)
        # A quick run may have ended again: then it has begun at another time.
        again = not found.finished or found.began_running_ms != instance.began_running_ms
        return found if done or again else None

    return write_once(gate, act_once, restarted, subject=f"instance {instance.id}")

"""Runs and their instances. Source: RunSmokeTest, RunCycleDagNodes, GetDag, ListInstances, GetInstance,
GetInstanceLog, RestartInstance (2020-05-18). Made as the executor.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from cloud.coalesce import Coalescer
from cloud.dataworks.paging import pages
from cloud.ensure import LOOKS, write_once
from cloud.errors import InvalidRequest, NotFound, PermissionDenied, TaskRefused, Unsupported
from cloud.gate import Gate
from config.limits import DATAWORKS, DATAWORKS_PAGE_ITEMS, DATAWORKS_PAGE_NUMBER_MAXIMUM
from config.personas import Persona

_AS = Persona.EXECUTOR
SUCCESS, FAILURE = "SUCCESS", "FAILURE"
_SMOKE_TEST, _BACKFILL = "SMOKE_TEST", "SUPPLY_DATA"
_DRY_RUN = "SKIP"
_RECENT_INSTANCES_PAGES = 3
_FINISHED = frozenset({SUCCESS, FAILURE})
_Key = tuple[int, int]  # DAG, node


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
    created_ms: int = 0
    creator: str = ""
    """Id of whoever started it (CreateUser); "" when the service does not say."""

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
        created_ms=int(item.get("CreateTime") or 0),
        creator=str(item.get("CreateUser") or ""),
    )


def list_instances(
    gate: Gate, workspace: int, environment: str, *, node: int | None = None, dag: int | None = None
) -> list[Instance]:
    """ListInstances of a node or of a DAG, in ``DEV`` or ``PROD``."""
    return list(_instances(gate, workspace, environment, node, dag))


def newest_instances(
    gate: Gate, workspace: int, environment: str, maximum_pages: int, *, program: str = ""
) -> Iterator[Instance]:
    """ListInstances of a whole workspace, the newest first, 100 a call for as long as the caller goes on.

    ``program`` is a ProgramType, such as ``DI`` for sync tasks; "" for all.
    """
    return _instances(gate, workspace, environment, None, None, maximum_pages, program)


def _instances(
    gate: Gate,
    workspace: int,
    environment: str,
    node: int | None,
    dag: int | None,
    maximum_pages: int = DATAWORKS_PAGE_NUMBER_MAXIMUM,
    program: str = "",
) -> Iterator[Instance]:
    parameters: dict[str, Any] = {"ProjectId": workspace, "ProjectEnv": environment}
    if program:
        parameters["ProgramType"] = program
    if node is not None:
        parameters["NodeId"] = node
    if dag is not None:
        parameters["DagId"] = dag
    subject = f"instances of node {node or dag}"
    if node is None and dag is None:
        parameters["OrderBy"] = "CreateTime DESC"
        subject = f"instances of workspace {workspace}"
    for item in pages(
        gate, "ListInstances", parameters, persona=_AS, subject=subject,
        container="Data", items="Instances", maximum_pages=maximum_pages,
    ):  # fmt: skip
        yield _instance(dict(item))


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


@dataclass(frozen=True)
class Started:
    """A run that was started: its DAG (0 when the answer did not name it), and its instance when a list shows it."""

    dag: int
    instance: Instance | None


def start_run(
    gate: Gate, workspace: int, environment: str, node: int, name: str, business_date: date
) -> Started:
    """Start the node once: a backfill of one day in production, a smoke test in development.

    Lower editions have no backfill; there a smoke test in production does the same for one node.
    The instance is there when a list shows it already (that may take some seconds).
    """
    moment = f"{business_date:%Y-%m-%d} 00:00:00"  # the date alone is refused

    def smoke_test() -> Mapping[str, Any]:
        parameters = {"NodeId": node, "Bizdate": moment, "Name": name, "ProjectEnv": environment}
        return gate.write(DATAWORKS, "RunSmokeTest", parameters, persona=_AS, subject=f"node {node}")

    def backfill() -> Mapping[str, Any]:
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

    started: list[int] = []

    def act() -> object:
        result = backfill() if environment == "PROD" else smoke_test()
        started.append(_dag_of(result))
        return result

    def look_up() -> Started | None:
        # Once the service has accepted the run it must not be started again, even if no list shows it yet.
        if started:
            return Started(started[-1], instance_of_dag(gate, workspace, environment, node, started[-1]))
        found = find_run(gate, workspace, environment, node, name)
        return Started(found.dag, found) if found is not None else None

    return write_once(gate, act, look_up, subject=f"run {name} of node {node}", looks=LOOKS)


def _dag_of(answer: Mapping[str, Any]) -> int:
    """The DAG a run was started as: RunSmokeTest answers a number, RunCycleDagNodes a list of them."""
    data = answer.get("Data")
    first = data[0] if isinstance(data, list) and data else data
    return int(first) if isinstance(first, (int, str)) and str(first).isdigit() else 0


def instance_of_dag(gate: Gate, workspace: int, environment: str, node: int, dag: int) -> Instance | None:
    """The node's instance in a DAG; None while no list shows it (some seconds), or when the DAG is not known (0)."""
    if not dag:
        return None
    if gate.shared is not None:
        return _together(gate, workspace, environment).get((dag, node))
    listed = list_instances(gate, workspace, environment, dag=dag)
    return next((instance for instance in listed if instance.node == node), None)


def watch_instance(gate: Gate, workspace: int, instance: Instance, environment: str) -> Instance:
    """GetInstance; where many are waited for at once, one ListInstances a poll for all of them."""
    if gate.shared is None:
        return get_instance(gate, instance.id, environment)
    found = _together(gate, workspace, environment).get((instance.dag, instance.node))
    return found or get_instance(gate, instance.id, environment)


def _together(gate: Gate, workspace: int, environment: str) -> Coalescer[_Key, Instance]:
    """Look-ups of fresh instances by DAG and node, answered by the newest instances of the workspace."""
    assert gate.shared is not None

    def fetch(wanted: frozenset[_Key]) -> dict[_Key, Instance]:
        found: dict[_Key, Instance] = {}
        enough = _RECENT_INSTANCES_PAGES + len(wanted) // DATAWORKS_PAGE_ITEMS
        for instance in newest_instances(gate, workspace, environment, enough):
            key = (instance.dag, instance.node)
            if key in wanted:
                found[key] = instance
            if len(found) == len(wanted):
                break
        return found

    return gate.shared.together(("instances", workspace, environment), lambda: fetch, polls=True)


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

"""ListInstances, GetInstance, GetInstanceLog, StopInstance, RestartInstance."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from operator import attrgetter
from typing import Any

from emulator.dataplane.parameters import date_of, scheduled_time
from emulator.dataworks.access import PROJECT_ID, Right, dataworks_action, require_right, workspace
from emulator.dataworks.deployments import find_node, nodes_by_id
from emulator.dataworks.envelope import ide, milliseconds, one_of, page, present, refusal
from emulator.dataworks.nodes import ENVIRONMENTS, PROGRAM_TYPE, business_name
from emulator.dataworks.progress import FAILURE, STATES, SUCCESS, TERMINAL, restart, settle
from emulator.dataworks.runs import business_date
from emulator.dataworks.schedule import settle_schedule
from emulator.registry import DATAWORKS, Answer, Call, Param
from emulator.state import Instance, Node

_PROJECT_ENV = Param("ProjectEnv", required=True)
_INSTANCE_ID = Param("InstanceId", int, required=True)
_STOPPABLE = ("WAIT_TIME", "WAIT_RESOURCE", "RUNNING", "CHECKING")
_STATUSES = (*STATES, *TERMINAL, "CHECKING", "CHECKING_CONDITION", "WAIT_TRIGGER")
_ORDERS = {"createtime": "created", "bizdate": "business_date", "instanceid": "id", "modifytime": "updated"}


def _named(call: Call, right: Right) -> Instance:
    """The instance of ``InstanceId`` in ``ProjectEnv``, when the caller has the right in its workspace."""
    environment = one_of(call, "ProjectEnv", ENVIRONMENTS)
    dataworks = call.cloud.state.dataworks
    wanted = call.number("InstanceId")
    instance = dataworks.instances.get(wanted)
    if instance is None or instance.environment != environment:
        text = f"The instance {wanted} does not exist in environment {environment}."
        raise refusal(call.cloud.settings, "InstanceNotExists", text)
    require_right(call, dataworks.workspaces[instance.workspace], right)
    return instance


@dataworks_action(
    "ListInstances",
    PROJECT_ID,
    _PROJECT_ENV,
    Param("DagId", int),
    Param("NodeId", int),
    Param("NodeName"),
    Param("BizName"),
    Param("Bizdate"),
    Param("BeginBizdate"),
    Param("EndBizdate"),
    Param("Status"),
    Param("Owner"),
    Param("ProgramType"),
    Param("OrderBy"),
    Param("PageNumber", int),
    Param("PageSize", int),
)
def list_instances(call: Call) -> Answer:
    """Instances of a workspace; those of a fresh DAG may be missing for some polls (a setting)."""
    space = workspace(call)
    environment = one_of(call, "ProjectEnv", ENVIRONMENTS)
    one_of(call, "Status", _STATUSES)
    settle_schedule(call.cloud)
    hidden = _hidden_dags(call)
    nodes = nodes_by_id(call, environment)
    asked_for, status = _filter(call, nodes), call.text("Status")
    found = []
    for instance in call.cloud.state.dataworks.instances.values():
        if instance.workspace != space.id or instance.environment != environment or instance.dag in hidden:
            continue
        if asked_for(instance):
            if instance.status not in TERMINAL:
                settle(call.cloud, instance)
            if status in ("", instance.status):
                found.append(instance)
    counts, shown = page(call, _ordered(call, found))
    return ide(Data={**counts, "Instances": [_shown(call, one, nodes.get(one.node)) for one in shown]})


def _hidden_dags(call: Call) -> set[int]:
    """DAGs that ListInstances does not show yet; asking for one counts as a poll."""
    polls = call.cloud.settings.instance_list_empty_polls
    hidden: set[int] = set()
    if not polls:
        return hidden
    for dag in call.cloud.state.dataworks.dags.values():
        if dag.listed < polls:
            hidden.add(dag.id)
            if call.number("DagId") in (0, dag.id):
                dag.listed += 1
    return hidden


def _filter(call: Call, nodes: Mapping[int, Node]) -> Callable[[Instance], bool]:
    """What is asked, read once: a workspace may have thousands of instances."""
    dag, node_id, node_name = call.number("DagId"), call.number("NodeId"), call.text("NodeName")
    owner, workflow = call.text("Owner"), call.text("BizName")
    other_program = call.text("ProgramType") not in ("", PROGRAM_TYPE)
    first, last = _day(call, "BeginBizdate", -math.inf), _day(call, "EndBizdate", math.inf)
    if call.given("Bizdate"):
        day = _day(call, "Bizdate", 0)
        first, last = max(first, day), min(last, day)

    def of_node(node: Node | None) -> bool:
        owned, placed = (node.owner, business_name(call, node.business)) if node else ("", "")
        return owner in ("", owned) and workflow in ("", placed)

    def asked_for(instance: Instance) -> bool:
        return (
            dag in (0, instance.dag)
            and node_id in (0, instance.node)
            and node_name in ("", instance.node_name)
            and first <= instance.business_date <= last
            and not other_program
            and (not (owner or workflow) or of_node(nodes.get(instance.node)))
        )

    return asked_for


def _day(call: Call, name: str, otherwise: float) -> float:
    return business_date(call, name).timestamp() if call.given(name) else otherwise


def _ordered(call: Call, instances: list[Instance]) -> list[Instance]:
    """By ``OrderBy`` (``CreateTime DESC``); newest last without it. Raises ``InvalidOrderBy``."""
    if not call.given("OrderBy"):
        return instances
    field, _, direction = call.text("OrderBy").partition(" ")
    attribute = _ORDERS.get(field.replace("_", "").lower())
    if attribute is None or direction.strip().lower() not in ("", "asc", "desc"):
        raise DATAWORKS.invalid("OrderBy")
    reverse = direction.strip().lower() == "desc"
    return sorted(instances, key=attrgetter(attribute), reverse=reverse)


def _shown(call: Call, instance: Instance, node: Node | None) -> dict[str, Any]:
    """What both GetInstance and ListInstances tell; times are absent until they have come."""
    dag = call.cloud.state.dataworks.dags[instance.dag]
    cron = node.scheduling.cron if node else ""
    due = scheduled_time(date_of(instance.business_date), cron)
    return present(
        InstanceId=instance.id,
        DagId=instance.dag,
        DagType=dag.type,
        NodeId=instance.node,
        NodeName=instance.node_name,
        Status=instance.status,
        TaskType=instance.task_type,
        Bizdate=milliseconds(instance.business_date),
        CycTime=milliseconds(due.timestamp()),
        BeginWaitTimeTime=instance.begin_wait_ms,
        BeginWaitResTime=instance.begin_wait_ms if instance.begin_run_ms else None,
        BeginRunningTime=instance.begin_run_ms,
        FinishTime=instance.finish_ms,
        CreateTime=milliseconds(instance.created),
        ModifyTime=milliseconds(instance.updated),
        CreateUser=dag.creator,
        ParamValues=" ".join(f"{name}={value}" for name, value in instance.parameters.items()),
        BusinessId=node.business if node else None,
        RelatedFlowId=node.business if node else None,
        BaselineId=0,
        Priority=1,
        DqcType=1,  # not associated with Data Quality
        RepeatInterval=node.scheduling.auto_rerun_interval_ms if node else None,
        Repeatability=node.scheduling.rerun_mode != "ALL_DENIED" if node else None,
        TaskRerunTime=node.scheduling.auto_rerun_times if node else None,
    )


@dataworks_action("GetInstance", _INSTANCE_ID, _PROJECT_ENV)
def get_instance(call: Call) -> Answer:
    """One instance."""
    instance = _named(call, Right.READ)
    settle(call.cloud, instance)
    node = find_node(call, instance.node, instance.environment)
    return ide(
        Data={**_shown(call, instance, node), **present(Owner=node.owner if node else None, PeriodNumber=1)}
    )


@dataworks_action("GetInstanceLog", _INSTANCE_ID, _PROJECT_ENV, Param("InstanceHistoryId", int))
def get_instance_log(call: Call) -> Answer:
    """The log of the last run; empty while there is none, and for a dry run."""
    return ide(Data=_named(call, Right.READ).log)


@dataworks_action("StopInstance", _INSTANCE_ID, _PROJECT_ENV, write=True)
def stop_instance(call: Call) -> Answer:
    """Ask a waiting or running instance to end; it is FAILURE when looked at next."""
    instance = _named(call, Right.RUN)
    if instance.status not in _STOPPABLE:
        text = (
            f"The instance {instance.id} is {instance.status}: only {', '.join(_STOPPABLE)} can be stopped."
        )
        raise refusal(call.cloud.settings, "InstanceNotStoppable", text)
    instance.stopping = True
    return ide(Data=True)


@dataworks_action("RestartInstance", _INSTANCE_ID, _PROJECT_ENV, write=True)
def restart_instance(call: Call) -> Answer:
    """Run an ended instance again, under the same id, as far as its node's rerun mode allows."""
    instance = _named(call, Right.RUN)
    if instance.status not in TERMINAL:
        text = f"The instance {instance.id} is {instance.status}: only an ended one can be restarted."
        raise refusal(call.cloud.settings, "InstanceNotEnded", text)
    node = find_node(call, instance.node, instance.environment)
    if not _may_rerun(instance, node):
        mode = node.scheduling.rerun_mode if node else "deleted"
        text = f"The instance {instance.id} is {instance.status} and its rerun mode is {mode}."
        raise refusal(call.cloud.settings, "RerunDenied", text)
    restart(call.cloud, instance)
    return ide(Data=True)


def _may_rerun(instance: Instance, node: Node | None) -> bool:
    if node is None:
        return False
    allowed = {"ALL_ALLOWED": (SUCCESS, FAILURE), "FAILURE_ALLOWED": (FAILURE,), "ALL_DENIED": ()}
    return instance.status in allowed[node.scheduling.rerun_mode]

"""RunSmokeTest, RunCycleDagNodes (backfill), GetDag: starting nodes outside their schedule.

Source: the actions' pages. Business dates are ``yyyy-MM-dd 00:00:00`` and are UTC here.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

from config.limits import CONCURRENT_RUNS_MAXIMUM, CONCURRENT_RUNS_MINIMUM, RUN_NAME_CHARACTERS
from config.scheduler import SCHEDULER_ZONE, scheduler_time
from emulator.cloud import LocalCloud
from emulator.dataplane.parameters import values
from emulator.dataworks.access import Right, dataworks_action, require_right
from emulator.dataworks.deployments import check_edition
from emulator.dataworks.envelope import ide, milliseconds, one_of, present, refusal
from emulator.dataworks.nodes import ENVIRONMENTS, named_node
from emulator.dataworks.progress import TERMINAL, dag_status, instances_of, settle
from emulator.registry import DATAWORKS, Answer, Call, Param
from emulator.settings import Executor
from emulator.state import Dag, Instance, Node

_DAG_BASE = 300_000_000_000
_INSTANCE_BASE = 700_000_123_000_000
_DATE = "%Y-%m-%d 00:00:00"
SCHEDULED = "DAILY"
"""Type of the scheduler's DAGs, which GetDag does not know. Source: ListInstances, GetDag."""
_PROJECT_ENV = Param("ProjectEnv", required=True)


def business_date(call: Call, name: str) -> datetime:
    """A business date parameter; a date alone is refused. Raises ``Invalid<name>``."""
    try:
        return datetime.strptime(call.text(name), _DATE).replace(tzinfo=SCHEDULER_ZONE)
    except ValueError as error:
        raise DATAWORKS.invalid(name) from error


def _name(call: Call) -> str:
    name = call.text("Name")
    if len(name) > RUN_NAME_CHARACTERS:
        raise DATAWORKS.invalid("Name")
    return name


def _environment(call: Call) -> Literal["DEV", "PROD"]:
    return "DEV" if one_of(call, "ProjectEnv", ENVIRONMENTS) == "DEV" else "PROD"


def _node_parameters(call: Call) -> dict[str, str]:
    """``NodeParams``: a JSON object, node id to ``a=1 b=2``. Raises ``InvalidNodeParams``."""
    if not call.given("NodeParams"):
        return {}
    try:
        given = json.loads(call.text("NodeParams"))
    except ValueError as error:
        raise DATAWORKS.invalid("NodeParams") from error
    if not isinstance(given, dict):
        raise DATAWORKS.invalid("NodeParams")
    return {str(node): str(text) for node, text in given.items()}


def _start(
    call: Call, nodes: Sequence[Node], kind: str, name: str, day: datetime, dry_runs: frozenset[int]
) -> Dag:
    """A DAG with one instance a node; nodes in ``dry_runs`` succeed without running."""
    parameters = _node_parameters(call)
    now = call.cloud.clock.now()
    dag = Dag(
        id=call.cloud.state.identifiers.number(_DAG_BASE),
        workspace=nodes[0].workspace,
        environment=nodes[0].environment,
        name=name,
        type=kind,
        business_date=day.timestamp(),
        created=now,
        creator=call.caller.id,
    )
    dataworks = call.cloud.state.dataworks
    dataworks.dags[dag.id] = dag
    by_caller = call.cloud.settings.executor is Executor.CALLER
    for node in nodes:
        executor = call.caller.id if by_caller else node.owner
        given = parameters.get(str(node.id), "")
        instance = new_instance(call.cloud, dag, node, executor=executor, now=now, given=given)
        if node.id in dry_runs:
            instance.task_type = "SKIP"
        dataworks.instances[instance.id] = instance
    return dag


def new_instance(
    cloud: LocalCloud, dag: Dag, node: Node, *, executor: str, now: float, given: str = ""
) -> Instance:
    """An instance of a node in a DAG; ``executor`` is the id of who runs it, ``given`` are parameters of the run."""
    return Instance(
        id=cloud.state.identifiers.number(_INSTANCE_BASE),
        dag=dag.id,
        node=node.id,
        workspace=node.workspace,
        environment=node.environment,
        node_name=node.name,
        business_date=dag.business_date,
        content=node.content,
        di_resource_group=node.di_resource_group,
        executor=executor,
        parameters=values(
            node.scheduling.parameters,
            given,
            business_date=dag.business_date,
            cron=node.scheduling.cron,
            now=now,
        ),
        task_type=node.scheduling.scheduler_type,
        entered=now,
        created=now,
        updated=now,
    )


@dataworks_action(
    "RunSmokeTest",
    Param("NodeId", int, required=True),
    Param("Bizdate", required=True),
    Param("Name", required=True),
    _PROJECT_ENV,
    Param("NodeParams"),
    write=True,
)
def run_smoke_test(call: Call) -> Answer:
    """Run one node once; ``Data`` is the DAG's id."""
    environment = _environment(call)
    day, name = business_date(call, "Bizdate"), _name(call)
    if environment == "PROD" and not call.cloud.settings.smoke_test_runs_in_production:
        raise DATAWORKS.invalid("ProjectEnv")
    node = named_node(call, call.number("NodeId"), environment, Right.RUN)
    return ide(Data=_start(call, [node], "SMOKE_TEST", name, day, frozenset()).id)


@dataworks_action(
    "RunCycleDagNodes",
    Param("RootNodeId", int, required=True),
    Param("IncludeNodeIds", required=True),
    Param("ExcludeNodeIds"),
    Param("StartBizDate", required=True),
    Param("EndBizDate", required=True),
    Param("Name", required=True),
    _PROJECT_ENV,
    Param("Parallelism", bool, required=True),
    Param("ConcurrentRuns", int),
    Param("NodeParams"),
    Param("BizBeginTime"),
    Param("BizEndTime"),
    Param("StartFutureInstanceImmediately", bool),
    Param("AlertType"),
    Param("AlertNoticeType"),
    write=True,
)
def run_cycle_dag_nodes(call: Call) -> Answer:
    """Backfill: one DAG a business date; ``Data`` is the list of their ids. Excluded nodes are dry runs."""
    check_edition(call)
    environment = _environment(call)
    first, last, name = business_date(call, "StartBizDate"), business_date(call, "EndBizDate"), _name(call)
    if call.given("ConcurrentRuns") and not (
        CONCURRENT_RUNS_MINIMUM <= call.number("ConcurrentRuns") <= CONCURRENT_RUNS_MAXIMUM
    ):
        raise DATAWORKS.invalid("ConcurrentRuns")
    included, excluded = _ids(call, "IncludeNodeIds"), frozenset(_ids(call, "ExcludeNodeIds"))
    if call.number("RootNodeId") not in included:
        raise refusal(call.cloud.settings, "RootNotIncluded", "IncludeNodeIds must contain the root node.")
    if first > last:
        raise DATAWORKS.invalid("EndBizDate")
    today = scheduler_time(call.cloud.clock.now()).replace(hour=0, minute=0, second=0, microsecond=0)
    if last >= today and not call.cloud.settings.backfill_of_today_allowed:
        text = f"The end of the business dates must be before today ({today:%Y-%m-%d}), not {last:%Y-%m-%d}."
        raise refusal(call.cloud.settings, "FutureBizDate", text)
    nodes = [named_node(call, one, environment, Right.RUN) for one in included]
    if len({node.workspace for node in nodes}) > 1:
        raise refusal(call.cloud.settings, "NodeNotExists", "All nodes must be of one workspace.")
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    return ide(Data=[_start(call, nodes, "SUPPLY_DATA", name, day, excluded).id for day in days])


def _ids(call: Call, name: str) -> list[int]:
    try:
        return list(dict.fromkeys(int(text) for text in call.text(name).split(",") if text.strip()))
    except ValueError as error:
        raise DATAWORKS.invalid(name) from error


@dataworks_action("GetDag", Param("DagId", int, required=True), _PROJECT_ENV)
def get_dag(call: Call) -> Answer:
    """A DAG, whose status follows from its instances."""
    environment = _environment(call)
    dataworks = call.cloud.state.dataworks
    wanted = call.number("DagId")
    dag = dataworks.dags.get(wanted)
    if dag is None or dag.environment != environment or dag.type == SCHEDULED:
        raise refusal(call.cloud.settings, "DagNotExists", f"The DAG {wanted} does not exist.")
    require_right(call, dataworks.workspaces[dag.workspace], Right.READ)
    instances = instances_of(call.cloud, dag)
    for instance in instances:
        settle(call.cloud, instance)
    return ide(Data=_shown(dag, instances))


def _shown(dag: Dag, instances: list[Instance]) -> dict[str, object]:
    started = [one.begin_wait_ms for one in instances if one.begin_wait_ms is not None]
    finished = [one.finish_ms for one in instances if one.finish_ms is not None]
    over = all(one.status in TERMINAL for one in instances)
    return present(
        DagId=dag.id,
        Name=dag.name,
        ProjectId=dag.workspace,
        Type=dag.type,
        Status=dag_status(instances),
        Bizdate=milliseconds(dag.business_date),
        Gmtdate=milliseconds(dag.business_date + 86_400),
        OpSeq=dag.id,
        CreateUser=dag.creator,
        CreateTime=milliseconds(dag.created),
        ModifyTime=milliseconds(max([dag.created, *(one.updated for one in instances)])),
        StartTime=min(started) if started else None,
        FinishTime=max(finished) if finished and over else None,
    )

"""SubmitFile, DeployFile, GetDeployment, ListDeployments: a file's way to development and production.

A package goes from the file (0) to development (1), then from there to production (2). It is checked (8), then ready (0),
then ended: 1 success, 2 failure. In a basic workspace submission reaches production at once (a setting).
A package moves on when it is looked at, or by the clock (a setting).
"""

from __future__ import annotations

from typing import Any

from emulator.dataplane.task import parse_task
from emulator.dataworks.access import PROJECT, Right, dataworks_action, ide_workspace
from emulator.dataworks.data_sources import DEVELOPMENT, PRODUCTION, find_data_source
from emulator.dataworks.envelope import ide, milliseconds, page, present, refusal
from emulator.errors import ApiError
from emulator.registry import DATAWORKS, Answer, Call, Param
from emulator.settings import AdvanceBy
from emulator.state import Deployment, File, Node, Workspace

FILE_LEVEL, DEVELOPMENT_LEVEL, PRODUCTION_LEVEL = 0, 1, 2
"""FromEnvironment and ToEnvironment. Source: GetDeployment."""

_READY, _SUCCESS, _FAILURE = 0, 1, 2
_CHECKING, _CHECK_FAILED = 8, 7
_DEPLOYMENT_BASE = 60_000_000
_NODE_BASE = 700_000_000_000_000
_ENVIRONMENT_OF = {DEVELOPMENT_LEVEL: "DEV", PRODUCTION_LEVEL: "PROD"}


# -- packages ------------------------------------------------------------------------------------------


def target_of_submission(call: Call, space: Workspace, file: File) -> int:
    """Where SubmitFile (and the deletion of a file) leads in this workspace."""
    publishes = space.mode == "basic" and call.cloud.settings.basic_mode_submit_publishes
    removed_from_basic = space.mode == "basic" and file.deleted != "NORMAL"
    return PRODUCTION_LEVEL if publishes or removed_from_basic else DEVELOPMENT_LEVEL


def start_deployment(
    call: Call, space: Workspace, file: File, origin: int, target: int, *, checked: bool
) -> Deployment:
    """A new package with the file as it is now; ``checked`` when extensions look at it first."""
    deployment = Deployment(
        id=call.cloud.state.identifiers.number(_DEPLOYMENT_BASE),
        workspace=space.id,
        file=file.id,
        file_version=file.submitted_version,
        content=file.content,
        di_resource_group=file.di_resource_group,
        scheduling=file.scheduling.model_copy(deep=True),
        removes=file.deleted != "NORMAL",
        name=f"{file.name}-{call.cloud.clock.now_ms()}",
        creator=call.caller.id,
        from_environment=origin,
        to_environment=target,
        checking=_CHECKING if checked else None,
        created=call.cloud.clock.now(),
    )
    call.cloud.state.dataworks.deployments[deployment.id] = deployment
    return deployment


def settle(call: Call, deployment: Deployment) -> None:
    """Bring a package up to date; called whenever one is shown."""
    settings, clock = call.cloud.settings, call.cloud.clock
    if deployment.status != _READY or deployment.checking == _CHECK_FAILED:
        return
    passed: float = deployment.seen
    if settings.advance_by is AdvanceBy.CLOCK:
        passed = clock.now() - deployment.created
    deployment.seen += 1
    if deployment.checking is not None and passed * 2 >= settings.deployment_steps:
        deployment.checking = _CHECK_FAILED if settings.deployment_check_fails else None
    if passed < settings.deployment_steps or deployment.checking is not None:
        return
    deployment.executed = clock.now()
    deployment.error = settings.deployment_error or _fault(call, deployment)
    deployment.status = _FAILURE if deployment.error else _SUCCESS
    if not deployment.error:
        _publish(call, deployment)


def _fault(call: Call, deployment: Deployment) -> str:
    """Why the target does not take the package, "" when it does: its data sources must be there."""
    if deployment.removes:
        return ""
    space = call.cloud.state.dataworks.workspaces[deployment.workspace]
    environment = DEVELOPMENT if deployment.to_environment == DEVELOPMENT_LEVEL else PRODUCTION
    if space.mode == "basic":
        environment = PRODUCTION
    task = parse_task(deployment.content)
    for step in (task.reader, task.writer):
        if step.data_source and find_data_source(call, space, step.data_source, environment) is None:
            shown = "DEV" if environment == DEVELOPMENT else "PROD"
            return f"Data source {shown} {step.data_source} does not exist."
    return ""


def _publish(call: Call, deployment: Deployment) -> None:
    """Put the package's node into its environment, or take it away."""
    dataworks = call.cloud.state.dataworks
    file = dataworks.files[deployment.file]
    environment = _ENVIRONMENT_OF[deployment.to_environment]
    old = find_node(call, file.node, environment)
    if old is not None:
        dataworks.nodes.remove(old)
    if deployment.removes:
        return
    now = call.cloud.clock.now()
    dataworks.nodes.append(
        Node(
            id=file.node,
            workspace=deployment.workspace,
            environment="DEV" if environment == "DEV" else "PROD",
            file=file.id,
            file_version=deployment.file_version,
            name=file.name,
            owner=file.owner,
            content=deployment.content,
            di_resource_group=deployment.di_resource_group,
            scheduling=deployment.scheduling.model_copy(deep=True),
            business=file.business,
            created=old.created if old else now,
            updated=now,
        )
    )


def find_node(call: Call, node_id: int, environment: str) -> Node | None:
    """A scheduled node of one environment; both environments use the same number."""
    for node in call.cloud.state.dataworks.nodes:
        if node.id == node_id and node.environment == environment:
            return node
    return None


def nodes_by_id(call: Call, environment: str) -> dict[int, Node]:
    """The nodes of one environment, for a list that needs many of them."""
    return {node.id: node for node in call.cloud.state.dataworks.nodes if node.environment == environment}


# -- actions -------------------------------------------------------------------------------------------


def check_edition(call: Call) -> None:
    """Refuse an action that the account's edition does not include. Raises ``Forbidden.Access`` (403)."""
    settings = call.cloud.settings
    if settings.backfill_needs_edition and settings.edition not in settings.backfill_editions:
        raise ApiError("Forbidden.Access", status=403)


def _file(call: Call, space: Workspace) -> File:
    files = call.cloud.state.dataworks.files
    wanted = call.number("FileId")
    file = files.get(wanted)
    if not call.given("FileId"):
        if not call.given("NodeId"):
            raise DATAWORKS.missing("FileId", call.cloud.settings.missing_parameter_code)
        wanted = call.number("NodeId")
        file = next((one for one in files.values() if one.node == wanted), None)
    if file is None or file.workspace != space.id:
        raise refusal(call.cloud.settings, "FileNotExists", f"The file {wanted} does not exist.")
    return file


@dataworks_action(
    "SubmitFile",
    *PROJECT,
    Param("FileId", int, required=True),
    Param("Comment"),
    Param("SkipAllDeployFileExtensions", bool),
    write=True,
)
def submit_file(call: Call) -> Answer:
    """Commit a file; ``Data`` is the id of the package to watch."""
    check_edition(call)
    space = ide_workspace(call, Right.EDIT)
    file = _file(call, space)
    if file.deleted != "NORMAL":
        raise refusal(call.cloud.settings, "FileNotExists", f"The file {file.id} is in the recycle bin.")
    _check_dependencies(call, space, file)
    _commit(call, file)
    checked = not call.params.get("SkipAllDeployFileExtensions", False)
    target = target_of_submission(call, space, file)
    deployment = start_deployment(call, space, file, FILE_LEVEL, target, checked=checked)
    return ide(Data=deployment.id)


def _check_dependencies(call: Call, space: Workspace, file: File) -> None:
    settings, scheduling = call.cloud.settings, file.scheduling
    if not scheduling.inputs or not scheduling.outputs:
        raise refusal(settings, "EmptyInputOutput", "输入输出不能为空")
    known = {f"{space.identifier}_root"}
    if set(scheduling.inputs) != known:  # most nodes hang on the root alone, and then no other file is asked
        for other in call.cloud.state.dataworks.files.values():
            if other.workspace == space.id and other.submitted_version and other.deleted == "NORMAL":
                known.update(other.scheduling.outputs)
    for name in scheduling.inputs:
        if name not in known:
            raise refusal(settings, "ParentNotExists", f"父节点输出名:{name} 不存在，不能提交本节点")


def _commit(call: Call, file: File) -> None:
    """Committing what is committed already makes another version."""
    if file.committed:
        file.version += 1
    file.committed = True
    file.submitted_version = file.version
    if not file.node:
        file.node = call.cloud.state.identifiers.number(_NODE_BASE)


@dataworks_action(
    "DeployFile", *PROJECT, Param("FileId", int), Param("NodeId", int), Param("Comment"), write=True
)
def deploy_file(call: Call) -> Answer:
    """Publish to production what was submitted, or the deletion of the file."""
    check_edition(call)
    space = ide_workspace(call, Right.DEPLOY)
    file = _file(call, space)
    settings = call.cloud.settings
    origin = DEVELOPMENT_LEVEL
    if space.mode == "basic":
        origin = FILE_LEVEL
        if file.deleted == "NORMAL" and not file.submitted_version:
            _check_dependencies(call, space, file)
            _commit(call, file)
    elif not _reached_development(call, file):
        text = f"The file {file.name} (version {file.submitted_version}) is not in the development environment yet."
        raise refusal(settings, "NotSubmitted", text)
    deployment = start_deployment(call, space, file, origin, PRODUCTION_LEVEL, checked=False)
    if file.deleted == "NORMAL":
        _as_submitted(call, deployment)
    return ide(Data=deployment.id)


def _reached_development(call: Call, file: File) -> bool:
    """The last submission, or the deletion, ended well in development."""
    removes = file.deleted != "NORMAL"
    return any(
        (one.file, one.to_environment, one.status, one.removes)
        == (file.id, DEVELOPMENT_LEVEL, _SUCCESS, removes)
        and (removes or one.file_version == file.submitted_version)
        for one in call.cloud.state.dataworks.deployments.values()
    )


def _as_submitted(call: Call, deployment: Deployment) -> None:
    """Production gets what was submitted, not what was edited since."""
    submitted = [
        one
        for one in call.cloud.state.dataworks.deployments.values()
        if (one.file, one.file_version, one.from_environment)
        == (deployment.file, deployment.file_version, FILE_LEVEL)
        and one.id != deployment.id
        and not one.removes
    ]
    if submitted:
        source = submitted[-1]
        deployment.content = source.content
        deployment.di_resource_group = source.di_resource_group
        deployment.scheduling = source.scheduling.model_copy(deep=True)


@dataworks_action("GetDeployment", *PROJECT, Param("DeploymentId", int, required=True))
def get_deployment(call: Call) -> Answer:
    """A package; CheckingStatus is absent when no check is going on, ErrorMessage when none failed."""
    space = ide_workspace(call)
    wanted = call.number("DeploymentId")
    deployment = call.cloud.state.dataworks.deployments.get(wanted)
    if deployment is None or deployment.workspace != space.id:
        raise refusal(call.cloud.settings, "DeploymentNotExists", f"The deployment {wanted} does not exist.")
    settle(call, deployment)
    shown = present(
        Name=deployment.name,
        Status=deployment.status,
        CheckingStatus=deployment.checking,
        CreatorId=deployment.creator,
        HandlerId=deployment.creator,
        CreateTime=milliseconds(deployment.created),
        ExecuteTime=milliseconds(deployment.executed) if deployment.executed else None,
        FromEnvironment=deployment.from_environment,
        ToEnvironment=deployment.to_environment,
        ErrorMessage=deployment.error or None,
    )
    item = {"FileId": deployment.file, "FileVersion": deployment.file_version, "Status": deployment.status}
    return ide(Data={"Deployment": shown, "DeployedItems": [item]})


@dataworks_action(
    "ListDeployments",
    *PROJECT,
    Param("Creator"),
    Param("Executor"),
    Param("Keyword"),
    Param("Status", int),
    Param("EndCreateTime", int),
    Param("EndExecuteTime", int),
    Param("PageNumber", int),
    Param("PageSize", int),
)
def list_deployments(call: Call) -> Answer:
    """Packages, newest first."""
    space = ide_workspace(call)
    if call.given("Status") and call.number("Status") not in (0, 1, 2, 6):
        raise DATAWORKS.invalid("Status")
    deployments = [
        one for one in call.cloud.state.dataworks.deployments.values() if one.workspace == space.id
    ]
    for deployment in deployments:
        if deployment.status == _READY:
            settle(call, deployment)
    creator, executor, keyword = call.text("Creator"), call.text("Executor"), call.text("Keyword")
    statuses = (call.number("Status"),) if call.given("Status") else None
    created_by = call.number("EndCreateTime") if call.given("EndCreateTime") else None
    executed_by = call.number("EndExecuteTime") if call.given("EndExecuteTime") else None
    found = [
        one
        for one in reversed(deployments)
        if (statuses is None or one.status in statuses)
        and creator in ("", one.creator)
        and executor in ("", one.creator)
        and keyword in one.name
        and (created_by is None or milliseconds(one.created) <= created_by)
        and (executed_by is None or milliseconds(one.executed) <= executed_by)
    ]
    counts, shown = page(call, found)
    return {"Data": {**counts, "Deployments": [_listed(one) for one in shown]}}


def _listed(deployment: Deployment) -> dict[str, Any]:
    return present(
        Id=deployment.id,
        Name=deployment.name,
        Status=deployment.status,
        Creator=deployment.creator,
        Executor=deployment.creator,
        CreateTime=milliseconds(deployment.created),
        ExecuteTime=milliseconds(deployment.executed) if deployment.executed else None,
        ErrorMessage=deployment.error or None,
    )

"""CreateDISyncTask, UpdateDISyncTask, GetDISyncTask, ListRefDISyncTasks: offline sync tasks, which are files.

Faults in a task are told by ``Data.Status: fail`` on HTTP 200; the SDK raises nothing for them.
"""

from __future__ import annotations

import json
from typing import Any

from emulator.dataplane.errors import TaskContentError
from emulator.dataplane.network import integration_group
from emulator.dataplane.task import parse_task
from emulator.dataworks.access import PROJECT_ID, Right, dataworks_action, ide_workspace
from emulator.dataworks.data_sources import DEVELOPMENT, PRODUCTION, find_data_source
from emulator.dataworks.envelope import integration, one_of, page, present
from emulator.dataworks.folders import InvalidPath, file_folder
from emulator.errors import ApiError, TaskFailure
from emulator.registry import DATAWORKS, Answer, Call, Param
from emulator.state import File, Scheduling, Workspace

OFFLINE = "DI_OFFLINE"
OFFLINE_FILE = 23
"""FileType of an offline sync task. Source: ListFiles."""
REALTIME_FILE = 900
"""FileType of a real-time one, which only an account file can have: its creation is not built. Source: ListFiles."""

_TASK_TYPES = (OFFLINE, "DI_REALTIME", "DI_SOLUTION")
_TASK_TYPE = Param("TaskType", required=True)
_FILE_ID = Param("FileId", int, required=True)
_BASE = 500_000_000
_LARGEST_PAGE = 100_000  # ListRefDISyncTasks alone allows so many


def _offline(call: Call, *, read: bool = False) -> None:
    """Only offline tasks are built; the other types are refused by name."""
    task_type = one_of(call, "TaskType", _TASK_TYPES)
    if task_type != OFFLINE and not read:
        text = f"The local cloud does not implement sync tasks of type {task_type}; it has {OFFLINE}."
        raise ApiError("NotImplemented", text, status=400)


def _task_param(call: Call) -> dict[str, Any]:
    if not call.given("TaskParam"):
        return {}
    try:
        param = json.loads(call.text("TaskParam"))
    except ValueError as error:
        raise DATAWORKS.invalid("TaskParam") from error
    if not isinstance(param, dict):
        raise DATAWORKS.invalid("TaskParam")
    return param


def check_task(call: Call, space: Workspace, text: str) -> None:
    """The task can be read and its data sources exist in every environment. Raises :class:`TaskFailure`."""
    try:
        task = parse_task(text)
    except TaskContentError as error:
        raise TaskFailure(f"TaskContent is invalid: {error}") from error
    environments = (PRODUCTION,) if space.mode == "basic" else (PRODUCTION, DEVELOPMENT)
    for step in (one for one in (task.reader, task.writer) if one.data_source):
        for environment in environments:
            source = find_data_source(call, space, step.data_source, environment)
            shown = "PROD" if environment == PRODUCTION else "DEV"
            if source is None:
                raise TaskFailure(f"Data source {shown} {step.data_source} does not exist.")
            if source.type != step.type:
                raise TaskFailure(
                    f"Step {step.name} is of type {step.type}, but data source {shown} {source.name} of {source.type}."
                )


def _resource_group(call: Call, space: Workspace, param: dict[str, Any]) -> str:
    identifier = str(param.get("ResourceGroup") or "")
    if integration_group(call.cloud, identifier, space.id) is None:
        raise TaskFailure(f"ResourceGroup:[{identifier}] is invalid.")
    return identifier


def _compute_units(param: dict[str, Any]) -> float | None:
    """``Cu``: multiples of 0.5, for serverless groups."""
    if param.get("Cu") is None:
        return None
    try:
        units = float(param["Cu"])
    except (TypeError, ValueError) as error:
        raise TaskFailure(f"Cu:[{param['Cu']}] is invalid.") from error
    if units <= 0 or units * 2 != int(units * 2):
        raise TaskFailure(f"Cu:[{param['Cu']}] is invalid: it must be a multiple of 0.5.")
    return units


@dataworks_action(
    "CreateDISyncTask",
    PROJECT_ID,
    _TASK_TYPE,
    Param("TaskContent", required=True),
    Param("TaskName"),
    Param("TaskParam"),
    Param("ClientToken"),
    write=True,
)
def create_sync_task(call: Call) -> Answer:
    """Create an offline sync task; its scheduling is UpdateFile's. The same ClientToken gives the same file."""
    space = ide_workspace(call, Right.EDIT)
    _offline(call)
    dataworks = call.cloud.state.dataworks
    token = call.text("ClientToken")
    for file in dataworks.files.values() if token else ():
        if file.client_token == token and file.workspace == space.id:
            return integration(Status="success", FileId=file.id, Message="")
    name = call.text("TaskName")
    if not name:
        raise DATAWORKS.missing("TaskName", call.cloud.settings.missing_parameter_code)
    param = _task_param(call)
    path = str(param.get("FileFolderPath") or "")
    try:
        folder, business = file_folder(call, space, path)
    except InvalidPath as error:
        raise TaskFailure(f"Invalid path: {path}") from error
    if _name_taken(call, space, folder.path, name):
        raise TaskFailure(f"The file {name} already exists in {path}.")
    group = _resource_group(call, space, param)
    units = _compute_units(param)
    check_task(call, space, call.text("TaskContent"))
    now = call.cloud.clock.now()
    file_id = call.cloud.state.identifiers.number(_BASE)
    dataworks.files[file_id] = File(
        id=file_id,
        workspace=space.id,
        name=name,
        type=OFFLINE_FILE,
        folder=folder.path,
        content=call.text("TaskContent"),
        owner=call.caller.id,
        di_resource_group=group,
        compute_units=units,
        scheduling=Scheduling(outputs=[f"{space.identifier}.{file_id}_out"]),
        business=business.id,
        created=now,
        updated=now,
        last_edit_user=call.caller.id,
        client_token=token,
    )
    return integration(Status="success", FileId=file_id, Message="")


def _name_taken(call: Call, space: Workspace, folder: str, name: str) -> bool:
    return any(
        file.name == name
        and file.folder == folder
        and file.workspace == space.id
        and file.deleted == "NORMAL"
        for file in call.cloud.state.dataworks.files.values()
    )


def edited(call: Call, file: File) -> None:
    """Note an edit: the file is uncommitted, and after a commit it is a new version."""
    if file.committed:
        file.version += 1
    file.committed = False
    file.updated = call.cloud.clock.now()
    file.last_edit_user = call.caller.id


def _file(call: Call, space: Workspace) -> File:
    """The sync task of ``FileId``. Raises :class:`TaskFailure`."""
    wanted = call.number("FileId")
    file = call.cloud.state.dataworks.files.get(wanted)
    if file is None or file.workspace != space.id or file.type != OFFLINE_FILE or file.deleted != "NORMAL":
        raise TaskFailure(f"fileId:[{wanted}] is invalid.")
    return file


@dataworks_action(
    "UpdateDISyncTask", PROJECT_ID, _FILE_ID, _TASK_TYPE, Param("TaskContent"), Param("TaskParam"), write=True
)
def update_sync_task(call: Call) -> Answer:
    """Change content or resource group; what is deployed changes by SubmitFile and DeployFile only."""
    space = ide_workspace(call, Right.EDIT)
    _offline(call)
    file = _file(call, space)
    param = _task_param(call)
    group = _resource_group(call, space, param) if "ResourceGroup" in param else file.di_resource_group
    units = _compute_units(param) if "Cu" in param else file.compute_units
    if call.given("TaskContent"):
        check_task(call, space, call.text("TaskContent"))
        file.content = call.text("TaskContent")
    file.di_resource_group, file.compute_units = group, units
    edited(call, file)
    return integration(Status="success", Message="")


@dataworks_action("GetDISyncTask", PROJECT_ID, _FILE_ID, _TASK_TYPE)
def get_sync_task(call: Call) -> Answer:
    """The code of a sync task."""
    space = ide_workspace(call)
    _offline(call, read=True)
    file = _file(call, space)
    if call.text("TaskType") != OFFLINE or not call.cloud.settings.offline_task_is_read:
        raise TaskFailure(f"fileId:[{file.id}] is invalid.")
    return integration(Status="success", Message="", Code=file.content, AlarmList=[])


@dataworks_action(
    "ListRefDISyncTasks",
    PROJECT_ID,
    Param("DatasourceName", required=True),
    Param("RefType", required=True),
    _TASK_TYPE,
    Param("PageNumber", int),
    Param("PageSize", int),
)
def list_referring_sync_tasks(call: Call) -> Answer:
    """Sync tasks that read ``from`` a data source or write ``to`` it; there is no total."""
    space = ide_workspace(call)
    task_type = one_of(call, "TaskType", (OFFLINE, "DI_REALTIME"))
    ref_type = one_of(call, "RefType", ("from", "to"))
    name = call.text("DatasourceName")
    file_type = OFFLINE_FILE if task_type == OFFLINE else REALTIME_FILE
    found = []
    for file in call.cloud.state.dataworks.files.values():
        if file.workspace != space.id or file.type != file_type or file.deleted != "NORMAL":
            continue
        task = parse_task(file.content)
        used = task.reader if ref_type == "from" else task.writer
        if used.data_source == name:
            found.append(
                present(
                    NodeId=file.node or None,
                    NodeName=file.name,
                    TaskType=task_type,
                    DiSourceDatasource=task.reader.data_source,
                    DiDestinationDatasource=task.writer.data_source,
                )
            )
    _, shown = page(call, found, largest=_LARGEST_PAGE)
    return integration(DISyncTasks=list(shown))

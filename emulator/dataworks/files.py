"""GetFile, ListFiles, UpdateFile, DeleteFile: the files of the development tree and their scheduling."""

from __future__ import annotations

from typing import Any

from config.limits import AUTO_RERUN_INTERVAL_SECONDS_MAXIMUM, AUTO_RERUN_TIMES_MAXIMUM, FILE_IDS_PER_CALL
from emulator.dataworks.access import PROJECT, Right, caller_by_id, dataworks_action, ide_workspace
from emulator.dataworks.deployments import FILE_LEVEL, start_deployment, target_of_submission
from emulator.dataworks.envelope import ide, milliseconds, one_of, page, present, refusal
from emulator.dataworks.folders import InvalidPath, existing_folder, file_folder
from emulator.dataworks.sync_tasks import check_task, edited
from emulator.errors import TaskFailure
from emulator.registry import DATAWORKS, Answer, Call, Param
from emulator.state import File, Scheduling, Workspace

_FILE_ID = Param("FileId", int, required=True)
_SCHEDULING_GROUPS = (0, 1, 7)
"""Types of the resource groups that schedule. Source: ListResourceGroups."""
_CRON_FIELDS = 6

# UpdateFile's parameters that only set a field of the scheduling: parameter, field, allowed values.
_CHOICES = (
    ("CycleType", "cycle_type", ("DAY", "NOT_DAY")),
    ("RerunMode", "rerun_mode", ("ALL_ALLOWED", "FAILURE_ALLOWED", "ALL_DENIED")),
    ("SchedulerType", "scheduler_type", ("NORMAL", "MANUAL", "PAUSE", "SKIP")),
    ("DependentType", "dependent_type", ("SELF", "CHILD", "USER_DEFINE", "NONE", "USER_DEFINE_AND_SELF")),
)
_PLAIN = (
    ("AutoParsing", "auto_parsing"),
    ("ParaValue", "parameters"),
    ("AutoRerunTimes", "auto_rerun_times"),
    ("AutoRerunIntervalMillis", "auto_rerun_interval_ms"),
    ("Stop", "stop"),
    ("DependentNodeIdList", "dependent_nodes"),
    ("StartEffectDate", "start_effect_ms"),
    ("EndEffectDate", "end_effect_ms"),
)


def named_file(call: Call, space: Workspace) -> File:
    """The file of ``FileId`` or ``NodeId``. Raises the IDE's refusal."""
    files = call.cloud.state.dataworks.files
    file: File | None
    if call.given("FileId"):
        file = files.get(call.number("FileId"))
    elif call.given("NodeId"):
        node = call.number("NodeId")
        file = next((one for one in files.values() if one.node == node), None)
    else:
        raise DATAWORKS.missing("FileId", call.cloud.settings.missing_parameter_code)
    if file is None or file.workspace != space.id:
        shown = call.number("FileId") or call.number("NodeId")
        raise refusal(call.cloud.settings, "FileNotExists", f"The file {shown} does not exist.")
    return file


@dataworks_action("GetFile", *PROJECT, Param("FileId", int), Param("NodeId", int))
def get_file(call: Call) -> Answer:
    """A file with its scheduling; NodeId is absent until the first commit."""
    file = named_file(call, ide_workspace(call))
    return ide(
        Data={"File": _shown(call, file, content=True), "NodeConfiguration": _configuration(call, file)}
    )


def _shown(call: Call, file: File, *, content: bool) -> dict[str, Any]:
    shown = _common(call, file, content)
    shown["DeletedStatus"] = file.deleted
    return shown


def _common(call: Call, file: File, content: bool) -> dict[str, Any]:
    """What GetFile and ListFiles tell of a file."""
    folders = call.cloud.state.dataworks.folders.values()
    folder = next(
        (one.id for one in folders if (one.workspace, one.path) == (file.workspace, file.folder)), ""
    )
    return present(
        FileId=file.id,
        FileName=file.name,
        FileType=file.type,
        FileDescription=file.description,
        FileFolderId=folder,
        Content=file.content if content else None,
        AutoParsing=file.scheduling.auto_parsing,
        BizId=file.business,
        BusinessId=file.business,
        CommitStatus=1 if file.committed else 0,
        CurrentVersion=file.version,
        NodeId=file.node or None,
        Owner=file.owner,
        CreateUser=file.owner,
        CreateTime=milliseconds(file.created),
        LastEditUser=file.last_edit_user,
        LastEditTime=milliseconds(file.updated),
        IsMaxCompute=False,
        ParentId=-1,
        UseType=file.use_type,
    )


def _configuration(call: Call, file: File) -> dict[str, Any]:
    scheduling = file.scheduling
    groups = call.cloud.state.dataworks.resource_groups
    group = next((one.id for one in groups if one.identifier == scheduling.resource_group), None)
    parse_type = "AUTO" if scheduling.auto_parsing else "MANUAL"
    return present(
        AutoRerunTimes=scheduling.auto_rerun_times,
        AutoRerunIntervalMillis=scheduling.auto_rerun_interval_ms,
        CronExpress=scheduling.cron,
        CycleType=scheduling.cycle_type,
        DependentType=scheduling.dependent_type,
        DependentNodeIdList=scheduling.dependent_nodes,
        StartEffectDate=scheduling.start_effect_ms,
        EndEffectDate=scheduling.end_effect_ms,
        InputList=[{"Input": name, "ParseType": parse_type} for name in scheduling.inputs],
        OutputList=[{"Output": name, "RefTableName": ""} for name in scheduling.outputs],
        InputParameters=[],
        OutputParameters=[],
        ParaValue=scheduling.parameters,
        RerunMode=scheduling.rerun_mode,
        ResourceGroupId=group,
        SchedulerType=scheduling.scheduler_type,
        StartImmediately=False,
        Stop=scheduling.stop,
    )


@dataworks_action(
    "ListFiles",
    *PROJECT,
    Param("ExactFileName"),
    Param("FileFolderPath"),
    Param("FileIdIn"),
    Param("FileTypes"),
    Param("Keyword"),
    Param("LastEditUser"),
    Param("NeedAbsoluteFolderPath", bool),
    Param("NeedContent", bool),
    Param("NodeId", int),
    Param("Owner"),
    Param("PageNumber", int),
    Param("PageSize", int),
    Param("UseType"),
)
def list_files(call: Call) -> Answer:
    """Files that are not in the recycle bin, by name, folder, type, id, owner or node."""
    space = ide_workspace(call)
    wanted_ids = _numbers(call, "FileIdIn")
    if len(wanted_ids) > FILE_IDS_PER_CALL:
        raise DATAWORKS.invalid("FileIdIn")
    types = _numbers(call, "FileTypes")
    folder = ""
    if call.given("FileFolderPath"):
        try:
            folder = existing_folder(call, space, call.text("FileFolderPath")).path
        except InvalidPath:
            folder = "/"  # no file lies there
    # What is asked is read once, not once for each of the workspace's thousands.
    name, keyword, node = call.text("ExactFileName"), call.text("Keyword"), call.number("NodeId")
    owner, editor, use_type = call.text("Owner"), call.text("LastEditUser"), call.text("UseType")
    found = [
        file
        for file in call.cloud.state.dataworks.files.values()
        if file.workspace == space.id
        and (not wanted_ids or file.id in wanted_ids)
        and name in ("", file.name)
        and keyword in file.name
        and folder in ("", file.folder)
        and (not types or file.type in types)
        and node in (0, file.node)
        and owner in ("", file.owner)
        and editor in ("", file.last_edit_user)
        and use_type in ("", file.use_type)
        and file.deleted == "NORMAL"
    ]
    counts, shown = page(call, found)
    paths, content = bool(call.params.get("NeedAbsoluteFolderPath")), bool(call.params.get("NeedContent"))
    files = [
        {**_common(call, file, content), **({"AbsoluteFolderPath": file.folder} if paths else {})}
        for file in shown
    ]
    return ide(Data={**counts, "Files": files})


def _numbers(call: Call, name: str) -> set[int]:
    try:
        return {int(text) for text in call.text(name).split(",") if text.strip()}
    except ValueError as error:
        raise DATAWORKS.invalid(name) from error


@dataworks_action(
    "UpdateFile",
    *PROJECT,
    _FILE_ID,
    Param("FileName"),
    Param("FileDescription"),
    Param("FileFolderPath"),
    Param("Content"),
    Param("Owner"),
    Param("InputList"),
    Param("OutputList"),
    Param("CronExpress"),
    Param("ResourceGroupIdentifier"),
    *(Param(name) for name, _, _ in _CHOICES),
    Param("AutoParsing", bool),
    Param("ParaValue"),
    Param("AutoRerunTimes", int),
    Param("AutoRerunIntervalMillis", int),
    Param("Stop", bool),
    Param("DependentNodeIdList"),
    Param("StartEffectDate", int),
    Param("EndEffectDate", int),
    write=True,
)
def update_file(call: Call) -> Answer:
    """Change what is given and keep the rest: name, folder, content, owner, scheduling."""
    space = ide_workspace(call, Right.EDIT)
    file = named_file(call, space)
    if file.deleted != "NORMAL":
        raise refusal(call.cloud.settings, "FileNotExists", f"The file {file.id} is in the recycle bin.")
    scheduling = _changed_scheduling(call, file.scheduling)
    changes = _changed_fields(call, space, file)
    unchanged = scheduling == file.scheduling and all(
        getattr(file, name) == value for name, value in changes.items()
    )
    if unchanged:
        if call.cloud.settings.unchanged_update_file_fails:
            raise refusal(call.cloud.settings, "InvalidData", "invalid data")
        return ide()
    for name, value in changes.items():
        setattr(file, name, value)
    file.scheduling = scheduling
    edited(call, file)
    return ide()


def _changed_fields(call: Call, space: Workspace, file: File) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if call.given("FileName"):
        changes["name"] = call.text("FileName")
    if call.given("FileDescription"):
        changes["description"] = call.text("FileDescription")
    if call.given("FileFolderPath"):
        try:
            folder, business = file_folder(call, space, call.text("FileFolderPath"))
        except InvalidPath as error:
            text = f"不合法的目录路径: {call.text('FileFolderPath')}"
            raise refusal(call.cloud.settings, "IllegalFolderPath", text) from error
        changes["folder"], changes["business"] = folder.path, business.id
    if call.given("Content"):
        try:
            check_task(call, space, call.text("Content"))
        except TaskFailure as error:
            raise refusal(call.cloud.settings, "InvalidContent", error.message) from error
        changes["content"] = call.text("Content")
    if call.given("Owner"):
        if caller_by_id(call.cloud, call.text("Owner")) is None:
            raise DATAWORKS.invalid("Owner")
        changes["owner"] = call.text("Owner")
    return changes


def _changed_scheduling(call: Call, now: Scheduling) -> Scheduling:
    """The scheduling with what is given. Raises ``Invalid<Param>``."""
    changes: dict[str, Any] = {}
    for parameter, field, allowed in _CHOICES:
        if call.given(parameter):
            changes[field] = one_of(call, parameter, allowed)
    for parameter, field in _PLAIN:
        if call.given(parameter):
            changes[field] = call.params[parameter]
    for parameter, field in (("InputList", "inputs"), ("OutputList", "outputs")):
        if call.given(parameter):
            changes[field] = [name.strip() for name in call.text(parameter).split(",") if name.strip()]
    if call.given("CronExpress"):
        if len(call.text("CronExpress").split()) != _CRON_FIELDS or "?" not in call.text("CronExpress"):
            raise DATAWORKS.invalid("CronExpress")
        changes["cron"] = call.text("CronExpress")
    if call.given("ResourceGroupIdentifier"):
        changes["resource_group"] = _scheduling_group(call)
    if not 0 <= changes.get("auto_rerun_times", 0) <= AUTO_RERUN_TIMES_MAXIMUM:
        raise DATAWORKS.invalid("AutoRerunTimes")
    if not 0 <= changes.get("auto_rerun_interval_ms", 0) <= AUTO_RERUN_INTERVAL_SECONDS_MAXIMUM * 1000:
        raise DATAWORKS.invalid("AutoRerunIntervalMillis")
    return now.model_copy(update=changes, deep=True)


def _scheduling_group(call: Call) -> str:
    """The group that schedules, which is not the one that runs the sync task."""
    identifier = call.text("ResourceGroupIdentifier")
    for group in call.cloud.state.dataworks.resource_groups:
        if group.identifier == identifier and group.type in _SCHEDULING_GROUPS:
            return identifier
    raise refusal(call.cloud.settings, "InvalidResourceGroup", f"ResourceGroup:[{identifier}] is invalid.")


@dataworks_action("DeleteFile", *PROJECT, _FILE_ID, write=True)
def delete_file(call: Call) -> Answer:
    """Delete a file: at once when it was never committed, else into the recycle bin with a deployment.

    In a standard workspace the production node stays until DeployFile publishes the deletion.
    """
    space = ide_workspace(call, Right.EDIT)
    file = named_file(call, space)
    if file.deleted != "NORMAL":
        raise refusal(call.cloud.settings, "FileNotExists", f"The file {file.id} is in the recycle bin.")
    if not file.submitted_version:
        del call.cloud.state.dataworks.files[file.id]
        return ide()
    file.deleted = "RECYCLE_BIN"
    target = target_of_submission(call, space, file)
    deployment = start_deployment(call, space, file, FILE_LEVEL, target, checked=False)
    return ide(DeploymentId=deployment.id)

"""CreateBusiness, ListBusiness, CreateFolder, GetFolder, ListFolders: the development tree of a workspace.

A path is ``<root>/<workflow>/<layer>[/<folder>…]`` in the language of the account's console; the accepted words of root
and layer are settings. A workflow brings the folder of its layer with it.
"""

from __future__ import annotations

from typing import Any

from emulator.dataworks.access import PROJECT, Right, dataworks_action, ide_workspace
from emulator.dataworks.envelope import ide, one_of, page, refusal
from emulator.registry import DATAWORKS, Answer, Call, Param
from emulator.settings import EmulatorSettings
from emulator.state import Business, DataWorksState, Folder, Workspace

_BASE = 80_000
_USE_TYPES = ("NORMAL", "MANUAL_BIZ")
_LAYER = 2  # place of the layer in a path
WORKFLOW_PARTS = _LAYER + 1
"""Parts of the path of a layer, which belongs to its workflow; folders that people make have more."""


class InvalidPath(Exception):
    """A folder path that the workspace does not have, or could not have."""


def normal_path(settings: EmulatorSettings, path: str) -> str:
    """The path with root and layer in the first accepted language, so that both spellings mean one folder.

    Raises :class:`InvalidPath` for another root or layer.
    """
    parts = path.strip("/").split("/")
    if parts[0] not in settings.folder_roots or not all(parts):
        raise InvalidPath(path)
    parts[0] = settings.folder_roots[0]
    if len(parts) > _LAYER:
        if parts[_LAYER] not in settings.folder_layers:
            raise InvalidPath(path)
        parts[_LAYER] = settings.folder_layers[0]
    return "/".join(parts)


def business_of(dataworks: DataWorksState, space: Workspace, path: str) -> Business:
    """The workflow that a normal path lies in. Raises :class:`InvalidPath`."""
    parts = path.split("/")
    for business in dataworks.businesses.values():
        if business.workspace == space.id and len(parts) > 1 and business.name == parts[1]:
            return business
    raise InvalidPath(path)


def existing_folder(call: Call, space: Workspace, path: str) -> Folder:
    """The folder with this path. Raises :class:`InvalidPath`."""
    normal = normal_path(call.cloud.settings, path)
    for folder in call.cloud.state.dataworks.folders.values():
        if folder.workspace == space.id and folder.path == normal:
            return folder
    raise InvalidPath(path)


def file_folder(call: Call, space: Workspace, path: str) -> tuple[Folder, Business]:
    """The folder in which a file may lie, which is in or below a layer. Raises :class:`InvalidPath`."""
    folder = existing_folder(call, space, path)
    if len(folder.path.split("/")) <= _LAYER:
        raise InvalidPath(path)
    return folder, business_of(call.cloud.state.dataworks, space, folder.path)


def _add_folder(call: Call, space: Workspace, path: str) -> Folder:
    identity = str(call.cloud.state.identifiers.number(_BASE))
    folder = Folder(id=identity, workspace=space.id, path=path)
    call.cloud.state.dataworks.folders[identity] = folder
    return folder


def _illegal(call: Call, path: str) -> Exception:
    return refusal(call.cloud.settings, "IllegalFolderPath", f"不合法的目录路径: {path}")


@dataworks_action(
    "CreateBusiness",
    *PROJECT,
    Param("BusinessName", required=True),
    Param("Description"),
    Param("Owner"),
    Param("UseType"),
    write=True,
)
def create_business(call: Call) -> Answer:
    """Create a workflow; its name is unique in the workspace."""
    space = ide_workspace(call, Right.EDIT)
    dataworks, settings = call.cloud.state.dataworks, call.cloud.settings
    name = call.text("BusinessName")
    if "/" in name:
        raise DATAWORKS.invalid("BusinessName")
    use_type = one_of(call, "UseType", _USE_TYPES, "NORMAL")
    if any(one.workspace == space.id and one.name == name for one in dataworks.businesses.values()):
        raise refusal(settings, "BusinessNameExists", f"The workflow {name} already exists.")
    business = Business(
        id=call.cloud.state.identifiers.number(_BASE),
        workspace=space.id,
        name=name,
        description=call.text("Description"),
        owner=call.text("Owner", call.caller.id),
        use_type=use_type,
    )
    dataworks.businesses[business.id] = business
    path = f"{settings.folder_roots[0]}/{name}"
    _add_folder(call, space, path)
    _add_folder(call, space, f"{path}/{settings.folder_layers[0]}")
    return ide(BusinessId=business.id)


@dataworks_action(
    "ListBusiness",
    *PROJECT,
    Param("PageNumber", int, required=True),
    Param("PageSize", int, required=True),
    Param("Keyword"),
)
def list_business(call: Call) -> Answer:
    """Workflows whose names contain the keyword."""
    space = ide_workspace(call)
    keyword = call.text("Keyword")
    found = [
        business
        for business in call.cloud.state.dataworks.businesses.values()
        if business.workspace == space.id and keyword in business.name
    ]
    counts, shown = page(call, found)
    businesses = [
        {
            "BusinessId": business.id,
            "BusinessName": business.name,
            "Description": business.description,
            "Owner": business.owner,
            "ProjectId": business.workspace,
            "UseType": business.use_type,
        }
        for business in shown
    ]
    return ide(Data={**counts, "Business": businesses})


@dataworks_action("CreateFolder", *PROJECT, Param("FolderPath", required=True), write=True)
def create_folder(call: Call) -> Answer:
    """Create a folder below a layer, and those on the way to it."""
    space = ide_workspace(call, Right.EDIT)
    asked = call.text("FolderPath")
    try:
        path = normal_path(call.cloud.settings, asked)
        business_of(call.cloud.state.dataworks, space, path)
    except InvalidPath as error:
        raise _illegal(call, asked) from error
    parts = path.split("/")
    if len(parts) <= _LAYER:
        raise _illegal(call, asked)
    known = {one.path for one in call.cloud.state.dataworks.folders.values() if one.workspace == space.id}
    if path in known:
        raise refusal(call.cloud.settings, "FolderExists", f"The folder {asked} already exists.")
    missing = [
        step
        for step in ("/".join(parts[:end]) for end in range(_LAYER + 1, len(parts) + 1))
        if step not in known
    ]
    folder = [_add_folder(call, space, step) for step in missing][-1]
    return ide(Data=folder.id)


@dataworks_action("GetFolder", *PROJECT, Param("FolderId"), Param("FolderPath"))
def get_folder(call: Call) -> Answer:
    """A folder by id or by path."""
    space = ide_workspace(call)
    if not call.given("FolderId") and not call.given("FolderPath"):
        raise DATAWORKS.missing("FolderPath", call.cloud.settings.missing_parameter_code)
    found: Folder | None
    if call.given("FolderId"):
        found = call.cloud.state.dataworks.folders.get(call.text("FolderId"))
        asked = call.text("FolderId")
    else:
        asked = call.text("FolderPath")
        try:
            found = existing_folder(call, space, asked)
        except InvalidPath:
            found = None
    if found is None or found.workspace != space.id:
        raise refusal(call.cloud.settings, "FolderNotExists", f"The folder {asked} does not exist.")
    return ide(Data=_shown(found))


@dataworks_action(
    "ListFolders",
    *PROJECT,
    Param("ParentFolderPath", required=True),
    Param("PageNumber", int, required=True),
    Param("PageSize", int, required=True),
)
def list_folders(call: Call) -> Answer:
    """The folders directly below a path."""
    space = ide_workspace(call)
    asked = call.text("ParentFolderPath")
    try:
        parent = normal_path(call.cloud.settings, asked)
    except InvalidPath as error:
        raise _illegal(call, asked) from error
    found = [
        folder
        for folder in call.cloud.state.dataworks.folders.values()
        if folder.workspace == space.id and folder.path.rpartition("/")[0] == parent
    ]
    counts, shown = page(call, sorted(found, key=lambda folder: folder.path))
    return ide(Data={**counts, "Folders": [_shown(folder) for folder in shown]})


def _shown(folder: Folder) -> dict[str, Any]:
    return {"FolderId": folder.id, "FolderPath": folder.path}

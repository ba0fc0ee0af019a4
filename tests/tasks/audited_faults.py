"""Faults of data sources, sync tasks and specifications, and all faults there are. Each returns the findings it must cause."""

from __future__ import annotations

import json
from collections.abc import Callable

from emulator.state import DataSource, File
from emulator.state_ram import Role
from tests.tasks.audited import (
    KEY,
    TRUSTED,
    TYPES,
    WORKSPACES,
    Expected,
    Faults,
    attach,
    both,
    change,
    key_mode,
    of,
    task_of,
)
from tests.tasks.audited_rights import RIGHTS

# -- data sources ------------------------------------------------------------------------------------------


def opened_with_a_key(faults: Faults, kind: str) -> Expected:
    """Both environments are in AccessKey mode."""
    row = faults.row(faults.role(), kind)
    for source in faults.sources(row):
        key_mode(source)
    return both("AUD101", row)


def opened_with_a_key_in_production(faults: Faults) -> Expected:
    """Production is in AccessKey mode, development is not."""
    row = faults.row(faults.role())
    key_mode(faults.sources(row)[1])
    return {
        ("AUD101", of(row, "PROD")),
        ("AUD105", f"data source {row['name']} of workspace {row['workspace']}"),
    }


def role_id_of_nobody(faults: Faults) -> Expected:
    """The data source points at a role that was deleted."""
    row = faults.row(faults.role())
    for source in faults.sources(row):
        change(source, authIdentity="399999999999999999")
    return both("AUD102", row)


def role_made_again(faults: Faults) -> Expected:
    """The role was deleted and made again under its name: nothing is opened with the new one."""
    role = faults.role()
    faults.ram_role(role).id = faults.cloud.state.identifiers.digits("3")
    rows = [faults.row(role, kind) for kind in TYPES]
    of_sources = {found for row in rows for found in both("AUD102", row)}
    executor = ("AUD102", of(faults.row(role, "hologres"), "DEV"))  # opened with the executor's own account
    return (of_sources - {executor}) | {("AUD208", f"role {role}")}


def role_of_another(faults: Faults) -> Expected:
    """The data source points at another's role."""
    row = faults.row(faults.role())
    other = faults.ram_role(faults.role())
    for source in faults.sources(row):
        change(source, authIdentity=other.id)
    return both("AUD103", row)


def connection_lost(faults: Faults) -> Expected:
    """The last connectivity test of production did not pass."""
    row = faults.row(faults.role(), "loghub")
    faults.sources(row)[1].connected = False
    return {("AUD104", of(row, "PROD"))}


def environments_differ(faults: Faults) -> Expected:
    """Development has another endpoint."""
    row = faults.row(faults.role())
    change(faults.sources(row)[0], endpoint="https://oss-cn-hangzhou.aliyuncs.com")
    return {("AUD105", f"data source {row['name']} of workspace {row['workspace']}")}


def development_missing(faults: Faults) -> Expected:
    """The data source was removed from development."""
    row = faults.row(faults.role(), "tablestore")
    faults.cloud.state.dataworks.data_sources.remove(faults.sources(row)[0])
    return {("AUD105", f"data source {row['name']} of workspace {row['workspace']}")}


def made_by_hand(faults: Faults) -> Expected:
    """A data source in role mode that nothing here made."""
    state = faults.cloud.state
    role = Role(
        name="hand-made",
        id=state.identifiers.digits("3"),
        created=1.0,
        updated=1.0,
        trust_policy=json.dumps(TRUSTED),
    )
    state.ram.roles[role.name] = role
    content = {
        "endpoint": "http://oss-cn-hangzhou-internal.aliyuncs.com", "bucket": "hand-made", "regionId": "cn-hangzhou",
        "authType": "RamRole", "authIdentity": role.id, "tag": "public",
    }  # fmt: skip
    for environment in (0, 1):
        state.dataworks.data_sources.append(
            DataSource(
                id=state.identifiers.number(30_000), workspace=WORKSPACES[0], name="hand_made", type="oss",
                environment=environment, content=json.dumps(content), created=1.0, updated=1.0,
            )
        )  # fmt: skip
    return both("AUD106", {"name": "hand_made", "workspace": WORKSPACES[0]})


# -- sync tasks --------------------------------------------------------------------------------------------


def run_failed(faults: Faults) -> Expected:
    """The newest run in production failed."""
    row = faults.row(faults.role())
    for run in faults.runs(row):
        run.status = "FAILURE"
    return {("AUD401", task_of(row))}


def never_ran(faults: Faults) -> Expected:
    """There is no run in production."""
    row = faults.row(faults.role(), "hologres")
    for run in faults.runs(row):
        del faults.cloud.state.dataworks.instances[run.id]
    return {("AUD402", task_of(row))}


def not_deployed(faults: Faults) -> Expected:
    """Development is a version ahead."""
    row = faults.row(faults.role())
    faults.nodes(row)[0].file_version += 1
    return {("AUD105", task_of(row))}


def key_in_sync_task(faults: Faults) -> Expected:
    """The step has a key beside its data source."""
    row = faults.row(faults.role())
    file = faults.file(row)
    content = json.loads(file.content)
    content["steps"][0]["parameter"] |= {"accessId": KEY, "accessKey": "made-up-secret"}
    file.content = json.dumps(content)
    return {("AUD403", task_of(row))}


def key_in_code(faults: Faults) -> Expected:
    """A PyODPS node logs on with a key."""
    state = faults.cloud.state
    number = state.identifiers.number(60_000)
    folder = "Business Flow/benchmark/MaxCompute"
    state.dataworks.files[number] = File(
        id=number, workspace=WORKSPACES[0], name="clean_up", type=1221, folder=folder,
        content=f"o = ODPS('{KEY}', 'made-up-secret', project='p')\n", owner="", created=1.0, updated=1.0,
    )  # fmt: skip
    return {("AUD403", f"task {folder}/clean_up of workspace {WORKSPACES[0]}")}


def data_source_of_task_absent(faults: Faults) -> Expected:
    """The code names a data source that is not there."""
    row = faults.row(faults.role())
    file = faults.file(row)
    file.content = file.content.replace(f'"{row["name"]}"', '"renamed_since"')
    return {("AUD404", task_of(row))}


# -- the account, and specifications -----------------------------------------------------------------------


def places_nearly_full(faults: Faults) -> Expected:
    """A user holds nine of ten policies."""
    user = faults.user("kate", workspace_role="role_project_pe")
    for policy in faults.own_grants(9):
        attach(user, policy)
    return {("AUD501", "user kate")}


def description_changed(faults: Faults) -> Expected:
    """Somebody wrote another description."""
    row = faults.row(faults.role(specified=True))
    faults.sources(row)[1].description = "changed by hand"
    return {("AUD601", of(row, "PROD"))}


def specified_source_removed(faults: Faults) -> Expected:
    """The data source of a specification was deleted: its task has none, and the role's policy is too wide."""
    role = faults.role(specified=True)
    row = faults.row(role)
    for source in faults.sources(row):
        faults.cloud.state.dataworks.data_sources.remove(source)
    return both("AUD602", row) | {("AUD404", task_of(row)), ("AUD205", f"custom policy {role}-Access")}


def specified_source_in_key_mode(faults: Faults) -> Expected:
    """The data source of a specification is not in role mode: applying would be refused."""
    row = faults.row(faults.role(specified=True), "tablestore")
    for source in faults.sources(row):
        key_mode(source)
    return both("AUD101", row) | {("AUD603", of(row, "DEV"))}


FAULTS: tuple[Callable[[Faults], Expected], ...] = (
    *(lambda faults, kind=kind: opened_with_a_key(faults, kind) for kind in TYPES if kind != "hologres"),
    opened_with_a_key_in_production,
    role_id_of_nobody,
    role_made_again,
    role_of_another,
    connection_lost,
    environments_differ,
    development_missing,
    made_by_hand,
    run_failed,
    never_ran,
    not_deployed,
    key_in_sync_task,
    key_in_code,
    data_source_of_task_absent,
    places_nearly_full,
    description_changed,
    specified_source_removed,
    specified_source_in_key_mode,
    *RIGHTS,
)
"""Every kind of fault."""

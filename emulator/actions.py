"""Imports every module that registers actions. A new module of actions is named here."""

from emulator import sts
from emulator.dataworks import (
    connectivity,
    data_sources,
    deployments,
    files,
    folders,
    instances,
    nodes,
    removal,
    runs,
    sharing,
    sync_tasks,
    workspaces,
)
from emulator.ram import attachments, identities, policies, roles, tags, versions

__all__ = [
    "attachments", "connectivity", "data_sources", "deployments", "files", "folders", "identities", "instances",
    "nodes", "policies", "removal", "roles", "runs", "sharing", "sts", "sync_tasks", "tags", "versions", "workspaces",
]  # fmt: skip

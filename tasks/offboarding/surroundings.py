"""What else there is in the account: the data sources of every workspace that may be read, by role and by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from cloud.dataworks.data_sources import DataSource, list_data_sources
from cloud.dataworks.undeploying import Reference, deployed_references
from cloud.dataworks.workspaces import get_workspace, list_workspaces
from cloud.errors import Refused
from cloud.gate import Gate
from tasks.custom_policy import read_each


@dataclass(frozen=True)
class Placed:
    """A data source with its workspace."""

    workspace: int
    source: DataSource

    @property
    def key(self) -> tuple[int, str]:
        """Workspace and name: what both environments have in common."""
        return self.workspace, self.source.name


@dataclass(frozen=True)
class Surroundings:
    """The data sources of the account. ``unread``: workspaces that may not be read, with the reason.

    ``deployed``: by workspace and data source, nodes that use it although their files do not any more.
    """

    sources: tuple[Placed, ...]
    unread: Mapping[int, str]
    deployed: Mapping[int, Mapping[str, tuple[Reference, ...]]] = field(default_factory=dict)

    def on_role(self, role_id: str) -> tuple[Placed, ...]:
        """Everything that is opened with a role."""
        return tuple(one for one in self.sources if one.source.role_id == role_id)

    def named(self, workspace: int, name: str) -> tuple[DataSource, ...]:
        """A data source in every environment it has."""
        return tuple(one.source for one in self.sources if one.key == (workspace, name))


def read_surroundings(gate: Gate, workspaces: frozenset[int], *, code: bool = False) -> Surroundings:
    """List all workspaces; ``workspaces`` are those that are offboarded from, where with ``code`` nodes are read, too.

    Raises a call's error for one of ``workspaces``; any other that is refused is left unread.
    """
    everywhere = dict.fromkeys((*sorted(workspaces), *list_workspaces(gate)))
    unread: dict[int, str] = {}

    def read(workspace: int) -> list[DataSource]:
        try:
            return list_data_sources(gate, workspace)
        except Refused as error:
            if workspace in workspaces:
                raise
            unread[workspace] = error.what
            return []

    listed = read_each(read, everywhere)
    return Surroundings(
        tuple(Placed(workspace, source) for workspace, found in listed.items() for source in found),
        unread,
        {workspace: _deployed(gate, workspace) for workspace in sorted(workspaces)} if code else {},
    )


def _deployed(gate: Gate, workspace: int) -> dict[str, tuple[Reference, ...]]:
    found = get_workspace(gate, workspace)
    return deployed_references(gate, workspace, ("DEV", "PROD") if found and found.standard else ("PROD",))

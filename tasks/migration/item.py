"""One data source on its way: what was found and proposed, and what the stages have made so far."""

from __future__ import annotations

from dataclasses import dataclass, field

from cloud.dataworks.data_sources import DataSource
from config.sources.base import Environment
from config.spec import DataSourceSpec
from tasks.connectivity import Cell
from tasks.migration.canary import Canary, twin_of
from tasks.migration.found import Found
from tasks.migration.proposal import Proposal, strict
from tasks.migration.record import Record
from tasks.pass_role import Granted
from tasks.planning import PlannedChange
from tasks.role import RoleReady
from tasks.run import Proof
from tasks.workspace import Facts


@dataclass(frozen=True)
class Watched:
    """A run of a task that uses the data source, after the switch."""

    task: str
    instance: int
    succeeded: bool
    reason: str = ""


@dataclass
class Item:
    """Everything about one data source in one run. ``facts`` has the environments of the data source itself."""

    found: Found
    proposal: Proposal
    facts: Facts
    record: Record | None = None
    role: RoleReady | None = None
    granted: Granted | None = None
    cells: list[Cell] = field(default_factory=list)
    proofs: list[Proof] = field(default_factory=list)
    watched: list[Watched] = field(default_factory=list)
    changes: list[PlannedChange] = field(default_factory=list)

    @property
    def name(self) -> str:
        """The data source."""
        return self.found.name

    @property
    def workspace(self) -> int:
        """Its workspace."""
        return self.found.workspace

    @property
    def spec(self) -> DataSourceSpec:
        """What it is to be."""
        return self.proposal.spec

    @property
    def strict(self) -> DataSourceSpec:
        """What its role and grants are checked with."""
        return strict(self.spec)

    @property
    def twin(self) -> DataSourceSpec:
        """The temporary data source."""
        return twin_of(self.spec)

    @property
    def canaries(self) -> tuple[Canary, ...]:
        """The runs that try it."""
        return self.proposal.canaries

    @property
    def subject(self) -> str:
        """The data source, for people."""
        return f"data source {self.name}"

    @property
    def switched(self) -> bool:
        """Whether nothing holds a key any more, as it was found."""
        return not self.found.keyed

    @property
    def credential_keys(self) -> tuple[str, str]:
        """Keys of Content that hold the name and the secret of its login."""
        return self.spec.source_type.credential_keys

    def source(self, environment: Environment) -> DataSource:
        """The original, as it was found."""
        return self.found.sources[environment].source

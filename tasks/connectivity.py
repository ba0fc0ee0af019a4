"""Step 3, second half (creator): the connectivity matrix, environment × resource group, one task a cell.

A timeout is a result. A green cell is no proof of the sync: the vendor warns that a bucket in the endpoint passes
the test, so endpoints are linted in the specification, and the run is the proof.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from prefect import task

from cloud.dataworks.data_sources import check_connection
from cloud.errors import CallError, NotConnected, OutcomeUnknown, Refused
from cloud.gate import Gate
from config.personas import Persona
from config.sources.base import Environment
from config.spec import DataSourceSpec
from tasks.connection import step_gate
from tasks.data_source import DataSourceReady
from tasks.options import announce, ended, options

_HOW = (
    "bind the resource group's VPC to a network that reaches the source's endpoint, and allow its addresses in "
    "the source's access list"
)


class Connection(str, Enum):
    """The state of a cell."""

    CONNECTED = "connected"
    NOT_CONNECTED = "not connected"
    TIMEOUT = "timeout"
    REFUSED = "refused"


@dataclass(frozen=True)
class Cell:
    """One test: which environment, from which resource group, what came of it, who can fix it and how."""

    environment: Environment
    resource_group: str
    state: Connection
    reason: str = ""
    persona: str = ""
    remedy: str = ""

    @property
    def connected(self) -> bool:
        """Whether the resource group reaches the data source."""
        return self.state is Connection.CONNECTED


def check_cell(gate: Gate, spec: DataSourceSpec, environment: Environment, resource_group: str) -> Cell:
    """Test one cell. Only credentials, throttling and the like raise; everything else is a result."""
    try:
        answer = check_connection(gate, spec.workspace, spec.name, environment, resource_group)
    except OutcomeUnknown as error:
        return Cell(environment, resource_group, Connection.TIMEOUT, error.what, Persona.CREATOR.value, _HOW)
    except Refused as error:
        return Cell(environment, resource_group, Connection.REFUSED, error.what, *_fixer(error))
    if answer.connected:
        return Cell(environment, resource_group, Connection.CONNECTED)
    reason = answer.message or "the service gave no reason"
    return Cell(environment, resource_group, Connection.NOT_CONNECTED, reason, Persona.CREATOR.value, _HOW)


def _fixer(error: CallError) -> tuple[str, str]:
    return (error.persona or Persona.CREATOR).value, error.remedy or _HOW


def judge(spec: DataSourceSpec, cells: Sequence[Cell]) -> str:
    """One sentence about the matrix.

    Raises :class:`NotConnected` when the sync task's resource group does not reach the source in some environment
    (without a sync task: when some environment is reached by none). Other red cells are reported, not fatal.
    """
    needed = spec.sync_task.resource_group if spec.sync_task else None
    for environment in dict.fromkeys(cell.environment for cell in cells):
        row = [cell for cell in cells if cell.environment is environment]
        wanted = [cell for cell in row if needed in (None, cell.resource_group)]
        if not any(cell.connected for cell in wanted):
            worst = wanted[0]
            raise NotConnected(
                f"resource group {worst.resource_group} does not reach it ({worst.state.value}): {worst.reason}",
                subject=f"data source {spec.name} ({environment.name})",
                persona=Persona(worst.persona),
                remedy=worst.remedy,
            )
    green = sum(cell.connected for cell in cells)
    return f"{green} of {len(cells)} connections work"


@task(
    **options(
        "3 connectivity",
        "3 connectivity {spec.name} {environment.name} from {resource_group}",
        timeout=300,
    )
)
def check_connectivity(
    spec: DataSourceSpec, environment: Environment, resource_group: str, source: DataSourceReady
) -> Cell:
    """Prefect task of :func:`check_cell`; ``source`` orders it after its data source."""
    del source
    with step_gate(spec, 3) as gate:
        cell = check_cell(gate, spec, environment, resource_group)
    message = f"{environment.name} from {resource_group}: {cell.state.value}"
    if cell.reason:
        message += f" ({cell.reason})"
    announce(f"step 3, connectivity: {message}")
    return ended(message, cell)


@task(**options("3 connectivity matrix", "3 connectivity matrix of {spec.name}", timeout=60))
def judge_connectivity(spec: DataSourceSpec, cells: list[Cell]) -> str:
    """Prefect task of :func:`judge`."""
    verdict = judge(spec, cells)
    announce(f"step 3, connectivity: {verdict}")
    return ended(verdict, verdict)

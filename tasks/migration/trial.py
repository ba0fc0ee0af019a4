"""Trial (creator, developer, executor): the temporary data source, its connectivity, and the canary runs.

It is opened with exactly the role and the place that the original will have; the steps are those of an onboarding.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from cloud.errors import NotConnected
from cloud.gate import Gate
from config.personas import Persona
from config.sources.base import Environment
from config.spec import DataSourceSpec
from tasks.connectivity import Cell, check_cell
from tasks.data_source import DataSourceReady, ensure_data_source
from tasks.deploying import ensure_deployed, ensure_submitted
from tasks.migration.canary import Canary, canary_spec
from tasks.migration.item import Item
from tasks.run import ensure_run
from tasks.sync_task import ensure_created, ensure_scheduled, proved_by
from tasks.workspace import Facts


def everywhere(item: Item) -> Facts:
    """Facts with every environment of the workspace: a sync task needs its data sources in all of them."""
    return replace(item.facts, environments=item.facts.workspace.environments)


def try_it(gate: Gate, item: Item) -> None:
    """Make the twin, test it from every resource group, run the canaries. A second time finds everything done.

    Raises :class:`NotConnected`, :class:`RunFailed`, what the steps raise, or a call's error.
    """
    assert item.role is not None
    assert item.granted is not None
    role, granted = item.role, item.granted
    twin = item.twin
    item.proofs.clear()
    ready = {
        environment: ensure_data_source(gate, twin, environment, role, granted)
        for environment in everywhere(item).environments
    }
    item.changes += [change for one in ready.values() for change in one.report.changes]
    item.cells = list(connections(gate, twin, item.facts.environments))
    require_connected(item.cells, f"temporary data source {twin.name}")
    for canary in item.canaries:
        _run(gate, item, canary, ready)


def connections(gate: Gate, spec: DataSourceSpec, environments: Iterable[Environment]) -> Iterable[Cell]:
    """Every resource group in every environment."""
    for environment in environments:
        for group in spec.resource_groups:
            yield check_cell(gate, spec, environment, group)


def require_connected(cells: Iterable[Cell], subject: str) -> None:
    """Raise :class:`NotConnected` for the first cell that is red: all were green with the key."""
    for cell in cells:
        if not cell.connected:
            raise NotConnected(
                f"resource group {cell.resource_group} does not reach it ({cell.state.value}): {cell.reason}",
                subject=f"{subject} ({cell.environment.name})",
                persona=Persona(cell.persona) if cell.persona else Persona.CREATOR,
                remedy=cell.remedy,
            )


def _run(gate: Gate, item: Item, canary: Canary, sources: dict[Environment, DataSourceReady]) -> None:
    """Steps 4 and 5 with the copy of a task."""
    assert item.role is not None
    assert item.granted is not None
    spec, facts = canary_spec(item.twin, canary), everywhere(item)
    created = ensure_created(gate, spec)
    proved = proved_by(spec, facts, item.role, sources.values())
    scheduled = ensure_scheduled(gate, spec, facts, created, proved)
    ready = ensure_deployed(gate, spec, facts, ensure_submitted(gate, spec, facts, scheduled))
    item.changes += ready.changes
    for environment in item.facts.environments:
        source = sources[environment]
        proof = ensure_run(gate, spec, environment, item.role, item.granted, source, ready)
        item.proofs.append(proof)
        item.changes += proof.report.changes

"""Reading for many data sources at once: listings of a workspace, not look-ups per data source.

What a listing cannot tell (a sync task's scheduling, the name of a run) is read for the data sources that need it; a
task that nobody has touched since its run proved it needs nothing more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from typing import ParamSpec, TypeVar

from cloud.dataworks import runs, sync_tasks
from cloud.dataworks.data_sources import DataSource, list_data_sources, source_key
from cloud.dataworks.runs import Instance
from cloud.dataworks.sync_tasks import ListedFile, ListedNode
from cloud.dataworks.workspaces import Workspace, get_workspace
from cloud.errors import OnboardingError
from cloud.gate import Gate
from cloud.shared import Shared
from config.limits import DATAWORKS_PAGE_ITEMS, DATAWORKS_PAGE_NUMBER_MAXIMUM
from config.scheduler import scheduler_time
from config.sources.base import Environment
from config.spec import DataSourceSpec
from tasks.scheduling import MARK

P = ParamSpec("P")
V = TypeVar("V")

_GATHER_SECONDS = 0.25
_MAXIMUM_AGE_SECONDS = 1800.0
# Of how many pages of instances, for each page of sync tasks: older proofs are looked for one by one.
_INSTANCE_PAGES_FACTOR = 3


@dataclass
class ListedWorkspace:
    """What the listings of one workspace told. Files by folder and name; proofs by environment and node."""

    workspace: Workspace | None
    refusal: OnboardingError | None = None
    """Why the workspace could not be read."""
    sources: dict[tuple[str, Environment], DataSource] = field(default_factory=dict)
    files: dict[tuple[str, str], ListedFile] = field(default_factory=dict)
    file_names: frozenset[str] = frozenset()
    nodes: dict[Environment, dict[int, ListedNode]] = field(default_factory=dict)
    succeeded: dict[Environment, dict[int, Instance]] = field(default_factory=dict)

    def file_of(self, spec: DataSourceSpec) -> ListedFile | None:
        """The sync task's file, when a listing shows it in exactly its folder."""
        assert spec.sync_task is not None
        return self.files.get((spec.sync_task.folder, spec.sync_task.name))

    def task_is_absent(self, spec: DataSourceSpec) -> bool:
        """Whether no file of the workspace has the sync task's name: how folders are spelled does not matter then."""
        assert spec.sync_task is not None
        return spec.sync_task.name not in self.file_names


def share_reads(gate: Gate) -> None:
    """Let the onboardings that use ``gate`` share listings and polls."""
    if gate.shared is None:
        gate.shared = Shared(
            gate.clock,
            interval=gate.settings.poll_interval_initial,
            gather=_GATHER_SECONDS,
            maximum_age=_MAXIMUM_AGE_SECONDS,
        )


def list_workspace(gate: Gate, workspace: int, specs: Sequence[DataSourceSpec]) -> ListedWorkspace:
    """Everything of one workspace that its data sources need. Raises a call's error.

    What does not exist is kept in ``gate.shared``, so that the steps need not look for it again.
    """
    listed = ListedWorkspace(get_workspace(gate, workspace))
    if listed.workspace is None or not listed.workspace.available:
        return listed
    listed_at = gate.clock.now()
    tasks = [spec for spec in specs if spec.sync_task is not None]
    # A page is mostly waiting and the next one waits for it: one kind of pages is read beside another.
    with ThreadPoolExecutor(1, "list") as readers:
        reading = _beside(readers, list_data_sources, gate, workspace)
        files = sync_tasks.list_files(gate, workspace) if tasks else []
        listed.sources = {(one.name, one.environment): one for one in reading.result()}
        listed.files = {(one.folder, one.name): one for one in files}
        listed.file_names = frozenset(one.name for one in files)
        _list_proofs(gate, listed, tasks, readers)
    _keep_what_is_known(gate, listed, workspace, specs, listed_at)
    return listed


def _beside(
    readers: ThreadPoolExecutor, read: Callable[P, V], /, *arguments: P.args, **named: P.kwargs
) -> Future[V]:
    """Begin a reading in another thread, in a copy of this context: it holds what sessions may do."""
    context = copy_context()
    return readers.submit(lambda: context.run(read, *arguments, **named))


def _list_proofs(
    gate: Gate, listed: ListedWorkspace, specs: Sequence[DataSourceSpec], readers: ThreadPoolExecutor
) -> None:
    """Nodes, and of each node that may be proven its newest successful instance, for tasks that are ours."""
    assert listed.workspace is not None
    candidates = {
        file.node
        for file in (listed.file_of(spec) for spec in specs if spec.sync_task and spec.sync_task.run)
        if file is not None and file.node and file.committed and file.description.startswith(MARK)
    }
    if not candidates:
        return
    workspace = listed.workspace.id
    for environment in listed.workspace.environments:
        reading = _beside(readers, sync_tasks.list_nodes, gate, workspace, environment.name)
        listed.succeeded[environment] = _newest_successes(gate, workspace, environment.name, candidates)
        listed.nodes[environment] = {one.node: one for one in reading.result()}


def _newest_successes(gate: Gate, workspace: int, environment: str, nodes: set[int]) -> dict[int, Instance]:
    found: dict[int, Instance] = {}
    enough = 1 + _INSTANCE_PAGES_FACTOR * (1 + len(nodes) // DATAWORKS_PAGE_ITEMS)
    for instance in runs.newest_instances(
        gate, workspace, environment, min(enough, DATAWORKS_PAGE_NUMBER_MAXIMUM)
    ):
        if instance.node in nodes and instance.succeeded:
            found.setdefault(instance.node, instance)
            if len(found) == len(nodes):
                break
    return found


def _keep_what_is_known(
    gate: Gate, listed: ListedWorkspace, workspace: int, specs: Sequence[DataSourceSpec], listed_at: float
) -> None:
    assert listed.workspace is not None
    if gate.shared is None:
        return
    facts: dict[object, object] = {
        source_key(workspace, name, environment): listed.sources.get((name, environment))
        for name in _names(specs)
        for environment in listed.workspace.environments
    }
    facts |= {
        sync_tasks.sync_task_key(workspace, spec.sync_task.folder, spec.sync_task.name): None
        for spec in specs
        if spec.sync_task is not None and listed.task_is_absent(spec)
    }
    gate.shared.learn(facts, listed_at)


def _names(specs: Iterable[DataSourceSpec]) -> Iterator[str]:
    for spec in specs:
        yield spec.name
        if spec.sync_task is not None:
            yield spec.sync_task.counterpart


def proven(
    spec: DataSourceSpec, listed: ListedWorkspace, environments: Sequence[Environment], description: str
) -> Mapping[Environment, Instance] | None:
    """The instances that prove the sync task in each environment, by what listings show; None: they do not show it.

    Nobody has edited the file since its description was written, the description says what is wanted, the nodes have
    the file's version, and an instance that began after all that has succeeded.
    """
    assert spec.sync_task is not None
    file = listed.file_of(spec)
    if not spec.sync_task.run or file is None or not file.committed or file.description != description:
        return None
    found: dict[Environment, Instance] = {}
    for environment in environments:
        node = listed.nodes.get(environment, {}).get(file.node)
        instance = listed.succeeded.get(environment, {}).get(file.node)
        if node is None or instance is None or node.version != file.version:
            return None
        if instance.created_ms < max(file.edited_ms, node.deployed_ms):
            return None
        date = spec.sync_task.business_date
        if date is not None and scheduler_time(instance.business_date_ms / 1000).date() != date:
            return None
        found[environment] = instance
    return found


def read_folders(gate: Gate, specs: Iterable[DataSourceSpec]) -> dict[tuple[int, str], tuple[bool, bool]]:
    """Workflow and folder of each sync task, once each: whether they exist, by workspace and folder."""
    wanted = dict.fromkeys(
        (spec.workspace, spec.sync_task.folder) for spec in specs if spec.sync_task is not None
    )
    found: dict[tuple[int, str], tuple[bool, bool]] = {}
    for workspace, folder in wanted:
        listed_at = gate.clock.now()
        _, workflow, *rest = folder.split("/")
        has_workflow = sync_tasks.workflow_exists(gate, workspace, workflow)
        has_folder = len(rest) < 2 or (has_workflow and sync_tasks.folder_exists(gate, workspace, folder))
        found[workspace, folder] = has_workflow, has_folder
        if gate.shared is not None:
            keys = {
                sync_tasks.workflow_key(workspace, workflow): has_workflow,
                sync_tasks.folder_key(workspace, folder): has_folder,
            }
            gate.shared.learn(keys, listed_at)
    return found

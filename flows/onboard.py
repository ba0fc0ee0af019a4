"""The flow that onboards one data source: five steps, from the role to the proven run."""

from __future__ import annotations

from typing import Any, TypeVar, cast

from prefect import flow
from prefect.futures import PrefectFuture, wait
from prefect.runtime import flow_run
from prefect.states import Failed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from cloud.errors import OnboardingError
from config.sources.base import Environment
from config.spec import DataSourceSpec
from flows.artifacts import Progress, publish_matrix, publish_summary
from flows.report import Failure, OnboardingReport
from tasks.connection import gate_for
from tasks.connectivity import check_connectivity, judge_connectivity
from tasks.data_source import DataSourceReady, add_data_source
from tasks.options import ended
from tasks.outcome import Outcome, StepReport
from tasks.pass_role import Granted, grant_pass_role
from tasks.role import RoleReady, create_role
from tasks.run import run_sync_task
from tasks.sync_task import (
    SyncTaskReady,
    create_sync_task,
    deploy_sync_task,
    schedule_sync_task,
    submit_sync_task,
)
from tasks.workspace import Facts, read_workspace

T = TypeVar("T")
_CONNECTIVITY_TESTS_AT_ONCE = 4
# Prefect's runner is generic in a future type that is invariant there; the flow wants the base class's.
_RUNNER = cast(TaskRunner[Any], ThreadPoolTaskRunner(max_workers=_CONNECTIVITY_TESTS_AT_ONCE))
_PARTS = 8  # of the progress bar: reading, five steps, of which 3 and 4 count twice


def _run_name() -> str:
    """``onboard <data source> in <workspace>``."""
    spec: Any = flow_run.parameters.get("spec")
    if isinstance(spec, dict):
        return f"onboard {spec.get('name')} in {spec.get('workspace')}"
    return f"onboard {spec.name} in {spec.workspace}"


def _later(future: PrefectFuture[T]) -> T:
    """The future, typed as its result: a task that is given a future gets its result, and the graph gets an edge."""
    return cast(T, future)


class _Onboarding:
    """One run: keeps the report and knows at which step it is."""

    def __init__(self, spec: DataSourceSpec) -> None:
        self.spec = spec
        self.report = OnboardingReport(spec.name, spec.workspace, spec.region, spec.type)
        self.progress = Progress(f"Onboarding {spec.name}", _PARTS)
        self.at = 0

    def run(self) -> None:
        """All steps in order; the first error ends it, and the steps after it do not start.

        Futures are handed on, not their results: that is what draws the edges of the run graph.
        """
        facts = read_workspace.submit(self.spec)
        self.report.callers = dict(facts.result().callers)
        self.progress.advance()
        self.at = 1
        role = create_role.submit(self.spec, _later(facts))
        self._done(role.result().report)
        self.at = 2
        granted = grant_pass_role.submit(self.spec, _later(facts), _later(role))
        self._done(granted.result().report)
        self.at = 3
        sources = self._data_sources(facts.result(), role, granted)
        matrix = self._connectivity(sources)
        self.at = 4
        ready = self._sync_task(facts, matrix)
        self.at = 5
        self._runs(role, granted, sources, ready)

    def _done(self, report: StepReport) -> None:
        self.report.steps.append(report)
        self.progress.advance()

    def _data_sources(
        self, facts: Facts, role: PrefectFuture[RoleReady], granted: PrefectFuture[Granted]
    ) -> dict[Environment, PrefectFuture[DataSourceReady]]:
        sources: dict[Environment, PrefectFuture[DataSourceReady]] = {}
        for environment in facts.environments:
            sources[environment] = add_data_source.submit(
                self.spec, environment, _later(role), _later(granted)
            )
            self.report.steps.append(sources[environment].result().report)
        self.progress.advance()
        return sources

    def _connectivity(self, sources: dict[Environment, PrefectFuture[DataSourceReady]]) -> PrefectFuture[str]:
        futures = [
            check_connectivity.submit(self.spec, environment, group, _later(source))
            for environment, source in sources.items()
            for group in self.spec.resource_groups
        ]
        wait(futures)
        self.report.matrix.extend(future.result() for future in futures)
        publish_matrix(self.report)
        matrix = judge_connectivity.submit(self.spec, [_later(future) for future in futures])
        matrix.result()
        self.progress.advance()
        return matrix

    def _sync_task(
        self, facts: PrefectFuture[Facts], matrix: PrefectFuture[str]
    ) -> PrefectFuture[SyncTaskReady] | None:
        wanted = self.spec.sync_task
        if wanted is None:
            self.report.steps.append(
                StepReport(4, "sync task", "", Outcome.SKIPPED, "the specification has none")
            )
            self.progress.advance(2)
            return None
        created = create_sync_task.submit(self.spec, _later(matrix))
        created.result()
        scheduled = schedule_sync_task.submit(self.spec, _later(facts), _later(created))
        scheduled.result()
        self.progress.advance()
        submitted = submit_sync_task.submit(self.spec, _later(facts), _later(scheduled))
        submitted.result()
        deployed = deploy_sync_task.submit(self.spec, _later(facts), _later(submitted))
        ready = deployed.result()
        where = f"file {ready.task.file}, node {ready.task.node}, version {ready.task.version}"
        self._done(ready.report(wanted, where))
        return deployed

    def _runs(
        self,
        role: PrefectFuture[RoleReady],
        granted: PrefectFuture[Granted],
        sources: dict[Environment, PrefectFuture[DataSourceReady]],
        ready: PrefectFuture[SyncTaskReady] | None,
    ) -> None:
        if ready is None or self.spec.sync_task is None or not self.spec.sync_task.run:
            reason = (
                "the specification has no sync task" if ready is None else "the specification says run: false"
            )
            self._done(StepReport(5, "sync run", "", Outcome.SKIPPED, reason))
            return
        for environment, source in sources.items():
            proof = run_sync_task.submit(
                self.spec, environment, _later(role), _later(granted), _later(source), _later(ready)
            ).result()
            self.report.proofs.append(proof)
            self.report.steps.append(proof.report)
        self.progress.advance()


@flow(
    name="onboard data source",
    flow_run_name=_run_name,
    task_runner=_RUNNER,
    persist_result=False,
)
def onboard_data_source(spec: DataSourceSpec) -> OnboardingReport:
    """Take one data source through all five steps; a second run of the same specification writes nothing.

    Args:
        spec: the data source, its role, grantees, resource groups and sync task.

    Returns:
        A completed state with the report; a failed one, with the report and a message that names the object,
        who can fix it and how, when a step cannot be completed.
    """
    gate = gate_for(spec.region)
    onboarding = _Onboarding(spec)
    report = onboarding.report
    try:
        onboarding.run()
    except OnboardingError as error:
        report.failure = Failure.of(onboarding.at, error)
        message = f"step {onboarding.at} failed: {error}"
    else:
        message = f"{report.outcome.value}: {spec.name} in workspace {spec.workspace}"
        if report.records:
            message += f", {report.records}"
    report.calls = {product: gate.journal.total(product) for product in ("ram", "sts", "dataworks")}
    publish_summary(report)
    if report.failure is not None:
        # Prefect unwraps a returned state; see tasks.options.ended.
        return cast(OnboardingReport, Failed(message=message, data=report))
    return ended(message, report)

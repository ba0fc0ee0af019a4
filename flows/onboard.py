"""The flow that onboards one data source: five steps, from the role to the proven run."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar, cast

from prefect import flow
from prefect.futures import PrefectFuture, wait
from prefect.runtime import flow_run
from prefect.states import Completed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner

from cloud.errors import OnboardingError
from cloud.gate import Gate
from config.forms import ApprovalTimeout, Blocks, Mode, PlanHash, SpecificationForm, titled
from config.sources.base import Environment
from config.spec import DataSourceSpec
from flows.approval import NotApproved, ask_for_approval
from flows.artifacts import Progress, artifact_key, publish_matrix, publish_plan, publish_summary
from flows.events import approval_needed, plan_ready, source_ended
from flows.metrics import record_run
from flows.report import Failure, OnboardingReport
from flows.result import publish_result
from flows.stopping import ends_with_its_call
from flows.turn import Turn
from tasks.connection import gate_for, use_credentials
from tasks.connectivity import check_connectivity, judge_connectivity
from tasks.data_source import DataSourceReady, add_data_source
from tasks.deploying import deploy_sync_task, submit_sync_task
from tasks.options import ended, failed
from tasks.outcome import Outcome, StepReport
from tasks.pass_role import Granted, grant_pass_role
from tasks.planning import require_same
from tasks.preflight import PreflightBlocked, check_preflight, hand_on_facts
from tasks.role import RoleReady, create_role
from tasks.run import run_sync_task
from tasks.sync_task import SyncTaskReady, create_sync_task, schedule_sync_task
from tasks.workspace import Facts

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

    def __init__(
        self, spec: DataSourceSpec, mode: Mode, approved_plan: str | None, approval_timeout: int | None
    ) -> None:
        self.spec = spec
        self.mode = mode
        self.approved_plan = approved_plan
        self.approval_timeout = approval_timeout
        self.report = OnboardingReport(spec.name, spec.workspace, spec.region, spec.type)
        key = artifact_key("progress", spec.workspace, spec.name)
        self.progress = Progress(f"Onboarding {spec.name}", _PARTS, key)
        self.turn = Turn(spec)
        self.at = 0

    def run(self) -> None:
        """All steps in order; the first error ends it, and the steps after it do not start.

        Futures are handed on, not their results: that is what draws the edges of the run graph.
        """
        gate = gate_for(self.spec.region)
        if self.mode == "plan":
            with ends_with_its_call(gate):
                self._preflight()
            return
        with self.turn, ends_with_its_call(gate):
            self._apply()

    def _apply(self) -> None:
        facts = self._preflight()
        self._begin(1)
        role = create_role.submit(self.spec, _later(facts))
        self._done(role.result().report)
        self._begin(2)
        granted = grant_pass_role.submit(self.spec, _later(facts), _later(role))
        self._done(granted.result().report)
        self._begin(3)
        sources = self._data_sources(facts.result(), role, granted)
        matrix = self._connectivity(sources)
        self._begin(4)
        ready = self._sync_task(facts, role, sources, matrix)
        self._begin(5)
        self._runs(role, granted, sources, ready)

    def _preflight(self) -> PrefectFuture[Facts]:
        """Everything is read, checked and planned; approval, when it is asked for. Nothing is written before."""
        preflight = check_preflight.submit(self.spec)
        seen = preflight.result()
        plan = seen.plan
        if plan is None:
            raise AssertionError("preflight that does not block has a plan")
        facts = hand_on_facts.submit(self.spec, _later(preflight))
        self.report.findings, self.report.plan = seen.findings, plan
        self.report.callers = dict(facts.result().callers)
        publish_plan(plan)
        plan_ready(plan, self.spec.region)
        if self.approved_plan is not None:
            require_same(plan, self.approved_plan)
        elif self.approval_timeout is not None and self.mode == "apply" and not plan.empty:
            approval_needed(plan, self.spec.region, self.approval_timeout)
            with self.turn.left():
                ask_for_approval(plan, self.approval_timeout)
        self.progress.advance()
        return facts

    def _begin(self, step: int) -> None:
        """Raises :class:`cloud.errors.Mismatch` when another run has taken over."""
        self.turn.require()
        self.at = step

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
        self,
        facts: PrefectFuture[Facts],
        role: PrefectFuture[RoleReady],
        sources: dict[Environment, PrefectFuture[DataSourceReady]],
        matrix: PrefectFuture[str],
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
        scheduled = schedule_sync_task.submit(
            self.spec, _later(facts), _later(role), [_later(one) for one in sources.values()], _later(created)
        )
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
def onboard_data_source(
    spec: Annotated[SpecificationForm, titled("Data source")],
    mode: Annotated[Mode, titled("Plan or apply")] = "apply",
    approved_plan: Annotated[PlanHash, titled("Approved plan")] = None,
    require_approval: Annotated[bool, titled("Ask for approval")] = False,
    approval_timeout: Annotated[ApprovalTimeout, titled("Wait for approval, in seconds")] = 86_400,
    credentials: Annotated[Blocks, titled("Credentials")] = None,
) -> OnboardingReport:
    """Take one data source through all five steps; a second run of the same specification writes nothing.

    Args:
        spec: What to onboard: choose the type of the source, and fill in its form.
        mode: plan shows what would change and writes nothing; apply carries it out. A second apply writes nothing.
        approved_plan: Carry out only the plan of this hash, as an earlier run with "plan" has shown it; anything else
            is refused. Example: 3f2a91c0b7d4-5e6f70819a2b-c3d4e5f60718
        require_approval: Pause when the plan is there, until somebody approves its hash: on the page of the run, in the menu
            at the right of its name, Resume. Example: true
        approval_timeout: How long to wait for an approval, from 60 to 604800; then the run ends and nothing is written.
            Example: 86400 (a day)
        credentials: With whose credentials the calls are made. Without, those of the worker's settings.

    Returns:
        A completed state with the report; a failed one, with the report and a message that names the object,
        who can fix it and how, when a step cannot be completed; a completed one named Rejected or Expired when the
        plan was not approved.
    """
    blocks: dict[str, str] = {str(persona): block for persona, block in (credentials or {}).items()}
    with use_credentials(blocks, spec.region):
        gate = gate_for(spec.region)
        timeout = approval_timeout if require_approval else None
        onboarding = _Onboarding(spec, mode, approved_plan, timeout)
        ended_run = _finish(gate, onboarding, _attempt(onboarding))
        source_ended(onboarding.report)
        record_run(onboarding.report, gate.settings.metrics_file, gate.journal)
        return ended_run


def _attempt(onboarding: _Onboarding) -> NotApproved | OnboardingError | None:
    """Run, and catch what ends an onboarding in order. Anything else is a fault of the program and fails the run."""
    try:
        onboarding.run()
    except (NotApproved, OnboardingError) as ending:
        return ending
    return None


def _finish(
    gate: Gate, onboarding: _Onboarding, ending: NotApproved | OnboardingError | None
) -> OnboardingReport:
    """The report, its artifacts and the final state."""
    report, spec = onboarding.report, onboarding.spec
    report.calls = {product: gate.journal.total(product) for product in ("ram", "sts", "dataworks")}
    if isinstance(ending, NotApproved):
        report.not_approved = str(ending)
    if isinstance(ending, OnboardingError):
        report.failure = Failure.of(onboarding.at, ending)
    if isinstance(ending, PreflightBlocked):
        report.findings = ending.findings
    publish_result(report)
    if isinstance(ending, NotApproved):
        return cast(OnboardingReport, Completed(name=ending.name, message=str(ending), data=report))
    if isinstance(ending, OnboardingError):
        publish_summary(report)
        where = f"step {onboarding.at}" if onboarding.at else "preflight"
        return failed(f"{where} failed: {ending}", report)
    if onboarding.mode == "plan":
        assert report.plan is not None
        return ended(f"plan {report.plan.hash}: {len(report.plan.changes)} changes", report)
    publish_summary(report)
    message = f"{report.outcome.value}: {spec.name} in workspace {spec.workspace}"
    return ended(f"{message}, {report.records}" if report.records else message, report)

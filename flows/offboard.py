"""The flows that take data sources back: one, or every row of a CSV file.

What still uses a data source refuses it; what others share shrinks by its share only; every deletion is read back.
Nothing deletes data: no bucket, table, Logstore or object is touched.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, cast

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.runtime import flow_run
from prefect.states import Completed
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner
from pydantic import Field

from cloud.errors import OnboardingError
from cloud.gate import Gate
from config.csv_file import Row, read_rows
from config.csv_place import shown_place
from config.forms import ApprovalTimeout, Blocks, Mode, PlanHash, SpecificationForm, titled
from config.limits import DATAWORKS, RAM, STS
from flows.approval import NotApproved, ask_for_approval
from flows.artifacts import Progress, artifact_key, plan_markdown
from flows.bulk_brakes import Brakes
from flows.events import approval_needed, offboarding_ended, plan_ready
from flows.offboard_report import Ending, OffboardingReport, SourceReport, markdown
from flows.offboard_run import AT_ONCE, RegionRun
from flows.result import publish_data
from flows.stopping import ends_with_its_call
from tasks.connection import gate_for, use_credentials, use_gate
from tasks.offboarding.choices import Choices
from tasks.offboarding.steps import check_offboarding
from tasks.options import ended, failed
from tasks.planning import Plan, digest, require_same

Count = Annotated[int, Field(ge=0)]
# As in flows.onboard: Prefect's runner is generic in a future type that is invariant there.
_RUNNER = cast(TaskRunner[Any], ThreadPoolTaskRunner(max_workers=AT_ONCE))


def _run_name() -> str:
    """``offboard <data source> in <workspace>``, ``offboard <file>``; ``quarantine …`` when that is all."""
    parameters: dict[str, Any] = dict(flow_run.parameters)
    what = "quarantine" if parameters.get("quarantine") else "offboard"
    spec = parameters.get("spec")
    if spec is None:
        return f"{what} {Path(shown_place(str(parameters.get('source')))).name}"
    name, workspace = (
        (spec["name"], spec["workspace"]) if isinstance(spec, dict) else (spec.name, spec.workspace)
    )
    return f"{what} {name} in {workspace}"


@flow(name="offboard data source", flow_run_name=_run_name, task_runner=_RUNNER, persist_result=False)
def offboard_data_source(
    spec: Annotated[SpecificationForm, titled("Data source")],
    mode: Annotated[Mode, titled("Plan or apply")] = "plan",
    quarantine: Annotated[bool, titled("Quarantine only")] = False,
    delete_adopted: Annotated[bool, titled("Delete what was adopted")] = False,
    approved_plan: Annotated[PlanHash, titled("Approved plan")] = None,
    require_approval: Annotated[bool, titled("Ask for approval")] = False,
    approval_timeout: Annotated[ApprovalTimeout, titled("Wait for approval, in seconds")] = 86_400,
    credentials: Annotated[Blocks, titled("Credentials")] = None,
) -> OffboardingReport:
    """Take one data source back, with everything that onboarding made for it; a second run writes nothing.

    Args:
        spec: The specification it was onboarded with.
        mode: plan shows what would go and writes nothing; apply carries it out.
        quarantine: Remove the grants and keep everything else; onboarding again ends it.
        delete_adopted: Delete what others have made and the specification took over (role.adopt), too.
        approved_plan: Carry out only the plan of this hash; anything else is refused.
            Example: 3f2a91c0b7d4-5e6f70819a2b-c3d4e5f60718
        require_approval: Pause when the plan is there, until somebody approves its hash in this page. Example: true
        approval_timeout: How long to wait for an approval, from 60 to 604800. Example: 86400 (a day)
        credentials: With whose credentials the calls are made. Without, those of the worker's settings.

    Returns:
        A completed state with the report; a failed one, with the report, when something still uses the data source, or a
        step cannot be completed.
    """
    report = OffboardingReport(spec.name, Choices(quarantine, delete_adopted), mode)
    timeout = approval_timeout if require_approval else None
    return _carry_out([Row(0, spec)], report, Brakes(), credentials, approved_plan, timeout)


@flow(name="offboard from CSV", flow_run_name=_run_name, task_runner=_RUNNER, persist_result=False)
def offboard_from_csv(
    source: Annotated[str, titled("CSV file")],
    defaults: Annotated[str | dict[str, Any] | None, titled("Defaults")] = None,
    mode: Annotated[Mode, titled("Plan or apply")] = "plan",
    quarantine: Annotated[bool, titled("Quarantine only")] = False,
    delete_adopted: Annotated[bool, titled("Delete what was adopted")] = False,
    max_changes: Annotated[Count | None, titled("At most so many data sources")] = None,
    max_failures: Annotated[Count | None, titled("Stop after so many failures")] = None,
    approved_plan: Annotated[PlanHash, titled("Approved plan")] = None,
    credentials: Annotated[Blocks, titled("Credentials")] = None,
) -> OffboardingReport:
    """Take back every data source of a CSV file. Started again with the same file, it goes on where it ended.

    Args:
        source: path or URL of the CSV file they were onboarded with.
        defaults: values for empty cells: a mapping, or the path or URL of a YAML file.
        mode: plan shows what would go and writes nothing; apply carries it out.
        quarantine: Remove the grants and keep everything else; onboarding again ends it.
        delete_adopted: Delete what others have made and a specification took over, too.
        max_changes: stop before the first write when more data sources would change.
        max_failures: begin nothing more when so many have failed.
        approved_plan: hash of the only plan that may be carried out; anything else is refused.
        credentials: With whose credentials the calls are made. Without, those of the worker's settings.

    Returns:
        A completed state with the report when everything is gone; a failed one, with the report, otherwise. Raises
        :class:`config.csv_problems.CsvInvalid` for a file that cannot be used, before anything is asked.
    """
    rows = read_rows(source, defaults=defaults).require_valid().rows
    report = OffboardingReport(shown_place(source), Choices(quarantine, delete_adopted), mode)
    return _carry_out(list(rows), report, Brakes(max_failures, max_changes), credentials, approved_plan, None)


def _carry_out(
    rows: Sequence[Row],
    report: OffboardingReport,
    brakes: Brakes,
    credentials: Mapping[Any, str] | None,
    approved_plan: str | None,
    approval_timeout: int | None,
) -> OffboardingReport:
    """All regions are planned before the first write; the report is told whatever happens."""
    blocks: dict[str, str] = {str(persona): block for persona, block in (credentials or {}).items()}
    report.rows = [SourceReport(row.spec, row.number) for row in rows]
    regions: dict[str, list[Row]] = {}
    for row in rows:
        regions.setdefault(row.spec.region, []).append(row)
    progress = Progress(
        f"Offboarding {report.source}",
        len(rows) + 1,
        artifact_key("offboarding-progress", 0, _key(report)),
    )
    try:
        runs = [
            _planned(region, members, report, brakes, blocks, progress) for region, members in regions.items()
        ]
        report.plan = _whole(report, rows, runs)
        _tell(report, rows)
        progress.advance()
        if approved_plan is not None:
            require_same(report.plan, approved_plan)
        touched = sum(len(run.plan.touched) for run in runs)
        report.stop = brakes.before(touched, len(rows))
        if report.mode == "apply" and report.stop is None:
            if approval_timeout is not None and not report.plan.empty and approved_plan is None:
                approval_needed(report.plan, rows[0].spec.region, approval_timeout)
                ask_for_approval(report.plan, approval_timeout)
            for run in runs:
                with _gate(run.region, blocks, report) as gate:
                    run.apply(gate)
    except NotApproved as ending:
        report.not_approved, report.not_approved_as = str(ending), ending.name
    except OnboardingError as error:
        report.failure = error
    return _finish(report)


@contextmanager
def _gate(region: str, blocks: dict[str, str], report: OffboardingReport) -> Iterator[Gate]:
    """A gate that shares no reads with onboardings of this process: what they listed may be some minutes old."""
    with use_credentials(blocks, region):
        present = gate_for(region)
        fresh = Gate(present.settings, region, present.clock)
        before = dict(report.calls)
        try:
            with use_gate(fresh):
                yield fresh
        finally:
            made = {product: fresh.journal.total(product) for product in (RAM, STS, DATAWORKS)}
            report.calls = {product: before.get(product, 0) + count for product, count in made.items()}


def _planned(
    region: str,
    rows: Sequence[Row],
    report: OffboardingReport,
    brakes: Brakes,
    blocks: dict[str, str],
    progress: Progress,
) -> RegionRun:
    with _gate(region, blocks, report) as gate, ends_with_its_call(gate):
        specs = [row.spec for row in rows]
        # Submitted, not called: a called task returns its state, which the future unwraps.
        plan = check_offboarding.submit(report.source, specs, report.choices).result()
    report.callers = dict(plan.callers.names)
    run = RegionRun(region, plan, report, brakes, progress.advance)
    run.tell_plan()
    return run


def _whole(report: OffboardingReport, rows: Sequence[Row], runs: Sequence[RegionRun]) -> Plan:
    """One plan for all regions, which is what a person approves."""
    workspaces = {row.spec.workspace for row in rows}
    workspace = workspaces.pop() if len(workspaces) == 1 else 0
    plans = [run.plan.as_plan(report.source, workspace) for run in runs]
    if len(plans) == 1:
        return plans[0]
    return Plan(
        data_source=report.source,
        workspace=workspace,
        specification=digest([plan.specification for plan in plans]),
        readings={name: value for plan in plans for name, value in plan.readings.items()},
        changes=tuple(change for plan in plans for change in plan.changes),
        calls={
            product: sum(plan.calls.get(product, 0) for plan in plans) for product in (RAM, STS, DATAWORKS)
        },
        notes=tuple(dict.fromkeys(note for plan in plans for note in plan.notes)),
    )


def _tell(report: OffboardingReport, rows: Sequence[Row]) -> None:
    """The plan as an artifact and an event."""
    plan = report.plan
    assert plan is not None
    create_markdown_artifact(
        key=artifact_key("offboarding-plan", plan.workspace, _key(report)),
        description=f"What offboarding {report.source} would take away",
        markdown=plan_markdown(plan),
    )
    plan_ready(plan, rows[0].spec.region if rows else "")


def _key(report: OffboardingReport) -> str:
    """Of a file its name, whatever folder it is in."""
    return Path(report.source).name


def _finish(report: OffboardingReport) -> OffboardingReport:
    """Artifacts, events and the final state."""
    workspace = report.plan.workspace if report.plan is not None else 0
    create_markdown_artifact(
        key=artifact_key("offboarding", workspace, _key(report)),
        description=f"Offboarding of {report.source}",
        markdown=markdown(report),
    )
    publish_data(
        artifact_key("offboarding-result", workspace, _key(report)),
        f"Offboarding of {report.source}: the report for programs",
        report.to_json(),
    )
    if report.mode == "apply":
        offboarding_ended(report)
    if report.exit_code:
        return failed(report.headline, report)
    if report.not_approved:
        return cast(
            OffboardingReport, Completed(name=report.not_approved_as, message=report.headline, data=report)
        )
    return ended(_message(report), report)


def _message(report: OffboardingReport) -> str:
    if report.mode == "plan" and report.plan is not None:
        count = sum(row.ending is Ending.PLANNED for row in report.rows)
        return f"plan {report.plan.hash}: {len(report.plan.changes)} changes of {count} data sources"
    return report.headline

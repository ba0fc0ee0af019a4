"""Step 5 (executor): run the sync task once per environment and watch it to its end. The run is the proof.

A run is proven by its instance: terminal SUCCESS, not of a dry run, with records read and written from its log.
The run's name holds a fingerprint of everything it proves, so that a later apply finds the proof in the cloud and
does not run again, and runs again when something it proved has changed.
"""

from __future__ import annotations

from dataclasses import dataclass

from prefect import task

from cloud.dataworks import runs
from cloud.dataworks.runs import Instance
from cloud.errors import RunFailed
from cloud.gate import Gate
from cloud.waiting import poll
from config.personas import Persona
from config.run_failures import classify, last_error, records
from config.scheduler import scheduler_time
from config.sources.base import Environment
from config.spec import DataSourceSpec
from tasks.connection import step_gate
from tasks.data_source import DataSourceReady
from tasks.options import announce, completed, options
from tasks.outcome import Outcome, StepReport
from tasks.pass_role import Granted
from tasks.planning import Kind, PlannedChange
from tasks.proof import run_name
from tasks.role import RoleReady
from tasks.sync_task import SyncTaskReady

TITLE = "sync run"


@dataclass(frozen=True)
class Proof:
    """A successful run. Records are None where the log no longer says."""

    environment: Environment
    instance: int
    records_read: int | None
    records_written: int | None
    report: StepReport


def run_changes(
    spec: DataSourceSpec, environment: Environment, found: Instance | None
) -> tuple[PlannedChange, ...]:
    """A run, unless there is one that is under way or has succeeded."""
    if found is not None and (found.succeeded or not found.finished):
        return ()
    assert spec.sync_task is not None
    call = (
        "RestartInstance"
        if found
        else "RunCycleDagNodes"
        if environment is Environment.PROD
        else "RunSmokeTest"
    )
    subject = f"sync task {spec.sync_task.name} ({environment.name})"
    return (PlannedChange(5, Kind.RUN, subject, Persona.EXECUTOR, (f"dataworks:{call}",)),)


def ensure_run(
    gate: Gate,
    spec: DataSourceSpec,
    environment: Environment,
    role: RoleReady,
    granted: Granted,
    source: DataSourceReady,
    ready: SyncTaskReady,
) -> Proof:
    """Find the proof, or the run that is under way, or start one; then watch it.

    Raises :class:`RunFailed` with the reason from the log, :class:`TimedOut`, or a call's error.
    """
    assert spec.sync_task is not None
    where = environment.name
    name = run_name(spec, environment, role.role_id, source.content)
    subject = f"sync task {spec.sync_task.name} ({where})"
    node = ready.task.node
    found = runs.find_run(gate, spec.workspace, where, node, name)
    changes = run_changes(spec, environment, found)
    if found is None:
        today = scheduler_time(gate.clock.now()).date()
        date = spec.sync_task.business_date_on(today)
        started = runs.start_run(gate, spec.workspace, where, node, name, date)
        found = started.instance or _wait_for_instance(gate, spec, where, node, name, subject, started.dag)
    elif changes:
        found = runs.restart_instance(gate, found, where)
    while True:
        ended = _watch(gate, spec, found, where, subject)
        log = runs.instance_log(gate, ended.id, where)
        if ended.succeeded:
            return _proof(spec, environment, ended, log, name, changes)
        found = _again_or_fail(gate, spec, role, granted, ended, log, where, subject)


def _wait_for_instance(
    gate: Gate, spec: DataSourceSpec, where: str, node: int, name: str, subject: str, dag: int
) -> Instance:
    """The list of a fresh run may be empty for some seconds."""

    def look() -> Instance | None:
        if dag:
            return runs.instance_of_dag(gate, spec.workspace, where, node, dag)
        return runs.find_run(gate, spec.workspace, where, node, name)

    found = poll(
        gate,
        look,
        lambda instance: instance is not None,
        what=f"{subject}: the run's instance",
        subject=subject,
        timeout=gate.settings.run_timeout,
        announce=announce,
        describe=lambda _: "not listed yet",
        persona=Persona.EXECUTOR,
        paced=bool(dag),
    )
    assert found is not None
    return found


def _watch(gate: Gate, spec: DataSourceSpec, instance: Instance, where: str, subject: str) -> Instance:
    if instance.finished:
        return instance
    return poll(
        gate,
        lambda: runs.watch_instance(gate, spec.workspace, instance, where),
        lambda seen: seen.finished,
        what=f"{subject} running",
        subject=subject,
        timeout=gate.settings.run_timeout,
        announce=announce,
        describe=lambda seen: seen.status,
        persona=Persona.EXECUTOR,
        paced=True,
        remedy=f"look at instance {instance.id} in the Operation Center; applying again goes on watching it",
    )


def _again_or_fail(
    gate: Gate,
    spec: DataSourceSpec,
    role: RoleReady,
    granted: Granted,
    ended: Instance,
    log: str,
    where: str,
    subject: str,
) -> Instance:
    """Restart a run that failed on something not yet effective; raise :class:`RunFailed` for everything else."""
    if ended.dry_run:
        raise RunFailed(
            f"instance {ended.id} was a dry run, which proves nothing",
            subject=subject,
            persona=Persona.DEVELOPER,
            remedy="set the node's scheduling type to normal, then apply again",
        )
    reason = classify(log, spec.source_type.refusals)
    names = {
        "role": role.name,
        "executor": gate.caller_name(Persona.EXECUTOR) or "of the run",
        "data_source": spec.name,
    }
    elapsed = gate.clock.now() - granted.changed_at
    timeout = gate.settings.propagation_timeout
    if reason.spreads and elapsed < timeout:
        announce(
            f"{reason.what.format(**names)}; perhaps not yet effective, {elapsed:.0f} s of {timeout:.0f} s"
        )
        gate.clock.sleep(gate.settings.poll_interval_maximum)
        return runs.restart_instance(gate, ended, where)
    detail = last_error(log)
    raise RunFailed(
        f"instance {ended.id} failed: {reason.what.format(**names)}"
        + (f" (log: {detail})" if detail else ""),
        subject=subject,
        persona=reason.persona,
        remedy=reason.remedy.format(**names),
    )


def _proof(
    spec: DataSourceSpec,
    environment: Environment,
    ended: Instance,
    log: str,
    name: str,
    changes: tuple[PlannedChange, ...],
) -> Proof:
    assert spec.sync_task is not None
    counted = records(log)
    read, written = (("unknown" if n is None else str(n)) for n in (counted.read, counted.written))
    notes = (
        ("no record was read: check the reader's objects and the business date",) if counted.read == 0 else ()
    )
    return Proof(
        environment=environment,
        instance=ended.id,
        records_read=counted.read,
        records_written=counted.written,
        report=StepReport(
            number=5,
            title=TITLE,
            subject=f"sync task {spec.sync_task.name} ({environment.name})",
            outcome=Outcome.of(changes),
            reason=f"instance {ended.id} SUCCESS, {read} records read, {written} written",
            changes=changes,
            facts={
                "instance_id": str(ended.id),
                "run": name,
                "records_read": read,
                "records_written": written,
            },
            notes=notes,
        ),
    )


@task(
    **options(
        "5 run sync task",
        "5 run sync task of {spec.name} in {environment.name}",
        timeout=7200,
    )
)
def run_sync_task(
    spec: DataSourceSpec,
    environment: Environment,
    role: RoleReady,
    granted: Granted,
    source: DataSourceReady,
    ready: SyncTaskReady,
) -> Proof:
    """Prefect task of :func:`ensure_run`."""
    with step_gate(spec, 5) as gate:
        proof = ensure_run(gate, spec, environment, role, granted, source, ready)
    return completed(proof.report, proof)

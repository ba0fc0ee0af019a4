"""The flow that migrates data sources from an AccessKey to a role, in place: a workspace, some of it, or a file's rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, cast

from prefect import flow, task
from prefect.artifacts import create_markdown_artifact
from prefect.futures import wait
from prefect.runtime import flow_run
from prefect.task_runners import TaskRunner, ThreadPoolTaskRunner
from pydantic import Field

from cloud.errors import Mismatch, OnboardingError
from cloud.gate import Gate
from config.csv_file import read_rows
from config.csv_place import shown_place
from config.forms import Blocks, Mode, PlanHash, titled
from config.limits import DATAWORKS, RAM, STS
from config.personas import Persona
from config.settings import RollbackKey
from config.spec import DataSourceSpec
from flows.bulk_files import require_folder
from flows.migrate_report import MigrationReport, markdown, write_files
from flows.result import publish_data
from flows.stopping import ends_with_its_call
from tasks.connection import gate_for, use_credentials
from tasks.migration.carrying import Choices, Migration, run_all
from tasks.migration.found import Stage
from tasks.migration.item import Item
from tasks.migration.keys import RollbackKeys
from tasks.migration.limits import only_reading
from tasks.migration.plan import MigrationPlan, Wish, make_plan
from tasks.migration.result import Ending
from tasks.migration.unused import unused_keys
from tasks.options import announce, ended, failed, options
from tasks.planning import require_same

Runs = Annotated[int, Field(ge=0, le=100, description="Runs of each data source's tasks to watch.")]
Workspace = Annotated[int | None, Field(ge=1, description="A workspace's id.")]
SOURCES_AT_ONCE = 4
# Prefect's runner is generic in a future type that is invariant there; the flow wants the base class's.
_RUNNER = cast(TaskRunner[Any], ThreadPoolTaskRunner(max_workers=SOURCES_AT_ONCE))


def _run_name() -> str:
    """``migrate workspace <id>`` or ``migrate <file>``."""
    parameters = flow_run.parameters
    file = parameters.get("file")
    return f"migrate {shown_place(str(file))}" if file else f"migrate workspace {parameters.get('workspace')}"


def wish_of(
    region: str | None, workspace: int | None, only: Sequence[str], file: str | None, runs: int
) -> tuple[Wish, str]:
    """What is to be migrated, and its name in reports.

    Raises :class:`Mismatch` for neither or both of workspace and file, or a file of several regions, and
    ``config.csv_problems.CsvInvalid`` for a file with errors.
    """
    if (file is None) == (workspace is None):
        raise _bad("give a workspace or a file, one of them")
    if file is None:
        if region is None:
            raise _bad("give the region of the workspace")
        return Wish(region, workspace, tuple(only), (), runs), f"workspace {workspace}"
    specs: tuple[DataSourceSpec, ...] = tuple(row.spec for row in read_rows(file).require_valid().rows)
    regions = {spec.region for spec in specs} | ({region} if region else set())
    if len(regions) != 1:
        raise _bad(f"a migration is of one region, the file has {', '.join(sorted(regions)) or 'no rows'}")
    return Wish(regions.pop(), None, tuple(only), specs, runs), shown_place(file)


def _bad(what: str) -> Mismatch:
    return Mismatch(what, subject="parameters", persona=Persona.CREATOR, remedy="correct the parameters")


def keys_of(gate: Gate, blocks: Mapping[str, str]) -> RollbackKeys:
    """The keys of the settings, and those of credentials blocks. Raises ``config.credentials.BlockError``."""
    given = dict(gate.settings.rollback_keys)
    if blocks:
        from config.credentials import BlockError, load_identity

        for name, slug in blocks.items():
            identity = load_identity(slug)
            if identity.access_key_id is None or identity.access_key_secret is None:
                raise BlockError(f"the block {slug!r} holds no AccessKey to put data source {name} back with")
            given[name] = RollbackKey(
                access_key_id=identity.access_key_id, access_key_secret=identity.access_key_secret
            )
    return RollbackKeys(given)


@flow(name="migrate data sources", flow_run_name=_run_name, task_runner=_RUNNER, persist_result=False)
def migrate_sources(
    workspace: Annotated[Workspace, titled("Workspace")] = None,
    region: Annotated[str | None, titled("Region")] = None,
    only: Annotated[list[str] | None, titled("Only these data sources")] = None,
    file: Annotated[str | None, titled("CSV file")] = None,
    mode: Annotated[Mode, titled("Plan or apply")] = "plan",
    stage: Annotated[Stage, titled("Stop after")] = Stage.CLEAN,
    watch_runs: Annotated[Runs, titled("Runs to watch")] = 1,
    approved_plan: Annotated[PlanHash, titled("Approved plan")] = None,
    rollback: Annotated[dict[str, str] | None, titled("AccessKeys to put back with")] = None,
    output: Annotated[str | None, titled("Folder for specifications")] = None,
    credentials: Annotated[Blocks, titled("Credentials")] = None,
) -> MigrationReport:
    """Open data sources that hold an AccessKey with a role instead: same name, same id, tried before and watched after.

    Args:
        workspace: Every data source of this workspace that holds an AccessKey; or give a file.
        region: Region of the workspace.
        only: Names of data sources to take; without, all. Example: ["orders"]
        file: CSV file of specifications, a path or a URL, such as an earlier run has proposed and a person corrected.
        mode: plan shows what would be done and writes nothing; apply carries it out. A second apply goes on.
        stage: The last stage to carry out: inventory, propose, prepare, trial, switch, watch or clean.
        watch_runs: How many runs after the switch must succeed; one that fails puts the data source back.
        approved_plan: Carry out only the plan of this hash. Example: 3f2a91c0b7d4-5e6f70819a2b-c3d4e5f60718
        rollback: By data source (or AccessKey id), the credentials block with the key it can be put back with.
        output: Folder for the specifications and the report.
        credentials: With whose credentials the calls are made. Without, those of the worker's settings.

    Returns:
        A completed state with the report, or a failed one, with the report, when a data source needs a person.
    """
    blocks: dict[str, str] = {str(persona): block for persona, block in (credentials or {}).items()}
    try:
        wish, source = wish_of(region, workspace, only or [], file, watch_runs)
    except OnboardingError as error:
        report = MigrationReport(
            file or f"workspace {workspace}", region or "", stage, watch_runs, failure=error
        )
        return failed(str(error), report)
    if output is not None:
        require_folder(Path(output))
    with use_credentials(blocks, wish.region):
        gate = gate_for(wish.region)
        report = MigrationReport(source, wish.region, stage, watch_runs)
        keys = keys_of(gate, rollback or {})
        with ends_with_its_call(gate):
            try:
                _carry_out(gate, wish, report, keys, mode, approved_plan)
            except OnboardingError as error:
                report.failure = error
        report.calls = {product: gate.journal.total(product) for product in (RAM, STS, DATAWORKS)}
        return _finish(report, output)


def _carry_out(
    gate: Gate, wish: Wish, report: MigrationReport, keys: RollbackKeys, mode: Mode, approved_plan: str | None
) -> None:
    """Plan, then all stages. The tasks are made here: gate and keys hold secrets and are no parameters of theirs."""

    @task(**options("plan migration", "plan migration", timeout=3600))
    def plan_migration() -> str:
        with only_reading():
            plans.append(make_plan(gate, wish, keys))
        whole = plans[-1].whole
        return ended(f"plan {whole.hash}: {len(whole.changes)} changes", whole.hash)

    plans: list[MigrationPlan] = []
    plan_migration()
    plan = plans[-1]
    report.plan = plan.whole
    report.callers = plan.items[0].facts.callers if plan.items else {}
    if approved_plan is not None:
        require_same(plan.whole, approved_plan)
    migration = Migration(gate, plan, Choices(report.stage, wish.runs), keys)
    if mode == "plan" or not migration.choices.goes_on(Stage.PROPOSE):
        for item in migration.open:
            migration.end(
                item, Ending.PLANNED, Stage.PROPOSE, f"{_count(plan, item)} changes, nothing was written"
            )
    else:
        run_all(migration, _side_by_side(migration))
        _tell_unused(gate, migration, report)
    order = [(one.workspace, one.name) for one in plan.sources]
    report.results = tuple(migration.results[key] for key in order)


def _count(plan: MigrationPlan, item: Item) -> int:
    return next(len(one.changes) for one in plan.sources if one.item is item)


def _side_by_side(migration: Migration) -> Any:
    """Carry several data sources at a time, each as a Prefect task."""

    @task(**options("migrate data source", "migrate {name} of workspace {workspace}", timeout=6 * 3600))
    def migrate_source(name: str, workspace: int) -> str:
        item = next(one for one in migration.open if (one.workspace, one.name) == (workspace, name))
        migration.carry(item)
        result = migration.results.get((workspace, name))
        done = Stage.SWITCH if migration.choices.goes_on(Stage.TRIAL) else Stage.TRIAL
        return ended(f"{name}: {result.ending.value if result else f'{done.value} done'}", name)

    def carry(items: Sequence[Item]) -> None:
        futures = [migrate_source.submit(item.name, item.workspace) for item in items]
        wait(futures)
        for future in futures:
            future.result()

    return carry


def _tell_unused(gate: Gate, migration: Migration, report: MigrationReport) -> None:
    """AccessKeys of what is migrated that nothing uses any more. That they cannot be told fails no migration."""
    migrated = [
        one.item
        for one in migration.results.values()
        if one.ending is Ending.MIGRATED and one.item is not None
    ]
    try:
        report.unused = unused_keys(gate, migrated)
    except OnboardingError as error:
        report.unread = error.what
        announce(f"unused AccessKeys could not be told: {error}")


def _finish(report: MigrationReport, output: str | None) -> MigrationReport:
    """Files, artifacts and the final state."""
    if output is not None and report.failure is None:
        write_files(report, Path(output))
    key = "".join(sign if sign.isalnum() else "-" for sign in report.source.lower())
    create_markdown_artifact(
        key=f"migration-{key}", description=report.headline[:200], markdown=markdown(report)
    )
    publish_data(f"migration-result-{key}", "Migration: the report for programs", report.to_json())
    if report.outcome == "failed":
        return failed(report.headline, report)
    return ended(report.headline, report)

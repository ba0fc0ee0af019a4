"""The five steps without Prefect, on a local cloud: one function call a step, and a clock that never sleeps."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from cloud.gate import Gate
from config.load import parse_spec
from config.sources.base import Environment
from config.spec import DataSourceSpec
from emulator.cloud import LocalCloud
from emulator.faults import Fault
from emulator.journal import Entry
from emulator.server import RunningCloud
from tasks.connectivity import Cell, check_cell, judge
from tasks.data_source import DataSourceReady, ensure_data_source
from tasks.deploying import ensure_deployed, ensure_submitted
from tasks.options import listen
from tasks.outcome import Outcome
from tasks.pass_role import Granted, ensure_grant
from tasks.plan import compute_plan
from tasks.role import RoleReady, ensure_role
from tasks.run import Proof, ensure_run
from tasks.sync_task import SyncTaskReady, ensure_created, ensure_scheduled, proved_by
from tasks.workspace import Facts, read_facts
from tests.clock import LocalClock
from tests.settings import REGION, settings_per_persona

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "oss.yaml"
ROLE, POLICY = "DataWorks-10001-oss-orders", "DataWorks-10001-oss-orders-Access"
ALLOW_USE = "DataWorks-10001-oss-ordersAllowUse"
FULL_APPLY_WRITES = (
    "CreatePolicy", "CreateRole", "AttachPolicyToRole", "CreatePolicy", "AttachPolicyToGroup", "AttachPolicyToUser",
    "CreateDataSource", "CreateDataSource", "CreateBusiness", "CreateDISyncTask", "UpdateFile", "SubmitFile",
    "DeployFile", "RunSmokeTest", "RunCycleDagNodes",
)  # fmt: skip
"""The writing calls of a first apply of the example, in order."""


def example(**changes: Any) -> DataSourceSpec:
    """``examples/oss.yaml`` with changed fields; ``sync_task__x=…`` changes a field of the sync task."""
    mapping = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    for key, value in changes.items():
        place, _, name = key.rpartition("__")
        target = mapping[place] if place else mapping
        if value is None:
            target.pop(name, None)
        else:
            target[name] = value
    return parse_spec(mapping)


def sandbox_example(**changes: Any) -> DataSourceSpec:
    """The example in the basic workspace."""
    return example(workspace=10002, **changes)


def writing_example() -> DataSourceSpec:
    """A sync task the other way: from MaxCompute into the bucket."""
    return example(
        access="write",
        location={"bucket": "shop-orders", "prefix": "export/"},
        sync_task__reader={
            "type": "odps",
            "datasource": "odps_first",
            "table": "ods_orders",
            "partition": ["pt=${bizdate}"],
            "column": ["id", "customer", "amount"],
        },
        sync_task__writer={
            "object": "export/dt=${bizdate}/part",
            "writeMode": "truncate",
            "fileFormat": "csv",
        },
    )


@dataclass
class Applied:
    """What one apply handed on; a part is missing when the specification has none."""

    facts: Facts
    role: RoleReady
    granted: Granted
    sources: dict[Environment, DataSourceReady]
    matrix: list[Cell]
    sync_task: SyncTaskReady | None = None
    proofs: dict[Environment, Proof] = field(default_factory=dict)

    @property
    def outcomes(self) -> list[Outcome]:
        """Every task's outcome, in the order of the steps."""
        sources = [source.report.outcome for source in self.sources.values()]
        task = [Outcome.of(self.sync_task.changes)] if self.sync_task else []
        runs = [proof.report.outcome for proof in self.proofs.values()]
        return [self.role.report.outcome, self.granted.report.outcome, *sources, *task, *runs]


class Onboarding:
    """The steps of one specification as alice, carol, dave and erin, unless other people are named."""

    def __init__(self, local: RunningCloud, spec: DataSourceSpec | None = None, **settings: Any) -> None:
        self.local = local
        self.spec = spec or example()
        self.settings = settings_per_persona(local, **settings)
        self.clock = LocalClock(local.cloud)
        self.gate = Gate(self.settings, REGION, self.clock)
        self.said: list[str] = []

    # -- the steps -------------------------------------------------------------------------------------

    def facts(self) -> Facts:
        """Before step 1."""
        return read_facts(self.gate, self.spec)

    def plan(self) -> None:
        """Compute all changes; raises what a step would raise before its first write."""
        compute_plan(self.gate, self.spec, self.facts())

    def role(self) -> RoleReady:
        """Step 1."""
        return ensure_role(self.gate, self.spec)

    def grant(self, role: RoleReady) -> Granted:
        """Step 2."""
        return ensure_grant(self.gate, self.spec, self.local.cloud.state.account_id, role)

    def sources(self, facts: Facts, role: RoleReady, granted: Granted) -> dict[Environment, DataSourceReady]:
        """Step 3, the data sources."""
        return {
            environment: ensure_data_source(self.gate, self.spec, environment, role, granted)
            for environment in facts.environments
        }

    def matrix(self, facts: Facts) -> list[Cell]:
        """Step 3, the connectivity; raises when what is needed is not connected."""
        cells = [
            check_cell(self.gate, self.spec, environment, group)
            for environment in facts.environments
            for group in self.spec.resource_groups
        ]
        judge(self.spec, cells)
        return cells

    def sync_task(self, applied: Applied) -> SyncTaskReady:
        """Step 4."""
        facts, created = applied.facts, ensure_created(self.gate, self.spec)
        proved = proved_by(self.spec, facts, applied.role, applied.sources.values())
        ready = ensure_scheduled(self.gate, self.spec, facts, created, proved)
        return ensure_deployed(
            self.gate, self.spec, facts, ensure_submitted(self.gate, self.spec, facts, ready)
        )

    def run(self, applied: Applied) -> dict[Environment, Proof]:
        """Step 5."""
        assert applied.sync_task is not None
        return {
            environment: ensure_run(
                self.gate, self.spec, environment, applied.role, applied.granted, source, applied.sync_task
            )
            for environment, source in applied.sources.items()
        }

    def until_sources(self) -> Applied:
        """Steps 1 to 3."""
        facts = self.facts()
        role = self.role()
        granted = self.grant(role)
        sources = self.sources(facts, role, granted)
        return Applied(facts, role, granted, sources, self.matrix(facts))

    def until_sync_task(self) -> Applied:
        """Steps 1 to 4."""
        applied = self.until_sources()
        applied.sync_task = self.sync_task(applied)
        return applied

    def apply(self) -> Applied:
        """All steps that the specification asks for."""
        applied = self.until_sources()
        wanted = self.spec.sync_task
        if wanted is not None:
            applied.sync_task = self.sync_task(applied)
            if wanted.run:
                applied.proofs = self.run(applied)
        return applied

    # -- looking ---------------------------------------------------------------------------------------

    @contextmanager
    def listening(self) -> Iterator[list[str]]:
        """Collect what the steps announce."""
        listen(self.said.append)
        try:
            yield self.said
        finally:
            listen(None)

    @property
    def writes(self) -> list[str]:
        """The writing actions the local cloud has answered, in order."""
        return [entry.action for entry in self.local.cloud.journal.writes]

    def writes_of_apply(self) -> list[str]:
        """The writing actions of one more apply."""
        before = len(self.local.cloud.journal.writes)
        self.apply()
        return self.writes[before:]


def calls(local: RunningCloud, action: str) -> list[Entry]:
    """The calls of one action."""
    return [entry for entry in local.cloud.journal.entries if entry.action == action]


def add_fault(local: RunningCloud, **fields: Any) -> Fault:
    """Append a fault rule; returns it, with its hits to come."""
    rule = Fault.model_validate(fields)
    local.cloud.faults.rules.append(rule)
    return rule


def lose_answer(local: RunningCloud, action: str) -> Fault:
    """The action is carried out once, and its answer is lost."""
    return add_fault(local, action=action, when="after", effect="reset", times=1)


def outline(cloud: LocalCloud) -> dict[str, Any]:
    """Everything an onboarding makes, without ids and dates: two outlines are equal when the clouds mean the same."""
    ram, works = cloud.state.ram, cloud.state.dataworks
    role_names = {role.id: role.name for role in ram.roles.values()}
    nodes = {(node.id, node.environment): node for node in works.nodes}

    def content(text: str) -> dict[str, Any]:
        parsed: dict[str, Any] = json.loads(text)
        if parsed.get("authIdentity"):
            parsed["authIdentity"] = role_names[parsed["authIdentity"]]
        return parsed

    held = {
        "roles": {
            role.name: (json.loads(role.trust_policy), role.tags, sorted(one.policy for one in role.attachments))
            for role in ram.roles.values()
        },
        "policies": {
            policy.name: (json.loads(policy.default_version().document), policy.tags)
            for policy in ram.policies.values()
        },
        "people": {
            one.name: sorted(attachment.policy for attachment in one.attachments)
            for one in (*ram.users.values(), *ram.groups.values())
        },
        "data sources": sorted(
            (source.workspace, source.name, source.environment, json.dumps(content(source.content)), source.description)
            for source in works.data_sources
        ),
        "workflows": sorted((one.workspace, one.name) for one in works.businesses.values()),
        "folders": sorted((one.workspace, one.path) for one in works.folders.values()),
        "files": sorted(
            (
                file.workspace, file.folder, file.name, file.content, file.description, file.owner,
                file.di_resource_group, file.committed, file.scheduling.model_dump_json(),
            )
            for file in works.files.values()
        ),
        "nodes": sorted(
            (environment, node.name, node.content, node.scheduling.model_dump_json())
            for (_, environment), node in nodes.items()
        ),
        "deployments": sorted(
            (one.from_environment, one.to_environment, one.status) for one in works.deployments.values()
        ),
        "runs": sorted((one.environment, one.type) for one in works.dags.values()),
        "instances": sorted(
            (one.environment, one.node_name, one.status, one.records_read, one.records_written)
            for one in works.instances.values()
        ),
        "data": cloud.state.data.model_dump(),
    }  # fmt: skip
    return copy.deepcopy(held)

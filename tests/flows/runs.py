"""A flow run with everything Prefect's server knows about it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    FlowRunFilter,
    FlowRunFilterId,
    LogFilter,
    LogFilterFlowRunId,
)
from prefect.client.schemas.objects import Artifact, FlowRun, Log, State, TaskRun
from prefect.logging.handlers import APILogHandler

from cloud.gate import Gate
from config.spec import DataSourceSpec
from emulator.server import RunningCloud
from flows.onboard import onboard_data_source
from flows.report import OnboardingReport
from tasks.connection import use_gate
from tests.clock import LocalClock
from tests.settings import REGION, settings_per_persona

_RECORDING_SECONDS = 20.0


@dataclass(frozen=True)
class Ran:
    """One flow run as the server shows it, and its report."""

    state: State[Any]
    report: OnboardingReport
    flow_run: FlowRun
    task_runs: tuple[TaskRun, ...]
    artifacts: tuple[Artifact, ...]
    logs: tuple[Log, ...]

    @property
    def message(self) -> str:
        """The flow's final message."""
        return self.state.message or ""

    def task(self, start: str) -> TaskRun:
        """The only task run whose name starts so."""
        (found,) = [one for one in self.task_runs if one.name.startswith(start)]
        return found

    def artifact(self, start: str) -> Artifact:
        """The only artifact whose key starts so."""
        (found,) = [one for one in self.artifacts if (one.key or "").startswith(start)]
        return found

    @property
    def everything_told(self) -> str:
        """All that a reader of Prefect's UI or API can see of the run."""
        parts = [
            self.flow_run.model_dump_json(),
            self.state.model_dump_json(),
            *(one.message for one in self.logs),
        ]
        parts += [one.model_dump_json() for one in (*self.task_runs, *self.artifacts)]
        return "\n".join([*parts, repr(self.report)])


def run(
    local: RunningCloud, spec: DataSourceSpec, people: dict[str, str] | None = None, **parameters: Any
) -> Ran:
    """Run the flow in this process, with a clock that never sleeps."""
    gate = Gate(settings_per_persona(local, **(people or {})), REGION, LocalClock(local.cloud))
    with use_gate(gate):
        state: State[Any] = onboard_data_source(spec, return_state=True, **parameters)
    report = state.result(raise_on_failure=False)
    assert isinstance(report, OnboardingReport), report
    return look_up(state, report)


def _recorded(client: SyncPrefectClient, flow_run: UUID) -> tuple[TaskRun, ...]:
    """The task runs, once the server has recorded them all: their states travel as events, after the flow's own."""
    wanted = FlowRunFilter(id=FlowRunFilterId(any_=[flow_run]))
    ends = time.monotonic() + _RECORDING_SECONDS
    before = -1
    while True:
        found = tuple(client.read_task_runs(flow_run_filter=wanted))
        settled = len(found) == before and all(one.state and one.state.is_final() for one in found)
        if settled or time.monotonic() > ends:
            return found
        before = len(found)
        time.sleep(0.3)  # another process's work has no clock to inject


def look_up(state: State[Any], report: OnboardingReport) -> Ran:
    """What the server knows about the run of a final state."""
    APILogHandler().flush()
    identifier = state.state_details.flow_run_id
    assert identifier is not None
    with get_client(sync_client=True) as client:
        return Ran(
            state=state,
            report=report,
            flow_run=client.read_flow_run(identifier),
            task_runs=_recorded(client, identifier),
            artifacts=tuple(
                client.read_artifacts(
                    artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[identifier]))
                )
            ),
            logs=tuple(client.read_logs(LogFilter(flow_run_id=LogFilterFlowRunId(any_=[identifier])))),
        )

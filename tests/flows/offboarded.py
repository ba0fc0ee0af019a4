"""A flow run of an offboarding: its final state, its report, and the artifacts that the server keeps of it."""

from __future__ import annotations

from typing import Any

from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId
from prefect.client.schemas.objects import Artifact, State

from flows.offboard_report import OffboardingReport


class Seen:
    """One flow run."""

    def __init__(self, state: State[Any]) -> None:
        self.state = state
        report = state.result(raise_on_failure=False)
        assert isinstance(report, OffboardingReport), report
        self.report = report
        run = state.state_details.flow_run_id
        assert run is not None
        with get_client(sync_client=True) as client:
            self.artifacts = client.read_artifacts(
                artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run]))
            )

    def artifact(self, start: str, kind: str) -> Artifact:
        """The only artifact of a kind whose key starts so."""
        (found,) = [one for one in self.artifacts if (one.key or "").startswith(start) and one.type == kind]
        return found

    @property
    def endings(self) -> list[str]:
        """Of the data sources, in their order."""
        return [row.ending.value for row in self.report.rows]

"""The machine-readable result of an onboarding: one JSON artifact with a stable key, for other systems and for curl.

The artifact's type is ``result`` and its data is the report's mapping itself. Markdown and table artifacts keep text,
which a reader would have to parse a second time; a persisted result needs access to the worker's storage. Prefect's
page of a run does not list artifacts of this type: people read the summary, which says the same.

A run that crashes, is cancelled or never starts leaves no result; its state says why.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast
from uuid import UUID

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import ArtifactCreate
from prefect.client.schemas.filters import (
    ArtifactFilter,
    ArtifactFilterFlowRunId,
    ArtifactFilterKey,
    ArtifactFilterType,
)
from prefect.runtime import flow_run

from config.sources.base import Environment
from flows.artifacts import artifact_key
from flows.report import REPORT_VERSION, STEP_TITLES, Failure, OnboardingReport
from flows.report_parts import read_cell, read_finding, read_step
from tasks.outcome import Outcome, StepReport
from tasks.run import Proof

RESULT_TYPE = "result"
"""Type of the artifact, by which it is told from those for people."""
_RESULT_KEY = "onboarding-result-%"


class ResultInvalid(ValueError):
    """An artifact is no result of an onboarding, or one of a version that this release does not read."""


def publish_result(report: OnboardingReport) -> None:
    """Keep ``report.to_json()`` as the artifact ``onboarding-result-<workspace>-<data source>`` of the running flow.

    Its schema: docs/schemas/onboarding-report-1.json.
    """
    publish_data(
        artifact_key("result", report.workspace, report.data_source),
        f"Onboarding of {report.data_source}: the report for programs",
        report.to_json(),
    )


def publish_data(key: str, description: str, data: dict[str, Any]) -> None:
    """Keep a report for programs as an artifact of the running flow."""
    # Not through prefect.artifacts.Artifact: it makes a text of any mapping.
    with get_client(sync_client=True) as client:
        client.create_artifact(
            ArtifactCreate(
                type=RESULT_TYPE,
                key=key,
                description=description,
                data=data,
                flow_run_id=UUID(str(flow_run.id)),
            )
        )


def read_result(client: SyncPrefectClient, run_id: UUID) -> dict[str, Any] | None:
    """The result of one flow run; None when the run has left none (yet)."""
    found = client.read_artifacts(
        artifact_filter=ArtifactFilter(
            flow_run_id=ArtifactFilterFlowRunId(any_=[run_id]),
            key=ArtifactFilterKey(like_=_RESULT_KEY),
            type=ArtifactFilterType(any_=[RESULT_TYPE]),
        )
    )
    # A run that Prefect has repeated has one artifact for each attempt.
    newest = max(found, key=lambda artifact: str(artifact.created), default=None)
    return cast("dict[str, Any]", newest.data) if newest is not None else None


def report_of(result: object) -> OnboardingReport:
    """The report that a result tells of: one part a step; plan and changes stay in the result.

    Raises :class:`ResultInvalid`.
    """
    if not isinstance(result, Mapping):
        raise ResultInvalid("it is no mapping")
    version = result.get("version")
    if version != REPORT_VERSION:
        raise ResultInvalid(f"it has version {version!r}, and version {REPORT_VERSION} is read")
    try:
        steps = [read_step(part) for part in result["steps"]]
        return OnboardingReport(
            data_source=result["data_source"],
            workspace=result["workspace"],
            region=result["region"],
            type=result["type"],
            steps=steps,
            matrix=[read_cell(cell) for cell in result["connectivity"]],
            proofs=[_proof(run) for run in result["runs"]],
            callers=dict(result["callers"]),
            calls=dict(result["calls"]),
            failure=Failure(**result["failure"]) if result["failure"] else None,
            findings=tuple(read_finding(finding) for finding in result["findings"]),
            not_approved=result["not_approved"],
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ResultInvalid(f"it is damaged ({type(error).__name__}: {error})") from error


def _proof(raw: Mapping[str, Any]) -> Proof:
    report = StepReport(5, STEP_TITLES[5], "", Outcome(raw["outcome"]), "")
    environment = Environment[raw["environment"]]
    return Proof(environment, raw["instance_id"], raw["records_read"], raw["records_written"], report)

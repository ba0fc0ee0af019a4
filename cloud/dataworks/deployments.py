"""Deployments: a file's way to development and production. Source: SubmitFile, DeployFile, GetDeployment,
ListDeployments (2020-05-18). Made as the developer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cloud.dataworks.paging import pages
from cloud.dataworks.sync_tasks import SyncTask, get_sync_task
from cloud.ensure import LOOKS, write_once
from cloud.gate import Gate
from config.limits import DATAWORKS, DATAWORKS_PAGE_ITEMS
from config.personas import Persona

_AS = Persona.DEVELOPER
RUNNING, SUCCEEDED, FAILED = 0, 1, 2  # GetDeployment.Data.Deployment.Status
_CHECK_FAILED = 7
_RECENT_DEPLOYMENTS_PAGES = 3
_LOOKS_BY_LIST = (
    10  # a list does not tell that an extension refused a package: then it is asked for by itself
)


@dataclass(frozen=True)
class Deployment:
    """A package of one file on its way to development (1) or production (2)."""

    id: int
    status: int
    checking: int | None
    error: str
    to_environment: int
    files: Mapping[int, int]

    @property
    def running(self) -> bool:
        """Not at its end yet."""
        return self.status == RUNNING and not self.check_failed

    @property
    def succeeded(self) -> bool:
        """At its end, well."""
        return self.status == SUCCEEDED

    @property
    def check_failed(self) -> bool:
        """An extension refused the package."""
        return self.checking == _CHECK_FAILED


def get_deployment(gate: Gate, workspace: int, deployment: int) -> Deployment:
    """GetDeployment."""
    body = gate.read(
        DATAWORKS,
        "GetDeployment",
        {"ProjectId": workspace, "DeploymentId": deployment},
        persona=_AS,
        subject=f"deployment {deployment}",
    )
    found = body["Data"]["Deployment"]
    checking = found.get("CheckingStatus")
    return Deployment(
        id=deployment,
        status=int(found["Status"]),
        checking=int(checking) if checking else None,
        error=str(found.get("ErrorMessage") or ""),
        to_environment=int(found["ToEnvironment"]),
        files={int(i["FileId"]): int(i["FileVersion"]) for i in body["Data"].get("DeployedItems") or []},
    )


def watch_deployment(gate: Gate, workspace: int, deployment: int) -> Deployment:
    """GetDeployment; where many are waited for at once, one ListDeployments a poll for all of them."""
    if gate.shared is None:
        return get_deployment(gate, workspace, deployment)
    together = gate.shared.together(
        ("deployments", workspace), lambda: _Together(gate, workspace), polls=True
    )
    found = together.get(deployment)
    return found or get_deployment(gate, workspace, deployment)


class _Together:
    """The newest deployments, until every one that is asked for was seen."""

    def __init__(self, gate: Gate, workspace: int) -> None:
        self._gate = gate
        self._workspace = workspace
        self._looks: Counter[int] = Counter()

    def __call__(self, wanted: frozenset[int]) -> Mapping[int, Deployment]:
        self._looks = Counter({one: self._looks[one] + 1 for one in wanted})
        found: dict[int, Deployment] = {}
        for item in pages(
            self._gate, "ListDeployments", {"ProjectId": self._workspace}, persona=_AS,
            subject=f"deployments of workspace {self._workspace}", container="Data", items="Deployments",
            maximum_pages=_RECENT_DEPLOYMENTS_PAGES + len(wanted) // DATAWORKS_PAGE_ITEMS,
        ):  # fmt: skip
            identifier, status = int(item["Id"]), int(item.get("Status") or 0)
            # The list says neither why a deployment failed nor that a check holds it up.
            told = status == SUCCEEDED or (status == RUNNING and self._looks[identifier] % _LOOKS_BY_LIST)
            if identifier in wanted:
                found[identifier] = (
                    Deployment(identifier, status, None, "", 0, {})
                    if told
                    else get_deployment(self._gate, self._workspace, identifier)
                )
            if len(found) == len(wanted):
                break
        return found


def recent_deployment(
    gate: Gate,
    workspace: int,
    task: SyncTask,
    to_environment: int,
    statuses: tuple[int, ...] = (RUNNING, SUCCEEDED),
) -> Deployment | None:
    """The newest package of this version of the file in one of ``statuses`` (ListDeployments, GetDeployment)."""
    listed = pages(
        gate, "ListDeployments", {"ProjectId": workspace}, persona=_AS, subject=f"deployments of {task.name}",
        container="Data", items="Deployments", maximum_pages=_RECENT_DEPLOYMENTS_PAGES,
    )  # fmt: skip
    candidates = sorted(
        (int(item["Id"]) for item in listed if int(item.get("Status") or 0) in statuses), reverse=True
    )
    for identifier in candidates:
        deployment = get_deployment(gate, workspace, identifier)
        if deployment.to_environment == to_environment and deployment.files.get(task.file) == task.version:
            return deployment
    return None


def submit(gate: Gate, workspace: int, task: SyncTask, to_environment: int) -> int:
    """SubmitFile; returns the deployment's id."""
    return _package(
        gate,
        workspace,
        task,
        "SubmitFile",
        {"SkipAllDeployFileExtensions": True, "Comment": "submitted by dataworks-onboarding"},
        to_environment,
    )


def deploy(gate: Gate, workspace: int, task: SyncTask) -> int:
    """DeployFile, from development to production; returns the deployment's id."""
    return _package(
        gate, workspace, task, "DeployFile", {"Comment": "deployed by dataworks-onboarding"}, to_environment=2
    )


def _package(
    gate: Gate, workspace: int, task: SyncTask, action: str, extra: Mapping[str, Any], to_environment: int
) -> int:
    """A package whose id was answered is used as it is; after a lost answer it is looked for."""
    answered: list[int] = []
    parameters = {"ProjectId": workspace, "FileId": task.file, **extra}

    def act() -> object:
        body = gate.write(DATAWORKS, action, parameters, persona=_AS, subject=f"sync task {task.name}")
        answered.append(int(body["Data"]))
        return body

    def look_up() -> int | None:
        if answered:
            return answered[-1]
        # Submitting may raise the file's version, so the file is read again.
        current = get_sync_task(gate, workspace, task.file)
        found = recent_deployment(gate, workspace, current, to_environment)
        return found.id if found else None

    return write_once(gate, act, look_up, subject=f"sync task {task.name}", looks=LOOKS)

"""What must hold of the local cloud's state whatever went wrong, and the objects of others that must stay as they are."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import cloud.errors as tree
from emulator.cloud import LocalCloud
from emulator.state import Attachment, Business, DataSource, File, Folder, Node, Role, Scheduling
from flows.report import Failure, OnboardingReport
from tasks.preflight import PreflightBlocked
from tests.flows.files import meaning
from tests.tasks.starting_states import document, policy, trust

THEIRS = "somebody-else"
_AS_WANTED = (
    "roles",
    "policies",
    "people",
    "data sources",
    "workflows",
    "folders",
    "files",
    "nodes",
)
"""Parts of an outline that are the same however often something was tried."""
_AT_LEAST = ("deployments", "runs", "instances")
"""Parts that may hold tries that failed, besides what is wanted."""


def add_others(cloud: LocalCloud, workspace: int, near: Mapping[str, str], holder: str) -> None:
    """Objects of another owner, some with names that differ from ours by their ends only.

    ``near`` holds our names of a role, data source and file; ``holder`` is a user that is one of our grantees.
    """
    ram, works = cloud.state.ram, cloud.state.dataworks
    for number, name in enumerate((THEIRS, f"{near['role']}-2")):
        policy(cloud, f"{name}-Access", document("oss:GetObject"))
        held = [Attachment(policy=f"{name}-Access")]
        ram.roles[name] = Role(
            name=name,
            id=f"30000000000000600{number}",
            trust_policy=trust("ecs.aliyuncs.com"),
            attachments=held,
        )
    ram.users[holder].attachments.append(Attachment(policy=f"{THEIRS}-Access"))
    content = json.dumps({"accessId": "LTAItheirs", "accessKey": "k", "bucket": "theirs"})
    for number, name in enumerate((THEIRS.replace("-", "_"), f"{near['data source']}_2")):
        works.data_sources.append(
            DataSource(id=39_100 + number, workspace=workspace, name=name, type="oss", content=content)
        )
    works.businesses[901] = Business(id=901, workspace=workspace, name=THEIRS)
    folder = f"Business Flow/{THEIRS}/Data Integration"
    works.folders["f901"] = Folder(id="f901", workspace=workspace, path=folder)
    file = File(
        id=39_200,
        workspace=workspace,
        name=f"{near['file']}_2",
        folder=folder,
        content="{}",
        owner=holder,
        node=39_300,
    )
    works.files[file.id] = file
    works.nodes.append(
        Node(
            id=39_300, workspace=workspace, environment="PROD", file=file.id, file_version=1, name=file.name,
            owner=holder, content="{}", di_resource_group="", scheduling=Scheduling(),
        )
    )  # fmt: skip


def others_of(cloud: LocalCloud) -> dict[str, Any]:
    """All of every object of others, ids, dates and versions included."""
    ram, works = cloud.state.ram, cloud.state.dataworks
    return {
        "roles": {name: one.model_dump() for name, one in ram.roles.items() if one.id.startswith("300000000000006")},
        "policies": {name: one.model_dump() for name, one in ram.policies.items() if _is_theirs(name)},
        "data sources": [one.model_dump() for one in works.data_sources if 39_100 <= one.id < 39_200],
        "workflow": works.businesses[901].model_dump(),
        "folder": works.folders["f901"].model_dump(),
        "file": works.files[39_200].model_dump(),
        "node": [one.model_dump() for one in works.nodes if one.id == 39_300],
    }  # fmt: skip


def _is_theirs(policy_name: str) -> bool:
    return policy_name.startswith(THEIRS) or policy_name.endswith("-2-Access")


def _keys(cloud: LocalCloud) -> dict[str, list[Any]]:
    """What may exist once only, and every attachment."""
    ram, works = cloud.state.ram, cloud.state.dataworks
    holders = (*ram.users.values(), *ram.groups.values(), *ram.roles.values())
    return {
        "role": [name.lower() for name in ram.roles],
        "policy": list(ram.policies),
        "attachment": [
            (type(one).__name__, one.name, held.type, held.policy) for one in holders for held in one.attachments
        ],
        "data source": [(one.workspace, one.name, one.environment) for one in works.data_sources],
        "workflow": [(one.workspace, one.name) for one in works.businesses.values()],
        "folder": [(one.workspace, one.path) for one in works.folders.values()],
        "file": [(one.workspace, one.folder, one.name) for one in works.files.values()],
        "node": [(one.workspace, one.name, one.environment) for one in works.nodes],
    }  # fmt: skip


class Wanted:
    """What one run without trouble leaves behind, and so all that may exist afterwards."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.meaning = meaning(cloud)
        self._keys = {kind: set(keys) for kind, keys in _keys(cloud).items()}

    def check_parts(self, cloud: LocalCloud) -> None:
        """Nothing twice, and nothing that does not belong to the specifications, however far a run came."""
        for kind, keys in _keys(cloud).items():
            twice = [key for key, count in Counter(keys).items() if count > 1]
            assert not twice, f"{kind} twice: {twice}"
            orphaned = set(keys) - self._keys[kind]
            assert not orphaned, f"{kind} that belongs to no specification: {orphaned}"

    def check_whole(self, cloud: LocalCloud) -> None:
        """Everything is there as it is wanted."""
        self.check_parts(cloud)
        found = meaning(cloud)
        for part in _AS_WANTED:
            assert found[part] == self.meaning[part], part
        for part in _AT_LEAST:
            missing = Counter(self.meaning[part]) - Counter(found[part])
            assert not missing, f"{part}: {missing}"
        if len(found["instances"]) == len(self.meaning["instances"]):
            assert _without_time(found["data"]) == _without_time(self.meaning["data"]), "data"

    def repeated_runs(self, cloud: LocalCloud) -> int:
        """How many more runs there were than needed: tries that failed, or whose beginning was not seen."""
        return len(cloud.state.dataworks.dags) - len(self.meaning["runs"])


def _without_time(part: Any) -> Any:
    """Data without the moments at which log entries were written."""
    if isinstance(part, dict):
        return {key: _without_time(value) for key, value in part.items() if key != "time"}
    return [_without_time(one) for one in part] if isinstance(part, list) else part


def _names(kind: type[tree.OnboardingError]) -> Iterable[str]:
    for child in kind.__subclasses__():
        yield child.__name__
        yield from _names(child)


def check_failure(failure: Failure | None) -> None:
    """A failure is a named error of the tree that says what happened; a fault of the program is not."""
    assert failure is not None
    assert failure.kind in {*_names(tree.OnboardingError)} - {"StepError", "CallError", "Refused", "RetryableError"}, (
        failure
    )  # fmt: skip
    assert failure.what
    assert "fault of the program" not in failure.what


def check_error(error: BaseException) -> None:
    """As :func:`check_failure`, of what a single onboarding raised."""
    assert isinstance(error, tree.OnboardingError), f"a bare exception: {error!r}"
    if not isinstance(error, PreflightBlocked):
        check_failure(Failure.of(0, error))


def check_told(cloud: LocalCloud, report: OnboardingReport, environments: int) -> None:
    """Every id that a finished onboarding's report names exists, and the data source in so many environments."""
    ram, works = cloud.state.ram, cloud.state.dataworks
    told = {key: value for step in report.steps for key, value in step.facts.items()}
    assert [step.number for step in report.steps if step.number == 1], "no step 1"
    if "role_id" in told:
        assert told["role_id"] in {role.id for role in ram.roles.values()}
    there = {
        one.environment
        for one in works.data_sources
        if (one.workspace, one.name) == (report.workspace, report.data_source)
    }
    assert len(there) == environments, f"{report.data_source} is in {there}"
    if "file_id" in told:
        assert int(told["file_id"]) in works.files
    for key, value in told.items():
        if key.startswith("instance_id"):
            assert works.instances[int(value)].status == "SUCCESS"
    for proof in report.proofs:
        assert works.instances[proof.instance].status == "SUCCESS"

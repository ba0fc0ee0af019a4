"""A generated account of 500 data sources in which everything is in order, and what faults are made of.

No two faults touch the same role, so that what one causes is not another's doing; which roles they touch is decided
by a seed. The faults are in :mod:`tests.tasks.audited_faults` and :mod:`tests.tasks.audited_rights`.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping
from typing import Any

from benchmarks.onboarded import onboarded_account
from benchmarks.rows import make_rows
from config.load import parse_spec
from config.names import SERVICE_PRINCIPAL
from config.spec import DataSourceSpec
from emulator.account import AccountFile
from emulator.cloud import LocalCloud
from emulator.state import DataSource, File, Instance, Node, WorkspaceMember
from emulator.state_ram import Attachment, Policy, PolicyVersion, Role, User

WORKSPACES = (20001, 20002)
TYPES = ("oss", "tablestore", "loghub", "hologres", "adb_mysql")
DATA_SOURCES, ROLES = 500, 100
Expected = set[tuple[str, str]]
TRUSTED = {
    "Version": "1",
    "Statement": [
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": [SERVICE_PRINCIPAL]}}
    ],
}
BY_INTEGRATION = {"StringEquals": {"acs:Service": [SERVICE_PRINCIPAL]}}
KEY = "LTAI5tMadeUpForTests0001"


def make_audited_rows() -> list[dict[str, Any]]:
    """500 rows of five types on 100 roles, in development and production of two workspaces."""
    rows = make_rows(DATA_SOURCES, roles=ROLES, types=TYPES, standard=True)
    for row in rows:
        # A role's data sources lie in one workspace.
        row["workspace"] = WORKSPACES[int(row["role"]["name"][-1]) % 2]
    return rows


def audited_account(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The account file's content in which all rows are onboarded."""
    return {**onboarded_account(rows), "settings": {"enforce_rates": False, "edition": "enterprise"}}


class Faults:
    """Puts faults into a cloud of :func:`audited_account`."""

    def __init__(self, account: Mapping[str, Any], rows: Iterable[Mapping[str, Any]], seed: int) -> None:
        self.cloud = LocalCloud(AccountFile.model_validate(account))
        self.specs: list[DataSourceSpec] = []
        """Specifications to compare with, beside the account."""
        self._rows: dict[str, list[Mapping[str, Any]]] = {}
        for row in rows:
            self._rows.setdefault(row["role"]["name"], []).append(row)
        self._left = sorted(self._rows)
        random.Random(seed).shuffle(self._left)  # which roles are touched

    # -- what faults are made of -----------------------------------------------------------------------

    def role(self, *, specified: bool = False) -> str:
        """A role that no other fault touches; `specified`: its data sources are compared with specifications."""
        name = self._left.pop()
        if specified:
            self.specs += [parse_spec(row) for row in self._rows[name]]
        return name

    def row(self, role: str, kind: str = "oss") -> Mapping[str, Any]:
        """The row of a type on a role."""
        return next(row for row in self._rows[role] if row["type"] == kind)

    def sources(self, row: Mapping[str, Any]) -> list[DataSource]:
        """The data source of a row: development, then production."""
        found = [
            one
            for one in self.cloud.state.dataworks.data_sources
            if (one.workspace, one.name) == (row["workspace"], row["name"])
        ]
        return sorted(found, key=lambda one: one.environment)

    def file(self, row: Mapping[str, Any]) -> File:
        """The sync task of a row."""
        files = self.cloud.state.dataworks.files.values()
        return next(one for one in files if one.name == row["sync_task"]["name"])

    def nodes(self, row: Mapping[str, Any]) -> list[Node]:
        """The nodes of a row's sync task: development, then production."""
        file = self.file(row)
        found = [one for one in self.cloud.state.dataworks.nodes if one.file == file.id]
        return sorted(found, key=lambda one: one.environment)

    def runs(self, row: Mapping[str, Any]) -> list[Instance]:
        """The runs of a row's sync task in production."""
        node = self.file(row).node
        instances = self.cloud.state.dataworks.instances.values()
        return [one for one in instances if one.node == node and one.environment == "PROD"]

    def ram_role(self, name: str) -> Role:
        """A role."""
        return self.cloud.state.ram.roles[name]

    def access_policy(self, role: str) -> Policy:
        """The policy with a role's permissions."""
        return self.cloud.state.ram.policies[f"{role}-Access"]

    def user(self, name: str, *, workspace_role: str = "") -> User:
        """A new user without policies, in both workspaces when there is a workspace role."""
        user = User(name=name, id=self.cloud.state.identifiers.digits("2"), created=1.0, updated=1.0)
        self.cloud.state.ram.users[name] = user
        for number in WORKSPACES if workspace_role else ():
            member = WorkspaceMember(user=name, roles=[workspace_role])
            self.cloud.state.dataworks.workspaces[number].members.append(member)
        return user

    def policy(
        self, name: str, *statements: Mapping[str, Any], tags: Mapping[str, str] | None = None
    ) -> Policy:
        """A new custom policy."""
        document = json.dumps({"Version": "1", "Statement": list(statements)})
        version = PolicyVersion(id="v1", document=document, created=1.0)
        policy = Policy(name=name, created=1.0, updated=1.0, versions=[version], tags=dict(tags or {}))
        self.cloud.state.ram.policies[name] = policy
        return policy

    def trust(self, role: str, principal: Mapping[str, Any]) -> None:
        """Let somebody else assume a role, too."""
        document = json.loads(self.ram_role(role).trust_policy)
        document["Statement"].append(
            {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": dict(principal)}
        )
        self.ram_role(role).trust_policy = json.dumps(document)

    def own_grants(self, count: int) -> list[str]:
        """PassRole policies of as many roles, which no other fault touches either."""
        found: list[str] = []
        while len(found) < count:
            policy = f"{self.role()}AllowUse"
            if policy in self.cloud.state.ram.policies:  # others are folded
                found.append(policy)
        return found


def attach(principal: Any, policy: str, kind: str = "Custom") -> None:
    """Attach a policy to a user, group or role."""
    principal.attachments.append(Attachment.model_validate({"policy": policy, "type": kind, "attached": 1.0}))


def change(source: DataSource, **values: str) -> None:
    """Change keys of a Content."""
    source.content = json.dumps({**json.loads(source.content), **values})


def key_mode(source: DataSource) -> None:
    """Put a data source into AccessKey mode."""
    content = json.loads(source.content)
    kept = {key: value for key, value in content.items() if key not in ("authType", "authIdentity")}
    keys = ("username", "password") if source.type == "ads" else ("accessId", "accessKey")
    source.content = json.dumps({**kept, **dict(zip(keys, (KEY, "made-up-secret"), strict=True))})


def of(row: Mapping[str, Any], environment: str) -> str:
    """The subject of a finding about one environment of a row's data source."""
    return f"data source {row['name']} ({environment}) of workspace {row['workspace']}"


def task_of(row: Mapping[str, Any]) -> str:
    """The subject of a finding about a row's sync task."""
    task = row["sync_task"]
    return f"sync task {task['folder']}/{task['name']} of workspace {row['workspace']}"


def both(code: str, row: Mapping[str, Any]) -> Expected:
    """A code for both environments of a row's data source."""
    return {(code, of(row, "DEV")), (code, of(row, "PROD"))}

"""What a run proves, as a fingerprint: in the run's name, and in the description of the sync task's file.

A later apply finds the proof by the run's name. A listing shows no names, so the file says what its runs prove:
a successful instance that is younger than the file's last edit and its node's deployment has proved it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from config.limits import RUN_NAME_CHARACTERS
from config.sources.base import Environment
from config.spec import DataSourceSpec
from policy import minified
from tasks.planning import KNOWN_LATER, digest
from tasks.role import access_document
from tasks.scheduling import wanted_scheduling
from tasks.workspace import Facts

_FINGERPRINT_CHARACTERS = 16


def fingerprint(
    spec: DataSourceSpec, environment: Environment, role_id: str, content: Mapping[str, str]
) -> str:
    """16 hexadecimal characters over everything a run in one environment proves.

    That is the role's id, this source's permissions (a shared role may hold more), the data source's content, the
    task's content, the resource group and, when the specification names one, the business date.
    """
    assert spec.sync_task is not None
    date = spec.sync_task.business_date
    proven = json.dumps(
        [
            environment.name,
            role_id,
            minified(access_document(spec)),
            dict(sorted(content.items())),
            spec.task_content_text(),
            spec.sync_task.resource_group,
            date.isoformat() if date else None,
        ]
    )
    return hashlib.sha256(proven.encode()).hexdigest()[:_FINGERPRINT_CHARACTERS]


def run_name(spec: DataSourceSpec, environment: Environment, role_id: str, content: Mapping[str, str]) -> str:
    """``onboard-<data source>-<environment>-<fingerprint>``, at most 128 characters."""
    end = f"-{environment.name.lower()}-{fingerprint(spec, environment, role_id, content)}"
    return f"onboard-{spec.name}"[: RUN_NAME_CHARACTERS - len(end)] + end


def proves(
    spec: DataSourceSpec, facts: Facts, role_id: str, contents: Mapping[Environment, Mapping[str, str]]
) -> str:
    """What the file's description says its runs prove: a digest of all environments and of the scheduling."""
    assert spec.sync_task is not None
    if role_id == KNOWN_LATER:
        return KNOWN_LATER
    prints = [fingerprint(spec, environment, role_id, content) for environment, content in contents.items()]
    return digest([prints, wanted_scheduling(spec.sync_task, facts)])

"""``onboard automations``: automations from YAML files, in which blocks and deployments are named, not numbered.

Prefect's own ``prefect automation create --from-file`` takes the ids of blocks and deployments, which are others on every
server, and makes a second automation of the same name when it is run again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import yaml

from cli.inputs import BadInput, report_bad_input
from cli.prefect_environment import prepare, require_prefect_server

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.events.schemas.automations import AutomationCore


def apply_automations(files: Sequence[Path]) -> int:
    """Create or update the automations of all files, none unless all can be; returns the exit code."""
    prepare(verbose=False)
    from prefect.client.orchestration import get_client

    try:
        declared = [one for path in files for one in _read(path)]
        require_prefect_server()
        with get_client(sync_client=True) as client:
            for automation in [_resolved(client, one) for one in declared]:
                print(_put(client, automation))
    except BadInput as error:
        report_bad_input(error, as_json=False)
        return 2
    return 0


def _read(path: Path) -> list[dict[str, Any]]:
    """The automations of a file: one mapping, or a list of them."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise _bad(str(path), error.strerror or str(error)) from None
    except yaml.YAMLError:
        raise _bad(str(path), "this is no YAML file") from None
    found = content if isinstance(content, list) else [content]
    if not all(isinstance(one, dict) and isinstance(one.get("name"), str) for one in found):
        raise _bad(str(path), "an automation is a mapping with a name")
    return found


def _resolved(client: SyncPrefectClient, declared: Mapping[str, Any]) -> AutomationCore:
    """The automation with ids in the places of names."""
    from prefect.events.schemas.automations import AutomationCore
    from pydantic import ValidationError

    name = str(declared["name"])
    actions = []
    for action in declared.get("actions") or []:
        with_ids = dict(action)
        if "block_document_id" in with_ids:
            with_ids["block_document_id"] = _block(client, name, str(with_ids["block_document_id"]))
        if "deployment_id" in with_ids:
            with_ids["deployment_id"] = _deployment(client, name, str(with_ids["deployment_id"]))
        actions.append(with_ids)
    try:
        return AutomationCore.model_validate({**declared, "actions": actions})
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        raise _bad(name, f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}") from None


def _block(client: SyncPrefectClient, automation: str, slug: str) -> UUID:
    from prefect.exceptions import ObjectNotFound

    kind, _, name = slug.partition("/")
    try:
        return client.read_block_document_by_name(name, kind).id
    except ObjectNotFound:
        raise _bad(automation, f"there is no block {slug!r}; create it under Blocks") from None


def _deployment(client: SyncPrefectClient, automation: str, name: str) -> UUID:
    from prefect.exceptions import ObjectNotFound

    try:
        return client.read_deployment_by_name(name).id
    except ObjectNotFound:
        raise _bad(automation, f"there is no deployment {name!r}; run `prefect deploy --all` first") from None


def _put(client: SyncPrefectClient, automation: AutomationCore) -> str:
    """Create it, or update the one of this name."""
    present = client.read_automations_by_name(automation.name)
    if not present:
        client.create_automation(automation)
        return f"created {automation.name}"
    client.update_automation(present[0].id, automation)
    return f"updated {automation.name}"


def _bad(path: str, rule: str) -> BadInput:
    return BadInput(f"{path}: {rule}", [{"path": path, "value": "", "rule": rule}])

"""An account in which rows are onboarded already, thousands of them, without thousands of onboardings.

Roles and PassRole are made by the pipeline's own steps, and so is the first row of each type in each workspace. Every
other row is a copy of the row of its type: its names, its role and its identifiers are put in place of the first one's,
and what the pipeline derives from a specification (the run's name, the file's description, the client token) is derived
anew by the pipeline's own functions. A test compares such a copy with a row that was really onboarded.
"""

from __future__ import annotations

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.rows import CAST, REGION, key_of, make_account, role_words
from cloud.gate import Gate
from config.limits import Edition
from config.load import parse_spec
from config.settings import Identities, IdentitySettings, Settings
from config.spec import DataSourceSpec
from emulator.account import AccountFile
from emulator.cloud import LocalCloud
from emulator.server import serve_in_thread
from tasks.connectivity import check_cell, judge
from tasks.data_source import ensure_data_source
from tasks.deploying import ensure_deployed, ensure_submitted
from tasks.pass_role import Granted, ensure_grant
from tasks.proof import proves, run_name
from tasks.role import RoleReady, ensure_role
from tasks.role_group import groups_of
from tasks.run import ensure_run
from tasks.scheduling import description
from tasks.sync_task import ensure_created, ensure_scheduled, proved_by
from tasks.workspace import Facts, read_facts

# Everything moves at the first look: this is no measurement.
_AT_ONCE = {"enforce_rates": False, "deployment_steps": 0, "instance_steps": 0}


class HurriedClock:
    """A clock whose pauses take no time: it moves itself. Seconds since the epoch."""

    def __init__(self) -> None:
        self._slept = 0.0

    def now(self) -> float:
        """The machine's time, later by every pause."""
        return time.time() + self._slept

    def sleep(self, seconds: float) -> None:
        """Move on by ``seconds`` and return at once."""
        self._slept += seconds


@dataclass(frozen=True)
class Prepared:
    """What steps 1 and 2 gave for one role."""

    role: RoleReady
    granted: Granted


def settings_for(url: str, edition: Edition = Edition.ENTERPRISE) -> Settings:
    """Settings of the pipeline for a local cloud, each persona with a user of its own."""
    identities = {persona: IdentitySettings.model_validate(_key(user)) for persona, user in CAST.items()}
    return Settings.model_validate(
        {"local_cloud": url, "edition": edition, "identities": Identities(**identities)}
    )


def _key(user: str) -> dict[str, str]:
    key_id, secret = key_of(user)
    return {"access_key_id": key_id, "access_key_secret": secret}


# -- the pipeline's own steps ------------------------------------------------------------------------------


def prepare_roles(gate: Gate, specs: Sequence[DataSourceSpec], account_id: str) -> dict[str, Prepared]:
    """Steps 1 and 2, once for each role of the specifications."""
    prepared = {}
    for group in groups_of(specs):
        role = ensure_role(gate, group)
        prepared[group.role_name] = Prepared(role, ensure_grant(gate, group, account_id, role))
    return prepared


def apply_row(gate: Gate, spec: DataSourceSpec, prepared: Prepared) -> None:
    """Steps 3 to 5 of one row, as the flow does them. Raises what a step raises."""
    facts = read_facts(gate, spec)
    role, granted = prepared.role, prepared.granted
    sources = [ensure_data_source(gate, spec, one, role, granted) for one in facts.environments]
    judge(
        spec,
        [check_cell(gate, spec, one, group) for one in facts.environments for group in spec.resource_groups],
    )
    if spec.sync_task is None:
        return
    ready = ensure_created(gate, spec)
    ready = ensure_scheduled(gate, spec, facts, ready, proved_by(spec, facts, role, sources))
    ready = ensure_deployed(gate, spec, facts, ensure_submitted(gate, spec, facts, ready))
    if spec.sync_task.run:
        for environment, source in zip(facts.environments, sources, strict=True):
            ensure_run(gate, spec, environment, role, granted, source, ready)


# -- the whole account -------------------------------------------------------------------------------------


def onboarded_account(
    rows: Sequence[Mapping[str, Any]],
    *,
    edition: Edition = Edition.ENTERPRISE,
    really: Callable[[int], bool] = lambda _: False,
) -> dict[str, Any]:
    """The content of an account file in which every row is onboarded.

    ``really`` says for the index of a row whether it is onboarded by the pipeline instead of copied; the first of each
    type and workspace always are. A large one is given to a local cloud as a file: :func:`write_account`.
    """
    specs = [parse_spec(row) for row in rows]
    cloud = LocalCloud(AccountFile.model_validate(make_account(rows, edition=edition, **_AT_ONCE)))
    copies: list[tuple[DataSourceSpec, DataSourceSpec]] = []
    first: dict[tuple[str, int], DataSourceSpec] = {}
    with serve_in_thread(cloud) as local:
        gate = Gate(settings_for(local.url, edition), REGION, HurriedClock())
        prepared = prepare_roles(gate, specs, cloud.state.account_id)
        for index, spec in enumerate(specs):
            template = first.setdefault((spec.type, spec.workspace), spec)
            if template is spec or really(index):
                apply_row(gate, spec, prepared[spec.role_name])
            else:
                copies.append((template, spec))
        facts = {spec.workspace: read_facts(gate, spec) for spec in first.values()}
    state = cloud.state.model_dump(mode="json")
    copier = _Copier(state, facts, {name: one.role.role_id for name, one in prepared.items()})
    for template, spec in copies:
        copier.copy(template, spec)
    return {"account": state, "settings": {"edition": edition.value}}


def write_account(account: Mapping[str, Any], folder: Path) -> Path:
    """Write an account as JSON, which the local cloud reads much faster than YAML; returns the file's path."""
    path = folder / "account.json"
    path.write_text(json.dumps(account, ensure_ascii=False), encoding="utf-8")
    return path


@dataclass(frozen=True)
class _Template:
    """What the cloud holds of one row as JSON text, cut at every word that another row has differently."""

    pieces: tuple[str, ...]  # text and word in turn
    words: tuple[str, ...]
    identifiers: frozenset[int]

    def filled(self, words: Mapping[str, str]) -> dict[str, list[dict[str, Any]]]:
        """The same of another row, whose words are given by the template's."""
        pieces = (words[piece] if index % 2 else piece for index, piece in enumerate(self.pieces))
        made: dict[str, list[dict[str, Any]]] = json.loads("".join(pieces))
        return made


class _Copier:
    """Adds copies of onboarded rows to a state."""

    def __init__(
        self, state: dict[str, Any], facts: Mapping[int, Facts], role_ids: Mapping[str, str]
    ) -> None:
        self._works: dict[str, Any] = state["dataworks"]
        self._identifiers: dict[str, int] = state["identifiers"]
        self._facts = facts
        self._role_ids = role_ids
        self._templates: dict[tuple[int, str], _Template] = {}
        # Every identifier is a base and a count: one step further than all there are gives each copy its own.
        self._step = self._identifiers["counter"]

    def copy(self, first: DataSourceSpec, spec: DataSourceSpec) -> None:
        """Add everything of ``spec`` that the cloud holds of ``first``."""
        template = self._template(first)
        shift = self._identifiers["counter"]
        self._identifiers["counter"] += self._step
        words = {str(one): str(one + shift) for one in template.identifiers}
        words.update(zip(template.words, self._words(spec), strict=True))
        for kind, entries in template.filled(words).items():
            place = self._works[kind]
            if isinstance(place, list):
                place.extend(entries)
            else:
                place.update({str(entry["id"]): entry for entry in entries})

    def _template(self, spec: DataSourceSpec) -> _Template:
        key = (spec.workspace, spec.name)
        if key not in self._templates:
            parts = row_parts(self._works, spec)
            words, identifiers = tuple(self._words(spec)), _identifiers(parts)
            # Whole words only, and all at once: one may be the start of another.
            either = sorted((*words, *map(str, identifiers)), key=len, reverse=True)
            pattern = rf"(?<![0-9A-Za-z])({'|'.join(map(re.escape, either))})(?![0-9])"
            pieces = re.split(pattern, json.dumps(parts, ensure_ascii=False))
            self._templates[key] = _Template(tuple(pieces), words, identifiers)
        return self._templates[key]

    def _words(self, spec: DataSourceSpec) -> Iterator[str]:
        """What differs between two rows of a type and workspace, always in one order."""
        role_id = self._role_ids[spec.role_name]
        yield from (spec.name, spec.description, spec.role_name, spec.role_name.lower(), role_id)
        yield from role_words(spec.role_name)
        if spec.sync_task is None:
            return
        facts = self._facts[spec.workspace]
        contents = {one: spec.content(role_id, one) for one in facts.environments}
        yield description(spec.sync_task, proves(spec, facts, role_id, contents))
        yield _client_token(spec)
        for environment, content in contents.items():
            yield run_name(spec, environment, role_id, content)


def _client_token(spec: DataSourceSpec) -> str:
    """CreateDISyncTask.ClientToken, as the pipeline makes it."""
    assert spec.sync_task is not None
    task = spec.sync_task
    parts = (str(spec.workspace), task.folder, task.name, spec.task_content_text())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _identifiers(parts: Mapping[str, list[Mapping[str, Any]]]) -> frozenset[int]:
    fields = ("id", "node", "file", "dag")
    return frozenset(
        entry[field] for entries in parts.values() for entry in entries for field in fields if field in entry
    )


def row_parts(works: Mapping[str, Any], spec: DataSourceSpec) -> dict[str, list[Any]]:
    """Everything that a saved state holds of one row, by the name of its place there."""
    files = [
        one
        for one in works["files"].values()
        if spec.sync_task is not None
        and (one["workspace"], one["name"]) == (spec.workspace, spec.sync_task.name)
    ]
    file_ids = {one["id"] for one in files}
    nodes = [one for one in works["nodes"] if one["file"] in file_ids]
    node_ids = {one["id"] for one in nodes}
    instances = [one for one in works["instances"].values() if one["node"] in node_ids]
    dag_ids = {one["dag"] for one in instances}
    return {
        "data_sources": [
            one
            for one in works["data_sources"]
            if (one["workspace"], one["name"]) == (spec.workspace, spec.name)
        ],
        "files": files,
        "deployments": [one for one in works["deployments"].values() if one["file"] in file_ids],
        "nodes": nodes,
        "dags": [one for one in works["dags"].values() if one["id"] in dag_ids],
        "instances": instances,
    }

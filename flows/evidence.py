"""The flow that takes an evidence pack, each quarter or at once: who may use which role to reach what, and what changed.

It reads the cloud as an audit does and writes nothing there. The pack is a JSON file with a page beside it, chained to
the pack before; see :mod:`flows.evidence_pack`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any, cast

from prefect import flow
from prefect.artifacts import create_markdown_artifact
from prefect.states import Failed

from cloud.errors import OnboardingError, Refused
from cloud.gate import Gate
from config.forms import Blocks, titled
from config.scheduler import scheduler_time
from flows.audit_inputs import AuditInputs, read_inputs, run_audit
from flows.audit_report import chain_json
from flows.evidence_markdown import evidence_markdown
from flows.evidence_pack import (
    Pack,
    PackInvalid,
    canonical,
    content_of,
    file_stem,
    own_fault,
    read_pack,
    seal,
)
from flows.evidence_runs import runs_since
from flows.expire import grant_json
from tasks.connection import gate_for, use_credentials
from tasks.expiring import read_timed, timed_grants
from tasks.options import ended

_PACKS = "evidence-*.json"


@dataclass(frozen=True)
class Written:
    """A pack and the files it was written to."""

    pack: Pack
    json_file: Path
    page: Path


def take_evidence(gate: Gate, inputs: AuditInputs, folder: Path, previous: Path | None = None) -> Written:
    """Read the account, seal the pack, and write it to ``folder`` with its page.

    ``previous`` is the pack before; without, the newest in the folder; where there is none, the chain begins. Raises
    :class:`PackInvalid` for a pack or a folder that cannot be used, before anything is read from the cloud, and a
    call's error.
    """
    before = pack_before(folder, previous)
    pack = make_pack(gate, inputs, before)
    return write_pack(pack, folder)


def pack_before(folder: Path, previous: Path | None) -> Pack | None:
    """The pack to which the next one is chained. Raises :class:`PackInvalid` for one that is not sound."""
    if folder.exists() and not folder.is_dir():
        raise PackInvalid(f"{folder} is no folder")
    place = previous or max(folder.glob(_PACKS), default=None)
    if place is None:
        return None
    pack = read_pack(place)
    fault = own_fault(pack)
    if fault:
        raise PackInvalid(f"{place} cannot be followed by another pack: {fault}")
    return pack


def make_pack(gate: Gate, inputs: AuditInputs, before: Pack | None) -> dict[str, Any]:
    """Everything read and sealed; nothing is written. Raises :class:`PackInvalid` for a chain of another account."""
    report = run_audit(gate, inputs)
    audit = report.audit
    if before is not None and (before["account_id"], before["region"]) != (audit.account_id, audit.region):
        raise PackInvalid(
            f"the pack before is of account {before['account_id']} in {before['region']}, this one of "
            f"{audit.account_id} in {audit.region}: give another folder"
        )
    taken_at = int(audit.taken_at)
    grants, refused = _timed(gate)
    head = {
        "account_id": audit.account_id,
        "region": audit.region,
        "workspaces": list(audit.workspaces),
        "taken_at": taken_at,
        "made_by": made_by(),
    }
    sections = {
        "access": _each_once([chain_json(chain) for chain in audit.chains]),
        "grants": grants,
        "findings": [finding.to_json() for finding in report.findings],
        "accepted": [accepted.to_json() for accepted in report.accepted],
        "unread": [*audit.unread, *report.notes, *refused],
        "runs": runs_since(before["taken_at"] if before is not None else None, taken_at),
    }
    return seal(head, sections, before)


def _timed(gate: Gate) -> tuple[list[dict[str, Any]], list[str]]:
    """The grants that end; a refused read is told."""
    try:
        timed = read_timed(gate)
    except Refused as error:
        return [], [f"grants that end: {error}"]
    return [grant_json(one) for one in timed_grants(timed, scheduler_time(gate.clock.now()))], []


def _each_once(items: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """In the order of their texts, which no listing of a service decides."""
    return [item for _, item in sorted({canonical(item): item for item in items}.items())]


def _version() -> str:
    try:
        return version("dataworks-onboarding")
    except PackageNotFoundError:
        return "(not installed)"


def write_pack(pack: Pack, folder: Path) -> Written:
    """Write JSON and page as new files. Raises :class:`PackInvalid` where they cannot be written."""
    stem = file_stem(pack)
    json_file, page = folder / f"{stem}.json", folder / f"{stem}.md"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # "x": a pack is never written over. The hashed text itself is the file, so that any tool can hash it.
        with json_file.open("xb") as file:
            file.write(canonical(pack) + b"\n")
        page.write_text(evidence_markdown(pack), encoding="utf-8")
    except OSError as error:
        raise PackInvalid(f"the pack cannot be written to {folder}: {error.strerror or error}") from error
    return Written(pack, json_file, page)


def packs_in(places: Sequence[Path]) -> list[Path]:
    """The packs among files and folders. Raises :class:`PackInvalid` for a folder without any."""
    found: list[Path] = []
    for place in places:
        packs = sorted(place.glob(_PACKS)) if place.is_dir() else [place]
        if not packs:
            raise PackInvalid(f"{place} holds no evidence packs")
        found += packs
    return list(dict.fromkeys(found))


def page_fault(json_file: Path, pack: Pack) -> str:
    """What is wrong with the page beside a sound pack; "" when it is as written, or not there.

    A page of another release may be written otherwise, so that only its hash is compared.
    """
    page = json_file.with_suffix(".md")
    try:
        text = page.read_text(encoding="utf-8")
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:
        return f"{page} cannot be read: {error}"
    same_release = pack["made_by"] == made_by()
    if text == evidence_markdown(pack) or (not same_release and pack["sha256"] in text):
        return ""
    return f"{page} is not the page of the pack: write it anew with `onboard evidence render {json_file}`"


def made_by() -> str:
    """Who writes packs: the name and version of this release."""
    return f"dataworks-onboarding {_version()}"


def headline(pack: Pack) -> str:
    """One sentence."""
    changes = content_of(pack, "changes")
    added, removed = (len(changes["access"][verb]) for verb in ("added", "removed"))
    moved = (
        f"{added} added and {removed} removed" if changes["since"] is not None else "the first of its chain"
    )
    return (
        f"evidence {pack['number']}: {len(content_of(pack, 'access'))} ways to a location, {moved}, "
        f"{len(content_of(pack, 'findings'))} open findings, SHA-256 {pack['sha256']}"
    )


@flow(name="evidence", persist_result=False)
def collect_evidence(
    output: Annotated[str, titled("Folder")],
    region: Annotated[str, titled("Region")] = "cn-hangzhou",
    workspaces: Annotated[list[int] | None, titled("Workspaces")] = None,
    specs: Annotated[list[str] | None, titled("Specifications")] = None,
    csv: Annotated[list[str] | None, titled("CSV files")] = None,
    baseline: Annotated[str | None, titled("Baseline")] = None,
    previous: Annotated[str | None, titled("Pack before")] = None,
    credentials: Annotated[Blocks, titled("Credentials")] = None,
) -> str:
    """Take an evidence pack: who may use which role to reach what, what changed since the pack before, by which run.

    Args:
        output: Folder on the worker for the packs; keep it, the next pack is chained to the newest in it. Example: evidence
        region: Region of the workspaces.
        workspaces: Ids of the workspaces. Default: all of the account in the region. Example: [10001]
        specs: Specifications to compare with, YAML files on the worker. Example: ["sources/orders.yaml"]
        csv: CSV files to compare with, paths on the worker or URLs. Example: ["sources.csv"]
        baseline: YAML file with findings that are accepted. Example: baseline.yaml
        previous: The pack before, a file on the worker, where it is not the newest in the folder.
        credentials: With whose credentials the calls are made.

    Returns:
        The path of the pack; a failed state that says who can mend it and how, when the cloud cannot be read. The artifact
        holds the hash, so that it is kept in a second place.
    """
    inputs = read_inputs(region, workspaces, specs or (), csv or (), None, baseline)
    blocks: dict[str, str] = {str(persona): block for persona, block in (credentials or {}).items()}
    with use_credentials(blocks, region):
        try:
            written = take_evidence(
                gate_for(region), inputs, Path(output), Path(previous) if previous else None
            )
        except OnboardingError as error:
            return cast(str, Failed(message=f"no evidence could be taken: {error}"))
    create_markdown_artifact(
        key="evidence",
        description=headline(written.pack),
        markdown=evidence_markdown(written.pack, brief=True),
    )
    return ended(headline(written.pack), str(written.json_file))

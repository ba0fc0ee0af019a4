"""What became of a migration, for people and for machines: the flow's result, its artifact and its files."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import yaml

from cloud.errors import OnboardingError
from config.csv_write import csv_text, to_row
from config.load import parse_spec
from config.spec import DataSourceSpec
from flows.bulk_files import require_folder, write_whole
from flows.report import Failure
from flows.report_parts import plain
from tasks.migration.found import Stage
from tasks.migration.item import Item
from tasks.migration.result import Ending, SourceResult, UnusedKey
from tasks.planning import Plan

MIGRATION_REPORT_VERSION = 1
_WIDTH = 110


@dataclass
class MigrationReport:
    """One run over a workspace or a file. ``unread`` says why unused AccessKeys could not be told, "" when they were."""

    source: str
    region: str
    stage: Stage
    runs: int
    plan: Plan | None = None
    results: tuple[SourceResult, ...] = ()
    unused: tuple[UnusedKey, ...] = ()
    unread: str = ""
    callers: Mapping[str, str] = field(default_factory=dict)
    calls: Mapping[str, int] = field(default_factory=dict)
    failure: OnboardingError | None = None

    @property
    def counts(self) -> dict[str, int]:
        """How many data sources ended how."""
        found = Counter(result.ending for result in self.results)
        return {ending.value: found[ending] for ending in Ending if found[ending]}

    @property
    def outcome(self) -> str:
        """One word: failed when anything needs a person, watching while runs are waited for."""
        if self.failure is not None or any(
            not one.ending.good and one.ending is not Ending.WATCHED for one in self.results
        ):
            return "failed"
        if any(one.ending is Ending.WATCHED for one in self.results):
            return "watching"
        return "planned" if any(one.ending is Ending.PLANNED for one in self.results) else "done"

    @property
    def headline(self) -> str:
        """One sentence."""
        if self.failure is not None:
            return str(self.failure)
        counted = ", ".join(f"{count} {word}" for word, count in self.counts.items()) or "nothing to migrate"
        return f"{self.source}: {counted}"

    def to_json(self) -> dict[str, Any]:
        """Plain values, without any secret."""
        return {
            "version": MIGRATION_REPORT_VERSION,
            "outcome": self.outcome,
            "source": self.source,
            "region": self.region,
            "stage": self.stage.value,
            "watch_runs": self.runs,
            "counts": self.counts,
            "sources": [_source_json(result) for result in self.results],
            "unused_access_keys": [asdict(one) for one in self.unused],
            "unused_access_keys_unknown": self.unread,
            "callers": dict(self.callers),
            "calls": dict(self.calls),
            "failure": asdict(Failure.of(0, self.failure)) if self.failure else None,
            "plan": self.plan.to_json() if self.plan else None,
        }


def _source_json(result: SourceResult) -> dict[str, Any]:
    item = result.item
    made: dict[str, Any] = _item_json(item) if item is not None else {}
    number = result.reached.number
    return {
        "workspace": result.workspace,
        "data_source": result.name,
        "type": result.type,
        "outcome": result.ending.value,
        "reached": result.reached.value,
        "reason": result.reason,
        "notes": list(result.notes),
        "failure": asdict(Failure.of(number, result.error)) if result.error else None,
        "not_put_back": asdict(Failure.of(number, result.undone)) if result.undone else None,
        **made,
    }


def _item_json(item: Item) -> dict[str, Any]:
    return {
        "role": item.spec.role_name,
        "access": item.spec.access.value,
        "specification": specification(item.spec),
        "ids": {environment.name: one.source.id for environment, one in item.found.sources.items()},
        "connectivity": [
            {**asdict(cell), "environment": cell.environment.name, "state": cell.state.value} for cell in item.cells
        ],
        "canary_runs": [
            {
                "environment": proof.environment.name,
                "instance_id": proof.instance,
                "records_read": proof.records_read,
                "records_written": proof.records_written,
            }
            for proof in item.proofs
        ],
        "watched_runs": [asdict(one) for one in item.watched],
        "changes": [change.to_json() for change in item.changes],
    }  # fmt: skip


# -- specifications ------------------------------------------------------------------------------------


def specification(spec: DataSourceSpec) -> dict[str, Any]:
    """A specification as a mapping, without what is the default."""
    return spec.model_dump(mode="json", exclude_defaults=True)


def yaml_of(spec: DataSourceSpec, remarks: Sequence[str]) -> str:
    """A specification as YAML, its remarks as comments before it."""
    text = yaml.safe_dump(specification(spec), allow_unicode=True, sort_keys=False, width=_WIDTH)
    assert parse_spec(yaml.safe_load(text)) == spec  # what is written is what was migrated
    comments = "".join(f"# - {' '.join(remark.split())}\n" for remark in remarks)
    return f"# {spec.name}, migrated from an AccessKey to a role.\n{comments}{text}"


def specifications(report: MigrationReport) -> list[tuple[DataSourceSpec, tuple[str, ...]]]:
    """The specifications of all data sources that have one, with their notes."""
    return [(one.item.spec, one.notes) for one in report.results if one.item is not None]


def write_files(report: MigrationReport, folder: Path, *, with_report: bool = True) -> tuple[Path, ...]:
    """``<name>.yaml`` for each data source, ``sources.csv`` with all of them, and ``migration.report.json``.

    Raises :class:`flows.bulk_files.FolderUnusable` or ``OSError``.
    """
    require_folder(folder)
    found = specifications(report)
    written = [write_whole(folder / f"{spec.name}.yaml", yaml_of(spec, notes)) for spec, notes in found]
    if found:
        rows = [to_row(spec) for spec, _ in found]
        text = csv_text(rows, header=["name", "workspace", "region", "type"], line_end="\n")
        written.append(write_whole(folder / "sources.csv", text))
    if with_report:
        text = json.dumps(report.to_json(), ensure_ascii=False, indent=1)
        written.append(write_whole(folder / "migration.report.json", text))
    return tuple(written)


# -- for people ----------------------------------------------------------------------------------------


def markdown(report: MigrationReport) -> str:
    """The artifact: counts, data sources, who has to do what, and AccessKeys to disable."""
    return "\n".join(_lines(report))


def _lines(report: MigrationReport) -> Iterator[str]:
    yield f"# Migration of {plain(report.headline)}"
    yield ""
    if report.plan is not None:
        yield f"Plan `{report.plan.hash}`"
        yield ""
    yield "| data source | workspace | outcome | stage | details |"
    yield "|---|---|---|---|---|"
    for one in report.results:
        yield f"| {plain(one.name)} | {one.workspace} | {one.ending.value} | {one.reached.value} | {plain(one.reason)} |"
    for title, errors in (("What stopped them", _errors(report)), ("Not put back", _undone(report))):
        if errors:
            yield from ("", f"## {title}", "")
            yield from (f"- **{plain(name)}**: {plain(str(error))}" for name, error in errors)
    yield from _about_keys(report)
    notes = [(one.name, note) for one in report.results for note in one.notes]
    if notes:
        yield from ("", "## Notes", "", *(f"- {plain(name)}: {plain(note)}" for name, note in notes))


def _errors(report: MigrationReport) -> list[tuple[str, OnboardingError]]:
    return [(one.name, one.error) for one in report.results if one.error is not None]


def _undone(report: MigrationReport) -> list[tuple[str, OnboardingError]]:
    return [(one.name, one.undone) for one in report.results if one.undone is not None]


def _about_keys(report: MigrationReport) -> Iterator[str]:
    if report.unread:
        yield from ("", f"Which AccessKeys nothing uses any more is not known: {plain(report.unread)}")
    if report.unused:
        yield from ("", "## AccessKeys that no data source uses any more", "")
        yield "For a person to disable, after a look at when RAM says that each was last used."
        yield ""
        yield from (f"- {plain(key_line(one))}" for one in report.unused)


def key_line(key: UnusedKey) -> str:
    """One AccessKey in one line."""
    unread = f"; not looked at: workspaces {', '.join(map(str, key.unread))}" if key.unread else ""
    return f"{key.key_id}: was used by {', '.join(key.before)}{unread}"

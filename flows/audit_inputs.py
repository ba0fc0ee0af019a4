"""What an audit is asked for: where, compared with which specifications, under which baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloud.gate import Gate
from config.baseline import Baseline, load_baseline
from config.csv_file import read_rows
from config.csv_place import shown_place
from config.load import SpecError, load_spec
from config.spec import DataSourceSpec
from flows.audit_report import AuditReport, judged
from tasks.audit.audit import audit
from tasks.role_group import groups_of


class AuditUnclear(SpecError):
    """What was given does not go together; nothing was read from the cloud."""


@dataclass(frozen=True)
class AuditInputs:
    """Everything read from files. ``workspaces`` is None for all of the region; ``baseline_name`` is its file's."""

    region: str
    workspaces: tuple[int, ...] | None = None
    specs: tuple[DataSourceSpec, ...] = ()
    baseline: Baseline | None = None
    baseline_name: str = ""
    notes: tuple[str, ...] = ()


def read_inputs(
    region: str | None = None,
    workspaces: Sequence[int] | None = None,
    specs: Sequence[str] = (),
    csv_files: Sequence[str] = (),
    defaults: str | dict[str, Any] | None = None,
    baseline: str | None = None,
) -> AuditInputs:
    """Read specifications, CSV files and the baseline.

    Without ``region`` it is that of the specifications. With it, rows of CSV files in other regions are left out with a
    note: one file may describe many regions. Raises ``SpecError``: a file that cannot be used, regions that do not go
    together, specifications that disagree about a role.
    """
    given = [load_spec(path) for path in specs]
    rows = [row.spec for file in csv_files for row in read_rows(file, defaults=defaults).require_valid().rows]
    regions = sorted({spec.region for spec in (*given, *rows)})
    if region is None:
        if len(regions) != 1:
            told = f"; the specifications are of {', '.join(regions)}" if regions else ""
            raise AuditUnclear(f"name the region to audit{told}")
        region = regions[0]
    wrong = [spec.name for spec in given if spec.region != region]
    if wrong:
        raise AuditUnclear(f"the audit is of {region}, and not there: {', '.join(wrong)}")
    here = tuple(spec for spec in (*given, *rows) if spec.region == region)
    left_out = len(given) + len(rows) - len(here)
    try:
        if here:
            groups_of(here)
    except ValueError as error:
        raise AuditUnclear(str(error)) from None
    return AuditInputs(
        region,
        tuple(dict.fromkeys(workspaces)) if workspaces else None,
        here,
        load_baseline(baseline) if baseline is not None else None,
        Path(shown_place(baseline)).name if baseline is not None else "",
        (f"rows of other regions in the CSV files, not compared: {left_out}",) if left_out else (),
    )


def run_audit(gate: Gate, inputs: AuditInputs) -> AuditReport:
    """Read the account and judge it; writes nothing. Raises :class:`cloud.errors.OnboardingError`."""
    found = audit(gate, inputs.workspaces, inputs.specs)
    return judged(found, inputs.baseline, name=inputs.baseline_name, notes=inputs.notes)

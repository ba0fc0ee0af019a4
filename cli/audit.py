"""``onboard audit``: read, judge under a baseline, and write it as a table, JSON, SARIF, CSV or HTML."""

from __future__ import annotations

import datetime
import io
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter, ValidationError

from cli.connect import connect, report_error
from cli.inputs import BadInput, read_settings, report_bad_input
from cli.prefect_environment import prepare
from cli.show import console

if TYPE_CHECKING:
    from rich.console import Console

    from flows.audit_inputs import AuditInputs
    from flows.audit_report import AuditReport

ACCEPTED_DAYS = 90
"""How long a new entry of a baseline holds unless ``--expires`` says it: a quarter, after which somebody looks again."""
_ENDS = {".json": "json", ".sarif": "sarif", ".html": "html", ".htm": "html", ".csv": "csv"}
_OF_CHAINS = ("table", "json", "csv")


@dataclass(frozen=True)
class AuditChoices:
    """What was given on the command line."""

    workspaces: Sequence[int]
    region: str | None
    specs: Sequence[str]
    csv: Sequence[str]
    defaults: str | None
    form: str | None
    output: Path | None
    fail_on: str | None
    baseline: str | None
    write_baseline: Path | None
    reason: str | None
    expires: datetime.date | None
    reach: str | None

    @property
    def written_as(self) -> str:
        """The form: as asked for, else by the end of the file's name, else a table."""
        if self.form is not None:
            return self.form
        return _ENDS.get(self.output.suffix.lower(), "table") if self.output else "table"

    @property
    def judged_by(self) -> str | None:
        """The baseline to judge by: the one named, else the one that is to be extended."""
        if self.baseline is None and self.write_baseline is not None and self.write_baseline.exists():
            return str(self.write_baseline)
        return self.baseline


def audit_and_show(choices: AuditChoices) -> int:
    """Audit and say; returns the exit code."""
    as_json = choices.written_as in ("json", "sarif")
    prepare(verbose=False)
    from cloud.errors import OnboardingError
    from flows.audit_inputs import run_audit
    from policy.findings import Severity

    try:
        _require_sense(choices)
        inputs, settings = _read(choices), read_settings()
        if sys.stderr.isatty():
            print(f"reading {inputs.region}; this takes some calls for each data source", file=sys.stderr)
        report = run_audit(connect(settings, inputs.region), inputs)
        if choices.write_baseline is not None:
            report = _accept(choices, inputs, report)
        _write(choices, report)
    except BadInput as error:
        report_bad_input(error, as_json)
        return 2
    except OnboardingError as error:
        report_error(error, as_json)
        return 1
    if choices.reach is not None:
        return 0
    return report.exit_code(Severity(choices.fail_on) if choices.fail_on else None)


def _require_sense(choices: AuditChoices) -> None:
    """Raise :class:`BadInput` for choices that do not go together, before anything is read."""
    for option, path in (("--output", choices.output), ("--write-baseline", choices.write_baseline)):
        if path is not None and not path.parent.is_dir():
            raise _bad(option, f"there is no folder {path.parent}")
    if choices.reach is not None:
        if choices.written_as not in _OF_CHAINS:
            raise _bad("--reach", f"chains are written as {', '.join(_OF_CHAINS)}")
        if choices.fail_on or choices.write_baseline:
            raise _bad("--reach", "it tells chains, not findings: give no --fail-on and no --write-baseline")
        _require_location(choices.reach)
    if choices.write_baseline is None:
        if choices.reason is not None or choices.expires is not None:
            raise _bad("--write-baseline", "--reason and --expires are for what it writes")
        return
    if choices.reason is None:
        raise _bad("--reason", "say why the findings are accepted, in at least 10 characters")
    other = (
        choices.baseline is not None and Path(choices.baseline).resolve() != choices.write_baseline.resolve()
    )
    if other and choices.write_baseline.exists():
        raise _bad("--write-baseline", f"{choices.write_baseline} exists: it would lose its entries")
    from config.finding_codes import Reason

    try:
        TypeAdapter(Reason).validate_python(choices.reason)
    except ValidationError:
        raise _bad("--reason", "it has at least 10 characters") from None


def _require_location(text: str) -> None:
    """Raise :class:`BadInput` for what no source type has: nobody reaching it would be no answer."""
    from config.sources import source_types

    scheme, colon, rest = text.strip().rpartition("://")
    known = [f"{name}://" for name in source_types()]
    if colon and f"{scheme.lower()}://" not in known:
        raise _bad("--reach", f"{scheme}:// is not understood; known are {', '.join(known)}")
    if not rest.strip():
        raise _bad("--reach", "give a location, as oss://bucket/prefix")


def _bad(path: str, rule: str) -> BadInput:
    return BadInput(f"{path}: {rule}", [{"path": path, "value": "", "rule": rule}])


def _read(choices: AuditChoices) -> AuditInputs:
    """Specifications, CSV files and baseline. Raises :class:`BadInput` with what is wrong with them."""
    from cli.inputs import bad_file
    from config.csv_problems import CsvInvalid
    from config.load import SpecError, SpecInvalid
    from flows.audit_inputs import read_inputs

    try:
        return read_inputs(
            choices.region,
            choices.workspaces,
            choices.specs,
            choices.csv,
            choices.defaults,
            choices.judged_by,
        )
    except CsvInvalid as error:
        raise bad_file(error) from error
    except SpecInvalid as error:
        problems = [{"path": p.path, "value": p.value, "rule": p.rule} for p in error.problems]
        raise BadInput(str(error), problems) from error
    except SpecError as error:
        raise BadInput(str(error), [{"path": "", "value": "", "rule": str(error)}]) from error


def _accept(choices: AuditChoices, inputs: AuditInputs, report: AuditReport) -> AuditReport:
    """Write the baseline with all that is open, and judge by it. Raises :class:`BadInput`."""
    from config.baseline import baseline_text
    from flows.audit_report import extended, judged, taken_on
    from flows.bulk_files import write_whole

    assert choices.write_baseline is not None
    assert choices.reason is not None
    today = taken_on(report.audit)
    expires = choices.expires or today + datetime.timedelta(days=ACCEPTED_DAYS)
    if expires < today:
        raise _bad("--expires", f"{expires.isoformat()} is over")
    made = extended(inputs.baseline, report, choices.reason, expires)
    try:
        write_whole(choices.write_baseline, baseline_text(made))
    except OSError as error:
        raise _bad("--write-baseline", f"cannot write {choices.write_baseline}: {error.strerror}") from error
    print(f"wrote {choices.write_baseline}: {len(made.ignore)} accepted findings", file=sys.stderr)
    return judged(report.audit, made, name=choices.write_baseline.name, notes=report.notes)


def _write(choices: AuditChoices, report: AuditReport) -> None:
    """To standard output or to the file. Raises :class:`BadInput` for a file that cannot be written."""
    from flows.bulk_files import write_whole

    if choices.output is None:
        if choices.written_as == "table":
            _show(choices, report, console())
        else:
            sys.stdout.write(_text(choices, report))
        return
    try:
        write_whole(choices.output, _text(choices, report))
    except OSError as error:
        raise _bad("--output", f"cannot write {choices.output}: {error.strerror}") from error


def _text(choices: AuditChoices, report: AuditReport) -> str:
    """What is written, in any form."""
    from flows.audit_csv import chains_csv
    from flows.audit_files import FORMS
    from flows.audit_report import reach_json, reaching

    form = choices.written_as
    if form == "table":
        file = io.StringIO()
        _show(choices, report, console(file))
        return file.getvalue()
    if choices.reach is None:
        return FORMS[form](report)
    if form == "csv":
        return chains_csv(reaching(report.audit.chains, choices.reach))
    return json.dumps(reach_json(report.audit, choices.reach), ensure_ascii=False, indent=1) + "\n"


def _show(choices: AuditChoices, report: AuditReport, out: Console) -> None:
    from cli.show_audit import show_audit, show_reach

    if choices.reach is None:
        show_audit(out, report)
    else:
        show_reach(out, report.audit, choices.reach)

"""Reports of a file's run as files, and the rows that an earlier report names."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from config.csv_place import read_bytes
from config.limits import BULK_REPORT_BYTES
from config.load import SpecFileError
from flows.bulk_csv import to_csv
from flows.bulk_html import render_html
from flows.bulk_reading import ReportInvalid, select
from flows.bulk_report import BulkReport, RowOutcome


class FolderUnusable(ValueError):
    """No report could be written to the folder."""


def require_folder(folder: Path) -> None:
    """Make the folder and try to write there, before a long run. Raises :class:`FolderUnusable`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise FolderUnusable(f"no report can be written to {folder}: {error.strerror or error}") from None


def write_report(report: BulkReport, folder: Path) -> tuple[Path, ...]:
    """Write ``<file>.report.json``, ``.csv`` and ``.html``; each is whole or not there. Raises ``OSError``."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = re.sub(r"[^\w.-]+", "-", Path(report.source).stem) or "bulk"
    texts: tuple[tuple[str, Callable[[], str]], ...] = (
        ("json", lambda: json.dumps(report.to_json(), ensure_ascii=False, indent=1)),
        ("csv", lambda: to_csv(report.rows)),
        ("html", lambda: render_html(report)),
    )
    return tuple(write_whole(folder / f"{stem}.report.{end}", text()) for end, text in texts)


def write_whole(path: Path, text: str) -> Path:
    """Under another name first: who reads meanwhile sees the old file or the new one. Raises ``OSError``."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def read_selection(
    only: Sequence[str] | None, previous_report: str | None, source: str
) -> frozenset[tuple[int, str]] | None:
    """Workspace and name of the rows of ``source`` to run; None: all.

    Raises :class:`ReportInvalid`, also for the report of another file and for one without such a row.
    """
    if only is None and previous_report is None:
        return None
    if only is None or previous_report is None:
        raise ReportInvalid("only and previous_report belong together: give both or neither")
    try:
        found = json.loads(read_bytes(previous_report, maximum=BULK_REPORT_BYTES))
    except SpecFileError as error:
        raise ReportInvalid(str(error)) from None
    except ValueError:
        raise ReportInvalid(f"{previous_report} is no JSON file") from None
    chosen = select(found, {RowOutcome(one) for one in only})
    if Path(found["source"]).name != Path(source).name:
        raise ReportInvalid(f"{previous_report} is the report of {found['source']}, not of {source}")
    if not chosen:
        words = " or ".join(RowOutcome(one).words for one in only)
        raise ReportInvalid(f"no row of {previous_report} is {words}")
    return frozenset(chosen)

"""An audit as text in each of its forms, and as files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from flows.audit_csv import to_csv
from flows.audit_html import render_audit
from flows.audit_report import AuditReport
from flows.audit_sarif import to_sarif
from flows.bulk_files import write_whole


def _json(report: AuditReport) -> str:
    return json.dumps(report.to_json(), ensure_ascii=False, indent=1) + "\n"


def _sarif(report: AuditReport) -> str:
    return json.dumps(to_sarif(report), ensure_ascii=False, indent=1) + "\n"


FORMS: Mapping[str, Callable[[AuditReport], str]] = MappingProxyType(
    {"json": _json, "sarif": _sarif, "csv": to_csv, "html": render_audit}
)
"""How each form is written, by its name, which is also the end of its file's name."""


def write_audit(report: AuditReport, folder: Path) -> tuple[Path, ...]:
    """Write ``audit-<account>-<region>.json``, ``.sarif``, ``.csv`` and ``.html``; each is whole or not there.

    Raises ``OSError``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    stem = re.sub(r"[^\w.-]+", "-", f"audit-{report.audit.account_id}-{report.audit.region}")
    return tuple(write_whole(folder / f"{stem}.{form}", write(report)) for form, write in FORMS.items())

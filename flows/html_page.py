"""What the reports' standalone HTML pages have in common.

A page loads nothing, not even from its own folder: style and script are inline, allowed by their hashes in a content
security policy. Every text that a template writes is made visible and escaped.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment as Templates
from jinja2 import FileSystemLoader, StrictUndefined

from flows.bulk_report import visible

_HERE = Path(__file__).parent / "templates"
TEXT_CHARACTERS = 600
"""A longer sentence is cut on a page; the JSON report has it in full."""


def templates(filters: Mapping[str, Callable[..., str]]) -> Templates:
    """The folder's templates, with the filters that every page has and those given."""
    found = Templates(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    found.filters.update({"duration": duration, "moment": moment, "sentence": sentence, "short": short})
    found.filters.update(filters)
    return found


def _finalize(value: Any) -> Any:
    """Every text that is written goes through here: unseen characters are removed, then it is escaped."""
    return visible(value) if type(value) is str else value


@lru_cache(maxsize=8)
def asset(name: str) -> str:
    """A style or script of the folder."""
    return (_HERE / name).read_text(encoding="utf-8")


def content_policy(style: str, script: str) -> str:
    """Nothing is loaded and nothing is sent; only this style and this script."""

    def digest(text: str) -> str:
        return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

    return (
        f"default-src 'none'; style-src 'sha256-{digest(style)}'; script-src 'sha256-{digest(script)}'; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def short(text: str) -> str:
    """The text, cut when it is very long."""
    return text if len(text) <= TEXT_CHARACTERS else f"{text[: TEXT_CHARACTERS - 1]}…"


def sentence(text: str) -> str:
    """With a capital and a full stop; a name at the beginning stays as it is."""
    first = text.partition(" ")[0]
    text = f"{text[:1].upper()}{text[1:]}" if first.isalpha() and first.islower() else text
    return text if not text or text.endswith((".", "!", "?", "…")) else f"{text}."


def duration(seconds: float) -> str:
    """``0.4 s``, ``47 s``, ``12 min 3 s`` or ``2 h 5 min``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def moment(seconds: float) -> str:
    """A Unix time as ``2026-11-24 12:03 UTC``."""
    return f"{datetime.fromtimestamp(seconds, timezone.utc):%Y-%m-%d %H:%M} UTC"

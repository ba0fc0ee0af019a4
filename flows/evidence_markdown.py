"""An evidence pack as Markdown, written from its JSON alone: the same pack gives the same page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment as Templates
from jinja2 import FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from flows.evidence_pack import COMPARED, SECTIONS, Pack, content_of, stamp
from flows.html_page import sentence
from flows.report_parts import plain

_LINES = re.compile(r"\n{3,}")


def evidence_markdown(pack: Pack, *, brief: bool = False) -> str:
    """The page of a pack; ``brief``: what has changed, without the lists of everything there is."""
    sections: dict[str, Any] = {name: content_of(pack, name) for name in SECTIONS}
    changes = sections["changes"]
    text = _template().render(
        pack=pack,
        access=sections["access"],
        timed=sections["grants"],
        open=sections["findings"],
        accepted=sections["accepted"],
        unread=sections["unread"],
        changes=changes,
        changed=any(changes[name][verb] for name in COMPARED for verb in ("added", "removed")),
        runs=sections["runs"],
        runs_of=lambda chain: _runs_of(sections["runs"], chain),
        # In an order of its own: a file that was read again has another one than a pack that was just made.
        hashes=[(name, pack["sections"][name]["sha256"]) for name in SECTIONS],
        brief=brief,
    )
    return _LINES.sub("\n\n", text).strip() + "\n"


@lru_cache(maxsize=1)
def _template() -> Template:
    found = Templates(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    found.filters.update({"stamp": stamp, "sentence": sentence})
    return found.get_template("evidence.md.j2")


def _finalize(value: Any) -> Any:
    """Every text is made plain: no Markdown and no HTML in it takes effect. What macros have made is plain already."""
    return Markup(plain(value)) if type(value) is str else value  # noqa: S704  # plain has escaped it


def _runs_of(runs: Mapping[str, Any], chain: Mapping[str, Any]) -> list[str]:
    """The numbers of the runs that were about a chain's data source or role."""
    about = {f"{chain['workspace']}/{chain['data_source']}", chain["role"]} - {""}
    return [
        str(number)
        for number, run in enumerate(runs["runs"], start=1)
        if about & {*run["data_sources"], *run["roles"]}
    ]

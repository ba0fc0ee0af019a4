"""Looking at a report's page as a browser reads it, and text that tries to be more than text."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import flows.bulk_html

HOSTILE = "</script><script>alert(1)</script>\"'><img src=x onerror=alert(1)>\u202e\u2066\x00{{ 7 * 7 }}"
STYLE = Path(flows.bulk_html.__file__).parent / "templates" / "bulk_report.css"


class Page(HTMLParser):
    """Tags with their attributes, and the text of scripts, styles and the rest."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: dict[str, str] = {"script": "", "style": "", "": ""}
        self._in = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag in ("script", "style"):
            self._in = tag

    def handle_endtag(self, tag: str) -> None:
        if tag == self._in:
            self._in = ""

    def handle_data(self, data: str) -> None:
        self.texts[self._in] += data

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


def require_plain_text(clean_html: str, hostile_html: str, at_least: int) -> None:
    """Markup in names and reasons, more than ``at_least`` times, is shown and adds nothing to the page."""
    clean, page = Page(clean_html), Page(hostile_html)
    assert len(page.all("script")) == len(page.all("style")) == 1
    assert page.texts["script"] == clean.texts["script"]
    assert page.all("img") == []
    known = {name for _, attributes in clean.tags for name in attributes}
    assert {name for _, attributes in page.tags for name in attributes} <= known | {"title", "value"}
    assert page.texts[""].count("<script>alert(1)</script>") > at_least
    assert "{{ 7 * 7 }}" in page.texts[""]


def luminance(color: str) -> float:
    """Relative luminance of a colour written as ``#rrggbb``, 0 to 1 (WCAG 2.2)."""
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue

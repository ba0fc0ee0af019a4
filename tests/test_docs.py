"""What the documentation shows is true: specifications load, commands exist, links lead somewhere."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml
from typer.core import TyperGroup

from cli.main import app
from config.load import load_spec, parse_spec

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_NAME = re.compile(r"(?:^|[\s/])onboard (.*)")


def _id(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _blocks(language: str) -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for kind, text in _BLOCK.findall(page.read_text(encoding="utf-8")):
            if kind == language:
                yield _id(page), text


def _specifications() -> list[tuple[str, str]]:
    """YAML blocks that hold a whole specification; account files and fragments of fields are none."""
    return [
        (page, text)
        for page, text in _blocks("yaml")
        if {"name:", "workspace:", "location:"} <= set(text.split())
    ]


def _commands() -> list[tuple[str, str]]:
    found = []
    for language in ("console", "sh", "bash"):
        for page, text in _blocks(language):
            for line in text.splitlines():
                match = _NAME.search(line.removeprefix("$ ").partition("  #")[0].partition(" #")[0])
                if line.startswith("$ ") and match:
                    found.append((page, match.group(1)))
    return found


def test_readme_shows_a_specification_and_commands() -> None:
    assert any(page == "README.md" for page, _ in _specifications())
    assert any(page == "README.md" for page, _ in _commands())


@pytest.mark.parametrize(("page", "text"), _specifications())
def test_a_specification_in_the_docs_loads(page: str, text: str) -> None:
    assert parse_spec(yaml.safe_load(text), source=page).name


@pytest.mark.parametrize("path", EXAMPLES, ids=_id)
def test_an_example_loads(path: Path) -> None:
    assert load_spec(path).name


@pytest.mark.parametrize(("page", "text"), list(_blocks("yaml")))
def test_a_yaml_block_is_yaml(page: str, text: str) -> None:
    assert yaml.safe_load(text), page


@pytest.mark.parametrize(("page", "command"), _commands())
def test_a_command_in_the_docs_exists_with_its_options(page: str, command: str) -> None:
    words = [word for word in shlex.split(command) if word not in ("…", "&")]
    found: Any = typer.main.get_command(app)
    # A group may do something by itself, by options alone.
    while isinstance(found, TyperGroup) and not (
        words and words[0].startswith("-") and found.invoke_without_command
    ):
        assert words, f"{page}: {command} names no command"
        name = words.pop(0)
        assert name in found.commands, f"{page}: there is no command {name}"
        found = found.commands[name]
    options = {option for parameter in found.params for option in parameter.opts}
    for word in words:
        if word.startswith("-"):
            assert word.partition("=")[0] in options, f"{page}: {command}"
        if word.endswith(".yaml") and word.startswith("examples/"):
            assert (ROOT / word).exists(), f"{page}: {command}"


@pytest.mark.parametrize("page", PAGES, ids=_id)
def test_every_relative_link_leads_to_a_file(page: Path) -> None:
    text = re.sub(r"`[^`\n]*`", "", _BLOCK.sub("", page.read_text(encoding="utf-8")))
    for target in _LINK.findall(text):
        if "://" in target or target.startswith(("#", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        linked = (page.parent / path).resolve()
        assert linked.exists(), f"{target} leads nowhere"
        if anchor and linked.suffix == ".md":
            assert anchor in _anchors(linked), f"{target}: no such heading"


def _anchors(page: Path) -> set[str]:
    """GitHub's anchors of a page's headings."""
    headings = re.findall(r"^#+ (.+)$", _BLOCK.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}

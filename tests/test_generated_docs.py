"""The reference pages say what the code says."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).resolve().parent.parent / "docs"


def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate_docs", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("name", sorted(_generator().pages()))
def test_a_committed_page_is_what_the_code_would_write_today(name: str) -> None:
    assert (DOCS / name).read_text(encoding="utf-8") == _generator().pages()[name](), "run: make docs"


def test_every_page_in_the_folder_is_written_by_hand_or_by_the_generator() -> None:
    generated = set(_generator().pages())
    committed = {str(path.relative_to(DOCS)) for path in DOCS.rglob("*.md")}
    marked = {
        name for name in committed if (DOCS / name).read_text(encoding="utf-8").startswith("<!-- Written by")
    }
    assert marked == generated

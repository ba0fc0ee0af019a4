"""The names that the policy room offers."""

from __future__ import annotations

import ast
import inspect
import sys
from pathlib import Path

import policy


def test_all_is_sorted_and_complete() -> None:
    offered = {name for name, value in vars(policy).items() if name[0] != "_" and not inspect.ismodule(value)}
    assert policy.__all__ == sorted(offered)


def test_every_public_name_has_a_docstring() -> None:
    assert [name for name in policy.__all__ if not inspect.getdoc(getattr(policy, name))] == []


def test_the_room_imports_only_itself_and_pure_parts_of_the_standard_library() -> None:
    impure = {
        "os",
        "io",
        "pathlib",
        "socket",
        "subprocess",
        "time",
        "random",
        "logging",
        "urllib",
        "http",
        "shutil",
    }
    for module in Path(inspect.getfile(policy)).parent.glob("*.py"):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for top in {name.split(".")[0] for name in names}:
                assert top == "policy" or (top in sys.stdlib_module_names and top not in impure), (
                    module,
                    top,
                )

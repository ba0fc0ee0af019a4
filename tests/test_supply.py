"""What an installation is made of: every dependency has a reason and a licence, and a wheel holds what it runs."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
import subprocess
import sys
import zipfile
from functools import cache
from importlib.metadata import metadata, packages_distributions
from pathlib import Path
from typing import Any

import pytest

from docs.sbom import LOCK, Locked, bill, installed, licences, locked, normalized

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
# Without its comments, which hold quotes of their own. Python 3.10 has no tomllib.
PROJECT = re.sub(r"^\s*#.*\n", "", (ROOT / "pyproject.toml").read_text(encoding="utf-8"), flags=re.MULTILINE)
FORBIDDEN = re.compile(r"GPL|General Public License", re.IGNORECASE)


def _listed(start: str, end: str) -> tuple[str, ...]:
    """The texts in double quotes between two lines of pyproject.toml."""
    return tuple(re.findall(r'"([^"]+)"', PROJECT.split(f"\n{start}")[1].split(f"\n{end}")[0]))


def _names(requirements: tuple[str, ...]) -> set[str]:
    return {normalized(re.split(r"[^\w.-]", line, maxsplit=1)[0]) for line in requirements}


ROOMS = _listed("packages = [", "")
DIRECT = _names(_listed("dependencies = [", "]"))
EXTRAS = _names(_listed("[project.optional-dependencies]", "["))
LOCKED = locked(LOCK.read_text(encoding="utf-8"))


@cache
def _section(title: str) -> str:
    return PAGE.split(f"\n## {title}\n")[1].split("\n## ")[0]


@cache
def _rows(title: str) -> dict[str, tuple[str, ...]]:
    """Rows of a section's tables by each package of their first cell."""
    found = {}
    for line in _section(title).splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        for name in re.findall(r"`([^`]+)`", cells[0]) if line.startswith("| `") else ():
            found[name] = tuple(cells[1:])
    return found


@cache
def _imported() -> frozenset[str]:
    """Packages that the rooms import, by the names they are installed under."""
    known, modules = packages_distributions(), set()
    for path in (path for room in ROOMS for path in (ROOT / room).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
                modules.add(node.module.partition(".")[0])
            elif isinstance(node, ast.Constant) and "import_module(" in text and node.value in known:
                modules.add(str(node.value))
    foreign = modules - sys.stdlib_module_names - set(ROOMS)
    return frozenset(normalized(name) for module in foreign for name in known.get(module, [module]))


# -- reasons -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(DIRECT | EXTRAS))
def test_a_direct_dependency_has_its_row(name: str) -> None:
    assert name in _rows("Direct ones")


@pytest.mark.parametrize("name", sorted(DIRECT | EXTRAS))
def test_a_direct_dependency_is_imported_or_its_row_says_why_not(name: str) -> None:
    told = " ".join(_rows("Direct ones")[name])
    says_not = "not imported" in told or "no code here imports it" in told
    assert says_not != (name in _imported())


def test_what_is_imported_is_a_direct_dependency_or_argued() -> None:
    assert _imported() <= set(_rows("Direct ones"))


def test_every_row_is_a_dependency_or_imported() -> None:
    assert set(_rows("Direct ones")) <= DIRECT | EXTRAS | _imported()


# -- licences ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(DIRECT))
def test_the_licence_in_a_row_is_what_the_package_says(name: str) -> None:
    assert _rows("Direct ones")[name][-1] in licences(metadata(name))


@pytest.mark.parametrize("package", LOCKED, ids=lambda one: f"{one.name}-{one.version}")
def test_a_locked_package_has_a_licence_and_none_that_is_forbidden_unless_argued(package: Locked) -> None:
    found = installed(package)
    if found is None:
        # Another version of an installed package has that one's licence; what is not installed at all is argued.
        here = [one for one in LOCKED if one.name == package.name and installed(one)]
        assert package.marker
        assert here or package.name in _rows("Licences")
        return
    told = licences(found.metadata)
    assert told
    if FORBIDDEN.search(" ".join(told)):
        assert package.name in _rows("Licences")


def test_a_package_under_the_gpl_only_would_be_found() -> None:
    class Metadata(dict[str, Any]):
        def get_all(self, name: str) -> list[str]:
            return [self[name]] if name in self else []

    assert licences(Metadata({"License-Expression": "AGPL-3.0-only"})) == ("AGPL-3.0-only",)
    classifier = "License :: OSI Approved :: GNU General Public License v3 (GPLv3)"
    (told,) = licences(Metadata({"License": "UNKNOWN", "Classifier": classifier}))
    assert FORBIDDEN.search(told)
    assert licences(Metadata()) == ()


# -- the bill of materials ---------------------------------------------------------------------------------


def _bill(command: list[str]) -> str:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout


def test_the_sbom_lists_the_whole_lock_and_is_the_same_twice() -> None:
    text = _bill([sys.executable, "docs/sbom.py"])
    told = json.loads(text)
    assert (told["bomFormat"], told["specVersion"]) == ("CycloneDX", "1.5")
    assert [(one["name"], one["version"]) for one in told["components"]] == [
        (one.name, one.version) for one in LOCKED
    ]
    assert text == _bill([sys.executable, "docs/sbom.py"])


def test_references_of_the_sbom_are_its_own_and_each_is_there_once() -> None:
    told = bill(LOCK.read_text(encoding="utf-8"))
    references = [one["bom-ref"] for one in told["components"]]
    known = {*references, told["metadata"]["component"]["bom-ref"]}
    assert len(known) == len(references) + 1
    for entry in told["dependencies"]:
        assert {entry["ref"], *entry["dependsOn"]} <= known
    ours = told["dependencies"][0]["dependsOn"]
    assert {reference.split("/")[1].split("@")[0] for reference in ours} == DIRECT


def test_a_lock_that_is_not_understood_is_refused_with_its_line() -> None:
    assert locked("a.B_c==1.0 ; python_version < '3' \\\n    --hash=sha256:00\n") == (
        Locked("a-b-c", "1.0", "python_version < '3'"),
    )
    with pytest.raises(ValueError, match="not understood: somewhere @ file"):
        locked("somewhere @ file:///x\n")


# -- the wheel ---------------------------------------------------------------------------------------------


def _tracked() -> set[str]:
    """Files of the rooms that git knows; others are nobody's."""
    command = ["git", "ls-files", "-z", "--", *ROOMS]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode or not done.stdout:
        pytest.skip("this is no checkout of git, so nothing says which files belong to it")
    return {name for name in done.stdout.split("\0") if name and (ROOT / name).exists()}


def test_a_wheel_holds_every_file_and_runs_where_nothing_else_of_the_project_is(tmp_path: Path) -> None:
    if importlib.util.find_spec("hatchling") is None:
        pytest.skip(
            "the build backend, hatchling, is not installed: `pip wheel .` fetches it, see docs/releasing.md"
        )
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation"]
    subprocess.run([*command, "--wheel-dir", str(tmp_path), str(ROOT)], timeout=100, check=True)
    (wheel,) = tmp_path.glob("*.whl")
    unpacked = tmp_path / "unpacked"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(unpacked)
        held = set(archive.namelist())
    assert _tracked() <= held
    assert "cli/example_oss.yaml" in held
    (told,) = (unpacked / name for name in held if name.endswith("entry_points.txt"))
    assert "onboard = cli.main:run" in told.read_text(encoding="utf-8")
    example = str(unpacked / "cli" / "example_oss.yaml")
    environment = {**os.environ, "PYTHONPATH": str(unpacked)}
    for words in (["check", example], ["schema"], ["template", "csv"], ["permissions", example]):
        done = subprocess.run(
            [sys.executable, "-m", "cli", *words],
            cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"{words}: {done.stderr}"

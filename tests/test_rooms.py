"""The rooms of the code import as CONTRIBUTING.md says, and the check that proves it can fail."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("cli", "cloud", "config", "emulator", "flows", "policy", "tasks")


def _lint(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache", "--config", str(folder / "pyproject.toml")],
        cwd=folder, env={**os.environ, "PYTHONPATH": str(folder)}, capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip


def test_every_import_goes_the_allowed_way() -> None:
    done = _lint(ROOT)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    ("room", "statement"),
    [
        ("config", "import cloud.gate"),
        ("policy", "import tasks.role"),
        ("cloud", "import emulator.cloud"),
        ("cli", "import emulator.server"),
        ("emulator", "import cloud.gate"),
        ("tasks", "import flows.onboard"),
        ("policy", "import cloud.gate"),
    ],
)
def test_a_forbidden_import_is_found(tmp_path: Path, room: str, statement: str) -> None:
    for name in ROOMS:
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    (tmp_path / room / "trespass.py").write_text(f"{statement}\n", encoding="utf-8")
    done = _lint(tmp_path)
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"{room}.trespass" in done.stdout


def test_every_package_of_the_repository_is_a_room_of_the_contracts() -> None:
    packages = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert packages - {"tests", "docs", "benchmarks"} == set(ROOMS)


@pytest.mark.parametrize("room", ["config", "policy"])
def test_config_and_policy_load_no_sdk(room: str) -> None:
    modules = sorted(
        path.stem for path in (ROOT / room).glob("*.py") if path.stem not in ("__init__", "credentials")
    )
    program = (
        f"import sys, importlib\nfor name in {modules!r}: importlib.import_module('{room}.' + name)\n"
        "print([name for name in sys.modules if name.startswith(('alibabacloud', 'darabonba', 'Tea', 'prefect'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip() == "[]"

"""Where workers get the code from: a clone by git, and the image of the Dockerfile."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.flows.server import ROOT, PrefectServer, plain_environment

pytestmark = pytest.mark.servers

_PAGE = (ROOT / "docs" / "deployments.md").read_text(encoding="utf-8")


def test_the_pull_step_for_git_brings_code_whose_flows_load(
    prefect_server: PrefectServer, tmp_path: Path
) -> None:
    (block,) = [
        one
        for one in re.findall(r"^```yaml\n(.*?)^```", _PAGE, re.MULTILINE | re.DOTALL)
        if "git_clone" in one
    ]
    steps = yaml.safe_load(block)["pull"]
    bare, source = tmp_path / "onboarding.git", tmp_path / "source"
    for name in ("flows", "tasks", "cloud", "policy", "config"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    git = ("git", "-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "init.defaultBranch=main")
    for arguments in (
        ("init", "-q"),
        ("add", "."),
        ("commit", "-q", "-m", "code"),
        ("clone", "-q", "--bare", ".", str(bare)),
    ):
        subprocess.run([*git, *arguments], cwd=source, check=True, capture_output=True)
    clone = next(
        step["prefect.deployments.steps.git_clone"]
        for step in steps
        if "prefect.deployments.steps.git_clone" in step
    )
    clone["repository"] = bare.as_uri()
    program = (
        "import asyncio, json, os, sys\n"
        "from prefect.deployments.steps.core import run_steps\n"
        "from prefect.flows import load_flow_from_entrypoint\n"
        "output = asyncio.run(run_steps(json.loads(sys.argv[1])))\n"
        "os.chdir(output['directory'])\n"
        "sys.path.insert(0, '')\n"
        "print(os.getcwd())\n"
        "print(load_flow_from_entrypoint('flows/onboard.py:onboard_data_source').name)\n"
    )
    work = tmp_path / "work"
    work.mkdir()
    environment = {**plain_environment(), **prefect_server.environment}
    del environment["PYTHONPATH"]
    done = subprocess.run(
        [sys.executable, "-c", program, json.dumps(steps)], cwd=work, env=environment,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    folder, name = done.stdout.splitlines()[-2:]
    assert Path(folder).parent == work
    assert name == "onboard data source"


def _declared() -> list[dict[str, str]]:
    found: list[dict[str, str]] = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))[
        "deployments"
    ]
    return found


def _image(folder: Path) -> Path:
    """What ``COPY . ./`` brings into the image: the files that .dockerignore lets in."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    allowed = [line[1:] for line in lines if line.startswith("!")]
    assert "*" in lines
    for name in allowed:
        assert (ROOT / name).exists(), name
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, target)
    return folder


def test_the_image_holds_every_entrypoint_and_nothing_beside_the_project(tmp_path: Path) -> None:
    image = _image(tmp_path / "onboarding")
    assert {".git", ".venv", "tests", ".env"}.isdisjoint(path.name for path in image.iterdir())
    entrypoints = sorted({one["entrypoint"] for one in _declared()})
    program = (
        "import sys\n"
        "from prefect.flows import load_flow_from_entrypoint\n"
        "for one in sys.argv[1:]: print(load_flow_from_entrypoint(one).name)\n"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, *entrypoints] if sys.version_info >= (3, 11) else [sys.executable, "-c", program, *entrypoints],
        cwd=image, env={**plain_environment(), "PYTHONPATH": str(image), "PREFECT_HOME": str(tmp_path / "home")},
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert sorted(done.stdout.split("\n")[:-1]) == [
        "onboard data source",
        "onboard from CSV",
        "onboard shard of CSV",
    ]


def test_the_dockerfile_copies_only_what_is_there_and_installs_what_is_locked() -> None:
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    copied = [word for line in re.findall(r"^COPY (.+)$", text, re.MULTILINE) for word in line.split()[:-1]]
    assert copied == ["requirements.lock", "."]
    assert "--require-hashes --no-deps -r requirements.lock" in text
    assert re.search(r"^USER 10001$", text, re.MULTILINE)
    assert "directory: /opt/onboarding" in _PAGE
    assert "WORKDIR /opt/onboarding" in text

"""``python -m cli`` in a process of its own, and specifications written to files."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.flows.server import ROOT, plain_environment, stop
from tests.tasks.onboarding import EXAMPLE

COMMAND = [sys.executable, "-m", "cli"]


def onboard(
    *arguments: str, environment: dict[str, str] | None = None, text: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; ``text`` is its standard input, which is no terminal."""
    return subprocess.run(
        [*COMMAND, *arguments], env={**plain_environment(), **(environment or {})}, cwd=ROOT, input=text,
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip


@contextmanager
def started(*arguments: str, environment: dict[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """A command in a session of its own; what is left of it is ended with the block."""
    process = subprocess.Popen(
        [*COMMAND, *arguments], env={**plain_environment(), "PYTHONUNBUFFERED": "1", **(environment or {})}, cwd=ROOT,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        # A shell that runs the tests in the background lets its children ignore Ctrl-C.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),  # noqa: PLW1509  # nothing else runs there
    )  # fmt: skip
    try:
        yield process
    finally:
        stop(process)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


def read_until(process: subprocess.Popen[str], words: str) -> str:
    """Its output up to the line that holds ``words``."""
    assert process.stdout is not None
    seen = ""
    for line in process.stdout:
        seen += line
        if words in line:
            return seen
    raise AssertionError(f"it ended without saying {words!r}:\n{seen}")


def example_mapping() -> dict[str, Any]:
    """``examples/oss.yaml`` as a mapping to change."""
    mapping: dict[str, Any] = yaml.safe_load(EXAMPLE.read_text(encoding="utf-8"))
    return mapping


def write_spec(folder: Path, mapping: Any = None, **changes: Any) -> str:
    """A specification file; returns its path."""
    content = {**(example_mapping() if mapping is None else mapping), **changes}
    path = folder / "spec.yaml"
    path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    return str(path)

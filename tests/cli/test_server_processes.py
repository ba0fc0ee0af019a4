"""Processes that end with their block, whatever they do about it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from cli.servers.processes import Command, StartFailed, bare_environment, group, run, running

_WAITS = "import sys; sys.stdin.read(); print('up', flush=True); import threading; threading.Event().wait()"
_DEAF = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {_WAITS}"


def _command(code: str, log: Path) -> Command:
    return Command([sys.executable, "-c", code], bare_environment(), log)


def test_a_process_ends_with_its_block(tmp_path: Path) -> None:
    with running(_command(_WAITS, tmp_path / "log")) as process:
        assert process.poll() is None
    assert process.poll() is not None


def test_a_process_that_does_not_listen_is_killed_when_its_time_is_over(tmp_path: Path) -> None:
    with group(seconds=0.5) as started:
        process = started.start(_command(_DEAF, tmp_path / "log"), reads_output=True)
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
    assert process.poll() == -9


def test_a_command_that_fails_says_so_with_its_log(tmp_path: Path) -> None:
    with pytest.raises(StartFailed, match=r"code 3; its log is .*\nno luck"):
        run(_command("import sys; print('no luck'); sys.exit(3)", tmp_path / "broken"))

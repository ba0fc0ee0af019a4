"""``onboard demo``: the main job, rehearsed: a local cloud, the real flow twice, and everything stopped again."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.first_start import say
from cli.inputs import BadInput, read_settings, read_spec, report_bad_input
from cli.interrupt import EXIT_INTERRUPTED
from cli.servers.emulator_process import emulator_process
from cli.servers.local_cloud import CAST
from cli.servers.processes import StartFailed

_START_SECONDS = 20


class DemoError(Exception):
    """The local cloud did not start."""


@dataclass(frozen=True)
class LocalCloudProcess:
    """A local cloud in a process of its own: its URL and the keys of its users."""

    url: str
    keys: dict[str, tuple[str, str]]

    def writes(self) -> list[dict[str, Any]]:
        """The writing calls it has answered, from its journal."""
        with urllib.request.urlopen(f"{self.url}/_emulator/journal?writes=true", timeout=10) as answer:  # noqa: S310  # our own loopback URL
            found: list[dict[str, Any]] = json.load(answer)["result"]
        return found


@contextmanager
def local_cloud() -> Iterator[LocalCloudProcess]:
    """Start a local cloud; it ends with this block, or with this process.

    Raises :class:`DemoError` when it does not announce itself in time.
    """
    with ExitStack() as stack:
        try:
            _, announced = stack.enter_context(emulator_process(seconds=_START_SECONDS))
        except StartFailed as error:
            raise DemoError(str(error)) from error
        keys = {key["user"]: (key["access_key_id"], key["access_key_secret"]) for key in announced["keys"]}
        yield LocalCloudProcess(announced["url"], keys)


def _environment(cloud: LocalCloudProcess) -> dict[str, str]:
    """Settings for the rehearsal. The local cloud moves at each look, so looking often shortens the wait."""
    settings = {
        "ONBOARD_LOCAL_CLOUD": cloud.url,
        "ONBOARD_EDITION": "enterprise",
        "ONBOARD_POLL_INTERVAL_INITIAL": "0.1",
        "ONBOARD_POLL_INTERVAL_MAXIMUM": "0.5",
        "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true",
    }
    for persona, user in CAST.items():
        settings[f"ONBOARD_IDENTITIES__{persona.name}__ACCESS_KEY_ID"] = cloud.keys[user][0]
        settings[f"ONBOARD_IDENTITIES__{persona.name}__ACCESS_KEY_SECRET"] = cloud.keys[user][1]
    return settings


def _prefect_home() -> Path:
    """Prefect's database of demos is kept between them: making it anew takes twenty seconds."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = cache / "dataworks-onboarding" / "demo"
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError:
        return Path(tempfile.mkdtemp(prefix="dataworks-onboarding-"))
    return home


def _example() -> Path:
    """``examples/oss.yaml`` of the checkout, or the copy that an installed package carries."""
    here = Path(__file__).resolve().parent
    checkout = here.parent / "examples" / "oss.yaml"
    return checkout if checkout.exists() else here / "example_oss.yaml"


def run_demo(path: Path | None) -> int:
    """Run the demo; returns the exit code."""
    for name in [name for name in os.environ if name.startswith(("ONBOARD_", "ALIBABA_CLOUD_", "PREFECT_"))]:
        del os.environ[name]  # the demo reaches nothing but its own local cloud
    say("starting a local cloud …", quiet=False)
    home = _prefect_home()
    os.environ["PREFECT_HOME"] = str(home)
    try:
        with local_cloud() as cloud:
            os.environ.update(_environment(cloud))
            return _play(path or _example(), cloud, home)
    except BadInput as error:
        report_bad_input(error, as_json=False)
        return 2
    except DemoError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted; everything the demo started has been stopped", file=sys.stderr)
        return EXIT_INTERRUPTED


def _play(path: Path, cloud: LocalCloudProcess, home: Path) -> int:
    from cli.apply import run_flow
    from cli.prefect_environment import prepare

    spec, settings = read_spec(path), read_settings()
    prepare(verbose=False)
    print(f"Local Alibaba Cloud at {cloud.url} (stopped at the end)")
    print("Personas: " + ", ".join(f"{persona.value} {user}" for persona, user in CAST.items()))
    print(flush=True)
    for title in ("First apply: everything is made", "Second apply: nothing is left to do"):
        from cli.show import show_report

        before = len(cloud.writes())
        started = time.monotonic()
        print(f"== {title} ==", flush=True)
        report = run_flow(spec, settings, quiet=False, verbose=False)
        show_report(report)
        writes = cloud.writes()[before:]
        print(
            f"{len(writes)} writing calls, by the local cloud's journal; {time.monotonic() - started:.1f} s\n",
            flush=True,
        )
        if report.failure is not None:
            return 1
    here = Path(sys.executable).parent
    print(
        "Where to look next\n"
        f"  the runs, their graph and artifacts   PREFECT_HOME={home} {here}/prefect server start\n"
        f"  a local cloud of your own             {here}/onboard emulator\n"
        f"  the specification                     {path}\n"
        '  the real cloud                        README, "Pointing it at the real cloud"'
    )
    return 0

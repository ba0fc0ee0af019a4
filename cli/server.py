"""``onboard server``: a Prefect server, a local cloud, blocks, deployments and workers, until Ctrl-C; the data stay.

What each exit code means: 0 ended by Ctrl-C or SIGTERM, 1 something failed, 2 bad input, 130 interrupted while it started.
"""

from __future__ import annotations

import fcntl
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType
from typing import NoReturn

from cli.inputs import BadInput, report_bad_input
from cli.interrupt import EXIT_INTERRUPTED
from cli.servers.local_cloud import CloudRefused, LocalCloud, start_local_cloud
from cli.servers.marks import kept, kill_marked, new_mark
from cli.servers.prefect_server import ROOT, PrefectServer, start_on_sqlite
from cli.servers.processes import Group, StartFailed, failed, free_port, group, is_free
from cli.servers.workers import crash_lost_runs, pools_of, set_up, worker_command

_BLOCKS = "local"
_STOP_SECONDS = 3.0  # workers, then servers, then stores: ten seconds for all of it
_LOOK_SECONDS = 0.3
_TELL_SECONDS = 2.0  # longest answer of the server while all of it ends
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_Say = Callable[[str], None]


@dataclass(frozen=True)
class ServerChoices:
    """What was given on the command line. Port 0 takes a free one; without ``workers`` it is 1, with ``scale`` 2."""

    folder: Path
    port: int
    cloud_port: int
    workers: int | None
    scale: bool
    account: Path | None


@dataclass(frozen=True)
class _Folder:
    """The files of one folder."""

    path: Path

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def home(self) -> Path:
        """Prefect's own files, the SQLite database among them."""
        return self.path / "prefect"

    @property
    def stores(self) -> Path:
        """PostgreSQL's and Redis' data."""
        return self.path / "stores"

    @property
    def cloud(self) -> Path:
        """The local cloud's state."""
        return self.path / "cloud.json"

    @property
    def environment(self) -> Path:
        """What a shell reads to use the servers."""
        return self.path / "environment.sh"


def run_server(choices: ServerChoices) -> int:
    """Start everything, wait, end everything; returns the exit code."""
    began = time.monotonic()
    ready = False

    def say(told: str) -> None:
        print(f"{time.monotonic() - began:6.1f} s  {told}", flush=True)

    _interrupt_once()
    try:
        with ExitStack() as stack:
            folder = _Folder(choices.folder.resolve())
            stack.enter_context(_locked(folder))
            choices = _with_ports(choices)
            if choices.scale:
                _require_scale()
            mark = new_mark("LOCAL_SERVERS_MARK")
            stack.enter_context(kept(mark))
            running = _start(stack, choices, folder, mark, say)
            ready = True
            running.wait()
    except (BadInput, CloudRefused) as error:
        report_bad_input(error if isinstance(error, BadInput) else BadInput(str(error), []), as_json=False)
        return 2
    except StartFailed as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"all of it has ended; what was done stays in {choices.folder}", flush=True)
        return 0 if ready else EXIT_INTERRUPTED
    raise AssertionError("waiting ends with an exception")


@dataclass(frozen=True)
class _Running:
    groups: tuple[Group, ...]

    def wait(self) -> NoReturn:
        """Wait for a signal. Raises ``KeyboardInterrupt``, or :class:`StartFailed` when a process ends by itself."""
        while True:
            for one in self.groups:
                ended = one.ended()
                if ended is not None:
                    raise failed(ended, "has ended by itself, and all else with it")
            time.sleep(_LOOK_SECONDS)


def _start(
    stack: ExitStack, choices: ServerChoices, folder: _Folder, mark: Mapping[str, str], say: _Say
) -> _Running:
    """Start all parts; the stack ends them in the reverse order."""
    pools = pools_of(ROOT / "prefect.yaml")
    stores = stack.enter_context(group(_STOP_SECONDS))
    servers = stack.enter_context(group(_STOP_SECONDS))
    known = " with what it knew" if folder.cloud.exists() else ""
    say(f"starting the local cloud{known}; logs are in {folder.logs}")
    log = folder.logs / "local-cloud.log"
    cloud = start_local_cloud(servers, log, choices.cloud_port, folder.cloud, choices.account, mark)
    server = _start_prefect(stores, servers, choices, folder, mark, say)
    say("saving the blocks, deploying the flows")
    settings = {**cloud.environment, **mark}
    set_up(server, pools, folder.logs, settings, _BLOCKS)
    _end_runs(server, pools, say)
    of_workers = new_mark("LOCAL_WORKERS_MARK")
    stack.callback(_end_runs, server, pools, say, _TELL_SECONDS)
    # Flow runs have sessions of their own and do not always end with their worker.
    stack.callback(kill_marked, of_workers)
    workers = stack.enter_context(group(_STOP_SECONDS))
    count = choices.workers or (2 if choices.scale else 1)
    say(f"starting {count} worker{'s' if count > 1 else ''} for {' and '.join(pools)}")
    for name, pool in ((f"{pool}-{number}", pool) for pool in pools for number in range(1, count + 1)):
        log = folder.logs / f"worker-{name}.log"
        workers.start(worker_command(server, pool, name, log, {**settings, **of_workers}))
    _write_environment(folder, {"PREFECT_API_URL": server.api, **cloud.environment})
    _tell(server, cloud, folder, say)
    return _Running((stores, servers, workers))


def _start_prefect(
    stores: Group, servers: Group, choices: ServerChoices, folder: _Folder, mark: Mapping[str, str], say: _Say
) -> PrefectServer:
    if choices.scale:
        from cli.servers.scale import Places, start_on_stores

        folder.stores.mkdir(mode=0o700, exist_ok=True)
        places = Places(folder.logs, folder.home, folder.stores, choices.port, ui=True, mark=mark)
        return start_on_stores(stores, servers, places, say)
    first = not (folder.home / "prefect.db").exists()
    say(
        "starting Prefect" + (": the first time it makes its database, for 10 to 30 seconds" if first else "")
    )
    return start_on_sqlite(servers, folder.logs, folder.home, choices.port, mark)


def _end_runs(server: PrefectServer, pools: tuple[str, ...], say: _Say, seconds: float = 10) -> None:
    """No worker is there: what counts as under way is lost. Says so."""
    try:
        lost = crash_lost_runs(server, pools, seconds)
    except StartFailed as error:
        say(
            f"flow runs that were under way could not be marked as crashed, the next start will do it: {error}"
        )
        return
    if lost:
        say(f"{lost} flow run{'s' if lost > 1 else ''} that had been under way marked as crashed")


def _interrupt_once() -> None:
    """The first signal ends everything in order, and nothing cuts that short."""

    def interrupt(signum: int, frame: FrameType | None) -> NoReturn:
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)
        print("\nending all of it …", flush=True)
        raise KeyboardInterrupt

    for number in _SIGNALS:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup
            signal.signal(number, interrupt)


@contextmanager
def _locked(folder: _Folder) -> Iterator[None]:
    """Make the folder, and keep others from starting servers in it. Raises :class:`BadInput`."""
    try:
        # What is private in it is closed by itself: PostgreSQL's account, when it is not this one, passes through.
        folder.path.mkdir(mode=0o711, parents=True, exist_ok=True)
        for part in (folder.logs, folder.home):
            part.mkdir(mode=0o700, exist_ok=True)
        lock = (folder.path / "lock").open("ab")
    except OSError as error:
        raise _bad("--folder", folder.path, f"the folder cannot be used: {error}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise _bad(
                "--folder",
                folder.path,
                f"another `onboard server` runs in {folder.path}; end it, or choose another",
            ) from None
        yield


def _with_ports(choices: ServerChoices) -> ServerChoices:
    """Ports that are free now in place of 0. Raises :class:`BadInput` for one that is taken."""
    if not (ROOT / "prefect.yaml").exists():
        raise _bad("prefect.yaml", ROOT, f"it needs a checkout of this project: no prefect.yaml in {ROOT}")
    taken = {"--port": choices.port, "--cloud-port": choices.cloud_port}
    if choices.port and choices.port == choices.cloud_port:
        raise _bad(
            "--cloud-port",
            choices.port,
            f"port {choices.port} is asked for twice; choose another --cloud-port",
        )
    for option, port in taken.items():
        if port and not is_free(port):
            raise _bad(
                option,
                port,
                f"port {port} is in use; end what listens there, or choose another {option} (0: any)",
            )
    return replace(choices, port=choices.port or free_port(), cloud_port=choices.cloud_port or free_port())


def _require_scale() -> None:
    """Raises :class:`BadInput` when PostgreSQL or Redis cannot be started here."""
    from cli.servers.scale import missing

    reason = missing()
    if reason is not None:
        raise _bad("--scale", "", f"--scale cannot be used here: {reason}")


def _bad(place: str, value: object, rule: str) -> BadInput:
    return BadInput(rule, [{"path": place, "value": str(value), "rule": rule}])


def _write_environment(folder: _Folder, settings: Mapping[str, str]) -> None:
    """What points a shell at the servers; it holds keys of the local account."""
    with open(os.open(folder.environment, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.writelines(f"export {name}={shlex.quote(value)}\n" for name, value in settings.items())


def _tell(server: PrefectServer, cloud: LocalCloud, folder: _Folder, say: _Say) -> None:
    ui = server.api.removesuffix("/api")
    people = ", ".join(f"{persona.value} {user}" for persona, user in cloud.cast.items())
    here = Path(sys.executable).parent
    say("ready")
    print(
        f"""
  Prefect UI    {ui}
  Prefect API   {server.api}
  Local cloud   {cloud.url}  (account {cloud.account}; {people})
  Blocks        alibaba-cloud-access-key/{_BLOCKS}-administrator, …-creator, …-developer, …-executor
  Logs          {folder.logs}

In the browser: {ui}, Deployments, open "onboard", then Run, Custom run, fill in the form, Submit.
In another shell, by a worker:
  PREFECT_API_URL={server.api} {here}/onboard submit {ROOT}/examples/oss.yaml --wait
or in that shell itself; the file holds the addresses and the keys of the local account:
  . {shlex.quote(str(folder.environment))}
  {here}/onboard apply {ROOT}/examples/oss.yaml

Ctrl-C ends all of it; what was done stays in {folder.path}.""",
        flush=True,
    )

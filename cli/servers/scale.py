"""A Prefect server as it is run for many workers: PostgreSQL, Redis, one API process, one services process.

Everything listens on loopback, on free ports, with passwords of its own, and ends with the ``with`` block. What the tests
prove is what ``onboard server --scale`` starts.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import redis

from cli.servers.prefect_server import PrefectServer, api_of, healthy, prefect, server_environment
from cli.servers.processes import (
    LOOPBACK,
    Command,
    Group,
    StartFailed,
    bare_environment,
    free_port,
    group,
    program,
    run,
    service_account,
    wait_for,
)

EVENT_STREAM = "events"
"""The Redis stream through which a server's events travel (prefect-redis: a topic is a stream)."""

_LISTENERS = {b"event-persister", b"reactive-triggers", b"task-run-recorder"}
_DATABASE = "postgres"  # initdb makes it: there is no second step that could be interrupted
_ON_REDIS = {
    "PREFECT_MESSAGING_BROKER": "prefect_redis.messaging",
    "PREFECT_MESSAGING_CACHE": "prefect_redis.messaging",
    "PREFECT_SERVER_EVENTS_CAUSAL_ORDERING": "prefect_redis.ordering",
    "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect_redis.lease_storage",
    "PREFECT_SERVER_WORKER_CHANNEL_CLEANUP_QUEUE_STORAGE": "prefect_redis.cleanup_queue",
}


@dataclass(frozen=True)
class ScaleServer(PrefectServer):
    """A running server with its database and its Redis; their addresses hold passwords and are in no ``repr``."""

    database: str = field(repr=False)
    """``postgresql://…``, for a driver."""
    store: str = field(repr=False)
    """``redis://…``; number 0 has the messages, number 1 the services' own tasks."""
    started: Mapping[str, float]
    """Seconds from the beginning until each part answered, in order."""


@dataclass(frozen=True)
class Places:
    """Where a server's files are, the port of its API and settings of both Prefect processes."""

    logs: Path
    home: Path
    data: Path
    """PostgreSQL's and Redis' data; they must be reachable for :func:`cli.servers.processes.service_account`."""
    port: int
    ui: bool = False
    throwaway: bool = False
    """Whether the data may be lost with the machine: much faster."""
    settings: Mapping[str, str] = field(default_factory=dict)
    mark: Mapping[str, str] = field(default_factory=dict)
    """What marks every process, see :mod:`cli.servers.marks`."""

    @property
    def bare(self) -> dict[str, str]:
        """The environment of what is not Prefect."""
        return {**bare_environment(), **self.mark}


def missing() -> str | None:
    """Why the servers cannot be started on this machine, or None when they can."""
    if sys.platform != "linux":
        return "the servers are ended by means of Linux (/proc, the parent-death signal)"
    packages = {"initdb": "postgresql", "redis-server": "redis-server", "setpriv": "util-linux"}
    for name, package in packages.items():
        if program(name) is None:
            return f"{name} is not installed; on Debian: apt-get install {package}"
    try:
        service_account()
    except KeyError:
        return "PostgreSQL refuses to run as root, and there is no account postgres to run it as"
    if importlib.util.find_spec("prefect_redis") is None:
        return "prefect-redis is not installed (extra `scale`; it needs Python 3.11 or newer)"
    return None


@contextlib.contextmanager
def scale_server(folder: Path, settings: Mapping[str, str] | None = None) -> Iterator[ScaleServer]:
    """Start all four for one occasion, yield where they are, end them; their data are thrown away.

    ``folder`` gets the logs and the clients' home; ``settings`` are further PREFECT_… variables of both Prefect
    processes. Raises :class:`StartFailed` when one of them does not answer within 180 seconds.
    """
    home = folder / "home"
    home.mkdir(parents=True)
    # The data are not in `folder`: the tests' folders are closed to the account that PostgreSQL runs as.
    with (
        tempfile.TemporaryDirectory(prefix="onboarding-scale-") as data,
        group() as stores,
        group() as servers,
    ):
        places = Places(folder, home, Path(data), free_port(), throwaway=True, settings=settings or {})
        yield start_on_stores(stores, servers, places)


def start_on_stores(
    stores: Group, servers: Group, places: Places, say: Callable[[str], None] = lambda told: None
) -> ScaleServer:
    """Start PostgreSQL and Redis in one group and both Prefect processes in another, which has to end before.

    ``say`` is told what is being done. Raises :class:`StartFailed`.
    """
    began = time.monotonic()
    started: dict[str, float] = {}

    def answered(part: str) -> None:
        started[part] = time.monotonic() - began

    _give_to_service(places.data)
    say("starting PostgreSQL and Redis")
    database = _postgres(stores, places)
    answered("postgresql")
    store = _redis(stores, places)
    answered("redis")
    environment = _environment(places, database, store)
    say("bringing the database up to date (10 to 30 seconds the first time)")
    run(Command(prefect("server", "database", "upgrade", "-y"), environment, places.logs / "migrations.log"))
    answered("migrations")
    say("starting the Prefect API and its services")
    api = _prefect(servers, places, environment, store)
    answered("prefect")
    return ScaleServer(api, places.home, database, store, started)


def _give_to_service(place: Path) -> None:
    account = service_account()
    if account is None:
        return
    os.chown(place, account.pw_uid, account.pw_gid)
    looks = [
        str(program("setpriv")), f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups",
        "test", "-w", str(place),
    ]  # fmt: skip
    if subprocess.run(looks, cwd="/", timeout=10, check=False).returncode != 0:  # noqa: S603  # a fixed program
        raise StartFailed(
            f"PostgreSQL refuses to run as root and would run as {account.pw_name}, who cannot reach {place}: "
            "choose another --folder, or do not start this as root"
        )


def _postgres(stores: Group, places: Places) -> str:
    password = _new_database(places) if not (places.data / "postgresql").exists() else _password_of(places)
    port = free_port()
    options: dict[str, object] = {
        "listen_addresses": LOOPBACK,
        "port": port,
        "unix_socket_directories": "",
        "max_connections": 200,
    }
    if places.throwaway:
        options["fsync"] = "off"
    arguments = [str(program("postgres")), "-D", str(places.data / "postgresql")]
    for option, value in options.items():
        arguments += ["-c", f"{option}={value}"]
    log = places.logs / "postgresql.log"
    # SIGINT is PostgreSQL's fast shutdown; at SIGTERM it would wait for its clients.
    process = stores.start(Command(arguments, places.bare, log, as_service=True, signum=signal.SIGINT))
    wait_for("PostgreSQL", lambda: _accepts(port), process, log)
    return f"postgresql://prefect:{password}@{LOOPBACK}:{port}/{_DATABASE}"


def _password_file(places: Places) -> Path:
    return places.home / "postgresql-password"


def _password_of(places: Places) -> str:
    try:
        return _password_file(places).read_text(encoding="ascii")
    except OSError as error:
        raise StartFailed(
            f"the password of the database in {places.data} cannot be read: {error.strerror}: "
            f"{_password_file(places)}; move the data away to begin anew"
        ) from error


def _new_database(places: Places) -> str:
    """Make the database; it gets its name when it is whole, so that an interrupted start leaves none behind."""
    password, kept = secrets.token_hex(16), _password_file(places)
    kept.touch(mode=0o600)
    kept.write_text(password, encoding="ascii")
    part, secret = places.data / "postgresql.part", places.data / "password"
    shutil.rmtree(part, ignore_errors=True)
    secret.unlink(missing_ok=True)
    secret.touch(mode=0o600)
    secret.write_text(password, encoding="ascii")
    account = service_account()
    if account is not None:
        os.chown(secret, account.pw_uid, account.pw_gid)
    initdb = [
        str(program("initdb")), f"--pgdata={part}", "--username=prefect", f"--pwfile={secret}", "--encoding=UTF8",
        "--no-locale", "--auth=scram-sha-256", "--no-instructions", *(["--no-sync"] if places.throwaway else []),
    ]  # fmt: skip
    run(Command(initdb, places.bare, places.logs / "initdb.log", as_service=True))
    secret.unlink()
    part.rename(places.data / "postgresql")
    return password


def _redis(stores: Group, places: Places) -> str:
    port, password = free_port(), secrets.token_hex(16)
    # From its standard input: a command line is readable by everyone on the machine.
    lines = (
        f"bind {LOOPBACK}",
        f"port {port}",
        'save ""' if places.throwaway else "save 60 1",  # with a rule it saves when it is asked to end, too
        "appendonly no",
        f"requirepass {password}",
        f"dir {places.data}",
    )
    log = places.logs / "redis.log"
    store = f"redis://:{password}@{LOOPBACK}:{port}"
    command = Command(
        [str(program("redis-server")), "-"], places.bare, log, as_service=True, written="\n".join(lines)
    )
    process = stores.start(command)
    wait_for("Redis", lambda: _pings(store), process, log)
    return store


def _prefect(servers: Group, places: Places, environment: Mapping[str, str], store: str) -> str:
    api = api_of(places.port)
    serve = prefect("server", "start", "--no-services", "--host", LOOPBACK, "--port", str(places.port))
    serve.append("--ui" if places.ui else "--no-ui")
    api_log, services_log = places.logs / "prefect-api.log", places.logs / "prefect-services.log"
    serving = servers.start(Command(serve, environment, api_log, cwd=places.home))
    services = servers.start(
        Command(prefect("server", "services", "start"), environment, services_log, cwd=places.home)
    )
    wait_for("the Prefect API", lambda: healthy(api), serving, api_log)
    wait_for("the Prefect services", lambda: _listening(store), services, services_log)
    return api


def _environment(places: Places, database: str, store: str) -> dict[str, str]:
    return {
        **server_environment(places.home, places.port, {}),
        **_ON_REDIS,
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": database.replace("postgresql:", "postgresql+asyncpg:"),
        "PREFECT_SERVER_DATABASE_MIGRATE_ON_START": "false",  # two processes would do it at once
        "PREFECT_REDIS_MESSAGING_URL": f"{store}/0",
        "PREFECT_REDIS_WORKER_CLEANUP_QUEUE_URL": f"{store}/0",  # does not follow the messages' address
        "PREFECT_SERVER_DOCKET_URL": f"{store}/1",
        **places.settings,
        **places.mark,
    }


def _accepts(port: int) -> bool:
    ready = [str(program("pg_isready")), f"--host={LOOPBACK}", f"--port={port}", "--quiet"]
    return (
        subprocess.run(  # noqa: S603  # a fixed program
            ready, env=bare_environment(), timeout=10, check=False
        ).returncode
        == 0
    )


def _pings(store: str) -> bool:
    try:
        with redis.Redis.from_url(store) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def _listening(store: str) -> bool:
    """Whether all services that read the events' stream do so."""
    try:
        with redis.Redis.from_url(f"{store}/0") as client:
            return {group["name"] for group in client.xinfo_groups(EVENT_STREAM)} >= _LISTENERS
    except redis.ResponseError:  # no such stream yet
        return False

"""A Prefect server as it is run for many workers: PostgreSQL, Redis, one API process, one services process.

Everything listens on loopback, on free ports, with passwords made for the occasion, and ends with the ``with`` block.

The same for a person, until Ctrl-C: ``python -m tests.flows.scale_server FOLDER``. It is a module and not a shell
script, so that what the tests prove is what a person starts.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import redis

from tests.flows.scale_processes import (
    bare_environment,
    free_port,
    program,
    run,
    running,
    service_account,
    wait_for,
    without_proxies,
)
from tests.flows.server import PrefectServer, plain_environment

EVENT_STREAM = "events"
"""The Redis stream through which a server's events travel (prefect-redis: a topic is a stream)."""

_LISTENERS = {b"event-persister", b"reactive-triggers", b"task-run-recorder"}
_TUNED = {
    # Prefect's own values leave the server minutes behind after some thousands of task runs.
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "500",
}
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


def missing() -> str | None:
    """Why the servers cannot be started on this machine, or None when they can."""
    if sys.platform != "linux":
        return "the servers are ended by means of Linux (/proc, the parent-death signal)"
    packages = {"initdb": "postgresql", "redis-server": "redis-server", "setpriv": "util-linux"}
    for name, package in packages.items():
        if program(name) is None:
            return f"{name} is not installed; on Debian: apt-get install {package}"
    if importlib.util.find_spec("prefect_redis") is None:
        return "prefect-redis is not installed (extra `scale`; it needs Python 3.11 or newer)"
    return None


@contextlib.contextmanager
def scale_server(folder: Path, settings: Mapping[str, str] | None = None) -> Iterator[ScaleServer]:
    """Start all four, yield where they are, end them.

    ``folder`` gets the logs and the clients' home; ``settings`` are further PREFECT_… variables of both Prefect
    processes. Raises ``RuntimeError`` with the end of the log when one of them does not answer within 90 seconds.
    """
    began = time.monotonic()
    started: dict[str, float] = {}
    home = folder / "home"
    home.mkdir(parents=True)
    with contextlib.ExitStack() as stack:
        database = stack.enter_context(_postgres(folder))
        started["postgresql"] = time.monotonic() - began
        store = stack.enter_context(_redis(folder))
        started["redis"] = time.monotonic() - began
        environment = _server_environment(home, database, store, settings or {})
        run(prefect("server", "database", "upgrade", "-y"), environment, folder / "migrations.log")
        started["migrations"] = time.monotonic() - began
        api = stack.enter_context(_prefect(environment, folder, store))
        started["prefect"] = time.monotonic() - began
        yield ScaleServer(api, home, database, store, started)


def prefect(*arguments: str) -> list[str]:
    """The command line of Prefect's own command."""
    return [sys.executable, "-m", "prefect", "--no-prompt", *arguments]


@contextlib.contextmanager
def _postgres(folder: Path) -> Iterator[str]:
    # Its data are not in `folder`: the tests' folders are closed to the account that it runs as.
    with tempfile.TemporaryDirectory(prefix="onboarding-postgres-") as place:
        password = secrets.token_hex(16)
        data = _new_database(Path(place), password, folder)
        port = free_port()
        options = {
            "listen_addresses": "127.0.0.1",
            "port": port,
            "unix_socket_directories": "",
            "fsync": "off",  # the data are thrown away
            "max_connections": 200,
        }
        command = [str(program("postgres")), "-D", str(data)]
        for option, value in options.items():
            command += ["-c", f"{option}={value}"]
        log = folder / "postgresql.log"
        # SIGINT is PostgreSQL's fast shutdown; at SIGTERM it would wait for its clients.
        with running(command, bare_environment(), log, signum=signal.SIGINT, as_service=True) as process:
            wait_for("PostgreSQL", lambda: _accepts(port), process, log)
            create = [
                str(program("createdb")), "--host=127.0.0.1", f"--port={port}", "--username=prefect", "prefect",
            ]  # fmt: skip
            run(create, {**bare_environment(), "PGPASSWORD": password}, folder / "createdb.log")
            yield f"postgresql://prefect:{password}@127.0.0.1:{port}/prefect"


def _new_database(place: Path, password: str, folder: Path) -> Path:
    data, secret = place / "data", place / "password"
    secret.touch(mode=0o600)
    secret.write_text(password, encoding="ascii")
    account = service_account()
    if account is not None:
        for path in (place, secret):
            os.chown(path, account.pw_uid, account.pw_gid)
    initdb = [
        str(program("initdb")), f"--pgdata={data}", "--username=prefect", f"--pwfile={secret}", "--encoding=UTF8",
        "--no-locale", "--auth=scram-sha-256", "--no-sync", "--no-instructions",
    ]  # fmt: skip
    run(initdb, bare_environment(), folder / "initdb.log", as_service=True)
    secret.unlink()
    return data


@contextlib.contextmanager
def _redis(folder: Path) -> Iterator[str]:
    port, password = free_port(), secrets.token_hex(16)
    # From its standard input: a command line is readable by everyone on the machine.
    lines = ("bind 127.0.0.1", f"port {port}", 'save ""', "appendonly no", f"requirepass {password}", "dir /")
    command = [str(program("redis-server")), "-"]
    log = folder / "redis.log"
    store = f"redis://:{password}@127.0.0.1:{port}"
    with running(command, bare_environment(), log, written="\n".join(lines), as_service=True) as process:
        wait_for("Redis", lambda: _pings(store), process, log)
        yield store


@contextlib.contextmanager
def _prefect(environment: Mapping[str, str], folder: Path, store: str) -> Iterator[str]:
    port = free_port()
    api = f"http://127.0.0.1:{port}/api"
    serve = prefect("server", "start", "--no-services", "--no-ui", "--host", "127.0.0.1", "--port", str(port))
    api_log, services_log = folder / "prefect-api.log", folder / "prefect-services.log"
    with (
        running(serve, environment, api_log) as serving,
        running(prefect("server", "services", "start"), environment, services_log) as services,
    ):
        wait_for("the Prefect API", lambda: _healthy(api), serving, api_log)
        wait_for("the Prefect services", lambda: _listening(store), services, services_log)
        yield api


def _server_environment(home: Path, database: str, store: str, settings: Mapping[str, str]) -> dict[str, str]:
    quiet = PrefectServer("", home).environment
    del quiet["PREFECT_API_URL"]  # a server is nobody's client
    return {
        **without_proxies(plain_environment()),
        **quiet,
        **_TUNED,
        **_ON_REDIS,
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": database.replace("postgresql:", "postgresql+asyncpg:"),
        "PREFECT_SERVER_DATABASE_MIGRATE_ON_START": "false",  # two processes would do it at once
        "PREFECT_REDIS_MESSAGING_URL": f"{store}/0",
        "PREFECT_REDIS_WORKER_CLEANUP_QUEUE_URL": f"{store}/0",  # does not follow the messages' address
        "PREFECT_SERVER_DOCKET_URL": f"{store}/1",
        **settings,
    }


def _accepts(port: int) -> bool:
    ready = [str(program("pg_isready")), "--host=127.0.0.1", f"--port={port}", "--quiet"]
    return subprocess.run(ready, env=bare_environment(), timeout=10, check=False).returncode == 0


def _pings(store: str) -> bool:
    try:
        with redis.Redis.from_url(store) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False


def _healthy(api: str) -> bool:
    try:
        return httpx.get(f"{api}/health", timeout=5, trust_env=False).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def _listening(store: str) -> bool:
    """Whether all services that read the events' stream do so."""
    try:
        with redis.Redis.from_url(f"{store}/0") as client:
            return {group["name"] for group in client.xinfo_groups(EVENT_STREAM)} >= _LISTENERS
    except redis.ResponseError:  # no such stream yet
        return False


def main() -> None:
    """Start the servers, print what points clients at them, and end them at Ctrl-C."""
    parser = argparse.ArgumentParser(description="A Prefect server on PostgreSQL and Redis, for a try.")
    parser.add_argument("folder", type=Path, help="a new folder for logs and the clients' home")
    folder: Path = parser.parse_args().folder
    reason = missing()
    if reason is not None:
        parser.error(reason)
    with scale_server(folder.resolve()) as server, contextlib.suppress(KeyboardInterrupt):
        for name, value in server.environment.items():
            print(f"export {name}={value}", flush=True)  # noqa: T201  # a command's answer
        signal.pause()


if __name__ == "__main__":
    main()

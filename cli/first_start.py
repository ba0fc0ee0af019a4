"""What a command says while Prefect is loaded and its temporary server starts: never silence, and on a new machine why it takes long.

Loading takes some seconds. A server is started when none is configured; the first one on a machine makes Prefect's database,
change by change, for 10 to 60 seconds.
"""

from __future__ import annotations

import contextlib
import functools
import re
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prefect.settings import Settings as PrefectSettings

_TELL_SECONDS = 3.0
_REVISION = re.compile(r'^(down_revision|revision)\b.*?= "?([0-9a-f]+|None)"?', re.MULTILINE)


LOADING = "loading Prefect and the SDKs …"
"""The first words of a command that runs a flow: it takes some seconds until there are others."""


def say(told: str, quiet: bool) -> None:
    """One line beside the command's own output; nothing when ``quiet``."""
    if not quiet:
        print(told, file=sys.stderr, flush=True)


def start_prefect(quiet: bool) -> None:
    """Start Prefect's temporary server, saying what it does; nothing when a server is configured or it runs already.

    Raises what Prefect raises when it does not start.
    """
    from prefect.settings import get_current_settings

    settings = get_current_settings()
    if settings.api.url:
        return
    from prefect.server.api.server import SubprocessASGIServer

    server = SubprocessASGIServer()  # the one that Prefect's clients in this process will find
    if server.running:
        return
    database = _sqlite_file(settings)
    first = database is not None and not database.exists()
    began = time.monotonic()
    say("starting Prefect: a temporary server, because none is configured (PREFECT_API_URL)", quiet)
    if first:
        say(
            f"the first start on this machine makes Prefect's database, {database}: 10 to 60 seconds, only this once",
            quiet,
        )
    with contextlib.nullcontext() if quiet else _told(database, began):
        server.start()
    say(f"Prefect is ready, after {time.monotonic() - began:.0f} s", quiet)


@contextlib.contextmanager
def _told(database: Path | None, began: float) -> Iterator[None]:
    """Say every few seconds how far it is."""
    over = threading.Event()

    def tell() -> None:
        while not over.wait(_TELL_SECONDS):
            say(f"  {time.monotonic() - began:3.0f} s  {_how_far(database)}", quiet=False)

    telling = threading.Thread(target=tell, daemon=True, name="first-start")
    telling.start()
    try:
        yield
    finally:
        over.set()
        telling.join()


def _how_far(database: Path | None) -> str:
    at = None if database is None else _revision_of(database)
    if at is None:
        return "starting the server"
    order = _order()
    if at not in order:
        return "bringing its database up to date"
    done = order.index(at) + 1
    return (
        "starting the server"
        if done == len(order)
        else f"making its database: {done} of {len(order)} changes"
    )


def _revision_of(database: Path) -> str | None:
    """The newest change that is in the database; each is a transaction of its own."""
    try:
        with contextlib.closing(
            sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=0.5)
        ) as reading:
            found = reading.execute("SELECT version_num FROM alembic_version").fetchone()
    except sqlite3.Error:  # not there yet, or locked by the change that is being made
        return None
    return None if found is None else str(found[0])


@functools.cache
def _order() -> list[str]:
    """All changes in the order in which they are made, by Prefect's own files."""
    import prefect.server.database

    after: dict[str, str] = {}
    folder = Path(prefect.server.database.__file__).parent / "_migrations" / "versions" / "sqlite"
    for file in folder.glob("*.py"):
        found = dict(_REVISION.findall(file.read_text(encoding="utf-8")))
        if {"revision", "down_revision"} <= set(found):
            after[found["down_revision"]] = found["revision"]
    order: list[str] = []
    at = "None"
    while at in after and len(order) < len(after):
        at = after[at]
        order.append(at)
    return order


def _sqlite_file(settings: PrefectSettings) -> Path | None:
    """The database's file; None for another kind of database."""
    url = settings.server.database.connection_url
    if url is None:
        return settings.home / "prefect.db"
    kind, _, path = url.get_secret_value().partition(":///")
    return Path(path) if kind.startswith("sqlite") and path else None

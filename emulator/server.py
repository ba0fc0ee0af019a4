"""Serving a local cloud: in this process (tests, embedding) or as the process itself (``python -m emulator``)."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any, NoReturn

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from emulator.app import App
from emulator.cloud import LocalCloud
from emulator.state_file import StateFile, StateFileError

LOOPBACK = "127.0.0.1"
_START_SECONDS = 10.0
_KEEP_SECONDS = 30.0  # how often a changed state is written to its file
# Longer than any client's polling interval: a connection that idles exactly as long as the server keeps it
# is closed under the client's next request.
_KEEP_ALIVE_SECONDS = 120
# A policy of 6,144 characters, percent-encoded in the query, is a request line of up to 20 KB; CreateDataSource more.
_MAX_REQUEST_HEAD_BYTES = 1 << 20


class ServerError(Exception):
    """The server could not start: the port is taken, or it was not ready in time."""


def _config(app: App) -> uvicorn.Config:
    class Protocol(H11Protocol):
        """Keeps the transports, so that a fault can break a connection."""

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # uvicorn narrows it too
            super().connection_made(transport)
            app.connections[transport.get_extra_info("peername")[:2]] = transport

        def connection_lost(self, exc: Exception | None) -> None:
            peer = self.transport.get_extra_info("peername")
            if peer:
                app.connections.pop(peer[:2], None)
            super().connection_lost(exc)

    return uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_level="critical",
        access_log=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        h11_max_incomplete_event_size=_MAX_REQUEST_HEAD_BYTES,
        timeout_graceful_shutdown=2,
    )


def listen(host: str, port: int) -> socket.socket:
    """A bound socket; port 0 takes a free one. Raises :class:`ServerError` when the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio switches Nagle's algorithm off only then: without it, every answer
    # waits 40 ms for the client's delayed acknowledgement.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((host, port))
    except OSError as error:
        sock.close()
        raise ServerError(
            f"cannot listen on {host}:{port}: {error.strerror}; choose another --port"
        ) from error
    return sock


def url_of(sock: socket.socket) -> str:
    """The URL under which clients reach the socket."""
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Server(uvicorn.Server):
    """A uvicorn server that tells when it is ready."""

    def __init__(self, app: App) -> None:
        super().__init__(_config(app))
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening, then announce it."""
        await super().startup(sockets=sockets)
        self.ready.set()


@dataclass
class RunningCloud:
    """A local cloud that is being served: its URL, and the cloud itself for direct looks at its state."""

    url: str
    cloud: LocalCloud


@contextmanager
def serve_in_thread(cloud: LocalCloud, port: int = 0) -> Iterator[RunningCloud]:
    """Serve ``cloud`` on loopback from a thread of this process until the block ends.

    Raises :class:`ServerError` when the server is not ready within ten seconds.
    """
    sock = listen(LOOPBACK, port)
    server = Server(App(cloud))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, name="local-cloud", daemon=True)
    thread.start()
    try:
        if not server.ready.wait(_START_SECONDS):
            raise ServerError(f"the local cloud was not ready within {_START_SECONDS:g} s")
        yield RunningCloud(url_of(sock), cloud)
    finally:
        server.should_exit = True
        thread.join(_START_SECONDS)
        sock.close()


def serve(
    cloud: LocalCloud, host: str, port: int, announce: Any, state_file: StateFile | None = None
) -> None:
    """Serve until SIGINT or SIGTERM. ``announce(url)`` is called when the first call can be answered.

    With ``state_file`` the state is written there now, every 30 seconds when there were calls, and at the end.
    Raises :class:`ServerError`, and :class:`emulator.state_file.StateFileError` when it cannot be written now or at
    the end.
    """
    sock = listen(host, port)
    server = Server(App(cloud))

    async def run() -> None:
        task = asyncio.create_task(server.serve(sockets=[sock]))
        while not server.ready.is_set() and not task.done():
            await asyncio.sleep(0.005)
        if server.ready.is_set():
            announce(url_of(sock))
        keeping = asyncio.create_task(_keep(cloud, server, state_file)) if state_file else None
        await task
        if keeping is not None:
            keeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeping

    try:
        if state_file is not None:
            state_file.write(cloud.save())
        with _terminated_like_interrupted(), contextlib.suppress(KeyboardInterrupt):
            # uvicorn raises the signal again after it has shut down in order
            asyncio.run(run())
        if state_file is not None:
            state_file.write(cloud.save())
    finally:
        sock.close()


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """SIGTERM would end the process where uvicorn raises it again, before the state is written."""

    def interrupt(signum: int, frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


async def _keep(cloud: LocalCloud, server: Server, state_file: StateFile) -> None:
    """Write the state now and then; what a full disk prevents is said and tried again."""
    seen = server.server_state.total_requests
    while True:
        await asyncio.sleep(_KEEP_SECONDS)
        if seen == server.server_state.total_requests:
            continue
        seen = server.server_state.total_requests
        try:
            # The state is read here, where nothing else changes it; writing may take its time.
            await asyncio.to_thread(state_file.write, cloud.save())
        except StateFileError as error:
            print(f"warning: {error}", file=sys.stderr, flush=True)  # noqa: T201  # the server's own log

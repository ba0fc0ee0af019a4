"""The local cloud as a bare ASGI application: no framework, because one port and one path need none."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from emulator import actions as _actions  # registers every action
from emulator.cloud import LocalCloud
from emulator.controls import PREFIX, Controls
from emulator.gateway import Gateway
from emulator.wire import HttpRequest, HttpResponse

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

MAX_BODY_BYTES = 10 * 1024 * 1024  # vendor's limit of a POST request: 10 MB
_MAX_CONTROL_BYTES = 1 << 30  # the saved state of an account with thousands of rows

__all__ = ["App", "_actions"]


class App:
    """ASGI callable. ``connections`` maps a client's address to its transport, for faults below HTTP."""

    def __init__(self, cloud: LocalCloud) -> None:
        self.cloud = cloud
        self.connections: dict[tuple[str, int], asyncio.Transport] = {}
        self._gateway = Gateway(cloud)
        self._controls = Controls(cloud)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request; lifespan and WebSocket scopes are refused by doing nothing."""
        if scope["type"] != "http":
            return
        control = scope["path"].startswith(PREFIX)
        body = await _read(receive, _MAX_CONTROL_BYTES if control else MAX_BODY_BYTES)
        if body is None:
            await _send(send, HttpResponse(413, b"The request body is too large.", "text/plain"))
            return
        request = HttpRequest(
            method=scope["method"],
            path=scope["path"],
            query_string=scope["query_string"].decode("latin-1"),
            headers={
                name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
            },
            body=body,
        )
        if control:
            await _send(send, self._controls.handle(request))
            return
        answered = self._gateway.handle(request)
        delay = answered.delay + self.cloud.settings.answer_latency_seconds
        if delay:
            await asyncio.sleep(delay)
        if answered.response.effect is not None:
            await self._break(scope, send, answered.response)
            return
        await _send(send, answered.response)

    async def _break(self, scope: Scope, send: Send, response: HttpResponse) -> None:
        """Reset (RST), close (FIN before an answer) or truncate (a body shorter than announced)."""
        transport = self.connections.get(tuple(scope["client"]))
        if transport is None:
            raise RuntimeError("this server does not expose its connections; start it with emulator.server")
        if response.effect == "truncate":
            # Written below the HTTP layer: uvicorn itself refuses to send less than it announced.
            transport.write(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 4096\r\n\r\n"
            )
            transport.write(response.body)
            transport.close()
        elif response.effect == "close":
            transport.close()
        else:
            import socket
            import struct

            sock = transport.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()


async def _read(receive: Receive, limit: int) -> bytes | None:
    """The whole body, or None when it is over the limit."""
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b"".join(chunks)
        chunk: bytes = message.get("body", b"")
        size += len(chunk)
        if size > limit:
            return None
        chunks.append(chunk)
        if not message.get("more_body", False):
            return b"".join(chunks)


async def _send(send: Send, response: HttpResponse) -> None:
    headers = [
        (b"content-type", response.content_type.encode()),
        (b"content-length", str(len(response.body)).encode()),
        *((name.lower().encode(), value.encode()) for name, value in response.headers.items()),
    ]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": response.body})

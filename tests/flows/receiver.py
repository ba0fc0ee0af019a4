"""A webhook receiver on loopback: what a chat room or another system would be sent."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Message:
    """One request: its path and its JSON body."""

    path: str
    body: Any


@dataclass
class Receiver:
    """A running receiver; messages can be waited for."""

    url: str
    seen: list[Message] = field(default_factory=list)
    fresh: queue.Queue[Message] = field(default_factory=queue.Queue)

    def wait_for(self, path: str, words: str, seconds: float = 40.0) -> str:
        """The first message, as text, that came in on ``path`` with ``words``; fails after ``seconds`` without any."""
        ends = threading.Event()
        timer = threading.Timer(seconds, ends.set)
        timer.start()
        try:
            while not ends.is_set():
                for message in [*self.seen]:
                    text = json.dumps(message.body, ensure_ascii=False)
                    if message.path == path and words in text:
                        return text
                try:
                    self.fresh.get(timeout=0.5)
                except queue.Empty:
                    continue
        finally:
            timer.cancel()
        raise AssertionError(f"nothing with {words!r} came to {path} in {seconds} s: {self.seen}")


@contextmanager
def receiver() -> Iterator[Receiver]:
    """Serve on a free port until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            message = Message(self.path, body)
            running.seen.append(message)
            running.fresh.put(message)
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class names it so
            """A test's output is no server's log."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    running = Receiver(f"http://127.0.0.1:{server.server_address[1]}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield running
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)

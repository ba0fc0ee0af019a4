"""What the local cloud itself can answer: signed calls a second of one core.

The client is as cheap as can be, because it shares the machine: raw sockets, one request at a time on each
connection, signed by hand. Calls a second are counted in processor time of the server, so that what the client
takes does not count.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from benchmarks.cloud import BenchmarkCloud
from benchmarks.rows import CAST, key_of
from emulator.registry import PRODUCTS, Product
from emulator.signatures import acs3_signature, acs3_string_to_sign, canonical_query
from emulator.wire import HttpRequest

_NO_BODY = hashlib.sha256(b"").hexdigest()
_SIGNED = (
    "host",
    "x-acs-action",
    "x-acs-content-sha256",
    "x-acs-date",
    "x-acs-signature-nonce",
    "x-acs-version",
)


@dataclass(frozen=True)
class Throughput:
    """``per_core`` is calls for each second of the server's processor time, ``per_second`` of the wall clock.

    ``bytes_grown`` is how much resident memory the calls added.
    """

    calls: int
    per_core: float
    per_second: float
    bytes_grown: int


@dataclass(frozen=True)
class Question:
    """A call that is repeated: product by name, action and parameters."""

    product: str
    action: str
    parameters: Mapping[str, str]


def measure(
    cloud: BenchmarkCloud,
    questions: list[Question],
    *,
    calls: int,
    connections: int = 64,
    per_second: float | None = None,
    user: str = CAST["administrator"],
) -> Throughput:
    """Ask ``questions`` in turn, ``calls`` in all, on ``connections`` connections, and measure the server.

    ``per_second`` paces the calls; without it they come as fast as they can. Raises ``RuntimeError`` when an answer is
    not 200.
    """
    memory, cpu, started = cloud.resident_bytes(), cloud.cpu_seconds(), time.perf_counter()
    asyncio.run(_ask(cloud.url, questions, calls, connections, per_second, user))
    wall, used = time.perf_counter() - started, cloud.cpu_seconds() - cpu
    return Throughput(calls, calls / max(used, 0.01), calls / wall, cloud.resident_bytes() - memory)


async def _ask(
    url: str, questions: list[Question], calls: int, connections: int, per_second: float | None, user: str
) -> None:
    host = urlsplit(url).netloc
    left = iter(range(calls))
    started = time.perf_counter()

    async def one() -> None:
        address, _, port = host.rpartition(":")
        reader, writer = await asyncio.open_connection(address, int(port))
        try:
            for number in left:
                if per_second is not None:
                    await asyncio.sleep(max(0.0, started + number / per_second - time.perf_counter()))
                writer.write(signed(host, questions[number % len(questions)], user))
                await _answered(reader)
        finally:
            writer.close()
            await writer.wait_closed()

    await asyncio.gather(*(one() for _ in range(connections)))


async def _answered(reader: asyncio.StreamReader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
    body = await reader.readexactly(length)
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(f"the local cloud answered {body[:300]!r}")


def signed(host: str, question: Question, user: str) -> bytes:
    """A request as it goes over the wire, signed with the user's key."""
    key_id, secret = key_of(user)
    product: Product = next(one for one in PRODUCTS.values() if one.name == question.product)
    query = canonical_query(question.parameters.items())
    headers = {
        "host": host,
        "x-acs-action": question.action,
        "x-acs-version": product.version,
        "x-acs-date": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "x-acs-signature-nonce": uuid.uuid4().hex,
        "x-acs-content-sha256": _NO_BODY,
    }
    request = HttpRequest("POST", "/", query, headers, b"")
    signature = acs3_signature(secret, acs3_string_to_sign(request, _SIGNED))
    headers["accept"] = "application/json"
    headers["authorization"] = (
        f"ACS3-HMAC-SHA256 Credential={key_id},SignedHeaders={';'.join(_SIGNED)},Signature={signature}"
    )
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST /?{query} HTTP/1.1\r\n{lines}content-length: 0\r\n\r\n".encode("latin-1")

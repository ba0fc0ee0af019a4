"""Reading a file that may be here or behind a URL: at most so many bytes, in bounded time, through fsspec.

A path, ``file://``, ``https://``, ``s3://`` and ``oss://`` are understood. ``http://`` only on this computer: what the
file says decides who gets access, and over plain HTTP anyone on the way could change it. What a URL's query or user
information holds is shown in no message: signed URLs carry their signature there.

Credentials come from where fsspec's packages look: s3fs in boto's places, ossfs in ``OSS_ENDPOINT`` and in fsspec's own
``FSSPEC_OSS_KEY``, ``FSSPEC_OSS_SECRET`` and ``FSSPEC_OSS_TOKEN``; ``HTTPS_PROXY`` is obeyed.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote, urlsplit

from config.limits import CSV_CONNECT_SECONDS, CSV_READ_SECONDS
from config.load import SpecFileError

EXTRAS = {"http": "http", "https": "http", "s3": "s3", "oss": "oss"}
"""The optional dependency of this project that each kind of URL needs."""

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_CHUNK_BYTES = 1024 * 1024


def shown_place(place: str | Path) -> str:
    """The place as messages and reports name it: a URL without user information, query and fragment."""
    text = str(place)
    if not _URL.match(text):
        return text
    scheme, _, rest = text.partition("://")
    host, slash, path = re.split(r"[?#]", rest, maxsplit=1)[0].partition("/")
    return f"{scheme.lower()}://{host.rpartition('@')[2]}{slash}{path}"


def read_bytes(place: str | Path, *, maximum: int) -> bytes:
    """The file's content. ``maximum`` is in bytes: no more than one beyond it is read.

    Raises ``SpecFileError`` naming the place and the reason: missing, forbidden, too large, not reachable in time,
    or the extra to install.
    """
    shown = shown_place(place)
    url = _URL.match(str(place))
    scheme = url[1].lower() if url else ""
    if scheme in ("", "file"):
        data = _read_local(_local_path(str(place)) if scheme else Path(place), shown, maximum)
    else:
        data = _read_remote(str(place), scheme, shown, maximum)
    if len(data) > maximum:
        raise SpecFileError(shown, f"is larger than {maximum} bytes; is this the right file?")
    return data


def _local_path(url: str) -> Path:
    parts = urlsplit(url)
    if parts.netloc not in ("", "localhost"):
        raise SpecFileError(
            shown_place(url), "names another computer; a file URL looks like file:///folder/name"
        )
    return Path(unquote(parts.path))


def _read_local(path: Path, shown: str, maximum: int) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(maximum + 1)
    except FileNotFoundError:
        raise SpecFileError(shown, "there is no such file") from None
    except OSError as error:
        raise SpecFileError(shown, f"cannot be read: {error.strerror or type(error).__name__}") from error
    except ValueError:
        # A NUL character in the name.
        raise SpecFileError(shown, "is not the name of a file") from None


def _read_remote(url: str, scheme: str, shown: str, maximum: int) -> bytes:
    if scheme not in EXTRAS:
        known = "a path, file://, https://, s3:// and oss://"
        raise SpecFileError(shown, f"{scheme}:// is not understood; known are {known}")
    if scheme == "http" and _host(url, shown) not in _LOOPBACK:
        raise SpecFileError(shown, "use https: over plain http anyone on the way could change the file")
    reason = ""
    try:
        with _open(url, scheme) as file:
            return _bounded(file, maximum)
    except ImportError:
        extra = EXTRAS[scheme]
        reason = f"reading {scheme}:// needs a package: pip install 'dataworks-onboarding[{extra}]'"
    except FileNotFoundError:
        reason = "there is no such file"
    except PermissionError:
        reason = "may not be read with the credentials at hand"
    except TimeoutError:
        reason = f"did not arrive within {CSV_READ_SECONDS} seconds"
    except Exception as error:  # noqa: BLE001  # each package has its own errors, most without a common class
        reason = _reason(error)
    # Outside the handlers: those errors hold the whole URL, with what signs it.
    raise SpecFileError(shown, reason)


def _host(url: str, shown: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        raise SpecFileError(shown, "is not a URL") from None


def _reason(error: Exception) -> str:
    # asyncio's own TimeoutError is another class before Python 3.11.
    if type(error).__name__ in ("TimeoutError", "FSTimeoutError"):
        return f"did not arrive within {CSV_READ_SECONDS} seconds"
    status = getattr(error, "status", None)
    detail = f"HTTP status {status}" if isinstance(status, int) else type(error).__name__
    return f"cannot be read: {detail}"


def _open(url: str, scheme: str) -> IO[bytes]:
    import fsspec

    if scheme in ("http", "https"):
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=CSV_READ_SECONDS, sock_connect=CSV_CONNECT_SECONDS)
        options: dict[str, Any] = {"client_kwargs": {"timeout": timeout, "trust_env": True}}
        # A size spares a question that would answer an unreachable host with "no such file".
        opening: dict[str, Any] = {"block_size": 0, "size": 1}
    else:
        times = {"connect_timeout": CSV_CONNECT_SECONDS, "read_timeout": CSV_READ_SECONDS}
        options = {"config_kwargs": times} if scheme == "s3" else {}
        opening = {}
    # Not fsspec.open: that would read "::" in a URL as a chain of filesystems.
    filesystem = fsspec.filesystem(scheme, skip_instance_cache=True, **options)
    opened: IO[bytes] = filesystem.open(url, "rb", **opening)
    return opened


def _bounded(file: IO[bytes], maximum: int) -> bytes:
    parts: list[bytes] = []
    missing = maximum + 1
    while missing > 0:
        # A stream answers with what has arrived, which may be less than asked for.
        part = file.read(min(missing, _CHUNK_BYTES))
        if not part:
            break
        parts.append(part)
        missing -= len(part)
    return b"".join(parts)

"""Files at paths and behind URLs: read within bounds, refused with the reason, and no URL shows its secrets."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from config import csv_place
from config.csv_file import read_rows
from config.csv_place import read_bytes, shown_place
from config.csv_problems import CsvInvalid
from config.load import SpecFileError
from tests.config.csv_files import plain_row, text_of

CONTENT = text_of(plain_row()).encode()


class _Files(BaseHTTPRequestHandler):
    """Answers by the path: a number is a status, ``endless`` never ends, ``silent`` never begins."""

    stopping = threading.Event()

    def do_GET(self) -> None:
        name = self.path.partition("?")[0].strip("/")
        if name == "silent":
            self.stopping.wait(30)
            return
        if name == "moved":
            self.send_response(302)
            self.send_header("Location", "/rows.csv")
            self.end_headers()
            return
        self.send_response(int(name) if name.isdigit() else 200)
        self.end_headers()
        try:
            self.wfile.write(CONTENT)
            while name == "endless" and not self.stopping.is_set():
                self.wfile.write(b"x" * 65536)
        except OSError:
            # The reader has gone, as it should.
            return

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class calls it so
        """Nothing is printed."""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    _Files.stopping.clear()
    with ThreadingHTTPServer(("127.0.0.1", 0), _Files) as running:
        running.daemon_threads = True
        thread = threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}"
        _Files.stopping.set()
        running.shutdown()
        thread.join()


def reason_of(place: str | Path, maximum: int = 10_000) -> str:
    with pytest.raises(SpecFileError) as caught:
        read_bytes(place, maximum=maximum)
    error = caught.value
    assert "hush" not in f"{error}{error!r}{error.__cause__!r}{error.__context__!r}"
    return error.reason


@pytest.mark.parametrize(
    ("place", "shown"),
    [
        ("folder/a.csv", "folder/a.csv"),
        ("a?b#c.csv", "a?b#c.csv"),
        ("https://user:hush@host/a.csv?Signature=hush#hush", "https://host/a.csv"),
        ("HTTPS://host?Signature=hush", "https://host"),
        ("s3://bucket/folder/a.csv?versionId=hush", "s3://bucket/folder/a.csv"),
        ("https://user:hu@sh@host/a@b.csv", "https://host/a@b.csv"),
    ],
)
def test_a_url_is_shown_without_what_it_hides(place: str, shown: str) -> None:
    assert shown_place(place) == shown


def test_a_path_and_a_file_url_are_read(tmp_path: Path) -> None:
    path = tmp_path / "with space.csv"
    path.write_bytes(CONTENT)
    for place in (
        path,
        str(path),
        f"file://{tmp_path}/with%20space.csv",
        f"FILE://localhost{tmp_path}/with%20space.csv",
    ):
        assert read_bytes(place, maximum=len(CONTENT)) == CONTENT


def test_a_file_larger_than_the_bound_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(CONTENT)
    assert (
        reason_of(path, len(CONTENT) - 1)
        == f"is larger than {len(CONTENT) - 1} bytes; is this the right file?"
    )


def test_paths_that_are_no_files_are_refused(tmp_path: Path) -> None:
    assert reason_of(tmp_path / "absent.csv") == "there is no such file"
    assert reason_of(tmp_path) == "cannot be read: Is a directory"
    assert reason_of("a\0b") == "is not the name of a file"
    assert (
        reason_of("file://elsewhere/a.csv")
        == "names another computer; a file URL looks like file:///folder/name"
    )


def test_rows_behind_a_url_are_read_and_named_without_its_query(server: str) -> None:
    found = read_rows(f"{server}/rows.csv?Signature=hush").require_valid()
    assert [row.spec.name for row in found.rows] == ["orders"]
    assert found.source == f"{server}/rows.csv"


def test_a_url_is_no_chain_of_filesystems(server: str, tmp_path: Path) -> None:
    (tmp_path / "secret.csv").write_bytes(b"hush")
    assert read_bytes(f"{server}/a::file://{tmp_path}/secret.csv", maximum=10_000) == CONTENT


def test_a_redirect_is_followed(server: str) -> None:
    assert read_bytes(f"{server}/moved", maximum=10_000) == CONTENT


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("404?Signature=hush", "there is no such file"),
        ("403?Signature=hush", "cannot be read: HTTP status 403"),
        ("500?Signature=hush", "cannot be read: HTTP status 500"),
        ("endless?Signature=hush", "is larger than 10000 bytes; is this the right file?"),
    ],
)
def test_a_url_that_cannot_be_read_is_refused_with_the_reason(server: str, path: str, reason: str) -> None:
    assert reason_of(f"{server}/{path}") == reason


def test_a_server_that_does_not_answer_in_time_is_given_up(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(csv_place, "CSV_READ_SECONDS", 0.2)
    assert reason_of(f"{server}/silent?Signature=hush") == "did not arrive within 0.2 seconds"


def test_a_server_that_is_not_there_is_told_from_a_missing_file() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert (
        reason_of(f"http://127.0.0.1:{port}/a.csv?Signature=hush") == "cannot be read: ClientConnectorError"
    )


def test_plain_http_is_refused_except_on_this_computer() -> None:
    rule = "use https: over plain http anyone on the way could change the file"
    assert reason_of("http://files.example.com/a.csv?Signature=hush") == rule


@pytest.mark.parametrize("scheme", ["ftp", "simplecache", "memory", "github"])
def test_other_filesystems_are_not_opened(scheme: str) -> None:
    known = "a path, file://, https://, s3:// and oss://"
    assert reason_of(f"{scheme}://hush@host/a.csv") == f"{scheme}:// is not understood; known are {known}"


@pytest.mark.parametrize(("scheme", "package"), [("s3", "s3fs"), ("oss", "ossfs"), ("https", "aiohttp")])
def test_a_missing_package_is_answered_with_the_extra_to_install(
    scheme: str, package: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    extra = "http" if scheme == "https" else scheme
    assert reason_of(f"{scheme}://bucket/a.csv") == (
        f"reading {scheme}:// needs a package: pip install 'dataworks-onboarding[{extra}]'"
    )


def test_a_place_that_cannot_be_read_is_a_problem_of_the_file(server: str) -> None:
    with pytest.raises(CsvInvalid) as caught:
        read_rows(f"{server}/404?Signature=hush")
    assert str(caught.value.problems[0]) == f"{server}/404: there is no such file"

"""The server in this process and as a process of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from alibabacloud_ram20150501 import models

from emulator.account import AccountError, load_account
from emulator.cloud import LocalCloud
from emulator.server import RunningCloud, ServerError, listen, serve_in_thread
from tests.emulator.clients import Key, http_call, ram

ROOT = Path(__file__).parents[2]


@contextmanager
def process(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """``python -m emulator`` until the block ends."""
    started = subprocess.Popen(
        [sys.executable, "-m", "emulator", *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield started
    finally:
        if started.poll() is None:
            started.kill()
        started.communicate()


def announced(started: subprocess.Popen[str]) -> Any:
    """The line of JSON that says where it listens."""
    assert started.stdout is not None
    return json.loads(started.stdout.readline())


def test_two_clouds_in_one_process_are_independent() -> None:
    with (
        serve_in_thread(LocalCloud(load_account())) as one,
        serve_in_thread(LocalCloud(load_account())) as other,
    ):
        assert one.url != other.url
        ram(one).create_user(models.CreateUserRequest(user_name="u1"))
        assert "u1" in one.cloud.state.ram.users
        assert "u1" not in other.cloud.state.ram.users


def test_after_the_block_nothing_listens() -> None:
    with serve_in_thread(LocalCloud(load_account())) as running:
        assert http_call(running, "GET", "/_emulator/health").status == 200
    with pytest.raises(ConnectionRefusedError):
        http_call(running, "GET", "/_emulator/health")


def test_answers_are_not_held_back_for_an_acknowledgement(local: RunningCloud) -> None:
    client = ram(local)
    client.list_users(models.ListUsersRequest())  # connects
    durations = []
    for _ in range(20):
        started = time.monotonic()
        client.list_users(models.ListUsersRequest())
        durations.append(time.monotonic() - started)
    # A delayed acknowledgement takes 0.04 s in every call; a busy machine slows some, not all.
    assert min(durations) < 0.035


def test_a_taken_port_is_an_error_that_names_it() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ServerError, match=f"127.0.0.1:{port}.*another --port"):
            listen("127.0.0.1", port)


def test_as_a_process_it_announces_itself_and_answers_until_it_is_interrupted() -> None:
    before = time.monotonic()
    with process("--port", "0", "--json") as started:
        found = announced(started)
        ready = time.monotonic() - before
        alice = next(key for key in found["keys"] if key["user"] == "alice")
        running = RunningCloud(found["url"], LocalCloud())
        client = ram(running, Key(alice["access_key_id"], alice["access_key_secret"]))
        assert client.get_user(models.GetUserRequest(user_name="alice")).body.user.user_name == "alice"
        started.send_signal(signal.SIGINT)
        out, err = started.communicate(timeout=10)
        assert (started.returncode, out, err) == (0, "", "")
    assert ready < 10  # generous: machines differ; it takes well under a second


def test_a_taken_port_ends_the_process_with_2() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with process("--port", str(port), "--json") as started:
            out, err = started.communicate(timeout=20)
    assert (started.returncode, out) == (2, "")
    assert f"cannot listen on 127.0.0.1:{port}" in err


def test_a_bad_account_file_ends_the_process_with_2_and_names_the_place(tmp_path: Path) -> None:
    account = tmp_path / "account.yaml"
    account.write_text("account: {ram: {users: {alice: {nickname: al}}}}")
    with process("--port", "0", "--account", str(account)) as started:
        out, err = started.communicate(timeout=20)
    assert (started.returncode, out) == (2, "")
    assert f"account file {account}: account.ram.users.alice.nickname" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[]", "must be a mapping"),
        ("account: {", "account file"),
        ("account: {ram: {roles: {r: {trust_policy: {Version: '1'}}}}}", "account.ram.roles.r.trust_policy"),
        (
            "account: {ram: {policies: {p: {document: {Version: '2'}}}}}",
            "account.ram.policies.p.versions.0.document",
        ),
        ("account: {ram: {policies: {p: {}}}}", "has no version v1"),
        ("account: {ram: {groups: {g: {members: [nobody]}}}}", "nobody is no user"),
        (
            "account: {ram: {users: {u: {attachments: [{policy: x}]}}}}",
            "Custom policy x, which does not exist",
        ),
        ("account: {ram: {users: {u: {name: v}}}}", "users.u is named v"),
        ("settings: {rate_factor: 0}", "settings.rate_factor"),
    ],
)
def test_an_account_file_that_cannot_be_used_is_an_error_with_its_place(
    tmp_path: Path, text: str, words: str
) -> None:
    account = tmp_path / "account.yaml"
    account.write_text(text)
    with pytest.raises(AccountError) as caught:
        load_account(account)
    assert words in str(caught.value)
    assert str(account) in str(caught.value)


def test_role_names_of_an_account_file_differ_by_more_than_case(tmp_path: Path) -> None:
    account = tmp_path / "account.yaml"
    trust = {
        "Version": "1",
        "Statement": [
            {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": ["x.aliyuncs.com"]}}
        ],
    }
    roles = {name: {"trust_policy": trust} for name in ("Worker", "worker")}
    account.write_text(json.dumps({"account": {"ram": {"roles": roles}}}))
    with pytest.raises(AccountError, match="differ by more than case"):
        load_account(account)


def test_an_absent_account_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(AccountError, match=r"no-such\.yaml"):
        load_account(tmp_path / "no-such.yaml")


def test_an_error_about_a_key_does_not_show_its_secret(tmp_path: Path) -> None:
    account = tmp_path / "account.yaml"
    account.write_text("account: {access_keys: [{id: LTAIx, secret: very-secret, colour: red}]}")
    with pytest.raises(AccountError) as caught:
        load_account(account)
    assert "account.access_keys.0.colour" in str(caught.value)
    assert "very-secret" not in str(caught.value)

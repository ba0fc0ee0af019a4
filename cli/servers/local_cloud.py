"""A local cloud whose state survives restarts, and the settings that send a pipeline to it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from cli.servers.prefect_server import ROOT, own_environment
from cli.servers.processes import START_SECONDS, STOP_SECONDS, Command, Group, StartFailed, failed
from config.personas import Persona

CAST = {
    Persona.ADMINISTRATOR: "alice",
    Persona.CREATOR: "carol",
    Persona.DEVELOPER: "dave",
    Persona.EXECUTOR: "erin",
}
"""Who of the sample account plays which persona: four people, so that the PassRole grants are really needed."""

_BAD_INPUT = 2  # the exit code of `python -m emulator`


class CloudRefused(StartFailed):
    """The local cloud cannot use what it was given: an account file, a state file, a port."""


@dataclass(frozen=True)
class LocalCloud:
    """A running local cloud: its URL, its account, who plays which persona, and their keys (in no ``repr``)."""

    url: str
    account: str
    edition: str
    cast: Mapping[Persona, str]
    _keys: Mapping[str, tuple[str, str]] = field(repr=False)

    @property
    def environment(self) -> dict[str, str]:
        """Settings of a process that onboards there, with an identity for each persona."""
        settings = {
            "ONBOARD_LOCAL_CLOUD": self.url,
            "ONBOARD_EDITION": self.edition,
            # It moves at each look: looking often shortens the wait.
            "ONBOARD_POLL_INTERVAL_INITIAL": "0.2",
            "ONBOARD_POLL_INTERVAL_MAXIMUM": "1",
            "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true",
        }
        for persona, user in self.cast.items():
            key, secret = self._keys[user]
            settings[f"ONBOARD_IDENTITIES__{persona.name}__ACCESS_KEY_ID"] = key
            settings[f"ONBOARD_IDENTITIES__{persona.name}__ACCESS_KEY_SECRET"] = secret
        return settings


def start_local_cloud(
    servers: Group, log: Path, port: int, state: Path, account: Path | None, mark: Mapping[str, str]
) -> LocalCloud:
    """Start it on a port of loopback and wait until it answers; its state is in the file ``state``.

    Raises :class:`CloudRefused`, :class:`cli.servers.processes.StartFailed`.
    """
    arguments = [sys.executable, "-m", "emulator", "--json", "--port", str(port), "--state", str(state)]
    arguments += [] if account is None else ["--account", str(account.resolve())]
    command = Command(arguments, {**own_environment(), **mark}, log, cwd=ROOT)
    # Its announcement holds keys, so it goes to no log.
    process = servers.start(command, reads_output=True)
    assert process.stdout is not None
    late = threading.Timer(START_SECONDS, process.kill)
    late.start()
    try:
        line = process.stdout.readline()
    finally:
        late.cancel()
    if not line:
        raise _refused(command, process)
    announced: dict[str, Any] = json.loads(line)
    keys = {key["user"]: (key["access_key_id"], key["access_key_secret"]) for key in announced["keys"]}
    url = str(announced["url"])
    settings = httpx.get(f"{url}/_emulator/settings", timeout=10, trust_env=False).raise_for_status()
    return LocalCloud(url, announced["account"], settings.json()["result"]["edition"], _cast(keys), keys)


def _refused(command: Command, process: subprocess.Popen[bytes]) -> StartFailed:
    code = process.wait(STOP_SECONDS)  # its output has ended: it is about to
    if code == _BAD_INPUT:
        told = command.log.read_text(encoding="utf-8", errors="replace").strip()
        return CloudRefused(told.removeprefix("error: "))
    return failed(command, f"ended with code {code} before it answered")


def _cast(keys: Mapping[str, Any]) -> dict[Persona, str]:
    """The sample account's four people; in another account, one user with a key plays every persona."""
    if set(CAST.values()) <= set(keys):
        return dict(CAST)
    if not keys:
        raise CloudRefused(
            "the account file holds no RAM user with an AccessKey: nobody could onboard anything"
        )
    return dict.fromkeys(Persona, next(iter(keys)))

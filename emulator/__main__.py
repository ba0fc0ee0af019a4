"""``python -m emulator``: serve a local Alibaba Cloud until interrupted."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from pathlib import Path

from emulator.account import AccountError, load_account
from emulator.cloud import LocalCloud
from emulator.server import LOOPBACK, ServerError, serve
from emulator.state_file import StateFile, StateFileError

DEFAULT_PORT = 8090


def _announce(cloud: LocalCloud, as_json: bool, url: str) -> None:
    keys = [
        {"user": user.name, "access_key_id": key.id, "access_key_secret": key.secret}
        for user in cloud.state.ram.users.values()
        for key in user.access_keys
    ]
    if as_json:
        print(json.dumps({"url": url, "account": cloud.state.account_id, "keys": keys}), flush=True)
        return
    print(f"Local Alibaba Cloud at {url}, account {cloud.state.account_id}. Ctrl-C stops it.\n")
    print(f"{'RAM user':<16}{'AccessKey id':<24}AccessKey secret (of this local account only)")
    for key in keys:
        print(f"{key['user']:<16}{key['access_key_id']:<24}{key['access_key_secret']}")
    first = keys[0] if keys else {"access_key_id": "…", "access_key_secret": "…"}
    print(
        "\nPoint the pipeline at it:\n"
        f"  export ONBOARD_LOCAL_CLOUD={url}\n"
        f"  export ALIBABA_CLOUD_ACCESS_KEY_ID={first['access_key_id']}\n"
        f"  export ALIBABA_CLOUD_ACCESS_KEY_SECRET={first['access_key_secret']}\n"
        f"Controls: {url}/_emulator/health, journal, state, faults, clock, settings",
        flush=True,
    )


def _stop_at_end_of_input() -> None:
    """A parent that is killed closes our standard input; nothing it started may stay behind."""
    # Not through sys.stdin: its lock, held by this thread, would abort an interpreter that ends for another reason.
    while os.read(sys.stdin.fileno(), 4096):
        pass
    os.kill(os.getpid(), signal.SIGINT)


def main(argv: list[str] | None = None) -> int:
    """Parse arguments and serve; returns the exit code (2 for bad input)."""
    parser = argparse.ArgumentParser(prog="onboard emulator", description="Serve a local Alibaba Cloud.")
    parser.add_argument("--host", default=LOOPBACK, help="address to bind (default: loopback only)")
    parser.add_argument("--port", type=int, default=DEFAULT_PORT, help="0 takes a free port")
    parser.add_argument("--account", type=Path, help="account file (YAML); default: the sample account")
    parser.add_argument(
        "--state",
        type=Path,
        metavar="FILE",
        help="keep the state there between two starts; made when it does not exist",
    )
    parser.add_argument("--json", action="store_true", help="announce URL and keys as one line of JSON")
    parser.add_argument(
        "--until-stdin-closes",
        action="store_true",
        help="stop when standard input ends: with the parent process",
    )
    options = parser.parse_args(argv)
    if options.until_stdin_closes:
        threading.Thread(target=_stop_at_end_of_input, name="parent-watch", daemon=True).start()
    try:
        account = load_account(options.account)
        cloud = LocalCloud(account)
        state_file = None if options.state is None else StateFile(options.state)
        if state_file is not None:
            state_file.load(cloud, account.state.data)
        serve(cloud, options.host, options.port, lambda url: _announce(cloud, options.json, url), state_file)
    except (AccountError, ServerError, StateFileError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

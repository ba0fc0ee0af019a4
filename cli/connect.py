"""A gate for commands that ask the cloud without a flow."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from cli.prefect_environment import prepare

if TYPE_CHECKING:
    from cloud.errors import OnboardingError
    from cloud.gate import Gate
    from config.settings import Settings


def connect(settings: Settings, region: str) -> Gate:
    """A gate from the settings. Importing the steps imports Prefect, which is kept quiet."""
    prepare(verbose=False)
    from cloud.gate import Gate

    return Gate(settings, region)


def report_error(error: OnboardingError, as_json: bool) -> None:
    """Say why a command could not do its work."""
    if as_json:
        print(json.dumps({"outcome": "failed", "error": str(error), "code": error.code}, ensure_ascii=False))
    else:
        print(f"error: {error}", file=sys.stderr)

"""``onboard learn``: how a console-made data source says that it is opened with a role, as a content profile."""

from __future__ import annotations

import json
import sys

from cli.connect import connect, report_error
from cli.inputs import BadInput, read_settings, report_bad_input


def print_profile(workspace: int, name: str, region: str) -> int:
    """Read, and print what to set; returns the exit code."""
    try:
        settings = read_settings()
    except BadInput as error:
        report_bad_input(error, as_json=False)
        return 2
    gate = connect(settings, region)
    from cloud.dataworks.data_sources import find_data_source
    from cloud.errors import OnboardingError
    from config.sources.base import Environment
    from tasks.learning import learned_profiles

    try:
        found = [find_data_source(gate, workspace, name, environment) for environment in Environment]
    except OnboardingError as error:
        report_error(error, as_json=False)
        return 1
    sources = [source for source in found if source is not None]
    if not sources:
        print(f"error: workspace {workspace} has no data source {name}", file=sys.stderr)
        return 2
    profiles, notes = learned_profiles(sources, region)
    for note in notes:
        print(f"note: {note}", file=sys.stderr)
    if not profiles:
        return 1
    print(f"export ONBOARD_CONTENT_PROFILES='{json.dumps(profiles, ensure_ascii=False)}'")
    return 0

"""``onboard check``: is the specification right? No cloud is asked."""

from __future__ import annotations

import json
from pathlib import Path

from cli.connect import connect, report_error
from cli.inputs import BadInput, read_settings, read_spec, report_bad_input


def check_file(path: Path, as_json: bool) -> int:
    """Check and say; returns the exit code."""
    try:
        spec = read_spec(path)
    except BadInput as error:
        report_bad_input(error, as_json)
        return 2
    names = {
        "data_source": spec.name,
        "workspace": spec.workspace,
        "role": spec.role_name,
        "policy": spec.policy_name,
        "pass_role_policy": spec.pass_role_policy_name,
        "permissions": [permission.action for permission in spec.required_permissions()],
    }
    if as_json:
        print(json.dumps({"outcome": "valid", **names}, ensure_ascii=False))
        return 0
    print(f"{path}: valid. Applying it would use")
    print(f"  role              {spec.role_name}")
    print(
        f"  custom policy     {spec.policy_name}: {', '.join(p.action for p in spec.required_permissions())}"
    )
    print(f"  PassRole policy   {spec.pass_role_policy_name}")
    return 0


def check_cloud(path: Path, as_json: bool) -> int:
    """Preflight alone; returns the exit code."""
    try:
        spec, settings = read_spec(path), read_settings()
    except BadInput as error:
        report_bad_input(error, as_json)
        return 2
    gate = connect(settings, spec.region)
    from cli.plan import preflight_json
    from cli.show import show_findings
    from cloud.errors import OnboardingError
    from tasks.connection import step_limits
    from tasks.preflight import run_preflight

    try:
        with step_limits(spec, 0):
            preflight = run_preflight(gate, spec)
    except OnboardingError as error:
        report_error(error, as_json)
        return 1
    if as_json:
        print(json.dumps(preflight_json(preflight), ensure_ascii=False))
    else:
        show_findings(preflight)
    return 2 if preflight.blocked else 0

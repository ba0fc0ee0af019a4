"""``onboard plan``: what applying would change. Everything is read, nothing is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cli.connect import connect, report_error
from cli.inputs import BadInput, read_settings, read_spec, report_bad_input

if TYPE_CHECKING:
    from tasks.preflight import Preflight

EXIT_CHANGES = 3


def plan_file(path: Path, *, as_json: bool, out: Path | None) -> int:
    """Plan and say; returns the exit code."""
    try:
        spec, settings = read_spec(path), read_settings()
    except BadInput as error:
        report_bad_input(error, as_json)
        return 2
    gate = connect(settings, spec.region)
    from cli.show import show_preflight
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
        show_preflight(preflight)
    if preflight.plan is None or preflight.blocked:
        return 2
    if out is not None:
        try:
            out.write_text(
                json.dumps(preflight.plan.to_json(), ensure_ascii=False, indent=2) + "\n", encoding="utf-8"
            )
        except OSError as error:
            report_bad_input(BadInput(f"cannot write {out}: {error.strerror}", []), as_json)
            return 2
    return 0 if preflight.plan.empty else EXIT_CHANGES


def preflight_json(preflight: Preflight) -> dict[str, Any]:
    """Findings and plan as plain values."""
    from flows.report import finding_json

    return {
        "outcome": "blocked" if preflight.blocked else "planned",
        "findings": [finding_json(finding) for finding in preflight.findings],
        "plan": preflight.plan.to_json() if preflight.plan else None,
    }


def read_approval(given: str) -> tuple[str, dict[str, str] | None]:
    """``--plan``'s value: a hash, or a plan file's hash and readings. Raises :class:`BadInput`."""
    from tasks.planning import is_plan_hash

    path = Path(given)
    if not path.exists():
        if not is_plan_hash(given):
            raise BadInput(f"{given!r} is neither a plan file nor a plan's hash", [])
        return given, None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        plan_hash = str(content["hash"])
        readings = {str(key): str(value) for key, value in content["readings"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadInput(f"{given} is no plan file (onboard plan --out)", []) from error
    if not is_plan_hash(plan_hash):
        raise BadInput(f"{given} is no plan file (onboard plan --out)", [])
    return plan_hash, readings

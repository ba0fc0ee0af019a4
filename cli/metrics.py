"""``onboard metrics``: the metrics of one run, from its JSON report."""

from __future__ import annotations

import json
from pathlib import Path

from cli.inputs import BadInput, report_bad_input
from cli.prefect_environment import prepare


def print_metrics(path: Path) -> int:
    """Print the Prometheus text; returns the exit code: 0, or 2 for a file that is no report."""
    prepare(verbose=False)
    from flows.bulk_reading import ReportInvalid
    from flows.metrics import exposition

    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(report, dict):
            raise ReportInvalid("this is no report: a JSON object is expected")
        print(exposition(report), end="")
    except OSError as error:
        return _refused(path, error.strerror or str(error))
    except ReportInvalid as error:
        return _refused(path, str(error))
    except ValueError:
        return _refused(path, "this is no JSON file")
    return 0


def _refused(path: Path, rule: str) -> int:
    report_bad_input(BadInput(f"{path}: {rule}", [{"path": str(path), "value": "", "rule": rule}]), False)
    return 2

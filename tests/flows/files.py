"""Whole files against a local cloud in this process, with and without Prefect around the steps."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from benchmarks.rows import CAST, key_of, make_account, make_rows
from cloud.gate import Gate
from config.csv_file import Row
from config.load import parse_spec
from config.settings import Settings
from config.spec import DataSourceSpec
from emulator.account import AccountFile
from emulator.cloud import LocalCloud
from emulator.server import RunningCloud, serve_in_thread
from flows.bulk_brakes import Brakes
from flows.bulk_report import RowReport
from flows.bulk_run import BulkRun
from flows.bulk_steps import STEPS, Step
from tasks.bulk_plan import FilePlan, plan_file
from tasks.bulk_preflight import check_file
from tests.clock import LocalClock
from tests.tasks.onboarding import outline

REGION = "cn-hangzhou"
NO_BRAKES = Brakes()
PLAIN = tuple(step.fn for step in STEPS)
"""The steps without Prefect: quick enough to be cut off hundreds of times."""


def specs_of(rows: Sequence[Mapping[str, Any]]) -> list[DataSourceSpec]:
    """Specifications of generated rows."""
    return [parse_spec(row) for row in rows]


def numbered(specs: Sequence[DataSourceSpec]) -> list[Row]:
    """Rows of a file, the first in line 2."""
    return [Row(number, spec) for number, spec in enumerate(specs, start=2)]


@contextmanager
def served(rows: Sequence[Mapping[str, Any]], **settings: Any) -> Iterator[RunningCloud]:
    """A local cloud in which the rows can be onboarded; rates are off."""
    account = AccountFile.model_validate(make_account(rows, enforce_rates=False, **settings))
    with serve_in_thread(LocalCloud(account)) as running:
        yield running


def gate_of(local: RunningCloud, kind: type[Gate] = Gate, **settings: Any) -> Gate:
    """A gate whose personas are the generated account's users."""
    values = {"local_cloud": local.url, "edition": "enterprise", "identities": _identities(), **settings}
    return kind(Settings.model_validate(values), REGION, LocalClock(local.cloud))


def _identities() -> dict[str, Any]:
    keys = {persona: key_of(user) for persona, user in CAST.items()}
    return {
        persona: {"access_key_id": key, "access_key_secret": secret}
        for persona, (key, secret) in keys.items()
    }


def persona_environment(local: RunningCloud) -> dict[str, str]:
    """Settings of another process for the same: a user of the generated account for each persona."""
    found = {"ONBOARD_LOCAL_CLOUD": local.url, "ONBOARD_EDITION": "enterprise"}
    for persona, user in CAST.items():
        key, secret = key_of(user)
        found[f"ONBOARD_IDENTITIES__{persona.upper()}__ACCESS_KEY_ID"] = key
        found[f"ONBOARD_IDENTITIES__{persona.upper()}__ACCESS_KEY_SECRET"] = secret
    return found


def plan_of(gate: Gate, specs: Sequence[DataSourceSpec]) -> FilePlan:
    """The plan of a file as the cloud is now."""
    return plan_file(gate, specs)


class Applied:
    """A run over a file: its plan, its reports, and the run itself."""

    def __init__(self, plan: FilePlan, run: BulkRun, reports: list[RowReport]) -> None:
        self.plan = plan
        self.run = run
        self.reports = reports

    @property
    def outcomes(self) -> list[str]:
        """The rows' outcomes in the file's order."""
        return [report.outcome.value for report in self.reports]

    def row(self, name: str) -> RowReport:
        """The report of a data source."""
        (found,) = [report for report in self.reports if report.data_source == name]
        return found


def apply(
    gate: Gate,
    specs: Sequence[DataSourceSpec],
    brakes: Brakes = NO_BRAKES,
    rows_at_once: int = 8,
    steps: Sequence[Step] = PLAIN,
) -> Applied:
    """Plan, check and carry out a file without Prefect."""
    check = check_file(gate, plan_file(gate, specs))
    run = BulkRun(gate, numbered(specs), check.plan, brakes, rows_at_once, steps)
    return Applied(check.plan, run, asyncio.run(run.apply(lambda progress: None)))


def meaning(cloud: LocalCloud) -> dict[str, Any]:
    """The outline of a cloud without digests of ids, which depend on the order in which things were made."""
    found = outline(cloud)
    for kind in ("files", "nodes"):
        found[kind] = [tuple(map(_without_ids, one)) for one in found[kind]]
    return found


def _without_ids(part: Any) -> Any:
    """A file's own output is named after its id; its description holds a digest of ids."""
    if not isinstance(part, str):
        return part
    return re.sub(r"\.\d+_out", "_out", re.sub(r"Proves: \w+", "Proves", part))


ROWS = make_rows(12, roles=3)
"""A small file: twelve data sources of five types on three roles, one environment each."""

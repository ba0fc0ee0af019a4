"""Bulk reports to try the writers with: every outcome, every state of a cell, texts as services word them."""

from __future__ import annotations

from config.personas import Persona
from config.sources.base import Environment
from flows.bulk_report import BulkReport, RowOutcome, RowReport, Shard, Stop, UsagePoint
from flows.report import STEP_TITLES, Failure, OnboardingReport
from tasks.connectivity import Cell, Connection
from tasks.outcome import Outcome, StepReport
from tasks.preflight import PreflightFinding
from tasks.run import Proof

STARTED = 1_795_000_000.0
_TYPES = ("oss", "loghub", "tablestore", "hologres", "adb_mysql")
_OUTCOMES = {
    RowOutcome.CREATED: Outcome.CREATED,
    RowOutcome.UPDATED: Outcome.UPDATED,
    RowOutcome.UNCHANGED: Outcome.UNCHANGED,
}
_DENIED = Failure(
    step=3,
    kind="PermissionDenied",
    what="the caller may not pass the role (ram:PassRole)",
    subject="data source",
    persona="administrator",
    remedy="grant the creator ram:PassRole on the role",
    code="Forbidden.Access",
    request_id="0BA5C8E7-7C2B-5B1E-9D24-6A7A1F0B3C11",
)
_RED = "resource group S_res_2 does not reach it (timeout): no answer within 60 s"
_HOW = "bind the resource group's VPC to a network that reaches the source's endpoint"


def onboarding(
    number: int, name: str, outcome: Outcome, failure: Failure | None = None, red: bool = False
) -> OnboardingReport:
    """A row's five steps in two environments, as far as its failure lets them."""
    report = OnboardingReport(name, 10001 + number % 3, "cn-shanghai", _TYPES[number % 5], failure=failure)
    last = failure.step - 1 if failure else 5
    role, digits = f"DataWorks-{name}", str(300_000_000_000_000_000 + number)
    facts: dict[int, dict[str, str]] = {
        1: {"role": role, "role_id": digits, "role_arn": f"acs:ram::1:role/{role}"},
        2: {"pass_role_policy": f"{role}AllowUse", "grantees": "group data-team"},
        4: {"file_id": str(500_000 + number), "node_id": str(700_000 + number)},
    }
    for step in range(1, last + 1):
        if step in facts:
            what = {1: f"role {role}", 2: f"policy {role}AllowUse", 4: f"sync task {name}_daily"}[step]
            report.steps.append(
                StepReport(step, STEP_TITLES[step], what, outcome, "as specified", facts=facts[step])
            )
            continue
        for environment in (Environment.DEV, Environment.PROD):
            where = f"({environment.name})"
            if step == 3:
                made = {"data_source_id": str(40_000 + number), "environment": environment.name}
                report.steps.append(
                    StepReport(3, STEP_TITLES[3], f"data source {name} {where}", outcome, "", facts=made)
                )
                continue
            instance = 900_000_000 + number * 2 + environment.wire
            told = StepReport(
                5,
                STEP_TITLES[5],
                f"sync task {name}_daily {where}",
                outcome,
                f"instance {instance} SUCCESS, 1000 records read, 1000 written",
                facts={"instance_id": str(instance), "run": f"onboard-{name}"},
            )
            report.steps.append(told)
            report.proofs.append(Proof(environment, instance, 1000, 1000, told))
    if last >= 2:
        for environment in (Environment.DEV, Environment.PROD):
            for group in ("S_res_1", "S_res_2", "S_res_shared"):
                state = Connection.CONNECTED
                if red and group == "S_res_2":
                    state = (Connection.TIMEOUT, Connection.NOT_CONNECTED)[environment.wire]
                if red and group == "S_res_1" and environment is Environment.DEV:
                    state = Connection.REFUSED
                reason = "" if state is Connection.CONNECTED else "no answer within 60 s"
                report.matrix.append(Cell(environment, group, state, reason, "creator" if reason else "", ""))
    return report


def row(number: int, outcome: RowOutcome, name: str = "", **fields: object) -> RowReport:
    """A row of that outcome with what belongs to it; ``fields`` replace what it would have."""
    name = name or f"orders_{number:05}"
    made = RowReport(
        row=number,
        workspace=10001 + number % 3,
        data_source=name,
        type=_TYPES[number % 5],
        region="cn-shanghai",
        role=f"DataWorks-{name}",
        outcome=outcome,
    )
    if outcome in _OUTCOMES:
        made.onboarding = onboarding(number, name, _OUTCOMES[outcome], red=number % 9 == 0)
    if outcome in (RowOutcome.CREATED, RowOutcome.UPDATED):
        made.seconds = 20 + number % 17
        made.step_seconds = {1: 1.2, 2: 0.8, 3: 3.4, 4: 6.1, 5: 9.0 + number % 7}
    elif outcome is RowOutcome.FAILED:
        failure = _DENIED
        if number % 2:
            failure = Failure(3, "NotConnected", _RED, f"data source {name} (PROD)", "creator", _HOW, "", "")
        made.onboarding = onboarding(number, name, Outcome.CREATED, failure, red=bool(number % 2))
        made.seconds, made.step_seconds = 4.5, {1: 1.2, 2: 0.8, 3: 2.5}
    elif outcome is RowOutcome.BLOCKED:
        made.role = "DataWorks-shared-reader"
        made.reason = "its role DataWorks-shared-reader was not made: the policy is over 6144 characters"
        made.persona, made.remedy = "administrator", "split the rows of this role over two roles"
    elif outcome is RowOutcome.INVALID:
        made.problems = (
            f"row {number}, column location.bucket: a bucket name has 3 to 63 characters (found 'x')",
        )
        made.remedy = "correct the cell"
    elif outcome is RowOutcome.PLANNED:
        made.planned = (f"create role {made.role}", f"create data source {name} (PROD)")
    elif outcome is RowOutcome.NOT_STARTED:
        made.reason, made.remedy = "the run stopped before it", "start the run again"
    for key, value in fields.items():
        setattr(made, key, value)
    return made


def usage(seconds: int = 60) -> tuple[UsagePoint, ...]:
    """Three rate groups: one full, one half used, one idle at the end and throttled once."""
    points = []
    for second in range(seconds):
        points.append(
            UsagePoint(second, "dataworks:write", 18 + second % 2, 19.0, 1 if second % 37 == 36 else 0)
        )
        points.append(UsagePoint(second, "dataworks:read", 14 + (second * 7) % 21, 47.5, 0))
        if second < seconds // 4:
            points.append(UsagePoint(second, "ram:CreateRole", 17 + second % 3, 19.0, int(second == 5)))
    return tuple(points)


def report(rows: list[RowReport], **fields: object) -> BulkReport:
    """A run of a minute over these rows."""
    made = BulkReport(
        source="sources/q4.csv",
        region="cn-shanghai",
        mode="apply",
        started=STARTED,
        ended=STARTED + 61.5,
        rows=rows,
        findings=(
            PreflightFinding(
                "PRE022",
                "quota of roles",
                "912 of 1000 are used",
                Persona.ADMINISTRATOR,
                "ask for more",
                blocks=False,
            ),
        ),
        calls={"dataworks": 2000, "ram": 900, "sts": 4},
        throttled=3,
        retries=5,
        usage=usage(),
        floor_seconds=55.0,
    )
    for key, value in fields.items():
        setattr(made, key, value)
    return made


def every_outcome() -> BulkReport:
    """One row of each outcome, and another failed one; the run was stopped."""
    rows = [row(number, outcome) for number, outcome in enumerate(RowOutcome, start=2)]
    return report(
        [*rows, row(31, RowOutcome.FAILED)],
        stop=Stop(
            "failures", "2 rows have failed, max_failures is 2", "start the run again with the same file"
        ),
        shards=(
            Shard(1, 6, STARTED, STARTED + 61.5),
            Shard(2, 5, STARTED, STARTED + 50, 2),
        ),
    )


def many(count: int) -> BulkReport:
    """A large file in the shape of a usual run: most rows done, a few of every kind of trouble."""
    kinds = {0: RowOutcome.FAILED, 1: RowOutcome.BLOCKED, 2: RowOutcome.INVALID, 3: RowOutcome.UPDATED}
    rows = [
        row(number + 2, kinds.get(number % 60, RowOutcome.CREATED if number % 3 else RowOutcome.UNCHANGED))
        for number in range(count)
    ]
    for one in rows:
        if one.row % 27 and one.onboarding and one.outcome is not RowOutcome.FAILED:
            one.onboarding.matrix = [
                Cell(cell.environment, cell.resource_group, Connection.CONNECTED)
                for cell in one.onboarding.matrix
            ]
    return report(rows, usage=usage(600), ended=STARTED + 640, floor_seconds=571.0)

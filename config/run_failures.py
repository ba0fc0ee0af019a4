"""What the log of a failed sync run says, and who can repair it: the table of what all source types share.

The texts of the real service for a missing PassRole or a wrong trust policy are not documented, so each row is a
pattern of words that any wording must hold. Order matters: the first match is the reason. How a product words its own
refusals is in ``refusals`` of its source type.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from config.personas import Persona


@dataclass(frozen=True)
class RunFailure:
    """A kind of failed run.

    ``spreads`` says that the cause may be a change in RAM that is not yet effective, so that waiting may help.
    ``what`` and ``remedy`` may name ``{role}``, ``{executor}`` and ``{data_source}``.
    """

    pattern: re.Pattern[str]
    what: str
    persona: Persona
    remedy: str
    spreads: bool


def run_failure(
    pattern: str, what: str, persona: Persona, remedy: str, *, spreads: bool = False
) -> RunFailure:
    """A row; in ``pattern`` case does not count and ``.`` crosses lines."""
    return RunFailure(re.compile(pattern, re.IGNORECASE | re.DOTALL), what, persona, remedy, spreads)


_NOT_HANDED_OVER: tuple[RunFailure, ...] = (
    run_failure(
        r"PassRole",
        "the executor {executor} may not pass role {role} to DataWorks (ram:PassRole)",
        Persona.ADMINISTRATOR,
        "add {executor}, or a group it is in, to the specification's grantees and apply again",
        spreads=True,
    ),
    run_failure(
        r"sts:AssumeRole|AssumeRole|trust polic",
        "DataWorks may not assume role {role}: its trust policy does not name di.dataworks.aliyuncs.com",
        Persona.ADMINISTRATOR,
        "set the role's trusted service to di.dataworks.aliyuncs.com (dataworks.aliyuncs.com is another service); "
        "applying again does it",
        spreads=True,
    ),
)
"""The role did not even reach the source, so that no refusal of the source can be the reason."""

RUN_FAILURES: tuple[RunFailure, ...] = (
    *_NOT_HANDED_OVER,
    run_failure(
        r"UnknownHost|Name or service not known",
        "the endpoint of data source {data_source} leads nowhere",
        Persona.CREATOR,
        "correct the endpoint in the specification's location and apply again",
    ),
    run_failure(
        r"AccessDenied|NoPermission|Forbidden|\b403\b",
        "role {role} lacks a permission the sync task needs",
        Persona.ADMINISTRATOR,
        "compare the role's policy with the action named in the log; applying again restores the generated policy",
        spreads=True,
    ),
    run_failure(
        r"connect(ion)? (timed out|refused)|ConnectTimeout|unreachable",
        "the sync task's resource group does not reach data source {data_source}",
        Persona.CREATOR,
        "bind the resource group to a network that reaches the endpoint",
    ),
    run_failure(
        r"dirty|errorLimit",
        "more records could not be converted than the sync task tolerates",
        Persona.DEVELOPER,
        "correct the columns and their types, or raise sync_task.dirty_records",
    ),
)

_ANY = run_failure(
    r"",
    "the sync run failed",
    Persona.DEVELOPER,
    "read the log's last lines, correct the sync task, then apply again",
)

# DataX ends its log with a table in Chinese; Data Integration prints "Total n records" lines, too.
_READ = re.compile(r"(?:读出记录总数|Total records read)\s*[:：]\s*(\d+)|Total (\d+) records", re.IGNORECASE)
_WRITTEN = re.compile(r"(?:写入记录总数|Total records written)\s*[:：]\s*(\d+)", re.IGNORECASE)
_FAILED = re.compile(
    r"(?:读写失败总数|Read/write failures|Total failed records)\s*[:：]\s*(\d+)", re.IGNORECASE
)


@dataclass(frozen=True)
class Records:
    """Records of a run, as its log counts them; None where the log does not say."""

    read: int | None
    written: int | None


def classify(log: str, first: Sequence[RunFailure] = ()) -> RunFailure:
    """The first row whose pattern the log's last 20,000 characters hold; a general one when none does.

    Rows of ``first``, the ``refusals`` of a source type, come before the table, except where the log says that the
    role was never handed over.
    """
    tail = log[-20_000:]
    rows = (*_NOT_HANDED_OVER, *first, *RUN_FAILURES)
    return next((row for row in rows if row.pattern.search(tail)), _ANY)


def last_error(log: str) -> str:
    """The last line of the log that speaks of an error, at most 300 characters; "" when there is none.

    The summary's count of failures, with which every log ends, is no error.
    """
    lines = [
        line.strip()
        for line in log.splitlines()
        if re.search(r"error|exception|denied|fail", line, re.IGNORECASE) and not _FAILED.search(line)
    ]
    return lines[-1][:300] if lines else ""


def records(log: str) -> Records:
    """Records read and written; written is read less failed where only these are printed (DataX)."""
    read = _last_number(_READ, log)
    written = _last_number(_WRITTEN, log)
    failed = _last_number(_FAILED, log)
    if written is None and read is not None and failed is not None:
        written = read - failed
    return Records(read, written)


def _last_number(pattern: re.Pattern[str], log: str) -> int | None:
    found = None
    for match in pattern.finditer(log):
        found = next(int(group) for group in match.groups() if group is not None)
    return found

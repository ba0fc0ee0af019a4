"""An account of 500 data sources with faults of every kind: the audit finds each of them and nothing else."""

from __future__ import annotations

import json

import pytest

from benchmarks.onboarded import HurriedClock, settings_for
from benchmarks.rows import REGION
from cloud.gate import Gate
from emulator.server import serve_in_thread
from tasks.audit.audit import Audit, audit
from tasks.audit.finding import RULES
from tests.tasks.audited import (
    DATA_SOURCES,
    ROLES,
    Expected,
    Faults,
    audited_account,
    make_audited_rows,
)
from tests.tasks.audited_faults import FAULTS

_SEED = 20260101
_CALLS_PER_DATA_SOURCE = 3
_OF_BASELINES = {"AUD701", "AUD702"}  # about a file, not about the account


@pytest.fixture(scope="module")
def audited() -> tuple[Audit, Expected, Faults]:
    """The audit of the generated account, and what it must find."""
    rows = make_audited_rows()
    faults = Faults(audited_account(rows), rows, _SEED)
    for _ in range(3):
        faults.role(specified=True)  # in order, and compared with its specifications
    expected = {one for fault in FAULTS for one in fault(faults)}
    with serve_in_thread(faults.cloud) as local:
        found = audit(Gate(settings_for(local.url), REGION, HurriedClock()), specs=faults.specs)
    return found, expected, faults


def test_each_fault_is_found_and_nothing_else(audited: tuple[Audit, Expected, Faults]) -> None:
    found, expected, _ = audited
    assert {(one.code, one.subject) for one in found.findings} == expected
    assert (found.data_sources, found.unread) == (DATA_SOURCES, ())
    assert found.roles >= ROLES


def test_there_is_a_fault_of_every_rule(audited: tuple[Audit, Expected, Faults]) -> None:
    _, expected, _ = audited
    assert {code for code, _ in expected} == set(RULES) - _OF_BASELINES


def test_the_reads_are_listings(audited: tuple[Audit, Expected, Faults]) -> None:
    found, _, faults = audited
    journal = [entry for entry in faults.cloud.journal.entries if entry.product != "sts"]
    assert len(journal) <= _CALLS_PER_DATA_SOURCE * DATA_SOURCES
    assert found.calls["ram"] + found.calls["dataworks"] == len(journal)
    assert [entry.action for entry in faults.cloud.journal.writes] == []


def test_a_finding_is_told_by_its_fingerprint(audited: tuple[Audit, Expected, Faults]) -> None:
    found, _, _ = audited
    assert len({one.fingerprint for one in found.findings}) == len(found.findings)


def test_no_key_is_told(audited: tuple[Audit, Expected, Faults]) -> None:
    found, _, _ = audited
    text = json.dumps([one.to_json() for one in found.findings]) + repr(found)
    assert "made-up-secret" not in text
    assert "LTAI" not in text
    assert "ends in 0001" in text

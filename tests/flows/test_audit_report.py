"""What an audit says under a baseline, and its JSON, CSV and artifacts."""

from __future__ import annotations

import csv
import datetime
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from config.baseline import Baseline, BaselineEntry
from flows.audit_csv import CHAIN_COLUMNS, COLUMNS, chains_csv, to_csv
from flows.audit_files import write_audit
from flows.audit_report import AuditReport, extended, headline, judged, reach_json, reaching
from flows.audit_summary import audit_markdown, audit_table
from policy.findings import Severity
from tasks.audit.finding import RULES, AuditFinding
from tests.flows import audit_samples as samples

SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "schemas" / "audit-report-1.json"
LATER, EARLIER = datetime.date(2027, 1, 31), datetime.date(2026, 11, 23)
REASON = "The supplier's system knows no roles"


def _accepts(*findings: AuditFinding, expires: datetime.date = LATER, **fields: Any) -> Baseline:
    return Baseline(
        ignore=tuple(
            BaselineEntry.model_validate(
                {
                    "fingerprint": one.fingerprint,
                    "code": one.code,
                    "subject": one.subject,
                    "workspace": one.workspace,
                    "reason": REASON,
                    "expires": expires,
                    **fields,
                }
            )
            for one in findings
        )
    )


def _report(*codes: str, **fields: Any) -> AuditReport:
    return judged(samples.audit([samples.finding(code) for code in codes], **fields))


def full_report() -> AuditReport:
    """Every rule, three accepted findings, chains and a note."""
    audit = samples.every_rule()
    return judged(audit, _accepts(*audit.findings[:3]), name="baseline.yaml", notes=("2 rows were left out",))


# -- the baseline --------------------------------------------------------------------------------------


def test_an_accepted_finding_is_apart_with_its_reason_and_counts_no_more() -> None:
    one, other = samples.key_finding("one"), samples.key_finding("other")
    report = judged(samples.audit([one, other]), _accepts(one))
    assert report.findings == (other,)
    assert [(each.finding, each.reason, each.expires) for each in report.accepted] == [(one, REASON, LATER)]
    assert report.counts()["high"] == 1


def test_on_its_last_day_an_entry_holds_and_the_day_after_the_finding_is_back_and_the_entry_is_one_itself() -> (
    None
):
    one = samples.key_finding()
    today = datetime.date(2026, 11, 24)
    assert judged(samples.audit([one]), _accepts(one, expires=today)).findings == ()
    report = judged(samples.audit([one]), _accepts(one, expires=EARLIER), name="baseline.yaml")
    assert [each.code for each in report.findings] == ["AUD101", "AUD701"]
    assert report.accepted == ()
    assert "2026-11-23 in baseline.yaml" in report.findings[1].what


def test_an_entry_that_matches_nothing_is_a_finding() -> None:
    report = judged(samples.audit([]), _accepts(samples.key_finding("gone")))
    (told,) = report.findings
    assert told.code == "AUD702"
    assert "data source gone (PROD) of workspace 10001" in told.subject


def test_an_entry_with_another_code_than_its_findings_matches_nothing() -> None:
    one = samples.key_finding()
    report = judged(samples.audit([one]), _accepts(one, code="AUD301"))
    assert {each.code for each in report.findings} == {"AUD101", "AUD702"}


def test_an_entry_of_a_workspace_that_was_not_audited_is_not_judged() -> None:
    entry = _accepts(samples.key_finding("gone", workspace=10003))
    assert judged(samples.audit([], workspaces=(10001,)), entry).findings == ()
    assert len(judged(samples.audit([], workspaces=(10003,)), entry).findings) == 1


def test_the_finding_of_an_entry_stays_the_same_over_runs() -> None:
    entry = _accepts(samples.key_finding("gone"))
    first, second = (
        judged(samples.audit([], taken_at=samples.TAKEN + day * 86_400), entry) for day in (0, 5)
    )
    assert first.findings[0].fingerprint == second.findings[0].fingerprint


def test_extending_a_baseline_keeps_what_holds_adds_what_is_open_and_drops_the_rest() -> None:
    kept, added, expired = (samples.key_finding(name) for name in ("kept", "added", "expired"))
    elsewhere = samples.key_finding("elsewhere", workspace=10009)
    old = Baseline(
        ignore=(
            *_accepts(kept, samples.key_finding("gone"), elsewhere).ignore,
            *_accepts(expired, expires=EARLIER).ignore,
        )
    )
    audit = samples.audit([kept, added, expired])
    until = datetime.date(2027, 2, 1)
    made = extended(old, judged(audit, old), "a new reason for the rest", until)
    reasons = {entry.fingerprint: (entry.reason, entry.expires) for entry in made.ignore}
    new = ("a new reason for the rest", until)
    assert reasons == {
        kept.fingerprint: (REASON, LATER),
        elsewhere.fingerprint: (REASON, LATER),
        added.fingerprint: new,
        expired.fingerprint: new,
    }
    again = judged(audit, made)
    assert again.findings == ()
    assert extended(made, again, "not used at all", until) == made


# -- figures -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("codes", "fail_on", "code"),
    [
        ((), "info", 0),
        (("AUD101",), None, 0),
        (("AUD101",), "high", 1),
        (("AUD104",), "high", 0),
        (("AUD104",), "medium", 1),
        (("AUD208",), "medium", 0),
        (("AUD208",), "low", 1),
        (("AUD208",), "info", 1),
    ],
)
def test_the_exit_code_is_1_from_the_severity_on_that_was_named(
    codes: tuple[str, ...], fail_on: str | None, code: int
) -> None:
    assert _report(*codes).exit_code(Severity(fail_on) if fail_on else None) == code


def test_what_could_not_be_read_is_not_clean() -> None:
    report = _report(unread=("roles: the caller may not list them",))
    assert report.exit_code(Severity.HIGH) == 1
    assert report.exit_code(None) == 0
    assert headline(report) == "Nothing found, but not everything could be read"


@pytest.mark.parametrize(
    ("codes", "says"),
    [
        ((), "Nothing to mend"),
        (("AUD101",), "1 finding needs attention now"),
        (("AUD101", "AUD203", "AUD104"), "2 findings need attention now"),
        (("AUD104", "AUD208"), "2 findings, none of high severity"),
    ],
)
def test_the_headline_says_how_it_stands(codes: tuple[str, ...], says: str) -> None:
    assert headline(_report(*codes)) == says


def test_causes_join_what_one_persona_mends_in_the_same_way_even_where_each_has_a_command_of_its_own() -> (
    None
):
    keys = [replace(samples.key_finding(name), remedy=f"migrate {name}") for name in ("one", "two")]
    first, second = judged(samples.audit([*keys, samples.finding("AUD203")])).causes()
    assert (first.code, len(first.findings), first.remedy) == ("AUD101", 2, RULES["AUD101"].fix)
    assert (second.code, second.persona, second.remedy) == ("AUD203", "administrator", RULES["AUD203"].fix)


# -- reach ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reached", "asked", "touches"),
    [
        ("oss://shop/orders/", "oss://shop/orders/", True),
        ("oss://shop/orders/", "oss://shop/orders", True),
        ("oss://shop/orders/", "oss://shop", True),
        ("oss://shop/orders/", "oss://shop/orders/2026/a.csv", True),
        ("oss://shop/orders/", "shop/orders", True),
        ("oss://shop/ord", "oss://shop/orders/a.csv", True),
        ("oss://shop", "oss://shop/orders/", True),
        ("oss://shop/orders/", "oss://shop/ord", True),
        ("oss://shop/orders/", "shop/ord", True),
        ("oss://shop/orders/", "OSS://shop/orders", True),
        ("oss://shop/orders/", "oss://sh", False),
        ("loghub://shop/orders", "loghub://shop/ord", False),
        ("oss://shop", "oss://shop-archive", False),
        ("oss://shop-archive", "oss://shop", False),
        ("oss://shop/orders/", "oss://shop/invoices/", False),
        ("loghub://shop/orders", "oss://shop/orders", False),
        ("loghub://shop/orders", "loghub://shop/orders2", False),
    ],
)
def test_a_location_is_reached_from_inside_and_from_outside_but_not_from_beside(
    reached: str, asked: str, touches: bool
) -> None:
    assert bool(reaching([samples.chain(0, location=reached)], asked)) is touches


def test_the_answer_tells_what_could_not_be_read() -> None:
    audit = samples.audit([], samples.chains(3), unread=("roles",))
    told = reach_json(audit, "oss://nowhere")
    assert told["chains"] == []
    assert told["unread"] == ["roles"]


# -- JSON ----------------------------------------------------------------------------------------------


def test_the_json_report_is_as_its_schema_says_and_holds_every_finding() -> None:
    report = full_report()
    told = json.loads(json.dumps(report.to_json()))
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
    assert [error.message for error in validator.iter_errors(told)] == []
    assert len(told["findings"]) == len(report.findings)
    assert len(told["accepted"]) == 3
    assert told["accepted"][0]["reason"] == REASON
    assert len(told["chains"]) == len(report.audit.chains)
    assert sum(told["counts"].values()) == len(told["findings"])


def test_the_schema_refuses_what_it_does_not_know() -> None:
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))
    told = full_report().to_json()
    assert not validator.is_valid({**told, "more": 1})
    assert not validator.is_valid({**told, "findings": [{**told["findings"][0], "severity": "urgent"}]})


# -- CSV and files -------------------------------------------------------------------------------------


def test_csv_has_one_line_a_finding_and_tells_why_one_is_accepted() -> None:
    report = full_report()
    lines = list(csv.DictReader(io.StringIO(to_csv(report), newline="")))
    assert tuple(lines[0]) == COLUMNS
    assert [line["status"] for line in lines] == ["open"] * len(report.findings) + ["accepted"] * 3
    assert lines[-1]["accepted_because"] == REASON
    assert lines[-1]["accepted_until"] == "2027-01-31"


def test_no_spreadsheet_runs_what_a_name_holds() -> None:
    bad = replace(samples.key_finding(), subject="=HYPERLINK(1)", command="@x")
    (line,) = csv.DictReader(io.StringIO(to_csv(judged(samples.audit([bad]))), newline=""))
    assert line["object"] == "'=HYPERLINK(1)"
    assert line["command"] == "'@x"


def test_chains_as_csv_have_one_line_each() -> None:
    chain = samples.chain(1, "carol", "data-team", policies=("A", "B"))
    (line,) = csv.DictReader(io.StringIO(chains_csv([chain]), newline=""))
    assert tuple(line) == CHAIN_COLUMNS
    assert (line["user"], line["group"], line["policies"]) == ("carol", "data-team", "A; B")


def test_all_four_forms_are_written_beside_each_other(tmp_path: Path) -> None:
    paths = write_audit(full_report(), tmp_path / "new")
    assert sorted(path.name for path in paths) == [
        f"audit-{samples.ACCOUNT}-cn-hangzhou.{end}" for end in ("csv", "html", "json", "sarif")
    ]
    assert all(path.stat().st_size > 1000 for path in paths)


# -- artifacts -----------------------------------------------------------------------------------------


def test_the_markdown_tells_counts_unread_parts_and_what_each_persona_does() -> None:
    text = audit_markdown(judged(samples.many(60)))
    assert "| high | " in text
    assert "## What could not be read" in text
    assert "## The administrator" in text
    assert "**7 ×** Data source in AccessKey mode (high, `AUD101`)" in text


def test_markup_of_names_is_text_in_the_artifacts() -> None:
    bad = replace(samples.finding("AUD203"), subject="<img src=x> | [a](b)\u202e", remedy="# *x*")
    report = judged(samples.audit([bad], unread=("| <b>",)))
    text = audit_markdown(report)
    assert "<" not in text.replace("&lt;", "")
    assert "\\|" in text
    assert "\u202e" not in text + str(audit_table(report))


def test_the_table_has_the_most_severe_findings_first_and_no_more_than_a_page_takes() -> None:
    table = audit_table(judged(samples.many(400)), limit=50)
    assert len(table) == 50
    assert table[0]["severity"] == "high"
    assert table[0]["command"].startswith("onboard migrate ")

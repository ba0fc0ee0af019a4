"""SARIF 2.1.0 as an audit writes it: its structure, rules, fingerprints and suppressions."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import jsonschema

from flows.audit_report import AuditReport, judged
from flows.audit_sarif import FINGERPRINT, LEVELS, to_sarif
from policy.findings import Severity
from tasks.audit.finding import RULES
from tests.flows import audit_samples as samples
from tests.flows.test_audit_report import REASON, full_report

_TEXT = {"type": "object", "properties": {"text": {"type": "string", "minLength": 1}}, "required": ["text"]}
_LEVEL = {"enum": ["none", "note", "warning", "error"]}
# What the standard requires of the parts that are written here: OASIS SARIF 2.1.0, sections 3.13 to 3.58.
SARIF = {
    "type": "object",
    "required": ["version", "runs"],
    "properties": {
        "$schema": {"type": "string", "format": "uri"},
        "version": {"const": "2.1.0"},
        "runs": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/run"}},
    },
    "additionalProperties": False,
    "$defs": {
        "run": {
            "type": "object",
            "required": ["tool", "results"],
            "properties": {
                "tool": {
                    "type": "object",
                    "required": ["driver"],
                    "properties": {
                        "driver": {
                            "type": "object",
                            "required": ["name", "rules"],
                            "properties": {
                                "name": {"type": "string"},
                                "semanticVersion": {"pattern": r"^\d+\.\d+\.\d+"},
                                "rules": {"uniqueItems": True, "items": {"$ref": "#/$defs/rule"}},
                            },
                            "additionalProperties": False,
                        }
                    },
                    "additionalProperties": False,
                },
                "automationDetails": {
                    "properties": {"id": {"type": "string"}},
                    "additionalProperties": False,
                },
                "invocations": {"items": {"$ref": "#/$defs/invocation"}},
                "columnKind": {"enum": ["utf16CodeUnits", "unicodeCodePoints"]},
                "results": {"items": {"$ref": "#/$defs/result"}},
                "properties": {"type": "object"},
            },
            "additionalProperties": False,
        },
        "rule": {
            "type": "object",
            "required": ["id"],
            "properties": {
                "id": {"type": "string"},
                "name": {"pattern": r"^\w+$"},
                "shortDescription": _TEXT,
                "fullDescription": _TEXT,
                "help": _TEXT,
                "defaultConfiguration": {"properties": {"level": _LEVEL}, "additionalProperties": False},
                "properties": {"type": "object"},
            },
            "additionalProperties": False,
        },
        "invocation": {
            "type": "object",
            "required": ["executionSuccessful"],
            "properties": {
                "executionSuccessful": {"type": "boolean"},
                "endTimeUtc": {"pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"},
                "toolExecutionNotifications": {
                    "items": {
                        "required": ["message"],
                        "properties": {"level": _LEVEL, "message": _TEXT},
                        "additionalProperties": False,
                    }
                },
            },
            "additionalProperties": False,
        },
        "result": {
            "type": "object",
            "required": ["ruleId", "message", "partialFingerprints"],
            "properties": {
                "ruleId": {"type": "string"},
                "ruleIndex": {"type": "integer", "minimum": 0},
                "level": _LEVEL,
                "message": _TEXT,
                "locations": {
                    "items": {
                        "properties": {
                            "logicalLocations": {
                                "items": {
                                    "properties": {
                                        "fullyQualifiedName": {"type": "string"},
                                        "kind": {"type": "string"},
                                    },
                                    "additionalProperties": False,
                                }
                            }
                        },
                        "additionalProperties": False,
                    }
                },
                "partialFingerprints": {"type": "object", "additionalProperties": {"type": "string"}},
                "suppressions": {
                    "items": {
                        "required": ["kind"],
                        "properties": {
                            "kind": {"enum": ["inSource", "external"]},
                            "status": {"enum": ["accepted", "underReview", "rejected"]},
                            "justification": {"type": "string"},
                        },
                        "additionalProperties": False,
                    }
                },
                "properties": {"type": "object"},
            },
            "additionalProperties": False,
        },
    },
}


def _run(report: AuditReport) -> dict[str, Any]:
    log = json.loads(json.dumps(to_sarif(report)))
    assert [error.message for error in jsonschema.Draft202012Validator(SARIF).iter_errors(log)] == []
    (run,) = log["runs"]
    assert isinstance(run, dict)
    return run


def test_sarif_has_the_structure_of_2_1_0_with_every_rule_once_and_each_result_at_its_rule() -> None:
    report = full_report()
    run = _run(report)
    rules = run["tool"]["driver"]["rules"]
    assert [rule["id"] for rule in rules] == list(RULES)
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] == LEVELS[Severity(result["properties"]["severity"])]
    assert len(run["results"]) == len(report.findings) + len(report.accepted)


def test_sarif_names_findings_by_fingerprints_that_stay_the_same_over_runs() -> None:
    audit = samples.every_rule()
    first, second = (_run(judged(replace(audit, taken_at=at))) for at in (1.0, 2e9))
    told = [result["partialFingerprints"][FINGERPRINT] for result in first["results"]]
    assert told == [result["partialFingerprints"][FINGERPRINT] for result in second["results"]]
    assert len(set(told)) == len(told)


def test_sarif_tells_what_is_accepted_as_suppressions_and_of_nothing_else() -> None:
    run = _run(full_report())
    suppressed = [result for result in run["results"] if "suppressions" in result]
    assert len(suppressed) == 3
    assert suppressed[0]["suppressions"] == [
        {"kind": "external", "status": "accepted", "justification": f"{REASON} (until 2027-01-31)"}
    ]


def test_sarif_is_of_a_successful_run_only_when_everything_was_read() -> None:
    assert _run(judged(samples.audit([])))["invocations"][0]["executionSuccessful"] is True
    invocation = _run(judged(samples.audit([], unread=("roles: refused",))))["invocations"][0]
    assert invocation["executionSuccessful"] is False
    assert invocation["toolExecutionNotifications"][0]["message"]["text"] == "roles: refused"

"""``onboard explain``: can USER pass ROLE, who can pass ROLE, what can ROLE read or write, and why."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from cli.connect import connect, report_error
from cli.inputs import BadInput, read_settings, read_spec, report_bad_input

Row = dict[str, str]


def explain_pass(role: str, user: str | None, region: str, as_json: bool) -> int:
    """Who can pass a role to Data Integration: one user, or everybody."""
    try:
        settings = read_settings()
    except BadInput as error:
        report_bad_input(error, as_json)
        return 2
    gate = connect(settings, region)
    from cloud.errors import OnboardingError
    from config.names import SERVICE_PRINCIPAL
    from policy.explain import can_pass, who_can_pass
    from tasks.explaining import read_documents

    try:
        documents = read_documents(gate, people=True, user=user)
    except OnboardingError as error:
        report_error(error, as_json)
        return 1
    arn = f"acs:ram::{documents.account_id}:role/{role.lower()}"
    if user is not None:
        answer = can_pass(documents, user, arn, SERVICE_PRINCIPAL)
        rows = [{"who": f"user {user}", "decision": answer.decision.value, "because": answer.because}]
    else:
        rows = [
            {
                "who": f"{one.kind} {one.name}",
                "decision": one.explanation.decision.value,
                "because": one.explanation.because,
            }
            for one in who_can_pass(documents, arn, SERVICE_PRINCIPAL)
        ]
    return _show(f"Passing role {role} to {SERVICE_PRINCIPAL}", rows, as_json)


def explain_access(path: Path, as_json: bool) -> int:
    """What the specification's role can do on its location, by the documents as they stand in the cloud."""
    try:
        spec, settings = read_spec(path), read_settings()
    except BadInput as error:
        report_bad_input(error, as_json)
        return 2
    gate = connect(settings, spec.region)
    from cloud.errors import OnboardingError
    from config.names import SERVICE_PRINCIPAL
    from policy.explain import access_to
    from tasks.explaining import read_documents

    try:
        documents = read_documents(gate, role=spec.role_name)
    except OnboardingError as error:
        report_error(error, as_json)
        return 1
    rows = [
        {
            "who": f"{one.action} on {one.resource}",
            "decision": one.explanation.decision.value,
            "because": one.explanation.because,
        }
        for one in access_to(documents, spec.role_name, spec.minimal_permissions(), service=SERVICE_PRINCIPAL)
    ]
    return _show(f"What role {spec.role_name} can do for {spec.access.value} of {spec.name}", rows, as_json)


def _show(title: str, rows: Sequence[Row], as_json: bool) -> int:
    """A table, or JSON; exit code 0 whatever the answers are: they are answers."""
    if as_json:
        print(json.dumps({"question": title, "answers": list(rows)}, ensure_ascii=False))
        return 0
    from rich.markup import escape
    from rich.table import Table

    from cli.show import console

    table = Table(title=title, title_justify="left")
    for column in ("who or what", "decision", "because"):
        table.add_column(column, overflow="fold")
    colours = {"ALLOW": "green", "DENY": "red", "UNKNOWN": "yellow"}
    for row in rows:
        colour = colours.get(row["decision"].upper(), "white")
        table.add_row(escape(row["who"]), f"[{colour}]{row['decision']}[/{colour}]", escape(row["because"]))
    console().print(table)
    return 0

"""Specifications against the cloud, field by field: what applying them would change is what has drifted.

The plan of the specifications is computed as for an apply, so that nothing is compared in a second way.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from cloud.errors import MissingObject, OnboardingError
from cloud.gate import Gate
from config.personas import Persona
from config.spec import DataSourceSpec
from tasks.audit.account import Account
from tasks.audit.finding import CUSTOM_POLICY, DATA_SOURCE, GRANTEE, KINDS, AuditFinding, found
from tasks.audit.passing import Passing
from tasks.bulk_plan import FilePlan, plan_file
from tasks.planning import Difference, Kind, PlannedChange

_SHOWN_CHARACTERS = 200


def drift_findings(
    gate: Gate, specs: Sequence[DataSourceSpec], account: Account, passing: Passing
) -> Iterator[AuditFinding]:
    """What differs from the specifications, which are of one region. Raises what concerns all of them."""
    if not specs:
        return
    plan = plan_file(gate, specs)
    told: set[int] = set()
    for place, spec in enumerate(plan.specs):
        refusal = plan.refusal(place)
        if refusal is None:
            for change in plan.rows[place].changes:
                yield from _drifted(change, spec)
        elif id(refusal) not in told:  # one of a role concerns all its data sources
            told.add(id(refusal))
            yield _refused(refusal, spec)
    yield from _of_roles(plan)
    yield from _holders(account, passing, plan)


def _of_roles(plan: FilePlan) -> Iterator[AuditFinding]:
    for group in plan.groups.values():
        if group.refusal is None:
            for change in group.role_changes:
                yield from _drifted(change, None)
    for change in plan.grants.changes:
        yield from _drifted(change, None)


def _drifted(change: PlannedChange, spec: DataSourceSpec | None) -> Iterator[AuditFinding]:
    """A change of a file as findings; a run proves what is there and is no drift."""
    workspace = spec.workspace if spec is not None else None
    subject = change.subject if spec is None else f"{change.subject} of workspace {spec.workspace}"
    kind = next((one for one in KINDS if change.subject.startswith(one)), "") or DATA_SOURCE
    if change.kind is Kind.RUN:
        return
    if change.kind in (Kind.CREATE, Kind.ATTACH):
        where = f" to {change.after['entity']}" if change.kind is Kind.ATTACH else ""
        what = f"it is not attached{where}" if where else "it does not exist"
        yield found("AUD602", kind, subject, what, change.persona, workspace=workspace, detail=where)
    elif change.kind in (Kind.SUBMIT, Kind.DEPLOY):
        yield found(
            "AUD601", kind, subject, f"its present version is not {change.what}", change.persona,
            workspace=workspace, detail=change.kind.value,
        )  # fmt: skip
    else:
        for one in change.differences:
            yield found(
                "AUD601",
                kind,
                subject,
                _difference(one),
                change.persona,
                workspace=workspace,
                detail=one.path,
            )


def _difference(one: Difference) -> str:
    if one.before is None:
        return f"{one.path} is not set, the specification says {_shown(one.after)}"
    return f"{one.path} is {_shown(one.before)}, the specification says {_shown(one.after)}"


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[: _SHOWN_CHARACTERS - 3]}..."


def _refused(error: OnboardingError, spec: DataSourceSpec) -> AuditFinding:
    missing = isinstance(error, MissingObject)
    subject = error.subject or f"data source {spec.name}"
    kind = next((one for one in KINDS if subject.startswith(one)), "") or (
        GRANTEE if subject.startswith("RAM ") else DATA_SOURCE
    )
    return found(
        "AUD602" if missing else "AUD603", kind, f"{subject} of workspace {spec.workspace}", error.what,
        error.persona, error.remedy, workspace=spec.workspace, detail=spec.name,
    )  # fmt: skip


def _holders(account: Account, passing: Passing, plan: FilePlan) -> Iterator[AuditFinding]:
    """Holders of a grant on exactly a role who are not named in its specifications, as `tasks.unmanaged` tells them."""
    for name, group in plan.groups.items():
        role = account.role_names.get(name.lower())
        if role is None or group.refusal is not None:
            continue
        named = {(kind, one.lower()) for kind, one in group.group.entities}
        for policy in passing.policies:
            if not passing.is_precise(policy) or not passing.carries(policy, role):
                continue
            for kind, one in policy.holders:
                if (kind, one.lower()) not in named:
                    holder = f"{kind.value.lower()} {one}"
                    yield found(
                        "AUD601", CUSTOM_POLICY, str(policy),
                        f"{holder} may pass role {role.name} by it and is not named in grantees",
                        Persona.ADMINISTRATOR, f"take the grant from {holder}, or name it in grantees",
                        detail=f"{holder} on role {role.name}",
                    )  # fmt: skip

"""Step 3, first half (creator): the data source in role mode, one per environment. Vendor's page, step 3.

What is sent as ``Content`` is the source type's (or the settings') content profile; ``authIdentity`` is the role's
numeric id. A data source is ours when it is opened with our role.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from prefect import task

from cloud.dataworks.data_sources import DataSource, create_data_source, find_data_source, update_data_source
from cloud.errors import InvalidRequest, Mismatch, NotFound, NotOurs, OnboardingError, PermissionDenied
from cloud.gate import Gate
from cloud.waiting import until_effective
from config.personas import Persona
from config.sources.base import Environment, content_override
from config.sources.inverse import Traces
from config.spec import DataSourceSpec
from tasks.connection import step_gate
from tasks.options import announce, completed, options
from tasks.outcome import Outcome, StepReport
from tasks.pass_role import Granted
from tasks.planning import Kind, PlannedChange
from tasks.role import RoleReady

TITLE = "data source"


@dataclass(frozen=True)
class DataSourceReady:
    """One environment of the data source after step 3."""

    id: int
    environment: Environment
    content: Mapping[str, str]
    report: StepReport


def data_source_changes(
    spec: DataSourceSpec,
    environment: Environment,
    present: DataSource | None,
    role_id: str,
    content: Mapping[str, str],
) -> tuple[PlannedChange, ...]:
    """The changes of one environment. Raises :class:`NotOurs` or :class:`Mismatch`."""
    subject = f"data source {spec.name} ({environment.name})"
    kind = spec.source_type.data_source_type
    if present is None:
        after = {"type": kind, "content": dict(content), "description": spec.description}
        return (
            PlannedChange(
                3, Kind.CREATE, subject, Persona.CREATOR, ("dataworks:CreateDataSource",), {}, after
            ),
        )
    _refuse_unless_ours(spec, present, role_id)
    different = {key: value for key, value in content.items() if present.content.get(key) != value}
    before: dict[str, Any] = {"content": {key: present.content.get(key) for key in different}}
    after = {"content": different}
    # The API takes an empty description for none: what a specification does not describe stays as it is.
    if spec.description and present.description != spec.description:
        before["description"], after["description"] = present.description, spec.description
    if spec.role.adopt and _same_place(spec, present, content):
        different = {}
        before["content"], after["content"] = {}, {}
    if not different and "description" not in after:
        return ()
    return (
        PlannedChange(
            3, Kind.UPDATE, subject, Persona.CREATOR, ("dataworks:UpdateDataSource",), before, after
        ),
    )


def wanted_content(
    gate: Gate, spec: DataSourceSpec, role_id: str, environment: Environment
) -> dict[str, str]:
    """``Content`` by the type's profile, or by the one in the settings."""
    override = content_override(gate.settings.content_profiles, spec.type, environment)
    return spec.content(role_id, environment, override)


def ensure_data_source(
    gate: Gate, spec: DataSourceSpec, environment: Environment, role: RoleReady, granted: Granted
) -> DataSourceReady:
    """Create the data source, or change what differs.

    A refusal soon after the role or the grant was changed is waited for: "not yet effective".
    Raises :class:`NotOurs`, :class:`Mismatch` or a call's error.
    """
    content = wanted_content(gate, spec, role.role_id, environment)
    present = find_data_source(gate, spec.workspace, spec.name, environment)
    changes = data_source_changes(spec, environment, present, role.role_id, content)
    made = present
    if made is None:
        made = _patiently(
            gate,
            granted,
            lambda: create_data_source(
                gate, spec.workspace, spec.name, spec.source_type.data_source_type, environment, content,
                spec.description,
            ),
        )  # fmt: skip
    elif changes:
        source = made
        made = _patiently(
            gate, granted, lambda: update_data_source(gate, spec.workspace, source, content, spec.description)
        )
    return DataSourceReady(
        id=made.id,
        environment=environment,
        content=content,
        report=StepReport(
            number=3,
            title=TITLE,
            subject=f"data source {spec.name} ({environment.name})",
            outcome=Outcome.of(changes),
            reason=f"id {made.id}, role {role.name}",
            changes=changes,
            facts={"data_source_id": str(made.id), "environment": environment.name},
        ),
    )


def _same_place(spec: DataSourceSpec, present: DataSource, content: Mapping[str, str]) -> bool:
    """Whether an adopted data source is opened as specified and leads to the same place, in whichever keys."""
    mode = ("authType", "authIdentity")
    if any(present.content.get(key, "") != content.get(key, "") for key in mode):
        return False
    if present.content.get("regionId", spec.region) != spec.region:
        return False
    kind = spec.source_type
    return kind.location_fields(present.content, Traces()) == kind.location_fields(content, Traces())


def _refuse_unless_ours(spec: DataSourceSpec, present: DataSource, role_id: str) -> None:
    subject = f"data source {present.name} ({present.environment.name})"
    if present.type != spec.source_type.data_source_type:
        raise Mismatch(
            f"it exists with type {present.type}, and a type cannot be changed",
            subject=subject,
            persona=Persona.CREATOR,
            remedy="choose another name",
        )
    region = present.content.get("regionId", spec.region)
    if region != spec.region:
        raise Mismatch(
            f"it is opened in region {region}, and the specification says {spec.region}",
            subject=subject,
            persona=Persona.CREATOR,
            remedy=f"correct the specification's region; to move it, offboard it in {region} and onboard it anew",
        )
    if present.role_id == role_id or spec.role.adopt:
        return
    if not spec.source_type.opened_by_role(present.environment) and present.executor_mode:
        return  # opened with the executor's own account: there is no role whose it could be
    mode = f"with role id {present.role_id}" if present.role_id else "not in role mode"
    raise NotOurs(
        f"it exists and is opened {mode}, not with role {spec.role_name} (id {role_id})",
        subject=subject,
        persona=Persona.CREATOR,
        remedy="choose another name, or set role.adopt to true to change it to this role",
    )


def _patiently(gate: Gate, granted: Granted, act: Callable[[], DataSource]) -> DataSource:
    """Repeat a refusal that a fresh role or grant explains, within the propagation time."""

    def attempt() -> DataSource:
        try:
            return act()
        except PermissionDenied as error:
            if error.denied.get("AuthAction") == "ram:PassRole" and not _is_grantee(gate, granted):
                raise FinalRefusal(error) from None
            raise

    try:
        return until_effective(
            gate,
            attempt,
            refusals=(PermissionDenied, NotFound, InvalidRequest),
            changed_at=granted.changed_at,
            what="role or PassRole grant",
            announce=announce,
        )
    except FinalRefusal as final:
        raise final.error from None


class FinalRefusal(Exception):
    """Carries a refusal that no waiting will change out of the waiting loop."""

    def __init__(self, error: OnboardingError) -> None:
        self.error = error
        super().__init__(str(error))


def _is_grantee(gate: Gate, granted: Granted) -> bool:
    """Whether the creator holds the grant, itself or by a group: if not, waiting is of no use."""
    name = gate.caller_name(Persona.CREATOR)
    # A role's session and the account itself hold their rights elsewhere: not ours to judge.
    return "/" in name or name in ("", "root") or name in granted.holders


@task(**options("3 data source", "3 data source {spec.name} in {environment.name}", timeout=900))
def add_data_source(
    spec: DataSourceSpec, environment: Environment, role: RoleReady, granted: Granted
) -> DataSourceReady:
    """Prefect task of :func:`ensure_data_source`."""
    with step_gate(spec, 3) as gate:
        ready = ensure_data_source(gate, spec, environment, role, granted)
    return completed(ready.report, ready)

"""Preflight: read-only questions before anything is written, all answered at once.

A finding has a stable code, says what is wrong, on which object, which persona can fix it and how, and whether it
blocks: applying would fail, or leave something half done. What cannot be found out is said, never assumed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from prefect import task

from cloud.dataworks.sync_tasks import workflow_exists
from cloud.errors import CallError, MissingObject, OnboardingError, PermissionDenied, Refused, StepError
from cloud.gate import Gate
from cloud.inventory import Inventory
from cloud.ram import get_role
from config.limits import DATAWORKS, POLICIES_PER_ACCOUNT, ROLES_PER_ACCOUNT
from config.names import SERVICE_LINKED_ROLE
from config.personas import Persona
from config.spec import DataSourceSpec
from policy.findings import Finding
from tasks.connection import step_gate
from tasks.grant_plan import GrantState
from tasks.options import announce, ended, options
from tasks.pass_role import read_grant
from tasks.people import pass_role_holders, permissions, workspace_roles
from tasks.plan import compute_plan, refusals
from tasks.planning import KNOWN_LATER, Kind, Plan
from tasks.preflight_findings import CODES, PreflightFinding
from tasks.review import review
from tasks.role import RoleState, read_role
from tasks.unmanaged import unmanaged_rights
from tasks.workspace import MISSING_OBJECTS, Facts, read_place

__all__ = [
    "CODES",
    "Preflight",
    "PreflightBlocked",
    "PreflightFinding",
    "check_preflight",
    "hand_on_facts",
    "require_clear",
    "run_preflight",
]

_ALMOST_FULL = 0.8


@dataclass(frozen=True)
class Preflight:
    """All findings, and the plan when it could be computed."""

    findings: tuple[PreflightFinding, ...]
    facts: Facts | None
    plan: Plan | None

    @property
    def blocked(self) -> bool:
        """Whether a finding forbids to go on."""
        return any(finding.blocks for finding in self.findings)


class PreflightBlocked(StepError):
    """Preflight has findings that block; ``findings`` holds all of them."""

    findings: tuple[PreflightFinding, ...] = ()


def require_clear(preflight: Preflight, spec: DataSourceSpec) -> None:
    """Raise :class:`PreflightBlocked` with every blocking finding in one error."""
    blocking = [finding for finding in preflight.findings if finding.blocks]
    if not blocking:
        return
    error = blocked_by(blocking, f"preflight of {spec.name}")
    error.findings = preflight.findings
    raise error


def blocked_by(blocking: Sequence[PreflightFinding], subject: str) -> PreflightBlocked:
    """One error for findings that block."""
    return PreflightBlocked(
        "; ".join(f"{finding.subject}: {finding.what}" for finding in blocking),
        subject=subject,
        persona=blocking[0].persona,
        remedy="; ".join(dict.fromkeys(finding.remedy for finding in blocking if finding.remedy)),
        code=", ".join(dict.fromkeys(finding.code for finding in blocking)),
    )


def run_preflight(gate: Gate, spec: DataSourceSpec) -> Preflight:
    """Ask every question; a question that fails is a finding of its own. Raises retryable call errors only."""
    try:
        facts = read_place(gate, spec)
    except (StepError, Refused) as error:
        return Preflight((_of("PRE001", error),), None, None)
    findings: list[PreflightFinding] = []
    questions: tuple[Callable[[Gate, DataSourceSpec, Facts], Iterator[PreflightFinding]], ...] = (
        *(partial(_missing, question) for question in MISSING_OBJECTS),
        workspace_roles, pass_role_holders, service_linked_role, new_data_studio, permissions,
    )  # fmt: skip
    for question in questions:
        try:
            findings += question(gate, spec, facts)
        except Refused as error:
            findings.append(_of("PRE001", error))
    plan = None
    try:
        plan = compute_plan(gate, spec, facts)
    except (StepError, Refused) as error:
        findings += [_of("PRE003", one) for one in refusals(gate, spec, facts) or [error]]
    if plan is not None:
        findings += [*_quotas(gate, spec, plan), *_allowance(gate, plan)]
        reviewed, ignored = _review(gate, spec, facts)
        findings += reviewed
        plan = replace(plan, notes=(*plan.notes, *ignored))
    return Preflight(tuple(findings), facts, plan)


def _of(code: str, error: OnboardingError) -> PreflightFinding:
    """The finding an error stands for; applying would raise it, so it blocks."""
    return PreflightFinding(code, error.subject, error.what, error.persona, error.remedy, blocks=True)


def _missing(
    question: Callable[[Gate, DataSourceSpec, Facts], Iterator[MissingObject]],
    gate: Gate,
    spec: DataSourceSpec,
    facts: Facts,
) -> Iterator[PreflightFinding]:
    """What the specification names exists."""
    for problem in question(gate, spec, facts):
        yield _of("PRE002", problem)


# -- documents and location ----------------------------------------------------------------------------


def _review(gate: Gate, spec: DataSourceSpec, facts: Facts) -> tuple[list[PreflightFinding], tuple[str, ...]]:
    """Lint of the documents that applying leaves behind, and what must be so outside RAM.

    Beside the findings, a note for each that the specification accepts, with its reason.
    """
    state = read_role(gate, spec)
    grant = read_grant(gate, spec)
    kept, ignored = review(spec, facts.account_id, state, grant)
    findings = [reviewed(one) for one in kept]
    findings += beside(gate, spec, state, grant)
    role_id = state.role.role_id if state.role is not None else KNOWN_LATER
    findings += [
        PreflightFinding(
            "PRE040", f"data source {spec.name}", needed.what, needed.persona, needed.how, blocks=False
        )
        for needed in spec.prerequisites(role_id)
    ]
    notes = tuple(f"ignored {one.finding.code}, {one.finding.message}: {one.reason}" for one in ignored)
    return findings, notes


def reviewed(finding: Finding) -> PreflightFinding:
    """A finding of lint as one of preflight."""
    return PreflightFinding(
        finding.code,
        finding.location,
        finding.message,
        Persona.ADMINISTRATOR,
        finding.fix,
        blocks=False,
        severity=finding.severity.name.lower(),
    )


def beside(
    gate: Gate, spec: DataSourceSpec, role: RoleState, grant: GrantState
) -> Iterator[PreflightFinding]:
    """Rights that the specification does not give: reported, because only a person can tell whose they are."""
    try:
        for one in unmanaged_rights(gate, spec, role, grant):
            yield PreflightFinding(
                one.code,
                one.subject,
                one.what,
                Persona.ADMINISTRATOR,
                one.remedy,
                blocks=False,
                severity="high",
            )
    except Refused as error:
        yield PreflightFinding("PRE033", error.subject, error.what, error.persona, error.remedy, blocks=False)


# -- the account ---------------------------------------------------------------------------------------


def service_linked_role(gate: Gate, spec: DataSourceSpec, facts: Facts) -> Iterator[PreflightFinding]:
    """Data Integration's own role: without it the console shows no roles; whether runs need it is not documented."""
    del spec, facts
    what, remedy = (
        "the service-linked role of Data Integration does not exist",
        "open Data Integration in the DataWorks console once and authorise it",
    )
    try:
        if get_role(gate, SERVICE_LINKED_ROLE) is not None:
            return
    except Refused as error:
        what, remedy = f"whether it exists is not known: {error.what}", error.remedy
    yield PreflightFinding(
        "PRE020", f"role {SERVICE_LINKED_ROLE}", what, Persona.ADMINISTRATOR, remedy, blocks=False
    )


def new_data_studio(gate: Gate, spec: DataSourceSpec, facts: Facts) -> Iterator[PreflightFinding]:
    """A workspace on the new Data Studio answers no development call of this API; no flag tells it."""
    if spec.sync_task is None:
        return
    try:
        workflow_exists(gate, spec.workspace, spec.sync_task.folder.split("/")[1])
    except PermissionDenied:
        raise  # it is the person, not the workspace
    except CallError as error:
        yield PreflightFinding(
            "PRE021", f"workspace {facts.workspace.identifier}",
            f"development calls fail ({error.what}); perhaps it uses the new Data Studio, which API 2020-05-18 cannot serve",
            Persona.DEVELOPER, "use a workspace with the earlier Data Development, or leave sync_task out", blocks=True,
        )  # fmt: skip


def _quotas(gate: Gate, spec: DataSourceSpec, plan: Plan) -> Iterator[PreflightFinding]:
    """Roles and policies of the account that the plan adds to. Published defaults; the account's may be higher."""
    created = [change.subject.partition(" ")[0] for change in plan.changes if change.kind is Kind.CREATE]
    inventory = Inventory(gate)
    for word, title, limit, count in (
        ("role", "roles", ROLES_PER_ACCOUNT, inventory.roles),
        ("custom", "custom policies", POLICIES_PER_ACCOUNT, inventory.custom_policies),
    ):
        more = created.count(word)
        if not more:
            continue
        try:
            present = len(count())
        except Refused as error:
            yield PreflightFinding(
                "PRE022", f"quota of {title}", f"it cannot be counted: {error.what}", Persona.ADMINISTRATOR, error.remedy,
                blocks=False,
            )  # fmt: skip
            continue
        if present + more > _ALMOST_FULL * limit:
            yield PreflightFinding(
                "PRE022", f"quota of {title}", f"{present} of {limit} are used, {spec.name} needs {more} more",
                Persona.ADMINISTRATOR, "delete what is not used or ask for a higher quota", blocks=present + more > limit,
            )  # fmt: skip


def _allowance(gate: Gate, plan: Plan) -> Iterator[PreflightFinding]:
    """The edition's calls of a day are enough for this plan."""
    allowance = gate.allowance.limit
    needed = plan.calls[DATAWORKS]
    if allowance is not None and needed > allowance:
        yield PreflightFinding(
            "PRE023", f"{gate.settings.edition.value} edition",
            f"applying needs about {needed} DataWorks calls, the edition allows {allowance} a day",
            Persona.CREATOR, "test fewer resource groups, or use a higher edition", blocks=True,
        )  # fmt: skip


@task(**options("preflight", "preflight of {spec.name}", timeout=900))
def check_preflight(spec: DataSourceSpec) -> Preflight:
    """Prefect task of :func:`run_preflight`; raises :class:`PreflightBlocked` when a finding blocks."""
    with step_gate(spec, 0) as gate:
        preflight = run_preflight(gate, spec)
    for finding in preflight.findings:
        announce(f"preflight: {finding}")
    require_clear(preflight, spec)
    return ended(f"{len(preflight.findings)} findings, none blocks", preflight)


@task(**options("facts", "facts of {spec.name}", timeout=60))
def hand_on_facts(spec: DataSourceSpec, preflight: Preflight) -> Facts:
    """What preflight read, as an object of its own: the steps depend on facts, not on findings."""
    facts = preflight.facts
    assert facts is not None
    names = ", ".join(environment.name for environment in facts.environments)
    return ended(f"workspace {facts.workspace.identifier} ({spec.workspace}), environments {names}", facts)

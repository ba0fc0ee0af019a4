"""Preflight: read-only questions before anything is written, all answered at once.

A finding has a stable code, says what is wrong, on which object, which persona can fix it and how, and whether it
blocks: applying would fail, or leave something half done. What cannot be found out is said, never assumed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from prefect import task

from cloud.dataworks.sync_tasks import workflow_exists
from cloud.dataworks.workspaces import member_roles
from cloud.errors import CallError, MissingObject, OnboardingError, PermissionDenied, Refused, StepError
from cloud.gate import Gate
from cloud.inventory import Inventory
from cloud.ram import get_role, group_members
from config.limits import DATAWORKS, POLICIES_PER_ACCOUNT, ROLES_PER_ACCOUNT, daily_calls
from config.names import SERVICE_LINKED_ROLE
from config.personas import Persona
from config.spec import DataSourceSpec
from policy import Outcome
from tasks.callers import ROOT, documents_of, lacking, passing, role_of
from tasks.connection import step_gate
from tasks.declared import declared
from tasks.options import announce, ended, options
from tasks.pass_role import GrantState, read_grant
from tasks.plan import compute_plan, refusals
from tasks.planning import KNOWN_LATER, Kind, Plan
from tasks.review import review
from tasks.role import RoleState, read_role
from tasks.unmanaged import unmanaged_rights
from tasks.workspace import MISSING_OBJECTS, Facts, read_place

CODES = {
    "PRE001": "Credentials or workspace cannot be used, or a question that a step asks too is refused",
    "PRE002": "Something the specification names does not exist",
    "PRE003": "A step would be refused: not ours, a full quota, another shape",
    "PRE010": "The workspace's members cannot be read",
    "PRE011": "A persona is no member of the workspace, or has not the workspace role it needs",
    "PRE012": "Creator or executor will not hold PassRole after step 2, or perhaps not",
    "PRE013": "A caller's policies cannot be read",
    "PRE014": "A caller is not allowed to do what its steps call",
    "PRE015": "Whether a caller is allowed depends on conditions that preflight cannot know",
    "PRE020": "The service-linked role of Data Integration does not exist, or cannot be looked for",
    "PRE021": "The workspace perhaps uses the new Data Studio",
    "PRE022": "A quota of the account is full or almost full, or cannot be counted",
    "PRE023": "The edition's calls of a day are not enough",
    "PRE030": "A policy is attached to the role beside the specification",
    "PRE031": "The role's policy is attached to something else, too",
    "PRE032": "Somebody who is not named in the specification holds PassRole on the role",
    "PRE033": "Who holds the role's policies cannot be read",
    "PRE040": "Something outside RAM must be so",
}
"""Every code of preflight with its title; a code is never given a second meaning."""

_ALMOST_FULL = 0.8
# Workspace roles that may do a persona's steps. Vendor's page "Manage workspace members".
_WORKSPACE_ROLES = {
    Persona.CREATOR: ("role_project_owner", "role_project_admin", "role_project_pe"),
    Persona.DEVELOPER: ("role_project_owner", "role_project_admin", "role_project_pe", "role_project_dev"),
    Persona.EXECUTOR: ("role_project_owner", "role_project_admin", "role_project_pe", "role_project_dev"),
}


@dataclass(frozen=True)
class PreflightFinding:
    """One finding. ``blocks`` says that nothing must be written while it stands."""

    code: str
    subject: str
    what: str
    persona: Persona | None
    remedy: str
    blocks: bool
    severity: str = ""
    """Of a lint finding: info, low, medium or high."""

    def __str__(self) -> str:
        remedy = self.remedy.rstrip(".")
        who = f" The {self.persona.value} can fix it: {remedy}." if self.persona else f" {remedy}."
        severity = f" ({self.severity})" if self.severity else ""
        return f"{self.code}{severity} {self.subject}: {self.what.rstrip('.')}.{who if self.remedy else ''}"


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
    error = PreflightBlocked(
        "; ".join(f"{finding.subject}: {finding.what}" for finding in blocking),
        subject=f"preflight of {spec.name}",
        persona=blocking[0].persona,
        remedy="; ".join(dict.fromkeys(finding.remedy for finding in blocking if finding.remedy)),
        code=", ".join(dict.fromkeys(finding.code for finding in blocking)),
    )
    error.findings = preflight.findings
    raise error


def run_preflight(gate: Gate, spec: DataSourceSpec) -> Preflight:
    """Ask every question; a question that fails is a finding of its own. Raises retryable call errors only."""
    try:
        facts = read_place(gate, spec)
    except (StepError, Refused) as error:
        return Preflight((_of("PRE001", error),), None, None)
    findings: list[PreflightFinding] = []
    questions: tuple[Callable[[Gate, DataSourceSpec, Facts], Iterator[PreflightFinding]], ...] = (
        *(partial(_missing, question) for question in MISSING_OBJECTS),
        _workspace_roles, _pass_role_holders, _service_linked_role, _new_data_studio, _permissions,
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
    findings = [
        PreflightFinding(
            one.code, one.location, one.message, Persona.ADMINISTRATOR, one.fix, blocks=False,
            severity=one.severity.name.lower(),
        )
        for one in kept
    ]  # fmt: skip
    findings += _beside(gate, spec, state, grant)
    role_id = state.role.role_id if state.role is not None else KNOWN_LATER
    findings += [
        PreflightFinding(
            "PRE040", f"data source {spec.name}", needed.what, needed.persona, needed.how, blocks=False
        )
        for needed in spec.prerequisites(role_id)
    ]
    notes = tuple(f"ignored {one.finding.code}, {one.finding.message}: {one.reason}" for one in ignored)
    return findings, notes


def _beside(
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


# -- people --------------------------------------------------------------------------------------------


def _workspace_roles(gate: Gate, spec: DataSourceSpec, facts: Facts) -> Iterator[PreflightFinding]:
    """Creator, developer and executor are members of the workspace with a role that may do their step."""
    subject = f"members of workspace {spec.workspace}"
    try:
        members = member_roles(gate, spec.workspace)
    except Refused as error:
        yield PreflightFinding(
            "PRE010", subject, f"they cannot be read: {error.what}", error.persona, error.remedy, blocks=False
        )
        return
    for persona, wanted in _WORKSPACE_ROLES.items():
        if persona is not Persona.CREATOR and spec.sync_task is None:
            continue
        name = facts.callers[persona.value]
        if name == ROOT:
            continue
        held = members.get(facts.caller_ids[persona.value])
        if held is None:
            what = f"{name} ({persona.value}) is no member"
        elif held.isdisjoint(wanted):
            what = f"{name} ({persona.value}) has only the roles {', '.join(sorted(held)) or 'none'}"
        else:
            continue
        remedy = f"a workspace administrator adds {name} with one of the roles {', '.join(wanted)}"
        yield PreflightFinding(
            "PRE011", f"workspace {spec.workspace}", what, Persona.CREATOR, remedy, blocks=True
        )


def _pass_role_holders(gate: Gate, spec: DataSourceSpec, facts: Facts) -> Iterator[PreflightFinding]:
    """Creator and executor will hold PassRole after step 2, or may pass the role already."""
    members = {member for group in spec.grantees.groups for member in group_members(gate, group)}
    users = {*spec.grantees.users, *members}
    roles = {name.lower() for name in spec.grantees.roles}  # Arns have them in lower case
    needing = [Persona.CREATOR] + ([Persona.EXECUTOR] if spec.sync_task and spec.sync_task.run else [])
    inventory = Inventory(gate)
    for persona in needing:
        name = facts.callers[persona.value]
        if name == ROOT:
            continue
        role = role_of(name)
        granted = name in users if role is None else role.lower() in roles
        documents = documents_of(inventory, name)
        if documents is None and granted:
            continue  # PRE013 says that its other policies are unknown
        outcome = Outcome.UNKNOWN
        if documents is not None:
            outcome = passing(spec, facts.account_id, documents, granted=granted)
        if outcome is Outcome.ALLOW:
            continue
        what, who = (
            "will not hold ram:PassRole on the role after step 2",
            f"user {name}" if role is None else f"role {role}",
        )
        remedy = f"add {name}, or a group it is in, to grantees" if role is None else f"add {who} to grantees"
        if outcome is Outcome.EXPLICIT_DENY:
            what, remedy = (
                "is denied ram:PassRole on the role by a policy of its own",
                f"remove the Deny from the policies of {who}",
            )
        elif outcome is Outcome.UNKNOWN:
            what = "is no grantee, and whether it may pass the role already is not known"
        yield PreflightFinding(
            "PRE012", f"{name} ({persona.value})", what, Persona.ADMINISTRATOR, remedy, blocks=outcome is not Outcome.UNKNOWN
        )  # fmt: skip


def _permissions(gate: Gate, spec: DataSourceSpec, facts: Facts) -> Iterator[PreflightFinding]:
    """Each caller may do what its steps declare, by its policies as they stand."""
    inventory = Inventory(gate)
    rows = declared(spec, facts.account_id)
    for persona in Persona:
        name = facts.callers[persona.value]
        if name == ROOT:
            continue
        subject = f"{name} ({persona.value})"
        documents = documents_of(inventory, name)
        if documents is None:
            lists = (
                "ram:ListPoliciesForUser, ram:ListGroupsForUser"
                if role_of(name) is None
                else "ram:ListPoliciesForRole"
            )
            yield PreflightFinding(
                "PRE013", subject, "its policies cannot be read, so its permissions are unknown", Persona.ADMINISTRATOR,
                f"allow the administrator {lists} and ram:GetPolicy to have them checked", blocks=False,
            )  # fmt: skip
            continue
        lacks = lacking(rows, persona, documents)
        if lacks.refused:
            yield PreflightFinding(
                "PRE014", subject, f"is not allowed to call {', '.join(lacks.refused)}", Persona.ADMINISTRATOR,
                "attach what `onboard permissions` prints for this persona", blocks=lacks.certain,
            )  # fmt: skip
        if lacks.unsure:
            what = f"whether it may call {', '.join(lacks.unsure)} depends on conditions that preflight cannot know"
            yield PreflightFinding("PRE015", subject, what, Persona.ADMINISTRATOR, "", blocks=False)


# -- the account ---------------------------------------------------------------------------------------


def _service_linked_role(gate: Gate, spec: DataSourceSpec, facts: Facts) -> Iterator[PreflightFinding]:
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


def _new_data_studio(gate: Gate, spec: DataSourceSpec, facts: Facts) -> Iterator[PreflightFinding]:
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
    allowance = daily_calls(gate.settings.edition)
    needed = plan.calls[DATAWORKS]
    if allowance is not None and needed > allowance:
        yield PreflightFinding(
            "PRE023", f"{gate.settings.edition.value} edition",
            f"applying needs about {needed} DataWorks calls, the edition allows {allowance} a day",
            Persona.CREATOR, "test fewer resource groups, or use a higher edition", blocks=True,
        )  # fmt: skip


@task(**options("preflight", "preflight of {spec.name}", ("preflight", "read"), timeout=900))
def check_preflight(spec: DataSourceSpec) -> Preflight:
    """Prefect task of :func:`run_preflight`; raises :class:`PreflightBlocked` when a finding blocks."""
    with step_gate(spec, 0) as gate:
        preflight = run_preflight(gate, spec)
    for finding in preflight.findings:
        announce(f"preflight: {finding}")
    require_clear(preflight, spec)
    return ended(f"{len(preflight.findings)} findings, none blocks", preflight)


@task(**options("facts", "facts of {spec.name}", ("preflight", "read"), timeout=60))
def hand_on_facts(spec: DataSourceSpec, preflight: Preflight) -> Facts:
    """What preflight read, as an object of its own: the steps depend on facts, not on findings."""
    facts = preflight.facts
    assert facts is not None
    names = ", ".join(environment.name for environment in facts.environments)
    return ended(f"workspace {facts.workspace.identifier} ({spec.workspace}), environments {names}", facts)

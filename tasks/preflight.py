"""Preflight: read-only questions before anything is written, all answered at once.

A finding has a stable code, says what is wrong, on which object, which persona can fix it and how, and whether it
blocks: applying would fail, or leave something half done. What cannot be found out is said, never assumed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from prefect import task

from cloud.dataworks.sync_tasks import workflow_exists
from cloud.dataworks.workspaces import member_roles
from cloud.errors import CallError, OnboardingError, Refused, StepError
from cloud.gate import Gate
from cloud.inventory import Inventory
from cloud.ram import Grantee, get_role, group_members
from config.limits import DATAWORKS, POLICIES_PER_ACCOUNT, ROLES_PER_ACCOUNT, daily_calls
from config.names import SERVICE_LINKED_ROLE
from config.personas import Persona
from config.spec import DataSourceSpec
from policy import Outcome, PolicyKind, PolicySyntaxError, Request, Source, evaluate_identity, parse_policy
from tasks.connection import step_gate
from tasks.declared import declared
from tasks.options import announce, ended, options
from tasks.plan import compute_plan
from tasks.planning import KNOWN_LATER, Kind, Plan
from tasks.review import review
from tasks.role import read_role
from tasks.workspace import Facts, missing_objects, read_place

CODES = {
    "PRE001": "Credentials or workspace cannot be used",
    "PRE002": "Something the specification names does not exist",
    "PRE003": "A step would be refused: not ours, a full quota, another shape",
    "PRE010": "The workspace's members cannot be read",
    "PRE011": "A persona is no member of the workspace, or has not the workspace role it needs",
    "PRE012": "Creator or executor will not hold PassRole after step 2",
    "PRE013": "A caller's policies cannot be read",
    "PRE014": "A caller is not allowed to do what its steps call",
    "PRE015": "Whether a caller is allowed depends on conditions that preflight cannot know",
    "PRE020": "The service-linked role of Data Integration does not exist",
    "PRE021": "The workspace perhaps uses the new Data Studio",
    "PRE022": "A quota of the account is full or almost full",
    "PRE023": "The edition's calls of a day are not enough",
    "PRE040": "Something outside RAM must be so",
}
"""Every code of preflight with its title; a code is never given a second meaning."""

_ALMOST_FULL = 0.8
# Values of a request that preflight cannot know: a statement that depends on one is neither allowed nor refused.
_UNKNOWN_KEYS = frozenset(
    {
        "acs:SourceIp",
        "acs:CurrentTime",
        "acs:MFAPresent",
        "acs:SecureTransport",
        "acs:SourceVpc",
        "acs:UserAgent",
    }
)
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
    findings = [_of("PRE002", problem) for problem in missing_objects(gate, spec, facts)]
    questions: tuple[Callable[[Gate, DataSourceSpec, Facts], Iterator[PreflightFinding]], ...] = (
        _workspace_roles, _pass_role_holders, _service_linked_role, _new_data_studio, _permissions,
    )  # fmt: skip
    for question in questions:
        findings += question(gate, spec, facts)
    plan = None
    try:
        plan = compute_plan(gate, spec, facts)
    except (StepError, Refused) as error:
        findings.append(_of("PRE003", error))
    if plan is not None:
        findings += [*_quotas(gate, spec, plan), *_allowance(gate, plan), *_review(gate, spec, facts)]
        plan = _with_ignored(plan, gate, spec, facts)
    return Preflight(tuple(findings), facts, plan)


def _of(code: str, error: OnboardingError) -> PreflightFinding:
    """The finding an error stands for; applying would raise it, so it blocks."""
    return PreflightFinding(code, error.subject, error.what, error.persona, error.remedy, blocks=True)


# -- documents and location ----------------------------------------------------------------------------


def _review(gate: Gate, spec: DataSourceSpec, facts: Facts) -> Iterator[PreflightFinding]:
    """Lint of the documents that applying leaves behind, and what must be so outside RAM."""
    state = read_role(gate, spec)
    kept, _ = review(spec, facts.account_id, state)
    for one in kept:
        yield PreflightFinding(
            one.code, one.location, one.message, Persona.ADMINISTRATOR, one.fix, blocks=False,
            severity=one.severity.name.lower(),
        )  # fmt: skip
    role_id = state.role.role_id if state.role is not None else KNOWN_LATER
    for needed in spec.prerequisites(role_id):
        yield PreflightFinding(
            "PRE040", f"data source {spec.name}", needed.what, needed.persona, needed.how, blocks=False
        )


def _with_ignored(plan: Plan, gate: Gate, spec: DataSourceSpec, facts: Facts) -> Plan:
    """Findings the specification accepts are notes of the plan, with their reasons."""
    if not spec.ignore:
        return plan
    _, ignored = review(spec, facts.account_id, read_role(gate, spec))
    notes = tuple(f"ignored {one.finding.code}, {one.finding.message}: {one.reason}" for one in ignored)
    return replace(plan, notes=(*plan.notes, *notes))


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
        if name == "root":
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
    """Creator and executor will hold PassRole after step 2, or may pass any role already."""
    members = {member for group in spec.grantees.groups for member in group_members(gate, group)}
    holders = {*spec.grantees.users, *members}
    needing = [Persona.CREATOR] + ([Persona.EXECUTOR] if spec.sync_task and spec.sync_task.run else [])
    for persona in needing:
        name = facts.callers[persona.value]
        if name == "root" or "/" in name or name in holders:
            continue
        documents = _documents_of(Inventory(gate), name)
        services = spec.source_type.pass_role_services("di.dataworks.aliyuncs.com")
        request = Request(
            "ram:PassRole", f"acs:ram::{facts.account_id}:role/{spec.role_name.lower()}",
            {"acs:Service": (services[-1],)}, _UNKNOWN_KEYS,
        )  # fmt: skip
        if documents is not None and evaluate_identity(request, documents).allowed:
            continue
        yield PreflightFinding(
            "PRE012",
            f"{name} ({persona.value})",
            "will not hold ram:PassRole on the role after step 2",
            Persona.ADMINISTRATOR,
            f"add {name}, or a group it is in, to grantees",
            blocks=documents is not None,
        )


def _documents_of(inventory: Inventory, user: str) -> list[Source] | None:
    """A user's policies and its groups'; None when some of them cannot be read."""
    groups = inventory.groups_of(user)
    own = inventory.attached(Grantee.USER, user)
    if groups is None or own is None:
        return None
    sources: list[Source] = []
    for entity, attached in (
        (f"user {user}", own),
        *((f"group {g}", inventory.attached(Grantee.GROUP, g)) for g in groups),
    ):
        for policy in attached or ():
            if policy.document is None:
                return None
            try:
                parsed = parse_policy(policy.document, PolicyKind.IDENTITY)
            except PolicySyntaxError:
                return None
            sources.append(Source(policy.policy, f"{policy.kind} policy of {entity}", parsed))
        if attached is None:
            return None
    return sources


def _permissions(gate: Gate, spec: DataSourceSpec, facts: Facts) -> Iterator[PreflightFinding]:
    """Each caller may do what its steps declare, by its policies as they stand."""
    inventory = Inventory(gate)
    rows = declared(spec, facts.account_id)
    for persona in Persona:
        name = facts.callers[persona.value]
        if name == "root" or "/" in name:
            continue
        documents = _documents_of(inventory, name)
        if documents is None:
            yield PreflightFinding(
                "PRE013", f"{name} ({persona.value})", "its policies cannot be read, so its permissions are unknown",
                Persona.ADMINISTRATOR,
                "allow the administrator ram:ListPoliciesForUser, ram:ListGroupsForUser and ram:GetPolicy to have them checked", blocks=False,
            )  # fmt: skip
            continue
        missing: dict[str, Outcome] = {}
        for row in rows:
            if row.persona is not persona or "ram:PassRole" in row.actions:
                continue
            for action in row.actions:
                for resource in row.resources:
                    outcome = evaluate_identity(
                        Request(action, resource, {}, _UNKNOWN_KEYS), documents
                    ).outcome
                    if outcome is not Outcome.ALLOW:
                        missing[action] = outcome
        refused = sorted(action for action, outcome in missing.items() if outcome is not Outcome.UNKNOWN)
        unsure = sorted(action for action, outcome in missing.items() if outcome is Outcome.UNKNOWN)
        subject = f"{name} ({persona.value})"
        if refused:
            # Whether a DataWorks call needs a RAM permission beside the workspace role is not documented for every
            # action, so only a refusal that is certain blocks.
            certain = any(a.startswith("ram:") or missing[a] is Outcome.EXPLICIT_DENY for a in refused)
            yield PreflightFinding(
                "PRE014", subject, f"is not allowed to call {', '.join(refused)}", Persona.ADMINISTRATOR,
                "attach what `onboard permissions` prints for this persona", blocks=certain,
            )  # fmt: skip
        if unsure:
            what = f"whether it may call {', '.join(unsure)} depends on conditions that preflight cannot know"
            yield PreflightFinding("PRE015", subject, what, Persona.ADMINISTRATOR, "", blocks=False)


# -- the account ---------------------------------------------------------------------------------------


def _service_linked_role(gate: Gate, spec: DataSourceSpec, facts: Facts) -> Iterator[PreflightFinding]:
    """Data Integration's own role: without it the console shows no roles; whether runs need it is not documented."""
    del spec, facts
    try:
        present = get_role(gate, SERVICE_LINKED_ROLE) is not None
    except Refused:
        present = True  # not allowed to look: nothing to say
    if not present:
        yield PreflightFinding(
            "PRE020", f"role {SERVICE_LINKED_ROLE}", "the service-linked role of Data Integration does not exist",
            Persona.ADMINISTRATOR, "open Data Integration in the DataWorks console once and authorise it", blocks=False,
        )  # fmt: skip


def _new_data_studio(gate: Gate, spec: DataSourceSpec, facts: Facts) -> Iterator[PreflightFinding]:
    """A workspace on the new Data Studio answers no development call of this API; no flag tells it."""
    if spec.sync_task is None:
        return
    try:
        workflow_exists(gate, spec.workspace, spec.sync_task.folder.split("/")[1])
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
        except Refused:
            continue  # not allowed to count: the write itself will tell
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

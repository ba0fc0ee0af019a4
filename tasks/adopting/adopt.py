"""Adoption of a workspace's data sources: read once, propose, and keep what plans to the fewest changes.

The plan is the same that ``onboard plan`` computes of what is written down. A specification without ``role.adopt`` is
preferred; one without its sync task is better than one whose plan would edit or run it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date

from cloud import ram
from cloud.dataworks import sync_tasks
from cloud.dataworks.workspaces import Workspace, data_integration_groups, get_workspace, scheduling_groups
from cloud.errors import LimitExceeded, MissingObject, Refused, StepError
from cloud.gate import Gate
from cloud.sessions import session_scope
from config.load import SpecInvalid
from config.names import is_folded_policy
from config.personas import Persona
from config.scheduler import scheduler_time
from config.sources.base import Environment
from config.spec import DataSourceSpec
from policy import Grant, minified, policy_for
from tasks.adopting.found import Adoptable, Left, find
from tasks.adopting.proposal import FoundTask, Proposal, exact_description, propose, tagged
from tasks.adopting.role_facts import RoleFacts, facts_of
from tasks.audit.account import Account, AuditedTask
from tasks.audit.passing import Passing
from tasks.audit.reading import read_account
from tasks.custom_policy import read_each
from tasks.data_source import wanted_content
from tasks.options import announce
from tasks.plan import compute_plan
from tasks.planning import Kind, PlannedChange
from tasks.role_group import RoleGroup
from tasks.workspace import Callers, Facts, place_of, read_callers

_FIRST_OF_TASK = 4  # steps 4 and 5 are the sync task's
_DATES_TRIED = 5


@dataclass(frozen=True)
class Adopted:
    """A data source as a specification. ``changes`` are those of its plan, ``refusal`` why it has none; none is best."""

    found: Adoptable
    proposal: Proposal
    changes: tuple[PlannedChange, ...] = ()
    refusal: str = ""

    @property
    def spec(self) -> DataSourceSpec:
        """The specification."""
        return self.proposal.spec

    @property
    def as_it_is(self) -> bool:
        """Whether the plan of the specification is empty."""
        return not self.changes and not self.refusal

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the specification does not say, each once."""
        return tuple(dict.fromkeys(self.proposal.remarks))


@dataclass(frozen=True)
class Adoption:
    """All data sources that were asked for. ``unread`` is what could not be read, and why."""

    workspace: int
    region: str
    adopted: tuple[Adopted, ...]
    left: tuple[Left, ...]
    unread: tuple[str, ...]
    tagged: tuple[str, ...] = ()
    """Roles and policies that were tagged as ours, when that was asked for."""

    @property
    def complete(self) -> bool:
        """Whether everything that is opened with a role is expressed and plans to no changes."""
        return all(one.as_it_is for one in self.adopted) and not any(one.by_role for one in self.left)


def adopt(gate: Gate, workspace: int, names: Sequence[str] = (), *, tag: bool = False) -> Adoption:
    """Turn data sources into specifications, all of the workspace or those named.

    With ``tag``, roles and policies that are for one of them alone are tagged as managed here; that is the only write,
    and what then still needs ``role.adopt`` keeps it. Raises :class:`MissingObject`, or a call's error.
    """
    with _limits(tag):
        found = _look(gate, workspace, names)
        if not tag:
            return found
        written = tuple(_tag(gate, found.adopted))
        return replace(_look(gate, workspace, names), tagged=written) if written else found


@contextmanager
def _limits(tag: bool) -> Iterator[None]:
    """Sessions of assumed roles may read everything, and tag when that was asked for."""
    reading: dict[Persona, tuple[str, ...]] = dict.fromkeys(Persona, ("dataworks:Get*", "dataworks:List*"))
    reading[Persona.ADMINISTRATOR] = ("ram:Get*", "ram:List*", *(("ram:TagResources",) if tag else ()))
    policies = {persona: policy_for([Grant(actions, ("*",))]) for persona, actions in reading.items()}
    with session_scope({persona: minified(document) for persona, document in policies.items()}):
        yield


def _look(gate: Gate, workspace: int, names: Sequence[str]) -> Adoption:
    announce(f"reading workspace {workspace} and the account's roles and policies")
    account, unread = read_account(gate, [workspace])
    space = account.workspaces.get(workspace)
    if space is None or space.sources is None:
        get_workspace(gate, workspace)  # a refusal is told as it is, with its request id
        raise MissingObject(
            f"the workspace cannot be read: {'; '.join(unread)}",
            subject=f"workspace {workspace}",
            persona=Persona.CREATOR,
            remedy="check the number, the region and the caller's membership",
        )
    found, left = find(account, workspace, names)
    looker = _Looker(gate, account, read_callers(gate), get_workspace(gate, workspace))
    # Each is mostly waiting for its plan: some at a time.
    answers = read_each(lambda number: looker.answer(found[number]), range(len(found))).values()
    adopted = [one for one in answers if isinstance(one, Adopted)]
    left += [one for one in answers if isinstance(one, Left)]
    return Adoption(workspace, gate.region, tuple(looker.agreeing(adopted)), tuple(left), unread)


def _not_expressed(found: Adoptable, why: str) -> Left:
    environments = tuple(one.name for one in found.sources)
    return Left(found.name, environments, why, "write the specification by hand, with role.adopt: true")


class _Looker:
    """Adopts one data source after the other, with what they share read once."""

    def __init__(self, gate: Gate, account: Account, callers: Callers, workspace: Workspace | None) -> None:
        self._gate = gate
        self._account = account
        self._callers = callers
        self._workspace = workspace
        self._passing = Passing(account)
        self._groups = sorted(name for name, group in data_integration_groups(gate).items() if group.normal)
        self._scheduling = sorted(scheduling_groups(gate))
        self._roles: dict[str, RoleFacts] = {}

    def answer(self, found: Adoptable) -> Adopted | Left:
        """The specification with the fewest changes, or why there is none."""
        announce(f"data source {found.title}")
        if not self._facts(found).grantees:
            return _not_expressed(
                found, f"nobody may pass its role {found.role.name}, so no grantee can be named"
            )
        try:
            return self._adopt(found)
        except SpecInvalid as error:
            rules = "; ".join(f"{line.path}: {line.rule}" for line in error.problems)
        return _not_expressed(found, f"no specification describes it: {rules}")

    def _adopt(self, found: Adoptable) -> Adopted:
        facts = self._facts(found)
        tasks = self._tasks(found)
        strict = tagged(found) and bool(facts.strict)
        known = replace(facts, grantees=facts.strict) if strict else facts
        proposal = propose(self._account, found, known, tasks, self._groups, self._place_of(found))
        best: Adopted | None = None
        if strict:
            best = self._best(found, proposal, tasks)
            if best.as_it_is:
                return best
            proposal = proposal.having(f"role.adopt stays: without it {'; '.join(_shortly(best))}")
        adopting = self._best(found, proposal.having(grantees=dict(facts.grantees)).adopting(True), tasks)
        return min((one for one in (adopting, best) if one is not None), key=_shortcomings)

    def agreeing(self, adopted: Sequence[Adopted]) -> Iterator[Adopted]:
        """The same, with ``adopt`` and the grantees alike for all data sources of a role: their specifications must agree."""
        roles: dict[str, list[Adopted]] = {}
        for one in adopted:
            roles.setdefault(one.spec.role_name.lower(), []).append(one)
        for one in adopted:
            others = roles[one.spec.role_name.lower()]
            if any(other.spec.role.adopt for other in others) and not one.spec.role.adopt:
                facts = self._facts(one.found)
                changed = one.proposal.having(grantees=dict(facts.grantees)).adopting(True)
                yield self._planned(one.found, changed)
            else:
                yield one

    # -- what is known ---------------------------------------------------------------------------------

    def _facts(self, found: Adoptable) -> RoleFacts:
        if found.role.role_id not in self._roles:
            now = scheduler_time(self._gate.clock.now())
            self._roles[found.role.role_id] = facts_of(self._account, self._passing, found.role, now)
        return self._roles[found.role.role_id]

    def _tasks(self, found: Adoptable) -> list[FoundTask]:
        """The files of the sync tasks that use it, as GetFile tells."""
        listed = {task.file: task for task, _ in found.uses if task.sync_task}

        def read(file: int) -> sync_tasks.SyncTask:
            return sync_tasks.get_sync_task(self._gate, found.workspace, file)

        return [FoundTask(task, listed[file].folder) for file, task in read_each(read, listed).items()]

    def _place_of(self, found: Adoptable) -> Facts:
        """The workspace, as steps see it for the environments of the data source."""
        workspace = self._workspace
        assert workspace is not None  # the account was read with it
        callers = self._callers
        return Facts(callers.account_id, workspace, tuple(found.sources), callers.names, callers.ids)

    # -- which specification ---------------------------------------------------------------------------

    def _best(self, found: Adoptable, proposal: Proposal, tasks: Sequence[FoundTask]) -> Adopted:
        """The proposal as it is, without a run that no proof is found of, or without its sync task."""
        place = self._place_of(found)
        if "sync_task" in proposal.mapping:
            dates = self._dates(found)
            contents = self._contents(proposal.spec, found, place.environments)
            proposal = exact_description(proposal, found, tasks, place, contents, self._scheduling, dates)
        made = self._planned(found, proposal)
        if made.as_it_is or "sync_task" not in proposal.mapping:
            return made
        if made.changes and all(change.kind is Kind.RUN for change in made.changes):
            remark = "no run is found that proves what the specification says; run: false leaves it so"
            made = self._planned(found, proposal.running(False).having(remark))
        if made.as_it_is:
            return made
        of_task = [change for change in made.changes if change.step >= _FIRST_OF_TASK]
        if not of_task and not made.refusal:
            return made
        why = "; ".join(dict.fromkeys(change.what for change in of_task))
        why = f"applying would have it {why}" if why else made.refusal
        name = proposal.mapping["sync_task"]["name"]
        without = self._planned(found, proposal.without_task(f"sync task {name} is left out: {why}"))
        return min((without, made), key=_shortcomings)

    def _planned(self, found: Adoptable, proposal: Proposal) -> Adopted:
        spec = proposal.spec
        try:
            place = place_of(spec, self._callers, self._workspace)
            plan = compute_plan(self._gate, spec, place)
        except (StepError, Refused, LimitExceeded) as error:
            return Adopted(found, proposal, refusal=str(error))
        return Adopted(found, proposal, plan.changes)

    def _contents(
        self, spec: DataSourceSpec, found: Adoptable, environments: Sequence[Environment]
    ) -> Mapping[Environment, Mapping[str, str]]:
        return {
            environment: wanted_content(self._gate, spec, found.role.role_id, environment)
            for environment in environments
        }

    def _dates(self, found: Adoptable) -> list[date]:
        """Business dates of the newest runs: a specification may name one."""
        space = self._account.workspaces[found.workspace]
        nodes = [task.node for task, _ in found.uses if _is_sync(task)]
        days = [
            scheduler_time(run.business_date_ms / 1000).date()
            for node in nodes
            for run in space.runs.get(node, ())
        ]
        return list(dict.fromkeys(days))[:_DATES_TRIED]


def _is_sync(task: AuditedTask) -> bool:
    return task.sync_task and task.node != 0


def _shortly(one: Adopted) -> Iterator[str]:
    """What applying would change, or why it would not begin."""
    if one.refusal:
        yield one.refusal
    yield from dict.fromkeys(f"{change.subject} would be {change.what}" for change in one.changes)


def _shortcomings(one: Adopted) -> tuple[bool, int, bool]:
    """How far a specification is from the best: one that is refused, the changes, one without its sync task."""
    return bool(one.refusal), len(one.changes), "sync_task" not in one.proposal.mapping


# -- tags ----------------------------------------------------------------------------------------------


def _tag(gate: Gate, adopted: Sequence[Adopted]) -> Iterator[str]:
    """Tag the role, its policy and its PassRole policy as managed here, and as serving the data source.

    What plans to changes is not tagged: applying it does so.
    """
    for one in filter(lambda each: each.as_it_is, adopted):
        group = RoleGroup.of(one.spec)
        wanted = [("role", group.role_name)]
        wanted += [
            ("policy", name)
            for name in (group.policy_name, group.pass_role_policy_name)
            if not is_folded_policy(name) and ram.get_policy(gate, name) is not None
        ]
        for kind, name in wanted:
            present = ram.tags_of(gate, kind, name)
            missing = {key: value for key, value in group.tags(present).items() if present.get(key) != value}
            if missing:
                announce(f"tagging {kind} {name}")
                ram.add_tags(gate, kind, name, missing)
                yield f"{kind} {name}"

"""Who else a role serves, and what of it they need: a shared role shrinks by the share of those who leave.

No object says which source needs which statement. What a source that stays needs is computed from what the cloud holds
of it (its data source, its sync tasks, the policy itself); where that is not certain, nothing it might need is taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cloud.dataworks.sync_tasks import list_code
from cloud.dataworks.undeploying import steps_in
from cloud.errors import Refused, StepError
from cloud.gate import Gate
from config.names import MANY_SOURCES_TAG, SERVICE_PRINCIPAL, SOURCE_TAG_START, source_tag
from config.personas import Persona
from config.sources.base import Access, PermissionLevel, SourceLocation, SourceType
from policy import PolicyDocument, PolicyKind, PolicySyntaxError, Statement, parse_policy
from policy.documents import canonical_statement
from tasks.adopting.location import location_of, source_type_of
from tasks.offboarding.choices import Use
from tasks.offboarding.surroundings import Placed, Surroundings
from tasks.role_group import RoleGroup, policy_of

_LEVELS: tuple[PermissionLevel, ...] = ("minimal", "vendor")
_ADDED = frozenset({"datasource", "envType"})  # what onboarding adds to a specification's step
Place = tuple[object, ...]
Steps = tuple[tuple[str, Mapping[str, Any]], ...]
"""Category (reader, writer) and parameters of the steps of sync tasks that name a data source."""


@dataclass(frozen=True)
class Others:
    """What else a role serves. ``staying`` are named by its tags, ``strangers`` are not; ``unseen`` are source tags
    whose data source is nowhere to be seen. ``unread`` are workspaces that could not be looked into."""

    staying: tuple[Placed, ...] = ()
    strangers: tuple[Placed, ...] = ()
    unseen: tuple[str, ...] = ()
    unread: tuple[int, ...] = ()

    @property
    def none(self) -> bool:
        """Whether the role serves nobody else, so that it can go."""
        return not (self.staying or self.strangers or self.unseen)

    def uses(self, role: str) -> tuple[Use, ...]:
        """Data sources that this project did not onboard with the role: what they need of it is not known."""
        remedy = "open it with a role of its own, delete it, or onboard it, so that the role's tags name it"
        found = dict.fromkeys(
            (one.workspace, one.source.name, one.source.environment.name) for one in self.strangers
        )
        return tuple(
            Use(
                f"data source {name} ({environment}) of workspace {workspace}",
                f"is opened with role {role}",
                Persona.CREATOR,
                remedy,
            )
            for workspace, name, environment in found
        )

    def titles(self) -> str:
        """Those that stay, for people."""
        names = dict.fromkeys(f"{one.source.name} (workspace {one.workspace})" for one in self.staying)
        return ", ".join((*names, *self.unseen))


def others_of(
    group: RoleGroup, tags: Mapping[str, str], role_id: str | None, surroundings: Surroundings
) -> Others:
    """``tags`` are those of the role and its policies. The group's data sources leave; all others stay."""
    leaving = {(spec.workspace, spec.name) for spec in group.specs}
    using = [one for one in surroundings.on_role(role_id) if one.key not in leaving] if role_id else []
    many = MANY_SOURCES_TAG[0] in tags
    named = [many or source_tag(*one.key)[0] in tags for one in using]
    own = {source_tag(*key)[0] for key in leaving}
    seen = own | {source_tag(*one.key)[0] for one in using} | {MANY_SOURCES_TAG[0]}
    unseen = [key for key in tags if key.startswith(SOURCE_TAG_START) and key not in seen]
    if many and surroundings.unread:
        unseen.append(MANY_SOURCES_TAG[0])
    return Others(
        tuple(one for one, is_named in zip(using, named, strict=True) if is_named),
        tuple(one for one, is_named in zip(using, named, strict=True) if not is_named),
        tuple(unseen),
        tuple(surroundings.unread),
    )


# -- what they need ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Needs:
    """What those who stay may need: actions by place (resources and conditions), whole products where more is not
    known, and everything where nothing is known. ``services`` as PassRole names them."""

    actions: Mapping[Place, frozenset[str]] = field(default_factory=dict)
    products: frozenset[str] = frozenset()
    everything: bool = False
    services: frozenset[tuple[str, ...]] = frozenset()
    unsure: tuple[str, ...] = ()
    """Data sources for which more is kept than is surely theirs."""

    def of(self, statement: Statement) -> frozenset[str]:
        """The actions of a statement that must stay."""
        one = canonical_statement(statement)
        actions = frozenset(one.actions)
        if self.everything:
            return actions
        kept = actions & self.actions.get(place_of(one), frozenset())
        return kept | {action for action in actions if action.partition(":")[0] in self.products}


def place_of(statement: Statement) -> Place:
    """What a statement is about, whatever it allows there."""
    one = canonical_statement(statement)
    return one.effect, frozenset(one.resources), frozenset(one.conditions)


def needs_of(gate: Gate, group: RoleGroup, others: Others, document: str) -> Needs:
    """What everybody who stays may need of the role's policy, whose text in force is ``document``."""
    kinds = {id(one): source_type_of(one.source.type) for one in others.staying}
    services = {_services(kind) for kind in kinds.values() if kind is not None}
    try:
        current = parse_policy(document, PolicyKind.IDENTITY)
    except PolicySyntaxError:
        return Needs(everything=True, services=frozenset(services), unsure=("its document cannot be read",))
    if others.unseen or None in kinds.values():
        unknown = [one.source.name for one in others.staying if kinds[id(one)] is None]
        return Needs(everything=True, services=frozenset(services), unsure=(*others.unseen, *unknown))
    actions: dict[Place, frozenset[str]] = {}
    products: set[str] = set()
    unsure: list[str] = []
    steps = _steps_of(gate, others.staying)
    for one in others.staying:
        kind = kinds[id(one)]
        assert kind is not None
        alone = sum(kinds[id(other)] is kind for other in others.staying if other.key != one.key) == 0
        found = _needed(group, one, kind, steps[id(one)], current, alone=alone)
        if found is None:
            products.add(kind.ram_code)
            unsure.append(one.source.name)
        for place, names in (found or {}).items():
            actions[place] = actions.get(place, frozenset()) | names
    return Needs(
        actions, frozenset(products), services=frozenset(services), unsure=tuple(dict.fromkeys(unsure))
    )


def services_of(data_source_type: str) -> tuple[str, ...] | None:
    """The services with which the role of such a data source is passed; None for a type that is not known."""
    kind = source_type_of(data_source_type)
    return None if kind is None else _services(kind)


def _services(kind: SourceType) -> tuple[str, ...]:
    return tuple(sorted(kind.pass_role_services(SERVICE_PRINCIPAL)))


def _needed(
    group: RoleGroup,
    one: Placed,
    kind: SourceType,
    steps: Steps,
    current: PolicyDocument,
    *,
    alone: bool,
) -> dict[Place, frozenset[str]] | None:
    """Actions by place; None when its location is not certain.

    Of all documents that onboarding could have written for it, those count that the policy contains.
    """
    own = [place_of(statement) for statement in group.access_document.statements]
    rest = [statement for statement in current.statements if place_of(statement) not in own]
    for statements in (rest, list(current.statements)):
        location = _location(group, one, kind, steps, statements)
        if location is None or not (steps or alone):
            continue
        found = _contained(kind, location, current)
        if found:
            return found
    return None


def _location(
    group: RoleGroup, one: Placed, kind: SourceType, steps: Steps, statements: Sequence[Statement]
) -> SourceLocation | None:
    """The location that data source, sync tasks and statements speak of, when its sync tasks stay inside it."""
    resources = [resource for statement in statements for resource in statement.resources]
    parameters = [step for _, step in steps]
    try:
        fields = location_of(
            one.source.type, one.source.content, group.region, resources=resources, steps=parameters
        )
    except StepError:
        return None
    location = kind.resolve_location(kind.Location.model_validate(dict(fields)), group.region)
    for category, step in steps:
        given = {key: value for key, value in step.items() if key not in _ADDED}
        try:
            problems = kind.reader_problems if category == "reader" else kind.writer_problems
            if problems(given, location):
                return None
        except (ValueError, KeyError):  # parameters that no specification has: what they need is not known
            return None
    return location


def _contained(
    kind: SourceType, location: SourceLocation, current: PolicyDocument
) -> dict[Place, frozenset[str]]:
    """The actions of every document for the location that the policy contains as a whole."""
    present: dict[Place, frozenset[str]] = {}
    for statement in current.statements:
        place = place_of(statement)
        present[place] = present.get(place, frozenset()) | {*canonical_statement(statement).actions}
    found: dict[Place, frozenset[str]] = {}
    for access in Access:
        for level in _LEVELS:
            for deletes in (False, True):
                permissions = kind.permissions(location, access, level, deletes=deletes)
                wanted = {
                    place_of(statement): frozenset(canonical_statement(statement).actions)
                    for statement in policy_of(permissions).statements
                }
                if all(actions <= present.get(place, frozenset()) for place, actions in wanted.items()):
                    for place, actions in wanted.items():
                        found[place] = found.get(place, frozenset()) | actions
    return found


def _steps_of(gate: Gate, staying: Sequence[Placed]) -> dict[int, Steps]:
    """By data source, its side in the sync tasks of its workspace; code is read once a workspace and not kept."""
    by_workspace: dict[int, dict[str, Steps]] = {}
    for workspace in dict.fromkeys(one.workspace for one in staying):
        by_workspace[workspace] = _steps_in(gate, workspace)
    return {id(one): by_workspace[one.workspace].get(one.source.name, ()) for one in staying}


def _steps_in(gate: Gate, workspace: int) -> dict[str, Steps]:
    found: dict[str, Steps] = {}
    try:
        for file in list_code(gate, workspace):
            for name, category, parameter in steps_in(file.code) if file.sync_task else ():
                found[name] = (*found.get(name, ()), (category, parameter))
    except Refused:
        return {}  # where files may not be read, no sync task vouches for a location
    return found

"""Which custom policy carries each PassRole grant: one of the role's own, or a folded one that names many roles.

A user, group or role can have 10 custom policies (RAM limits), so a grantee of many roles holds folded policies,
``DataWorks-<kind>-<grantee>-AllowUse-<n>``. The rule, for each grantee by itself:

1. What it holds stays as it is: a role's own policy that is attached, or a folded one that gives the role.
2. A folded policy that gives the role in part, or to fewer services, is completed, if there is room.
3. The roles that are left get a policy of their own each, if after that one place is still free.
4. Otherwise all of them are folded: into the folded policies there are, in the order of their numbers, as far as
   there is room (6,144 characters), then into new ones. All, because a place that a single role takes is gone for
   good, while a folded policy has room for dozens.
5. What finds no place is refused; what does find one goes on.

A grant on every role (``pass_role: broad``) is never folded. The result depends on nothing but what is given: no
order, no call. What is planned here and applied is covered afterwards, so that the next allocation changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from cloud.errors import LimitExceeded
from cloud.ram import CustomPolicy
from config.limits import CUSTOM_POLICIES_PER_ENTITY, POLICY_DOCUMENT_CHARACTERS
from config.names import folded_policy_name, folded_policy_number
from config.personas import Persona
from policy import (
    Condition,
    Effect,
    Grant,
    PolicyDocument,
    PolicyKind,
    PolicySyntaxError,
    Statement,
    parse_policy,
    policy_for,
    size,
    union,
)
from policy.documents import canonical_statement
from policy.generate import PASS_ROLE, SERVICE_KEY
from policy.matching import fold
from tasks.role_group import Entity

_BY_SERVICE = ("StringEquals", SERVICE_KEY)

Passes = Mapping[str, frozenset[str]]
"""Services to which each role's Arn may be passed."""


@dataclass(frozen=True)
class Wish:
    """A grant on one role. ``policy`` is the role's own; ``folds`` is false for one that must not be folded."""

    role: str
    policy: str
    passes: Passes
    folds: bool = True


@dataclass(frozen=True)
class Folded:
    """A folded policy as it stands. ``rest`` are statements of others, which are kept as they are.

    ``policy`` is None for one that does not exist yet; one that cannot be read covers nothing and has no room.
    """

    name: str
    policy: CustomPolicy | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    passes: Passes = field(default_factory=dict)
    rest: tuple[Statement, ...] = ()
    readable: bool = True

    def document(self) -> PolicyDocument:
        """Template 2 with a statement for each set of services, plus what others put in."""
        by_services: dict[frozenset[str], list[str]] = {}
        for arn, services in self.passes.items():
            by_services.setdefault(services, []).append(arn)
        own = policy_for(
            [
                Grant(
                    (PASS_ROLE,),
                    tuple(arns),
                    (Condition("StringEquals", SERVICE_KEY, tuple(sorted(services))),),
                )
                for services, arns in by_services.items()
            ]
        )
        return union(PolicyDocument(own.version, self.rest), own) if self.rest else own

    def covers(self, passes: Passes) -> bool:
        """Whether it gives all of a grant."""
        return all(services <= self.passes.get(arn, frozenset()) for arn, services in passes.items())

    def names(self, passes: Passes) -> bool:
        """Whether it gives some of a grant."""
        return any(arn in self.passes for arn in passes)

    def adding(self, passes: Passes) -> Folded:
        """The same with a further grant."""
        more = {arn: services | self.passes.get(arn, frozenset()) for arn, services in passes.items()}
        return replace(self, passes={**self.passes, **more})


def read_folded(policy: CustomPolicy, tags: Mapping[str, str]) -> Folded:
    """What a custom policy gives: PassRole statements in the form of Template 2, and the rest."""
    try:
        document = parse_policy(policy.document, PolicyKind.IDENTITY)
    except PolicySyntaxError:
        return Folded(policy.name, policy, tags, readable=False)
    passes: dict[str, frozenset[str]] = {}
    rest = []
    for statement in document.statements:
        services = _services_of(statement)
        if services is None:
            rest.append(statement)
            continue
        for arn in statement.resources:
            passes[arn] = passes.get(arn, frozenset()) | services
    return Folded(policy.name, policy, tags, passes, tuple(rest))


def _services_of(statement: Statement) -> frozenset[str] | None:
    """The services of a statement of Template 2; None for any other statement."""
    one = canonical_statement(statement)
    if one.effect is not Effect.ALLOW or one.actions != (fold(PASS_ROLE),) or len(one.conditions) != 1:
        return None
    (condition,) = one.conditions
    return frozenset(condition.values) if (condition.operator, condition.key) == _BY_SERVICE else None


@dataclass(frozen=True)
class Holding:
    """What a grantee holds: the names of all custom policies attached to it, and its folded ones, attached or not."""

    attached: frozenset[str]
    folded: tuple[Folded, ...] = ()


@dataclass(frozen=True)
class Allocation:
    """The policy that carries each grant, by grantee and role, and the folded policies to be written or attached."""

    carriers: Mapping[tuple[Entity, str], str]
    folded: Mapping[Entity, tuple[Folded, ...]]
    refused: Mapping[tuple[Entity, str], LimitExceeded]

    @property
    def problems(self) -> tuple[LimitExceeded, ...]:
        """One error for each grantee whose places are not enough."""
        return tuple({id(error): error for error in self.refused.values()}.values())


def allocate(holdings: Mapping[Entity, Holding], wishes: Mapping[Entity, Sequence[Wish]]) -> Allocation:
    """The policy that carries each wish. What has no place is in ``refused``, with an error that names its grantee."""
    carriers: dict[tuple[Entity, str], str] = {}
    folded: dict[Entity, tuple[Folded, ...]] = {}
    refused: dict[tuple[Entity, str], LimitExceeded] = {}
    for entity, wanted in wishes.items():
        places = _Places(entity, holdings[entity])
        left = places.carry(sorted(wanted, key=lambda wish: wish.role))
        carriers |= {(entity, role): policy for role, policy in places.carriers.items()}
        if places.changed:
            folded[entity] = places.changed
        if left:
            error = _full(entity, holdings[entity], left)
            refused |= {(entity, wish.role): error for wish in left}
    return Allocation(carriers, folded, refused)


class _Places:
    """The places of one grantee while they are being given away."""

    def __init__(self, entity: Entity, holding: Holding) -> None:
        self._kind, self._name = entity[0].value.lower(), entity[1]
        self._holding = holding
        self._before = {one.name: one for one in holding.folded}
        # Attached ones first: an unattached one takes a place. Then by number.
        self._folded = {one.name: one for one in sorted(holding.folded, key=self._order)}
        self._sizes: dict[str, int] = {}
        self._attached = {*holding.attached}
        self.carriers: dict[str, str] = {}

    def _order(self, folded: Folded) -> tuple[bool, int]:
        number = folded_policy_number(self._kind, self._name, folded.name) or 0
        return folded.name not in self._holding.attached, number

    @property
    def _free(self) -> int:
        return CUSTOM_POLICIES_PER_ENTITY - len(self._attached)

    @property
    def changed(self) -> tuple[Folded, ...]:
        """Folded policies that must be written or attached, as they shall be then."""
        used = {*self.carriers.values()}
        return tuple(
            one
            for name, one in self._folded.items()
            if name in used and (self._before.get(name) != one or name not in self._holding.attached)
        )

    def carry(self, wishes: Sequence[Wish]) -> list[Wish]:
        """Give each wish its policy by the rule of this module; returns those without a place."""
        left = [wish for wish in wishes if not self._held(wish)]
        refused = [wish for wish in left if not wish.folds and not self._own(wish, keep=0)]
        left = [wish for wish in left if wish.folds and not self._completed(wish)]
        if len(left) < self._free:
            return refused + [wish for wish in left if not self._own(wish, keep=1)]
        return refused + [wish for wish in left if not self._fold(wish)]

    def _held(self, wish: Wish) -> bool:
        """What is attached and gives the grant."""
        if wish.policy in self._holding.attached:
            self.carriers[wish.role] = wish.policy
            return True
        for name, folded in self._folded.items():
            if wish.folds and name in self._holding.attached and folded.covers(wish.passes):
                self.carriers[wish.role] = name
                return True
        return False

    def _own(self, wish: Wish, keep: int) -> bool:
        """The role's own policy, if ``keep`` places are left over."""
        if wish.policy not in self._attached and self._free <= keep:
            return False
        self._attached.add(wish.policy)
        self.carriers[wish.role] = wish.policy
        return True

    def _completed(self, wish: Wish) -> bool:
        """An attached folded policy that gives the grant in part."""
        return any(
            self._put(wish, folded)
            for name, folded in self._folded.items()
            if name in self._holding.attached and folded.names(wish.passes)
        )

    def _fold(self, wish: Wish) -> bool:
        """A folded policy with room, one that names the role already before others; else a new one."""
        bins = sorted(self._folded.values(), key=lambda one: not one.names(wish.passes))
        return any(self._put(wish, folded) for folded in bins) or self._put(wish, Folded(self._new_name()))

    def _new_name(self) -> str:
        numbers = range(1, len(self._folded) + 2)
        names = (folded_policy_name(self._kind, self._name, number) for number in numbers)
        return next(name for name in names if name not in self._folded)

    def _put(self, wish: Wish, folded: Folded) -> bool:
        """Add to a folded policy, if there is room in it and a place for it."""
        name = folded.name
        if not folded.readable or (name not in self._attached and self._free < 1):
            return False
        added = sum(len(arn) for arn in wish.passes if arn not in folded.passes)
        if self._sizes.get(name, 0) + added > POLICY_DOCUMENT_CHARACTERS:
            return False  # for certain; what an exact answer costs is spent only where it may fit
        more = folded.adding(wish.passes)
        characters = size(more.document())
        if characters > POLICY_DOCUMENT_CHARACTERS:
            return False
        self._folded[name], self._sizes[name] = more, characters
        self._attached.add(name)
        self.carriers[wish.role] = name
        return True


def _full(entity: Entity, holding: Holding, left: Sequence[Wish]) -> LimitExceeded:
    kind, name = entity
    roles = (
        f"PassRole on {len(left)} roles finds" if len(left) > 1 else f"PassRole on role {left[0].role} finds"
    )
    folded = sum(one.name in holding.attached for one in holding.folded)
    return LimitExceeded(
        f"{len(holding.attached)} custom policies are attached to it, the limit is {CUSTOM_POLICIES_PER_ENTITY}"
        + (f"; {folded} of them are folded PassRole policies, which have no room" if folded else "")
        + f": {roles} no place",
        subject=f"{kind.value.lower()} {name}",
        persona=Persona.ADMINISTRATOR,
        remedy=(
            "detach one that is not needed (PassRole policies of single roles are folded then), "
            "grant a group instead of a user, or ask for a higher quota"
        ),
    )

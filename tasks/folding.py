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

A grant that ends is always in a folded policy of its grantee, in a statement of its own that the cloud itself ends
(``DateLessThan acs:CurrentTime``): the role's own policy may have other holders, and a statement says until when.
It takes the place of what the grantee holds of the role beside it, and goes when its day has passed.

A grant on every role (``pass_role: broad``) is never folded. The result depends on nothing but what is given: no
order, no call. What is planned here and applied is covered afterwards, so that the next allocation changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from cloud.errors import LimitExceeded
from cloud.ram import CustomPolicy
from config.limits import CUSTOM_POLICIES_PER_ENTITY, POLICY_DOCUMENT_CHARACTERS
from config.names import MANAGED_TAG, folded_policy_name, folded_policy_number
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
from policy.documents import VERSION, canonical_statement
from policy.generate import CURRENT_TIME_KEY, PASS_ROLE, SERVICE_KEY
from policy.matching import fold
from tasks.role_group import Entity

_BY_SERVICE = ("StringEquals", SERVICE_KEY)
_BEFORE = ("DateLessThan", CURRENT_TIME_KEY)
"""How a statement ends. Source: RAM help, common condition keys, and the operators of dates."""

Passes = Mapping[str, frozenset[str]]
"""Services to which each role's Arn may be passed."""
Ending = Mapping[tuple[str, str], frozenset[str]]
"""The same for grants that end: by Arn and by the moment, as the policy writes it."""


@dataclass(frozen=True)
class Wish:
    """A grant on one role. ``policy`` is the role's own; ``folds`` is false for one that must not be folded.

    ``end`` is the moment at which it ends, as policies write it, "" for one that does not; ``ended`` whether that is over.
    """

    role: str
    policy: str
    passes: Passes
    folds: bool = True
    end: str = ""
    ended: bool = False


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
    ending: Ending = field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Whether it gives nothing any more; such a policy has no document and is deleted."""
        return self.readable and not (self.passes or self.ending or self.rest)

    def document(self) -> PolicyDocument:
        """Template 2 with a statement for each set of services and each end, plus what others put in."""
        by_conditions: dict[tuple[frozenset[str], str], list[str]] = {}
        for arn, services in self.passes.items():
            by_conditions.setdefault((services, ""), []).append(arn)
        for (arn, end), services in self.ending.items():
            by_conditions.setdefault((services, end), []).append(arn)
        if not by_conditions:
            return PolicyDocument(VERSION, self.rest)
        own = policy_for(
            [Grant((PASS_ROLE,), tuple(arns), _conditions(*each)) for each, arns in by_conditions.items()]
        )
        return union(PolicyDocument(own.version, self.rest), own) if self.rest else own

    def holds(self, wish: Wish) -> bool:
        """Whether it gives all of a grant; of one that ends, nothing of the role beside it."""
        if not wish.end:
            return self.covers(wish.passes)
        beside = any(arn in wish.passes and end != wish.end for arn, end in self.ending)
        return not (beside or any(arn in self.passes for arn in wish.passes)) and all(
            services <= self.ending.get((arn, wish.end), frozenset()) for arn, services in wish.passes.items()
        )

    def covers(self, passes: Passes) -> bool:
        """Whether it gives all of a grant."""
        return all(services <= self.passes.get(arn, frozenset()) for arn, services in passes.items())

    def names(self, passes: Passes) -> bool:
        """Whether it gives some of a grant, for good or until a day."""
        return any(arn in self.passes for arn in passes) or any(arn in passes for arn, _ in self.ending)

    @property
    def arns(self) -> frozenset[str]:
        """The roles it lets pass."""
        return frozenset(self.passes) | {arn for arn, _ in self.ending}

    def adding(self, passes: Passes) -> Folded:
        """The same with a further grant, which does not end."""
        more = {arn: services | self.passes.get(arn, frozenset()) for arn, services in passes.items()}
        kept = {key: services for key, services in self.ending.items() if key[0] not in passes}
        return replace(self, passes={**self.passes, **more}, ending=kept)

    def granting(self, wish: Wish) -> Folded:
        """The same with a wish; one that ends takes the place of what there is of its role."""
        if not wish.end:
            return self.adding(wish.passes)
        left = self.without(wish.passes)
        more = {(arn, wish.end): services for arn, services in wish.passes.items()}
        return replace(left, ending={**left.ending, **more})

    def without(self, arns: Collection[str]) -> Folded:
        """The same without some roles."""
        return replace(
            self,
            passes={arn: services for arn, services in self.passes.items() if arn not in arns},
            ending={key: services for key, services in self.ending.items() if key[0] not in arns},
        )

    def changed_as(self, before: Folded | None, after: Folded) -> Folded:
        """The same with what changes from ``before`` to ``after``: others may have written since ``before`` was read."""
        had = before or Folded(self.name)
        passes, ending = dict(self.passes), dict(self.ending)
        for arn in {*had.passes, *after.passes}:
            if arn not in after.passes:
                passes.pop(arn, None)
            elif had.passes.get(arn) != after.passes[arn]:
                passes[arn] = passes.get(arn, frozenset()) | after.passes[arn]
        for key in {*had.ending, *after.ending}:
            if key not in after.ending:
                ending.pop(key, None)
            elif had.ending.get(key) != after.ending[key]:
                ending[key] = ending.get(key, frozenset()) | after.ending[key]
        return replace(self, passes=passes, ending=ending)

    def ended(self, now: datetime) -> Folded:
        """The same without the grants that have ended; ``now`` has a zone."""
        kept = {key: services for key, services in self.ending.items() if moment(key[1]) > now}
        return replace(self, ending=kept)


def _conditions(services: frozenset[str], end: str) -> tuple[Condition, ...]:
    passed = Condition(*_BY_SERVICE, tuple(sorted(services)))
    return (passed, Condition(*_BEFORE, (end,))) if end else (passed,)


def moment(end: str) -> datetime:
    """The moment that an end names. Raises ``ValueError`` for a text that names none."""
    found = datetime.fromisoformat(end.replace("Z", "+00:00"))
    if found.tzinfo is None:
        raise ValueError("it has no zone")
    return found


def read_folded(policy: CustomPolicy, tags: Mapping[str, str]) -> Folded:
    """What a custom policy gives: PassRole statements in the form of Template 2, and the rest."""
    try:
        document = parse_policy(policy.document, PolicyKind.IDENTITY)
    except PolicySyntaxError:
        return Folded(policy.name, policy, tags, readable=False)
    passes: dict[str, frozenset[str]] = {}
    ending: dict[tuple[str, str], frozenset[str]] = {}
    rest = []
    for statement in document.statements:
        terms = terms_of(statement)
        if terms is None:
            rest.append(statement)
            continue
        services, end = terms
        for arn in statement.resources:
            if end:
                ending[arn, end] = ending.get((arn, end), frozenset()) | services
            else:
                passes[arn] = passes.get(arn, frozenset()) | services
    return Folded(policy.name, policy, tags, passes, tuple(rest), ending=ending)


def terms_of(statement: Statement) -> tuple[frozenset[str], str] | None:
    """The services of a statement of Template 2, and its end or ""; None for any other statement."""
    one = canonical_statement(statement)
    if one.effect is not Effect.ALLOW or one.actions != (fold(PASS_ROLE),):
        return None
    terms = {(condition.operator, condition.key): condition.values for condition in one.conditions}
    services, end = terms.pop(_BY_SERVICE, None), terms.pop(_BEFORE, ("",))
    if services is None or terms or len(end) != 1:
        return None
    try:
        if end[0]:
            moment(end[0])
    except ValueError:
        return None
    return frozenset(services), end[0]


@dataclass(frozen=True)
class Holding:
    """What a grantee holds: the names of all custom policies attached to it, and its folded ones, attached or not."""

    attached: frozenset[str]
    folded: tuple[Folded, ...] = ()


@dataclass(frozen=True)
class Allocation:
    """The policy that carries each grant, by grantee and role, and the folded policies to be written or attached.

    ``shrunk``: those from which a role was taken, by grantee and role.
    """

    carriers: Mapping[tuple[Entity, str], str]
    folded: Mapping[Entity, tuple[Folded, ...]]
    refused: Mapping[tuple[Entity, str], LimitExceeded]
    shrunk: Mapping[tuple[Entity, str], frozenset[str]] = field(default_factory=dict)

    @property
    def problems(self) -> tuple[LimitExceeded, ...]:
        """One error for each grantee whose places are not enough."""
        return tuple({id(error): error for error in self.refused.values()}.values())


def allocate(holdings: Mapping[Entity, Holding], wishes: Mapping[Entity, Sequence[Wish]]) -> Allocation:
    """The policy that carries each wish. What has no place is in ``refused``, with an error that names its grantee."""
    carriers: dict[tuple[Entity, str], str] = {}
    folded: dict[Entity, tuple[Folded, ...]] = {}
    refused: dict[tuple[Entity, str], LimitExceeded] = {}
    shrunk: dict[tuple[Entity, str], frozenset[str]] = {}
    for entity, wanted in wishes.items():
        places = _Places(entity, holdings[entity])
        left = places.carry(sorted(wanted, key=lambda wish: wish.role))
        carriers |= {(entity, role): policy for role, policy in places.carriers.items()}
        shrunk |= {(entity, role): frozenset(names) for role, names in places.shrunk.items()}
        if places.changed:
            folded[entity] = places.changed
        if left:
            error = _full(entity, holdings[entity], left)
            refused |= {(entity, wish.role): error for wish in left}
    return Allocation(carriers, folded, refused, shrunk)


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
        self.shrunk: dict[str, set[str]] = {}

    def _order(self, folded: Folded) -> tuple[bool, int]:
        number = folded_policy_number(self._kind, self._name, folded.name) or 0
        return folded.name not in self._holding.attached, number

    @property
    def _free(self) -> int:
        return CUSTOM_POLICIES_PER_ENTITY - len(self._attached)

    @property
    def changed(self) -> tuple[Folded, ...]:
        """Folded policies that must be written or attached, as they shall be then."""
        used = {*self.carriers.values()}.union(*self.shrunk.values())
        return tuple(
            one
            for name, one in self._folded.items()
            if name in used and (self._before.get(name) != one or name not in self._holding.attached)
        )

    def carry(self, wishes: Sequence[Wish]) -> list[Wish]:
        """Give each wish its policy by the rule of this module; returns those without a place."""
        refused = self._place([wish for wish in wishes if not wish.ended])
        for wish in wishes:
            if (wish.end or wish.ended) and wish not in refused:
                self._shrink(wish)
        return refused

    def _place(self, wishes: Sequence[Wish]) -> list[Wish]:
        left = [wish for wish in wishes if not self._held(wish)]
        refused = [wish for wish in left if not wish.folds and not self._own(wish, keep=0)]
        left = [wish for wish in left if wish.folds and not self._completed(wish)]
        refused += [wish for wish in left if wish.end and not self._fold(wish)]
        left = [wish for wish in left if not wish.end]
        if len(left) < self._free:
            return refused + [wish for wish in left if not self._own(wish, keep=1)]
        return refused + [wish for wish in left if not self._fold(wish)]

    def _shrink(self, wish: Wish) -> None:
        """Take the role out of the folded policies that are not to give it."""
        key, value = MANAGED_TAG
        for name, folded in self._folded.items():
            ours = folded.policy is not None and folded.tags.get(key) == value
            if ours and name != self.carriers.get(wish.role) and folded.names(wish.passes):
                self._folded[name] = folded.without(wish.passes)
                self.shrunk.setdefault(wish.role, set()).add(name)

    def _held(self, wish: Wish) -> bool:
        """What is attached and gives the grant."""
        if wish.policy in self._holding.attached and not wish.end:
            self.carriers[wish.role] = wish.policy
            return True
        for name, folded in self._folded.items():
            if wish.folds and name in self._holding.attached and folded.holds(wish):
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
        known = folded.arns if folded.ending else folded.passes
        added = sum(len(arn) for arn in wish.passes if arn not in known)
        if self._sizes.get(name, 0) + added > POLICY_DOCUMENT_CHARACTERS:
            return False  # for certain; what an exact answer costs is spent only where it may fit
        more = folded.granting(wish)
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

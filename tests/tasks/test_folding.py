"""Which policy carries PassRole on each of many roles, within the ten custom policies of a user, group or role."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cloud.ram import CustomPolicy
from config.limits import CUSTOM_POLICIES_PER_ENTITY, POLICY_DOCUMENT_CHARACTERS
from config.names import folded_policy_name, folded_policy_number, is_folded_policy, role_arns
from policy import PolicyKind, minified, parse_policy
from tasks.folding import Allocation, Folded, Holding, Wish, allocate, read_folded
from tasks.role_group import Entity
from tests.tasks.grantees import ACCOUNT, CAROL, CAROLS_FOLDED, DI, OSS, PLATFORM
from tests.tasks.onboarding import ALLOW_USE
from tests.tasks.starting_states import document

# -- the rule ------------------------------------------------------------------------------------------


def wish(number: int, *services: str, folds: bool = True, length: int = 0) -> Wish:
    """The grant on one of many roles."""
    name = f"Role-{number:04}" + "x" * length
    arns = role_arns(ACCOUNT, name)
    return Wish(name, f"{name}AllowUse", dict.fromkeys(arns, frozenset(services or (OSS, DI))), folds)


def wishes(count: int) -> list[Wish]:
    """That many of them."""
    return [wish(number) for number in range(count)]


def foreign(count: int) -> frozenset[str]:
    """Names of policies that somebody else attached."""
    return frozenset(f"Foreign-{number}" for number in range(count))


def applied(holding: Holding, entity: Entity, allocation: Allocation) -> Holding:
    """The holding after the allocation has been carried out."""
    written = {one.name: _written(one) for one in allocation.folded.get(entity, ())}
    attached = {name for (holder, _), name in allocation.carriers.items() if holder == entity}
    kept = {one.name: one for one in holding.folded}
    return Holding(holding.attached | attached, tuple({**kept, **written}.values()))


def _written(one: Folded) -> Folded:
    """A folded policy as reading it again gives it."""
    return read_folded(CustomPolicy(one.name, minified(one.document()), "v1", 0.0), {})


def carriers(holding: Holding, wanted: Sequence[Wish]) -> dict[str, str]:
    """Carol's policies by role."""
    allocation = allocate({CAROL: holding}, {CAROL: wanted})
    assert not allocation.refused
    return {role: name for (_, role), name in allocation.carriers.items()}


@pytest.mark.parametrize("present", range(9))
def test_a_role_gets_a_policy_of_its_own_while_a_place_stays_free(present: int) -> None:
    assert carriers(Holding(foreign(present)), [wish(1)]) == {"Role-0001": "Role-0001AllowUse"}


def test_the_tenth_place_is_a_folded_policy_that_later_roles_extend() -> None:
    holding = Holding(foreign(9))
    for number in range(5):
        allocation = allocate({CAROL: holding}, {CAROL: [wish(number)]})
        assert [*allocation.carriers.values()] == [CAROLS_FOLDED]
        holding = applied(holding, CAROL, allocation)
    assert len(holding.attached) == CUSTOM_POLICIES_PER_ENTITY
    assert [len(one.passes) for one in holding.folded] == [10]


@pytest.mark.parametrize(("count", "policies"), [(1, 1), (9, 9), (10, 1), (11, 1), (50, 1), (200, 5)])
def test_many_roles_at_once_are_all_folded_when_they_do_not_all_get_their_own(
    count: int, policies: int
) -> None:
    held = carriers(Holding(frozenset()), wishes(count))
    assert len(held) == count
    assert len({*held.values()}) <= policies
    assert all(map(is_folded_policy, held.values())) is (count > 9)


def test_what_is_covered_stays_as_it_is() -> None:
    own = Holding(foreign(8) | {"Role-0001AllowUse"})
    assert carriers(own, [wish(1)]) == {"Role-0001": "Role-0001AllowUse"}
    folded = _written(Folded(CAROLS_FOLDED).adding(wish(1).passes))
    half_empty = Holding(frozenset({CAROLS_FOLDED}), (folded,))
    assert carriers(half_empty, [wish(1), wish(2)]) == {
        "Role-0001": CAROLS_FOLDED,
        "Role-0002": "Role-0002AllowUse",
    }
    assert not allocate({CAROL: half_empty}, {CAROL: [wish(1)]}).folded


def test_a_role_that_a_folded_policy_gives_to_fewer_services_is_completed_there() -> None:
    folded = _written(Folded(CAROLS_FOLDED).adding(wish(1, OSS).passes).adding(wish(2, OSS).passes))
    holding = Holding(frozenset({CAROLS_FOLDED}), (folded,))
    allocation = allocate({CAROL: holding}, {CAROL: [wish(1, DI)]})
    (after,) = allocation.folded[CAROL]
    assert after.covers(wish(1, OSS, DI).passes)
    assert after.covers(wish(2, OSS).passes)
    assert not after.covers(wish(2, DI).passes)
    assert len(after.document().statements) == 2


def test_an_interrupted_run_s_folded_policy_is_attached_and_not_made_twice() -> None:
    folded = _written(Folded(CAROLS_FOLDED).adding(wish(1).passes))
    allocation = allocate({CAROL: Holding(foreign(9), (folded,))}, {CAROL: [wish(1)]})
    assert [one.name for one in allocation.folded[CAROL]] == [CAROLS_FOLDED]
    assert allocation.folded[CAROL] == (folded,)


def test_without_a_place_the_refusal_names_the_grantee_and_how_many_roles_do_not_fit() -> None:
    allocation = allocate(
        {CAROL: Holding(foreign(10)), PLATFORM: Holding(foreign(9))}, {CAROL: wishes(3), PLATFORM: wishes(3)}
    )
    (problem,) = allocation.problems
    assert problem.subject == "user carol"
    assert (
        problem.what
        == "10 custom policies are attached to it, the limit is 10: PassRole on 3 roles finds no place"
    )
    assert "detach" in problem.remedy
    assert len([one for one in allocation.carriers if one[0] == PLATFORM]) == 3


def test_ten_folded_policies_hold_hundreds_of_roles_and_what_is_over_is_counted() -> None:
    allocation = allocate({CAROL: Holding(frozenset())}, {CAROL: wishes(1000)})
    held = len(allocation.carriers)
    assert held > 400
    assert f"PassRole on {1000 - held} roles finds no place" in allocation.problems[0].what
    assert len({*allocation.carriers.values()}) == CUSTOM_POLICIES_PER_ENTITY


def test_a_grant_on_every_role_is_never_folded() -> None:
    broad = wish(1, folds=False)
    assert carriers(Holding(foreign(9)), [broad]) == {"Role-0001": "Role-0001AllowUse"}
    assert allocate({CAROL: Holding(foreign(10))}, {CAROL: [broad]}).refused


def test_a_folded_policy_that_cannot_be_read_is_left_alone() -> None:
    broken = read_folded(CustomPolicy(CAROLS_FOLDED, "{", "v1", 0.0), {})
    held = carriers(Holding(foreign(8) | {CAROLS_FOLDED}, (broken,)), wishes(2))
    assert {*held.values()} == {folded_policy_name("user", "carol", 2)}


def test_what_others_wrote_into_a_folded_policy_stays() -> None:
    other = parse_policy(document("oss:GetObject"), PolicyKind.IDENTITY)
    one = read_folded(CustomPolicy(CAROLS_FOLDED, minified(other), "v1", 0.0), {})
    after = _written(one.adding(wish(1).passes))
    assert after.rest == other.statements
    assert after.covers(wish(1).passes)


@st.composite
def scenes(draw: st.DrawFn) -> tuple[Holding, list[Wish]]:
    """A grantee in any state, and roles of any services and lengths."""
    services = st.sets(st.sampled_from((OSS, DI, "hologres.dataworks.aliyuncs.com")), min_size=1)
    count = draw(st.sampled_from((1, 2, 9, 10, 11, 60, 300)))
    length = draw(st.sampled_from((0, 20, 55)))
    few = [tuple(draw(services)) for _ in range(3)]
    wanted = [wish(n, *few[n % 3], length=length, folds=n % 50 != 7) for n in range(count)]
    holding = Holding(foreign(draw(st.integers(0, 10))))
    before = draw(st.integers(0, 3))
    if before:
        earlier = allocate({CAROL: holding}, {CAROL: [wish(n * 3, OSS) for n in range(before * 4)]})
        holding = applied(holding, CAROL, earlier)
        gone = draw(st.sets(st.sampled_from(sorted(holding.attached) or ["none"]), max_size=4))
        holding = Holding(holding.attached - gone, holding.folded)
    return holding, wanted


@settings(max_examples=40, deadline=None)
@given(scenes(), st.randoms())
def test_whatever_the_grantee_holds_the_limits_are_kept_and_everything_is_covered_or_refused(
    scene: tuple[Holding, list[Wish]], random: Any
) -> None:
    holding, wanted = scene
    allocation = allocate({CAROL: holding}, {CAROL: wanted})
    after = applied(holding, CAROL, allocation)
    assert len(after.attached) <= max(CUSTOM_POLICIES_PER_ENTITY, len(holding.attached))
    assert holding.attached <= after.attached
    folded = {one.name: one for one in after.folded}
    for one in after.folded:
        assert len(minified(one.document())) <= POLICY_DOCUMENT_CHARACTERS
        assert folded_policy_number("user", "carol", one.name)
    for each in wanted:
        carrier = allocation.carriers.get((CAROL, each.role))
        assert (carrier is None) == ((CAROL, each.role) in allocation.refused)
        if carrier is not None:
            assert carrier in after.attached
            assert carrier == each.policy or folded[carrier].covers(each.passes)
    for one in holding.folded:
        assert folded[one.name].covers(one.passes)
    shuffled = random.sample(wanted, len(wanted))
    other = allocate({CAROL: holding}, {CAROL: shuffled})
    assert (other.carriers, other.folded) == (allocation.carriers, allocation.folded)
    assert {*other.refused} == {*allocation.refused}
    again = allocate({CAROL: after}, {CAROL: wanted})
    assert not again.folded
    assert {*again.carriers} == {*allocation.carriers}
    assert {*again.refused} == {*allocation.refused}


# -- names ---------------------------------------------------------------------------------------------


def names(kind: str, grantees: Sequence[str]) -> Iterator[str]:
    yield from (folded_policy_name(kind, grantee, number) for grantee in grantees for number in (1, 2, 10))


def test_names_of_folded_policies_are_valid_and_never_meet() -> None:
    grantees = ["a", "a-b", "a.b", "a_b", "A.b", "x" * 64, "." * 64, "a-AllowUse-1", "a-b-12345678"]
    every = [name for kind in ("user", "group", "role") for name in names(kind, grantees)]
    assert len({name.lower() for name in every}) == len(every)
    assert all(len(name) <= 128 and is_folded_policy(name) for name in every)
    for grantee in grantees:
        mine = {*names("user", [grantee])}
        assert {name for name in every if folded_policy_number("user", grantee, name)} == mine


@pytest.mark.parametrize(
    "name",
    [
        ALLOW_USE,
        "DataWorks-user-carol-AllowUse-",
        "DataWorks-user-carol-AllowUse-01",
        "Other",
        "DataWorks-user-carolAllowUse",
    ],
)
def test_other_policies_are_not_taken_for_folded_ones(name: str) -> None:
    assert not is_folded_policy(name)
    assert folded_policy_number("user", "carol", name) is None

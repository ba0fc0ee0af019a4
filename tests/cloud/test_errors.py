"""Errors say what happened, on which object, who can fix it and how, and survive the way through Prefect."""

from __future__ import annotations

import inspect
import pickle

import pytest

from cloud import errors
from cloud.errors import CallError, OnboardingError
from config.personas import Persona

KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, OnboardingError)]


def test_an_error_says_what_on_which_object_who_and_how() -> None:
    error = errors.PermissionDenied(
        "carol may not pass the role",
        subject="data source oss_src",
        persona=Persona.ADMINISTRATOR,
        remedy="add carol to the grantees.",
        code="NoPermission",
        request_id="REQ-1",
    )
    assert str(error) == (
        "data source oss_src: carol may not pass the role. The administrator can fix it: add carol to the grantees. "
        "(code NoPermission, request id REQ-1)"
    )


def test_what_is_not_known_leaves_no_hole_in_the_sentence() -> None:
    assert str(OnboardingError("it failed.")) == "it failed."
    assert str(OnboardingError("it failed", remedy="wait")) == "it failed. To fix it: wait."


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_every_error_survives_pickling_with_all_its_fields(kind: type[OnboardingError]) -> None:
    fields = {
        "subject": "role r",
        "persona": Persona.CREATOR,
        "remedy": "do it",
        "request_id": "R",
        "code": "C",
    }
    error = kind("what", **fields)  # type: ignore[arg-type]  # one dictionary for fields of several types
    if isinstance(error, CallError):
        error.retry_after, error.denied, error.status = 1.5, {"AuthAction": "ram:PassRole"}, 403
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301  # made two words before
    assert type(copy) is kind
    assert vars(copy) == vars(error)
    assert (str(copy), copy.args) == (str(error), error.args)


def test_the_tree_in_the_docstring_is_the_tree_of_the_classes() -> None:
    drawn: list[tuple[str, int]] = []
    for line in (errors.__doc__ or "").splitlines():
        bare = line.lstrip(" │├└─")
        name = bare.split()[0] if bare.split() else ""
        if name in {kind.__name__ for kind in KINDS}:
            drawn.append((name, (len(line) - len(bare)) // 4))
    above: dict[int, str] = {}
    parents = {}
    for name, depth in drawn:
        parents[name] = above.get(depth - 1, "Exception")
        above[depth] = name
    assert parents == {kind.__name__: kind.__base__.__name__ for kind in KINDS if kind.__base__}

"""Whole files under random trouble: each row is told as it is, no row harms another, and the next run finishes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict

import pytest

from benchmarks.rows import make_rows
from config.spec import DataSourceSpec
from emulator.server import RunningCloud
from tests.campaign.drawing import seeds
from tests.campaign.files import prove, troubles_of, wanted_of
from tests.campaign.invariants import Wanted
from tests.flows.files import served, specs_of

Record = Callable[[str, object], None]


class File:
    """A file, the cloud in which it can be onboarded, and what it leaves behind there."""

    def __init__(self, local: RunningCloud, specs: list[DataSourceSpec]) -> None:
        self.local = local
        self.specs = specs
        self.goal: Wanted = wanted_of(local, specs)


@pytest.fixture(scope="module")
def file() -> Iterator[File]:
    rows = make_rows(8, roles=2)
    with served(rows) as local:
        yield File(local, specs_of(rows))


def _prove(file: File, seed: int, *, killed: bool, record: Record) -> None:
    troubles = troubles_of(seed, killed=killed)
    print(f"seed {seed}:", *troubles, sep="\n  ")  # noqa: T201  # pytest shows it when the case fails
    figures = prove(file.local, file.specs, file.goal, troubles, seed)
    record("campaign", {"kind": "file killed" if killed else "file", **asdict(figures)})


@pytest.mark.parametrize("seed", seeds(2, 0.3))
def test_a_file_under_random_faults(file: File, seed: int, record_property: Record) -> None:
    _prove(file, seed, killed=False, record=record_property)


@pytest.mark.parametrize("seed", seeds(1, 0.2))
def test_a_file_that_is_killed_at_random(file: File, seed: int, record_property: Record) -> None:
    _prove(file, seed, killed=True, record=record_property)

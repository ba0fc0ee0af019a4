"""Readers and writers, one module a type, found by looking: a new type is a new file in this folder.

A module offers ``TYPE`` (the stepType) and the functions ``read``, ``write`` and ``look`` (the look that a connectivity
test takes), any of which may be missing.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from importlib import import_module
from typing import Any

from emulator.dataplane.errors import NotBuilt
from emulator.dataplane.steps.base import Look, Row, StepRun

Read = Callable[[StepRun], Iterator[Row]]
Write = Callable[[StepRun, Iterable[Row]], int]


@lru_cache(maxsize=1)
def _modules() -> dict[str, Any]:
    modules = (import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__))
    return {module.TYPE: module for module in modules if hasattr(module, "TYPE")}


def reader_of(step_type: str) -> Read:
    """The reader of a type. Raises :class:`NotBuilt` by name."""
    read: Read | None = getattr(_modules().get(step_type), "read", None)
    if read is None:
        raise NotBuilt(f"reading from {step_type}; it reads from {_able('read')}")
    return read


def writer_of(step_type: str) -> Write:
    """The writer of a type. Raises :class:`NotBuilt` by name."""
    write: Write | None = getattr(_modules().get(step_type), "write", None)
    if write is None:
        raise NotBuilt(f"writing to {step_type}; it writes to {_able('write')}")
    return write


def look_of(source_type: str) -> Look | None:
    """How a type looks at its source, None where RAM has no say in it."""
    look: Look | None = getattr(_modules().get(source_type), "look", None)
    return look


def _able(what: str) -> str:
    return ", ".join(sorted(name for name, module in _modules().items() if hasattr(module, what)))

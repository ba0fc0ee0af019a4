"""The source types: one module of this folder each. A new type is a new file and nothing else.

A module of a type exposes ``SOURCE_TYPE``, an instance of ``config.sources.base.SourceType``.
"""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from config.sources.base import SourceType


@cache
def source_types() -> Mapping[str, SourceType]:
    """Every source type by its name in a specification, in alphabetical order."""
    found: dict[str, SourceType] = {}
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda module: module.name):
        source_type = getattr(import_module(f"{__name__}.{module.name}"), "SOURCE_TYPE", None)
        if source_type is not None:
            found[source_type.name] = source_type
    return MappingProxyType(found)


def get_source_type(name: str) -> SourceType:
    """The source type of this name; raise ``ValueError`` naming the known ones otherwise."""
    try:
        return source_types()[name]
    except KeyError:
        known = ", ".join(source_types())
        raise ValueError(f"unknown source type {name!r}; known are: {known}") from None

"""The names of all actions of the three APIs: what is known but not built is refused by name.

``known_actions.txt`` lists them; a test compares it with the installed SDKs.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path


@lru_cache(maxsize=1)
def known_actions() -> frozenset[tuple[str, str]]:
    """Pairs of product (``ram``, ``sts``, ``dataworks``) and action."""
    lines = Path(__file__).with_suffix(".txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.split() for line in lines if line and not line.startswith("#"))
    return frozenset((product, action) for product, action in pairs)


def is_known(product: str, action: str) -> bool:
    """Whether the API has such an action."""
    return (product, action) in known_actions()

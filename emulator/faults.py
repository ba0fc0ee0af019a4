"""Faults on demand: ordered rules, first match wins.

A rule says which calls it meets (``product``, ``action``), when (``before`` the action, or ``after`` it: the state
has changed and the answer is lost), how many matching calls it lets pass first (``skip``), how often it strikes
(``times``), how likely (``probability``, from a seeded generator), and what happens: an error answer
(``status``, ``code``, ``message``, ``headers``), a raw ``body`` of a ``content_type``, a ``delay`` in seconds, or a broken
connection (``effect``: ``reset``, ``close`` or ``truncate``). For example, a role that is created but whose answer is lost::

    {"action": "CreateRole", "when": "after", "effect": "reset", "times": 1}
"""

from __future__ import annotations

import random
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Fault(BaseModel):
    """One rule."""

    model_config = ConfigDict(extra="forbid")

    product: Literal["ram", "sts", "dataworks"] | None = None
    action: str | None = None
    when: Literal["before", "after"] = "before"
    skip: Annotated[int, Field(ge=0)] = 0
    times: Annotated[int, Field(ge=0)] | None = 1
    probability: Annotated[float, Field(ge=0, le=1)] = 1.0
    status: Annotated[int, Field(ge=200, le=599)] | None = None
    code: str | None = None
    message: str | None = None
    headers: dict[str, str] = {}
    body: str | None = None
    content_type: str = "text/html"
    delay: Annotated[float, Field(ge=0)] = 0
    effect: Literal["reset", "close", "truncate"] | None = None
    hits: int = 0

    def matches(self, product: str, action: str) -> bool:
        """Whether the rule speaks of this action."""
        return self.product in (None, product) and self.action in (None, "*", action)


class Faults:
    """The ordered rules and their seeded chance."""

    def __init__(self, seed: int = 1) -> None:
        self.rules: list[Fault] = []
        self._random = random.Random(seed)

    def strike(self, product: str, action: str, when: Literal["before", "after"]) -> Fault | None:
        """The rule that meets this call now, counted; or None."""
        for rule in self.rules:
            if rule.when != when or not rule.matches(product, action):
                continue
            if rule.skip > 0:
                rule.skip -= 1
                return None
            if rule.times is not None and rule.hits >= rule.times:
                continue
            if rule.probability < 1 and self._random.random() >= rule.probability:
                continue
            rule.hits += 1
            return rule
        return None

"""What can go wrong, drawn from a seed: fault rules, late lists and rights, sessions that end, processes that are gone."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

SCALE = int(os.environ.get("CAMPAIGN_RUNS", "0"))
"""How many single onboardings a long campaign makes; 0: the short one of the whole test suite."""
FIRST = int(os.environ.get("CAMPAIGN_SEED", "0"))
"""The first seed; another one makes another campaign."""
READ_TIMEOUT, SLOW = 0.5, 0.8
"""Seconds of silence that a client bears, and of a slow answer: these pass for real."""

Rule = Mapping[str, Any]
Draw = random.Random

ACTIONS = (
    "AssumeRole", "GetCallerIdentity", "GetRole", "CreateRole", "GetPolicy", "GetPolicyVersion", "CreatePolicy",
    "AttachPolicyToRole", "AttachPolicyToUser", "AttachPolicyToGroup", "ListPoliciesForRole", "ListPolicies",
    "ListEntitiesForPolicy", "ListTagResources", "GetProject", "ListResourceGroups", "ListDataSources", "CreateDataSource",
    "TestNetworkConnection", "CreateBusiness", "ListBusiness", "CreateFolder", "GetFolder", "CreateDISyncTask", "ListFiles",
    "GetFile", "UpdateFile", "SubmitFile", "DeployFile", "GetDeployment", "ListDeployments", "GetNode", "ListNodes",
    "RunSmokeTest", "RunCycleDagNodes", "ListInstances", "GetInstance", "GetInstanceLog", "GetDag",
)  # fmt: skip


def _often(draw: Draw) -> dict[str, Any]:
    """A few strikes for certain, or many by chance."""
    if draw.random() < 0.5:
        return {"times": draw.randint(1, 4)}
    return {"times": draw.randint(5, 40), "probability": draw.choice((0.1, 0.2, 0.4))}


KINDS: Mapping[str, Callable[[Draw], dict[str, Any]]] = {
    "throttled": lambda draw: {"status": draw.choice((400, 429)), "code": "Throttling.User", **_often(draw)},
    "asked to wait": lambda draw: {
        "status": 429, "code": "Throttling.Api", "headers": {"x-acs-retry-after": "2"}, **_often(draw),
    },
    "failing": lambda draw: {
        "status": draw.choice((500, 503)),
        "code": draw.choice(("ServiceUnavailable", "InternalError")),
        **_often(draw),
    },
    "a proxy's page": lambda draw: {
        "status": draw.choice((200, 502, 504)),
        "body": "<html><body>Bad gateway</body></html>",
        "when": draw.choice(("before", "after")),
        **_often(draw),
    },
    "cut before": lambda draw: {"effect": draw.choice(("reset", "close")), **_often(draw)},
    "answer lost": lambda draw: {"when": "after", "effect": draw.choice(("reset", "close")), **_often(draw)},
    "answer torn": lambda draw: {"when": "after", "effect": "truncate", **_often(draw)},
    "failed after the fact": lambda draw: {
        "when": "after", "status": 500, "code": "InternalError.System", **_often(draw),
    },
    "slow answer": lambda draw: {"when": draw.choice(("before", "after")), "delay": SLOW, "times": 1},
    "refused": lambda draw: {
        "status": 403, "code": draw.choice(("NoPermission", "Forbidden.Access")), "times": draw.randint(1, 2),
    },
    "session refused": lambda draw: {"status": 403, "code": "InvalidSecurityToken.Expired", "times": draw.randint(1, 2)},
    "outage": lambda draw: {"status": 503, "code": "ServiceUnavailable", "times": None, "skip": draw.randint(1, 80)},
}  # fmt: skip
"""Kinds of fault rules; each meets one action, a product, or every call."""

LATE: Mapping[str, Callable[[Draw], float]] = {
    "list_lag_seconds": lambda draw: draw.randint(1, 60),
    "authorization_lag_seconds": lambda draw: draw.randint(1, 100),
    "instance_list_empty_polls": lambda draw: draw.randint(1, 3),
    "deployment_steps": lambda draw: draw.randint(1, 6),
    "instance_steps": lambda draw: draw.randint(1, 6),
}
"""Settings of the local cloud by which lists, rights and states come late."""


@dataclass(frozen=True)
class Trouble:
    """Everything that goes wrong in one run. ``cut`` and ``jump`` count calls: then the process is gone, or hours pass."""

    rules: tuple[tuple[str, Rule], ...] = ()
    late: Mapping[str, float] = field(default_factory=dict)
    cut: int | None = None
    jump: int | None = None

    @property
    def slow(self) -> bool:
        """Whether an answer is slower than the client waits."""
        return any(rule.get("delay") for _, rule in self.rules)

    def smaller(self) -> list[Trouble]:
        """The same with one thing less."""
        found = [
            Trouble(self.rules[:at] + self.rules[at + 1 :], self.late, self.cut, self.jump)
            for at in range(len(self.rules))
        ]
        for name in self.late:
            rest = {key: value for key, value in self.late.items() if key != name}
            found.append(Trouble(self.rules, rest, self.cut, self.jump))
        if self.cut is not None:
            found.append(Trouble(self.rules, self.late, None, self.jump))
        if self.jump is not None:
            found.append(Trouble(self.rules, self.late, self.cut, None))
        return found

    def __str__(self) -> str:
        return str(asdict(self))


def draw_rule(draw: Draw, patience: int = 1) -> tuple[str, Rule]:
    """A fault rule with the name of its kind; ``patience`` multiplies how many calls it lets pass first."""
    kind = draw.choice(sorted(KINDS))
    rule = KINDS[kind](draw)
    aim = draw.random()
    if aim < 0.6:
        rule["action"] = draw.choice(ACTIONS)
        rule.setdefault("skip", draw.choice((0, 0, 0, 1, 2)) * patience)
    else:
        if aim < 0.8:
            rule["product"] = draw.choice(("ram", "dataworks", "dataworks", "sts"))
        rule.setdefault("skip", draw.randint(0, 60) * patience)
    return kind, rule


def draw_trouble(draw: Draw, *, patience: int = 1, cut_below: int = 0, jumps: bool = False) -> Trouble:
    """One to four rules; sometimes something late, hours that pass, and, with ``cut_below``, the end of the process."""
    rules = tuple(draw_rule(draw, patience) for _ in range(draw.choice((1, 1, 2, 3, 4))))
    late = {name: LATE[name](draw) for name in sorted(LATE) if draw.random() < 0.12}
    cut = draw.randrange(5, cut_below) if cut_below else None
    if cut is not None and draw.random() < 0.6:
        rules = ()
    jump = draw.randrange(5, 90) if jumps and draw.random() < 0.4 else None
    return Trouble(rules, late, cut, jump)


def seeds(short: int, share: float) -> range:
    """The seeds of one kind of run: ``short`` of them, or its share of the long campaign."""
    return range(FIRST, FIRST + (max(1, round(SCALE * share)) if SCALE else short))

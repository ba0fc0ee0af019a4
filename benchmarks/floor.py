"""The least time in which a run can end: what the published rates and the longest chain of one row allow.

Derived in ``docs/performance.md``. The necessary calls of a rate group that allows ``n`` in a window need
``ceil(calls / n) - 1`` windows from the first to the last of them. Before the first call of the group, and behind its
last one, a row has other things to wait for; these are added.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.cloud import DEPLOYMENT_SECONDS, INSTANCE_STATES, LATENCY_SECONDS, STATE_SECONDS
from config.limits import DATAWORKS, RAM, Edition, rate_group, rate_limit

_ONCE_FOR_A_ROLE = ("CreatePolicy", "CreateRole", "AttachPolicyToRole")
# One policy may hold the grants of many roles, so that no more than one attachment a grantee is necessary.
_ONCE_FOR_A_GRANTEE = ("CreatePolicy", "AttachPolicyToGroup")
# CreateDataSource needs the role and its creator's PassRole: CreatePolicy, then AttachPolicyToGroup, with CreateRole and
# its policy beside them.
_LINKS_BEFORE = 2


@dataclass(frozen=True)
class Floor:
    """A lower bound, in seconds.

    ``by_group``: what the necessary calls of each rate group take at least. ``chain``: the slowest row alone, from the
    first call to the answer of its last. ``seconds``: the bound of the whole run. ``calls``: necessary calls by rate
    group.
    """

    by_group: Mapping[str, float]
    chain: float
    seconds: float
    calls: Mapping[str, int]

    @property
    def busiest(self) -> str:
        """The rate group that bounds the run."""
        return max(self.by_group, key=lambda group: self.by_group[group])


def necessary_calls(rows: Sequence[Mapping[str, Any]]) -> Counter[tuple[str, str]]:
    """The writes without which fresh rows cannot be onboarded, by product and action.

    Reads are left out: how many are needed depends on how they are shared, and a bound must not count what another
    program could do without.
    """
    calls: Counter[tuple[str, str]] = Counter()
    roles = {row["role"]["name"] for row in rows}
    grantees = {name for row in rows for name in row["grantees"].get("groups", ())}
    for action in _ONCE_FOR_A_ROLE:
        calls[RAM, action] += len(roles)
    for action in _ONCE_FOR_A_GRANTEE:
        calls[RAM, action] += len(grantees)
    for row in rows:
        for action in _writes_of(row):
            calls[DATAWORKS, action] += 1
    return calls


def _writes_of(row: Mapping[str, Any]) -> list[str]:
    """A row's own writes in their order; a standard workspace has two data sources, DeployFile and two runs."""
    environments, groups = len(row["environments"]), len(row["resource_groups"])
    standard = environments > 1
    writes = ["CreateDataSource"] * environments + ["TestNetworkConnection"] * (environments * groups)
    if row.get("sync_task"):
        writes += ["CreateDISyncTask", "UpdateFile", "SubmitFile", *(["DeployFile"] if standard else [])]
        if row["sync_task"].get("run", True):
            writes += [*(["RunSmokeTest"] if standard else []), "RunCycleDagNodes"]
    return writes


def floor_seconds(
    rows: Sequence[Mapping[str, Any]],
    edition: Edition = Edition.ENTERPRISE,
    latency: float = LATENCY_SECONDS,
    *,
    deployment: float = DEPLOYMENT_SECONDS,
    run: float = INSTANCE_STATES * STATE_SECONDS,
) -> Floor:
    """The floor of onboarding fresh rows.

    ``latency`` is the way to the service and back, ``deployment`` and ``run`` how long these take there; all in seconds.
    """
    necessary = necessary_calls(rows)
    calls: Counter[str] = Counter()
    for (product, action), count in necessary.items():
        calls[rate_group(product, action, edition)] += count
    by_group: dict[str, float] = {}
    for product, action in necessary:
        group, limit = rate_group(product, action, edition), rate_limit(product, action, edition)
        # A window's calls may all come at its beginning, so that the last window takes no time.
        by_group[group] = (math.ceil(calls[group] / limit.calls) - 1) * limit.seconds
    waits = {"SubmitFile": deployment, "DeployFile": deployment, "RunSmokeTest": run, "RunCycleDagNodes": run}
    before = _LINKS_BEFORE * latency
    behind = min(latency + waits.get(_writes_of(row)[-1], 0.0) for row in rows)
    bounds = [
        seconds + (before + behind if group.startswith(DATAWORKS) else 0.0)
        for group, seconds in by_group.items()
    ]
    chain = max(before + _chain(row, latency, waits) for row in rows)
    return Floor(by_group, chain, max(*bounds, chain), dict(calls))


def _chain(row: Mapping[str, Any], latency: float, waits: Mapping[str, float]) -> float:
    """A row's own writes one after another; those of several environments or resource groups go side by side.

    A call that starts something costs as long as that takes, and one latency more: the look that sees the end.
    """
    sequence = [action for action in dict.fromkeys(_writes_of(row)) if action != "RunSmokeTest"]
    return sum(latency + waits.get(action, 0.0) for action in sequence)

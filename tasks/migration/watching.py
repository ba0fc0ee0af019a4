"""Watch (executor): the next runs of the sync tasks that use a data source, in production, after it was switched.

Only runs that began after the switch count. One listing of the workspace's newest instances serves all data sources.
Any failure counts: whether it is the role's fault is for a person to say, and until then the old way is back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from cloud.dataworks.runs import Instance, instance_log, newest_instances
from cloud.errors import RunFailed
from cloud.gate import Gate
from config.personas import Persona
from config.run_failures import classify, last_error
from tasks.migration.item import Item, Watched
from tasks.options import announce

_PROD = "PROD"
_PAGES = 20
# The scheduler makes the instances of a day in the night before.
_MADE_BEFORE_SECONDS = 2 * 86_400


@dataclass(frozen=True)
class Verdict:
    """What watching has shown of one data source: enough good runs, a failed one, or neither in time."""

    item: Item
    failure: RunFailed | None = None
    waiting: str = ""


def tasks_of(item: Item) -> dict[int, str]:
    """The deployed sync tasks that use it: names by node."""
    return {one.node: one.name for one in item.found.usages if one.node and not one.realtime}


def watch(gate: Gate, items: Sequence[Item], runs: int, settle: Callable[[Verdict], None]) -> None:
    """Look until each data source has ``runs`` good runs, or a failed one, or ``settings.watch_timeout`` has passed.

    ``settle`` is called once for each as soon as it is decided: what has failed is put back while others go on.
    Data sources of one workspace. Raises a call's error.
    """
    open_items = {item.name: item for item in items}

    def decide(verdict: Verdict) -> None:
        del open_items[verdict.item.name]
        settle(verdict)

    for item in items:
        if runs < 1 or not tasks_of(item):
            decide(Verdict(item))
    started = gate.clock.now()
    pause = gate.settings.poll_interval_initial
    while open_items:
        for verdict in _look(gate, list(open_items.values()), runs):
            decide(verdict)
        waited = gate.clock.now() - started
        if open_items and waited >= gate.settings.watch_timeout:
            for item in list(open_items.values()):
                seen = f"{len(item.watched)} of {runs} runs seen in {waited:.0f} s"
                decide(Verdict(item, waiting=seen))
        if open_items:
            announce(f"watch: {len(open_items)} data sources wait for runs ({waited:.0f} s)")
            gate.clock.sleep(min(pause, max(0.0, gate.settings.watch_timeout - waited)))
            pause = min(pause * 1.5, gate.settings.watch_interval_maximum)


def _look(gate: Gate, items: Sequence[Item], runs: int) -> Iterable[Verdict]:
    """The verdicts that the newest instances allow."""
    nodes = {node: item for item in items for node in tasks_of(item)}
    since = min(_since(item) for item in items)
    found: dict[str, list[Instance]] = {item.name: [] for item in items}
    for instance in newest_instances(gate, items[0].workspace, _PROD, _PAGES):
        if instance.created_ms < (since - _MADE_BEFORE_SECONDS) * 1000:
            break
        owner = nodes.get(instance.node)
        if owner is not None and _counts(owner, instance):
            found[owner.name].append(instance)
    for item in items:
        for instance in sorted(found[item.name], key=lambda one: one.began_running_ms or 0):
            if any(one.instance == instance.id for one in item.watched):
                continue
            failure = _judge(gate, item, instance)
            if failure is not None:
                yield Verdict(item, failure)
                break
            if len(item.watched) >= runs:
                yield Verdict(item)
                break


def _since(item: Item) -> float:
    return item.record.switched_at if item.record is not None else 0.0


def _counts(item: Item, instance: Instance) -> bool:
    began = instance.began_running_ms
    return instance.finished and not instance.dry_run and began is not None and began >= _since(item) * 1000


def _judge(gate: Gate, item: Item, instance: Instance) -> RunFailed | None:
    """Note a good run; the error of a bad one, with the reason from its log."""
    task = tasks_of(item)[instance.node]
    if instance.succeeded:
        item.watched.append(Watched(task, instance.id, succeeded=True))
        return None
    log = instance_log(gate, instance.id, _PROD)
    reason = classify(log, item.spec.source_type.refusals)
    names = {
        "role": item.spec.role_name,
        "executor": gate.caller_name(Persona.EXECUTOR) or "of the run",
        "data_source": item.name,
    }
    detail = last_error(log)
    what = f"instance {instance.id} failed after the switch: {reason.what.format(**names)}"
    item.watched.append(Watched(task, instance.id, succeeded=False, reason=reason.what.format(**names)))
    return RunFailed(
        what + (f" (log: {detail})" if detail else ""),
        subject=f"sync task {task} ({_PROD})",
        persona=reason.persona,
        remedy=reason.remedy.format(**names),
    )

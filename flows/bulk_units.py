"""What several rows of a file share and only one of them does: a role, a grant, a grantee's folded policies.

Everything here runs on the flow's event loop; the calls themselves are made in the run's own threads.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Hashable, Iterable, Iterator, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any, TypeVar

from cloud.errors import RetryableError
from cloud.gate import Gate
from cloud.inventory import inventory_of
from tasks.bulk_plan import FilePlan, GroupPlan
from tasks.connection import step_limits
from tasks.pass_role import Granted, ensure_folded, ensure_planned
from tasks.role import RoleReady, ensure_role, role_found
from tasks.role_group import Entity

T = TypeVar("T")
THREAD_NAME = "onboarding-row"
"""How the names of a run's threads begin."""


Ready = tuple[RoleReady, Granted]
"""A role with its grant, made: what rows are handed by whoever has made it for them."""


class Threads:
    """The threads of one run, which know what the event loop's code knows (Prefect's run context)."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor

    async def run(self, act: Callable[[], T]) -> T:
        """Call ``act`` in a thread and wait for it."""
        context = contextvars.copy_context()
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._executor, partial(context.run, act))


@contextmanager
def threads(count: int) -> Iterator[Threads]:
    """So many threads. The block waits for them at its end, but not when it is left with an error.

    A run that is cancelled or told to end must end: what its threads wait for may take an hour.
    """
    executor = ThreadPoolExecutor(count, THREAD_NAME)
    try:
        yield Threads(executor)
        executor.shutdown()
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


class Units:
    """Roles and grants of one run, each made once; who comes later waits for it and gets the same."""

    def __init__(
        self, gate: Gate, plan: FilePlan, threads: Threads, ready: Mapping[str, Ready] | None = None
    ) -> None:
        self._gate = gate
        self._plan = plan
        self._threads = threads
        self._ready = ready or {}
        self._made: dict[Hashable, asyncio.Task[Any]] = {}

    def began(self, group: GroupPlan) -> bool:
        """Whether somebody has asked for the role already."""
        return ("role", group.group.role_name) in self._made

    async def ready(self, group: GroupPlan) -> Ready:
        """Steps 1 and 2 of a role."""
        return await self.role(group), await self.grant(group)

    async def role(self, group: GroupPlan) -> RoleReady:
        """Step 1 of a role. Raises what it failed with; a retryable failure is tried again by the next who asks."""
        if group.group.role_name in self._ready:
            return self._ready[group.group.role_name][0]
        return await self._once(("role", group.group.role_name), lambda: self._role(group))

    async def grant(self, group: GroupPlan) -> Granted:
        """Step 2 of a role, after step 1."""
        if group.group.role_name in self._ready:
            return self._ready[group.group.role_name][1]
        role = await self.role(group)
        return await self._once(("grant", group.group.role_name), lambda: self._grant(group, role))

    async def _role(self, group: GroupPlan) -> RoleReady:
        if not group.role_changes:
            return role_found(group.group, group.state)
        return await self._in_step(group, 1, lambda: ensure_role(self._gate, group.group))

    async def _grant(self, group: GroupPlan, role: RoleReady) -> Granted:
        plan = self._plan.grants
        entities = [entity for entity in group.group.entities if entity in plan.folded]
        written = {entity: await self._folded(group, entity) for entity in entities}
        members: Callable[[str], Iterable[str]] = inventory_of(self._gate).members
        return await self._in_step(
            group, 2, lambda: ensure_planned(self._gate, group.group, plan, role, written, members)
        )

    async def _folded(self, group: GroupPlan, entity: Entity) -> float:
        """The grantee's folded policies, with the roles of the whole file."""
        plan = self._plan.grants
        return await self._once(
            ("folded", entity),
            lambda: self._in_step(group, 2, lambda: ensure_folded(self._gate, plan, entity)),
        )

    async def _in_step(self, group: GroupPlan, step: int, act: Callable[[], T]) -> T:
        def limited() -> T:
            with step_limits(group.group.specs[0], step):
                return act()

        return await self._threads.run(limited)

    async def _once(self, key: Hashable, make: Callable[[], Awaitable[T]]) -> T:
        """Make it, or wait for whoever makes it."""
        task = self._made.get(key)
        if task is None or (task.done() and isinstance(task.exception(), RetryableError)):

            async def run() -> T:
                return await make()

            task = self._made[key] = asyncio.get_running_loop().create_task(run())
        # Shielded: a row that gives up must not take the role away from the others.
        return await asyncio.shield(task)

"""What all tasks have in common in Prefect: when they are repeated, how they speak, what is not kept."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, TypeVar, cast

from prefect import get_run_logger
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.exceptions import MissingContextError
from prefect.runtime import deployment
from prefect.states import Completed, Failed
from prefect.tasks import Task, exponential_backoff

from cloud.errors import RetryableError
from tasks.outcome import StepReport

T = TypeVar("T")
Announce = Callable[[str], None]

# The gate has repeated a call for a minute before its error gets here; a task waits for longer troubles.
_RETRIES = 2
_RETRY_DELAY_SECONDS = 15
_JITTER = 1.0

_listener: ContextVar[Announce | None] = ContextVar("onboarding_listener", default=None)
_log = logging.getLogger("onboarding")


def retry_when_retryable(task: Task[Any, Any], task_run: TaskRun, state: State[Any]) -> bool:
    """Repeat a task only when its error is of a retryable type. Refusals and wrong inputs are final."""
    del task, task_run
    # Not state.result(): in an asynchronous task that is a coroutine. The engine puts what was raised in here.
    return isinstance(state.data, RetryableError)


def options(name: str, run_name: str, timeout: float) -> dict[str, Any]:
    """Arguments of ``@task``: ``timeout`` in seconds bounds one attempt.

    Nothing is cached or persisted by Prefect: the cloud is the only state. There are no tags: a task with tags asks the server
    for a slot of each before it starts, one more write that SQLite makes others wait for (seconds, when it refuses one).
    """
    return {
        "name": name,
        "task_run_name": run_name,
        "retries": _RETRIES,
        "retry_delay_seconds": exponential_backoff(_RETRY_DELAY_SECONDS),
        "retry_jitter_factor": _JITTER,
        "retry_condition_fn": retry_when_retryable,
        "timeout_seconds": timeout,
        "cache_policy": NO_CACHE,
        "persist_result": False,
    }


def listen(listener: Announce | None) -> None:
    """Let ``listener`` hear every announcement of this flow run as well (the command line's progress)."""
    _listener.set(listener)


def announce(message: str) -> None:
    """Say what is going on: to the run's log in Prefect, and to whoever listens in this process."""
    try:
        get_run_logger().info("%s", message)
    except MissingContextError:
        _log.info("%s", message)
    listener = _listener.get()
    if listener is not None:
        listener(message)


def ended(message: str, data: T) -> T:
    """The final state of a task or flow: a readable message, with ``data`` as the result.

    The future of a task unwraps a returned state, so ``future.result()`` is ``data``; the type says that.
    """
    return cast(T, Completed(message=message, data=data))


class Reported(Exception):
    """Why a run of a deployment has failed; its report is published."""


def failed(message: str, data: T) -> T:
    """The failed state of a flow: a readable message, with ``data`` as the result for whoever has called the flow.

    Nobody has called the run of a deployment. There Prefect raises what the state holds, and writes all of what is no
    exception into the run's log, behind a ``TypeError``; so the state holds the message once more.
    """
    return cast(
        T, Failed(message=message, data=data if cast(Any, deployment).id is None else Reported(message))
    )


def completed(report: StepReport, data: T) -> T:
    """:func:`ended` with a step's own line, announced."""
    announce(f"step {report.number}, {report.title}: {report.line}")
    return ended(report.line, data)

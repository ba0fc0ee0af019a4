"""What happens to the calls of a flow that is cancelled: the one under way ends, and none follows.

A worker asks the process of a cancelled flow run to end, and kills it 30 seconds later. Prefect raises an exception in the
flow and then waits for its task threads, which know nothing of it: they would go on making calls for all of that time, while
the turn of the data source (:mod:`flows.turn`) is given away already.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cloud.gate import Gate
from tasks.options import announce

_SECONDS = 20.0
"""Longest wait for calls under way: a worker kills after 30."""


@contextmanager
def ends_with_its_call(gate: Gate) -> Iterator[None]:
    """When the block is left by a cancellation, SIGTERM or Ctrl-C, let all its threads end after their present call.

    To be used inside of whatever must not be given away before (a turn). What was written by then is whole calls; the
    next run finds it. Nothing happens at the block's normal end, nor when it fails.
    """
    try:
        yield
    except Exception:
        raise
    except BaseException:
        if gate.stop(_SECONDS):
            announce("stopped: what was written by now is found by the next run, which goes on from there")
        else:
            announce(f"stopped, while a call has not been answered for {_SECONDS:.0f} seconds")
        raise

"""A flow that says where it runs and then waits: for tests that need a flow run to be under way.

Workers load it by its path, so it imports nothing of this project.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from prefect import flow
from prefect.runtime import flow_run

_WAIT_SECONDS = 240.0


@flow
def hold(folder: str, go: str) -> None:
    """Write ``<time> <worker> <process id>`` to a file of ``folder`` named for this flow run; wait for the file ``go``.

    Raises ``TimeoutError`` after 240 seconds, so that no test leaves it behind.
    """
    at = Path(folder) / str(flow_run.id)
    unfinished = at.with_suffix(".part")
    unfinished.write_text(
        f"{time.time()} {os.environ['PREFECT__WORKER_NAME']} {os.getpid()}", encoding="ascii"
    )
    unfinished.rename(at)
    ends = time.monotonic() + _WAIT_SECONDS
    while not Path(go).exists():
        if time.monotonic() > ends:
            raise TimeoutError(f"{go} did not appear within {_WAIT_SECONDS:.0f} seconds")
        time.sleep(0.1)  # a flow under way, not a test

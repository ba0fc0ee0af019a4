"""Why a run fails.

RunFailure           the run ends with FAILURE; code and text go into the instance's log
├── AccessRefused    a policy refuses: names the action, the resource and the deciding reason
└── NotBuilt         the real engine does this, the local one does not

TaskContentError     a TaskContent that no engine could run
"""

from __future__ import annotations


class RunFailure(Exception):
    """A run that cannot go on."""

    def __init__(self, code: str, message: str) -> None:
        self.code = code
        self.message = message
        super().__init__(f"{code}: {message}")


class AccessRefused(RunFailure):
    """A policy does not allow what the engine has to do."""


class NotBuilt(RunFailure):
    """Something of the real engine that the local cloud does not have."""

    def __init__(self, what: str) -> None:
        super().__init__("NotImplemented", f"The local cloud does not implement {what}.")


class TaskContentError(Exception):
    """A TaskContent with the first fault found in it."""

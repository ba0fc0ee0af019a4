"""Errors of the policy room.

    PolicyError
    └── PolicySyntaxError   a document breaks the grammar of the RAM policy language

Evaluation raises nothing: what cannot be decided is the outcome `UNKNOWN`.
"""

from __future__ import annotations


class PolicyError(Exception):
    """Anything that goes wrong in the policy room."""


class PolicySyntaxError(PolicyError):
    """A policy document that the RAM grammar does not allow; its author corrects it at `path`.

    `path` is the place in the document, such as `Statement[0].Effect` (`document` for the whole);
    `rule` says what the grammar wants there. Source: RAM help "Policy structure and syntax".
    """

    def __init__(self, path: str, rule: str) -> None:
        # Both go to Exception.args so that the error survives pickling between processes.
        super().__init__(path, rule)
        self.path = path
        self.rule = rule

    def __str__(self) -> str:
        return f"policy document, {self.path}: {self.rule}"

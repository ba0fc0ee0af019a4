"""The parts of a policy document as frozen values.

A value that the grammar cannot express cannot be built, so that evaluation and rendering need no checks.
Source: RAM help "Policy structure and syntax".
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from policy.comparisons import OPERATORS
from policy.errors import PolicySyntaxError

VERSION = "1"
"""The only version of the policy language."""

PRINCIPAL_KINDS = ("RAM", "Service", "Federated")
"""The keys of a Principal, in the vendor's order."""


class PolicyKind(Enum):
    """What a document is for; it decides between Resource and Principal."""

    IDENTITY = "identity"
    TRUST = "trust"
    SESSION = "session"


class Effect(Enum):
    """What a matching statement does."""

    ALLOW = "Allow"
    DENY = "Deny"


@dataclass(frozen=True)
class Condition:
    """One operator on one key with its alternative values.

    Raises PolicySyntaxError for an operator that RAM does not document and for no values.
    """

    operator: str
    key: str
    values: tuple[str, ...]

    def __post_init__(self) -> None:
        path = f"Condition.{self.operator}"
        if self.operator not in OPERATORS:
            raise PolicySyntaxError(path, f"unknown condition operator; RAM has {', '.join(OPERATORS)}")
        if not self.key:
            raise PolicySyntaxError(path, "a condition key is at least one character")
        if not self.values:
            raise PolicySyntaxError(f"{path}.{self.key}", "at least one value is required")


@dataclass(frozen=True)
class Principal:
    """Who a trust policy names: `kind` is RAM, Service or Federated.

    Raises PolicySyntaxError for another kind and for an empty value.
    """

    kind: str
    value: str

    def __post_init__(self) -> None:
        if self.kind not in PRINCIPAL_KINDS:
            raise PolicySyntaxError(
                f"Principal.{self.kind}", f"unknown key; a Principal has {', '.join(PRINCIPAL_KINDS)}"
            )
        if not self.value:
            raise PolicySyntaxError(f"Principal.{self.kind}", "a principal is at least one character")


@dataclass(frozen=True)
class Statement:
    """One statement: `resources` in identity and session policies, `principals` in trust policies.

    Raises PolicySyntaxError when the grammar has no such statement.
    """

    effect: Effect
    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    principals: tuple[Principal, ...] = ()
    conditions: tuple[Condition, ...] = ()

    def __post_init__(self) -> None:
        if bool(self.actions) == bool(self.not_actions):
            raise PolicySyntaxError("Statement", "exactly one of Action and NotAction is required")
        if bool(self.resources) == bool(self.principals):
            raise PolicySyntaxError(
                "Statement", "Resource (identity, session policy) or Principal (trust policy) is required"
            )
        # JSON has one entry a key: two conditions of one operator and key could not be written down.
        pairs = {(condition.operator, condition.key) for condition in self.conditions}
        if len(pairs) != len(self.conditions):
            raise PolicySyntaxError("Statement.Condition", "an operator names a key only once")


@dataclass(frozen=True)
class PolicyDocument:
    """A whole policy document.

    Raises PolicySyntaxError for another version, for no statements, and for Resource beside Principal.
    """

    version: str
    statements: tuple[Statement, ...]

    def __post_init__(self) -> None:
        if self.version != VERSION:
            raise PolicySyntaxError("Version", f'the only version is "{VERSION}"')
        if not self.statements:
            raise PolicySyntaxError("Statement", "at least one statement is required")
        if len({bool(statement.principals) for statement in self.statements}) > 1:
            raise PolicySyntaxError("Statement", "a document has Resource or Principal throughout, not both")

"""Policy documents that the pipeline writes: trust, PassRole, least privilege, and their union.

Sources: the DataWorks page on the RAM role-based authorization mode (trust policy of a role for Data Integration,
the PassRole policy "Template 2" for given roles and "Template 1" for all roles) and RAM help on `ram:PassRole`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from policy.documents import (
    VERSION,
    Condition,
    Effect,
    PolicyDocument,
    Principal,
    Statement,
    canonical_statement,
    ordered,
)
from policy.evaluate import ASSUME_ROLE

PASS_ROLE = "ram:PassRole"
"""The right to hand a role to a service. No API has this name: the receiving service asks RAM for it."""

SERVICE_KEY = "acs:Service"
"""The condition key with the service that receives the role."""

CURRENT_TIME_KEY = "acs:CurrentTime"
"""The condition key with the time of the request. Source: RAM help, common condition keys."""


@dataclass(frozen=True)
class Grant:
    """Actions that are needed on some resources, under conditions that must all hold."""

    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: tuple[Condition, ...] = ()


def trust_policy(service: str) -> PolicyDocument:
    """The trust policy by which a service may assume a role, such as `di.dataworks.aliyuncs.com`."""
    statement = Statement(Effect.ALLOW, actions=(ASSUME_ROLE,), principals=(Principal("Service", service),))
    return PolicyDocument(VERSION, (statement,))


def pass_role_policy(role_arns: Sequence[str], services: Sequence[str]) -> PolicyDocument:
    """The vendor's Template 2: the holder may pass the given roles to the given services.

    Raises PolicySyntaxError when there is no role or no service.
    """
    condition = Condition("StringEquals", SERVICE_KEY, tuple(services))
    grant = Grant((PASS_ROLE,), tuple(role_arns), (condition,))
    return policy_for((grant,))


def broad_pass_role_policy(services: Sequence[str]) -> PolicyDocument:
    """The vendor's Template 1: the holder may pass every role of the account to the given services.

    The vendor says to use it with caution. Raises PolicySyntaxError when there is no service.
    """
    return pass_role_policy(("*",), services)


def policy_for(grants: Sequence[Grant]) -> PolicyDocument:
    """An identity policy of Allow statements, one for each set of resources and conditions.

    The result does not depend on the order of the grants. Raises PolicySyntaxError for no grants, and for a grant
    without actions or resources.
    """
    merged: dict[tuple[frozenset[str], frozenset[Condition]], Statement] = {}
    for grant in grants:
        # Checked one by one: merged with another, a grant without actions would pass unseen.
        one = canonical_statement(
            Statement(Effect.ALLOW, grant.actions, resources=grant.resources, conditions=grant.conditions)
        )
        key = (frozenset(one.resources), frozenset(one.conditions))
        actions = grant.actions + (merged[key].actions if key in merged else ())
        merged[key] = Statement(Effect.ALLOW, actions, resources=one.resources, conditions=one.conditions)
    return ordered(PolicyDocument(VERSION, tuple(merged.values())))


def union(a: PolicyDocument, b: PolicyDocument) -> PolicyDocument:
    """All statements of both documents, those of equal meaning once, sorted.

    Raises PolicySyntaxError when one is a trust policy and the other is not.
    """
    return ordered(PolicyDocument(VERSION, a.statements + b.statements))


def subtract(a: PolicyDocument, b: PolicyDocument) -> PolicyDocument | None:
    """Document `a` without the Allow statements that `b` contributes; None when nothing is left.

    A Deny always stays: it may have been in `a` on its own account, and taking it out could widen access. An Allow
    goes even if another contributor of `a` needs the same one: to keep it, build the union of those that remain.
    """
    theirs = {canonical_statement(one) for one in b.statements if one.effect is Effect.ALLOW}
    left = tuple(one for one in a.statements if canonical_statement(one) not in theirs)
    return ordered(PolicyDocument(VERSION, left)) if left else None

"""The RAM policy language: documents, evaluation with reasons, and generation of least-privilege policies.

Pure: nothing here reads a file, a clock or the network.
"""

from policy.comparisons import Truth
from policy.conditions import evaluate_condition, evaluate_conditions
from policy.documents import (
    Condition,
    Effect,
    PolicyDocument,
    PolicyKind,
    Principal,
    Statement,
    canonical,
    check_policy,
    equivalent,
    minified,
    ordered,
    parse_policy,
    size,
    to_dict,
)
from policy.errors import PolicyError, PolicySyntaxError
from policy.evaluate import (
    Caller,
    Decision,
    Outcome,
    Request,
    Source,
    evaluate_identity,
    evaluate_session,
    evaluate_trust,
)
from policy.generate import (
    Grant,
    broad_pass_role_policy,
    pass_role_policy,
    policy_for,
    subtract,
    trust_policy,
    union,
)
from policy.matching import match, match_action, match_resource

__all__ = [
    "Caller",
    "Condition",
    "Decision",
    "Effect",
    "Grant",
    "Outcome",
    "PolicyDocument",
    "PolicyError",
    "PolicyKind",
    "PolicySyntaxError",
    "Principal",
    "Request",
    "Source",
    "Statement",
    "Truth",
    "broad_pass_role_policy",
    "canonical",
    "check_policy",
    "equivalent",
    "evaluate_condition",
    "evaluate_conditions",
    "evaluate_identity",
    "evaluate_session",
    "evaluate_trust",
    "match",
    "match_action",
    "match_resource",
    "minified",
    "ordered",
    "parse_policy",
    "pass_role_policy",
    "policy_for",
    "size",
    "subtract",
    "to_dict",
    "trust_policy",
    "union",
]

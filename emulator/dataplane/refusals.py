"""How each product words that a policy refuses an operation: code and text for a run's log.

Every text names who asked, the action, the resource and the deciding reason, which the products' own texts do only in
part. Sources: error-code pages of OSS (AccessDenied), Simple Log Service (Unauthorized) and Tablestore
(OTSNoPermissionAccess); API error centre for Hologres and AnalyticDB for MySQL (NoPermission, Forbidden.RAM).
"""

from __future__ import annotations

from emulator.dataplane.errors import AccessRefused
from policy import Decision

_LOOKS = {
    "oss": ("AccessDenied", "OSS answered 403 AccessDenied: {refusal}"),
    "log": (
        "Unauthorized",
        "SLS answered 401 Unauthorized: denied by sts or ram, action: {action}, resource: {resource}: {refusal}",
    ),
    "ots": (
        "OTSNoPermissionAccess",
        "Tablestore answered 403 OTSNoPermissionAccess: You have no permission to access the requested resource: "
        "{refusal}",
    ),
    "hologram": (
        "NoPermission",
        "Hologres answered 403 NoPermission: AliyunHologresReadOnlyAccess or the like is needed: {refusal}",
    ),
    "adb": (
        "Forbidden.RAM",
        "AnalyticDB for MySQL answered 403 Forbidden.RAM: User not authorized to operate on the specified resource: "
        "{refusal}",
    ),
}


def refusal(who: str, action: str, resource: str, decision: Decision) -> AccessRefused:
    """The refusal of one operation, in the words of the product that ``action`` belongs to."""
    code, look = _LOOKS[action.partition(":")[0]]
    text = f"{who} is not allowed to {action} on {resource} ({decision.outcome.value}: {decision.reason})"
    return AccessRefused(code, look.format(refusal=text, action=action, resource=resource))

"""The runbook: for every kind of refusal, every failed step and every finding its meaning, a check and a remedy.

Meanings and remedies come from the code that raises or finds it; what is written here is the check. A kind or a code
without one is a ``KeyError`` when the page is made, so nothing new can be left out.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator

from cloud import errors
from config.codes import CODES as SERVICE_CODES
from config.codes import Kind
from policy.findings import RULES as POLICY_RULES
from tasks.audit.finding import RULES as AUDIT_RULES
from tasks.preflight_findings import CODES as PREFLIGHT_CODES

Table = Callable[[tuple[str, ...], Iterator[tuple[object, ...]]], str]

BY_KIND: dict[Kind, tuple[str, str, str]] = {
    Kind.THROTTLED: (
        "More calls than the account's rate allows. The call was not carried out; it is repeated by itself, more slowly.",
        "`throttled` and `actions` of the report; whether another program uses the account's rates at the same time",
        "Single ones need nothing. If it lasts, set `ONBOARD_EDITION` to the account's edition and lower `ONBOARD_RATE_HEADROOM`",
    ),
    Kind.DAILY_QUOTA: (
        "The edition's DataWorks calls of the day are used up. Never repeated: a further call counts too.",
        "`usage` and `calls` of the report against `ONBOARD_DAILY_ALLOWANCE`",
        "Apply again on the next day, or use an edition with more calls",
    ),
    Kind.TRANSIENT: (
        "The service failed. A write may have been carried out; it is looked for before it is repeated.",
        "the vendor's status page; `retries` of the report",
        "Apply again later: what was done is found. With the request id ask the vendor's support when it stays",
    ),
    Kind.NOT_FOUND: (
        "The object that the call names does not exist.",
        "the object's name in the message; `onboard check FILE --cloud`",
        "As the code's row says",
    ),
    Kind.ALREADY_EXISTS: (
        "An object of this name exists. After a lost answer it may be our own.",
        "`onboard plan FILE`: is it found as ours?",
        "Apply again; if it belongs to somebody else, choose another name or set `role: {adopt: true}`",
    ),
    Kind.CONFLICT: (
        "The object's state does not allow it: still attached, being changed, not yet deployed.",
        "what is attached to the object, in the RAM console; who else works on it",
        "As the code's row says, then apply again",
    ),
    Kind.LIMIT_EXCEEDED: (
        "A quota of the account, a user or a policy is full.",
        "findings `PRE022` of `onboard check FILE --cloud` and `AUD501` of `onboard audit`",
        "As the code's row says",
    ),
    Kind.PERMISSION: (
        "The caller may not do this. The message names the caller, the action and the policy layer when the service tells.",
        "`onboard permissions FILE` against the policies of the caller; for PassRole `onboard explain pass-role`",
        "Grant the named action, or add the user to `grantees`",
    ),
    Kind.CREDENTIALS: (
        "The AccessKey or token is missing, wrong, disabled or expired.",
        "`callers` of the last report; `ONBOARD_IDENTITIES__…` in the environment of the worker, not of your shell",
        "As the code's row says",
    ),
    Kind.CLOCK: (
        "The time of this machine is more than 15 minutes off, so its signatures are refused.",
        "`date -u` on the worker against a clock that is right",
        "Let the machine set its time by NTP",
    ),
    Kind.INVALID: (
        "The service does not accept a parameter.",
        "the parameter in the message; `onboard check FILE`",
        "As the code's row says. If the specification is right, report it as a defect with the request id",
    ),
    Kind.UNSUPPORTED: (
        "Not available in this edition or region, or not activated; on the local cloud: not built.",
        "edition and region of the workspace in the console",
        "As the code's row says",
    ),
    Kind.UNKNOWN: (
        "A code that is not in the table of codes. It is not repeated.",
        "the service's message and the code in the vendor's API reference",
        "Add the code to `config/code_table.py` with its kind, or report it with the request id",
    ),
}
"""Meaning, check and remedy by kind of a service's code."""

UNANSWERED: dict[type[errors.CallError], tuple[str, str]] = {
    errors.NotSent: (
        "from the worker: `curl -sv https://ENDPOINT`; proxy, DNS and firewall",
        "Mend the way to the endpoint, then apply again",
    ),
    errors.OutcomeUnknown: (
        "nothing: it was looked for before the call was repeated. If it lasts: the network, `ONBOARD_READ_TIMEOUT`",
        "Apply again; what was done is found and not repeated",
    ),
    errors.TaskRefused: (
        "the service's sentence in the message; the object in the DataWorks console",
        "Correct what the service names, then apply again",
    ),
}
"""Check and remedy of failed calls without a code of their own."""

STEPS: dict[type[errors.StepError], tuple[str, str]] = {
    errors.NotOurs: (
        "who made it: its tags and description in the console; `onboard adopt` shows what it is",
        "Choose another name, or set `role: {adopt: true}` after reading the plan",
    ),
    errors.MissingObject: (
        "`onboard check FILE --cloud` names all of them",
        "Create it, or correct its name",
    ),
    errors.Mismatch: (
        "the field in the message, in the specification and in the console",
        "Change the specification, or offboard and onboard again",
    ),
    errors.NotConnected: (
        "`connectivity` of the report: environment and resource group, each with its reason",
        "Bind the resource group to a network that reaches the endpoint, then apply again",
    ),
    errors.DeploymentFailed: (
        "the deployment's message; the file in DataStudio",
        "Correct what the message names, then apply again",
    ),
    errors.RunFailed: (
        "the run's log in the operation center; [failed runs](errors.md#failed-runs) tells what its words mean",
        "As the reason of the log says, then apply again",
    ),
    errors.TimedOut: (
        "whether it still goes on, in the console",
        "Apply again: a run that goes on is waited for. Raise the timeout in the [settings](settings.md) if it always takes as long",
    ),
    errors.Blocked: (
        "the same cause among `causes` of the report; it names the role",
        "Mend the role, then `onboard bulk FILE --only failed --from REPORT`",
    ),
}
"""Check and remedy of failed steps."""

PREFLIGHT: dict[str, str] = {
    "PRE001": "the same call's row under the kind of its code, above",
    "PRE002": "the object's name, in the console and in the specification",
    "PRE003": "the reason in the finding: as for a failed step, above",
    "PRE010": "whether the caller may list the workspace's members (`dataworks:ListProjectMembers`)",
    "PRE011": "the workspace's page of members: the persona and its roles",
    "PRE012": "`onboard explain pass-role --role ROLE --region REGION`",
    "PRE013": "whether the administrator may read RAM (`AliyunRAMReadOnlyAccess`)",
    "PRE014": "`onboard permissions FILE` against the caller's policies",
    "PRE015": "the named conditions, such as a source address or MFA, against how the worker calls",
    "PRE020": "the role's name in the RAM console",
    "PRE021": "the workspace in the console: which Data Studio it opens",
    "PRE022": "the number in the finding; the quotas in the RAM console",
    "PRE023": "`calls` of the plan against the edition's calls of a day",
    "PRE030": "who attached the policy and when, in ActionTrail",
    "PRE031": "what it is attached to, in the RAM console; `onboard explain access FILE`",
    "PRE032": "`onboard explain pass-role --role ROLE --region REGION`",
    "PRE033": "whether the administrator may list the entities of a policy (`ram:ListEntitiesForPolicy`)",
    "PRE040": "what the finding names, with the product's own tools",
}
"""What to look at, by code of preflight."""
PREFLIGHT_REMEDY = "Each finding names who can fix it and how"

GROUPS: dict[str, str] = {
    "RAM0": "the place named in the document: `onboard plan FILE` shows it in full",
    "RAM1": "the role's trust policy in the RAM console, and who changed it, in ActionTrail",
    "RAM2": "`onboard explain pass-role --role ROLE --region REGION`",
    "RAM3": "`onboard explain access FILE`: what the role can do there, and by which statement",
    "AUD1": "the data source in the console; `onboard plan FILE` if it has a specification",
    "AUD2": "`onboard explain access FILE`; who changed the role or policy, in ActionTrail",
    "AUD3": "`onboard explain pass-role --role ROLE --region REGION`",
    "AUD4": "the sync task and the log of its last run in the operation center",
    "AUD5": "the numbers in the finding; the quotas in the RAM console",
    "AUD6": "`onboard plan FILE`: the difference, field by field",
    "AUD7": "the baseline file: the entry, its reason and its last day",
}
"""What to look at, by the first four characters of a code: findings of one group are about one sort of object."""


def checked(code: str) -> str:
    """What to look at for a finding about policies or of the audit. Raises ``KeyError`` for an unknown group."""
    return GROUPS[code[:4]]


def _meaning(kind: type[errors.OnboardingError]) -> str:
    return inspect.cleandoc(kind.__doc__ or "")


def _service_codes(kind: Kind, table: Table) -> str:
    rows = [row for row in sorted(SERVICE_CODES.values(), key=lambda row: row.code) if row.kind is kind]
    if not rows:
        return ""
    columns = ("code", "the service says", "who can fix it", "remedy")
    return "\n" + table(
        columns,
        (
            (f"`{row.code}`", row.message, row.persona.value if row.persona else "", row.remedy)
            for row in rows
        ),
    )


def _calls(table: Table) -> Iterator[str]:
    for kind in Kind:
        meaning, check, remedy = BY_KIND[kind]
        yield (
            f"\n### {kind.value}\n\n- **Meaning**: {meaning}\n- **Check**: {check}.\n- **Remedy**: {remedy}.\n"
            + _service_codes(kind, table)
        )


def runbook_page(table: Table) -> str:
    """The whole page; the generator hands in how it writes tables."""
    columns = ("error", "meaning", "check", "remedy")
    calls = (
        (f"`{kind.__name__}`", _meaning(kind), check, remedy) for kind, (check, remedy) in UNANSWERED.items()
    )
    steps = (
        (f"`{kind.__name__}`", _meaning(kind), *STEPS[kind]) for kind in errors.StepError.__subclasses__()
        if kind.__module__ == errors.__name__
    )  # fmt: skip
    found = ("code", "meaning", "check", "remedy")
    preflight = (
        (f"`{code}`", title, PREFLIGHT[code], PREFLIGHT_REMEDY) for code, title in PREFLIGHT_CODES.items()
    )
    policies = (
        (f"`{one.code}`", f"{one.title}. {one.description}", checked(one.code), one.fix)
        for one in POLICY_RULES.values()
    )
    audits = (
        (f"`{one.code}`", f"{one.title}. {one.description}", checked(one.code), one.fix)
        for one in AUDIT_RULES.values()
    )
    return "".join(
        (
            "# Runbook\n\nWhat to do about each error and each finding. Look it up by the code in the message, in the report's "
            "`failure.code` or `causes`, or in a notification; then meaning, check, remedy. Applying again is always safe: what "
            "exists is read and only differences are written. [Errors](errors.md) has the tree and the words of failed runs' "
            "logs, [findings](findings.md) the severities and sources, and each source type's page its refusals.\n\n"
            "Before anything else: `outcome` and `failure` of the report (`onboard apply --json`, or the run's result "
            "artifact), and the request id, which the vendor's support asks for.\n"
            "\n## A call was refused\n\nOne section a kind; the kind decides whether a call is repeated.\n",
            *_calls(table),
            "\n## A call without a usable answer\n\n",
            table(columns, calls),
            "\n## A step failed\n\n",
            table(columns, steps),
            "\n## Preflight\n\n",
            table(found, preflight),
            "\n## Findings about policies\n\n",
            table(found, policies),
            "\n## Findings of an audit\n\n",
            table(found, audits),
        )
    )

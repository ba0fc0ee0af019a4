"""Audits to try the writers with: every rule, chains of every shape, texts as an account may hold them."""

from __future__ import annotations

from typing import Any

from config.personas import Persona
from tasks.audit.access import AccessChain
from tasks.audit.audit import Audit
from tasks.audit.finding import DATA_SOURCE, GRANTEE, ROLE, RULES, SYNC_TASK, AuditFinding, found, in_order

TAKEN = 1_795_521_600.0
"""2026-11-24 12:00 UTC."""
ACCOUNT = "1234567890123456"
_TYPES = ("oss", "loghub", "tablestore", "hologres", "adb_mysql")
_KINDS = {"1": DATA_SOURCE, "2": ROLE, "3": GRANTEE, "4": SYNC_TASK}
_PERSONAS = {
    "1": Persona.CREATOR,
    "2": Persona.ADMINISTRATOR,
    "3": Persona.ADMINISTRATOR,
    "4": Persona.EXECUTOR,
    "6": Persona.DEVELOPER,
}


def finding(code: str, subject: str = "", **fields: Any) -> AuditFinding:
    """A finding of a code, as the audit tells one."""
    family = code[3]
    values: dict[str, Any] = {
        "what": f"as in {RULES[code].description[:40]}…",
        "persona": _PERSONAS.get(family),
        "workspace": 10001,
        **fields,
    }
    what, persona = values.pop("what"), values.pop("persona")
    return found(
        code,
        _KINDS.get(family, "account"),
        subject or f"data source orders (PROD) of workspace 10001, {code}",
        what,
        persona,
        **values,
    )


def key_finding(name: str = "orders", workspace: int = 10001) -> AuditFinding:
    """A data source in AccessKey mode, with the command that migrates it."""
    return finding(
        "AUD101",
        f"data source {name} (PROD) of workspace {workspace}",
        what="it is opened with an AccessKey that ends in 7Q2w",
        workspace=workspace,
        command=f"onboard migrate --workspace {workspace} --only {name}",
    )


def chain(number: int, user: str = "carol", group: str = "", **fields: Any) -> AccessChain:
    """One way to the location of a data source."""
    name = f"orders_{number:03}"
    role = (
        f"DataWorks-{10001 + number % 3}-oss-{name}" if number % 5 else f"DataWorks-shared-{number % 15 // 5}"
    )
    values: dict[str, Any] = {
        "location": f"oss://shop-{name.replace('_', '-')}/incoming/",
        "access": ("read", "write", "read-write")[number % 3],
        "workspace": 10001 + number % 3,
        "data_source": name,
        "environment": "PROD",
        "type": _TYPES[number % 5],
        "mode": "role",
        "role": role,
        "policies": (f"{role}-Access",),
        "grants": (f"{role}AllowUse",),
        "user": user,
        "group": group,
        "tasks": (f"{name}_daily",) if number % 7 else (),
        **fields,
    }
    return AccessChain(**values)


def key_chain(number: int) -> AccessChain:
    """A data source that is opened with an AccessKey."""
    return chain(number, "", mode="access key", role="", policies=(), grants=(), access="read-write")


def chains(count: int) -> list[AccessChain]:
    """Data sources as a grown account has them: groups and people, shared roles, both environments, some with a key."""
    made: list[AccessChain] = []
    for number in range(count):
        if number % 9 == 4:
            made.append(key_chain(number))
            continue
        team = ("data-team", "finance-team", "growth-team")[number % 3]
        holders = [(("carol", "dave", "erin", "frank")[one], team) for one in range(1 + number % 4)]
        if number % 11 == 0:
            holders.append(("alice", ""))
        if number % 23 == 7:
            holders = [("", "")]
        for environment in ("DEV", "PROD"):
            made += [chain(number, user, group, environment=environment) for user, group in holders]
    return made


def audit(findings: list[AuditFinding], access: list[AccessChain] | None = None, **fields: Any) -> Audit:
    """An audit with these findings and chains."""
    made = access or []
    values: dict[str, Any] = {
        "account_id": ACCOUNT,
        "region": "cn-hangzhou",
        "workspaces": (10001, 10002, 10003),
        "taken_at": TAKEN,
        "data_sources": len({(one.workspace, one.data_source, one.environment) for one in made}),
        "roles": len({one.role for one in made if one.role}),
        "calls": {"dataworks": 412, "ram": 96, "sts": 1},
        "findings": in_order(findings),
        "chains": tuple(made),
        "unread": (),
        **fields,
    }
    return Audit(**values)


def every_rule() -> Audit:
    """One finding of each rule that an audit itself finds, and a few chains."""
    return audit(
        [finding(code) for code in RULES if not code.startswith("AUD7")] + [key_finding("legacy")], chains(12)
    )


def many(count: int) -> Audit:
    """A large account: most data sources are as they should be, a few of every kind of trouble."""
    access = chains(count)
    keyed = {(one.data_source, one.workspace) for one in access if one.mode == "access key"}
    findings = [key_finding(name, workspace) for name, workspace in sorted(keyed)]
    codes = [code for code in RULES if code not in ("AUD101", "AUD701", "AUD702")]
    findings += [
        finding(codes[number % len(codes)], f"data source orders_{number:03} (PROD) of workspace 10001")
        for number in range(count // 3)
    ]
    return audit(findings, access, unread=("sync tasks of workspace 10003: the caller may not list files",))

"""Gates on a local cloud, and what the tests of the cloud layer look at in errors."""

from __future__ import annotations

import json
import pickle
import traceback
from typing import Any

from cloud.clock import Clock
from cloud.gate import Gate
from config.limits import RAM
from config.personas import Persona
from emulator.faults import Fault
from emulator.server import RunningCloud
from tests.clock import LocalClock
from tests.settings import REGION, settings_for, settings_per_persona

ACCOUNT = "1234567890123456"
SERVICE_LINKED_ROLE = "AliyunServiceRoleForDataWorksDI"
MARK = "a-value-of-a-parameter"
TRUST = json.dumps(
    {
        "Version": "1",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "sts:AssumeRole",
                "Principal": {"Service": ["di.dataworks.aliyuncs.com"]},
            }
        ],
    }
)
OTHER_TRUST = TRUST.replace("di.dataworks", "dataworks")


def gate_of(local: RunningCloud, user: str = "alice", clock: Clock | None = None, **overrides: Any) -> Gate:
    """A gate that never sleeps, all of whose personas are ``user``."""
    return Gate(settings_for(local, user, **overrides), REGION, clock or LocalClock(local.cloud))


def gate_of_personas(local: RunningCloud, **overrides: Any) -> Gate:
    """A gate that never sleeps: alice, carol, dave and erin."""
    return Gate(settings_per_persona(local, **overrides), REGION, LocalClock(local.cloud))


def document(*actions: str) -> str:
    """An identity policy that allows the actions on everything."""
    return json.dumps(
        {"Version": "1", "Statement": [{"Effect": "Allow", "Action": list(actions), "Resource": ["*"]}]}
    )


def add_fault(local: RunningCloud, **fields: Any) -> Fault:
    """Append a fault rule; returns it, with its hits to come."""
    rule = Fault.model_validate(fields)
    local.cloud.faults.rules.append(rule)
    return rule


def answer(local: RunningCloud, action: str, body: Any, status: int = 200, **fields: Any) -> Fault:
    """Let the local cloud answer an action with a JSON body of ours."""
    text = body if isinstance(body, str) else json.dumps(body)
    return add_fault(
        local,
        action=action,
        body=text,
        status=status,
        content_type="application/json",
        **{"times": None, **fields},
    )


def read_role(gate: Gate, name: str = SERVICE_LINKED_ROLE) -> dict[str, Any]:
    """A read: GetRole as the administrator."""
    return gate.read(
        RAM, "GetRole", {"RoleName": name}, persona=Persona.ADMINISTRATOR, subject=f"role {name}"
    )


def create_role(gate: Gate, name: str = "OnboardRole") -> dict[str, Any]:
    """A write: CreateRole as the administrator, its description being ``MARK``."""
    parameters = {"RoleName": name, "AssumeRolePolicyDocument": TRUST, "Description": MARK}
    return gate.write(RAM, "CreateRole", parameters, persona=Persona.ADMINISTRATOR, subject=f"role {name}")


def calls_of(local: RunningCloud, action: str) -> int:
    """How many calls of an action reached the local cloud, those a fault met included."""
    return sum(entry.action == action for entry in local.cloud.journal.entries)


def everything_told(error: BaseException) -> str:
    """All that an error can tell: text, fields, traceback, pickle, and the same of the errors behind it."""
    told: list[str] = []
    seen: set[int] = set()
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is None or id(one) in seen:
            continue
        seen.add(id(one))
        told += [str(one), repr(one), repr(one.args), repr(vars(one))]
        told += traceback.format_exception(type(one), one, one.__traceback__)
        told.append(pickle.dumps(one).decode("latin-1"))
        waiting += [one.__cause__, one.__context__]
    return "\n".join(told)

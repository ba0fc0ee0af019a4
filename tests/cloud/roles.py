"""A role that users of the sample account may assume, and a gate that assumes it."""

from __future__ import annotations

import json
from typing import Any

from cloud import ram
from cloud.gate import Gate
from cloud.ram import Grantee
from config.settings import Identities
from emulator.server import RunningCloud
from emulator.state import Attachment
from tests.clock import LocalClock
from tests.cloud.gates import ACCOUNT, document, gate_of
from tests.settings import REGION, key_of, settings_for

OPERATOR = "Operator"


def operator_role(local: RunningCloud, **condition: Any) -> str:
    """A role that may do everything, trusted to the account's users; returns its Arn."""
    statement: dict[str, Any] = {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"RAM": [f"acs:ram::{ACCOUNT}:root"]},
    }
    if condition:
        statement["Condition"] = condition
    setup = gate_of(local)
    trust = json.dumps({"Version": "1", "Statement": [statement]})
    role = ram.create_role(setup, OPERATOR, trust, "", {})
    ram.create_policy(setup, "OperatorAccess", document("ram:*", "dataworks:*", "sts:*"), "", {})
    ram.attach_policy(setup, Grantee.ROLE, OPERATOR, "OperatorAccess")
    return role.arn


def assuming(local: RunningCloud, arn: str, user: str = "alice", **identity: Any) -> Gate:
    """A gate all of whose personas assume the role with the key of ``user``, who is allowed to."""
    held = local.cloud.state.ram.users[user].attachments
    held.append(Attachment(policy="AliyunSTSAssumeRoleAccess", type="System"))
    own = key_of(user).model_copy(update={"role_arn": arn, "session_seconds": 3600, **identity})
    return Gate(settings_for(local, identities=Identities(default=own)), REGION, LocalClock(local.cloud))

"""The system policies that the local cloud knows: name to document (JSON text).

The names are the vendor's. The texts are assumptions: the vendor prints only some of them and changes them without
notice (page "System policies"). ``Admin``, ``FullAccess`` and ``ReadOnlyAccess`` follow the vendor's pattern: all
actions, or the reading verbs, of one service on every resource. Attaching a name that is not here answers
``EntityNotExist.Policy``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_READ_VERBS = ("Get*", "List*", "Describe*", "Query*")


def _text(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "1", "Statement": list(statements)}, separators=(",", ":"))


def _allow(*actions: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": list(actions), "Resource": ["*"]}


def _reading(service: str) -> dict[str, Any]:
    return _allow(*(f"{service}:{verb}" for verb in _READ_VERBS))


SYSTEM_POLICIES: Mapping[str, str] = {
    "AdministratorAccess": _text(_allow("*")),
    # ram:PassRole is an action of RAM, so that this policy includes handing over every role.
    "AliyunRAMFullAccess": _text(_allow("ram:*")),
    "AliyunRAMReadOnlyAccess": _text(_reading("ram")),
    "AliyunDataWorksFullAccess": _text(_allow("dataworks:*")),
    "AliyunOSSFullAccess": _text(_allow("oss:*")),
    "AliyunOSSReadOnlyAccess": _text(_allow("oss:Get*", "oss:List*")),
    "AliyunSTSAssumeRoleAccess": _text(_allow("sts:AssumeRole")),
    # What the service-linked role of Data Integration may do, in outline: reach into the account's network.
    "AliyunServiceRolePolicyForDataWorksDI": _text(
        _allow(
            "ecs:CreateNetworkInterface",
            "ecs:DeleteNetworkInterface",
            "ecs:DescribeNetworkInterfaces",
            "vpc:DescribeVpcs",
            "vpc:DescribeVSwitches",
        )
    ),
}

# When the system policies were made, as RAM shows it: one date for all, seconds since the epoch (2020-01-01).
SYSTEM_POLICY_CREATED = 1_577_836_800.0

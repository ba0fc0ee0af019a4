"""The list of known actions is that of the installed SDKs, and everything built is on it."""

from __future__ import annotations

import inspect
import re

import pytest
from alibabacloud_dataworks_public20200518.client import Client as DataWorksClient
from alibabacloud_ram20150501.client import Client as RamClient
from alibabacloud_sts20150401.client import Client as StsClient

from emulator import actions
from emulator.known_actions import is_known, known_actions
from emulator.registry import ACTIONS


@pytest.mark.parametrize(
    ("product", "client"), [("ram", RamClient), ("sts", StsClient), ("dataworks", DataWorksClient)]
)
def test_the_list_is_the_sdks(product: str, client: type) -> None:
    of_sdk = set(re.findall(r"action = '(\w+)'", inspect.getsource(client)))
    listed = {name for owner, name in known_actions() if owner == product}
    assert listed == of_sdk


def test_every_built_action_is_known() -> None:
    assert actions.__all__  # importing it registers the actions
    assert [one.name for one in ACTIONS.values() if not is_known(one.product.name, one.name)] == []


def test_every_built_action_of_ram_needs_a_permission_or_says_why_not() -> None:
    without = {
        one.name for one in ACTIONS.values() if one.product.name in ("ram", "sts") and one.needs is None
    }
    # AssumeRole asks for sts:AssumeRole itself, after it has found the role; GetCallerIdentity is open to all.
    assert without == {"AssumeRole", "GetCallerIdentity"}


def test_writing_actions_of_ram_are_those_whose_verb_writes() -> None:
    writing = {one.name for one in ACTIONS.values() if one.product.name in ("ram", "sts") and one.write}
    reading = {one.name for one in ACTIONS.values() if one.product.name in ("ram", "sts") and not one.write}
    assert all(name.startswith(("Get", "List", "AssumeRole")) for name in reading)
    assert not any(name.startswith(("Get", "List")) for name in writing)

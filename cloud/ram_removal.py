"""Taking RAM objects away again: tags, attachments, custom policies, roles. Source: API reference RAM 2015-05-01.

What is gone already is no error; every removal is read back. All calls are made as the administrator.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from cloud.ensure import write_once
from cloud.errors import NotFound
from cloud.gate import Gate
from cloud.ram import CUSTOM, Grantee, attached_policies, get_policy, get_role, tags_of
from config.limits import RAM
from config.personas import Persona

_AS = Persona.ADMINISTRATOR


def _gone(gate: Gate, act: Callable[[], object], is_gone: Callable[[], bool], subject: str) -> None:
    def remove() -> None:
        try:
            act()
        except NotFound:
            return  # the look tells whether it is so

    write_once(gate, remove, lambda: is_gone() or None, subject=subject)


def remove_tags(gate: Gate, resource_type: str, name: str, keys: Sequence[str]) -> None:
    """UntagResources of one ``role`` or ``policy``: the named keys, others stay."""
    parameters = {"ResourceType": resource_type, "ResourceNames": [name], "TagKeys": list(keys)}
    subject = f"{resource_type} {name}"
    _gone(
        gate,
        lambda: gate.write(RAM, "UntagResources", parameters, persona=_AS, subject=subject),
        lambda: not set(keys) & set(tags_of(gate, resource_type, name)),
        subject,
    )


def detach_policy(gate: Gate, kind: Grantee, name: str, policy: str) -> None:
    """DetachPolicyFromUser, …Group, …Role of a custom policy."""
    parameters = {"PolicyName": policy, "PolicyType": CUSTOM, f"{kind.value}Name": name}
    subject = f"custom policy {policy} on {kind.value.lower()} {name}"
    _gone(
        gate,
        lambda: gate.write(RAM, f"DetachPolicyFrom{kind.value}", parameters, persona=_AS, subject=subject),
        lambda: policy not in (attached_policies(gate, kind, name) or {}),
        subject,
    )


def delete_policy(gate: Gate, name: str) -> None:
    """DeletePolicy with all versions. It must be attached to nobody."""
    parameters = {"PolicyName": name, "CascadingDelete": True}
    subject = f"custom policy {name}"
    _gone(
        gate,
        lambda: gate.write(RAM, "DeletePolicy", parameters, persona=_AS, subject=subject),
        lambda: get_policy(gate, name) is None,
        subject,
    )


def delete_role(gate: Gate, name: str) -> None:
    """DeleteRole. Nothing may be attached to it; data sources that name its id do not open any more."""
    subject = f"role {name}"
    _gone(
        gate,
        lambda: gate.write(RAM, "DeleteRole", {"RoleName": name}, persona=_AS, subject=subject),
        lambda: get_role(gate, name) is None,
        subject,
    )

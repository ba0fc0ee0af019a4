"""``onboard blocks``: the credentials blocks on a Prefect server, and the settings' identities as blocks."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cli.inputs import BadInput, read_settings, report_bad_input
from cli.prefect_environment import prepare, require_prefect_server
from config.personas import Persona

if TYPE_CHECKING:
    from config.settings import IdentitySettings


def register_blocks(save: str | None) -> int:
    """Register the block types, and save an identity a persona as ``<save>-<persona>``; returns the exit code.

    Saved blocks of the same name are replaced. Personas without an identity of their own are left out.
    """
    prepare(verbose=False)
    from config.credentials import BLOCK_TYPES, BlockError, block_of

    try:
        identities = {} if save is None else _identities(save)
        saved = {name: block_of(identity) for name, identity in identities.items()}
        require_prefect_server()
    except (BadInput, BlockError) as error:
        report_bad_input(error if isinstance(error, BadInput) else BadInput(str(error), []), as_json=False)
        return 2
    for kind in BLOCK_TYPES:
        kind.register_type_and_schema()
        print(f"registered {kind.get_block_type_slug()}")
    for name, block in saved.items():
        block.save(name, overwrite=True)
        print(f"saved {block.get_block_type_slug()}/{name}")
    return 0


def _identities(prefix: str) -> dict[str, IdentitySettings]:
    """The settings' identities by the name of their block. Raises :class:`BadInput`."""
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", prefix):
        rule = "a block's name is lower-case letters, digits and dashes"
        raise BadInput(rule, [{"path": "--save", "value": prefix, "rule": rule}])
    known = read_settings().identities
    named = {
        "default": known.default,
        **{persona.value: getattr(known, persona.value) for persona in Persona},
    }
    found = {
        f"{prefix}-{name}": identity
        for name, identity in named.items()
        if identity is not None and identity.configured
    }
    if not found:
        rule = "the settings hold no identity: set ONBOARD_IDENTITIES__CREATOR__ACCESS_KEY_ID and so on"
        raise BadInput(rule, [{"path": "--save", "value": prefix, "rule": rule}])
    return found

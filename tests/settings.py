"""Settings that point at a local cloud, with the keys of the sample account."""

from __future__ import annotations

from typing import Any

from config.limits import Edition
from config.settings import Identities, IdentitySettings, Settings
from emulator.server import RunningCloud

REGION = "cn-hangzhou"


def key_of(user: str) -> IdentitySettings:
    """The AccessKey of a user of the sample account (alice, carol, dave, erin, mallory) or of ``root``."""
    return IdentitySettings.model_validate(
        {"access_key_id": f"LTAIlocal{user.capitalize()}", "access_key_secret": f"local-secret-{user}"}
    )


def settings_for(local: RunningCloud, user: str = "alice", **overrides: Any) -> Settings:
    """Settings for ``local`` in which every persona is ``user``.

    ``overrides`` are fields of :class:`config.settings.Settings`; the edition is Enterprise unless given, as in the
    sample account.
    """
    return _settings(local, Identities(default=key_of(user)), overrides)


def settings_per_persona(
    local: RunningCloud,
    *,
    administrator: str = "alice",
    creator: str = "carol",
    developer: str = "dave",
    executor: str = "erin",
    **overrides: Any,
) -> Settings:
    """Settings for ``local`` with a user of the sample account for each persona; ``overrides`` as above."""
    identities = Identities(
        administrator=key_of(administrator),
        creator=key_of(creator),
        developer=key_of(developer),
        executor=key_of(executor),
    )
    return _settings(local, identities, overrides)


def _settings(local: RunningCloud, identities: Identities, overrides: dict[str, Any]) -> Settings:
    fields = {"local_cloud": local.url, "edition": Edition.ENTERPRISE, "identities": identities, **overrides}
    return Settings.model_validate(fields)

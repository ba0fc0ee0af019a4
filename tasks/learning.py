"""From a data source that was made in the console to the content profile that makes another one like it."""

from __future__ import annotations

from collections.abc import Sequence

from cloud.dataworks.data_sources import DataSource
from config.sources import source_types

_CREDENTIALS = frozenset(
    {"accessid", "accesskey", "accesskeyid", "accesskeysecret", "password", "securitytoken", "username"}
)
"""Keys, in lower case, that a data source may keep from the time before it was opened with a role."""


def learned_profiles(
    sources: Sequence[DataSource], region: str
) -> tuple[dict[str, dict[str, str]], list[str]]:
    """Profiles by ``<type>`` (or ``<type>.<environment>`` where they differ), and what a person should know.

    A value that is the region, or stands where the built-in profile has a placeholder, becomes that placeholder; the
    role's id becomes ``{role_id}``; everything else is kept as it is.
    """
    profiles: dict[str, dict[str, str]] = {}
    notes: list[str] = []
    by_environment: dict[str, dict[str, dict[str, str]]] = {}
    for source in sources:
        variants = (form for kind in source_types().values() for form in kind.variants())
        kind = next((form for form in variants if form.data_source_type == source.type), None)
        where = f"{source.name} ({source.environment.name})"
        if kind is None:
            notes.append(f"{where} has type {source.type}, which is none of the source types")
            continue
        if source.role_id is None:
            notes.append(
                f"{where} is not opened with a role (authType, authIdentity); nothing is learned from it"
            )
            continue
        builtin = kind.profile(source.environment).template
        left_out = sorted(key for key in source.content if key.lower() in _CREDENTIALS)
        if left_out:
            notes.append(f"{where} also holds {', '.join(left_out)}: left out, role mode needs none")
        template = {
            key: _placeholder(key, value, source.role_id, region, builtin.get(key, ""))
            for key, value in source.content.items()
            if key not in left_out
        }
        by_environment.setdefault(kind.name, {})[source.environment.name] = template
    for name, templates in by_environment.items():
        distinct = {tuple(sorted(template.items())) for template in templates.values()}
        if len(distinct) == 1:
            profiles[name] = next(iter(templates.values()))
        else:
            profiles |= {f"{name}.{environment}": template for environment, template in templates.items()}
    return profiles, notes


def _placeholder(key: str, value: str, role_id: str, region: str, builtin: str) -> str:
    if value == role_id and key == "authIdentity":
        return "{role_id}"
    if value == region:
        return "{region}"
    return builtin if builtin.startswith("{") and builtin.endswith("}") else value

"""Writes the reference pages from the code, so that they cannot tell something else: ``make docs``.

A test compares the committed pages with what this writes.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

NOTICE = "<!-- Written by docs/generate.py from the code; change the code, then run `make docs`. -->\n\n"


def _cell(value: object) -> str:
    """Text that stays in its cell; angle brackets outside code would be taken for tags."""
    text = " ".join(str(value).replace("|", "\\|").split())
    parts = text.split("`")
    parts[::2] = [part.replace("<", "&lt;") for part in parts[::2]]
    return "`".join(parts)


def _table(columns: tuple[str, ...], rows: Iterator[tuple[object, ...]]) -> str:
    lines = [f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}"]
    lines += [f"| {' | '.join(_cell(value) for value in row)} |" for row in rows]
    return "\n".join(lines) + "\n"


def _first_paragraphs(text: str | None) -> str:
    return inspect.cleandoc(text or "")


def _plain(value: object) -> object:
    """A default as a person writes it."""
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return getattr(value, "value", value)


# -- specification -------------------------------------------------------------------------------------


def _schema_type(schema: Mapping[str, Any]) -> str:
    """A field's type as a person writes it."""
    if "$ref" in schema:
        return f"[{schema['$ref'].rpartition('/')[2]}](#{schema['$ref'].rpartition('/')[2].lower()})"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    for key in ("anyOf", "oneOf", "allOf"):
        if key in schema:
            parts = [_schema_type(part) for part in schema[key] if part.get("type") != "null"]
            return " or ".join(dict.fromkeys(part for part in parts if part))
    if schema.get("type") == "array":
        return f"list of {_schema_type(schema.get('items') or {}) or 'values'}"
    return str(schema.get("type", ""))


def _fields(schema: Mapping[str, Any]) -> Iterator[tuple[object, ...]]:
    required = set(schema.get("required") or [])
    for name, field in (schema.get("properties") or {}).items():
        examples = field.get("examples") or []
        example = f"`{examples[0]}`" if examples else ""
        need = "yes" if name in required else "no"
        yield (f"`{name}`", _schema_type(field), need, field.get("description", ""), example)


def specification() -> str:
    """The page of the specification's fields."""
    from config.load import json_schema
    from config.sources import source_types

    schema = json_schema()
    links = ", ".join(f"[{kind.title}](sources/{name}.md)" for name, kind in source_types().items())
    parts = [
        NOTICE,
        "# The specification\n\n",
        f"{_first_paragraphs(schema.get('description'))}\n\n",
        "A YAML file, checked with `onboard check` and applied with `onboard apply`. Unknown keys are errors. "
        "`onboard schema` prints the JSON Schema for editors. The fields of `location`, `reader` and `writer` are the source "
        f"type's: {links}.\n\n",
        _table(("field", "type", "required", "meaning", "example"), _fields(schema)),
    ]
    for name, model in sorted((schema.get("$defs") or {}).items()):
        if model.get("properties"):
            parts.append(f"\n## {name}\n\n{_first_paragraphs(model.get('description'))}\n\n")
            parts.append(_table(("field", "type", "required", "meaning", "example"), _fields(model)))
    return "".join(parts)


# -- CSV files -----------------------------------------------------------------------------------------


def csv_files() -> str:
    """The page of CSV files."""
    from docs.csv_page import csv_page

    return NOTICE + csv_page(_table, _first_paragraphs)


# -- source types --------------------------------------------------------------------------------------


def source_page(name: str) -> str:
    """The page of one source type: everything its file in ``config/sources`` says."""
    from config.sources import get_source_type
    from config.sources.base import Access, PermissionLevel

    kind = get_source_type(name)
    example = yaml.safe_load((HERE.parent / "examples" / f"{name}.yaml").read_text(encoding="utf-8"))
    location = kind.resolve_location(kind.Location.model_validate(example["location"]), example["region"])
    kind = kind.variant(location)
    levels: tuple[PermissionLevel, ...] = ("minimal", "vendor")
    rows = (
        (
            access.value,
            level,
            f"`{permission.action}`",
            ", ".join(f"`{resource}`" for resource in permission.resources),
            ", ".join(
                f"{operator} `{key}` {list(values)}" for operator, key, values in permission.conditions
            ),
            permission.why,
            permission.source,
        )
        for access in Access
        for level in levels
        for permission in kind.permissions(location, access, level, deletes=access.writes)
    )
    columns = ("field", "type", "required", "meaning", "example")
    parts = [
        f"{NOTICE}# {kind.title} (`type: {kind.name}`)\n\n{_first_paragraphs(sys.modules[type(kind).__module__].__doc__)}\n\n",
        f"[`examples/{name}.yaml`](../../examples/{name}.yaml) is a commented example.\n",
    ]
    models: list[tuple[str, type[BaseModel]]] = [("Location", kind.Location)]
    for form in kind.variants():
        several = f" ({form.data_source_type})" if len(kind.variants()) > 1 else ""
        models += [(f"Reader{several}", form.reader_type), (f"Writer{several}", form.writer_type)]
    for title, model in models:
        schema = model.model_json_schema(by_alias=True)
        parts.append(
            f"\n## {title}\n\n{_first_paragraphs(model.__doc__)}\n\n{_table(columns, _fields(schema))}"
        )
    parts.append(
        "\n## Permissions of the role\n\nFor the example's location; a writer that truncates needs the deleting action, "
        "others do not get it.\n\n"
        + _table(("access", "permissions", "action", "resources", "condition", "why", "source"), rows)
    )
    parts.append(_outside_ram(kind, location, example["access"]))
    return "".join(parts)


def _outside_ram(kind: Any, location: Any, access: str) -> str:
    """How role mode is written, what must be so outside RAM, what is suspicious, what refusals look like."""
    from config.sources.base import Access, Environment

    role_id = "312345678901234567"
    profiles = (
        (
            environment.name,
            f"`{json.dumps(dict(kind.profile(environment).template))}`",
            kind.profile(environment).confidence,
        )
        for environment in Environment
    )
    parts = [
        "\n## Role mode\n\nWhat CreateDataSource is given as `Content`; see [settings](../settings.md#content-profiles) for "
        "replacing it.\n\n",
        _table(("environment", "Content", "confidence"), profiles),
    ]
    needed = kind.prerequisites(location, Access(access), role_id)
    if needed:
        parts.append(f"\n## Outside RAM\n\nFor the example, with a role whose id is {role_id}:\n")
        parts += [f"\n- **{one.persona.value}**: {one.what}\n\n```text\n{one.how}\n```\n" for one in needed]
    if kind.finding_codes:
        parts.append("\n## Findings about the location\n\n")
        parts.append(
            _table(("code", "finding"), ((f"`{code}`", title) for code, title in kind.finding_codes.items()))
        )
    parts.append("\n## What refusals look like\n\n")
    rows = ((f"`{row.pattern.pattern}`", row.what, row.persona.value, row.remedy) for row in kind.refusals)
    parts.append(_table(("words in the log", "meaning", "who can fix it", "how"), rows))
    return "".join(parts)


# -- findings ------------------------------------------------------------------------------------------


def findings() -> str:
    """The catalogue of findings."""
    from config.sources import source_types
    from policy.findings import RULES
    from tasks.audit.finding import RULES as AUDIT_RULES
    from tasks.preflight import CODES

    rules = RULES.values() if isinstance(RULES, Mapping) else RULES
    policy_rows = (
        (f"`{rule.code}`", rule.severity.name.lower(), rule.title, rule.description, rule.fix, rule.source)
        for rule in rules
    )
    audit_rows = (
        (f"`{rule.code}`", rule.severity.value, rule.title, rule.description, rule.fix)
        for rule in AUDIT_RULES.values()
    )
    locations = (
        (f"`{code}`", form.title, title)
        for kind in source_types().values()
        for form in kind.variants()
        for code, title in form.finding_codes.items()
    )
    return (
        f"{NOTICE}# Findings\n\nA finding has a stable code. Those about documents and locations can be accepted in a "
        "specification, with a reason: `ignore: [{code: RAM302, reason: …}]`; reports then list them as ignored.\n\n"
        "## Policy documents\n\nThe documents that applying would leave behind.\n\n"
        + _table(("code", "severity", "finding", "why it matters", "fix", "source"), policy_rows)
        + "\n## Locations\n\n"
        + _table(("code", "source type", "finding"), iter(dict.fromkeys(locations)))
        + "\n## Preflight\n\nEach says which persona can fix it and how, and whether it blocks.\n\n"
        + _table(("code", "finding"), ((f"`{code}`", title) for code, title in CODES.items()))
        + "\n## Audit\n\nWhat [an audit](audit.md) finds in an account; its baseline accepts single ones, with a reason and a last day.\n\n"
        + _table(("code", "severity", "finding", "why it matters", "fix"), audit_rows)
    )


# -- settings ------------------------------------------------------------------------------------------


def _settings_rows(model: type[BaseModel], prefix: str) -> Iterator[tuple[object, ...]]:
    from config.settings import Identities

    for name, field in model.model_fields.items():
        variable = f"{prefix}{name.upper()}"
        if name == "identities":
            for persona in Identities.model_fields:
                text = Identities.model_fields[persona].description
                yield (
                    f"`{variable}__{persona.upper()}__ACCESS_KEY_ID`, `…__ACCESS_KEY_SECRET`, `…__SECURITY_TOKEN`",
                    "",
                    text,
                )
            continue
        default = field.get_default(call_default_factory=True)
        shown = "" if default is None else getattr(default, "value", default)
        yield (f"`{variable}`", f"`{shown}`" if shown != "" else "", field.description)


def settings() -> str:
    """The page of the settings."""
    from config.settings import Settings
    from config.sources import source_types
    from config.sources.base import Environment

    profiles = (
        (
            f"`{form.name}`",
            f"`{form.data_source_type}`",
            environment.name,
            f"`{json.dumps(dict(form.profile(environment).template))}`",
            form.profile(environment).confidence,
            form.profile(environment).source,
        )
        for kind in source_types().values()
        for form in kind.variants()
        for environment in Environment
    )
    return (
        f"{NOTICE}# Settings\n\n{_first_paragraphs(sys.modules[Settings.__module__].__doc__)}\n\n"
        + _table(("variable", "default", "meaning"), _settings_rows(Settings, "ONBOARD_"))
        + "\nCredentials that are given nowhere here come from the SDK's own places: `ALIBABA_CLOUD_ACCESS_KEY_ID` and "
        "`ALIBABA_CLOUD_ACCESS_KEY_SECRET`, OIDC variables, `~/.aliyun/config.json`, "
        "`ALIBABA_CLOUD_CREDENTIALS_FILE`, the ECS instance role.\n"
        "\n## Content profiles\n\nHow a data source says that it is opened with a role is not documented for the "
        "2020-05-18 API. What is sent is a template per source type; replace it with `ONBOARD_CONTENT_PROFILES`, a "
        "JSON object of `<type>.<ENV>` or `<type>` to template, when a data source made in the console shows another form.\n\n"
        + _table(("type", "DataSourceType", "environment", "template", "confidence", "source"), profiles)
    )


# -- errors --------------------------------------------------------------------------------------------


def errors() -> str:
    """The page of the errors: the tree, the codes, the failed runs."""
    import cloud.errors
    from config.codes import CODES
    from config.run_failures import RUN_FAILURES

    codes = (
        (
            f"`{code.code}`",
            code.status or "",
            code.kind.value,
            code.persona.value if code.persona else "",
            code.remedy,
        )
        for code in sorted(CODES.values(), key=lambda item: item.code)
    )
    failures = ((f"`{row.pattern.pattern}`", row.what, row.persona.value, row.remedy) for row in RUN_FAILURES)
    return (
        f"{NOTICE}# Errors\n\nEach error says what happened, on which object, who can fix it and how, with the "
        "service's code and the request id that the vendor's support asks for. Bad input exits with 2 before anything "
        "is written; a failed step exits with 1, and applying again goes on from where the cloud stands.\n\n"
        f"```text\n{_first_paragraphs(cloud.errors.__doc__)}\n```\n\n"
        "## Codes of the services\n\nWhether a call is repeated follows from the kind, never from a message or a "
        "status. `throttled` and `transient` are repeated; `daily_quota` never is.\n\n"
        + _table(("code", "HTTP", "kind", "who can fix it", "how"), codes)
        + "\n## Failed runs\n\nThe first row whose words the run's log holds is the reason.\n\n"
        + _table(("words in the log", "meaning", "who can fix it", "how"), failures)
    )


# -- runbook -------------------------------------------------------------------------------------------


def runbook() -> str:
    """The page of what to do about each error and finding."""
    from docs.runbook_page import runbook_page

    return NOTICE + runbook_page(_table)


# -- the local cloud -----------------------------------------------------------------------------------


def local_cloud() -> str:
    """The page of the local cloud."""
    import emulator.app  # registers the actions
    import emulator.controls
    import emulator.faults
    from emulator.registry import ACTIONS
    from emulator.settings import EmulatorSettings
    from emulator.state import State

    assert emulator.app.App is not None
    actions: dict[str, list[str]] = {}
    for action in ACTIONS.values():
        actions.setdefault(f"{action.product.title} {action.product.version}", []).append(action.name)
    rows = (
        (f"`{name}`", f"`{_plain(field.default)}`", field.description)
        for name, field in EmulatorSettings.model_fields.items()
    )
    introduction = (HERE / "local-cloud.in.md").read_text(encoding="utf-8")
    return (
        NOTICE
        + introduction
        + "\n## Controls\n\n"
        + _first_paragraphs(emulator.controls.__doc__)
        + "\n\n## Faults\n\n"
        + _first_paragraphs(emulator.faults.__doc__)
        + "\n\n## Account file\n\n"
        + _first_paragraphs(sys.modules[State.__module__].__doc__)
        + "\n\n## What is implemented\n\n"
        + "".join(
            f"**{title}** ({len(names)}): {', '.join(sorted(names))}.\n\n" for title, names in actions.items()
        )
        + "Other actions of these APIs answer `NotImplemented` with their name; unknown ones `InvalidAction.NotFound`.\n"
        + "\n## Settings\n\nWhat the real service does not document is a setting here.\n\n"
        + _table(("setting", "default", "what is known"), rows)
    )


def pages() -> dict[str, Callable[[], str]]:
    """Every generated page by its path below ``docs``; a new source type brings its own."""
    from config.sources import source_types

    return {
        "specification.md": specification,
        "csv.md": csv_files,
        "settings.md": settings,
        "errors.md": errors,
        "findings.md": findings,
        "runbook.md": runbook,
        "local-cloud.md": local_cloud,
        **{f"sources/{name}.md": partial(source_page, name) for name in source_types()},
    }


def main() -> None:
    """Write every page."""
    for name, page in pages().items():
        (HERE / name).parent.mkdir(exist_ok=True)
        (HERE / name).write_text(page(), encoding="utf-8")


if __name__ == "__main__":
    main()

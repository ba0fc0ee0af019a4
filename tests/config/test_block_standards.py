"""What Prefect asks of blocks that others shall use: described, shown with an example that works, secrets masked."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from importlib import import_module
from typing import Any
from unittest import mock

import httpx
import pytest
from prefect.blocks.core import Block
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings
from prefect.utilities.dispatch import get_registry_for_type
from pydantic import SecretStr
from typer.testing import CliRunner

from cli.main import app
from config.credentials import BLOCK_TYPES, BlockError, PersonaCredentials, block_of, load_identity
from config.settings import IdentitySettings
from tests.flows.server import ROOT, PrefectServer, shared_server
from tests.settings import key_of

SECRET = "nobody-may-read-this"
ROLE = "acs:ram::1234567890123456:role/onboarding-administrator"
_CODE = re.compile(r"```python\n(.*?)```", re.DOTALL)
IDS = [kind.__name__ for kind in BLOCK_TYPES]


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest) -> Iterator[PrefectServer]:
    """The session's server, which this module's blocks are registered with."""
    server = shared_server(request.config)
    with temporary_settings({PREFECT_API_URL: server.api, PREFECT_HOME: server.home}):
        yield server


@pytest.mark.parametrize("kind", BLOCK_TYPES, ids=IDS)
def test_every_field_is_described_with_an_example(kind: type[PersonaCredentials]) -> None:
    for name, field in kind.model_fields.items():
        assert field.description, name
        assert field.description.endswith("."), name
        assert field.examples, name


@pytest.mark.parametrize("kind", BLOCK_TYPES, ids=IDS)
def test_every_kind_has_a_description_a_logo_and_a_page_of_documentation(
    kind: type[PersonaCredentials],
) -> None:
    told = kind._to_block_type()
    assert told.description
    assert "\n" not in told.description
    assert str(told.logo_url).startswith("https://")
    assert str(told.documentation_url).startswith("https://")
    assert told.code_example is not None
    assert kind.__name__ in told.code_example


@pytest.mark.parametrize("kind", BLOCK_TYPES, ids=IDS)
def test_secrets_and_nothing_else_are_secret_fields(kind: type[PersonaCredentials]) -> None:
    secret = {name for name, field in kind.model_fields.items() if "SecretStr" in str(field.annotation)}
    assert secret == {name for name in kind.model_fields if name in ("access_key_secret", "security_token")}


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("kind", BLOCK_TYPES, ids=IDS)
def test_the_example_of_the_docstring_saves_a_block_that_loads_under_the_name_it_gives(
    kind: type[PersonaCredentials],
) -> None:
    example = kind.get_code_example()
    assert example is not None
    (code,) = _CODE.findall(example)
    names: dict[str, Any] = {}
    exec(compile(code, kind.__name__, "exec"), names)  # noqa: S102  # this project's own docstring
    (slug,) = names["credentials"].values()
    assert slug.startswith(f"{kind.get_block_type_slug()}/")
    load_identity(slug)
    kind.delete(slug.partition("/")[2])


@pytest.mark.parametrize("kind", BLOCK_TYPES, ids=IDS)
def test_the_api_masks_every_secret(kind: type[PersonaCredentials], server: PrefectServer) -> None:
    fields: dict[str, Any] = {
        name: SecretStr(SECRET) if "SecretStr" in str(field.annotation) else field.examples[0]
        for name, field in kind.model_fields.items()
        if field.examples
    }
    kind(**fields).save("masked", overwrite=True)
    path = f"{server.api}/block_types/slug/{kind.get_block_type_slug()}/block_documents/name/masked"
    answer = httpx.get(path, timeout=10)
    answer.raise_for_status()
    assert SECRET not in answer.text
    shown = {
        name: "********" if name in ("access_key_secret", "security_token") else value
        for name, value in fields.items()
    }
    assert {name: answer.json()["data"][name] for name in fields} == shown
    kind.delete("masked")


def test_the_entry_point_leads_to_a_module_that_makes_every_kind_known_and_no_interface() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    found = re.search(r'\[project\.entry-points\."prefect\.collections"\]\n[\w-]+ = "([\w.]+)"\n', text)
    assert found is not None
    module = import_module(found[1])
    known = [*(get_registry_for_type(Block) or {}).values()]
    assert {one for one in known if one.__module__ == module.__name__} == {*BLOCK_TYPES}


# -- identities of the settings as blocks ----------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"access_key_id": "LTAI", "access_key_secret": SECRET},
        {"access_key_id": "STS.X", "access_key_secret": SECRET, "security_token": SECRET},
        {"role_arn": ROLE, "access_key_id": "LTAI", "access_key_secret": SECRET, "external_id": "team-a"},
        {"role_arn": ROLE, "session_seconds": 2000},
        {"ecs_role": "worker"},
        {"role_arn": ROLE, "oidc_provider_arn": "acs:ram::1:oidc-provider/ack", "oidc_token_file": "/token"},
    ],
)
def test_an_identity_of_the_settings_is_the_same_one_as_a_block(fields: dict[str, Any]) -> None:
    identity = IdentitySettings.model_validate(fields)
    assert block_of(identity).identity() == identity


def test_an_identity_that_no_kind_of_block_holds_is_refused_without_its_secrets() -> None:
    identity = IdentitySettings.model_validate(
        {"role_arn": ROLE, "access_key_id": "STS.X", "access_key_secret": SECRET, "security_token": SECRET}
    )
    with pytest.raises(BlockError, match="no credentials block holds this combination") as caught:
        block_of(identity)
    assert SECRET not in str(caught.value)


def _blocks(*arguments: str, **environment: str) -> tuple[int, str, str]:
    with mock.patch.dict(os.environ, environment):
        done = CliRunner().invoke(app, ["blocks", *arguments])
    return done.exit_code, done.stdout, done.stderr


@pytest.mark.usefixtures("server")
def test_the_command_registers_every_kind_and_twice_is_as_good_as_once(server: PrefectServer) -> None:
    for _ in range(2):
        code, told, _ = _blocks()
        assert code == 0
        assert [line.partition(" ")[2] for line in told.splitlines()] == [
            kind.get_block_type_slug() for kind in BLOCK_TYPES
        ]
    answer = httpx.post(f"{server.api}/block_types/filter", json={"limit": 200}, timeout=10)
    slugs = [one["slug"] for one in answer.json() if one["slug"].startswith("alibaba-cloud-")]
    assert sorted(slugs) == sorted(kind.get_block_type_slug() for kind in BLOCK_TYPES)


@pytest.mark.usefixtures("server")
def test_the_command_saves_the_settings_identities_under_the_name_of_each_persona() -> None:
    code, told, _ = _blocks("--save", "local", **_people())
    assert code == 0
    saved = [line.partition(" ")[2] for line in told.splitlines() if line.startswith("saved")]
    assert saved == [
        f"alibaba-cloud-access-key/local-{persona}"
        for persona in ("administrator", "creator", "developer", "executor")
    ]
    assert load_identity("alibaba-cloud-access-key/local-creator") == key_of("carol")
    assert "local-secret" not in told


def _people() -> dict[str, str]:
    """The identities of the sample account, as the environment holds them."""
    people = {"ADMINISTRATOR": "alice", "CREATOR": "carol", "DEVELOPER": "dave", "EXECUTOR": "erin"}
    start = "ONBOARD_IDENTITIES__"
    return {
        **{f"{start}{who}__ACCESS_KEY_ID": f"LTAIlocal{user.capitalize()}" for who, user in people.items()},
        **{f"{start}{who}__ACCESS_KEY_SECRET": f"local-secret-{user}" for who, user in people.items()},
    }


@pytest.mark.parametrize(
    ("arguments", "told"),
    [(("--save", "local"), "the settings hold no identity"), (("--save", "My Name"), "lower-case letters")],
)
def test_the_command_says_what_is_wrong_and_registers_nothing(arguments: tuple[str, ...], told: str) -> None:
    code, shown, error = _blocks(*arguments)
    assert code == 2
    assert shown == ""
    assert told in error

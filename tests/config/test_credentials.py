"""Credentials blocks: what each needs, that none shows its secrets, and what each means to the cloud layer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from prefect.blocks.system import Secret
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import BlockDocumentUpdate
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings
from pydantic import SecretStr, ValidationError

from config.credentials import (
    BLOCK_TYPES,
    AccessKeyCredentials,
    AssumeRoleCredentials,
    BlockError,
    DefaultChainCredentials,
    EcsRoleCredentials,
    OidcCredentials,
    PersonaCredentials,
    StsTokenCredentials,
    identities_from,
    load_identity,
)
from config.personas import Persona
from config.settings import Identities, IdentitySettings
from tests.flows.server import shared_server

ROLE = "acs:ram::1234567890123456:role/onboarding-administrator"
SECRET, TOKEN = "a-secret-key", "a-security-token"
PROVIDER = "acs:ram::1234567890123456:oidc-provider/ack"
FILE = "/var/run/secrets/token"

BLOCKS: list[tuple[type[PersonaCredentials], dict[str, Any], dict[str, Any]]] = [
    (AccessKeyCredentials, {"access_key_id": "LTAI", "access_key_secret": SECRET}, {}),
    (StsTokenCredentials, {"access_key_id": "STS.N", "access_key_secret": SECRET, "security_token": TOKEN}, {}),
    (AssumeRoleCredentials, {"role_arn": ROLE}, {"session_seconds": 3600}),
    (
        AssumeRoleCredentials,
        {
            "role_arn": ROLE, "access_key_id": "LTAI", "access_key_secret": SECRET, "external_id": "team-a",
            "session_seconds": 1800,
        },
        {},
    ),
    (EcsRoleCredentials, {"role_name": "worker"}, {"ecs_role": "worker"}),
    (
        OidcCredentials, {"role_arn": ROLE, "provider_arn": PROVIDER, "token_file": FILE},
        {"oidc_provider_arn": PROVIDER, "oidc_token_file": FILE},
    ),
    (DefaultChainCredentials, {}, {}),
]  # fmt: skip
IDS = [f"{kind.__name__}-{len(fields)}" for kind, fields, _ in BLOCKS]


@pytest.mark.parametrize(("kind", "fields", "more"), BLOCKS, ids=IDS)
def test_a_block_turns_into_an_identity(
    kind: type[PersonaCredentials], fields: dict[str, Any], more: dict[str, Any]
) -> None:
    identity = kind(**fields).identity()
    shown = {
        name: value.get_secret_value() if isinstance(value, SecretStr) else value
        for name, value in {**dict(identity)}.items()
    }
    same = {name: value for name, value in fields.items() if name in IdentitySettings.model_fields}
    for name, value in {**same, **more}.items():
        assert shown[name] == value, name
    given = {name for name, value in shown.items() if value is not None}
    assert given - {"session_seconds"} == {*same, *more} - {"session_seconds"}
    assert identity.assumes_role is (kind is AssumeRoleCredentials)


@pytest.mark.parametrize(("kind", "fields", "more"), BLOCKS, ids=IDS)
def test_no_secret_is_in_a_block_s_text_or_json(
    kind: type[PersonaCredentials], fields: dict[str, Any], more: dict[str, Any]
) -> None:
    del more
    block = kind(**fields)
    told = [
        repr(block),
        str(block),
        block.model_dump_json(),
        repr(block.identity()),
        block.identity().model_dump_json(),
    ]
    told += [str(block.model_dump()), json.dumps(block.model_dump(mode="json"))]
    for text in told:
        assert SECRET not in text
        assert TOKEN not in text


BROKEN: list[tuple[type[PersonaCredentials], dict[str, Any], str]] = [
    (AccessKeyCredentials, {}, "access_key_id"),
    (AccessKeyCredentials, {"access_key_id": "LTAI"}, "access_key_secret"),
    (AccessKeyCredentials, {"access_key_id": "", "access_key_secret": SECRET}, "access_key_id"),
    (StsTokenCredentials, {"access_key_id": "STS.N", "access_key_secret": SECRET}, "security_token"),
    (AssumeRoleCredentials, {}, "role_arn"),
    (AssumeRoleCredentials, {"role_arn": "onboarding-administrator"}, "a role Arn looks like"),
    (AssumeRoleCredentials, {"role_arn": ROLE, "session_seconds": 900}, "session_seconds"),
    (AssumeRoleCredentials, {"role_arn": ROLE, "session_seconds": 50_000}, "session_seconds"),
    (AssumeRoleCredentials, {"role_arn": ROLE, "external_id": "x"}, "external_id"),
    (AssumeRoleCredentials, {"role_arn": ROLE, "access_key_id": "LTAI"}, "access_key"),
    (AssumeRoleCredentials, {"role_arn": ROLE, "access_key_secret": SECRET}, "access_key"),
    (EcsRoleCredentials, {"role_name": ""}, "role_name"),
    (OidcCredentials, {"role_arn": ROLE, "provider_arn": PROVIDER}, "token_file"),
    (
        OidcCredentials,
        {"role_arn": "x", "provider_arn": PROVIDER, "token_file": FILE},
        "a role Arn looks like",
    ),
]


@pytest.mark.parametrize(("kind", "fields", "told"), BROKEN)
def test_a_block_that_could_not_be_used_is_refused_at_once_without_its_secrets(
    kind: type[PersonaCredentials], fields: dict[str, Any], told: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        kind(**fields)
    assert told in str(caught.value)
    assert SECRET not in str(caught.value)
    assert SECRET not in repr(caught.value)


def test_every_kind_has_a_type_slug_and_a_name_of_its_own() -> None:
    assert {kind for kind, _, _ in BLOCKS} == {*BLOCK_TYPES}
    slugs = [kind.get_block_type_slug() for kind in BLOCK_TYPES]
    assert len({*slugs}) == len(slugs)
    assert all(slug.startswith("alibaba-cloud-") for slug in slugs)


# -- saved blocks --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server(request: pytest.FixtureRequest) -> Iterator[None]:
    """A real Prefect server with a block of each kind."""
    server = shared_server(request.config)
    with temporary_settings({PREFECT_API_URL: server.api, PREFECT_HOME: server.home}):
        for number, (kind, fields, _) in enumerate(BLOCKS):
            kind(**fields).save(f"b{number}", overwrite=True)
        Secret[str](value=SecretStr("x")).save("other", overwrite=True)
        yield


def _slug(number: int) -> str:
    return f"{BLOCKS[number][0].get_block_type_slug()}/b{number}"


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize("number", range(len(BLOCKS)), ids=IDS)
def test_a_saved_block_is_the_same_identity_when_it_is_loaded(number: int) -> None:
    kind, fields, _ = BLOCKS[number]
    assert load_identity(_slug(number)) == kind(**fields).identity()


@pytest.mark.usefixtures("server")
@pytest.mark.parametrize(
    ("slug", "told"),
    [
        ("", "is no credentials block"),
        ("secret/other", "is no credentials block; its type is one of: alibaba-cloud-access-key"),
        ("alibaba-cloud-access-key", "does not exist"),
        ("alibaba-cloud-access-key/nobody", "does not exist on this Prefect server"),
        ("alibaba-cloud-ecs-role/b0", "does not exist"),
    ],
)
def test_a_block_that_cannot_be_loaded_is_named_with_what_is_wrong(slug: str, told: str) -> None:
    with pytest.raises(BlockError, match=told) as caught:
        load_identity(slug)
    assert repr(slug) in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.usefixtures("server")
def test_a_block_whose_content_no_longer_fits_asks_to_be_saved_anew() -> None:
    AccessKeyCredentials(access_key_id="LTAI", access_key_secret=SecretStr(SECRET)).save(
        "stale", overwrite=True
    )
    with get_client(sync_client=True) as client:
        document = client.read_block_document_by_name("stale", "alibaba-cloud-access-key")
        update = BlockDocumentUpdate(data={"access_key_id": ""}, merge_existing_data=False)
        client.request(
            "PATCH",
            "/block_documents/{id}",
            path_params={"id": document.id},
            json=update.model_dump(mode="json", exclude_unset=True),
        )
    with pytest.raises(
        BlockError, match="'alibaba-cloud-access-key/stale' cannot be used: save it anew"
    ) as caught:
        load_identity("alibaba-cloud-access-key/stale")
    assert SECRET not in str(caught.value)


@pytest.mark.usefixtures("server")
def test_blocks_take_the_place_of_the_settings_for_the_personas_that_name_one() -> None:
    base = Identities(
        creator=IdentitySettings(ecs_role="creator"), developer=IdentitySettings(ecs_role="developer")
    )
    found = identities_from({"administrator": _slug(2), "creator": _slug(0), "default": _slug(6)}, base)
    assert found.of(Persona.ADMINISTRATOR).role_arn == ROLE
    assert found.of(Persona.CREATOR).access_key_id == "LTAI"
    assert found.of(Persona.DEVELOPER).ecs_role == "developer"
    assert found.of(Persona.EXECUTOR) == IdentitySettings()
    assert identities_from({}, base) == base
    assert SECRET not in repr(found) + found.model_dump_json()
    with pytest.raises(BlockError, match="nobody"):
        identities_from({"default": "alibaba-cloud-ecs-role/nobody"}, base)

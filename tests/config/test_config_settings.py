"""Settings of an installation."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from config.limits import Edition
from config.personas import Persona
from config.settings import Identities, IdentitySettings, Settings


def test_defaults_point_at_alibaba_cloud() -> None:
    settings = Settings()
    assert settings.protocol == "https"
    assert settings.endpoint("ram", "cn-wulanchabu") == "ram.aliyuncs.com"
    assert settings.endpoint("sts", "cn-hangzhou") == "sts.cn-hangzhou.aliyuncs.com"
    assert settings.endpoint("dataworks", "cn-hangzhou") == "dataworks.cn-hangzhou.aliyuncs.com"
    assert settings.edition is Edition.STANDARD
    assert settings.rate_headroom == 0.8


def test_one_switch_sends_all_products_to_the_local_cloud(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONBOARD_LOCAL_CLOUD", "http://127.0.0.1:8090/")
    settings = Settings(dataworks_endpoint="dataworks.example.com")
    assert settings.protocol == "http"
    assert {settings.endpoint(each, "cn-hangzhou") for each in ("ram", "sts", "dataworks")} == {
        "127.0.0.1:8090"
    }


def test_given_endpoints_win() -> None:
    settings = Settings(
        sts_endpoint="sts-vpc.cn-hangzhou.aliyuncs.com", dataworks_endpoint="dw.example.com:8443"
    )
    assert settings.endpoint("sts", "cn-hangzhou") == "sts-vpc.cn-hangzhou.aliyuncs.com"
    assert settings.endpoint("dataworks", "cn-hangzhou") == "dw.example.com:8443"


def test_unknown_product_is_refused() -> None:
    with pytest.raises(ValueError, match="unknown product 'oss'"):
        Settings().endpoint("oss", "cn-hangzhou")


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8090",
        "http://127.0.0.1",
        "http://127.0.0.1:8090/path",
        "http://127.0.0.1:8090?x=1",
        "http://user:hush@127.0.0.1:8090",
        "ftp://127.0.0.1:8090",
        "http://127.0.0.1:99999",
        "http://:8090",
        "",
    ],
)
def test_local_cloud_is_a_scheme_a_host_and_a_port(url: str) -> None:
    with pytest.raises(ValidationError, match=r"local_cloud looks like http://127\.0\.0\.1:8090") as caught:
        Settings(local_cloud=url)
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize("endpoint", ["https://ram.aliyuncs.com", "ram.aliyuncs.com/path", "", "a b", "u@h"])
def test_endpoint_is_a_host(endpoint: str) -> None:
    with pytest.raises(ValidationError, match="an endpoint is a host"):
        Settings(ram_endpoint=endpoint)


def test_credentials_of_each_persona_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONBOARD_IDENTITIES__DEFAULT__ACCESS_KEY_ID", "LTAIdefault")
    monkeypatch.setenv("ONBOARD_IDENTITIES__DEFAULT__ACCESS_KEY_SECRET", "hush-default")
    monkeypatch.setenv("ONBOARD_IDENTITIES__CREATOR__ACCESS_KEY_ID", "STS.creator")
    monkeypatch.setenv("ONBOARD_IDENTITIES__CREATOR__ACCESS_KEY_SECRET", "hush-creator")
    monkeypatch.setenv("ONBOARD_IDENTITIES__CREATOR__SECURITY_TOKEN", "hush-token")
    identities = Settings().identities
    creator = identities.of(Persona.CREATOR)
    assert creator.access_key_secret is not None
    assert creator.security_token is not None
    assert creator.access_key_secret.get_secret_value() == "hush-creator"
    assert creator.security_token.get_secret_value() == "hush-token"
    for persona in (Persona.ADMINISTRATOR, Persona.DEVELOPER, Persona.EXECUTOR):
        assert identities.of(persona).access_key_id == "LTAIdefault"


def test_without_credentials_the_default_chain_is_used() -> None:
    assert not any(Settings().identities.of(persona).configured for persona in Persona)


def test_no_secret_is_shown() -> None:
    identity = IdentitySettings(
        access_key_id="LTAIhush", access_key_secret=SecretStr("hush"), security_token=SecretStr("hush")
    )
    settings = Settings(identities=Identities(executor=identity))
    shown = (
        repr(settings),
        str(settings),
        repr(identity),
        str(settings.model_dump()["identities"]["default"]),
    )
    assert "hush" not in "".join(shown)
    assert "hush" not in settings.model_dump_json(exclude={"identities": {"executor": {"access_key_id"}}})


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"access_key_id": "LTAIhush"}, "belong together"),
        ({"access_key_secret": "hush"}, "belong together"),
        ({"security_token": "hush"}, "a security_token needs"),
        ({"access_key": "hush"}, "Extra inputs are not permitted"),
    ],
)
def test_incomplete_credentials_are_refused_without_showing_them(values: dict[str, Any], rule: str) -> None:
    with pytest.raises(ValidationError, match=rule) as caught:
        Settings.model_validate({"identities": {"default": values}})
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "rule"),
    [
        ({"rate_headroom": 0}, "greater than 0"),
        ({"rate_headroom": 1.1}, "less than or equal to 1"),
        ({"retry_attempts": 0}, "greater than or equal to 1"),
        ({"read_timeout": -1}, "greater than 0"),
        ({"retry_wait_initial": 30}, "retry_wait_initial must not be above retry_wait_maximum"),
        ({"poll_interval_initial": 30}, "poll_interval_initial must not be above poll_interval_maximum"),
        ({"edition": "gold"}, "Input should be"),
        ({"surprise": 1}, "Extra inputs are not permitted"),
    ],
)
def test_setting_out_of_bounds_is_refused(values: dict[str, Any], rule: str) -> None:
    with pytest.raises(ValidationError, match=rule):
        Settings.model_validate(values)


def test_content_profiles_come_from_the_environment_as_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ONBOARD_CONTENT_PROFILES", '{"oss": {"bucket": "{bucket}"}}')
    assert Settings().content_profiles == {"oss": {"bucket": "{bucket}"}}


@pytest.mark.parametrize("model", [Settings, Identities, IdentitySettings])
def test_every_setting_is_described_with_examples(
    model: type[Settings | Identities | IdentitySettings],
) -> None:
    bare = [name for name, field in model.model_fields.items() if not field.description or not field.examples]
    assert bare == []

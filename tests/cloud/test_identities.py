"""Whose credentials a call carries, and what a process hands on or keeps to itself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cloud.errors import CredentialsRefused
from cloud.gate import Gate
from cloud.mapping import CREDENTIALS_TRIED
from cloud.sts import caller_identity
from config.limits import DATAWORKS, RAM, STS
from config.personas import Persona
from config.settings import Identities, Settings
from emulator.server import RunningCloud
from tests.clock import LocalClock
from tests.cloud.gates import SERVICE_LINKED_ROLE, create_role, gate_of, gate_of_personas
from tests.settings import REGION, key_of, settings_for

ROOT = Path(__file__).parents[2]
PROXY = "http://127.0.0.1:9"  # discard: nothing listens there
GATE = f"""
from cloud.gate import Gate
from cloud.sts import caller_identity
from config.personas import Persona
from config.settings import Settings
gate = Gate(Settings(), {REGION!r})
"""


def run(code: str, home: Path, **environment: str) -> str:
    """What a fresh process prints: no credentials but those given, no file of the person who runs the tests."""
    clean = {"PATH": os.environ["PATH"], "HOME": str(home), "ALIBABA_CLOUD_ECS_METADATA_DISABLED": "true"}
    ended = subprocess.run(
        # The vendor's SDKs date their requests with utcnow(), deprecated on Python 3.12 and later.
        [sys.executable, "-W", "error", "-W", "ignore:datetime.datetime.utcnow", "-c", code],
        cwd=ROOT,
        env={**clean, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


def test_each_persona_calls_with_its_own_credentials(local: RunningCloud) -> None:
    gate = gate_of_personas(local)
    names = {persona: caller_identity(gate, persona).name for persona in Persona}
    assert names == {
        Persona.ADMINISTRATOR: "alice",
        Persona.CREATOR: "carol",
        Persona.DEVELOPER: "dave",
        Persona.EXECUTOR: "erin",
    }
    for persona, name in names.items():
        gate.read(DATAWORKS, "GetProject", {"ProjectId": 10001}, persona=persona)
        assert local.cloud.journal.entries[-1].caller == name


def test_a_persona_without_its_own_credentials_uses_the_default(local: RunningCloud) -> None:
    identities = Identities(default=key_of("dave"), creator=key_of("carol"))
    gate = Gate(settings_for(local, identities=identities), REGION, LocalClock(local.cloud))
    assert [caller_identity(gate, one).name for one in Persona] == ["dave", "carol", "dave", "dave"]


@pytest.mark.parametrize("product", [RAM, STS, DATAWORKS])
def test_every_product_has_its_own_endpoint_unless_a_local_cloud_is_set(
    local: RunningCloud, product: str
) -> None:
    assert settings_for(local).endpoint(product, REGION) == local.url.removeprefix("http://")
    assert Settings().endpoint(product, REGION).endswith(".aliyuncs.com")


def test_unknown_credentials_are_refused_by_name_of_the_persona(local: RunningCloud) -> None:
    local.cloud.state.ram.users["alice"].access_keys = []
    with pytest.raises(CredentialsRefused) as caught:
        create_role(gate_of(local))
    assert caught.value.code == "InvalidAccessKeyId.NotFound"
    assert "LTAIlocalAlice" not in str(caught.value)


def test_the_default_chain_takes_the_environment_s_key(local: RunningCloud, tmp_path: Path) -> None:
    name = run(
        f"{GATE}\nprint(caller_identity(gate, Persona.CREATOR).name)",
        tmp_path,
        ONBOARD_LOCAL_CLOUD=local.url,
        ALIBABA_CLOUD_ACCESS_KEY_ID="LTAIlocalCarol",
        ALIBABA_CLOUD_ACCESS_KEY_SECRET="local-secret-carol",
    )
    assert name == "carol"


def test_an_onboarding_s_own_variables_come_before_the_default_chain(
    local: RunningCloud, tmp_path: Path
) -> None:
    name = run(
        f"{GATE}\nprint([caller_identity(gate, one).name for one in (Persona.EXECUTOR, Persona.CREATOR)])",
        tmp_path,
        ONBOARD_LOCAL_CLOUD=local.url,
        ALIBABA_CLOUD_ACCESS_KEY_ID="LTAIlocalCarol",
        ALIBABA_CLOUD_ACCESS_KEY_SECRET="local-secret-carol",
        ONBOARD_IDENTITIES__EXECUTOR__ACCESS_KEY_ID="LTAIlocalErin",
        ONBOARD_IDENTITIES__EXECUTOR__ACCESS_KEY_SECRET="local-secret-erin",
    )
    assert name == "['erin', 'carol']"


def test_no_credentials_at_all_tell_the_places_that_were_tried(local: RunningCloud, tmp_path: Path) -> None:
    code = f"""{GATE}
from cloud.errors import CredentialsRefused
try:
    caller_identity(gate, Persona.CREATOR)
except CredentialsRefused as error:
    print(error, len(gate.journal.records))
"""
    told = run(code, tmp_path, ONBOARD_LOCAL_CLOUD=local.url)
    assert told.startswith("credentials of the creator: no credentials were found for the creator.")
    assert f"The creator can fix it: {CREDENTIALS_TRIED}. 1" in told
    assert "ALIBABA_CLOUD_ACCESS_KEY_ID" in CREDENTIALS_TRIED
    assert not local.cloud.journal.entries


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY"])
def test_a_proxy_does_not_capture_calls_to_a_local_cloud(
    local: RunningCloud, tmp_path: Path, name: str
) -> None:
    code = f"{GATE}\nimport os\nprint(caller_identity(gate, Persona.CREATOR).name, {name!r} in os.environ)"
    told = run(
        code,
        tmp_path,
        ONBOARD_LOCAL_CLOUD=local.url,
        ALIBABA_CLOUD_ACCESS_KEY_ID="LTAIlocalCarol",
        ALIBABA_CLOUD_ACCESS_KEY_SECRET="local-secret-carol",
        **{name: PROXY},
    )
    assert told == "carol False"


def test_a_proxy_is_kept_for_the_real_cloud(tmp_path: Path) -> None:
    told = run(f"{GATE}\nimport os\nprint(os.environ['HTTPS_PROXY'])", tmp_path, HTTPS_PROXY=PROXY)
    assert told == PROXY


def test_importing_the_gate_loads_no_sdk(tmp_path: Path) -> None:
    code = """
import sys
import cloud.gate, cloud.ensure, cloud.inventory, cloud.ram, cloud.sts, cloud.waiting
import cloud.dataworks.data_sources, cloud.dataworks.runs, cloud.dataworks.sync_tasks, cloud.dataworks.workspaces
heavy = ("alibabacloud", "darabonba", "Tea", "prefect", "requests", "aiohttp")
print(sorted(name for name in sys.modules if name.startswith(heavy)))
"""
    assert run(code, tmp_path) == "[]"


def test_a_product_s_client_is_loaded_when_it_is_first_called(local: RunningCloud, tmp_path: Path) -> None:
    code = f"""{GATE}
import sys
caller_identity(gate, Persona.CREATOR)
print([name for name in ("alibabacloud_sts20150401", "alibabacloud_ram20150501",
       "alibabacloud_dataworks_public20200518") if name in sys.modules])
"""
    told = run(
        code,
        tmp_path,
        ONBOARD_LOCAL_CLOUD=local.url,
        ALIBABA_CLOUD_ACCESS_KEY_ID="LTAIlocalCarol",
        ALIBABA_CLOUD_ACCESS_KEY_SECRET="local-secret-carol",
    )
    assert told == "['alibabacloud_sts20150401']"


def test_a_forked_child_does_not_read_its_parent_s_or_siblings_answers(
    local: RunningCloud, tmp_path: Path
) -> None:
    """Parent and children would share one connection, and each would read what another had asked for."""
    setup = gate_of(local)
    for number in range(4):
        create_role(setup, f"Role{number}")
    code = f"""{GATE}
import os
from cloud.ram import get_role
assert get_role(gate, {SERVICE_LINKED_ROLE!r}) is not None
children = []
for number in range(4):
    child = os.fork()
    if child == 0:
        wrong = 1
        try:
            wrong = sum(get_role(gate, f"Role{{number}}").name != f"Role{{number}}" for _ in range(40))
        finally:
            os._exit(min(wrong, 1))
    children.append(child)
print([os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children])
"""
    told = run(
        code,
        tmp_path,
        ONBOARD_LOCAL_CLOUD=local.url,
        ALIBABA_CLOUD_ACCESS_KEY_ID="LTAIlocalAlice",
        ALIBABA_CLOUD_ACCESS_KEY_SECRET="local-secret-alice",
        ONBOARD_EDITION="enterprise",
        ONBOARD_RATE_HEADROOM="1",
    )
    assert told == "[0, 0, 0, 0]"


@pytest.mark.parametrize(
    "identity",
    [
        {"ECS_ROLE": "worker"},
        {
            "ROLE_ARN": "acs:ram::1234567890123456:role/onboarding",
            "OIDC_PROVIDER_ARN": "acs:ram::1234567890123456:oidc-provider/ack",
            "OIDC_TOKEN_FILE": "/nonexistent/token",
        },
    ],
    ids=["no metadata service", "no token file"],
)
def test_credentials_that_cannot_be_had_are_refused_once_and_not_asked_for_again(
    local: RunningCloud, tmp_path: Path, identity: dict[str, str]
) -> None:
    """The SDK tells it by exceptions of the standard library, which look like a lost answer."""
    code = f"""{GATE}
from cloud.errors import CredentialsRefused
try:
    caller_identity(gate, Persona.CREATOR)
except CredentialsRefused as error:
    print(len(gate.journal.records), error.persona.value)
"""
    variables = {f"ONBOARD_IDENTITIES__DEFAULT__{name}": value for name, value in identity.items()}
    assert run(code, tmp_path, ONBOARD_LOCAL_CLOUD=local.url, **variables) == "1 creator"

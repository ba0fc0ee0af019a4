"""Construction of the official SDK's clients, with every endpoint explicit.

Traps this module answers (all measured with the installed SDK):

- the SDK's endpoint map misses regions, so endpoints are always given;
- ``HTTP_PROXY`` captures calls to loopback and ``NO_PROXY`` is ignored, so a local cloud unsets them;
- the DataWorks client takes half a second to import, so each client is imported when it is first needed;
- after ``fork`` parent and child share connections and read each other's answers, so a child starts without any.
"""

from __future__ import annotations

import importlib
import os
import re
import threading
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from config.limits import DATAWORKS, RAM, STS

if TYPE_CHECKING:
    from config.settings import IdentitySettings, Settings

_PACKAGES = {
    RAM: "alibabacloud_ram20150501",
    STS: "alibabacloud_sts20150401",
    DATAWORKS: "alibabacloud_dataworks_public20200518",
}
_PROXY_VARIABLES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
_IDLE_CONNECTIONS = 64  # sockets kept per endpoint; more threads than that open and close their own


def sdk_method(action: str) -> str:
    """The SDK's method for an action: ``CreateDISyncTask`` → ``create_disync_task_with_options``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", action).lower() + "_with_options"


@lru_cache(maxsize=1)
def prepare_process() -> None:
    """Once per process: a forked child must not inherit open connections."""
    from darabonba.core import DaraCore

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=DaraCore._sessions.clear)


def forget_proxies() -> tuple[str, ...]:
    """Unset the proxy variables of this process; returns the names that were set.

    Only for a local cloud: the SDK would send loopback calls to the proxy, whatever ``NO_PROXY`` says.
    """
    return tuple(name for name in _PROXY_VARIABLES if os.environ.pop(name, None) is not None)


def request_model(product: str, action: str) -> Any:
    """The SDK's request class of an action, or None when the action takes no parameters."""
    models = importlib.import_module(f"{_PACKAGES[product]}.models")
    return getattr(models, f"{action}Request", None)


def build_client(settings: Settings, product: str, region: str, credential: Any) -> Any:
    """A client of ``product`` that signs with ``credential``: anything with ``get_credential()``."""
    from alibabacloud_tea_openapi.utils_models import Config

    prepare_process()
    config = Config(
        endpoint=settings.endpoint(product, region),
        protocol=settings.protocol.upper(),
        region_id=region,
        user_agent="dataworks-onboarding",
        connect_timeout=int(settings.connect_timeout * 1000),
        read_timeout=int(settings.read_timeout * 1000),
        max_idle_conns=_IDLE_CONNECTIONS,
        credential=credential,
    )
    client = importlib.import_module(f"{_PACKAGES[product]}.client").Client
    return client(config)


class PlainCredential:
    """The SDK's own credential for an identity that assumes no role, or for the credentials that assume one.

    Nothing configured: the SDK's default chain, in its order: environment, OIDC, ``~/.aliyun/config.json``,
    credentials file, ECS role, URI. Whatever goes wrong is a ``CredentialException``: the SDK also raises
    ``ValueError`` (metadata service disabled) and ``OSError`` (no token file), which look like a lost answer.
    """

    def __init__(self, identity: IdentitySettings) -> None:
        self._identity = identity
        self._lock = threading.Lock()
        self._client: Any = None

    def get_credential(self) -> Any:
        """The current key pair, with a token when it is temporary."""
        from alibabacloud_credentials.exceptions import CredentialException

        try:
            with self._lock:
                self._client = self._client or _credentials_client(self._identity)
            return self._client.get_credential()
        except CredentialException:
            raise
        except Exception as error:
            raise CredentialException(f"no credentials: {type(error).__name__}") from error

    async def get_credential_async(self) -> Any:
        """The SDK asks for it; its asynchronous methods are not used here."""
        return self.get_credential()


def _credentials_client(identity: IdentitySettings) -> Any:
    from alibabacloud_credentials.client import Client
    from alibabacloud_credentials.models import Config

    if identity.access_key_id is not None and identity.access_key_secret is not None:
        token = identity.security_token.get_secret_value() if identity.security_token else None
        return Client(
            Config(
                type="sts" if token else "access_key",
                access_key_id=identity.access_key_id,
                access_key_secret=identity.access_key_secret.get_secret_value(),
                security_token=token,
            )
        )
    if identity.ecs_role is not None:
        return Client(Config(type="ecs_ram_role", role_name=identity.ecs_role))
    if identity.oidc_token_file is not None:
        return Client(
            Config(
                type="oidc_role_arn",
                role_arn=identity.role_arn,
                oidc_provider_arn=identity.oidc_provider_arn,
                oidc_token_file_path=identity.oidc_token_file,
                role_session_name="onboarding",
                role_session_expiration=identity.session_seconds,
            )
        )
    return _default_credentials()


@lru_cache(maxsize=1)
def _default_credentials() -> Any:
    """One chain per process: it caches and refreshes what it finds."""
    from alibabacloud_credentials.client import Client

    return Client()

"""Clients of the tests: the vendor's SDK pointed at a local cloud, and a signer of our own for requests no SDK sends."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import pytest
from alibabacloud_dataworks_public20200518.client import Client as DataWorksClient
from alibabacloud_ram20150501.client import Client as RamClient
from alibabacloud_sts20150401 import models as sts_models
from alibabacloud_sts20150401.client import Client as StsClient
from alibabacloud_tea_openapi.exceptions import AlibabaCloudException
from alibabacloud_tea_openapi.utils_models import Config

from emulator.clock import Clock
from emulator.server import RunningCloud

ACCOUNT = "1234567890123456"
RAM_VERSION, STS_VERSION, DATAWORKS_VERSION = "2015-05-01", "2015-04-01", "2020-05-18"
TRUST_DI = json.dumps(
    {
        "Version": "1",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "sts:AssumeRole",
                "Principal": {"Service": ["di.dataworks.aliyuncs.com"]},
            }
        ],
    }
)
TRUST_ACCOUNT = json.dumps(
    {
        "Version": "1",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "sts:AssumeRole",
                "Principal": {"RAM": [f"acs:ram::{ACCOUNT}:root"]},
            }
        ],
    }
)


@dataclass(frozen=True)
class Key:
    """An AccessKey, with a token when it is temporary."""

    id: str
    secret: str = field(repr=False)
    token: str | None = field(default=None, repr=False)


def key_of(user: str) -> Key:
    """The key of a user of the sample account."""
    return Key(f"LTAIlocal{user.capitalize()}", f"local-secret-{user}")


ALICE = key_of("alice")


def document(*actions: str, effect: str = "Allow", resource: str = "*") -> str:
    """An identity policy with one statement."""
    statement = {"Effect": effect, "Action": list(actions), "Resource": [resource]}
    return json.dumps({"Version": "1", "Statement": [statement]})


def config(local: RunningCloud, key: Key, **more: Any) -> Config:
    """The SDK's configuration for a local cloud."""
    return Config(
        access_key_id=key.id,
        access_key_secret=key.secret,
        security_token=key.token,
        endpoint=urlsplit(local.url).netloc,
        protocol="http",
        region_id="cn-hangzhou",
        **more,
    )


def ram(local: RunningCloud, key: Key = ALICE, **more: Any) -> RamClient:
    """The vendor's RAM client."""
    return RamClient(config(local, key, **more))


def sts(local: RunningCloud, key: Key = ALICE, **more: Any) -> StsClient:
    """The vendor's STS client."""
    return StsClient(config(local, key, **more))


def dataworks(local: RunningCloud, key: Key = ALICE, **more: Any) -> DataWorksClient:
    """The vendor's DataWorks client."""
    return DataWorksClient(config(local, key, **more))


def assume(local: RunningCloud, role: str, key: Key = ALICE, **more: Any) -> Key:
    """Temporary credentials of a role."""
    request = sts_models.AssumeRoleRequest(
        role_arn=f"acs:ram::{ACCOUNT}:role/{role}", role_session_name="test", **more
    )
    issued = sts(local, key).assume_role(request).body.credentials
    return Key(issued.access_key_id, issued.access_key_secret, issued.security_token)


@contextmanager
def refused(code: str, status: int | None = None, message: str | None = None) -> Iterator[Any]:
    """Expects the SDK's exception for a refusal."""
    with pytest.raises(AlibabaCloudException) as caught:
        yield caught
    assert caught.value.code == code
    if status is not None:
        assert caught.value.status_code == status
    if message is not None:
        assert caught.value.data["Message"] == message


@dataclass(frozen=True)
class Reply:
    """An HTTP answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body read as JSON."""
        return json.loads(self.body)


def http_call(
    local: RunningCloud,
    method: str,
    target: str,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
) -> Reply:
    """One HTTP request, exactly as given."""
    parts = urlsplit(local.url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=10)
    try:
        connection.request(method, target, body=body or None, headers=dict(headers or {}))
        response = connection.getresponse()
        found = {name.lower(): value for name, value in response.getheaders()}
        return Reply(response.status, found, response.read())
    finally:
        connection.close()


def control(local: RunningCloud, method: str, name: str, body: Any = None) -> Reply:
    """One control call; a body that is no bytes is sent as JSON."""
    raw = body if isinstance(body, bytes) else (b"" if body is None else json.dumps(body).encode())
    return http_call(local, method, f"/_emulator/{name}", body=raw)


def _pct(text: str) -> str:
    return quote(text, safe="-_.~")


def _query(pairs: Mapping[str, str]) -> str:
    return "&".join(f"{_pct(name)}={_pct(value)}" for name, value in sorted(pairs.items()))


def now(offset: float = 0) -> str:
    """A date for a signature, in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + offset))


@dataclass
class Acs3:
    """A request of the current dialect; change a part before or after :meth:`sign`, then :meth:`send` it."""

    local: RunningCloud
    action: str
    version: str = RAM_VERSION
    query: dict[str, str] = field(default_factory=dict)
    form: dict[str, str] = field(default_factory=dict)
    key: Key = ALICE
    method: str = "POST"
    headers: dict[str, str] = field(default_factory=dict)
    leave_out: tuple[str, ...] = ()
    body: bytes = b""

    def sign(self) -> Acs3:
        """Compute headers and signature as the vendor's page "Signature method V3" says."""
        self.body = urlencode(self.form).encode()
        made = {
            "host": urlsplit(self.local.url).netloc,
            "x-acs-action": self.action,
            "x-acs-version": self.version,
            "x-acs-date": now(),
            "x-acs-signature-nonce": uuid.uuid4().hex,
            "x-acs-content-sha256": hashlib.sha256(self.body).hexdigest(),
        }
        if self.form:
            made["content-type"] = "application/x-www-form-urlencoded"
        if self.key.token:
            made["x-acs-security-token"] = self.key.token
        self.headers = {**made, **self.headers}
        signed = sorted(name for name in self.headers if name not in self.leave_out)
        canonical = "\n".join(
            [
                self.method,
                "/",
                _query(self.query),
                "".join(f"{name}:{self.headers[name].strip()}\n" for name in signed),
                ";".join(signed),
                self.headers["x-acs-content-sha256"],
            ]
        )
        to_sign = f"ACS3-HMAC-SHA256\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        signature = hmac.new(self.key.secret.encode(), to_sign.encode(), hashlib.sha256).hexdigest()
        self.headers["authorization"] = (
            f"ACS3-HMAC-SHA256 Credential={self.key.id},SignedHeaders={';'.join(signed)},Signature={signature}"
        )
        return self

    def send(self) -> Reply:
        """Send what is there now."""
        target = f"/?{urlencode(self.query)}" if self.query else "/"
        return http_call(self.local, self.method, target, self.headers, self.body)


def v1_parameters(key: Key, method: str, parameters: Mapping[str, str]) -> dict[str, str]:
    """Parameters of the older dialect with their signature (page "Signature method V2", version 1.0)."""
    made = {
        "AccessKeyId": key.id,
        "SignatureMethod": "HMAC-SHA1",
        "SignatureVersion": "1.0",
        "SignatureNonce": uuid.uuid4().hex,
        "Timestamp": now(),
        **({"SecurityToken": key.token} if key.token else {}),
        **parameters,
    }
    to_sign = f"{method}&%2F&{_pct(_query(made))}"
    digest = hmac.new(f"{key.secret}&".encode(), to_sign.encode(), hashlib.sha1).digest()
    return {**made, "Signature": base64.b64encode(digest).decode()}


class StandingClock(Clock):
    """A clock that moves by :meth:`advance` only: a test of rates must not cross a second by itself."""

    def __init__(self) -> None:
        super().__init__()
        self._start = float(int(time.time()))

    def now(self) -> float:
        """The start plus what was advanced."""
        return self._start + self.offset

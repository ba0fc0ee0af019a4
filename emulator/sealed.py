"""Secrets of data sources as the local cloud keeps them: sealed, so that no state, dump or state file has them in clear.

The engine only has to know whether a secret is the right one, and a digest tells that. A secret that is sealed already
stays as it is.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any

SECRETS = ("accessKey", "accessKeySecret", "password", "securityToken")
"""Keys of ``Content`` that hold a secret. Source: CreateDataSource, ConnectionProperties."""
_START = "sha256:"


def seal(secret: str) -> str:
    """The sealed form of a secret."""
    return secret if secret.startswith(_START) else _START + hashlib.sha256(secret.encode()).hexdigest()


def is_secret(kept: Any, secret: str) -> bool:
    """Whether what is kept, sealed or not, is this secret."""
    return seal(str(kept or "")) == seal(secret)


def sealed_content(text: str) -> str:
    """``Content`` with its secrets sealed; text without secrets, or that is no JSON object, as it is."""
    try:
        content = json.loads(text)
    except ValueError:
        return text
    if not isinstance(content, dict) or not any(content.get(key) for key in SECRETS):
        return text
    sealed = {key: seal(str(value)) if key in SECRETS and value else value for key, value in content.items()}
    return json.dumps(sealed, ensure_ascii=False)

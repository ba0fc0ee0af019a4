"""How Prefect behaves under the command line; set before Prefect is imported."""

from __future__ import annotations

import logging
import os

from cli.inputs import BadInput

_SERVER_SECONDS = 10


def prepare(verbose: bool) -> None:
    """Quiet unless asked; patient with the first start, which migrates a database for up to half a minute."""
    defaults = {
        "PREFECT_LOGGING_LEVEL": "INFO" if verbose else "CRITICAL",
        "PREFECT_LOGGING_INTERNAL_LEVEL": "WARNING" if verbose else "CRITICAL",
        "PREFECT_LOGGING_SERVER_LEVEL": "WARNING" if verbose else "CRITICAL",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
        "PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW": "ignore",
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)
    if os.environ.get("ONBOARD_LOCAL_CLOUD"):
        # The SDK's default chain would ask the ECS metadata address before it says that there are no credentials.
        os.environ.setdefault("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true")
    # The credentials library logs each failed look with a traceback; what is wrong is said once, by us.
    logging.getLogger("credentials").setLevel(logging.CRITICAL + 1)


def require_prefect_server() -> None:
    """Raise :class:`BadInput` when a Prefect server is configured and does not answer. None configured is fine."""
    import httpx
    from prefect.settings import get_current_settings

    url = get_current_settings().api.url
    if not url:
        return
    try:
        httpx.get(f"{url}/health", timeout=_SERVER_SECONDS)
    except httpx.HTTPError as error:
        rule = (
            f"no Prefect server answers at {url} ({type(error).__name__}); start it, or unset PREFECT_API_URL"
        )
        raise BadInput(rule, [{"path": "PREFECT_API_URL", "value": url, "rule": rule}]) from error

"""What a resource group reaches: hosts by pattern, and OSS endpoints by region.

An internal endpoint is reached from its own region only. A name such as ``<bucket>.oss-<region>.aliyuncs.com``
resolves, so that a bucket in the endpoint passes a network test; it is the run that fails.
Source: OSS page "Regions and endpoints"; vendor's warning on the endpoint of an OSS data source.
"""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase

from emulator.cloud import LocalCloud
from emulator.dataworks.content import host_of
from emulator.state import DataSource, ResourceGroup

DATA_INTEGRATION = 4
"""Type of the resource groups that run sync tasks. Source: ListResourceGroups."""

_OSS_HOST = re.compile(
    r"(?:(?P<bucket>[a-z0-9][a-z0-9-]*)\.)?oss(?:-(?P<region>[a-z0-9-]+?))?(?P<internal>-internal)?\.aliyuncs\.com"
)
# The endpoint without a region is the one of the first region.
_OSS_DEFAULT_REGION = "cn-hangzhou"
_ACCELERATED = frozenset({"accelerate", "accelerate-overseas"})


def oss_endpoint(host: str) -> tuple[str | None, str | None, bool] | None:
    """Bucket label, region (None where every region is served) and whether internal; None for another host."""
    match = _OSS_HOST.fullmatch(host)
    if match is None:
        return None
    region = match["region"] or _OSS_DEFAULT_REGION
    return match["bucket"], None if region in _ACCELERATED else region, match["internal"] is not None


def integration_group(cloud: LocalCloud, identifier: str, workspace: int) -> ResourceGroup | None:
    """The Data Integration resource group with this identifier that the workspace may use."""
    for group in cloud.state.dataworks.resource_groups:
        if group.identifier == identifier and group.type == DATA_INTEGRATION and group.status == 0:
            return group if group.workspaces is None or workspace in group.workspaces else None
    return None


def unreachable(cloud: LocalCloud, group: ResourceGroup, source: DataSource) -> str | None:
    """Why the group does not reach the data source, or None when it does."""
    host = host_of(source.type, json.loads(source.content))
    if source.type == "oss":
        endpoint = oss_endpoint(host)
        if endpoint is None:
            return f"UnknownHostException: {host}"
        _, region, internal = endpoint
        if internal and region != cloud.state.region:
            return f"connect to {host} timed out: an internal endpoint is reached from {region} only"
    if not any(fnmatchcase(host, pattern.lower()) for pattern in group.reaches):
        return f"connect to {host} timed out from resource group {group.identifier}"
    return None

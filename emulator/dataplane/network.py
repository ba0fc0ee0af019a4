"""What a resource group reaches: hosts by pattern, and endpoints of OSS, SLS and Tablestore by region.

An internal endpoint is reached from its own region only. A name such as ``<bucket>.oss-<region>.aliyuncs.com`` or
``<project>.<region>.log.aliyuncs.com`` resolves, so that a bucket or project in the endpoint passes a network test; it
is the run that fails. A Hologres instance, and a cluster of AnalyticDB for MySQL 3.0, is found by its id, which stands
for its host.
Source: pages "Regions and endpoints" (OSS), "Endpoints" (SLS, Tablestore); vendor's warning on the endpoint of an OSS
data source.
"""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from typing import NamedTuple

from emulator.cloud import LocalCloud
from emulator.dataworks.content import host_of
from emulator.state import DataSource, ResourceGroup

DATA_INTEGRATION = 4
"""Type of the resource groups that run sync tasks. Source: ListResourceGroups."""

_OSS = re.compile(
    r"(?:(?P<label>[a-z0-9][a-z0-9-]*)\.)?oss(?:-(?P<region>[a-z0-9-]+?))?(?P<internal>-internal)?\.aliyuncs\.com"
)
_LOG = re.compile(
    r"(?:(?P<label>[a-z0-9][a-z0-9-]*)\.)?"
    r"(?:log-(?P<global>global)|(?P<region>[a-z0-9-]+?)(?P<internal>-intranet)?\.log)\.aliyuncs\.com"
)
_OTS = re.compile(
    r"(?P<label>[a-z0-9][a-z0-9-]*)\.(?P<region>[a-z0-9-]+)\."
    r"(?:ots|tablestore|(?P<internal>ots-internal|vpc\.tablestore))\.aliyuncs\.com"
)
# A host of AnalyticDB for MySQL may have the region's name or, older, that of a zone; neither decides what is reached.
_ADB = re.compile(r"(?P<label>[a-z0-9][a-z0-9-]*)(?:\.[a-z0-9-]+)?\.ads\.aliyuncs\.com")
_HOSTS = {"oss": _OSS, "loghub": _LOG, "ots": _OTS, "ads": _ADB}
# The endpoint without a region is the one of the first region.
_OSS_DEFAULT_REGION = "cn-hangzhou"
_OSS_ACCELERATED = frozenset({"accelerate", "accelerate-overseas"})


class Endpoint(NamedTuple):
    """A host of a product: what stands before the product's own part, its region (None where it serves every
    region), and whether only that region reaches it."""

    label: str | None
    region: str | None
    internal: bool


def endpoint_of(source_type: str, host: str) -> Endpoint | None:
    """The endpoint that a host is; None for a host that the type's product does not have."""
    match = _HOSTS[source_type].fullmatch(host)
    if match is None:
        return None
    parts = match.groupdict()
    region = parts.get("region")
    if source_type == "oss":
        region = None if region in _OSS_ACCELERATED else region or _OSS_DEFAULT_REGION
    return Endpoint(parts["label"], region, parts.get("internal") is not None)


def integration_group(cloud: LocalCloud, identifier: str, workspace: int) -> ResourceGroup | None:
    """The Data Integration resource group with this identifier that the workspace may use."""
    for group in cloud.state.dataworks.resource_groups:
        if group.identifier == identifier and group.type == DATA_INTEGRATION and group.status == 0:
            return group if group.workspaces is None or workspace in group.workspaces else None
    return None


def unreachable(cloud: LocalCloud, group: ResourceGroup, source: DataSource) -> str | None:
    """Why the group does not reach the data source, or None when it does."""
    host = host_of(source.type, json.loads(source.content))
    if source.type in _HOSTS:
        endpoint = endpoint_of(source.type, host)
        if endpoint is None:
            return f"UnknownHostException: {host}"
        if endpoint.internal and endpoint.region != cloud.state.region:
            return f"connect to {host} timed out: an internal endpoint is reached from {endpoint.region} only"
    if not any(fnmatchcase(host, pattern.lower()) for pattern in group.reaches):
        return f"connect to {host} timed out from resource group {group.identifier}"
    return None

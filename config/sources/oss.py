"""Object Storage Service (OSS): location, role-mode Content, permissions, reader and writer.

Sources: vendor page "Use the RAM role-based authorization mode to add a data source"; OSS "RAM Policy" page
(which actions exist); Data Integration, OSS data source, script mode (``oss_steps``); DataX ``OssReader`` and
``OssWriter``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from pydantic import Field, field_validator
from pydantic_core import InitErrorDetails

from config.limits import OBJECT_NAME_BYTES
from config.names import check_bucket_name
from config.personas import Persona
from config.problems import problem, refuse
from config.run_failures import run_failure
from config.sources.base import (
    Access,
    ContentProfile,
    LocationFinding,
    Permission,
    PermissionLevel,
    SourceLocation,
    SourceType,
)
from config.sources.inverse import Traces
from config.sources.oss_steps import OssReader, OssWriter
from config.sources.parameters import product_actions

_ENDPOINT = re.compile(r"https?://oss(-[a-z0-9-]+)?\.aliyuncs\.com/?")
_BUCKET_IN_ENDPOINT = re.compile(r"(https?://)?[^/]+\.oss(-[a-z0-9-]+)?\.aliyuncs\.com.*")
# Acceleration endpoints serve every region.
_REGIONLESS = frozenset({"accelerate", "accelerate-overseas"})


class OssLocation(SourceLocation):
    """A bucket, or the part of it below a prefix."""

    bucket: str = Field(description="Bucket name.", examples=["shop-orders"])
    prefix: str = Field(
        default="",
        description="Only objects whose names start so, as literal text. Empty: the whole bucket.",
        examples=["orders/"],
    )
    endpoint: str = Field(
        default="",
        description="OSS endpoint without the bucket. Default: http://oss-<region>-internal.aliyuncs.com.",
        examples=["http://oss-cn-hangzhou-internal.aliyuncs.com"],
    )

    _bucket = field_validator("bucket")(check_bucket_name)

    @field_validator("prefix")
    @classmethod
    def _check_prefix(cls, prefix: str) -> str:
        if prefix.startswith("/"):
            raise ValueError("a prefix does not start with '/': object names do not")
        for sign in ("*", "?", "..", "${"):
            if sign in prefix:
                raise ValueError(f"a prefix is literal text and must not hold {sign!r}")
        if len(prefix.encode()) > OBJECT_NAME_BYTES:
            raise ValueError(f"a prefix has at most {OBJECT_NAME_BYTES} bytes, as object names do")
        return prefix

    @field_validator("endpoint")
    @classmethod
    def _check_endpoint(cls, endpoint: str) -> str:
        if not endpoint or _ENDPOINT.fullmatch(endpoint):
            return endpoint
        if _BUCKET_IN_ENDPOINT.fullmatch(endpoint):
            raise ValueError(
                "the bucket must not stand before 'oss' in the endpoint: "
                "such an endpoint may pass the connectivity test and still fail the sync task"
            )
        raise ValueError("an OSS endpoint looks like http://oss-cn-hangzhou-internal.aliyuncs.com")


_PAGE = "vendor page, OSS permission list"
_CATALOGUE = "OSS RAM Policy page; DataX OssReader and OssWriter"
_VENDOR_READ = (
    *("oss:GetObject", "oss:ListObjects", "oss:GetObjectMetadata", "oss:GetObjectMeta"),
    *("oss:GetBucketAcl", "oss:GetBucketInfo"),
)
_VENDOR_WRITE = ("oss:PutObject", "oss:DeleteObject", "oss:PutBucket")

# OSS RAM Policy page, tables of service, bucket and object level.
_READING = product_actions(
    "oss",
    "ListBuckets GetObject GetObjectAcl GetObjectTagging GetObjectVersion GetObjectVersionAcl GetObjectVersionTagging "
    "ListObjects ListObjectVersions ListMultipartUploads ListParts ListLiveChannel GetLiveChannel GetLiveChannelStat "
    "GetLiveChannelHistory GetVodPlaylist GetBucketAcl GetBucketInfo GetBucketLocation GetBucketStat "
    "GetBucketVersioning GetBucketWorm GetBucketLogging GetBucketWebsite GetBucketReferer GetBucketLifecycle "
    "GetBucketTransferAcceleration GetBucketCors GetBucketPolicy GetBucketPolicyStatus GetBucketTagging "
    "GetBucketEncryption GetBucketRequestPayment GetBucketReplication GetBucketReplicationLocation "
    "GetBucketReplicationProgress GetBucketInventory GetBucketAccessMonitor GetMetaQueryStatus DoMetaQuery "
    "GetUserAntiDDosInfo ListBucketAntiDDosInfo GetBucketResourceGroup GetCnameToken ListCname GetStyle ListStyle "
    "GetBucketArchiveDirectRead GetAccessPoint ListAccessPoints GetAccessPointPolicy GetBucketHttpsConfig "
    "ReplicateGet ReplicateList GetAccessPointForObjectProcess ListAccessPointsForObjectProcess "
    "GetAccessPointConfigForObjectProcess GetAccessPointPolicyForObjectProcess GetBucketDataRedundancyTransition "
    "ListBucketDataRedundancyTransition GetBucketPublicAccessBlock GetAccessPointPublicAccessBlock "
    "GetBucketOverwriteConfig",
)
_WRITING = product_actions(
    "oss",
    "PutObject DeleteObject AbortMultipartUpload PutObjectTagging DeleteObjectTagging RestoreObject "
    "PutObjectVersionTagging DeleteObjectVersionTagging PostVodPlaylist PutLiveChannel PutLiveChannelStatus "
    "PostProcessTask ReplicatePut WriteGetObjectResponse",
)
_DESTRUCTIVE = product_actions(
    "oss",
    "PutBucket DeleteBucket PutBucketAcl PutObjectAcl PutObjectVersionAcl DeleteObjectVersion DeleteLiveChannel "
    "PutBucketVersioning InitiateBucketWorm AbortBucketWorm CompleteBucketWorm ExtendBucketWorm PutBucketLogging "
    "DeleteBucketLogging PutBucketWebsite DeleteBucketWebsite PutBucketReferer PutBucketLifecycle "
    "DeleteBucketLifecycle PutBucketTransferAcceleration PutBucketCors DeleteBucketCors PutBucketPolicy "
    "DeleteBucketPolicy PutBucketTagging DeleteBucketTagging PutBucketEncryption DeleteBucketEncryption "
    "PutBucketRequestPayment PutBucketReplication PutBucketRTC DeleteBucketReplication ReplicateDelete "
    "PutBucketInventory DeleteBucketInventory PutBucketAccessMonitor OpenMetaQuery CloseMetaQuery "
    "InitUserAntiDDosInfo UpdateUserAntiDDosInfo InitBucketAntiDDosInfo UpdateBucketAntiDDosInfo "
    "PutBucketResourceGroup CreateCnameToken PutCname DeleteCname PutStyle DeleteStyle PutBucketArchiveDirectRead "
    "CreateAccessPoint DeleteAccessPoint PutAccessPointPolicy DeleteAccessPointPolicy PutBucketHttpsConfig "
    "CreateAccessPointForObjectProcess DeleteAccessPointForObjectProcess PutAccessPointConfigForObjectProcess "
    "PutAccessPointPolicyForObjectProcess DeleteAccessPointPolicyForObjectProcess "
    "CreateBucketDataRedundancyTransition DeleteBucketDataRedundancyTransition PutBucketPublicAccessBlock "
    "DeleteBucketPublicAccessBlock PutAccessPointPublicAccessBlock DeleteAccessPointPublicAccessBlock "
    "PutBucketOverwriteConfig DeleteBucketOverwriteConfig",
)

_PUBLIC, _PLAIN = "OSS001", "OSS002"
_REFUSALS = (
    run_failure(
        r"must be addressed using the specified endpoint",
        "the bucket of data source {data_source} is in another region than its endpoint",
        Persona.CREATOR,
        "correct location.endpoint, or leave it out for the internal endpoint of the region, and apply again",
    ),
    run_failure(
        r"UnknownHost|Name or service not known|InvalidBucketName",
        "the endpoint of data source {data_source} leads nowhere; a bucket in the endpoint passes the connectivity test",
        Persona.CREATOR,
        "give the endpoint without the bucket, such as http://oss-cn-hangzhou-internal.aliyuncs.com",
    ),
    run_failure(
        r"NoSuchBucket",
        "the bucket of data source {data_source} does not exist",
        Persona.CREATOR,
        "correct location.bucket, or create the bucket, and apply again",
    ),
    run_failure(
        r"NoSuchKey|OssReader-08",
        "no object of data source {data_source} has the name that the sync task reads",
        Persona.DEVELOPER,
        "compare sync_task.reader.object and the business date with the objects of the bucket",
    ),
    run_failure(
        r"AccessDenied",
        "OSS refused role {role}: its policy, the bucket's policy or the bucket's ACL does not allow the operation",
        Persona.ADMINISTRATOR,
        "compare the role's policy and the bucket policy with the action in the log; applying again restores the former",
        spreads=True,
    ),
)


class Oss(SourceType):
    """OSS as a source type."""

    name = "oss"
    title = "Object Storage Service"
    data_source_type = "oss"
    service = "oss.aliyuncs.com"
    ram_code = "oss"
    known_actions = _READING | _WRITING | _DESTRUCTIVE
    destructive_actions = _DESTRUCTIVE
    refusals = _REFUSALS
    finding_codes = MappingProxyType(
        {_PUBLIC: "Public OSS endpoint", _PLAIN: "Public OSS endpoint without encryption"}
    )
    content_profile = ContentProfile(
        template=MappingProxyType(
            {
                "endpoint": "{endpoint}",
                "bucket": "{bucket}",
                "regionId": "{region}",
                "authType": "RamRole",
                "authIdentity": "{role_id}",
                "tag": "public",
            }
        ),
        confidence="medium: documented for the 2024-05-18 API, inferred for 2020-05-18",
        source="DataWorks 2024-05-18 ConnectionProperties, OSS; tag from CreateDataSource 2020-05-18",
    )
    Location = OssLocation
    reader_type = OssReader
    writer_type = OssWriter

    def resolve_location(self, location: SourceLocation, region: str) -> OssLocation:
        """Default endpoint: the internal one of the region, which resource groups of the region reach."""
        place = _oss(location)
        if not place.endpoint:
            return place.model_copy(update={"endpoint": f"http://oss-{region}-internal.aliyuncs.com"})
        match = _ENDPOINT.fullmatch(place.endpoint)
        part = (match[1] or "")[1:] if match else ""
        if part and part not in _REGIONLESS and part.removesuffix("-internal") != region:
            rule = f"the endpoint belongs to another region than the specification's, {region}"
            refuse("OssLocation", [problem(("endpoint",), rule, place.endpoint)])
        return place

    def location_findings(self, location: SourceLocation) -> tuple[LocationFinding, ...]:
        """A public endpoint where the internal one would do, worse without encryption."""
        endpoint = _oss(location).endpoint
        if not endpoint or "-internal." in endpoint:
            return ()
        found = [
            LocationFinding(
                _PUBLIC,
                f"{endpoint} is reached over the internet; traffic is billed and leaves the vendor's network",
                "leave location.endpoint out: the default is the internal endpoint of the region",
            )
        ]
        if endpoint.startswith("http://"):
            rule = f"{endpoint} sends the data over the internet without encryption"
            found.append(LocationFinding(_PLAIN, rule, "write https:// or leave location.endpoint out"))
        return tuple(found)

    def permissions(
        self, location: SourceLocation, access: Access, level: PermissionLevel, *, deletes: bool = False
    ) -> tuple[Permission, ...]:
        """Actions the role needs on the bucket and on the objects below the prefix.

        ``vendor`` is the vendor's list as printed, on the whole bucket. Its write actions alone cannot look
        the bucket up, so write access has its read actions too.
        """
        place = _oss(location)
        bucket = (f"acs:oss:*:*:{place.bucket}",)
        if level == "vendor":
            actions = _VENDOR_READ + (_VENDOR_WRITE if access.writes else ())
            return tuple(
                Permission(action, (*bucket, f"{bucket[0]}/*"), "printed by the vendor", _PAGE)
                for action in actions
            )
        objects = (f"{bucket[0]}/{place.prefix}*",)
        listed = (("StringLike", "oss:Prefix", (f"{place.prefix}*",)),) if place.prefix else ()
        wanted: list[Permission] = []
        if access.reads:
            why = "GetObject and HeadObject of the reader"
            wanted.append(Permission("oss:GetObject", objects, why, _CATALOGUE))
        if access.writes:
            why = "PutObject and multipart upload of the writer"
            wanted.append(Permission("oss:PutObject", objects, why, _CATALOGUE))
            why = "clean-up of a failed multipart upload of the writer"
            wanted.append(Permission("oss:AbortMultipartUpload", objects, why, _CATALOGUE))
        if access.writes and deletes:
            why = "removal of older objects by a writer that truncates"
            wanted.append(Permission("oss:DeleteObject", objects, why, _CATALOGUE))
        why = "finding the objects to read, or those in the way of a writer"
        return (
            *wanted,
            Permission("oss:ListObjects", bucket, why, _CATALOGUE, listed),
            Permission("oss:GetBucketAcl", bucket, "the engine's look whether the bucket exists", _CATALOGUE),
            Permission("oss:GetBucketInfo", bucket, "probably the connectivity test", _PAGE),
        )

    def location_fields(
        self, content: Mapping[str, str], traces: Traces, profile: Mapping[str, str] | None = None
    ) -> dict[str, Any]:
        """The prefix is what the role may reach of the bucket, where its policy names one."""
        fields = super().location_fields(content, traces, profile)
        bucket = fields.get("bucket", "")
        prefixes = [name for name in traces.under("oss", f"{bucket}/", "*") if not set("*?") & set(name)]
        # With several, as where a role serves several data sources, the sync tasks tell which. Where none does, the
        # first that the role may reach as a whole.
        used = [*traces.given("object", "path"), *_objects(traces)]
        fitting = [prefix for prefix in prefixes if all(name.startswith(prefix) for name in used)]
        if fitting:
            fields["prefix"] = (
                max(fitting, key=len) if used else min(fitting, key=lambda name: (len(name), name))
            )
        return fields

    def deletes(self, writer: Mapping[str, Any]) -> bool:
        """A writer that truncates deletes all objects with its start."""
        return writer.get("writeMode") == "truncate"

    def reader_problems(
        self, parameters: Mapping[str, Any], location: SourceLocation
    ) -> list[InitErrorDetails]:
        """Objects outside the prefix, which the role may not read."""
        return _outside(OssReader.model_validate(dict(parameters)), _oss(location))

    def writer_problems(
        self, parameters: Mapping[str, Any], location: SourceLocation
    ) -> list[InitErrorDetails]:
        """Objects outside the prefix, which the role may not write."""
        return _outside(OssWriter.model_validate(dict(parameters)), _oss(location))


def _outside(parameters: OssReader | OssWriter, location: OssLocation) -> list[InitErrorDetails]:
    rule = f"outside the location's prefix {location.prefix!r}, which is all the role may reach"
    names: list[tuple[tuple[str | int, ...], str | None]] = [(("path",), parameters.path)]
    if isinstance(parameters.object, tuple):
        names += [(("object", position), name) for position, name in enumerate(parameters.object)]
    else:
        names.append((("object",), parameters.object))
    return [
        problem(path, rule, name) for path, name in names if name and not name.startswith(location.prefix)
    ]


def _objects(traces: Traces) -> list[str]:
    """Names in the lists of objects that readers have."""
    lists = (step.get("object") for step in traces.steps)
    return [str(name) for names in lists if isinstance(names, (list, tuple)) for name in names]


def _oss(location: SourceLocation) -> OssLocation:
    if not isinstance(location, OssLocation):
        raise TypeError(f"an OSS location is needed, not {type(location).__name__}")
    return location


SOURCE_TYPE = Oss()

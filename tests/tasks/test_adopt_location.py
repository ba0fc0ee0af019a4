"""From Content back to a location, in role mode and in AccessKey mode, and what no location expresses."""

from __future__ import annotations

from typing import Any

import pytest

from cloud.errors import Mismatch
from config.sources import get_source_type, source_types
from config.sources.base import Access, Environment
from tasks.adopting.location import location_of, source_type_of
from tests.config.source_specs import spec_of
from tests.settings import REGION

KEYS = {"accessId": "LTAIsomebody", "accessKey": "a-secret-that-nobody-may-see"}
OSS = {"bucket": "shop-orders", "endpoint": f"http://oss-{REGION}-internal.aliyuncs.com"}


def _resolved(kind: str, fields: Any) -> Any:
    found = get_source_type(kind)
    return found.resolve_location(found.Location.model_validate(dict(fields)), REGION)


@pytest.mark.parametrize("kind", sorted(source_types()))
@pytest.mark.parametrize("level", ["minimal", "vendor"])
def test_the_location_of_what_is_written_is_the_one_it_was_written_from(kind: str, level: Any) -> None:
    spec = spec_of(kind)
    source_type = spec.source_type
    resources = [
        r for one in source_type.permissions(spec.location, Access.READ_WRITE, level) for r in one.resources
    ]
    content = spec.content("300000000000001111", Environment.PROD)
    fields = location_of(source_type.data_source_type, content, REGION, resources=resources)
    expected = spec.location.model_dump()
    if level == "vendor":
        expected |= {"prefix": ""} if kind == "oss" else {}
    if kind == "hologres":
        expected |= {"tables": ()}  # granted in the database, of which RAM knows nothing
    assert _resolved(kind, fields).model_dump() == expected


@pytest.mark.parametrize(
    ("type_", "content", "steps", "expected"),
    [
        ("oss", {**OSS, "tag": "public"}, (), {"bucket": "shop-orders"}),
        (
            "oss",
            {**OSS, "endpoint": f"http://oss-{REGION}.aliyuncs.com"},
            (),
            {"bucket": "shop-orders", "endpoint": f"http://oss-{REGION}.aliyuncs.com"},
        ),
        (
            "holo",
            {"instanceId": "hgpostcn-cn-shop01", "database": "shop", "tag": "aliyun"},
            ({"table": "orders", "selectedDatabase": "sales"},),
            {"instance_id": "hgpostcn-cn-shop01", "database": "shop", "schema": "sales"},
        ),
        (
            "loghub",
            {"endpoint": f"http://{REGION}-intranet.log.aliyuncs.com", "project": "shop-logs"},
            ({"logstore": "access-log"}, {"logstore": "audit-log"}),
            {"project": "shop-logs", "logstores": ["access-log", "audit-log"]},
        ),
        (
            "ots",
            {
                "endpoint": f"https://shop-ots.{REGION}.vpc.tablestore.aliyuncs.com",
                "instanceName": "shop-ots",
            },
            ({"table": "orders"},),
            {"instance": "shop-ots", "tables": ["orders"]},
        ),
        (
            "ads",
            {"url": f"am-shop01.{REGION}-1.ads.aliyuncs.com:3029", "schema": "shop", "configType": "1"},
            (),
            {
                "instance_id": "am-shop01",
                "database": "shop",
                "endpoint": f"am-shop01.{REGION}-1.ads.aliyuncs.com:3029",
            },
        ),
        (
            "analyticdb_for_mysql",
            {"connectionString": f"am-shop01.{REGION}.ads.aliyuncs.com:3306", "database": "shop"},
            (),
            {"instance_id": "am-shop01", "database": "shop", "version": "3.0"},
        ),
    ],
)
def test_access_key_mode_tells_the_same_without_its_key(
    type_: str, content: dict[str, str], steps: tuple[dict[str, str], ...], expected: dict[str, Any]
) -> None:
    fields = location_of(type_, {**content, **KEYS}, REGION, steps=steps)
    assert fields == expected
    assert not {*KEYS.values()} & {str(value) for value in fields.values()}


@pytest.mark.parametrize(
    ("type_", "content", "words"),
    [
        ("mysql", {"jdbcUrl": "jdbc:mysql://x/y"}, "of type mysql cannot be specified"),
        ("oss", {"endpoint": OSS["endpoint"]}, "location.bucket: is required"),
        ("oss", {**OSS, "endpoint": "http://oss-cn-beijing.aliyuncs.com"}, "another region"),
        (
            "oss",
            {**OSS, "endpoint": f"http://shop-orders.oss-{REGION}.aliyuncs.com"},
            "must not stand before 'oss'",
        ),
        ("loghub", {"project": "shop-logs"}, "no policy of its role and no sync task names any"),
        ("ads", {"url": "10.0.0.1:3306", "schema": "shop"}, "location.instance_id"),
    ],
)
def test_what_no_location_expresses_is_told_without_a_secret(
    type_: str, content: dict[str, str], words: str
) -> None:
    with pytest.raises(Mismatch, match="cannot be expressed") as caught:
        location_of(type_, {**content, **KEYS}, REGION, subject="data source x")
    assert words in str(caught.value)
    assert KEYS["accessKey"] not in str(caught.value)


def test_two_schemas_are_no_location() -> None:
    steps = ({"selectedDatabase": "a"}, {"schema": "b"})
    with pytest.raises(Mismatch, match="one schema; sync tasks use a, b"):
        location_of("holo", {"instanceId": "hgpostcn-cn-shop01", "database": "shop"}, REGION, steps=steps)


def test_of_several_prefixes_the_sync_tasks_tell_which() -> None:
    resources = (
        "acs:oss:*:*:shop-orders/logs/*",
        "acs:oss:*:1234:shop-orders/orders/*",
        "acs:oss:*:*:other/x/*",
    )

    def prefix(*objects: str) -> Any:
        steps = [{"object": list(objects)}] if objects else []
        return location_of("oss", OSS, REGION, resources=resources, steps=steps).get("prefix", "")

    assert prefix("orders/dt=1/*.csv") == "orders/"
    assert prefix("logs/a") == "logs/"
    assert prefix() == "logs/"
    assert prefix("orders/a", "logs/b") == ""


def test_a_template_of_the_settings_is_read_too() -> None:
    profile = {"place": "oss://{bucket}/{prefix}", "server": "{endpoint}", "role": "{role_id}"}
    content = {"place": "oss://shop-orders/orders/", "server": OSS["endpoint"], "role": "3000"}
    assert location_of("oss", content, REGION, profile=profile) == {
        "bucket": "shop-orders",
        "prefix": "orders/",
    }


def test_every_form_of_every_type_is_found_by_its_name_in_dataworks() -> None:
    forms = [form for kind in source_types().values() for form in kind.variants()]
    assert [source_type_of(form.data_source_type) for form in forms] == forms
    assert source_type_of("odps") is None

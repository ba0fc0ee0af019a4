"""Hologres: rules of the specification, permissions, Content by environment, grants in the database, steps."""

from __future__ import annotations

from typing import Any

import pytest

from config.load import parse_spec
from config.personas import Persona
from config.run_failures import classify
from config.sources import get_source_type
from config.sources.base import Access, Environment
from config.sources.hologres import HologresLocation, PermissionModel, grant_sql
from tests.config.source_specs import actions, example_of, found, spec_of, writing_of
from tests.config.specs import MISSING

HOLO = get_source_type("hologres")
ROLE_ID = "301234567890123456"
INSTANCE = {"acs:hologram:*:*:instance/hgpostcn-cn-shop01"}
PLACE = HologresLocation(instance_id="hgpostcn-cn-shop01", database="shop", tables=("orders", "Items"))
# Names that need care in SQL, in identifiers and in texts.
AWKWARD = HologresLocation(
    instance_id="hgpostcn-cn-shop01", database="Shop's", schema='Sales "EU"', tables=('or"ders',)
)
WRITER = {"table": "orders", "column": ["id", "title", "price"]}
NAME_RULE = "a name in Hologres has 1 to 63 bytes of printable text"
INLINE = "credentials and addresses belong to the data source: in role mode a step names only its data source"


@pytest.mark.parametrize(
    ("changes", "path", "rule"),
    [
        (
            {"location__instance_id": "shop"},
            "location.instance_id",
            "an instance id looks like hgpostcn-cn-shop01: lower-case parts joined by '-'",
        ),
        ({"location__instance_id": MISSING}, "location.instance_id", "is required"),
        ({"location__database": ""}, "location.database", NAME_RULE),
        ({"location__database": "x" * 64}, "location.database", NAME_RULE),
        ({"location__schema": "a\nb"}, "location.schema", NAME_RULE),
        ({"location__tables": ["orders", ""]}, "location.tables[1]", NAME_RULE),
        ({"location__tables": ["orders", "orders"]}, "location.tables", "'orders' is named twice"),
        ({"location__schema_name": "public"}, "location.schema_name", "is not a known key"),
        ({"location__endpoint": "x"}, "location.endpoint", "is not a known key"),
        (
            {"sync_task__reader__table": "items"},
            "sync_task.reader.table",
            "is none of the location's tables: orders",
        ),
        (
            {"sync_task__reader__table": "sales.orders"},
            "sync_task.reader.table",
            "is not the location's schema, public",
        ),
        (
            {"sync_task__reader__selectedDatabase": "sales"},
            "sync_task.reader.selectedDatabase",
            "is not the location's schema, public",
        ),
        (
            {"sync_task__reader__partition": "20260101"},
            "sync_task.reader.partition",
            "a partition is written column=value",
        ),
        (
            {"sync_task__reader__column": ["*", "id"]},
            "sync_task.reader.column",
            "'*' stands for all columns and must stand alone",
        ),
        (
            {"sync_task__reader__column": ["id"]},
            "sync_task.writer.column",
            "columns are matched by position: 2 here, 1 on the other side",
        ),
        ({"sync_task__reader__password": "hush"}, "sync_task.reader.password", INLINE),
        ({"sync_task__reader__jdbcUrl": "jdbc:postgresql://x"}, "sync_task.reader.jdbcUrl", INLINE),
    ],
)
def test_broken_rule_is_named_with_its_path(changes: dict[str, Any], path: str, rule: str) -> None:
    assert found(example_of("hologres", **changes)) == [(path, rule)]


@pytest.mark.parametrize(
    ("changes", "path", "rule"),
    [
        (
            {"sync_task__writer__conflictMode": "fail"},
            "sync_task.writer.conflictMode",
            "Input should be 'replace', 'update' or 'ignore'",
        ),
        (
            {"sync_task__writer__writeMode": "copy"},
            "sync_task.writer.writeMode",
            "Input should be 'insert' or 'sdk'",
        ),
        (
            {"sync_task__writer__schema": "sales"},
            "sync_task.writer.schema",
            "is not the location's schema, public",
        ),
        (
            {"sync_task__writer__maxConnectionCount": 0},
            "sync_task.writer.maxConnectionCount",
            "Input should be greater than or equal to 1",
        ),
        (
            {"sync_task__writer__table": "items"},
            "sync_task.writer.table",
            "is none of the location's tables: orders",
        ),
    ],
)
def test_broken_rule_of_a_writer_is_named_with_its_path(
    changes: dict[str, Any], path: str, rule: str
) -> None:
    assert found(writing_of("hologres", WRITER, **changes)) == [(path, rule)]


def test_without_tables_every_table_of_the_schema_may_be_named() -> None:
    changes = {"location__tables": MISSING, "sync_task__reader__table": "public.whatever"}
    spec = parse_spec(example_of("hologres", **changes))
    assert spec.location.model_dump() == {
        "instance_id": "hgpostcn-cn-shop01",
        "database": "shop",
        "schema": "public",
        "tables": (),
    }


def test_minimal_permissions_find_the_instance_whatever_the_access() -> None:
    for access in Access:
        assert actions(HOLO, PLACE, access) == {
            "hologram:GetInstance": INSTANCE,
            "hologram:ListWarehouses": INSTANCE,
        }


def test_vendor_level_is_the_products_documented_minimum() -> None:
    for access in Access:
        assert actions(HOLO, PLACE, access, "vendor") == {
            "hologram:ListInstances": {"acs:hologram:*:*:instance/*"},
            "hologram:GetInstance": INSTANCE,
            "hologram:ListWarehouses": INSTANCE,
        }


def test_content_names_the_role_in_production_only() -> None:
    spec = spec_of("hologres")
    keys = {
        "instanceId": "hgpostcn-cn-shop01",
        "database": "shop",
        "regionId": "cn-hangzhou",
        "tag": "aliyun",
    }
    assert spec.content(ROLE_ID, Environment.PROD) == {**keys, "authType": "RamRole", "authIdentity": ROLE_ID}
    assert spec.content(ROLE_ID, Environment.DEV) == {**keys, "authType": "Executor"}
    assert [HOLO.opened_by_role(environment) for environment in Environment] == [False, True]
    profiles = [HOLO.profile(environment) for environment in Environment]
    assert all(profile.confidence and profile.source for profile in profiles)


@pytest.mark.parametrize(
    ("location", "access", "deletes", "expected"),
    [
        (
            PLACE,
            Access.READ,
            False,
            'CREATE USER "v4_77";\n'
            'GRANT USAGE ON SCHEMA "public" TO "v4_77";\n'
            'GRANT SELECT ON TABLE "public"."orders" TO "v4_77";\n'
            'GRANT SELECT ON TABLE "public"."Items" TO "v4_77";',
        ),
        (
            PLACE.model_copy(update={"tables": ()}),
            Access.WRITE,
            False,
            'CREATE USER "v4_77";\n'
            'GRANT USAGE ON SCHEMA "public" TO "v4_77";\n'
            'GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA "public" TO "v4_77";',
        ),
        (
            AWKWARD,
            Access.READ_WRITE,
            True,
            'CREATE USER "v4_77";\n'
            'GRANT USAGE ON SCHEMA "Sales ""EU""" TO "v4_77";\n'
            'GRANT SELECT, INSERT, UPDATE, TRUNCATE ON TABLE "Sales ""EU"""."or""ders" TO "v4_77";',
        ),
    ],
)
def test_statements_of_the_standard_model(
    location: HologresLocation, access: Access, deletes: bool, expected: str
) -> None:
    assert grant_sql(location, access, "77", PermissionModel.EXPERT, deletes=deletes) == expected


@pytest.mark.parametrize(
    ("location", "access", "model", "expected"),
    [
        (
            PLACE,
            Access.READ,
            PermissionModel.SPM,
            "CALL spm_create_user('v4_77');\nCALL spm_grant('shop_viewer', 'v4_77');",
        ),
        (
            PLACE,
            Access.READ_WRITE,
            PermissionModel.SPM,
            "CALL spm_create_user('v4_77');\nCALL spm_grant('shop_writer', 'v4_77');",
        ),
        (
            AWKWARD,
            Access.READ,
            PermissionModel.SPM,
            "CALL spm_create_user('v4_77');\nCALL spm_grant('\"Shop''s_viewer\"', 'v4_77');",
        ),
        (
            PLACE,
            Access.READ,
            PermissionModel.SLPM,
            "CALL slpm_create_user('v4_77');\nCALL slpm_grant('shop.public.viewer', 'v4_77');",
        ),
        (
            AWKWARD,
            Access.WRITE,
            PermissionModel.SLPM,
            "CALL slpm_create_user('v4_77');\n"
            "CALL slpm_grant('\"Shop''s.Sales \"\"EU\"\".writer\"', 'v4_77');",
        ),
    ],
)
def test_statements_of_the_simple_models(
    location: HologresLocation, access: Access, model: PermissionModel, expected: str
) -> None:
    assert grant_sql(location, access, "77", model) == expected


def test_a_role_id_cannot_break_out_of_the_statements() -> None:
    sql = grant_sql(PLACE, Access.READ, '1"; DROP', PermissionModel.EXPERT)
    assert sql.startswith('CREATE USER "v4_1""; DROP";\n')
    sql = grant_sql(PLACE, Access.READ, "1'); DROP", PermissionModel.SPM)
    assert sql.startswith("CALL spm_create_user('v4_1''); DROP');\n")


def test_prerequisites_hold_the_statements_of_all_three_models() -> None:
    role, executor = spec_of("hologres").prerequisites("77")
    assert role.persona is executor.persona is Persona.ADMINISTRATOR
    assert role.what == (
        "the role is a user of database shop of instance hgpostcn-cn-shop01 and may read schema public"
    )
    assert role.how == (
        "As a superuser, connected to database shop, run what fits its permission model:\n"
        "-- standard PostgreSQL permission model\n"
        'CREATE USER "v4_77";\n'
        'GRANT USAGE ON SCHEMA "public" TO "v4_77";\n'
        'GRANT SELECT ON TABLE "public"."orders" TO "v4_77";\n'
        "-- simple (SPM) permission model\n"
        "CALL spm_create_user('v4_77');\n"
        "CALL spm_grant('shop_viewer', 'v4_77');\n"
        "-- schema-level (SLPM) permission model\n"
        "CALL slpm_create_user('v4_77');\n"
        "CALL slpm_grant('shop.public.viewer', 'v4_77');"
    )
    assert "p4_<UID of the RAM user>" in executor.how


@pytest.mark.parametrize("truncate", [True, False])
def test_a_writer_that_empties_the_table_needs_a_grant_for_it(truncate: bool) -> None:
    spec = parse_spec(writing_of("hologres", {**WRITER, "truncate": truncate}))
    assert ("TRUNCATE" in spec.prerequisites("77")[0].how) == truncate


def test_steps_are_the_vendors() -> None:
    reader = spec_of("hologres").task_content()["steps"][0]
    assert reader["stepType"] == "holo"
    assert reader["parameter"] == {
        "datasource": "holo_orders",
        "envType": 1,
        "selectedDatabase": "public",
        "table": "orders",
        "column": ["id", "title"],
        "where": "",
    }
    writer = parse_spec(writing_of("hologres", WRITER)).task_content()["steps"][1]
    assert writer["stepType"] == "holo"
    assert writer["parameter"] == {
        "datasource": "holo_orders",
        "envType": 1,
        "schema": "public",
        "selectedDatabase": "public",
        "table": "orders",
        "column": ["id", "title", "price"],
        "conflictMode": "ignore",
        "writeMode": "insert",
        "truncate": False,
        "maxConnectionCount": 9,
    }


@pytest.mark.parametrize(
    ("log", "words", "persona"),
    [
        ('FATAL: role "v4_301234567890123456" does not exist', "is no user of", Persona.ADMINISTRATOR),
        ("ERROR: permission denied for table orders", "does not allow the user", Persona.ADMINISTRATOR),
        ("ERROR: permission denied for schema public", "does not allow the user", Persona.ADMINISTRATOR),
        ('ERROR: relation "public.order" does not exist', "does not have", Persona.DEVELOPER),
        ('FATAL: database "shopp" does not exist', "does not have", Persona.DEVELOPER),
        (
            "NoPermission: RAM user permission is insufficient, please grant AliyunHologresReadOnlyAccess",
            "see the instance",
            Persona.ADMINISTRATOR,
        ),
        (
            "HOLOGRAM answered 403 AccessDenied: role x is not allowed to hologram:GetInstance on acs:hologram:*",
            "see the instance",
            Persona.ADMINISTRATOR,
        ),
        ("FATAL: sorry, too many clients already", "no connection left", Persona.DEVELOPER),
    ],
)
def test_refusals_of_the_product_are_recognised(log: str, words: str, persona: Persona) -> None:
    reason = classify(f"2026-01-01 00:00:00 [job-0] INFO starts\n{log}\n", HOLO.refusals)
    assert words in reason.what
    assert reason.persona is persona

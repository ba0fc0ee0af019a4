"""What adoption says of what it cannot express, what it leaves alone, and what it tags when asked to."""

from __future__ import annotations

import json

import pytest

from cloud.errors import MissingObject, PermissionDenied
from config.load import parse_spec
from config.personas import Persona
from emulator.server import RunningCloud
from emulator.state import DataSource
from flows.adopt import csv_of, report_json, shortcomings, yaml_of
from policy import Grant, minified, policy_for
from tasks.adopting.adopt import adopt
from tasks.grant_plan import grant_document
from tasks.role_group import access_of
from tests.emulator.sources import example as example_of
from tests.tasks.adopting import (
    add_policy,
    add_role,
    add_source,
    adopted,
    by_hand,
    document,
    grant,
    marked,
    only,
    plan_of,
    statement,
    written,
)
from tests.tasks.onboarding import Onboarding, add_fault, example, outline
from tests.tasks.personas import assuming, give_personas

KEY, SECRET = "LTAIsecretkeyidOfSomebody", "a-secret-that-nobody-may-see"
SPEC = example(sync_task=None, resource_groups=["S_res_group_1001_1"])


def _tags(local: RunningCloud) -> dict[str, dict[str, str]]:
    return {one.name: dict(one.tags) for one in marked(local)}


# -- what is left --------------------------------------------------------------------------------------


def test_an_access_key_is_left_to_migration_and_shown_nowhere(local: RunningCloud) -> None:
    content = {
        "endpoint": "http://oss-cn-hangzhou-internal.aliyuncs.com",
        "bucket": "shop-orders",
        "accessId": KEY,
        "accessKey": SECRET,
    }
    local.cloud.state.dataworks.data_sources.append(
        DataSource(id=39_900, workspace=10001, name="by_key", type="oss", content=json.dumps(content))
    )
    found = adopted(local)
    (left,) = [one for one in found.left if one.name == "by_key"]
    assert left.command == "onboard migrate --workspace 10001 --only by_key"
    assert left.environments == ("PROD",)
    assert found.adopted == ()
    assert found.complete
    told = json.dumps(report_json(found)) + repr(found)
    assert SECRET not in told
    assert KEY not in told


def test_a_role_that_is_gone_is_said(local: RunningCloud) -> None:
    by_hand(local, SPEC)
    del local.cloud.state.ram.roles["Analysts.OSS"]
    found = adopted(local)
    assert found.adopted == ()
    assert {one.environments for one in found.left} == {("DEV",), ("PROD",)}
    assert all("the account has no such role" in one.why for one in found.left)
    assert not found.complete


def test_a_role_that_nobody_may_pass_has_no_grantee_to_name(local: RunningCloud) -> None:
    by_hand(local, SPEC)
    for user in local.cloud.state.ram.users.values():
        user.attachments = [
            one for one in user.attachments if one.type == "System" and "RAM" not in one.policy
        ]
    local.cloud.state.ram.users["alice"].attachments.append(
        local.cloud.state.ram.users["carol"]
        .attachments[0]
        .model_copy(update={"policy": "AliyunRAMReadOnlyAccess"})
    )
    found = adopted(local)
    assert found.adopted == ()
    assert [one.why for one in found.left] == [
        "nobody may pass its role Analysts.OSS, so no grantee can be named"
    ]


def test_a_name_that_is_not_there_is_an_error(local: RunningCloud) -> None:
    with pytest.raises(MissingObject, match="no data source nothing"):
        adopted(local, "nothing")


def test_an_engine_s_data_source_is_none_of_ours(local: RunningCloud) -> None:
    found = adopted(local)
    assert (found.adopted, found.left) == ((), ())


# -- what is expressed ---------------------------------------------------------------------------------


def test_applying_what_was_adopted_writes_nothing(local: RunningCloud) -> None:
    by_hand(local, SPEC)
    before = outline(local.cloud)
    spec = written(only(local, SPEC.name))
    assert Onboarding(local, spec).writes_of_apply() == []
    assert outline(local.cloud) == before


def test_names_grantees_access_and_location_are_those_that_are_there(local: RunningCloud) -> None:
    by_hand(local, SPEC)
    spec = written(only(local, SPEC.name))
    assert spec.role.name == "Analysts.OSS"
    assert spec.role.policy == "Analysts-OSS-reach"
    assert spec.role.pass_role_policy == "pass-Analysts-OSS-carol"
    assert spec.role.adopt
    assert spec.grantees.users == ("carol",)
    assert spec.location == SPEC.location
    assert (spec.access, spec.permissions) == (SPEC.access, "minimal")
    assert spec.description == SPEC.description


def test_a_change_of_an_adopted_specification_is_planned_as_that_change(local: RunningCloud) -> None:
    by_hand(local, SPEC)
    spec = written(only(local, SPEC.name))
    wider = parse_spec({**spec.model_dump(mode="json"), "access": "read_write", "description": "Other"})
    subjects = {change.subject for change in plan_of(local, wider).changes}
    assert "custom policy Analysts-OSS-reach" in subjects
    assert f"data source {SPEC.name} (PROD)" in subjects
    Onboarding(local, wider).apply()
    assert plan_of(local, wider).empty


def test_environments_with_places_of_their_own_are_two_specifications(local: RunningCloud) -> None:
    role = by_hand(local, SPEC)
    role.attachments[0].policy = add_policy(local, "all", document(statement("oss:*")))
    for source in local.cloud.state.dataworks.data_sources:
        if source.name == SPEC.name and source.environment == 0:
            source.content = source.content.replace("shop-orders", "shop-orders-dev")
    found = adopted(local, SPEC.name)
    specs = [written(one) for one in found.adopted]
    assert [spec.location.model_dump()["bucket"] for spec in specs] == ["shop-orders-dev", "shop-orders"]
    assert [[env.name for env in spec.environments or ()] for spec in specs] == [["DEV"], ["PROD"]]
    assert all(plan_of(local, spec).empty for spec in specs)
    _, told = csv_of(found.adopted)
    assert told == (f"{SPEC.name} (PROD): a CSV file has one row a data source; write it as YAML",)


def test_data_sources_of_one_role_agree_and_fit_into_one_csv_file(local: RunningCloud) -> None:
    shared = {"name": "Shared", "policy": "SharedAccess"}
    one = example(role=shared, sync_task=None)
    other = example(
        name="oss_logs", role=shared, location={"bucket": "shop-orders", "prefix": "logs/"}, sync_task=None
    )
    Onboarding(local, one).apply()
    Onboarding(local, other).apply()
    by_hand(local, example(name="third", sync_task=None))
    found = adopted(local)
    assert [each.found.name for each in found.adopted] == ["oss_logs", "oss_orders", "third"]
    assert found.complete
    text, told = csv_of(found.adopted)
    assert told == ()
    assert text.splitlines()[0].startswith("#,name,workspace,region,type")


def test_an_end_of_a_grant_is_kept(local: RunningCloud) -> None:
    grantees = {"groups": ["data-platform"], "users": [{"name": "carol", "until": "2037-01-31"}]}
    spec = example(grantees=grantees, sync_task=None)
    Onboarding(local, spec).apply()
    one = only(local, spec.name)
    assert one.as_it_is
    assert written(one).grantees == spec.grantees
    assert written(one).role.adopt is False


# -- what is said --------------------------------------------------------------------------------------


def test_a_trust_policy_that_does_not_let_the_service_in_is_a_change(local: RunningCloud) -> None:
    name = add_policy(local, "reach", minified(access_of(SPEC)))
    statement_ = {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"Service": ["ecs.aliyuncs.com"]},
    }
    role = add_role(local, "Late", name, trust=json.dumps({"Version": "1", "Statement": [statement_]}))
    grant(local, "carol", "Late")
    add_source(local, SPEC, role)
    found = adopted(local)
    (one,) = found.adopted
    assert not one.as_it_is
    assert not found.complete
    assert any("update role Late (trust_policy" in line for line in shortcomings(one))
    assert "role Late does not trust di.dataworks.aliyuncs.com, only ecs.aliyuncs.com" in one.remarks
    assert "# - applying it changes step 1: update role Late" in yaml_of(one)


def test_keys_that_the_type_does_not_know_are_named_without_their_values(local: RunningCloud) -> None:
    by_hand(local, SPEC, configType="1", note="kept-to-itself")
    one = only(local, SPEC.name)
    (remark,) = [remark for remark in one.remarks if "(PROD) also has" in remark]
    assert "configType, note" in remark
    assert "kept-to-itself" not in yaml_of(one)


def test_further_policies_and_wider_ones_are_said(local: RunningCloud) -> None:
    role = by_hand(local, SPEC)
    role.attachments[0].policy = add_policy(
        local, "reach", document(statement("oss:*"), statement("ecs:Describe*"))
    )
    role.attachments.append(
        role.attachments[0].model_copy(update={"policy": "AliyunOSSReadOnlyAccess", "type": "System"})
    )
    one = only(local, SPEC.name)
    assert one.as_it_is
    text = "\n".join(one.remarks)
    assert "system policy AliyunOSSReadOnlyAccess is attached to role Analysts.OSS beside" in text
    assert "custom policy reach is not as generated; it is kept as it is" in text
    assert "ecs:Describe*" in text


def test_a_text_from_the_cloud_stays_inside_its_comment(local: RunningCloud) -> None:
    by_hand(local, SPEC, **{"a\nname: stolen": "x"})
    assert written(only(local, SPEC.name)).name == SPEC.name


# -- sync tasks ----------------------------------------------------------------------------------------


def _strip(local: RunningCloud) -> None:
    for one in marked(local):
        one.tags.clear()
    for file in local.cloud.state.dataworks.files.values():
        file.description = "by hand"


def test_of_several_sync_tasks_one_is_expressed_and_the_others_are_named(local: RunningCloud) -> None:
    Onboarding(local, example()).apply()
    works = local.cloud.state.dataworks
    (file,) = works.files.values()
    works.files[file.id + 1] = file.model_copy(
        update={"id": file.id + 1, "name": "another", "description": ""}
    )
    one = only(local, "oss_orders")
    spec = written(one)
    assert one.as_it_is
    assert spec.sync_task is not None
    assert spec.sync_task.name == "oss_orders_to_ods"
    assert any("another uses it too" in remark for remark in one.remarks)


def test_a_sync_task_with_unknown_parameters_is_left_out_and_named(local: RunningCloud) -> None:
    Onboarding(local, example()).apply()
    _strip(local)
    for file in local.cloud.state.dataworks.files.values():
        content = json.loads(file.content)
        content["steps"][0]["parameter"]["turbo"] = "yes-please"
        file.content = json.dumps(content)
    one = only(local, "oss_orders")
    assert one.as_it_is
    assert written(one).sync_task is None
    assert any(
        "cannot be expressed: sync_task.reader.turbo: is not a known key" in remark for remark in one.remarks
    )
    assert "yes-please" not in yaml_of(one)


def test_a_sync_task_that_was_never_deployed_is_left_out(local: RunningCloud) -> None:
    Onboarding(local, example()).until_sync_task()
    _strip(local)
    works = local.cloud.state.dataworks
    works.nodes = [node for node in works.nodes if node.environment != "PROD"]
    one = only(local, "oss_orders")
    assert one.as_it_is
    assert written(one).sync_task is None
    assert any("is left out: applying would have it deployed" in remark for remark in one.remarks)


def test_a_task_without_proof_is_not_run(local: RunningCloud) -> None:
    Onboarding(local, example()).until_sync_task()
    one = only(local, "oss_orders")
    spec = written(one)
    assert one.as_it_is
    assert spec.sync_task is not None
    assert spec.sync_task.run is False
    assert spec.role.adopt is False


# -- tags ----------------------------------------------------------------------------------------------


def test_without_tag_nothing_is_written(local: RunningCloud) -> None:
    by_hand(local, SPEC)
    before = _tags(local)
    found = adopted(local)
    assert found.tagged == ()
    assert local.cloud.journal.writes == ()
    assert _tags(local) == before


def test_tags_are_written_on_demand_and_the_specification_then_does_without_adoption(
    local: RunningCloud,
) -> None:
    role = by_hand(local, SPEC)
    text = local.cloud.state.ram.policies["pass-Analysts-OSS-carol"].versions[0]
    onboarding = Onboarding(
        local, SPEC.model_copy(update={"role": SPEC.role.model_copy(update={"name": role.name})})
    )
    # The grant as this project writes it: with both spellings of the Arn, and both services.
    text.document = minified(grant_document(onboarding.spec, local.cloud.state.account_id))
    found = adopted(local, tag=True)
    assert {entry.action for entry in local.cloud.journal.writes} == {"TagResources"}
    assert found.tagged == (
        "role Analysts.OSS",
        "policy Analysts-OSS-reach",
        "policy pass-Analysts-OSS-carol",
    )
    (one,) = found.adopted
    spec = written(one)
    assert one.as_it_is
    assert spec.role.adopt is False
    assert plan_of(local, spec).empty
    writes = len(local.cloud.journal.writes)
    assert adopted(local, tag=True).tagged == ()
    assert len(local.cloud.journal.writes) == writes


def test_what_is_wider_than_generated_keeps_adopt_when_it_is_tagged(local: RunningCloud) -> None:
    role = by_hand(local, SPEC)
    role.attachments[0].policy = add_policy(local, "reach", document(statement("oss:*")))
    (one,) = adopted(local, tag=True).adopted
    assert one.as_it_is
    assert written(one).role.adopt is True
    assert local.cloud.state.ram.policies["reach"].tags["managed-by"] == "dataworks-onboarding"


@pytest.mark.parametrize("kind", ["oss", "loghub", "tablestore", "hologres", "adb_mysql"])
def test_every_type_is_adopted_by_hand(local: RunningCloud, kind: str) -> None:
    local.cloud.settings.adb3_accepts_role = True
    spec = example_of(kind).model_copy(update={"sync_task": None})
    by_hand(local, spec, role=f"hand-{kind.replace('_', '-')}")
    one = only(local, spec.name)
    assert one.as_it_is
    assert written(one).type == kind


def test_sessions_of_roles_are_limited_to_reading(local: RunningCloud) -> None:
    by_hand(local, SPEC)
    give_personas(local, SPEC, dict.fromkeys(Persona, policy_for([Grant(("*",), ("*",))])))
    found = adopt(assuming(local, SPEC).gate, 10001)
    assert [one.as_it_is for one in found.adopted] == [True]
    assert found.unread == ()


def test_what_cannot_be_read_is_said(local: RunningCloud) -> None:
    by_hand(local, SPEC)
    add_fault(local, action="ListRoles", code="NoPermission", status=403, times=None)
    found = adopted(local)
    assert found.adopted == ()
    assert {one.why for one in found.left} == {"the account's roles could not be read"}
    assert any(text.startswith("roles:") for text in found.unread)
    assert not found.complete


def test_a_workspace_that_the_caller_may_not_read_is_told_as_that_refusal(local: RunningCloud) -> None:
    add_fault(local, action="GetProject", code="NoPermission", status=403, times=None)
    add_fault(local, action="ListDataSources", code="NoPermission", status=403, times=None)
    with pytest.raises(PermissionDenied) as caught:
        adopted(local)
    assert caught.value.request_id

"""Writes whose answer is lost: carried out exactly once, whether the call was lost before or after it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from cloud import errors, ram
from cloud.dataworks import data_sources, deployments, runs, sync_tasks
from cloud.ensure import write_once
from cloud.ram import Grantee
from config.sources.base import Environment
from emulator.server import RunningCloud
from emulator.settings import AdvanceBy
from tests.cloud.gates import (
    OTHER_TRUST,
    TRUST,
    add_fault,
    answer,
    calls_of,
    create_role,
    document,
    gate_of,
    read_role,
)
from tests.cloud.shop import (
    FOLDER,
    GROUP,
    OTHER_GROUP,
    RETAIL,
    SCHEDULING,
    TAGS,
    WORKFLOW,
    Shop,
    task_content,
)


@dataclass(frozen=True)
class Write:
    """A write: what must be there before, the call, and how often it is done in the cloud's state."""

    action: str
    prepare: Callable[[Shop], object]
    act: Callable[[Shop], object]
    done: Callable[[Shop], int]


def _held(shop: Shop) -> Any:
    return shop.local.cloud.state.dataworks


def _file(shop: Shop) -> Any:
    return _held(shop).files[shop.task.file]


def _policy(shop: Shop) -> Any:
    return shop.local.cloud.state.ram.policies["OnboardAccess"]


def _grant(shop: Shop) -> object:
    """A policy to attach, created once."""
    if "Grant" not in shop.local.cloud.state.ram.policies:
        ram.create_policy(shop.gate, "Grant", document("ram:PassRole"), "", {})
    return "Grant"


def _attached(kind: str, name: str) -> Callable[[Shop], int]:
    def count(shop: Shop) -> int:
        owner = getattr(shop.local.cloud.state.ram, kind)[name]
        return [one.policy for one in owner.attachments].count("Grant")

    return count


def _sources(shop: Shop) -> int:
    return [one.name for one in _held(shop).data_sources].count("oss_src")


def _packages(target: int) -> Callable[[Shop], int]:
    return lambda shop: sum(one.to_environment == target for one in _held(shop).deployments.values())


WRITES = (
    Write(
        "CreateRole",
        lambda shop: None,
        lambda shop: shop.role,
        lambda shop: int(shop.local.cloud.state.ram.roles["OnboardRole"].tags == TAGS),
    ),
    Write(
        "UpdateRole",
        lambda shop: shop.role,
        lambda shop: ram.update_trust_policy(shop.gate, "OnboardRole", OTHER_TRUST),
        lambda shop: int(shop.local.cloud.state.ram.roles["OnboardRole"].trust_policy == OTHER_TRUST),
    ),
    Write(
        "CreatePolicy", lambda shop: None, lambda shop: shop.role, lambda shop: len(_policy(shop).versions)
    ),
    Write(
        "CreatePolicyVersion",
        lambda shop: shop.role,
        lambda shop: ram.update_policy(shop.gate, "OnboardAccess", document("oss:PutObject")),
        lambda shop: len(_policy(shop).versions) - 1,
    ),
    Write(
        "AttachPolicyToRole",
        lambda shop: (shop.role, _grant(shop)),
        lambda shop: ram.attach_policy(shop.gate, Grantee.ROLE, "OnboardRole", "Grant"),
        _attached("roles", "OnboardRole"),
    ),
    Write(
        "AttachPolicyToUser",
        _grant,
        lambda shop: ram.attach_policy(shop.gate, Grantee.USER, "carol", "Grant"),
        _attached("users", "carol"),
    ),
    Write(
        "AttachPolicyToGroup",
        _grant,
        lambda shop: ram.attach_policy(shop.gate, Grantee.GROUP, "data-platform", "Grant"),
        _attached("groups", "data-platform"),
    ),
    Write(
        "TagResources",
        lambda shop: shop.role,
        lambda shop: ram.add_tags(shop.gate, "role", "OnboardRole", {"team": "shop"}),
        lambda shop: int(shop.local.cloud.state.ram.roles["OnboardRole"].tags == {**TAGS, "team": "shop"}),
    ),
    Write(
        "CreateDataSource",
        lambda shop: shop.role,
        lambda shop: shop.data_source(Environment.PROD),
        _sources,
    ),
    Write(
        "UpdateDataSource",
        lambda shop: shop.sources,
        lambda shop: data_sources.update_data_source(shop.gate, RETAIL, shop.sources[0], shop.content, "new"),
        lambda shop: [one.description for one in _held(shop).data_sources].count("new"),
    ),
    Write(
        "CreateBusiness",
        lambda shop: None,
        lambda shop: shop.workflow,
        lambda shop: len(_held(shop).businesses),
    ),
    Write(
        "CreateFolder",
        lambda shop: shop.workflow,
        lambda shop: shop.folder,
        lambda shop: [one.path for one in _held(shop).folders.values()].count(FOLDER),
    ),
    Write(
        "CreateDISyncTask",
        lambda shop: (shop.sources, shop.folder),
        lambda shop: shop.create_task(),
        lambda shop: len(_held(shop).files),
    ),
    Write(
        "UpdateDISyncTask",
        lambda shop: shop.task,
        lambda shop: sync_tasks.update_sync_task(shop.gate, RETAIL, shop.task, task_content("5"), GROUP),
        lambda shop: int(_file(shop).content == task_content("5")),
    ),
    Write(
        "UpdateFile",
        lambda shop: shop.task,
        lambda shop: shop.schedule(),
        lambda shop: int(_file(shop).scheduling.cron == SCHEDULING["CronExpress"]),
    ),
    Write("SubmitFile", lambda shop: shop.scheduled, lambda shop: shop.submitted, _packages(1)),
    Write("DeployFile", lambda shop: shop.submitted, lambda shop: shop.deployed, _packages(2)),
    Write(
        "RunSmokeTest",
        lambda shop: shop.deployed,
        lambda shop: shop.start("DEV"),
        lambda shop: len(_held(shop).dags),
    ),
    Write(
        "RunCycleDagNodes",
        lambda shop: shop.deployed,
        lambda shop: shop.start("PROD"),
        lambda shop: len(_held(shop).dags),
    ),
    Write(
        "RestartInstance",
        lambda shop: shop.ended,
        lambda shop: runs.restart_instance(shop.gate, shop.ended, "PROD"),
        lambda shop: sum(one.reruns for one in _held(shop).instances.values()),
    ),
)
ALL = pytest.mark.parametrize("write", WRITES, ids=[write.action for write in WRITES])
EVERY_LOSS = pytest.mark.parametrize(
    "fault",
    [
        {"effect": "reset"},
        {"effect": "truncate"},
        {"status": 502, "body": "<html>"},
        {"status": 503, "code": "ServiceUnavailable"},
    ],
    ids=["reset", "truncated", "HTML 502", "503"],
)


def carried_out(shop: Shop, write: Write, **fault: Any) -> int:
    """Do the write under a fault; returns how many calls of it reached the cloud."""
    write.prepare(shop)
    before = calls_of(shop.local, write.action)
    rule = add_fault(shop.local, action=write.action, times=1, **fault)
    assert write.act(shop)
    assert rule.hits == 1
    return calls_of(shop.local, write.action) - before


def test_every_writing_action_of_the_cloud_layer_is_tried_here(local: RunningCloud) -> None:
    shop = Shop(local)
    for write in WRITES:
        write.prepare(shop)
        write.act(shop)
    made = {record.action.partition(":")[2] for record in shop.gate.journal.records if record.write}
    assert made == {write.action for write in WRITES}


@ALL
@EVERY_LOSS
def test_a_write_whose_answer_was_lost_is_found_and_not_repeated(
    local: RunningCloud, write: Write, fault: dict[str, Any]
) -> None:
    shop = Shop(local)
    assert carried_out(shop, write, when="after", **fault) == 1
    assert write.done(shop) == 1


@ALL
@EVERY_LOSS
def test_a_write_that_was_lost_on_the_way_is_done_exactly_once(
    local: RunningCloud, write: Write, fault: dict[str, Any]
) -> None:
    shop = Shop(local)
    assert carried_out(shop, write, when="before", **fault) == 2
    assert write.done(shop) == 1


@ALL
def test_a_write_without_any_fault_is_one_call(local: RunningCloud, write: Write) -> None:
    shop = Shop(local)
    write.prepare(shop)
    before = calls_of(local, write.action)
    assert write.act(shop)
    assert (calls_of(local, write.action) - before, write.done(shop)) == (1, 1)


# -- lists that lag ------------------------------------------------------------------------------------

EMPTY = {"RequestId": "X", "Success": True, "Data": {"TotalCount": 0}}


@pytest.mark.parametrize("environment", ["DEV", "PROD"])
@pytest.mark.parametrize("polls", [1, 4])
def test_a_run_whose_answer_was_lost_is_not_started_again_while_the_list_lags(
    local: RunningCloud, environment: str, polls: int
) -> None:
    shop = Shop(local)
    assert shop.deployed
    local.cloud.settings.instance_list_empty_polls = polls
    action = "RunSmokeTest" if environment == "DEV" else "RunCycleDagNodes"
    add_fault(local, action=action, when="after", effect="reset")
    assert shop.start(environment) is not None
    assert calls_of(local, action) == 1


@pytest.mark.parametrize("lost", [False, True], ids=["answered", "answer lost"])
@pytest.mark.parametrize(
    ("action", "list_action"),
    [
        ("CreateDataSource", "ListDataSources"),
        ("CreateBusiness", "ListBusiness"),
        ("CreateDISyncTask", "ListFiles"),
    ],
)
def test_what_was_made_is_found_when_its_list_has_caught_up(
    local: RunningCloud, action: str, list_action: str, lost: bool
) -> None:
    shop = Shop(local)
    write = next(one for one in WRITES if one.action == action)
    write.prepare(shop)
    if lost:
        add_fault(local, action=action, when="after", effect="reset")
    answer(local, list_action, EMPTY, times=2)
    assert write.act(shop)
    assert write.done(shop) == 1


def test_a_repeat_that_is_refused_as_a_duplicate_finds_what_is_there(local: RunningCloud) -> None:
    """The code of a second CreateBusiness is not documented: it is a refusal like any other."""
    shop = Shop(local)
    add_fault(local, action="CreateBusiness", when="after", effect="reset")
    answer(local, "ListBusiness", EMPTY, times=1)
    assert sync_tasks.create_workflow(shop.gate, RETAIL, WORKFLOW)
    assert calls_of(local, "CreateBusiness") == 2
    assert len(local.cloud.state.dataworks.businesses) == 1


# -- the rule itself -----------------------------------------------------------------------------------


def test_a_failed_look_never_leads_to_a_blind_repeat(local: RunningCloud) -> None:
    """The answer is lost, and then the look fails too, longer than a read is repeated."""
    gate = gate_of(local, retry_attempts=3)
    add_fault(local, action="CreateRole", when="after", effect="reset")
    add_fault(local, action="GetRole", times=4, status=503, code="ServiceUnavailable")
    assert ram.create_role(gate, "OnboardRole", TRUST, "", {}).name == "OnboardRole"
    assert calls_of(local, "CreateRole") == 1


def test_a_lost_answer_and_a_dead_read_end_in_the_read_s_error(local: RunningCloud) -> None:
    gate = gate_of(local, retry_attempts=2)
    add_fault(local, action="CreateRole", when="after", effect="reset")
    add_fault(local, action="GetRole", times=None, status=503, code="ServiceUnavailable")
    with pytest.raises(errors.TemporaryFailure, match="role OnboardRole"):
        ram.create_role(gate, "OnboardRole", TRUST, "", {})
    assert calls_of(local, "CreateRole") == 1


def test_a_write_that_is_never_carried_out_ends_in_its_own_error(local: RunningCloud) -> None:
    gate = gate_of(local, retry_attempts=3)
    add_fault(local, action="CreateRole", times=None, effect="reset")
    with pytest.raises(errors.OutcomeUnknown, match="role OnboardRole: ram:CreateRole"):
        ram.create_role(gate, "OnboardRole", TRUST, "", {})
    assert calls_of(local, "CreateRole") == 3


def test_a_refusal_is_raised_at_once_and_nothing_is_looked_up(local: RunningCloud) -> None:
    gate = gate_of(local, "mallory")
    with pytest.raises(errors.PermissionDenied):
        ram.create_role(gate, "OnboardRole", TRUST, "", {})
    assert (calls_of(local, "CreateRole"), calls_of(local, "GetRole")) == (1, 0)


def test_a_repeat_that_is_refused_for_another_reason_ends_in_that_refusal(local: RunningCloud) -> None:
    gate = gate_of(local)
    add_fault(local, action="CreateRole", effect="reset")
    add_fault(local, action="CreateRole", status=409, code="LimitExceeded.Role")
    with pytest.raises(errors.LimitExceeded):
        ram.create_role(gate, "OnboardRole", TRUST, "", {})
    assert calls_of(local, "CreateRole") == 2


def test_what_exists_already_is_returned(local: RunningCloud) -> None:
    gate = gate_of(local)
    create_role(gate)
    found = write_once(
        gate, lambda: create_role(gate), lambda: read_role(gate, "OnboardRole"), subject="role"
    )
    assert found["Role"]["RoleName"] == "OnboardRole"
    assert calls_of(local, "CreateRole") == 2


def test_an_object_that_is_said_to_exist_but_is_never_seen_is_not_written_again(local: RunningCloud) -> None:
    gate = gate_of(local, retry_attempts=4)
    create_role(gate)
    looks: list[None] = []
    with pytest.raises(errors.AlreadyExists):
        write_once(gate, lambda: create_role(gate), lambda: looks.append(None), subject="role OnboardRole")
    assert (len(looks), calls_of(local, "CreateRole")) == (4, 2)


def test_a_resource_group_alone_is_changed_although_no_read_shows_it(local: RunningCloud) -> None:
    """The content is the same before and after, so it proves nothing about the lost call."""
    shop = Shop(local)
    assert shop.task
    add_fault(local, action="UpdateDISyncTask", effect="reset")
    sync_tasks.update_sync_task(shop.gate, RETAIL, shop.task, task_content(), OTHER_GROUP)
    assert _file(shop).di_resource_group == OTHER_GROUP


def test_a_restart_that_has_ended_again_is_not_taken_for_none(local: RunningCloud) -> None:
    """Its answer was lost, and the run was quicker than the look."""
    shop = Shop(local)
    assert shop.ended.succeeded
    local.cloud.clock.advance(60)
    local.cloud.settings.advance_by = AdvanceBy.CLOCK
    local.cloud.settings.instance_steps = 0
    add_fault(local, action="RestartInstance", when="after", effect="reset")
    found = runs.restart_instance(shop.gate, shop.ended, "PROD")
    assert found.finished
    assert sum(one.reruns for one in local.cloud.state.dataworks.instances.values()) == 1


def test_a_file_that_is_submitted_twice_would_have_two_versions(local: RunningCloud) -> None:
    """So that the test of SubmitFile above can fail: the local cloud does make a second package of a second call."""
    shop = Shop(local)
    assert shop.submitted
    shop.wait(deployments.submit(shop.gate, RETAIL, shop.submitted, 1))
    assert _packages(1)(shop) == 2

"""``onboard plan`` and ``onboard apply``: what is shown, what is asked, and that only the approved plan is carried out."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import pytest
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings
from typer.testing import CliRunner

from cli.main import app
from emulator.server import RunningCloud
from tests.cli.commands import COMMAND, example_mapping, write_spec
from tests.flows.server import ROOT, PrefectServer, local_cloud_environment, plain_environment
from tests.tasks.onboarding import ROLE, Onboarding, example
from tests.tasks.plans import plan_of

CHANGES, BAD_INPUT, FAILED = 3, 2, 1
SHORT = {"resource_groups": ["S_res_group_1001_1"]}


class Command:
    """Commands in this process, against a local cloud and the session's Prefect server."""

    def __init__(self, local: RunningCloud, folder: Path) -> None:
        self.local = local
        self.folder = folder
        self.runner = CliRunner()
        self.spec = self.write()

    def write(self, **changes: object) -> str:
        """The specification file, without a sync task unless one is given."""
        mapping = {**example_mapping(), **SHORT, **changes}
        if "sync_task" not in changes:
            del mapping["sync_task"]
        return write_spec(self.folder, mapping)

    def __call__(self, *arguments: str) -> tuple[int, str, str]:
        """Exit code, standard output, standard error."""
        result = self.runner.invoke(app, [*arguments])
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
        return result.exit_code, result.stdout, result.stderr

    def hash(self) -> str:
        """The present plan's hash."""
        code, out, _ = self("plan", self.spec, "--json")
        assert code in (0, CHANGES)
        return str(json.loads(out)["plan"]["hash"])

    @property
    def writes(self) -> int:
        """How many writing calls the local cloud has seen."""
        return len(self.local.cloud.journal.writes)


@pytest.fixture
def onboard(local: RunningCloud, tmp_path: Path) -> Iterator[Command]:
    """Commands that need no Prefect; what they set in this process's environment ends with the test."""
    with mock.patch.dict("os.environ", local_cloud_environment(local)):
        yield Command(local, tmp_path)


@pytest.fixture
def with_flows(onboard: Command, prefect_server: PrefectServer) -> Iterator[Command]:
    """Commands that run the flow."""
    with temporary_settings({PREFECT_API_URL: prefect_server.api, PREFECT_HOME: prefect_server.home}):
        yield onboard


# -- plan ----------------------------------------------------------------------------------------------


def test_plan_ends_with_3_for_changes_and_with_0_when_nothing_is_to_do(onboard: Command) -> None:
    assert onboard("plan", onboard.spec)[0] == CHANGES
    Onboarding(onboard.local, example(sync_task=None, **SHORT)).apply()
    code, out, _ = onboard("plan", onboard.spec)
    assert code == 0
    assert "nothing to do" in out


def test_plan_shows_every_change_field_by_field_with_persona_calls_and_hash(onboard: Command) -> None:
    code, out, _ = onboard("plan", onboard.spec)
    assert code == CHANGES
    plan = plan_of(Onboarding(onboard.local, example(sync_task=None, **SHORT)))
    for change in plan.changes:
        assert f"step {change.step}, {change.persona.value}: {change.kind.value} {change.subject}" in out
        for difference in change.differences:
            assert f"    {difference.path}: " in out
    assert f"Plan {plan.hash}" in out
    assert "acs:ram::1234567890123456:role/dataworks-10001-oss-orders" in out
    assert "Calls it takes, at the least: " in out
    assert onboard.writes == 0


def test_plan_as_json_is_one_document_and_the_file_is_its_plan(onboard: Command, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    code, out, _ = onboard("plan", onboard.spec, "--json", "--out", str(file))
    assert code == CHANGES
    told = json.loads(out)
    assert told["outcome"] == "planned"
    assert told["findings"] == []
    assert told["plan"] == json.loads(file.read_text(encoding="utf-8"))
    assert told["plan"]["summary"] == {"create": 5, "attach": 3}
    assert onboard.writes == 0


def test_a_blocked_plan_ends_with_2_and_writes_no_file(onboard: Command, tmp_path: Path) -> None:
    spec, file = onboard.write(grantees={"users": ["nobody"]}), tmp_path / "plan.json"
    code, out, _ = onboard("plan", spec, "--json", "--out", str(file))
    assert code == BAD_INPUT
    told = json.loads(out)
    assert told["outcome"] == "blocked"
    assert [one["code"] for one in told["findings"] if one["blocks"]] == ["PRE002", "PRE012"]
    assert not file.exists()
    code, out, _ = onboard("plan", spec)
    assert code == BAD_INPUT
    assert "blocks PRE002 RAM user nobody: it does not exist. The administrator can fix it: " in out


def test_a_plan_file_that_cannot_be_written_is_bad_input(onboard: Command, tmp_path: Path) -> None:
    code, _, err = onboard("plan", onboard.spec, "--out", str(tmp_path / "none" / "plan.json"))
    assert code == BAD_INPUT
    assert "cannot write" in err


def test_check_cloud_tells_the_findings_and_no_plan(onboard: Command) -> None:
    del onboard.local.cloud.state.ram.roles["AliyunServiceRoleForDataWorksDI"]
    code, out, _ = onboard("check", onboard.spec, "--cloud")
    assert code == 0
    assert "note   PRE020 role AliyunServiceRoleForDataWorksDI" in out
    assert "Plan for" not in out
    assert onboard("check", onboard.write(workspace=404), "--cloud")[0] == BAD_INPUT


# -- apply: who says yes -------------------------------------------------------------------------------


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_without_yes_and_without_a_terminal_apply_asks_nobody_and_writes_nothing(
    onboard: Command, more: list[str]
) -> None:
    code, out, err = onboard("apply", onboard.spec, *more)
    assert code == BAD_INPUT
    assert "bad input" in out if more else "nobody can be asked here" in err
    assert onboard.local.cloud.journal.entries == ()


def test_with_yes_it_applies(with_flows: Command) -> None:
    code, out, _ = with_flows("apply", with_flows.spec, "--yes", "--json")
    assert code == 0, out
    told = json.loads(out)
    assert told["outcome"] == "created"
    assert with_flows("plan", with_flows.spec)[0] == 0


@pytest.mark.parametrize("as_file", [True, False])
def test_an_approved_plan_is_applied_exactly(with_flows: Command, tmp_path: Path, as_file: bool) -> None:
    file = tmp_path / "plan.json"
    code, out, _ = with_flows("plan", with_flows.spec, "--json", "--out", str(file))
    plan = json.loads(out)["plan"]
    code, out, _ = with_flows(
        "apply", with_flows.spec, "--json", "--plan", str(file) if as_file else plan["hash"]
    )
    assert code == 0, out
    made = [change for step in json.loads(out)["steps"] for change in step["changes"]]
    role_id = with_flows.local.cloud.state.ram.roles[ROLE].id
    assert json.loads(json.dumps(made).replace(role_id, "(known after apply)")) == plan["changes"]


@pytest.mark.parametrize("text", ["", "yes", "-".join(["g" * 12] * 3), "-".join(["a" * 12] * 2)])
def test_what_is_neither_a_plan_file_nor_a_hash_is_bad_input(onboard: Command, text: str) -> None:
    code, out, _ = onboard("apply", onboard.spec, "--json", "--plan", text)
    assert code == BAD_INPUT
    assert json.loads(out)["outcome"] == "bad input"
    assert onboard.local.cloud.journal.entries == ()


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"hash": "x", "readings": {}}', '{"hash": "x", "readings": []}']
)
def test_a_file_that_is_no_plan_is_bad_input(onboard: Command, tmp_path: Path, content: str) -> None:
    file = tmp_path / "plan.json"
    file.write_text(content, encoding="utf-8")
    code, _, err = onboard("apply", onboard.spec, "--plan", str(file))
    assert code == BAD_INPUT
    assert "is no plan file" in err
    assert onboard.local.cloud.journal.entries == ()


# -- apply: what has moved -----------------------------------------------------------------------------


def _somebody_attaches(local: RunningCloud) -> None:
    from emulator.state import Attachment

    local.cloud.state.ram.users["carol"].attachments.append(Attachment(policy="Unseen"))


def _somebody_makes_the_role(local: RunningCloud) -> None:
    from tests.tasks.starting_states import foreign_role

    foreign_role(local.cloud, example())
    local.cloud.state.ram.roles[ROLE].tags["managed-by"] = "dataworks-onboarding"


def _unseen(local: RunningCloud) -> None:
    from tests.tasks.starting_states import document, policy

    policy(local.cloud, "Unseen", document("oss:GetObject"))


@pytest.mark.parametrize(
    ("move", "named"),
    [
        (_somebody_attaches, "grant of user carol has changed"),
        (_somebody_makes_the_role, f"role {ROLE} has changed"),
    ],
)
def test_a_moved_cloud_is_refused_and_a_plan_file_names_what_moved(
    with_flows: Command, tmp_path: Path, move: Callable[[RunningCloud], None], named: str
) -> None:
    _unseen(with_flows.local)
    file = tmp_path / "plan.json"
    assert with_flows("plan", with_flows.spec, "--out", str(file))[0] == CHANGES
    move(with_flows.local)
    code, out, _ = with_flows("apply", with_flows.spec, "--plan", str(file))
    assert code == FAILED
    assert named in out
    assert f"look at the new plan, {with_flows.hash()}" in out
    assert with_flows.writes == 0


def test_a_changed_specification_and_a_wrong_hash_are_refused(with_flows: Command) -> None:
    approved = with_flows.hash()
    with_flows.write(description="Another")
    code, out, _ = with_flows("apply", with_flows.spec, "--json", "--plan", approved)
    assert code == FAILED
    failure = json.loads(out)["failure"]
    assert failure["kind"] == "PlanMoved"
    assert "the specification is another" in failure["what"]
    other = "-".join([approved.split("-")[0], "0" * 12, "0" * 12])
    with_flows.write()
    code, out, _ = with_flows("apply", with_flows.spec, "--json", "--plan", other)
    assert code == FAILED
    assert "the cloud has changed since" in json.loads(out)["failure"]["what"]
    assert with_flows.writes == 0


# -- apply: at a terminal ------------------------------------------------------------------------------


def _at_a_terminal(command: Command, answer: str, server: PrefectServer | None) -> tuple[int, str]:
    """Apply with a pseudo-terminal for input and output; returns exit code and what it showed."""
    outer, inner = pty.openpty()
    environment = {
        **plain_environment(),
        **local_cloud_environment(command.local),
        "COLUMNS": "300",
        "TERM": "dumb",
    }
    environment |= server.environment if server is not None else {}
    process = subprocess.Popen(
        [*COMMAND, "apply", command.spec], env=environment, cwd=ROOT, stdin=inner, stdout=inner, stderr=inner
    )
    os.close(inner)
    shown = b""
    try:
        while b"Apply exactly this plan?" not in shown:
            shown += os.read(outer, 65536)
        os.write(outer, f"{answer}\n".encode())
        while True:
            try:
                shown += os.read(outer, 65536)
            except OSError:  # the other side is closed: it has ended
                break
        return process.wait(60), shown.decode()
    finally:
        process.kill()
        process.wait()
        os.close(outer)


def test_saying_no_at_a_terminal_writes_nothing(onboard: Command) -> None:
    code, shown = _at_a_terminal(onboard, "n", None)
    assert code == FAILED
    assert f"create role {ROLE}" in shown
    assert "nothing was written" in shown
    assert onboard.writes == 0


def test_saying_yes_at_a_terminal_applies_what_was_shown(
    onboard: Command, prefect_server: PrefectServer
) -> None:
    approved = onboard.hash()
    code, shown = _at_a_terminal(onboard, "y", prefect_server)
    assert code == 0, shown
    assert f"Plan {approved}" in shown
    assert plan_of(Onboarding(onboard.local, example(sync_task=None, **SHORT))).empty

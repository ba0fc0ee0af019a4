"""Evidence of a real account on a local cloud: taken, chained, explained by runs, and checked by the commands."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.settings import PREFECT_API_URL, temporary_settings
from typer.testing import CliRunner, Result

from cli.main import app
from config.load import load_spec
from config.scheduler import scheduler_today
from emulator.server import RunningCloud
from flows.audit_inputs import AuditInputs
from flows.evidence import collect_evidence, take_evidence
from flows.evidence_pack import PackInvalid, content_of, read_pack, stamp, verify
from flows.evidence_runs import runs_since
from flows.expire import expire_grants
from tasks.connection import use_gate
from tests.flows.runs import run
from tests.flows.server import PrefectServer, local_cloud_environment
from tests.settings import REGION
from tests.tasks.onboarding import Onboarding, example
from tests.tasks.test_expiring import DAY, until

ROOT = Path(__file__).resolve().parents[2]
INPUTS = AuditInputs(REGION)
PAGE = (ROOT / "docs" / "review.md").read_text(encoding="utf-8")


@pytest.fixture
def without_server() -> Iterator[None]:
    """No Prefect server is named."""
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        yield


def users(pack: Any, verb: str) -> set[str]:
    """Who got or lost access."""
    return {one["user"] for one in content_of(pack, "changes")["access"][verb]}


# -- without a server ----------------------------------------------------------------------------------


@pytest.mark.usefixtures("without_server")
def test_a_chain_tells_what_has_come_and_gone_and_is_sound(local: RunningCloud, tmp_path: Path) -> None:
    gate = Onboarding(local).gate
    packs = [take_evidence(gate, INPUTS, tmp_path).pack]
    Onboarding(local, example(grantees=until(local, 3))).apply()
    writes = len(local.cloud.journal.writes)
    local.cloud.clock.advance(DAY)
    packs.append(take_evidence(gate, INPUTS, tmp_path).pack)
    local.cloud.clock.advance(4 * DAY)
    packs.append(take_evidence(gate, INPUTS, tmp_path).pack)

    assert len(local.cloud.journal.writes) == writes  # evidence is only read
    assert [pack["number"] for pack in packs] == [1, 2, 3]
    assert [pack["previous"] and pack["previous"]["sha256"] for pack in packs[1:]] == [
        pack["sha256"] for pack in packs[:2]
    ]
    assert {"carol", "dave", "erin"} <= users(packs[1], "added")
    assert users(packs[1], "removed") == set()
    assert (users(packs[2], "added"), users(packs[2], "removed")) == (set(), {"carol"})
    (line,) = content_of(packs[1], "grants")
    assert (line["holder"], line["ended"]) == ("user carol", False)
    assert {one["code"] for one in content_of(packs[2], "changes")["findings"]["added"]} >= {"AUD307"}
    runs = content_of(packs[1], "runs")
    assert (runs["source"], runs["runs"]) == ("none", [])
    assert "no Prefect server was named" in runs["note"]
    files = sorted(tmp_path.glob("*.json"))
    assert verify([(path.name, read_pack(path)) for path in files]).broken is None
    page = files[2].with_suffix(".md").read_text(encoding="utf-8")
    assert "### Access removed" in page
    assert "no run that is known" in page
    for path in tmp_path.iterdir():
        assert "local-secret" not in path.read_text(encoding="utf-8")


@pytest.mark.usefixtures("without_server")
def test_what_cannot_be_followed_is_refused_before_anything_is_read(
    local: RunningCloud, tmp_path: Path
) -> None:
    gate = Onboarding(local).gate
    first = take_evidence(gate, INPUTS, tmp_path)
    text = first.json_file.read_text(encoding="utf-8")
    first.json_file.write_text(text.replace(REGION, "cn-beijing"), encoding="utf-8")
    asked = len(local.cloud.journal.entries)
    with pytest.raises(PackInvalid, match="cannot be followed"):
        take_evidence(gate, INPUTS, tmp_path)
    with pytest.raises(PackInvalid, match="cannot be read"):
        take_evidence(gate, INPUTS, tmp_path, tmp_path / "nothing.json")
    with pytest.raises(PackInvalid, match="no folder"):
        take_evidence(gate, INPUTS, first.json_file)
    assert len(local.cloud.journal.entries) == asked
    assert len(list(tmp_path.glob("*.json"))) == 1


def test_a_server_that_does_not_answer_is_said_so() -> None:
    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:9/api"}):
        found = runs_since(None, 1_800_000_000)
    assert found["source"] == "none"
    assert "could not be read" in found["note"]


# -- with a server -------------------------------------------------------------------------------------


def test_changes_are_explained_by_the_run_and_the_plan_that_was_approved(
    local: RunningCloud, prefect_server: PrefectServer, tmp_path: Path
) -> None:
    del prefect_server
    onboarding = Onboarding(local, example(sync_task=None))
    first = take_evidence(onboarding.gate, INPUTS, tmp_path)
    ran = run(local, onboarding.spec)
    run(local, onboarding.spec)  # changes nothing, and is not told
    local.cloud.clock.advance(60)
    second = take_evidence(onboarding.gate, INPUTS, tmp_path)
    told = content_of(second.pack, "runs")
    (one,) = [each for each in told["runs"] if each["started"] >= stamp(first.pack["taken_at"])]
    assert one["id"] == str(ran.flow_run.id)
    assert one["data_sources"] == ["10001/oss_orders"]
    assert (one["plan"], one["approval"]) == (ran.report.to_json()["plan"]["hash"], "none")
    page = second.page.read_text(encoding="utf-8")
    assert ran.report.to_json()["plan"]["hash"] in page
    added = page.partition("### Access added")[2].partition("##")[0]
    number = 1 + told["runs"].index(one)
    assert f"| {number} |" in added
    assert "no run that is known" not in added


def test_the_flows_leave_the_hash_and_the_removed_grants_as_artifacts(
    local: RunningCloud, prefect_server: PrefectServer, tmp_path: Path
) -> None:
    del prefect_server
    onboarding = Onboarding(local, example(grantees=until(local, 1), sync_task=None))
    onboarding.until_sources()
    local.cloud.clock.advance(2 * DAY)
    with use_gate(onboarding.gate):
        path = Path(collect_evidence(str(tmp_path), REGION))
        planned = expire_grants(REGION, mode="plan")
        done = expire_grants(REGION, workspace=10001)
        again = expire_grants(REGION)
    assert _artifact("evidence").count(read_pack(path)["sha256"]) == 1
    assert (
        [grant.holder for grant in planned.grants]
        == [grant.holder for grant in done.grants]
        == ["user carol"]
    )
    assert (done.headline, again.changes) == ("1 grant ended and removed", ())
    assert not any(
        one.policy.startswith("DataWorks-user") for one in local.cloud.state.ram.users["carol"].attachments
    )
    assert "No grant has ended" in _artifact("expired-grants")


def _artifact(key: str) -> str:
    """The newest artifact of a key."""
    with get_client(sync_client=True) as client:
        found = client.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[key])))
    return str(max(found, key=lambda one: str(one.created)).data)


def test_a_cloud_that_cannot_be_read_fails_the_flow_and_writes_no_pack(
    local: RunningCloud, prefect_server: PrefectServer, tmp_path: Path
) -> None:
    del prefect_server
    onboarding = Onboarding(local)
    local.cloud.state.ram.users["alice"].access_keys.clear()
    with use_gate(onboarding.gate):
        state = collect_evidence(str(tmp_path), REGION, return_state=True)
    assert state.is_failed()
    assert "no evidence could be taken" in str(state.message)
    assert list(tmp_path.iterdir()) == []


# -- the commands --------------------------------------------------------------------------------------


@pytest.fixture
def command(local: RunningCloud, monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """Commands in this process, on the local cloud."""
    for name, value in local_cloud_environment(local).items():
        monkeypatch.setenv(name, value)
    return CliRunner()


def _run(command: CliRunner, *arguments: str) -> Result:
    return command.invoke(app, list(arguments))


@pytest.mark.usefixtures("without_server")
def test_the_page_s_commands_take_a_chain_and_verify_it(
    local: RunningCloud, command: CliRunner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "baseline.yaml").write_text("version: 1\nignore: []\n", encoding="utf-8")
    lines = re.findall(r"^\$ onboard (evidence .*)$", PAGE, re.MULTILINE)
    assert len(lines) == 3
    for line in lines:
        result = _run(command, *shlex.split(line, comments=True))
        assert result.exit_code == 0, result.output
        local.cloud.clock.advance(91 * DAY)
    assert result.output.count("sound") == 3
    files = sorted(tmp_path.glob("evidence/*.json"))
    # The page's own program agrees.
    program = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert program is not None
    (tmp_path / "pack.json").write_bytes(files[1].read_bytes())
    told: list[object] = []
    exec(program[1], {"print": told.append})  # noqa: S102  # what the page shows a reader
    assert told == [True]


@pytest.mark.usefixtures("without_server")
def test_verify_tells_a_changed_pack_a_changed_page_and_a_file_that_is_none(
    command: CliRunner, tmp_path: Path
) -> None:
    for _ in range(2):
        taken = _run(command, "evidence", "--region", REGION, "--output", str(tmp_path), "--json")
        assert taken.exit_code == 0, taken.output
        told = json.loads(taken.output)
    page = Path(told["page"])
    rendered = _run(command, "evidence", "render", told["file"])
    assert rendered.output == page.read_text(encoding="utf-8")
    page.write_text(page.read_text(encoding="utf-8").replace("open findings", "findings"), encoding="utf-8")
    result = _run(command, "evidence", "verify", str(tmp_path))
    assert result.exit_code == 1
    assert "is not the page of the pack" in result.output
    page.unlink()
    result = _run(command, "evidence", "verify", str(tmp_path))
    assert (result.exit_code, "there is no page beside" in result.stdout) == (0, True)
    first = min(tmp_path.glob("*.json"))
    text = first.read_text(encoding="utf-8")
    first.write_text(text.replace(f'"region":"{REGION}"', '"region":"cn-beijing"'), encoding="utf-8")
    result = _run(command, "evidence", "verify", "--json", str(tmp_path))
    assert result.exit_code == 1
    answer = json.loads(result.output)
    assert answer["outcome"] == "broken"
    assert answer["broken"]["number"] == 1
    assert len(answer["not_judged"]) == 1
    first.write_text("{}", encoding="utf-8")
    assert _run(command, "evidence", "verify", str(tmp_path)).exit_code == 2
    assert _run(command, "evidence", "render", str(first)).exit_code == 2
    assert _run(command, "evidence").exit_code == 2


@pytest.mark.usefixtures("without_server")
def test_the_example_s_grant_ends_and_is_removed_by_the_command(
    local: RunningCloud, command: CliRunner
) -> None:
    spec = load_spec(ROOT / "examples" / "review" / "orders.yaml")
    end = spec.grantees.until_of("user", "carol")
    assert end is not None
    Onboarding(local, spec).until_sources()
    assert _run(command, "expire", "--dry-run").exit_code == 0
    local.cloud.clock.advance((end - scheduler_today() + timedelta(days=2)).total_seconds())
    # The command has the machine's clock, which is before the end: its gate is this process's.
    gate = Onboarding(local).gate
    with use_gate(gate), pytest.MonkeyPatch.context() as patch:
        patch.setattr("cli.connect.connect", lambda settings, region: gate)
        patch.setattr("cli.expire.connect", lambda settings, region: gate)
        assert _run(command, "expire").exit_code == 2  # nobody can be asked
        planned = _run(command, "expire", "--dry-run")
        assert planned.exit_code == 3
        assert "DataWorks-user-carol-AllowUse-1" in planned.output
        assert _run(command, "expire", "--yes", "--workspace", "10002").exit_code == 0
        assert "DataWorks-user-carol-AllowUse-1" in local.cloud.state.ram.policies
        done = _run(command, "expire", "--yes", "--json")
    assert done.exit_code == 0
    assert [grant["holder"] for grant in json.loads(done.output)["grants"]] == ["user carol"]
    assert "DataWorks-user-carol-AllowUse-1" not in local.cloud.state.ram.policies

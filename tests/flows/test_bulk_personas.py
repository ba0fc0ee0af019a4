"""A whole file with a role per persona that has exactly what ``onboard permissions`` prints for it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from unittest import mock

import pytest
from typer.testing import CliRunner

from benchmarks.rows import CAST, key_of, make_account, make_rows, write_csv
from cli.main import app
from cloud.errors import OnboardingError
from cloud.gate import Gate
from cloud.sessions import session_scope
from config.limits import POLICY_DOCUMENT_CHARACTERS
from config.personas import Persona
from emulator.account import AccountFile
from emulator.cloud import LocalCloud
from emulator.server import RunningCloud, serve_in_thread
from policy import Grant, PolicyDocument, PolicyKind, minified, parse_policy, policy_for
from tasks.bulk_plan import plan_file
from tasks.bulk_preflight import FileCheck, check_file
from tasks.connection import file_limits
from tasks.declared import declared_for_file, persona_policies, reading_policies, session_policies
from tasks.options import listen
from tests.clock import LocalClock
from tests.flows.bulk_runs import prefect_leaks_sockets
from tests.flows.files import apply, meaning, persona_environment, specs_of
from tests.flows.server import PrefectServer
from tests.settings import REGION, settings_for
from tests.tasks.personas import PERSONA_ROLES, PIPELINE, assumed_identities, give_personas

DEEP = "Business Flow/benchmark/Data Integration/daily"
_HOLDERS = [PERSONA_ROLES[Persona.CREATOR], PERSONA_ROLES[Persona.EXECUTOR]]
ROWS = [
    {**row, "grantees": {**row["grantees"], "users": [CAST["creator"]], "roles": _HOLDERS}}
    for row in make_rows(10, roles=2)
]
ROWS[-1]["sync_task"] = {**ROWS[-1]["sync_task"], "folder": DEEP}
SPECS = specs_of(ROWS)
EVERYTHING = dict.fromkeys(Persona, policy_for([Grant(("*",), ("*",))]))


@pytest.fixture(scope="module")
def running() -> Iterator[RunningCloud]:
    """A cloud with somebody who may do nothing but assume roles."""
    account = make_account(ROWS, enforce_rates=False)
    own = key_of(PIPELINE)
    account["account"]["ram"]["users"][PIPELINE] = {"access_keys": [{"id": own[0], "secret": own[1]}]}
    with serve_in_thread(LocalCloud(AccountFile.model_validate(account))) as running:
        yield running


@pytest.fixture
def cloud(running: RunningCloud) -> RunningCloud:
    running.cloud.reset()
    return running


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("personas") / "sources.csv"
    write_csv(ROWS, path)
    return path


def gate_of(local: RunningCloud, *, executor: str | None = None) -> Gate:
    """Every persona's calls with sessions of its role; ``executor`` is a user with a key of its own."""
    found = assumed_identities().model_dump()
    for one in found.values():
        if one is not None and one["role_arn"]:
            one["access_key_id"], one["access_key_secret"] = key_of(PIPELINE)
    if executor is not None:
        key, secret = key_of(executor)
        found["executor"] = {"access_key_id": key, "access_key_secret": secret}
    return Gate(settings_for(local, identities=found), REGION, LocalClock(local.cloud))


def permissions(*arguments: str) -> tuple[int, dict[Persona, PolicyDocument], str]:
    """Exit code, what is printed, and what is said beside it."""
    result = CliRunner().invoke(app, ["permissions", *arguments, "--json"])
    raw = json.loads(result.stdout)
    if result.exit_code:
        return result.exit_code, {}, result.stdout
    parsed = {
        Persona(name): parse_policy(json.dumps(text), PolicyKind.IDENTITY) for name, text in raw.items()
    }
    return result.exit_code, parsed, result.stderr


# -- the whole file ------------------------------------------------------------------------------------


def test_what_is_printed_for_a_file_is_enough_for_the_whole_file_and_for_a_second_run(
    cloud: RunningCloud, source: Path
) -> None:
    _, printed, told = permissions(str(source))
    assert told == ""
    give_personas(cloud, SPECS[0], printed)
    with file_limits():
        first = apply(gate_of(cloud), SPECS)
        assert first.outcomes == ["created"] * len(SPECS), [row.why for row in first.reports]
        before = meaning(cloud.cloud)
        cloud.cloud.journal.clear()
        again = apply(gate_of(cloud), SPECS)
    assert again.outcomes == ["unchanged"] * len(SPECS)
    assert cloud.cloud.journal.writes == ()
    assert meaning(cloud.cloud) == before


def test_every_call_is_made_with_a_session_that_may_do_what_its_step_declares(cloud: RunningCloud) -> None:
    give_personas(cloud, SPECS[0], EVERYTHING)
    with file_limits():
        assert set(apply(gate_of(cloud), SPECS).outcomes) == {"created"}
    steps = [session_policies(spec, step) for spec in SPECS for step in range(1, 6)]
    allowed = {minified(document) for found in (*steps, reading_policies()) for document in found.values()}
    sessions = {one.policy for one in cloud.cloud.state.sessions.values()}
    assert sessions <= allowed
    reading = {minified(document) for document in reading_policies().values()}
    assert reading <= sessions
    callers = {entry.caller for entry in cloud.cloud.journal.entries if entry.action != "AssumeRole"}
    assert callers <= {f"{name}:{name}" for name in PERSONA_ROLES.values()}


def test_the_policies_for_the_product_are_enough_for_onboard_bulk(
    cloud: RunningCloud, tmp_path: Path, prefect_server: PrefectServer
) -> None:
    del prefect_server
    # Derived role names: those that the product's policies allow.
    rows = [{name: value for name, value in row.items() if name != "role"} for row in ROWS[:2]]
    write_csv(rows, tmp_path / "sources.csv")
    give_personas(cloud, SPECS[0], permissions("--bulk")[1])
    environment = persona_environment(cloud)
    key, secret = key_of(PIPELINE)
    for persona, role in PERSONA_ROLES.items():
        start = f"ONBOARD_IDENTITIES__{persona.name}__"
        environment[f"{start}ACCESS_KEY_ID"], environment[f"{start}ACCESS_KEY_SECRET"] = key, secret
        environment[f"{start}ROLE_ARN"] = f"acs:ram::1234567890123456:role/{role}"
    environment |= {"ONBOARD_POLL_INTERVAL_INITIAL": "0.05", "ONBOARD_POLL_INTERVAL_MAXIMUM": "0.2"}
    with mock.patch.dict("os.environ", environment), prefect_leaks_sockets():
        result = CliRunner().invoke(app, ["bulk", str(tmp_path / "sources.csv"), "--yes", "--json"])
        listen(None)
    assert result.exit_code == 0, result.stdout + result.stderr
    report = json.loads(result.stdout)
    assert [row["outcome"] for row in report["rows"]] == ["created"] * 2
    assert not [one for one in report["findings"] if one["blocks"]]


# -- planning ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def half_done(running: RunningCloud) -> RunningCloud:
    """Some rows are done, one of them was changed by somebody, and a role has lost its policy; the rest is to do."""
    running.cloud.reset()
    give_personas(running, SPECS[0], EVERYTHING)
    assert set(apply(gate_of(running), SPECS[:6]).outcomes) == {"created"}
    state = running.cloud.state
    state.ram.roles[SPECS[0].role_name].attachments.clear()
    changed = next(iter(state.dataworks.files.values()))
    changed.description = f"{changed.description} by hand"
    return running


def plan(gate: Gate, policies: Mapping[Persona, PolicyDocument]) -> FileCheck:
    """Plan and check the file with sessions that may do exactly this."""
    with session_scope({persona: minified(document) for persona, document in policies.items()}):
        return check_file(gate, plan_file(gate, SPECS))


ACTIONS = sorted(
    (persona.value, action)
    for persona, document in reading_policies().items()
    for statement in document.statements
    for action in statement.actions
)
# Whose refusal a finding tells, and planning goes on.
ANSWERED = {
    "ram:ListEntitiesForPolicy",
    "ram:ListGroupsForUser",
    "dataworks:ListProjectMembers",
}


def test_planning_a_file_calls_everything_that_its_sessions_may_and_nothing_else(
    half_done: RunningCloud,
) -> None:
    called: set[tuple[str, str]] = set()
    for executor in (None, CAST["executor"]):
        gate = gate_of(half_done, executor=executor)
        check = plan(gate, reading_policies())
        assert not [one for one in check.findings if one.blocks]
        assert len(check.plan.changed) > 4
        called |= {(record.persona, record.action) for record in gate.journal.records}
    called = {(who, action) for who, action in called if not action.startswith("sts:")}
    assert called == set(ACTIONS)


@pytest.mark.parametrize(("persona", "action"), ACTIONS)
def test_without_any_one_action_planning_fails_naming_it_or_a_finding_tells(
    half_done: RunningCloud, persona: str, action: str
) -> None:
    policies = dict(reading_policies())
    kept = [one for _, one in ACTIONS if _ == persona and one != action]
    policies[Persona(persona)] = policy_for([Grant(tuple(kept), ("*",))])
    gate = gate_of(half_done, executor=CAST["executor"] if action == "ram:ListGroupsForUser" else None)
    failure: OnboardingError | None = None
    try:
        check = plan(gate, policies)
    except OnboardingError as error:
        failure = error
    if failure is not None:
        assert action in str(failure)
        assert action not in ANSWERED
        return
    refused = [check.plan.refusal(place) for place in range(len(SPECS))]
    named = [error for error in refused if error is not None and action in error.what]
    told = [one for one in check.findings if action in one.what + one.remedy]
    assert named or told
    assert not (named and action in ANSWERED)


# -- what is printed -----------------------------------------------------------------------------------


def test_a_files_policies_are_those_of_its_roles_and_the_listings_of_planning(source: Path) -> None:
    _, printed, _ = permissions(str(source), "--account", "1234567890123456")
    assert printed == dict(persona_policies(declared_for_file(SPECS, "1234567890123456")))
    administrator = minified(printed[Persona.ADMINISTRATOR])
    for spec in SPECS:
        assert spec.policy_name in administrator
    _, single, _ = permissions("examples/oss.yaml")
    assert "ram:ListRoles" in administrator
    assert "ram:ListRoles" not in minified(single[Persona.ADMINISTRATOR])
    _, more, _ = permissions("examples/oss.yaml", "--bulk")
    assert "ram:ListRoles" in minified(more[Persona.ADMINISTRATOR])
    assert "dataworks:ListNodes" in minified(more[Persona.DEVELOPER])


def test_a_policy_that_is_too_long_for_ram_is_said(tmp_path: Path) -> None:
    write_csv(make_rows(200, roles=40), tmp_path / "many.csv")
    code, printed, told = permissions(str(tmp_path / "many.csv"))
    assert code == 0
    assert len(minified(printed[Persona.ADMINISTRATOR])) > POLICY_DOCUMENT_CHARACTERS
    assert "the administrator's policy has" in told
    assert "onboard permissions --bulk" in told
    assert permissions("--bulk")[2] == ""


def test_a_bad_file_or_defaults_without_a_file_are_bad_input(tmp_path: Path) -> None:
    (tmp_path / "bad.csv").write_text("name,nonsense\nx,y\n", encoding="utf-8")
    code, _, told = permissions(str(tmp_path / "bad.csv"))
    assert code == 2
    assert "nonsense" in told
    assert permissions("examples/oss.yaml", "--defaults", "examples/bulk/defaults.yaml")[0] == 2

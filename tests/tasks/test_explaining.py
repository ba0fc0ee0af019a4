"""Who can pass the role and what it can reach, before and after; what cannot be read is never "allow"."""

from __future__ import annotations

import json
from collections.abc import Iterator
from unittest import mock

import pytest
from typer.testing import CliRunner

from cli.main import app
from cloud.errors import PermissionDenied
from config.names import SERVICE_PRINCIPAL, role_arns
from emulator.server import RunningCloud
from policy.explain import Explanation, Inventory, Verdict, access_to, can_pass, who_can_pass
from tasks.explaining import read_documents
from tests.flows.server import local_cloud_environment
from tests.tasks.onboarding import ALLOW_USE, EXAMPLE, POLICY, ROLE, Onboarding, add_fault, example
from tests.tasks.starting_states import allow, document, holds, holds_statements, policy, trust

ARN, _ = role_arns("1234567890123456", ROLE)


def _documents(local: RunningCloud, user: str | None = None) -> Inventory:
    return read_documents(Onboarding(local).gate, people=True, user=user)


def _passes(local: RunningCloud, user: str) -> Explanation:
    """The answer, which does not depend on whether everybody or one user is read."""
    answers = [can_pass(_documents(local, one), user, ARN, SERVICE_PRINCIPAL) for one in (None, user)]
    assert answers[0].decision is answers[1].decision
    return answers[0]


def _access(local: RunningCloud) -> dict[str, Explanation]:
    spec = example()
    documents = read_documents(Onboarding(local).gate, role=ROLE)
    rows = access_to(documents, ROLE, spec.minimal_permissions(), service=SERVICE_PRINCIPAL)
    assert {row.action for row in rows} == {one.action for one in spec.minimal_permissions()}
    return {f"{row.action} {row.resource}": row.explanation for row in rows}


# -- passing -------------------------------------------------------------------------------------------


def test_before_step_2_only_the_administrator_may_pass_the_role(local: RunningCloud) -> None:
    alice = _passes(local, "alice")
    assert alice.decision is Verdict.ALLOW
    assert alice.source is not None
    assert alice.source.name == "AliyunRAMFullAccess"
    assert "user alice" in alice.because
    for user in ("carol", "dave", "erin", "mallory"):
        assert _passes(local, user).decision is Verdict.DENY


def test_after_step_2_the_grantees_may_by_themselves_or_by_their_group(local: RunningCloud) -> None:
    onboarding = Onboarding(local)
    onboarding.grant(onboarding.role())
    carol, erin = _passes(local, "carol"), _passes(local, "erin")
    for answer, owner in ((carol, "user carol"), (erin, "group data-platform")):
        assert answer.decision is Verdict.ALLOW
        assert answer.source is not None
        assert answer.statement is not None
        assert answer.source.name == ALLOW_USE
        assert owner in answer.because
        assert "statement" in answer.because
        assert answer.statement.actions == ("ram:PassRole",)
    holders = who_can_pass(_documents(local), ARN, SERVICE_PRINCIPAL)
    allowed = [(one.kind, one.name) for one in holders if one.explanation.allowed]
    assert allowed == [
        ("user", "alice"),
        ("user", "carol"),
        ("user", "dave"),
        ("user", "erin"),
        ("group", "data-platform"),
    ]
    assert [one.name for one in holders if one.explanation.decision is Verdict.DENY] == ["mallory"]


def test_a_grant_is_for_this_role_and_this_service_only(local: RunningCloud) -> None:
    onboarding = Onboarding(local)
    onboarding.grant(onboarding.role())
    documents = _documents(local)
    other, _ = role_arns("1234567890123456", "Other")
    assert can_pass(documents, "carol", other, SERVICE_PRINCIPAL).decision is Verdict.DENY
    assert can_pass(documents, "carol", ARN, "ecs.aliyuncs.com").decision is Verdict.DENY


def test_an_explicit_deny_is_named(local: RunningCloud) -> None:
    onboarding = Onboarding(local)
    onboarding.grant(onboarding.role())
    holds_statements(local, "erin", {**allow("ram:PassRole"), "Effect": "Deny"})
    erin = _passes(local, "erin")
    assert erin.decision is Verdict.DENY
    assert "erin-only" in erin.because


# -- what cannot be read -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "secret", ["ListPoliciesForUser", "ListGroupsForUser", "GetPolicy", "ListUsersForGroup"]
)
def test_what_cannot_be_read_makes_the_answer_unknown_and_never_allow(
    local: RunningCloud, secret: str
) -> None:
    onboarding = Onboarding(local)
    onboarding.grant(onboarding.role())
    holds_statements(local, "alice", allow("ram:*"), {**allow(f"ram:{secret}"), "Effect": "Deny"})
    one = can_pass(_documents(local, "erin"), "erin", ARN, SERVICE_PRINCIPAL)
    everybody = {
        holder.name: holder.explanation.decision
        for holder in who_can_pass(_documents(local), ARN, SERVICE_PRINCIPAL)
        if holder.kind == "user"
    }
    if secret in ("ListGroupsForUser",):  # asked for one user only
        assert one.decision is Verdict.UNKNOWN
        assert everybody["erin"] is Verdict.ALLOW
    elif secret == "ListUsersForGroup":  # asked for everybody only
        assert one.decision is Verdict.ALLOW
        assert {*everybody.values()} == {Verdict.UNKNOWN}
    else:
        assert one.decision is Verdict.UNKNOWN
        assert "could not be read" in one.because
        assert Verdict.ALLOW not in everybody.values()


def test_who_may_read_nothing_gets_an_error_not_an_answer(local: RunningCloud) -> None:
    gate = Onboarding(local, administrator="mallory").gate
    with pytest.raises(PermissionDenied, match="ram:ListUsers"):
        read_documents(gate, people=True)
    one = read_documents(gate, user="carol")
    assert can_pass(one, "carol", ARN, SERVICE_PRINCIPAL).decision is Verdict.UNKNOWN


def test_a_document_the_parser_does_not_know_is_unknown(local: RunningCloud) -> None:
    holds(local, "carol", document("ram:PassRole", resource="*"))
    held = local.cloud.state.ram.policies["carol-only"].default_version()
    held.document = '{"Version": "2", "Statement": []}'
    assert _passes(local, "carol").decision is Verdict.UNKNOWN


# -- access --------------------------------------------------------------------------------------------


def test_what_the_role_can_reach_before_and_after(local: RunningCloud) -> None:
    before = _access(local)
    assert {one.decision for one in before.values()} == {Verdict.UNKNOWN}
    Onboarding(local).role()
    after = _access(local)
    assert {one.decision for one in after.values()} == {Verdict.ALLOW}
    assert all(POLICY in one.because for one in after.values())


def test_a_permission_that_was_taken_away_and_a_trust_that_was_changed_are_told(local: RunningCloud) -> None:
    Onboarding(local).role()
    version = local.cloud.state.ram.policies[POLICY].default_version()
    version.document = version.document.replace("oss:GetObject", "oss:PutObject")
    denied = [row for row, one in _access(local).items() if one.decision is Verdict.DENY]
    assert denied == ["oss:GetObject acs:oss:*:*:shop-orders/orders/*"]
    local.cloud.state.ram.roles[ROLE].trust_policy = trust("ecs.aliyuncs.com")
    distrusted = _access(local)
    assert {one.decision for one in distrusted.values()} == {Verdict.DENY}
    assert all(f"role {ROLE}: " in one.because for one in distrusted.values())


def test_a_policy_that_cannot_be_read_makes_the_role_s_access_unknown(local: RunningCloud) -> None:
    Onboarding(local).role()
    policy(local.cloud, "Secret", document("oss:*", resource="*"))
    deny = {**allow("ram:GetPolicy"), "Effect": "Deny", "Resource": [f"acs:ram:*:*:policy/{POLICY}"]}
    holds_statements(local, "alice", allow("ram:*"), deny)
    assert {one.decision for one in _access(local).values()} == {Verdict.UNKNOWN}


def test_a_lost_answer_is_asked_for_again_and_is_no_unknown(local: RunningCloud) -> None:
    Onboarding(local).role()
    add_fault(local, action="GetRole", effect="reset", times=1)
    assert {one.decision for one in _access(local).values()} == {Verdict.ALLOW}


# -- the command ---------------------------------------------------------------------------------------


@pytest.fixture
def run(local: RunningCloud) -> Iterator[CliRunner]:
    """Commands in this process; what they set in its environment ends with the test."""
    with mock.patch.dict("os.environ", local_cloud_environment(local)):
        yield CliRunner()


def test_explain_pass_role_as_json(run: CliRunner, local: RunningCloud) -> None:
    onboarding = Onboarding(local)
    onboarding.grant(onboarding.role())
    result = run.invoke(app, ["explain", "pass-role", "--role", ROLE, "--region", "cn-hangzhou", "--json"])
    assert result.exit_code == 0, result.output
    answers = {one["who"]: one for one in json.loads(result.stdout)["answers"]}
    assert answers["user carol"]["decision"] == "allow"
    assert ALLOW_USE in answers["user carol"]["because"]
    assert answers["user mallory"]["decision"] == "deny"
    one = run.invoke(
        app, ["explain", "pass-role", "--role", ROLE, "--region", "cn-hangzhou", "--user", "erin", "--json"]
    )
    assert [answer["who"] for answer in json.loads(one.stdout)["answers"]] == ["user erin"]


def test_explain_access_as_a_table_without_emojis_in_arns(run: CliRunner, local: RunningCloud) -> None:
    Onboarding(local).role()
    result = run.invoke(app, ["explain", "access", str(EXAMPLE)])
    assert result.exit_code == 0, result.output
    assert "oss:GetObject on acs:oss:*:*:shop-orders/orders/*" in result.output
    assert "allow" in result.output
    ram = run.invoke(app, ["explain", "pass-role", "--role", ":ram:", "--region", "cn-hangzhou"])
    assert "Passing role :ram: to" in ram.output
    assert "🐏" not in ram.output + result.output


def test_explain_with_credentials_that_may_nothing_is_an_error(run: CliRunner, local: RunningCloud) -> None:
    holds(local, "alice", None)
    result = run.invoke(app, ["explain", "pass-role", "--role", ROLE, "--region", "cn-hangzhou", "--json"])
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert told["outcome"] == "failed"
    assert "ram:ListUsers" in told["error"]

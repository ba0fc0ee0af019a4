"""What the steps declare: exact objects, one policy a session that AssumeRole takes, one minimal policy a persona."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.main import app
from config.limits import SESSION_POLICY_CHARACTERS
from config.load import load_spec
from config.names import folded_policy_name
from config.personas import Persona
from config.sources import source_types
from config.spec import DataSourceSpec
from policy import (
    PolicyDocument,
    PolicyKind,
    Request,
    Source,
    equivalent,
    evaluate_identity,
    parse_policy,
    size,
    to_dict,
)
from tasks.declared import (
    ANY_ACCOUNT,
    declared,
    declared_for_product,
    persona_policies,
    session_policies,
    session_policy,
)
from tests.tasks.onboarding import EXAMPLE, ROLE, example
from tests.tasks.personas import for_roles

ACCOUNT = "1234567890123456"
EXAMPLES = sorted(set(EXAMPLE.parent.glob("*.yaml")) - set(EXAMPLE.parent.glob("*.defaults.yaml")))
DI = "di.dataworks.aliyuncs.com"


def _allows(
    document: PolicyDocument, action: str, resource: str, context: dict[str, tuple[str, ...]] | None = None
) -> bool:
    source = Source("p", "custom policy", document)
    return evaluate_identity(Request(action, resource, context or {}, frozenset()), [source]).allowed


def _questions(spec: DataSourceSpec) -> Iterator[tuple[Persona, str, str]]:
    """Every action on every object that a specification declares, as a request names it."""
    for row in declared(spec, ACCOUNT):
        if row.optional or "ram:PassRole" in row.actions:
            continue
        for action in row.actions:
            for resource in row.resources:
                yield row.persona, action, resource


# -- objects -------------------------------------------------------------------------------------------


def test_ram_actions_are_declared_on_named_objects_only() -> None:
    for row in declared(for_roles(), ACCOUNT):
        if row.optional:
            continue
        for resource in row.resources:
            name = resource.rpartition("/")[2]
            # The numbers of a grantee's folded policies are not known beforehand; everything else of the name is.
            pattern = "*" in name.removesuffix("-AllowUse-*")
            assert pattern == row.actions[0].startswith("dataworks:")


def test_optional_rows_only_read_and_are_in_no_minimal_policy() -> None:
    optional = [row for row in declared(for_roles(), ACCOUNT) if row.optional]
    assert {row.step for row in optional} == {0}
    assert all(action.startswith(("ram:Get", "ram:List")) for row in optional for action in row.actions)
    minimal = persona_policies(declared(for_roles(), ACCOUNT))[Persona.ADMINISTRATOR]
    assert not _allows(minimal, "ram:ListRoles", f"acs:ram:*:{ACCOUNT}:role/*")
    assert not _allows(minimal, "ram:GetPolicy", f"acs:ram:*:{ACCOUNT}:policy/Other")


@pytest.mark.parametrize(
    ("grantees", "kinds"),
    [
        ({"users": ["carol"]}, {"User"}),
        ({"groups": ["data-platform"]}, {"Group"}),
        ({"roles": ["Pipeline"]}, {"Role"}),
        ({"users": ["carol"], "groups": ["g"], "roles": ["Pipeline"]}, {"User", "Group", "Role"}),
    ],
)
def test_only_the_kinds_of_grantees_there_are_can_be_attached_to(
    grantees: dict[str, list[str]], kinds: set[str]
) -> None:
    rows = [row for row in declared(example(grantees=grantees), ACCOUNT) if row.step == 2]
    attach = {action for row in rows for action in row.actions if action.startswith("ram:AttachPolicyTo")}
    assert attach == {f"ram:AttachPolicyTo{kind}" for kind in kinds}
    lists = {action for row in rows for action in row.actions if action.startswith("ram:ListPoliciesFor")}
    assert lists == {f"ram:ListPoliciesFor{kind}" for kind in kinds}


def test_a_role_among_the_grantees_gets_nothing_else_than_the_attachment() -> None:
    document = session_policies(example(grantees={"roles": ["Pipeline"]}), 2)[Persona.ADMINISTRATOR]
    holder = f"acs:ram:*:{ACCOUNT}:role/Pipeline"
    assert _allows(document, "ram:AttachPolicyToRole", holder)
    assert _allows(document, "ram:ListPoliciesForRole", holder)
    for action in ("ram:UpdateRole", "ram:CreateRole", "ram:TagResources", "ram:DetachPolicyFromRole"):
        assert not _allows(document, action, holder)


def test_pass_role_is_declared_for_the_role_and_the_two_services_of_the_source() -> None:
    for step, persona in ((3, Persona.CREATOR), (5, Persona.EXECUTOR)):
        document = session_policies(example(), step)[persona]
        arn = f"acs:ram::{ACCOUNT}:role/{ROLE.lower()}"
        assert _allows(document, "ram:PassRole", arn, {"acs:Service": (DI,)})
        assert not _allows(document, "ram:PassRole", arn, {"acs:Service": ("ecs.aliyuncs.com",)})
        assert not _allows(document, "ram:PassRole", f"{arn}2", {"acs:Service": (DI,)})


def test_nothing_that_deletes_or_detaches_is_declared_anywhere() -> None:
    names = {action.partition(":")[2] for row in declared(for_roles(), ACCOUNT) for action in row.actions}
    assert not [name for name in names if name.startswith(("Delete", "Detach", "Remove", "Untag", "Stop"))]


# -- sessions ------------------------------------------------------------------------------------------


def test_each_step_after_the_reading_has_one_persona() -> None:
    who = [[*session_policies(example(), step)] for step in range(6)]
    assert who == [
        [*Persona], [Persona.ADMINISTRATOR], [Persona.ADMINISTRATOR], [Persona.CREATOR], [Persona.DEVELOPER],
        [Persona.EXECUTOR],
    ]  # fmt: skip
    assert session_policy(declared(example(), ACCOUNT), 4, Persona.ADMINISTRATOR) is None


@pytest.mark.parametrize("count", [1, 5, 60])
def test_a_session_policy_fits_assume_role_however_many_grantees_there_are(count: int) -> None:
    long = "x" * 40
    grantees = {kind: [f"{long}{number}" for number in range(count)] for kind in ("users", "groups", "roles")}
    spec = example(grantees=grantees, role={"name": "R" * 64})
    for step in range(6):
        for document in session_policies(spec, step).values():
            assert size(document) <= SESSION_POLICY_CHARACTERS
    grant = session_policies(spec, 2)[Persona.ADMINISTRATOR]
    for kind, names in (("User", "users"), ("Group", "groups"), ("Role", "roles")):
        for name in grantees[names]:
            assert _allows(grant, f"ram:AttachPolicyTo{kind}", f"acs:ram:*:{ACCOUNT}:{kind.lower()}/{name}")
    # Wherever names became patterns, the policy that can be attached is still the one.
    policy = f"acs:ram:*:{ACCOUNT}:policy/"
    assert _allows(grant, "ram:AttachPolicyToUser", policy + spec.pass_role_policy_name)
    assert not _allows(grant, "ram:AttachPolicyToUser", f"{policy}Other")
    for kind, names in (("user", "users"), ("group", "groups"), ("role", "roles")):
        for name in grantees[names]:
            assert _allows(grant, "ram:CreatePolicy", policy + folded_policy_name(kind, name, 3))


def test_with_few_grantees_only_their_own_folded_policies_can_be_written() -> None:
    grant = session_policies(example(), 2)[Persona.ADMINISTRATOR]
    policy = f"acs:ram:*:{ACCOUNT}:policy/"
    for action in ("CreatePolicy", "CreatePolicyVersion", "TagResources", "AttachPolicyToUser"):
        assert _allows(grant, f"ram:{action}", policy + folded_policy_name("user", "carol", 2))
        assert not _allows(grant, f"ram:{action}", policy + folded_policy_name("user", "dave", 2))
        assert not _allows(grant, f"ram:{action}", policy + folded_policy_name("role", "carol", 2))


def test_a_grant_on_every_role_is_never_folded_so_no_folded_policy_can_be_written() -> None:
    spec = example(role={"pass_role": "broad", "pass_role_reason": "One role a tenant, made elsewhere"})
    grant = session_policies(spec, 2)[Persona.ADMINISTRATOR]
    name = folded_policy_name("user", "carol", 1)
    assert not _allows(grant, "ram:CreatePolicy", f"acs:ram:*:{ACCOUNT}:policy/{name}")


def test_with_few_grantees_their_names_stay_names() -> None:
    grant = session_policies(for_roles(), 2)[Persona.ADMINISTRATOR]
    assert _allows(grant, "ram:AttachPolicyToUser", f"acs:ram:*:{ACCOUNT}:user/carol")
    assert not _allows(grant, "ram:AttachPolicyToUser", f"acs:ram:*:{ACCOUNT}:user/dave")
    assert not _allows(grant, "ram:AttachPolicyToRole", f"acs:ram:*:{ACCOUNT}:role/Other")


# -- minimal policies ----------------------------------------------------------------------------------


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_a_minimal_policy_allows_what_is_declared_and_passes_no_role(path: Path) -> None:
    spec = load_spec(path)
    policies = persona_policies(declared(spec, ACCOUNT))
    assert {*policies} == {*Persona}
    for persona, action, resource in _questions(spec):
        assert _allows(policies[persona], action, resource)
    arn = f"acs:ram::{ACCOUNT}:role/{spec.role_name.lower()}"
    for document in policies.values():
        assert not _allows(document, "ram:PassRole", arn, {"acs:Service": (DI,)})


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_policies_of_the_whole_product_cover_every_example(path: Path) -> None:
    services = [kind.service for kind in source_types().values()]
    product = persona_policies(declared_for_product(ACCOUNT, services))
    for persona, action, resource in _questions(load_spec(path)):
        assert _allows(product[persona], action, resource), (persona, action, resource)


def test_the_policies_of_the_whole_product_reach_no_role_or_policy_of_another_name() -> None:
    administrator = persona_policies(declared_for_product(ACCOUNT, []))[Persona.ADMINISTRATOR]
    for action in ("ram:CreateRole", "ram:UpdateRole", "ram:TagResources"):
        assert _allows(administrator, action, f"acs:ram:*:{ACCOUNT}:role/DataWorks-1-x")
        assert not _allows(administrator, action, f"acs:ram:*:{ACCOUNT}:role/Admin")
    for action in ("ram:CreatePolicy", "ram:CreatePolicyVersion", "ram:AttachPolicyToUser"):
        assert not _allows(administrator, action, f"acs:ram:*:{ACCOUNT}:policy/AdminPolicy")
    assert not _allows(administrator, "ram:CreateAccessKey", f"acs:ram:*:{ACCOUNT}:user/carol")


# -- the command ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [[], [str(EXAMPLE)], [str(EXAMPLE), "--account", ACCOUNT]])
def test_permissions_prints_policies_that_parse_and_mean_what_is_declared(arguments: list[str]) -> None:
    result = CliRunner().invoke(app, ["permissions", *arguments, "--json"])
    assert result.exit_code == 0
    printed = {
        Persona(name): parse_policy(json.dumps(document), PolicyKind.IDENTITY)
        for name, document in json.loads(result.stdout).items()
    }
    account = ACCOUNT if "--account" in arguments else ANY_ACCOUNT
    services = [kind.service for kind in source_types().values()]
    rows = declared(example(), account) if arguments else declared_for_product(account, services)
    wanted = persona_policies(rows)
    assert {*printed} == {*wanted}
    assert all(equivalent(document, wanted[persona]) for persona, document in printed.items())


def test_permissions_for_people_names_each_persona_and_says_where_pass_role_comes_from() -> None:
    result = CliRunner().invoke(app, ["permissions", str(EXAMPLE)])
    assert result.exit_code == 0
    for persona in Persona:
        assert f"# {persona.value}\n" in result.stdout
    assert "ram:PassRole on the role by step 2" in result.stdout
    documents = json.dumps(
        to_dict(persona_policies(declared(example(), ANY_ACCOUNT))[Persona.CREATOR]), indent=2
    )
    assert documents in result.stdout


@pytest.mark.parametrize("arguments", [["--account", "abc"], ["missing.yaml"]])
def test_permissions_with_bad_input_ends_with_2(arguments: list[str]) -> None:
    assert CliRunner().invoke(app, ["permissions", *arguments, "--json"]).exit_code == 2

"""Reading, comparing and writing documents."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest

from policy import (
    Condition,
    Effect,
    PolicyDocument,
    PolicyError,
    PolicyKind,
    PolicySyntaxError,
    Principal,
    Statement,
    canonical,
    check_policy,
    equivalent,
    minified,
    parse_policy,
    size,
    to_dict,
)

IDENTITY, TRUST, SESSION = PolicyKind.IDENTITY, PolicyKind.TRUST, PolicyKind.SESSION


def statement(**fields: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": "oss:GetObject", "Resource": "*", **fields}


def document(*statements: Any) -> dict[str, Any]:
    return {"Version": "1", "Statement": list(statements)}


def trust(principal: Any, **fields: Any) -> dict[str, Any]:
    return document({"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal, **fields})


def without(fields: dict[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in fields.items() if key not in keys}


def test_reads_the_vendors_oss_policy() -> None:
    text = """{"Version": "1", "Statement": [{"Effect": "Allow",
        "Action": ["oss:GetObject", "oss:ListObjects", "oss:GetObjectMetadata", "oss:GetObjectMeta",
                   "oss:GetBucketAcl", "oss:GetBucketInfo", "oss:PutObject", "oss:DeleteObject", "oss:PutBucket"],
        "Resource": ["acs:oss:*:*:bucket", "acs:oss:*:*:bucket/*"]}]}"""
    (read,) = parse_policy(text, IDENTITY).statements
    assert read.effect is Effect.ALLOW
    assert len(read.actions) == 9
    assert read.resources == ("acs:oss:*:*:bucket", "acs:oss:*:*:bucket/*")


def test_reads_every_part_of_a_statement() -> None:
    raw = document(
        statement(
            Effect="Deny",
            Condition={"StringLike": {"oss:Prefix": ["", "a/*"]}, "Bool": {"acs:SecureTransport": "false"}},
        )
    )
    assert parse_policy(raw, SESSION).statements == (
        Statement(
            Effect.DENY,
            actions=("oss:GetObject",),
            resources=("*",),
            conditions=(
                Condition("StringLike", "oss:Prefix", ("", "a/*")),
                Condition("Bool", "acs:SecureTransport", ("false",)),
            ),
        ),
    )


def test_reads_principals_of_every_kind() -> None:
    read = parse_policy(
        trust(
            {
                "RAM": ["acs:ram::1:root", "acs:ram::1:user/a.b", "acs:ram::1:role/R"],
                "Service": ["di.dataworks.aliyuncs.com", "2@di.dataworks.aliyuncs.com"],
                "Federated": "acs:ram::1:oidc-provider/p",
            }
        ),
        TRUST,
    )
    assert [one.kind for one in read.statements[0].principals] == ["RAM"] * 3 + ["Service"] * 2 + [
        "Federated"
    ]


def test_a_value_and_a_list_of_one_value_read_alike() -> None:
    listed = document(
        statement(Action=["oss:GetObject"], Resource=["*"], Condition={"Bool": {"k": ["true"]}})
    )
    assert parse_policy(document(statement(Condition={"Bool": {"k": "true"}})), IDENTITY) == parse_policy(
        listed, IDENTITY
    )


@pytest.mark.parametrize(
    ("value", "expected"),
    [("true", "true"), ("1", "1"), ("1.50", "1.50"), ('"x"', "x"), ('""', ""), ("-3", "-3")],
)
def test_condition_values_become_text_as_written(value: str, expected: str) -> None:
    text = json.dumps(document(statement(Condition={"StringEquals": {"k": "@"}}))).replace('"@"', value)
    assert parse_policy(text, IDENTITY).statements[0].conditions[0].values == (expected,)


def test_condition_values_of_a_mapping_become_text() -> None:
    raw = document(statement(Condition={"StringEquals": {"k": [True, False, 1, 1.5]}}))
    assert parse_policy(raw, IDENTITY).statements[0].conditions[0].values == ("true", "false", "1", "1.5")


GRAMMAR = [
    ([], "document", "JSON object"),
    ({"Version": "1"}, "Statement", "required"),
    ({"Statement": [statement()]}, "Version", "required"),
    ({"Version": "2", "Statement": [statement()]}, "Version", "only version"),
    ({"Version": 1, "Statement": [statement()]}, "Version", "only version"),
    ({**document(statement()), "Id": "x"}, "Id", "unknown key"),
    (document(), "Statement", "at least one"),
    ({"Version": "1", "Statement": statement()}, "Statement", "must be a list"),
    (document("x"), "Statement[0]", "JSON object"),
    (document(statement(), without(statement(), "Effect")), "Statement[1].Effect", "required"),
    (document(statement(Effect="allow")), "Statement[0].Effect", "Allow or Deny"),
    (document(statement(Effect=["Allow"])), "Statement[0].Effect", "Allow or Deny"),
    (document(without(statement(), "Action")), "Statement[0].Action", "required"),
    (document(statement(NotAction="oss:*")), "Statement[0].NotAction", "exactly one"),
    (document(statement(Action=[])), "Statement[0].Action", "empty list"),
    (document(statement(Action="")), "Statement[0].Action", "oss:GetObject"),
    (document(statement(Action=["oss:GetObject", 1])), "Statement[0].Action[1]", "must be a text"),
    (document(statement(Action="GetObject")), "Statement[0].Action", "<product>:<action>"),
    (document(statement(Action="oss:GetObject\n")), "Statement[0].Action", "<product>:<action>"),
    (document(without(statement(), "Resource")), "Statement[0].Resource", "required"),
    (document(statement(Resource=[])), "Statement[0].Resource", "empty list"),
    (document(statement(Resource=["*", "bucket"])), "Statement[0].Resource[1]", "acs:"),
    (document(statement(Resource="acs:oss:*:*:")), "Statement[0].Resource", "acs:"),
    (document(statement(Resource="acs:oss:*:*:b\n")), "Statement[0].Resource", "acs:"),
    (document(statement(Resource=None)), "Statement[0].Resource", "must be a text"),
    (document(statement(Sid="x")), "Statement[0].Sid", "unknown key"),
    (document(statement(NotResource="*")), "Statement[0].NotResource", "unknown key"),
    (document(statement(action="*")), "Statement[0].action", "unknown key"),
    (document(statement(Principal={"RAM": "acs:ram::1:root"})), "Statement[0].Principal", "unknown key"),
    (document(statement(Condition={})), "Statement[0].Condition", "at least one operator"),
    (document(statement(Condition=[])), "Statement[0].Condition", "JSON object"),
    (
        document(statement(Condition={"Bool": {}})),
        "Statement[0].Condition.Bool",
        "at least one condition key",
    ),
    (
        document(statement(Condition={"Bool": {"": "x"}})),
        "Statement[0].Condition.Bool",
        "at least one character",
    ),
    (document(statement(Condition={"Bool": "x"})), "Statement[0].Condition.Bool", "JSON object"),
    (
        document(statement(Condition={"Null": {"k": "x"}})),
        "Statement[0].Condition.Null",
        "unknown condition operator",
    ),
    (document(statement(Condition={"Bool": {"k": []}})), "Statement[0].Condition.Bool.k", "empty list"),
    (
        document(statement(Condition={"Bool": {"k": [None]}})),
        "Statement[0].Condition.Bool.k[0]",
        "number or boolean",
    ),
    (
        document(statement(Condition={"Bool": {"k": [["x"]]}})),
        "Statement[0].Condition.Bool.k[0]",
        "number or boolean",
    ),
    (document(statement(Action="oss:\ud800")), "Statement[0].Action", "Unicode"),
    (document({**statement(), 1: "x"}), "Statement[0]", "every key must be a text"),
]


@pytest.mark.parametrize("kind", [IDENTITY, SESSION])
@pytest.mark.parametrize(("raw", "path", "rule"), GRAMMAR)
def test_a_broken_rule_is_named_with_its_path(raw: Any, path: str, rule: str, kind: PolicyKind) -> None:
    with pytest.raises(PolicySyntaxError) as caught:
        parse_policy(raw, kind)
    assert caught.value.path == path
    assert rule in caught.value.rule


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        (trust({"Service": "di.dataworks.aliyuncs.com"}, Resource="*"), "Statement[0].Resource"),
        (document({"Effect": "Allow", "Action": "sts:AssumeRole"}), "Statement[0].Principal"),
        (trust("*"), "Statement[0].Principal"),
        (trust({}), "Statement[0].Principal"),
        (trust({"AWS": "x"}), "Statement[0].Principal.AWS"),
        (trust({"RAM": []}), "Statement[0].Principal.RAM"),
        (trust({"RAM": "*"}), "Statement[0].Principal.RAM"),
        (trust({"RAM": "acs:ram::*:root"}), "Statement[0].Principal.RAM"),
        (trust({"RAM": ["acs:ram::1:root", "acs:ram::1:group/g"]}), "Statement[0].Principal.RAM[1]"),
        (trust({"Service": "*.aliyuncs.com"}), "Statement[0].Principal.Service"),
        (trust({"Service": "a@b@c"}), "Statement[0].Principal.Service"),
        (trust({"Federated": "acs:ram::1:root"}), "Statement[0].Principal.Federated"),
    ],
)
def test_a_broken_rule_of_a_trust_policy_is_named_with_its_path(raw: Any, path: str) -> None:
    assert [error.path for error in check_policy(raw, TRUST)] == [path]


@pytest.mark.parametrize(
    ("text", "path", "rule"),
    [
        ("", "document", "line 1, column 1"),
        ("{", "document", "line 1, column 2"),
        ("[]", "document", "JSON object"),
        ('{"Version": NaN}', "document", "NaN"),
        ("[" * 100_000, "document", "nested too deeply"),
        ("9" * 10_000, "document", "reasonable length"),
        ('{"Version":"1","Version":"1","Statement":[]}', "Version", "more than once"),
    ],
)
def test_text_that_is_not_a_json_document_is_refused(text: str, path: str, rule: str) -> None:
    error = check_policy(text, IDENTITY)[0]
    assert (error.path, rule in error.rule) == (path, True), error


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ('"Effect":"Allow","Effect":"Deny","Action":"*","Resource":"*"', "Statement[0].Effect"),
        (
            '"Effect":"Deny","Action":"*","Resource":"*","Condition":{"Bool":{"k":"a","k":"b"}}',
            "Statement[0].Condition.Bool.k",
        ),
        (
            '"Effect":"Deny","Action":"*","Resource":"*","Condition":{"Bool":{"k":"a"},"Bool":{"j":"b"}}',
            "Statement[0].Condition.Bool",
        ),
    ],
)
def test_a_repeated_key_is_refused_where_it_stands(text: str, path: str) -> None:
    (error,) = check_policy(f'{{"Version":"1","Statement":[{{{text}}}]}}', IDENTITY)
    assert (error.path, error.rule) == (path, "is given more than once")


def test_check_gives_every_broken_rule_and_parse_the_first() -> None:
    raw = {"Version": "2", "Statement": [statement(Effect="X", Sid="s"), statement(Action=[])]}
    errors = check_policy(raw, IDENTITY)
    assert [one.path for one in errors] == [
        "Version",
        "Statement[0].Sid",
        "Statement[0].Effect",
        "Statement[1].Action",
    ]
    with pytest.raises(PolicySyntaxError) as caught:
        parse_policy(raw, IDENTITY)
    assert str(caught.value) == str(errors[0])
    assert check_policy(document(statement()), IDENTITY) == ()


def test_the_error_names_place_and_rule_and_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(PolicySyntaxError("Statement[0].Effect", "must be Allow or Deny")))  # noqa: S301  # our own
    assert isinstance(error, PolicyError)
    assert str(error) == "policy document, Statement[0].Effect: must be Allow or Deny"


BOTH = (Principal("RAM", "acs:ram::1:root"),)


@pytest.mark.parametrize(
    "build",
    [
        lambda: Statement(Effect.ALLOW, resources=("*",)),
        lambda: Statement(Effect.ALLOW, ("a:b",), ("a:c",), ("*",)),
        lambda: Statement(Effect.ALLOW, ("a:b",)),
        lambda: Statement(Effect.ALLOW, ("a:b",), resources=("*",), principals=BOTH),
        lambda: Statement(
            Effect.ALLOW,
            ("a:b",),
            resources=("*",),
            conditions=(Condition("Bool", "k", ("true",)), Condition("Bool", "k", ("false",))),
        ),
        lambda: Condition("Bool", "k", ()),
        lambda: Condition("Bool", "", ("true",)),
        lambda: Principal("AWS", "x"),
        lambda: Principal("RAM", ""),
        lambda: PolicyDocument("1", ()),
        lambda: PolicyDocument("2", (Statement(Effect.ALLOW, ("a:b",), resources=("*",)),)),
        lambda: PolicyDocument(
            "1",
            (
                Statement(Effect.ALLOW, ("a:b",), resources=("*",)),
                Statement(Effect.ALLOW, ("a:b",), principals=BOTH),
            ),
        ),
    ],
)
def test_what_the_grammar_cannot_express_cannot_be_built(build: Any) -> None:
    with pytest.raises(PolicySyntaxError):
        build()


def read(*statements: Any) -> PolicyDocument:
    return parse_policy(document(*statements), IDENTITY)


def test_equivalence_ignores_order_repetition_action_case_and_lists() -> None:
    a = read(
        statement(
            Action=["oss:GetObject", "oss:PutObject"], Condition={"StringEquals": {"k": ["a", "b"], "j": "c"}}
        ),
        statement(Action="log:*"),
    )
    b = read(
        statement(Action=["LOG:*"]),
        statement(
            Action=["OSS:putobject", "oss:GetObject", "oss:getobject"],
            Resource=["*", "*"],
            Condition={"StringEquals": {"j": ["c"], "k": ["b", "a", "b"]}},
        ),
        statement(Action="log:*"),
    )
    assert equivalent(a, b)
    assert canonical(a) == canonical(b)
    assert canonical(canonical(a)) == canonical(a)


@pytest.mark.parametrize(
    "other",
    [
        statement(Effect="Deny"),
        statement(Action="oss:PutObject"),
        {**without(statement(), "Action"), "NotAction": "oss:GetObject"},
        statement(Resource="acs:oss:*:*:b"),
        statement(Condition={"Bool": {"k": "true"}}),
    ],
)
def test_documents_of_other_meaning_are_not_equivalent(other: dict[str, Any]) -> None:
    assert not equivalent(read(statement()), read(other))


def test_condition_parts_of_other_meaning_are_not_equivalent() -> None:
    def conditioned(operator: str, key: str, value: str) -> PolicyDocument:
        return read(statement(Condition={operator: {key: value}}))

    base = conditioned("StringEquals", "k", "a")
    assert not equivalent(base, conditioned("StringLike", "k", "a"))
    assert not equivalent(base, conditioned("StringEquals", "K", "a"))
    assert not equivalent(base, conditioned("StringEquals", "k", "A"))


def test_both_spellings_of_a_role_differ_from_one() -> None:
    one = read(statement(Action="ram:PassRole", Resource="acs:ram::1:role/R"))
    two = read(statement(Action="ram:PassRole", Resource=["acs:ram::1:role/R", "acs:ram::1:role/r"]))
    assert not equivalent(one, two)


def test_to_dict_writes_the_vendors_spelling_with_lists() -> None:
    raw = document(statement(Condition={"StringEquals": {"k": "a"}}))
    assert to_dict(parse_policy(raw, IDENTITY)) == {
        "Version": "1",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["oss:GetObject"],
                "Resource": ["*"],
                "Condition": {"StringEquals": {"k": ["a"]}},
            }
        ],
    }
    assert to_dict(parse_policy(trust({"Service": "a.b"}, Effect="Deny"), TRUST))["Statement"] == [
        {"Effect": "Deny", "Action": ["sts:AssumeRole"], "Principal": {"Service": ["a.b"]}}
    ]


def test_minified_is_sorted_without_spaces_and_keeps_the_spelling_of_actions() -> None:
    raw = document(
        statement(Action=["oss:PutObject", "oss:GetObject"]), statement(Effect="Deny", Action="oss:Put*")
    )
    assert minified(parse_policy(raw, IDENTITY)) == (
        '{"Version":"1","Statement":['
        '{"Effect":"Allow","Action":["oss:GetObject","oss:PutObject"],"Resource":["*"]},'
        '{"Effect":"Deny","Action":["oss:Put*"],"Resource":["*"]}]}'
    )


def test_size_counts_characters_not_bytes_and_no_escapes() -> None:
    plain = read(statement(Condition={"StringEquals": {"k": "a"}}))
    accented = read(statement(Condition={"StringEquals": {"k": "\u8ba2"}}))
    assert size(plain) == len(minified(plain)) == size(accented)

"""Evidence packs: sealed, chained, checked offline; the page says what the JSON says."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows.evidence_markdown import evidence_markdown
from flows.evidence_pack import (
    SECTIONS,
    PackInvalid,
    canonical,
    changes_between,
    content_of,
    own_fault,
    read_pack,
    seal,
    sha256,
    verify,
)

ROOT = Path(__file__).resolve().parents[2]
TAKEN = 1_798_790_400  # 2027-01-01
QUARTER = 91 * 86_400


def chain(user: str, name: str = "orders", **fields: Any) -> dict[str, Any]:
    """One way to a location."""
    return {
        "location": f"oss://shop/{name}/", "access": "read", "workspace": 10001, "data_source": name,
        "environment": "PROD", "type": "oss", "mode": "role", "role": f"DataWorks-10001-{name}",
        "policies": [f"DataWorks-10001-{name}-Access"], "grants": [f"DataWorks-10001-{name}AllowUse"],
        "user": user, "group": "", "tasks": [], **fields,
    }  # fmt: skip


def finding(number: int, what: str = "it is so") -> dict[str, Any]:
    """One finding."""
    return {
        "code": "AUD101", "title": "", "severity": "high", "kind": "data source", "subject": f"data source s{number}",
        "what": what, "persona": "creator", "remedy": "", "workspace": 10001, "command": "", "detail": "",
        "fingerprint": f"{number:016x}",
    }  # fmt: skip


def sections(**given: Any) -> dict[str, Any]:
    """What a pack holds, without its changes."""
    empty: dict[str, Any] = {name: [] for name in SECTIONS if name not in ("changes", "runs")}
    return {**empty, "runs": {"source": "none", "note": "nobody was asked", "runs": []}, **given}


def pack(previous: dict[str, Any] | None = None, **given: Any) -> dict[str, Any]:
    """A sealed pack, a quarter after the one before."""
    head = {
        "account_id": given.pop("account_id", "1234567890123456"),
        "region": "cn-hangzhou",
        "workspaces": [10001],
        "taken_at": TAKEN if previous is None else previous["taken_at"] + QUARTER,
        "made_by": "dataworks-onboarding 0.1.0",
    }
    return seal(head, sections(**given), previous)


def chain_of(count: int) -> list[dict[str, Any]]:
    """That many packs, each chained to the one before."""
    found: list[dict[str, Any]] = []
    for number in range(count):
        users = [chain(f"user-{each}") for each in range(number + 1)]
        found.append(pack(found[-1] if found else None, access=users))
    return found


def named(packs: list[dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """With the names of their files."""
    return [(f"{one['number']}.json", one) for one in packs]


# -- sealing -------------------------------------------------------------------------------------------


def test_the_hash_is_that_of_the_canonical_text_without_it() -> None:
    one = pack(access=[chain("carol", name="订单")])
    text = json.dumps(
        {key: value for key, value in one.items() if key != "sha256"},
        sort_keys=True, separators=(",", ":"), ensure_ascii=False,
    )  # fmt: skip
    assert one["sha256"] == hashlib.sha256(text.encode()).hexdigest()
    assert one["previous"] is None
    assert own_fault(one) == ""
    for name in SECTIONS:
        assert one["sections"][name]["sha256"] == sha256(content_of(one, name))


def test_what_has_changed_is_the_difference_of_two_packs() -> None:
    first = pack(
        access=[chain("carol"), chain("dave")], findings=[finding(1), finding(2, "3 of 5 runs failed")]
    )
    second = pack(
        first, access=[chain("dave"), chain("erin")], findings=[finding(2, "4 of 5 runs failed"), finding(3)]
    )
    changes = content_of(second, "changes")
    assert changes["since"] == TAKEN
    assert [one["user"] for one in changes["access"]["added"]] == ["erin"]
    assert [one["user"] for one in changes["access"]["removed"]] == ["carol"]
    assert changes["findings"] == {"added": [finding(3)], "removed": [finding(1)]}
    assert content_of(first, "changes")["access"] == {"added": [], "removed": []}


def test_a_fraction_is_refused_because_not_every_language_writes_it_the_same() -> None:
    with pytest.raises(ValueError, match="no fractions"):
        canonical({"a": [1, {"b": 0.5}]})


# -- verifying -----------------------------------------------------------------------------------------


def test_a_sound_chain_is_sound_in_any_order() -> None:
    packs = chain_of(4)
    for order in (packs, packs[::-1]):
        found = verify(named(order))
        assert found.broken is None
        assert [link.number for link in found.links] == [1, 2, 3, 4]
        assert found.notes == ()


def _forged(one: dict[str, Any]) -> None:
    one["sections"]["access"]["content"].pop()


def _resealed_section(one: dict[str, Any]) -> None:
    _forged(one)
    one["sections"]["access"]["sha256"] = sha256(content_of(one, "access"))


def _resealed(one: dict[str, Any]) -> None:
    _resealed_section(one)
    one["sha256"] = sha256({key: value for key, value in one.items() if key != "sha256"})


def _other_link(one: dict[str, Any]) -> None:
    one["previous"]["sha256"] = "0" * 64
    one["sha256"] = sha256({key: value for key, value in one.items() if key != "sha256"})


def _other_time(one: dict[str, Any]) -> None:
    one["taken_at"] += 1


def _more(one: dict[str, Any]) -> None:
    one["sections"]["access"]["content"].append(chain("mallory"))


def _with_a_new_section(one: dict[str, Any]) -> None:
    one["sections"]["extra"] = {"content": [], "sha256": sha256([])}


@pytest.mark.parametrize(
    ("forge", "told", "at"),
    [
        (_forged, "section access is not what its hash says", 2),
        (_more, "section access is not what its hash says", 2),
        (_resealed_section, "the pack is not what its hash says", 2),
        (_other_time, "the pack is not what its hash says", 2),
        (_other_link, "it follows another pack than 1.json", 2),
        (_resealed, "the changes it tells are not the difference to 1.json", 2),
        (_with_a_new_section, "a section extra", 2),
    ],
)
def test_the_first_broken_link_is_told(forge: Callable[[dict[str, Any]], None], told: str, at: int) -> None:
    packs = copy.deepcopy(chain_of(4))
    forge(packs[at - 1])
    found = verify(named(packs))
    assert found.broken is not None
    assert (found.broken.number, found.broken.name) == (at, f"{at}.json")
    assert told in found.broken.fault
    assert found.left == ("3.json", "4.json")
    assert [link.fault for link in found.links[:-1]] == [""] * (at - 1)


def test_a_pack_that_was_written_anew_with_all_its_hashes_breaks_the_next_link() -> None:
    packs = chain_of(4)
    access = [chain("user-0"), chain("mallory")]
    packs[1] = pack(packs[0], access=access)
    assert own_fault(packs[1]) == ""
    found = verify(named(packs))
    assert found.broken is not None
    assert found.broken.number == 3
    assert "it follows another pack than 2.json" in found.broken.fault


def test_a_missing_pack_another_chain_and_another_account_are_told() -> None:
    packs = chain_of(4)
    missing = verify(named([packs[0], packs[2], packs[3]])).broken
    assert missing is not None
    assert "pack 2 is missing between it and 1.json" in missing.fault
    twice = verify([*named(packs[:2]), ("other.json", pack(packs[0], access=[chain("x")]))]).broken
    assert twice is not None
    assert "two chains were begun" in twice.fault
    foreign = pack(packs[0], account_id="999")
    moved = verify([*named(packs[:1]), ("other.json", foreign)]).broken
    assert moved is not None
    assert "it is of account 999" in moved.fault


def test_a_chain_whose_beginning_is_not_given_says_what_cannot_be_checked() -> None:
    packs = chain_of(3)
    found = verify(named(packs[1:]))
    assert found.broken is None
    (note,) = found.notes
    assert packs[0]["sha256"] in note
    assert "begins with pack 2" in note


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "cannot be read as JSON"),
        ("[]", "its kind is another"),
        ('{"kind": "evidence pack", "version": 9}', "it has version 9"),
        ('{"kind": "evidence pack", "version": 1, "number": 1}', "taken_at is missing"),
        ('{"kind": "evidence pack", "kind": "evidence pack"}', "a key is there twice"),
    ],
)
def test_a_file_that_is_no_pack_is_told(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "evidence-0001.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PackInvalid, match=told):
        read_pack(path)
    with pytest.raises(PackInvalid, match="cannot be read"):
        read_pack(tmp_path / "nothing.json")


# -- the page ------------------------------------------------------------------------------------------


def test_the_page_is_made_of_the_json_alone_and_holds_the_hashes(tmp_path: Path) -> None:
    packs = chain_of(2)
    path = tmp_path / "pack.json"
    path.write_bytes(canonical(packs[1]))
    again = read_pack(path)
    text = evidence_markdown(again)
    assert text == evidence_markdown(packs[1])
    assert packs[1]["sha256"] in text
    assert packs[0]["sha256"] in text
    assert "### Access added" in text
    assert "| user-1 |" in text
    assert "no run that is known" in text
    assert "Nobody was asked." in text
    brief = evidence_markdown(again, brief=True)
    assert packs[1]["sha256"] in brief
    assert "## Who may use which role" not in brief


def test_the_page_names_the_run_and_the_approved_plan_of_a_change() -> None:
    first = pack(access=[])
    run = {
        "id": "0d6f", "flow": "onboard data source", "name": "n", "deployment": "", "started_by": "user ann",
        "started": "2027-02-01T00:00:00Z", "ended": "", "state": "Completed", "plan": "3f2a-5e6f-c3d4",
        "approval": "hash given", "data_sources": ["10001/orders"], "roles": [], "file": "",
    }  # fmt: skip
    runs = {"source": "Prefect server", "note": "", "runs": [run]}
    text = evidence_markdown(pack(first, access=[chain("carol"), chain("dave", "bills")], runs=runs))
    (orders,) = [line for line in text.splitlines() if "orders (PROD)" in line and line.endswith("| 1 |")]
    assert "carol" in orders
    assert any("bills" in line and "no run that is known" in line for line in text.splitlines())
    (row,) = [line for line in text.splitlines() if line.startswith("| 1 |")]
    assert "3f2a-5e6f-c3d4 | hash given" in row


def test_no_text_breaks_out_of_the_page() -> None:
    hostile = "a|b\n# c <script>x</script> [d](http://e) `f`\u202e"
    text = evidence_markdown(pack(access=[chain(hostile)], findings=[finding(1, hostile)], unread=[hostile]))
    assert "<script>" not in text
    assert "\n# c" not in text
    assert "[d](" not in text
    assert "\u202e" not in text
    lines = [line for line in text.splitlines() if "a\\|b" in line and line.startswith("|")]
    assert {line.replace("\\|", "").count("|") for line in lines} == {8, 6}


def test_every_pack_has_the_shape_of_the_published_schema() -> None:
    jsonschema: Any = pytest.importorskip("jsonschema")
    schema = json.loads((ROOT / "docs/schemas/evidence-1.json").read_text(encoding="utf-8"))
    for one in (*chain_of(2), pack(findings=[finding(1)])):
        jsonschema.validate(one, schema)
    wrong = copy.deepcopy(chain_of(1)[0])
    del wrong["sections"]["runs"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, schema)


def test_changes_without_a_pack_before_are_none() -> None:
    assert changes_between(None, sections(access=[chain("x")]))["since"] is None

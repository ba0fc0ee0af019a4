"""An evidence pack: what an access review is shown, sealed so that a reader can check it without any cloud.

A pack is one JSON document. Its canonical text (keys sorted, no spaces, UTF-8, no fractions of numbers) is what is hashed:
each section by itself, then the whole pack without its own hash, which holds the hash of the pack before. So nobody can
change, leave out or put in a pack without changing every later hash. Whoever keeps one later hash elsewhere, in a ticket
or on paper, can tell that nobody has written the whole chain anew.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, cast

from config.limits import BULK_REPORT_BYTES

PACK_KIND = "evidence pack"
PACK_VERSION = 1
"""A reader refuses another version."""
SECTIONS = ("access", "grants", "findings", "accepted", "unread", "changes", "runs")
"""Every pack has each of them, in this order for people."""
COMPARED = ("access", "grants", "findings", "accepted")
"""Sections whose difference to the pack before is the section ``changes``."""

Pack = Mapping[str, Any]


class PackInvalid(ValueError):
    """A file that is no evidence pack, or one of a version that this release does not read."""


# -- sealing -------------------------------------------------------------------------------------------


def canonical(value: object) -> bytes:
    """The text that is hashed. Raises ``ValueError`` for a fraction: not every language writes it the same."""
    _refuse_fractions(value)
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8")


def _refuse_fractions(value: object) -> None:
    if isinstance(value, float):
        raise ValueError(f"a pack holds no fractions: {value!r}")  # noqa: TRY004  # a value no pack may have
    parts: Sequence[object] = ()
    if isinstance(value, Mapping):
        parts = list(value.values())
    elif isinstance(value, (list, tuple)):
        parts = value
    for part in parts:
        _refuse_fractions(part)


def sha256(value: object) -> str:
    """SHA-256 of a value's canonical text, 64 hexadecimal characters."""
    return hashlib.sha256(canonical(value)).hexdigest()


def seal(head: Mapping[str, Any], sections: Mapping[str, Any], previous: Pack | None) -> dict[str, Any]:
    """The pack: ``head`` (account, region, workspaces, taken_at, made_by), its sections, and the link to ``previous``.

    ``sections`` are all but ``changes``, which is computed here.
    """
    link = None
    if previous is not None:
        link = {name: previous[name] for name in ("number", "taken_at", "sha256")}
    content = {**sections, "changes": changes_between(previous, sections)}
    pack: dict[str, Any] = {
        "kind": PACK_KIND,
        "version": PACK_VERSION,
        "number": previous["number"] + 1 if previous is not None else 1,
        **head,
        "previous": link,
        "sections": {name: {"sha256": sha256(content[name]), "content": content[name]} for name in SECTIONS},
    }
    return {**pack, "sha256": sha256(pack)}


def changes_between(previous: Pack | None, sections: Mapping[str, Any]) -> dict[str, Any]:
    """What is there now and was not in the pack before, and the other way round; without one before, nothing is new."""
    if previous is None:
        return {"since": None, **{name: {"added": [], "removed": []} for name in COMPARED}}
    changes: dict[str, Any] = {"since": previous["taken_at"]}
    for name in COMPARED:
        before = {_identity(name, item): item for item in content_of(previous, name)}
        now = {_identity(name, item): item for item in sections[name]}
        changes[name] = {
            "added": [item for key, item in now.items() if key not in before],
            "removed": [item for key, item in before.items() if key not in now],
        }
    return changes


def _identity(section: str, item: Mapping[str, Any]) -> str:
    """What makes an item the same in two packs. The words of a finding may hold counts that move."""
    return str(item["fingerprint"]) if section == "findings" else sha256(item)


def content_of(pack: Pack, section: str) -> Any:
    """What a section holds."""
    return pack["sections"][section]["content"]


# -- reading -------------------------------------------------------------------------------------------


def read_pack(path: Path) -> Pack:
    """A pack from a file, whether its hashes are right or not. Raises :class:`PackInvalid`."""
    try:
        if path.stat().st_size > BULK_REPORT_BYTES:
            raise PackInvalid(f"{path} is too large for an evidence pack")
        pack = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_unique)
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, PackInvalid):
            raise
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise PackInvalid(f"{path} cannot be read as JSON: {reason}") from error
    fault = _shape_fault(pack)
    if fault:
        raise PackInvalid(f"{path} is no evidence pack of version {PACK_VERSION}: {fault}")
    return cast("Pack", pack)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A key twice would be read differently by different readers."""
    mapping = dict(pairs)
    if len(mapping) < len(pairs):
        raise ValueError("a key is there twice")
    return mapping


def _shape_fault(pack: Any) -> str:
    """What a pack lacks so that it could be looked at; "" when nothing."""
    if not isinstance(pack, Mapping) or pack.get("kind") != PACK_KIND:
        return "its kind is another"
    if pack.get("version") != PACK_VERSION:
        return f"it has version {pack.get('version')!r}"
    for name, kind in (("number", int), ("taken_at", int), ("sha256", str), ("sections", Mapping)):
        if not isinstance(pack.get(name), kind):
            return f"{name} is missing"
    link = pack.get("previous")
    if link is not None and not (
        isinstance(link, Mapping)
        and isinstance(link.get("sha256"), str)
        and isinstance(link.get("number"), int)
    ):
        return "previous is damaged"
    for name in SECTIONS:
        section = pack["sections"].get(name)
        if not isinstance(section, Mapping) or "content" not in section or "sha256" not in section:
            return f"section {name} is missing"
    return ""


# -- verifying -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Link:
    """One pack of a chain: ``fault`` says what is wrong with it or its link to the one before, "" when nothing is."""

    name: str
    number: int
    taken_at: int
    sha256: str
    fault: str = ""


@dataclass(frozen=True)
class Verified:
    """A chain in its order, up to the first broken link. ``notes`` are what a reader should know beside."""

    links: tuple[Link, ...]
    left: tuple[str, ...] = ()
    """Packs behind the first broken link, which are not judged."""
    notes: tuple[str, ...] = ()

    @property
    def broken(self) -> Link | None:
        """The first broken link."""
        return next((link for link in self.links if link.fault), None)


def verify(packs: Sequence[tuple[str, Pack]]) -> Verified:
    """Check packs, each given with a name, as one chain: whatever the order in which they are given. Asks nobody."""
    ordered = sorted(packs, key=lambda named: (named[1]["number"], named[1]["taken_at"], named[0]))
    links: list[Link] = []
    notes: list[str] = []
    before: Pack | None = None
    for place, (name, pack) in enumerate(ordered):
        fault = own_fault(pack)
        if not fault and place > 0 and before is not None:
            fault = _link_fault(before, pack, ordered[place - 1][0])
        links.append(Link(name, pack["number"], pack["taken_at"], pack["sha256"], fault))
        if fault:
            return Verified(tuple(links), tuple(other for other, _ in ordered[place + 1 :]), tuple(notes))
        if place == 0 and pack["previous"] is not None:
            first = pack["previous"]
            notes.append(
                f"the chain given begins with pack {pack['number']}; whether what it says of the changes since pack "
                f"{first['number']} ({first['sha256']}) is right can be checked with that pack only"
            )
        before = pack
    return Verified(tuple(links), (), tuple(notes))


def own_fault(pack: Pack) -> str:
    """What is wrong with a pack by itself."""
    try:
        for name, section in pack["sections"].items():
            if name not in SECTIONS:
                return f"it has a section {name} that no release writes"
            if section["sha256"] != sha256(section["content"]):
                return f"section {name} is not what its hash says: it was changed after it was sealed"
        if pack["sha256"] != sha256({key: value for key, value in pack.items() if key != "sha256"}):
            return "the pack is not what its hash says: it was changed after it was sealed"
    except (ValueError, TypeError, KeyError) as error:
        return f"it is damaged: {error}"
    first = pack["previous"] is None
    if first != (pack["number"] == 1):
        return f"it is number {pack['number']} and names {'no' if first else 'a'} pack before it"
    return ""


def _link_fault(before: Pack, pack: Pack, name: str) -> str:
    """What is wrong between a sound pack and the next sound one."""
    link = pack["previous"]
    if pack["account_id"] != before["account_id"]:
        return f"it is of account {pack['account_id']}, {name} of {before['account_id']}"
    if link is None or pack["number"] == before["number"]:
        return f"it has the number of {name}: two chains were begun"
    if pack["number"] != before["number"] + 1:
        return f"pack {before['number'] + 1} is missing between it and {name}"
    if link["sha256"] != before["sha256"]:
        return (
            f"it follows another pack than {name}: it names {link['sha256']}, that one is {before['sha256']}"
        )
    if pack["taken_at"] < before["taken_at"]:
        return f"it was taken before {name}"
    sections = {section: content_of(pack, section) for section in SECTIONS}
    if canonical(content_of(pack, "changes")) != canonical(changes_between(before, sections)):
        return f"the changes it tells are not the difference to {name}"
    return ""


def stamp(taken_at: int) -> str:
    """``2027-01-05T08:00:00Z``."""
    return datetime.fromtimestamp(taken_at, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def file_stem(pack: Pack) -> str:
    """Name of a pack's files without their ends: ``evidence-0004-20270105T080000Z``."""
    return f"evidence-{pack['number']:04}-{re.sub('[-:]', '', stamp(pack['taken_at']))}"

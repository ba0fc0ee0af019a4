"""The baseline file: what it may hold, and that what is written is read back."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from config.baseline import Baseline, BaselineEntry, baseline_text, load_baseline
from config.load import SpecFileError, SpecInvalid

ENTRY = {
    "fingerprint": "5a0c9d1e77b3f240",
    "code": "AUD101",
    "subject": "data source orders (PROD) of workspace 10001",
    "workspace": 10001,
    "reason": "The supplier's system knows no roles",
    "expires": "2027-01-31",
}


def _file(folder: Path, content: Any) -> Path:
    path = folder / "baseline.yaml"
    text = content if isinstance(content, str) else yaml.safe_dump(content)
    path.write_text(text, encoding="utf-8")
    return path


def _refusal(folder: Path, **changes: Any) -> str:
    entry = {key: value for key, value in {**ENTRY, **changes}.items() if value is not None}
    with pytest.raises(SpecInvalid) as refused:
        load_baseline(_file(folder, {"ignore": [entry]}))
    return str(refused.value)


def test_an_entry_is_read_with_its_reason_and_last_day(tmp_path: Path) -> None:
    (entry,) = load_baseline(_file(tmp_path, {"version": 1, "ignore": [ENTRY]})).ignore
    assert entry.expires == datetime.date(2027, 1, 31)
    assert entry.reason == "The supplier's system knows no roles"
    assert not entry.expired(datetime.date(2027, 1, 31))
    assert entry.expired(datetime.date(2027, 2, 1))


def test_a_date_may_stand_without_quotes(tmp_path: Path) -> None:
    entry = {**ENTRY, "expires": datetime.date(2027, 1, 31)}
    assert load_baseline(_file(tmp_path, {"ignore": [entry]})).ignore[0].expires.year == 2027


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"reason": "  too short "}, "ignore[0].reason"),
        ({"reason": None}, "ignore[0].reason: is required"),
        ({"expires": None}, "ignore[0].expires: is required"),
        ({"expires": "never"}, "ignore[0].expires"),
        ({"code": "RAM201"}, "ignore[0].code"),
        ({"fingerprint": "5a0c"}, "ignore[0].fingerprint"),
        ({"forever": True}, "ignore[0].forever: is not a known key"),
    ],
)
def test_an_entry_without_a_reason_a_last_day_or_a_known_shape_is_refused_by_its_place(
    tmp_path: Path, changes: dict[str, Any], told: str
) -> None:
    assert told in _refusal(tmp_path, **changes)


def test_every_fault_is_told_at_once(tmp_path: Path) -> None:
    told = _refusal(tmp_path, reason="short", expires="never", code="X")
    assert "3 problems" in told


def test_one_finding_has_one_entry(tmp_path: Path) -> None:
    with pytest.raises(SpecInvalid, match="5a0c9d1e77b3f240 is named twice"):
        load_baseline(_file(tmp_path, {"ignore": [ENTRY, dict(ENTRY)]}))


def test_another_version_and_another_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecInvalid, match="version"):
        load_baseline(_file(tmp_path, {"version": 2, "ignore": []}))
    with pytest.raises(SpecInvalid, match="location: is not a known key"):
        load_baseline(_file(tmp_path, {"location": "oss"}))
    with pytest.raises(SpecFileError, match="no such file"):
        load_baseline(tmp_path / "missing.yaml")
    with pytest.raises(SpecFileError, match="not a mapping"):
        load_baseline(_file(tmp_path, "- one"))
    (tmp_path / "latin.yaml").write_bytes(b"reason: \xe9")
    with pytest.raises(SpecFileError, match="UTF-8"):
        load_baseline(tmp_path / "latin.yaml")


def test_what_is_written_is_read_back_and_written_alike_whatever_the_order(tmp_path: Path) -> None:
    entries = [
        BaselineEntry.model_validate({**ENTRY, "fingerprint": f"{number:016x}", "code": f"AUD{900 - number}"})
        for number in range(3)
    ]
    entries.append(
        entries[0].model_copy(update={"fingerprint": "f" * 16, "workspace": None, "subject": "数据 #1"})
    )
    text = baseline_text(Baseline(ignore=tuple(entries)))
    read = load_baseline(_file(tmp_path, text))
    assert set(read.ignore) == set(entries)
    assert baseline_text(Baseline(ignore=tuple(reversed(entries)))) == text
    assert text.startswith("# ")

"""A copied row is what the pipeline would have made."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest

from benchmarks.onboarded import (
    HurriedClock,
    apply_row,
    onboarded_account,
    prepare_roles,
    row_parts,
    settings_for,
)
from benchmarks.rows import REGION, make_rows
from cloud.gate import Gate
from config.load import parse_spec
from emulator.account import AccountFile
from emulator.cloud import LocalCloud
from emulator.server import serve_in_thread

_MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?|\b\d{13}\b|\b\d{10}(\.\d+)\b")
_ROWS = make_rows(20, roles=2)


@pytest.fixture(scope="module")
def copied() -> dict[str, Any]:
    """Twenty rows, of which the first five are the pipeline's own work."""
    return onboarded_account(_ROWS)


def _meaning(account: Mapping[str, Any], row: Mapping[str, Any]) -> str:
    """Everything of a row, with moments and identifiers by their order instead of their value."""
    parts = row_parts(account["account"]["dataworks"], parse_spec(row))
    text = _MOMENT.sub("(moment)", json.dumps(parts, sort_keys=True))
    identifiers = {
        str(entry[field]): f"{kind} {field} {place}"
        for kind, entries in parts.items()
        for place, entry in enumerate(entries)
        for field in ("node", "file", "dag", "id")
        if field in entry
    }
    for identifier, name in identifiers.items():
        text = re.sub(rf"(?<!\d){identifier}(?!\d)", name, text)
    return text


def test_a_copied_row_equals_the_same_row_really_onboarded(copied: dict[str, Any]) -> None:
    second_role = [index for index, row in enumerate(_ROWS) if row["role"] != _ROWS[0]["role"]]
    chosen = [*range(10, 15), *second_role[:5]]
    real = onboarded_account(_ROWS, really=chosen.__contains__)
    for index in chosen:
        assert _meaning(copied, _ROWS[index]) == _meaning(real, _ROWS[index])
        assert '"SUCCESS"' in _meaning(copied, _ROWS[index])


def test_the_pipeline_finds_nothing_to_do_in_copied_rows(copied: dict[str, Any]) -> None:
    cloud = LocalCloud(AccountFile.model_validate({**copied, "settings": {"enforce_rates": False}}))
    specs = [parse_spec(row) for row in _ROWS]
    with serve_in_thread(cloud) as local:
        gate = Gate(settings_for(local.url), REGION, HurriedClock())
        prepared = prepare_roles(gate, specs, cloud.state.account_id)
        for spec in specs:
            apply_row(gate, spec, prepared[spec.role_name])
    assert [entry.action for entry in cloud.journal.writes if entry.action != "TestNetworkConnection"] == []


def test_copied_rows_share_no_identifier(copied: dict[str, Any]) -> None:
    works = copied["account"]["dataworks"]
    for kind in ("files", "deployments", "dags", "instances"):
        assert len(works[kind]) == len(_ROWS)
        assert all(str(entry["id"]) == key for key, entry in works[kind].items())
    assert len({one["id"] for one in works["nodes"]}) == len(_ROWS)
    sources = [one["id"] for one in works["data_sources"]]
    assert len(set(sources)) == len(sources) == len(_ROWS) + 1  # the counterpart

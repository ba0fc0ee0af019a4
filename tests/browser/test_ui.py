"""The Prefect UI in a real browser: forms, runs, approvals, artifacts and failures as a person meets them.

``BROWSER_PICTURES`` names a folder for pictures of the pages.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.installation import Installation, installation, missing

_REASON = missing()
pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(600),
    pytest.mark.skipif(_REASON is not None, reason=_REASON or ""),
]
_PICTURES = os.environ.get("BROWSER_PICTURES", "")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    """One installation for all scenarios; each has data sources of its own."""
    with installation(tmp_path_factory.mktemp("browser")) as started:
        yield started


def _play(running: Installation, name: str, **given: str) -> Any:
    return running.scenario(name, pictures=_PICTURES, **given)


@pytest.fixture(scope="module")
def oss(running: Installation) -> Any:
    """What was seen while an OSS source with a sync task was onboarded by its form."""
    return _play(running, "ossWithSyncTask")


def test_a_form_with_nothing_filled_in_says_at_each_field_what_is_missing(oss: Any) -> None:
    assert oss["problems"] == {
        "Name": ["'name' is a required property"],
        "Bucket": ["'bucket' is a required property"],
        "Resource groups": ["'resource_groups' is a required property"],
        "Folder": ["'folder' is a required property"],
        "Table": ["'table' is a required property"],
    }


def test_the_form_of_an_oss_source_onboards_it_with_its_sync_task(oss: Any, running: Installation) -> None:
    assert oss["ended"] == "Completed"
    assert oss["name"] == "onboard oss_orders in 10001"
    assert oss["told"].startswith("created: oss_orders in workspace 10001")
    assert {"CreateRole", "CreateDataSource", "CreateDISyncTask"} <= set(running.written("oss_orders"))


def test_the_artifacts_are_drawn_as_text_and_tables_with_links_to_the_right_consoles(oss: Any) -> None:
    summary = oss["artifacts"]["summary"]
    assert "oss_orders in workspace 10001: created" in summary["text"]
    assert summary["tables"] == 3  # steps, connectivity, identifiers
    assert summary["links"] == [
        "https://ram.console.aliyun.com/roles/DataWorks-10001-oss-orders",
        "https://ram.console.aliyun.com/policies/DataWorks-10001-oss-orders-Access/Custom/content",
        "https://ram.console.aliyun.com/policies/DataWorks-10001-oss-ordersAllowUse/Custom/content",
        "https://dataworks.data.aliyun.com/cn-hangzhou/sc?defaultProjectId=10001",
        "https://dataworks.data.aliyun.com/cn-hangzhou/ide?defaultProjectId=10001",
    ]
    connectivity = oss["artifacts"]["connectivity"]
    assert connectivity["tables"] == 1
    assert connectivity["text"].count("connected") == 4  # two environments, two resource groups
    plan = oss["artifacts"]["plan"]
    assert "Plan for oss_orders in workspace 10001" in plan["text"]
    assert "acs:oss:*:*:shop-orders/orders/*" in plan["text"]
    assert "100" in oss["artifacts"]["progress"]["text"]


def test_the_form_of_another_type_has_its_own_fields(running: Installation) -> None:
    seen = _play(running, "loghub")
    assert seen["ended"] == "Completed"
    assert seen["told"].startswith("created: sls_access_log in workspace 10001")


def test_a_run_that_asks_for_approval_shows_the_plan_and_goes_on_with_its_hash(running: Installation) -> None:
    seen = _play(running, "approved")
    assert seen["plan"].count(seen["hash"]) == 2
    assert "custom policy DataWorks-10001-oss-approvedAllowUse to group data-platform" in seen["plan"]
    assert seen["ended"] == "Completed"
    assert seen["told"].startswith("created: oss_approved in workspace 10001")
    assert "CreateDataSource" in running.written("oss_approved")


def test_a_rejected_plan_writes_nothing_and_keeps_the_reason(running: Installation) -> None:
    seen = _play(running, "rejected")
    assert seen["ended"] == "Rejected"
    assert "was rejected: too many grantees; nothing was written" in seen["told"]
    assert running.written("oss_rejected") == []


def test_a_file_is_onboarded_by_its_form_and_says_where_its_report_is(
    running: Installation, tmp_path: Path
) -> None:
    seen = _play(running, "bulk", reports=str(tmp_path))
    assert (seen["ended"], seen["told"]) == ("Completed", "All 5 data sources are onboarded")
    summary, rows, progress = (seen["artifacts"][kind]["text"] for kind in ("summary", "rows", "progress"))
    assert "All 5 data sources are onboarded" in summary
    assert str(tmp_path / "sources.report.html") in summary
    assert (tmp_path / "sources.report.html").exists()
    assert rows.count("created") == 5
    assert "100" in progress


def test_a_failing_run_tells_its_reason_and_who_can_mend_it_without_its_log(running: Installation) -> None:
    seen = _play(running, "failing")
    assert seen["ended"] == "Failed"
    for told in (seen["told"], seen["summary"]["text"]):
        assert "RAM user nobody: it does not exist" in told
        assert "create it in RAM or correct grantees" in told
    assert "The administrator can fix it" in seen["told"]
    assert seen["summary"]["text"].index("What stopped it") < seen["summary"]["text"].index("RAM role")
    assert "TypeError" not in seen["logs"]
    assert running.written("oss_failing") == []

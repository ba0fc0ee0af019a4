"""The report's page: complete without scripts, loading nothing, safe against what names and reasons hold."""

from __future__ import annotations

import base64
import hashlib
import re
import time
from itertools import pairwise

import pytest

import flows.bulk_html
from flows.bulk_charts import heat_map, usage_charts
from flows.bulk_html import headline, render_html
from flows.bulk_report import BulkReport, RowOutcome, Stop, UsagePoint
from flows.html_page import duration
from tests.flows import bulk_samples as samples
from tests.flows.pages import HOSTILE, STYLE, Page, luminance, require_plain_text


def _hostile() -> BulkReport:
    report = samples.every_outcome()
    for row in report.rows:
        row.data_source = row.type = row.role = row.reason = row.remedy = HOSTILE
        row.problems, row.planned = (HOSTILE, HOSTILE), (HOSTILE,)
        if row.onboarding is not None:
            row.onboarding.region = HOSTILE
            for step in row.onboarding.steps:
                step.facts.update(dict.fromkeys(step.facts, HOSTILE))
    report.source = report.region = report.mode = HOSTILE
    report.stop = Stop("failures", HOSTILE, HOSTILE)
    report.calls = {HOSTILE: 3}
    report.usage = (UsagePoint(0, HOSTILE, 1, 2.0, 1),)
    return report


# -- complete ------------------------------------------------------------------------------------------


def test_every_row_is_in_the_page_without_scripts() -> None:
    page = Page(render_html(samples.many(300)))
    rows = [attributes["id"] for attributes in page.all("tbody") if "data-o" in attributes]
    assert sorted(rows) == sorted(f"r{number}" for number in range(2, 302))
    assert "hidden" not in {name for attributes in page.all("tbody") for name in attributes}


def test_a_failed_row_opens_to_its_steps_ids_request_id_and_console_links() -> None:
    html = render_html(samples.report([samples.row(2, RowOutcome.FAILED, "orders")]))
    for text in (
        "the caller may not pass the role (ram:PassRole)",
        "The administrator can fix it: grant the creator ram:PassRole on the role",
        "<b>data source</b> failed, 2.5 s",
        "<b>sync task</b> skipped",
        "request id <code>0BA5C8E7-7C2B-5B1E-9D24-6A7A1F0B3C11</code>",
        'href="https://ram.console.aliyun.com/roles/DataWorks-orders"',
    ):
        assert text in html


def test_causes_stand_under_who_can_fix_them_with_remedy_and_rows() -> None:
    html = render_html(samples.every_outcome())
    begin = html.index("<h3>The administrator")
    part = html[begin : html.index("<h3>", begin + 4)]
    assert "the caller may not pass the role" in part
    assert "Grant the creator ram:PassRole on the role." in part
    assert 'href="#r2"' in part


def test_a_cause_without_a_persona_is_for_whoever_wrote_or_runs_the_file() -> None:
    invalid, failed = samples.row(2, RowOutcome.INVALID), samples.row(3, RowOutcome.BLOCKED, persona="")
    assert "<h3>Whoever wrote the file" in render_html(samples.report([invalid]))
    assert "<h3>Whoever runs the file" in render_html(samples.report([invalid, failed]))


def test_the_stop_box_tells_why_and_how_it_goes_on() -> None:
    text = Page(render_html(samples.every_outcome())).texts[""]
    assert "The run stopped: too many rows failed" in text
    assert "Start the run again with the same file." in text
    assert "The run stopped" not in Page(render_html(samples.many(5))).texts[""]


@pytest.mark.parametrize(
    ("outcomes", "fields", "says"),
    [
        ((), {}, "The file has no rows"),
        ((RowOutcome.CREATED,), {}, "1 data source is onboarded"),
        ((RowOutcome.CREATED, RowOutcome.UNCHANGED), {}, "All 2 data sources are onboarded"),
        ((RowOutcome.CREATED, RowOutcome.FAILED), {}, "1 of 2 data sources needs attention"),
        ((RowOutcome.INVALID, RowOutcome.FAILED), {}, "2 of 2 data sources need attention"),
        ((RowOutcome.CREATED, RowOutcome.NOT_STARTED), {}, "Stopped with 1 of 2 data sources onboarded"),
        ((RowOutcome.PLANNED, RowOutcome.UNCHANGED), {"mode": "plan"}, "1 of 2 data sources would change"),
    ],
)
def test_the_headline_says_what_became_of_the_file(
    outcomes: tuple[RowOutcome, ...], fields: dict[str, object], says: str
) -> None:
    rows = [samples.row(number, outcome) for number, outcome in enumerate(outcomes, start=2)]
    assert headline(samples.report(rows, **fields)) == says


def test_a_report_of_nothing_is_a_page() -> None:
    report = samples.report([], findings=(), calls={}, usage=(), floor_seconds=None, ended=samples.STARTED)
    assert "The file has no rows" in render_html(report)


def test_the_same_report_gives_the_same_bytes() -> None:
    assert render_html(samples.many(50)) == render_html(samples.many(50))


# -- safe ----------------------------------------------------------------------------------------------


def test_markup_in_texts_is_text() -> None:
    require_plain_text(render_html(samples.every_outcome()), render_html(_hostile()), at_least=20)


def test_characters_that_turn_or_hide_text_are_not_in_the_page() -> None:
    html = render_html(_hostile())
    assert not re.search("[\x00-\x08\u202a-\u202e\u2066-\u2069]", html)
    html.encode("utf-8")


def test_nothing_is_loaded_and_links_lead_to_the_vendors_consoles_only() -> None:
    for report in (samples.every_outcome(), _hostile()):
        page = Page(render_html(report))
        assert not {name for name, _ in page.tags} & {
            "img",
            "iframe",
            "object",
            "embed",
            "base",
            "video",
            "audio",
        }
        assert [link["href"] for link in page.all("link")] == ["data:,"]
        assert all("src" not in attributes for _, attributes in page.tags)
        assert all("style" not in attributes for _, attributes in page.tags)
        assert "url(" not in page.texts["style"]
        assert "@import" not in page.texts["style"]
        for link in page.all("a"):
            assert link["href"].startswith(
                ("#", "https://ram.console.aliyun.com/", "https://dataworks.data.aliyun.com/")
            )


def test_the_policy_allows_exactly_this_style_and_this_script() -> None:
    page = Page(render_html(samples.every_outcome()))
    policy = next(
        one["content"] for one in page.all("meta") if one.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    for kind in ("style", "script"):
        digest = base64.b64encode(hashlib.sha256(page.texts[kind].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]


# -- for everybody -------------------------------------------------------------------------------------


def test_headings_go_down_by_one_and_every_header_cell_says_its_scope() -> None:
    page = Page(render_html(samples.every_outcome()))
    levels = [int(name[1]) for name, _ in page.tags if re.fullmatch("h[1-6]", name)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert all(one.get("scope") in ("col", "row", "colgroup") for one in page.all("th"))
    identifiers = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    for _, attributes in page.tags:
        if "aria-labelledby" in attributes:
            assert attributes["aria-labelledby"] in identifiers
        if attributes.get("role") == "img":
            assert attributes["aria-label"]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_every_text_has_enough_contrast(scheme: int) -> None:
    block = STYLE.read_text(encoding="utf-8").split(":root {")[1 + scheme].split("}")[0]
    colors = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))
    pairs = [
        (text, ground) for text in ("ink", "soft", "link", "red") for ground in ("paper", "card", "wash")
    ]
    pairs += [(tone, f"{tone}-wash") for tone in ("green", "blue", "red", "amber", "grey")]
    pairs += [("ink", "amber-wash"), ("green", "paper"), ("blue", "paper"), ("amber", "paper")]
    for text, ground in pairs:
        high, low = sorted((luminance(colors[text]), luminance(colors[ground])), reverse=True)
        # WCAG 2.2, 1.4.3 (AA)
        assert (high + 0.05) / (low + 0.05) >= 4.5, f"{text} on {ground}"


# -- drawings ------------------------------------------------------------------------------------------


def test_the_heat_map_shows_rows_with_trouble_and_counts_the_others() -> None:
    report = samples.many(300)
    heat = heat_map(report.urgent_first(), limit=5)
    assert len(heat.rows) == 5
    tested = [row for row in report.rows if row.onboarding and row.onboarding.matrix]
    assert len(heat.rows) + heat.hidden + heat.green == len(tested)
    assert heat.green > 200
    assert [column.environment for column in heat.columns] == ["PROD"] * 3 + ["DEV"] * 3
    assert all(column.tested == len(tested) for column in heat.columns)
    html = render_html(report)
    assert f"{heat.green} rows connect from every resource group tested" in html
    assert "not connected" in html


def test_a_rate_group_is_drawn_against_what_it_was_allowed() -> None:
    report = samples.report(
        [], ended=samples.STARTED + 4, usage=tuple(UsagePoint(at, "ram", 5, 10.0, at // 3) for at in range(4))
    )
    (chart,) = usage_charts(report)
    assert (chart.calls, chart.throttled, chart.share, chart.top) == (20, 1, 0.5, 10.0)
    assert chart.area.startswith("M0 96H0V51")
    assert chart.allowed.startswith("M0 6")
    assert chart.ticks.count("M") == 1


def test_a_long_run_is_drawn_in_few_points() -> None:
    report = samples.report([], ended=samples.STARTED + 20_000, usage=samples.usage(20_000))
    assert all(len(chart.area) < 4000 for chart in usage_charts(report))


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (47.2, "47 s"), (123, "2 min 3 s"), (7500, "2 h 5 min")],
)
def test_a_duration_is_said_as_people_say_it(seconds: float, text: str) -> None:
    assert duration(seconds) == text


# -- size ----------------------------------------------------------------------------------------------


def test_ten_thousand_rows_are_a_page_of_less_than_15_megabytes_in_less_than_5_seconds() -> None:
    report = samples.many(10_000)
    begun = time.process_time()
    html = render_html(report)
    assert time.process_time() - begun < 5
    assert len(html.encode()) < 15_000_000
    assert html.count("data-o=") == 10_000


def test_rows_beyond_the_pages_room_have_their_line_and_say_where_their_details_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(flows.bulk_html, "DETAIL_BYTES", 20_000)
    html = render_html(samples.many(300))
    assert html.count("data-o=") == 300
    assert 5 < html.count("<ol>") < 30
    assert "The details stand in the JSON report." in html
    assert "request id <code>" in html  # rows with trouble come first


def test_a_very_long_reason_is_cut_on_the_page() -> None:
    row = samples.row(2, RowOutcome.BLOCKED, reason="x" * 5000)
    html = render_html(samples.report([row]))
    assert "x" * 599 + "…" in html
    assert "x" * 600 not in html

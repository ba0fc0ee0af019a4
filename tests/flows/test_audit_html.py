"""The audit's page and its picture of access: complete without scripts, loading nothing, safe against names."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import time
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from flows.audit_graph import GAP, LEFT, NODE, STEP, WIDTHS, fitted, graph_of, line, placed, rows_of
from flows.audit_html import render_audit
from flows.audit_report import AuditReport, judged
from tests.flows import audit_samples as samples
from tests.flows.pages import HOSTILE, STYLE, Page, luminance, require_plain_text
from tests.flows.test_audit_report import full_report


def _hostile() -> AuditReport:
    audit = samples.every_rule()
    findings = tuple(
        replace(one, subject=HOSTILE, what=HOSTILE, remedy=HOSTILE, command=HOSTILE, kind=HOSTILE)
        for one in audit.findings
    )
    texts: dict[str, Any] = dict.fromkeys(
        ("location", "access", "data_source", "type", "role", "user", "group", "environment"), HOSTILE
    )
    lists: dict[str, Any] = dict.fromkeys(("policies", "grants", "tasks"), (HOSTILE, HOSTILE))
    chains = tuple(replace(one, **texts, **lists) for one in audit.chains)
    held = replace(chains[0], group="")
    bad = replace(
        audit,
        findings=findings,
        chains=(*chains, held),
        unread=(HOSTILE,),
        region=HOSTILE,
        account_id=HOSTILE,
    )
    return judged(bad, notes=(HOSTILE,))


# -- complete ------------------------------------------------------------------------------------------


def test_every_finding_and_every_chain_is_in_the_page_without_scripts() -> None:
    report = judged(samples.many(120))
    page = Page(render_audit(report))
    rows = [attributes["id"] for attributes in page.all("tr") if attributes.get("id", "").startswith("f")]
    assert rows == [f"f{number}" for number in range(1, len(report.findings) + 1)]
    assert "hidden" not in {name for attributes in page.all("tr") for name in attributes}
    assert len([one for one in page.all("tr") if "data-m" in one]) == len(rows_of(report.audit.chains))
    for chain in report.audit.chains:
        assert chain.location in page.texts[""]


def test_a_finding_tells_its_remedy_its_command_and_its_fingerprint() -> None:
    one = samples.key_finding("orders")
    html = render_audit(judged(samples.audit([one])))
    assert "Migrate it to role mode, then disable the key." in html
    assert "<code>onboard migrate --workspace 10001 --only orders</code>" in html
    assert f"fingerprint <code>{one.fingerprint}</code>" in html
    assert "<h3>The creator <small>1 finding</small>" in html


def test_what_is_accepted_is_told_with_its_reason_and_last_day() -> None:
    html = render_audit(full_report())
    part = html[html.index('<h2 id="accepted">') :]
    assert part.count("The supplier&#39;s system knows no roles") == 3
    assert "2027-01-31" in part


def test_what_could_not_be_read_stands_at_the_top() -> None:
    text = Page(render_audit(judged(samples.audit([], unread=("roles: refused",))))).texts[""]
    assert text.index("What could not be read") < text.index("Findings")
    assert "roles: refused" in text
    assert "Nothing was found in what could be read." in text


def test_an_audit_of_nothing_is_a_page() -> None:
    text = Page(render_audit(judged(samples.audit([], workspaces=())))).texts[""]
    assert "Nothing to mend" in text
    assert "No data source was read." in text


def test_the_same_report_gives_the_same_bytes() -> None:
    assert render_audit(full_report()) == render_audit(full_report())


def test_500_data_sources_are_a_page_of_less_than_3_megabytes_in_less_than_5_seconds() -> None:
    report = judged(samples.many(500))
    began = time.process_time()
    html = render_audit(report)
    assert time.process_time() - began < 5
    assert len(html.encode()) < 3_000_000


# -- safe ----------------------------------------------------------------------------------------------


def test_markup_in_texts_is_text() -> None:
    require_plain_text(render_audit(full_report()), render_audit(_hostile()), at_least=50)


def test_characters_that_turn_or_hide_text_are_not_in_the_page() -> None:
    html = render_audit(_hostile())
    assert not re.search("[\x00-\x08\u202a-\u202e\u2066-\u2069]", html)
    (model,) = [one["data-graph"] for one in Page(html).all("svg") if "data-graph" in one]
    assert not re.search("[\u202a-\u202e\u2066-\u2069]", "".join(json.loads(model)["grants"]))


def test_nothing_is_loaded_and_the_policy_allows_exactly_this_style_and_this_script() -> None:
    page = Page(render_audit(_hostile()))
    assert not {name for name, _ in page.tags} & {"img", "iframe", "object", "embed", "base", "image", "use"}
    assert all("src" not in attributes and "style" not in attributes for _, attributes in page.tags)
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]
    assert all(link["href"].startswith("#") for link in page.all("a"))
    assert "url(" not in page.texts["style"]
    policy = next(
        one["content"] for one in page.all("meta") if one.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    for kind in ("style", "script"):
        digest = base64.b64encode(hashlib.sha256(page.texts[kind].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy


def test_the_script_writes_no_markup() -> None:
    script = Page(render_audit(full_report())).texts["script"]
    for way in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "fetch(",
        "import(",
    ):
        assert way not in script


def test_headings_go_down_by_one_and_every_reference_leads_somewhere() -> None:
    page = Page(render_audit(full_report()))
    levels = [int(name[1]) for name, _ in page.tags if re.fullmatch("h[1-6]", name)]
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert all(one.get("scope") in ("col", "row") for one in page.all("th"))
    identifiers = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    for _, attributes in page.tags:
        if "aria-labelledby" in attributes:
            assert attributes["aria-labelledby"] in identifiers
        if attributes.get("href", "").startswith("#"):
            assert attributes["href"][1:] in identifiers
        if attributes.get("role") == "img":
            assert attributes["aria-label"]


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_the_labels_of_every_box_have_enough_contrast(scheme: int) -> None:
    block = STYLE.read_text(encoding="utf-8").split(":root {")[1 + scheme].split("}")[0]
    colors = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))
    pairs = [("ink", f"{tone}-wash") for tone in ("green", "blue", "amber", "grey")]
    pairs += [("soft", f"{tone}-wash") for tone in ("green", "blue", "amber", "grey")] + [("soft", "card")]
    for text, ground in pairs:
        high, low = sorted((luminance(colors[text]), luminance(colors[ground])), reverse=True)
        assert (high + 0.05) / (low + 0.05) >= 4.5, f"{text} on {ground}"


# -- the picture ---------------------------------------------------------------------------------------


def test_environments_that_are_alike_share_a_row_and_others_do_not() -> None:
    both = [samples.chain(1, environment=environment) for environment in ("PROD", "DEV")]
    (row,) = rows_of(both)
    assert row.environments == ["DEV", "PROD"]
    assert len(rows_of([both[0], replace(both[1], location="oss://other")])) == 2
    assert len(rows_of([both[0], replace(both[1], user="dave")])) == 2


def test_a_chain_runs_from_the_person_over_group_role_policies_source_and_task_to_the_location() -> None:
    graph = graph_of(rows_of([samples.chain(1, "carol", "data-team")]))
    titles = {box: node.title for box, node in enumerate(graph.nodes)}
    assert [(titles[start], titles[end]) for start, end in graph.lines()] == [
        ("carol", "group data-team"),
        ("group data-team", "role DataWorks-10002-oss-orders_001"),
        ("role DataWorks-10002-oss-orders_001", "policy DataWorks-10002-oss-orders_001-Access"),
        (
            "policy DataWorks-10002-oss-orders_001-Access",
            "data source orders_001 (PROD) of workspace 10002, loghub, role mode",
        ),
        (
            "data source orders_001 (PROD) of workspace 10002, loghub, role mode",
            "sync task orders_001_daily of workspace 10002",
        ),
        ("sync task orders_001_daily of workspace 10002", "location oss://shop-orders-001/incoming/, write"),
    ]
    assert graph.grants == ["PassRole by DataWorks-10002-oss-orders_001AllowUse"]


def test_a_grant_that_is_held_directly_is_a_box_and_a_source_without_tasks_leads_to_its_location() -> None:
    graph = graph_of(rows_of([samples.chain(7, "alice", tasks=())]))
    assert [node.kind for node in graph.nodes] == ["role", "policy", "source", "location", "user", "grant"]
    assert graph.rows == [(0, 1, 2, -1, 3)]
    assert (2, 3) in graph.lines()


def test_what_a_key_opens_comes_last_and_no_person_leads_to_it() -> None:
    rows = rows_of([samples.key_chain(1), samples.chain(2)])
    assert [row.by_key for row in rows] == [False, True]
    assert rows[1].people == []
    graph = graph_of(rows)
    assert graph.ways[graph.row_ways[1]] == []
    assert graph.nodes[graph.rows[1][0]].label == "AccessKey"


def test_a_role_that_nobody_may_pass_says_so() -> None:
    graph = graph_of(rows_of([samples.chain(1, "")]))
    assert graph.nodes[graph.rows[0][0]].below == "nobody may pass it"


def test_two_people_with_different_rights_by_one_group_are_told_apart() -> None:
    """A Deny on one of them: what is joined by lines is not all a chain."""
    chains = [
        samples.chain(1, "carol", "team", role="R1"),
        samples.chain(2, "carol", "team", role="R2"),
        samples.chain(2, "dave", "team", role="R2"),
    ]
    graph = graph_of(rows_of(chains))
    people = {
        graph.nodes[row[0]].title: {graph.nodes[user].title for user, _, _ in graph.ways[ways]}
        for row, ways in zip(graph.rows, graph.row_ways, strict=True)
    }
    assert people == {"role R1": {"carol"}, "role R2": {"carol", "dave"}}


def test_no_box_lies_over_another_and_every_box_lies_inside() -> None:
    for count in (1, 50, 500):
        graph = graph_of(rows_of(samples.chains(count)))
        tops, height = placed(graph)
        layers: dict[int, list[float]] = {}
        for node, top in zip(graph.nodes, tops, strict=True):
            layers.setdefault(node.layer, []).append(top)
        for places in layers.values():
            assert min(places) >= 0
            assert max(places) + NODE <= height
            assert all(second - first >= STEP for first, second in pairwise(sorted(places)))


def test_a_line_goes_from_edge_to_edge() -> None:
    graph = graph_of(rows_of([samples.chain(1)]))
    tops, _ = placed(graph)
    role, policy = graph.rows[0][:2]
    start, end = LEFT[2] + WIDTHS[2], LEFT[3]
    assert end - start == GAP
    assert line(graph, tops, role, policy) == f"M{start} 19C{start + 17} 19 {end - 17} 19 {end} 19"


def test_beyond_its_limit_the_picture_says_how_many_rows_it_has_not() -> None:
    assert graph_of(rows_of(samples.chains(20)), limit=5).hidden == 15


def test_a_name_is_cut_before_its_end_and_wide_signs_count_twice() -> None:
    assert fitted("orders", 140) == "orders"
    cut = fitted("DataWorks-10001-oss-orders-of-the-shop", 140)
    assert cut.startswith("Data")
    assert cut.endswith("-shop")
    assert len(cut) == 18
    assert len(fitted("数" * 40, 140)) <= 10


def test_the_script_has_the_model_it_draws_from() -> None:
    page = Page(render_audit(judged(samples.audit([], samples.chains(30)))))
    (model,) = [json.loads(one["data-graph"]) for one in page.all("svg") if "data-graph" in one]
    boxes = [one for name, one in page.tags if name == "g" and one.get("class", "").startswith("box")]
    lines = {one["data-e"] for one in page.all("path") if "data-e" in one}
    assert len(model["rows"]) == len(model["rowWays"]) == 30
    for row, ways in zip(model["rows"], model["rowWays"], strict=True):
        chain = [box for box in row if box >= 0]
        assert all(f"{start}-{end}" in lines for start, end in pairwise(chain))
        assert max(chain) < len(boxes)
        for user, via, grant in model["ways"][ways]:
            assert f"{user}-{via}" in lines
            assert f"{via}-{row[0]}" in lines
            assert 0 <= grant < len(model["grants"])

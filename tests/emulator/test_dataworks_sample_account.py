"""The sample account: yesterday's data, its people, and state that survives saving."""

from __future__ import annotations

import json
from pathlib import Path

from emulator.account import load_account
from emulator.server import RunningCloud
from tests.emulator.shop import PT, ROWS, Shop


def test_yesterday_is_filled_in_anywhere_in_a_file(tmp_path: Path) -> None:
    file = tmp_path / "account.yaml"
    file.write_text("account: {data: {buckets: {b: {objects: {'a-${yesterday}': 'dt=${yesterday}'}}}}}\n")
    stamp = PT.removeprefix("pt=")
    assert load_account(file).state.data.buckets["b"].objects == {f"a-{stamp}": f"dt={stamp}"}


def test_the_sample_has_orders_of_yesterday_and_of_an_older_day() -> None:
    names = sorted(load_account().state.data.buckets["shop-orders"].objects)
    stamp = PT.removeprefix("pt=")
    assert names == [
        "orders/dt=20200101/part-0.csv",
        f"orders/dt={stamp}/part-0.csv",
        f"orders/dt={stamp}/part-1.csv",
        "orders/readme.txt",
    ]


def test_a_run_can_be_saved_in_the_middle_and_go_on_elsewhere(local: RunningCloud) -> None:
    shop = Shop(local)
    shop.opened()
    node = shop.published()
    (dag,) = shop.backfill(node)
    for _ in range(2):
        shop.call("GetDag", DagId=dag, ProjectEnv="PROD")
    saved = json.loads(json.dumps(local.cloud.save()))
    assert shop.finish(dag).status == "SUCCESS"
    local.cloud.load(saved)
    assert json.loads(json.dumps(local.cloud.save())) == saved
    assert shop.rows() == []
    assert shop.finish(dag).status == "SUCCESS"
    assert shop.rows() == ROWS

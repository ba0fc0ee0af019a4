"""The clock the tests of the cloud layer share."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from cloud.clock import Clock
from emulator.server import RunningCloud
from tests.clock import LocalClock
from tests.settings import settings_per_persona


def test_a_pause_moves_the_local_cloud_s_clock_and_takes_no_time(local: RunningCloud) -> None:
    clock: Clock = LocalClock(local.cloud)
    before, started = local.cloud.clock.now(), time.monotonic()
    clock.sleep(3600)
    assert time.monotonic() - started < 1
    assert local.cloud.clock.now() - before >= 3600
    assert clock.now() == pytest.approx(local.cloud.clock.now(), abs=0.1)


def test_pauses_of_one_thread_add_up(local: RunningCloud) -> None:
    clock = LocalClock(local.cloud)
    before = clock.now()
    for _ in range(400):
        clock.sleep(1)
    assert 400 <= clock.now() - before < 460
    assert len(clock.slept) == 400


def test_a_pause_is_never_shorter_than_asked_whatever_other_threads_do(local: RunningCloud) -> None:
    clock = LocalClock(local.cloud)

    def pause(seconds: int) -> bool:
        before = clock.now()
        clock.sleep(seconds)
        return clock.now() - before >= seconds

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(pause, [1, 2, 3, 4] * 50))
    assert local.cloud.clock.offset <= 500


def test_a_negative_pause_is_refused(local: RunningCloud) -> None:
    with pytest.raises(ValueError, match="forward"):
        LocalClock(local.cloud).sleep(-1)


def test_settings_for_a_local_cloud_show_no_secret(local: RunningCloud) -> None:
    assert "local-secret" not in repr(settings_per_persona(local))

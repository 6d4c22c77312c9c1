"""What is read in a second stays within the bound, counted on a clock of the test's own and on a real one."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imagemaker import Made
from registries import Pusher, running
from registryimages import NOISE, ONE, opened, push_one

from imgscan.source.backoff import Effects
from imgscan.source.registry import open_registry_image
from imgscan.source.throttle import Throttle


class Clock:
    """Time that passes only while somebody sleeps or works."""

    def __init__(self) -> None:
        self.now = 100.0
        self.effects = Effects(sleep=self.pass_by, clock=lambda: self.now)

    def pass_by(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds


@given(
    st.integers(1, 10_000_000),
    st.lists(st.tuples(st.floats(0, 30), st.integers(0, 5_000_000)), max_size=60),
)
def test_no_stretch_of_time_has_more_than_its_share(rate: int, reads: list[tuple[float, int]]) -> None:
    clock = Clock()
    throttle = Throttle(rate, clock.effects)
    spans = []
    for work_s, wanted in reads:
        if work_s:
            clock.pass_by(work_s)
        size = min(wanted, throttle.most)
        began = clock.now
        throttle.count(size)
        spans.append((began, size))
    for first in range(len(spans)):
        read = 0
        for began, size in spans[first:]:
            # The last read has not been waited for yet.
            assert read <= rate * (began - spans[first][0]) + throttle.most + 1024 + 1
            read += size


def test_a_pause_is_not_caught_up_with() -> None:
    clock = Clock()
    throttle = Throttle(1_000_000, clock.effects)
    clock.pass_by(3600)
    began = clock.now
    for _ in range(40):
        throttle.count(throttle.most)
    assert clock.now - began == pytest.approx(40 * 0.25 - 0.25)


@pytest.mark.alone
def test_threads_share_it() -> None:
    began = time.monotonic()
    throttle = Throttle(400_000, Effects())

    def read() -> None:
        for _ in range(10):
            throttle.count(10_000)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 300_000 / (time.monotonic() - began) < 400_000 * 1.6


@pytest.mark.alone
@pytest.mark.registry
@pytest.mark.usefixtures("no_logins")
def test_a_real_registry_is_read_as_fast_as_it_may_be(tmp_path: Path) -> None:
    with running(tmp_path) as host:
        push_one(Pusher(host, "app"), Made(layers=(ONE, NOISE)))
        seconds = {}
        for rate in (0, 1_000_000):
            with closing(open_registry_image(f"registry://{host}/app:1", bytes_per_s=rate)) as reader:
                *_, last = reader.blobs()
                began, read = time.monotonic(), 0
                while data := last.stream.read(1 << 20):
                    read += len(data)
                seconds[rate] = time.monotonic() - began
            assert read > 1_490_000
        assert 1.1 < seconds[1_000_000] < 4
        assert seconds[0] < 1
        clock = Clock()
        with closing(
            open_registry_image(f"registry://{host}/app:1", effects=clock.effects, bytes_per_s=1000)
        ) as reader:
            *_, last = reader.blobs()
            began = clock.now
            while last.stream.read(1 << 20):
                pass
        # Half an hour, and no connection that was slow because of that was taken for a stalled one.
        assert clock.now - began == pytest.approx(1500, rel=0.02)
        assert opened(f"registry://{host}/app:1").skipped() == ()

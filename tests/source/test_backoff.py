"""Waiting between tries: how long, how often, and what a server may ask for."""

from __future__ import annotations

from email.utils import format_datetime, formatdate

import pytest

from imgscan.source.backoff import MAX_RETRY_AFTER_S, MAX_TRIES, Backoff, Effects, TransientError, retry_after


def waiting(jitter: float = 1.0) -> tuple[Backoff, list[float], list[str]]:
    waits: list[float] = []
    said: list[str] = []
    return Backoff(Effects(sleep=waits.append, jitter=lambda: jitter, say=said.append)), waits, said


def test_pauses_double_and_end() -> None:
    backoff, waits, said = waiting()
    tries = [backoff.wait(TransientError("cut")) for _ in range(MAX_TRIES)]
    assert tries == [True] * (MAX_TRIES - 1) + [False]
    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0]
    assert said[0] == "cut; trying again in 0.5 s"


def test_jitter_takes_up_to_half_off() -> None:
    backoff, waits, _ = waiting(jitter=0.0)
    backoff.wait(TransientError("cut"))
    assert waits == [0.25]


def test_progress_begins_anew() -> None:
    backoff, waits, _ = waiting()
    for _ in range(MAX_TRIES * 3):
        assert backoff.wait(TransientError("cut"))
        backoff.progressed()
    assert set(waits) == {0.5}


def test_what_a_server_asks_for_counts_up_to_a_limit() -> None:
    backoff, waits, _ = waiting()
    assert backoff.wait(TransientError("busy", retry_after_s=7))
    assert backoff.wait(TransientError("busy", retry_after_s=0))
    assert waits == [7, 1.0]
    assert not backoff.wait(TransientError("busy", retry_after_s=MAX_RETRY_AFTER_S + 1))
    assert len(waits) == 2


NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        pytest.param("0", 0.0, id="zero"),
        pytest.param(" 120 ", 120.0, id="seconds"),
        pytest.param("9" * 400, 999_999_999.0, id="absurd"),
        pytest.param(formatdate(NOW + 30, usegmt=True), 30.0, id="date"),
        pytest.param(formatdate(NOW - 30, usegmt=True), 0.0, id="past"),
        pytest.param("-5", None, id="negative"),
        pytest.param("1.5", None, id="fraction"),
        pytest.param("٣", None, id="other-digits"),
        pytest.param("soon", None, id="words"),
        pytest.param("", None, id="none"),
        pytest.param("Thu, 99 Jan 2026 99:99:99 GMT", None, id="no-date"),
    ],
)
def test_retry_after(value: str, seconds: float | None) -> None:
    assert retry_after(value, NOW) == seconds


def test_dates_need_no_zone() -> None:
    from datetime import UTC, datetime

    text = format_datetime(datetime.fromtimestamp(NOW + 10, UTC).replace(tzinfo=None))
    assert retry_after(text, NOW) == 10.0

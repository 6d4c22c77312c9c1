"""Sizes and times in words."""

from __future__ import annotations

import pytest

from imgscan.units import human_bytes, human_seconds, percent


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.00 kB"),
        (9_994, "9.99 kB"),
        (9_996, "10.0 kB"),
        (123_456, "123 kB"),
        (999_600, "1.00 MB"),
        (5_240_000, "5.24 MB"),
        (1_234_567_890, "1.23 GB"),
        (5 * 10**15, "5000 TB"),
    ],
)
def test_human_bytes(count: int, text: str) -> None:
    assert human_bytes(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0.00 s"),
        (0.423, "0.42 s"),
        (0.996, "1.0 s"),
        (8.14, "8.1 s"),
        (99.96, "1 min 40 s"),
        (125.2, "2 min 05 s"),
    ],
)
def test_human_seconds(seconds: float, text: str) -> None:
    assert human_seconds(seconds) == text


@pytest.mark.parametrize(
    ("ratio", "text"), [(0.0, "0 %"), (1.0, "100 %"), (0.99999, "99.9 %"), (0.5, "50.0 %"), (0.927, "92.7 %")]
)
def test_percent(ratio: float, text: str) -> None:
    assert percent(ratio) == text

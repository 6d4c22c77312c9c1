"""What takes several times as long as the slowest of all others, for its size, is straggling."""

from __future__ import annotations

import pytest

from imgscan.fleet.pace import Pace

MEGABYTE = 1 << 20


@pytest.mark.parametrize(
    ("known", "size", "seconds", "straggles"),
    [
        pytest.param(4, MEGABYTE, 1e9, False, id="too-little-is-known"),
        pytest.param(5, MEGABYTE, 29.0, False, id="patience"),
        pytest.param(5, MEGABYTE, 31.0, True, id="no-patience-any-more"),
        pytest.param(5, 99 * MEGABYTE, 299.0, False, id="large"),
        pytest.param(5, 99 * MEGABYTE, 301.0, True, id="large-and-slow"),
    ],
)
def test_straggling(known: int, size: int, seconds: float, straggles: bool) -> None:
    pace = Pace(30.0)
    for _ in range(known - 1):
        pace.learn(9 * MEGABYTE, 1.0)
    pace.learn(9 * MEGABYTE, 10.0)
    assert pace.is_straggling(size, seconds) == straggles

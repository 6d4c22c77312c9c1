"""What somebody may have meant."""

from __future__ import annotations

import pytest

from imgscan.alike import alike

KNOWN = ("build-report", "rebuild", "scan", "scans")


@pytest.mark.parametrize(
    ("word", "most", "expected"),
    [
        pytest.param("scna", 1, ["scan"], id="a-slip"),
        pytest.param("scan", 2, ["scan", "scans"], id="best-first"),
        pytest.param("rebuilt", 3, ["rebuild"], id="only-what-is-alike"),
        pytest.param("zzz", 3, [], id="nothing-like-it"),
    ],
)
def test_the_nearest_words(word: str, most: int, expected: list[str]) -> None:
    assert alike(word, KNOWN, most=most) == expected

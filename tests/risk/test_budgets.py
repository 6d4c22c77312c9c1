"""Budgets: read as people write them, checked against what was measured."""

from __future__ import annotations

import pytest
from fakes import image, timing

from imgscan.errors import InputError
from imgscan.risk.budgets import check_budgets, parse_budgets


@pytest.mark.parametrize(
    ("pair", "value"),
    [
        (("image-size", "250MB"), 250e6),
        (("image-size", "1.5GB"), 1.5e9),
        (("image-size", "64MiB"), 64 * 1024**2),
        (("image-size", "1000"), 1000),
        (("reclaimable", "20k"), 20_000),
        (("efficiency", "0.95"), 0.95),
        (("efficiency", "95%"), 0.95),
        (("rebuild-source", "20s"), 20),
        (("rebuild-source", "20"), 20),
        (("rebuild-lockfile", "1.5m"), 90),
        (("rebuild-lockfile", "800ms"), 0.8),
    ],
)
def test_values(pair: tuple[str, str], value: float) -> None:
    (limit,) = parse_budgets([pair])
    assert limit.value == pytest.approx(value)


@pytest.mark.parametrize(
    ("pair", "told"),
    [
        (("image-siez", "1MB"), "unknown budget 'image-siez'"),
        (("image-size", "big"), "is not a size"),
        (("rebuild-source", "-1s"), "is not a time"),
        (("efficiency", "1.5"), "is not a ratio"),
        (("efficiency", "nan"), "is not a ratio"),
    ],
)
def test_wrong_values(pair: tuple[str, str], told: str) -> None:
    with pytest.raises(InputError, match=told):
        parse_budgets([pair])


@pytest.mark.parametrize(
    ("key", "text", "broken"),
    [
        ("image-size", "110MB", False),
        ("image-size", "109MB", True),
        ("reclaimable", "1MB", True),
        ("efficiency", "0.95", True),
        ("efficiency", "0.9", False),
        ("rebuild-source", "8s", True),
        ("rebuild-source", "10s", False),
    ],
)
def test_check(key: str, text: str, broken: bool) -> None:
    (budget,) = check_budgets(parse_budgets([(key, text)]), image(), (timing(),))
    assert budget.broken is broken


def test_what_was_not_measured_is_not_broken() -> None:
    budgets = check_budgets(parse_budgets([("image-size", "1kB"), ("rebuild-lockfile", "1s")]), None, (timing(),))
    assert [(budget.actual, budget.broken) for budget in budgets] == [(None, False), (None, False)]

"""Budgets: read as people write them, checked against what was measured."""

from __future__ import annotations

import click
import pytest
from fakes import image, timing

from imgscan.cli.build_report import build_report
from imgscan.errors import InputError
from imgscan.model import DiveMetrics
from imgscan.risk.budgets import Limit, budget_keys, check_budgets, parse_budgets


@pytest.mark.parametrize(
    ("pair", "value"),
    [
        (("image-size", "250MB"), 250e6),
        (("image-size", "1.5GB"), 1.5e9),
        (("image-size", "64MiB"), 64 * 1024**2),
        (("image-size", "1000"), 1000),
        (("reclaimable", "20k"), 20_000),
        (("reclaimable", "20 mb"), 20e6),
        (("dive-wasted-bytes", "20MB"), 20e6),
        (("dive-efficiency", "95%"), 0.95),
        (("dive-user-wasted-percent", "0.1"), 0.1),
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
        (("efficiency", "%"), "is not a ratio"),
        (("image-size", "٣MB"), "is not a size"),
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
        ("dive-efficiency", "0.95", False),
        ("dive-efficiency", "0.9501", True),
        ("dive-wasted-bytes", "16MB", False),
        ("dive-wasted-bytes", "15999999", True),
        ("dive-user-wasted-percent", "0.8", False),
        ("dive-user-wasted-percent", "0.79", True),
    ],
)
def test_check(key: str, text: str, broken: bool) -> None:
    (budget,) = check_budgets(parse_budgets([(key, text)]), image(), (timing(),))
    assert budget.broken is broken


def test_what_was_not_measured_is_not_broken() -> None:
    budgets = check_budgets(parse_budgets([("image-size", "1kB"), ("rebuild-lockfile", "1s")]), None, (timing(),))
    assert [(budget.actual, budget.broken) for budget in budgets] == [(None, False), (None, False)]


@pytest.mark.parametrize(
    ("wasted", "limit", "actual", "broken"),
    [
        pytest.param(0, "0", "0", False, id="not-a-number-passes"),
        pytest.param(5, "1", "infinite", True, id="infinite-fails"),
    ],
)
def test_dive_divides_by_what_the_layers_above_the_first_add(
    wasted: int, limit: str, actual: str, broken: bool
) -> None:
    dive = DiveMetrics(efficiency=1.0, wasted_bytes=wasted, user_wasted_percent=0.0)
    (budget,) = check_budgets(parse_budgets([("dive-user-wasted-percent", limit)]), image(dive=dive), ())
    assert (budget.actual, budget.broken) == (actual, broken)


def test_values_that_look_the_same_are_shown_exactly() -> None:
    size, ratio, time = check_budgets(
        parse_budgets([("image-size", "109999999"), ("efficiency", "0.92728"), ("rebuild-source", "8.39s")]),
        image(),
        (timing(median_s=8.391),),
    )
    assert (size.actual, size.limit) == ("110000000 B", "109999999 B")
    assert (ratio.actual, ratio.limit) == (repr(102 / 110), "0.92728")
    assert (time.actual, time.limit) == ("8.391 s", "8.39 s")


def test_what_is_asked_for_replaces_what_was_found() -> None:
    found = [Limit(key="dive-efficiency", value=0.9, source="a"), Limit(key="dive-wasted-bytes", value=1, source="b")]
    limits = parse_budgets([("dive-efficiency", "0.5")], found)
    assert {limit.key: (limit.value, limit.source) for limit in limits} == {
        "dive-efficiency": (0.5, None),
        "dive-wasted-bytes": (1, "b"),
    }


def test_the_help_names_every_key() -> None:
    (option,) = [option for option in build_report.params if option.name == "budgets"]
    assert isinstance(option, click.Option)
    assert [key for key in budget_keys() if f"{key}=" not in (option.help or "")] == []

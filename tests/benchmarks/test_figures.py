"""Medians, ratios, lines and tables."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.figures import fit_line, markdown_table, ratios, seconds, spread, times

positive = st.floats(min_value=0.001, max_value=1e6)


def test_spread_is_median_least_and_greatest() -> None:
    found = spread([3.0, 1.0, 2.0, 100.0])
    assert (found.median, found.low, found.high) == (2.5, 1.0, 100.0)


@pytest.mark.parametrize("call", [lambda: spread([]), lambda: ratios([], []), lambda: ratios([1.0], [1.0, 2.0])])
def test_no_figures_or_unequal_ones_are_refused(call: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the message differs, the kind is what counts
        call()  # type: ignore[operator]


def test_ratios_are_taken_round_by_round() -> None:
    # The machine was twice as slow in the second round: the ratio does not notice, that of the medians would.
    assert ratios([1.0, 2.0, 1.0], [2.0, 4.0, 2.0]) == spread([0.5])


@given(slope=st.floats(-100, 100), intercept=st.floats(-100, 100))
def test_a_line_is_found_again(slope: float, intercept: float) -> None:
    line = fit_line([(x, slope * x + intercept) for x in (0.25, 0.5, 1.0, 2.0, 4.0)])
    assert line.slope == pytest.approx(slope, abs=1e-6)
    assert line.intercept == pytest.approx(intercept, abs=1e-6)


def test_r_squared_says_how_near_the_points_lie() -> None:
    assert fit_line([(0, 0), (1, 1), (2, 2)]).r_squared == pytest.approx(1.0)
    assert fit_line([(0, 1), (1, 0), (2, 1)]).r_squared == pytest.approx(0.0)
    square = fit_line([(x, x * x) for x in (0.25, 0.5, 1.0, 2.0, 4.0)])
    assert 0.8 < square.r_squared < 0.99


def test_a_line_needs_two_points() -> None:
    with pytest.raises(ValueError, match="two points"):
        fit_line([(1.0, 1.0), (1.0, 2.0)])


@pytest.mark.parametrize(
    ("value", "text"), [(0.0123, "0.012"), (1.234, "1.23"), (12.34, "12.3"), (123.4, "123")], ids=str
)
def test_digits(value: float, text: str) -> None:
    assert times(spread([value])) == text
    assert seconds(spread([value, value, value * 4])) == f"{text} s ({text}–{times(spread([value * 4]))})"


@given(st.lists(st.tuples(st.text("abc", max_size=5), st.text("abc", max_size=9)), max_size=5))
def test_a_table_has_straight_columns(rows: list[tuple[str, str]]) -> None:
    lines = markdown_table(("left", "right"), rows).splitlines()
    assert len(lines) == len(rows) + 2
    assert all(len(above) == len(below) for above, below in pairwise(lines))
    assert [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines[2:]] == rows

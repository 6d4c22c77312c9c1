"""Runs as figures: medians and spreads, ratios run by run, growth with size; and all of that as Markdown tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean, median


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """The median of some figures, with the least and the greatest."""

    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The straight line nearest to some points (least squares), and the share of their variance that it explains."""

    slope: float
    intercept: float
    r_squared: float


def spread(figures: Iterable[float]) -> Spread:
    """Raises ValueError for no figures at all."""
    values = list(figures)
    if not values:
        raise ValueError("no figures")
    return Spread(median=median(values), low=min(values), high=max(values))


def ratios(numerators: Sequence[float], denominators: Sequence[float]) -> Spread:
    """The ratio of two commands, taken between runs of the same round: what slows a machine down for a while slows
    both. Raises ValueError when one of them has no runs, or more than the other."""
    return spread(a / b for a, b in zip(numerators, denominators, strict=True))


def fit_line(points: Sequence[tuple[float, float]]) -> Line:
    """Least squares. Raises ValueError for less than two different x."""
    xs, ys = [x for x, _ in points], [y for _, y in points]
    if len(set(xs)) < 2:
        raise ValueError("a line needs two points")
    mean_x, mean_y = fmean(xs), fmean(ys)
    slope = sum((x - mean_x) * (y - mean_y) for x, y in points) / sum((x - mean_x) ** 2 for x in xs)
    intercept = mean_y - slope * mean_x
    total = sum((y - mean_y) ** 2 for y in ys)
    rest = sum((y - slope * x - intercept) ** 2 for x, y in points)
    return Line(slope=slope, intercept=intercept, r_squared=1.0 if total == 0 else 1 - rest / total)


def seconds(value: Spread) -> str:
    """`1.23 s (1.20–1.31)`."""
    return _with_spread(value, " s")


def times(value: Spread) -> str:
    """`0.310 (0.300–0.330)`."""
    return _with_spread(value, "")


def _with_spread(value: Spread, unit: str) -> str:
    middle = f"{_digits(value.median)}{unit}"
    return middle if value.low == value.high else f"{middle} ({_digits(value.low)}–{_digits(value.high)})"


def _digits(value: float) -> str:
    """Three significant digits or so, never more than thousandths."""
    size = abs(value)
    return (
        f"{value:.0f}"
        if size >= 100
        else f"{value:.1f}"
        if size >= 10
        else f"{value:.2f}"
        if size >= 1
        else f"{value:.3f}"
    )


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table, padded so that it can be read as it stands."""
    lines = [list(head), *(list(row) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    padded = [[cell.ljust(width) for cell, width in zip(line, widths, strict=True)] for line in lines]
    rule = ["-" * width for width in widths]
    return "".join(f"| {' | '.join(line)} |\n" for line in (padded[0], rule, *padded[1:]))

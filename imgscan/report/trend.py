"""How figures of a target went over its runs: a table with a sparkline each. In: runs of the history. Out: text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from tabulate import tabulate

from imgscan.delta import Unit
from imgscan.escape import log_lines, markdown, plain
from imgscan.frozen import frozen
from imgscan.model import Severity
from imgscan.pastruns import Run
from imgscan.report.compared import value_text

_BARS: Final = "▁▂▃▄▅▆▇█"
_GAP: Final = " "
_WIDTH: Final = 30
_NAMES: Final = {
    "size-bytes": ("Image size", Unit.BYTES),
    "reclaimable-bytes": ("Wasted", Unit.BYTES),
    "efficiency": ("Efficiency", Unit.RATIO),
    "seconds-cold": ("Build from nothing", Unit.SECONDS),
    "seconds-noop": ("Build with nothing changed", Unit.SECONDS),
    "seconds-touch-source": ("Rebuild after a source edit", Unit.SECONDS),
    "seconds-touch-lockfile": ("Rebuild after a lockfile edit", Unit.SECONDS),
    "cached-touch-source": ("Steps cached after a source edit", Unit.COUNT),
    "cached-touch-lockfile": ("Steps cached after a lockfile edit", Unit.COUNT),
}


@frozen
class Trend:
    """A figure over the runs, oldest first; None where a run did not have it."""

    key: str
    name: str
    unit: Unit
    values: tuple[float | None, ...]


def trends(runs: Sequence[Run]) -> list[Trend]:
    """Every figure that a run has and that is not nothing all the time, those that people look for first."""
    keys = [*_NAMES, *sorted({key for run in runs for key in run.figures} - set(_NAMES), key=_rank)]
    found = [_trend(key, runs) for key in keys]
    return [trend for trend in found if any(trend.values)]


def _rank(key: str) -> tuple[bool, int, str]:
    """Findings by severity, behind all else."""
    severity = key.removeprefix("findings-")
    worst_first = [each.value for each in Severity]
    is_count = severity != key and severity in worst_first
    return is_count, worst_first.index(severity) if is_count else 0, key


def _trend(key: str, runs: Sequence[Run]) -> Trend:
    name, unit = _NAMES.get(key, (key.replace("-", " ").capitalize(), _unit(key)))
    return Trend(key=key, name=name, unit=unit, values=tuple(run.figures.get(key) for run in runs))


def _unit(key: str) -> Unit:
    return Unit.SECONDS if key.startswith("seconds-") else Unit.COUNT


def sparkline(values: Sequence[float | None]) -> str:
    """Bars from the least value to the greatest, all of the middle height where nothing changed; a gap for None."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    if not known:
        return ""
    low, high = min(known), max(known)
    return "".join(_bar(value, low, high) for value in values)


def _bar(value: float | None, low: float, high: float) -> str:
    if value is None or not math.isfinite(value):
        return _GAP
    if high == low:
        return _BARS[3]
    return _BARS[min(round((value - low) / (high - low) * (len(_BARS) - 1)), len(_BARS) - 1)]


def render_table(target: str, runs: Sequence[Run]) -> str:
    """For a terminal."""
    return log_lines(f"{plain(target)}: {_span(runs)}\n\n{_table(runs, 'simple')}\n")


def render_markdown(target: str, runs: Sequence[Run]) -> str:
    """For a summary or an issue."""
    return f"## {markdown(target)}\n\n{_span(runs)}\n\n{_table(runs, 'pipe')}\n"


def _span(runs: Sequence[Run]) -> str:
    if not runs:
        return "no runs"
    verdicts = "".join("+" if run.verdict == "GO" else "-" for run in runs[-_WIDTH:])
    count = f"{len(runs)} {'run' if len(runs) == 1 else 'runs'}"
    span = f"from {runs[0].recorded_at} to {runs[-1].recorded_at}"
    return f"{count} {span}, verdicts {verdicts} (+ GO, - NO-GO)"


def _table(runs: Sequence[Run], tablefmt: str) -> str:
    rows = []
    for trend in trends(runs):
        known = [value for value in trend.values if value is not None]
        texts = (value_text(trend.unit, value) for value in (known[0], min(known), max(known), known[-1]))
        rows.append((trend.name, *texts, sparkline(trend.values[-_WIDTH:])))
    return tabulate(rows, ("", "first", "least", "most", "last", "trend"), tablefmt=tablefmt, disable_numparse=True)

"""Where everything stands in the page's drawings: report records in, boxes in drawing units out. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from imgscan.escape import shorten
from imgscan.frozen import frozen
from imgscan.model import PatchProof, Risk, Step, Timing
from imgscan.patches import Rebuilds, ScenarioProof
from imgscan.report.compared import change_text
from imgscan.report.patches import cached_text, seconds_figure, seconds_text
from imgscan.units import human_seconds

WIDTH: Final = 1000
CHARACTER: Final = 7.2
"""The width of a character of the drawings' font, in drawing units, rounded up."""
_LABEL: Final = 70
_LEAST: Final = 1.5
_SHORTEST_S: Final = 0.05
"""A rebuild whose steps took less than this has nothing to show along an axis; no axis is shorter."""


@frozen
class Box:
    """A rectangle: place and size in drawing units, what is written in it (what fits), what it says when pointed at,
    and the names of its style."""

    x: float
    y: float
    width: float
    height: float
    text: str
    title: str
    style: str


@frozen
class Drawing:
    """Boxes on a sheet `WIDTH` wide; `title` is what a screen reader says of it."""

    title: str
    height: float
    boxes: tuple[Box, ...]


@frozen
class Lane:
    """A step of a build on its own line: its name, its box, its seconds or what became of it."""

    label: str
    line: int | None
    text: str
    boxes: tuple[Box, ...]
    critical: bool
    cached: bool


@frozen
class Gantt:
    """One rebuild: when each step ran. `end` is the time at the right end of the axis; empty: nothing ran."""

    name: str
    caption: str
    lanes: tuple[Lane, ...]
    end: str


@frozen
class Bar:
    """One version's rebuild on its own line: which version, its median as a bar and its repeats as a whisker, its
    figures."""

    label: str
    seconds: str
    cached: str
    boxes: tuple[Box, ...]


@frozen
class Bars:
    """One rebuild before and after a patch; `change` is `~` where it lies inside noise, `better` whether it is for the
    better beyond that. `end` is the time at the right end of the axis."""

    name: str
    caption: str
    change: str
    better: bool
    bars: tuple[Bar, ...]
    end: str


@frozen
class Cell:
    """A cell of the risk matrix: its score's band and the ids of the risks in it."""

    probability: int
    impact: int
    band: str
    risks: tuple[str, ...]


def gantt(timing: Timing) -> Gantt:
    """One rebuild as it went: the median repeat. A step from the cache has no time of its own: its lane is hatched."""
    spans = [one for step in timing.steps if not step.cached for one in step.intervals]
    start = min((one.start_s for one in spans), default=0.0)
    length = max((one.end_s for one in spans), default=0.0) - start
    ran = length >= _SHORTEST_S
    critical = frozenset(timing.critical_path) if ran else frozenset()
    scale = WIDTH / length if ran else 0.0
    lanes = tuple(_lane(step, at in critical, start, scale) for at, step in enumerate(timing.steps))
    spread = f" ± {timing.spread_s / 2:.1f} s over {len(timing.seconds)} runs" if len(timing.seconds) > 1 else ""
    touched = f"after an edit of {timing.touched}: " if timing.touched else ""
    cached = f"{timing.steps_cached} of {timing.steps_total} steps cached"
    caption = f"{touched}{human_seconds(timing.median_s)}{spread}, {cached}"
    return Gantt(name=timing.name, caption=caption, lanes=lanes, end=human_seconds(length) if ran else "")


def _lane(step: Step, critical: bool, start: float, scale: float) -> Lane:
    if step.cached or not scale:
        box = Box(x=0, y=0, width=WIDTH, height=1, text="", title="cached", style="cached")
        return _named(step, "cached" if step.cached else human_seconds(step.seconds), (box,), critical)
    style = "failed" if step.error else "critical" if critical else "ran"
    boxes = tuple(
        Box(
            x=(one.start_s - start) * scale,
            y=0,
            width=max((one.end_s - one.start_s) * scale, _LEAST),
            height=1,
            text="",
            title=f"{step.instruction}\n{human_seconds(one.end_s - one.start_s)}",
            style=style,
        )
        for one in step.intervals
    )
    return _named(step, human_seconds(step.seconds), boxes, critical)


def _named(step: Step, text: str, boxes: tuple[Box, ...], critical: bool) -> Lane:
    label = f"{step.stage}: {shorten(step.instruction, _LABEL)}"
    return Lane(label=label, line=step.line, text=text, boxes=boxes, critical=critical, cached=step.cached)


def bars(proof: PatchProof) -> list[Bars]:
    """The rebuilds of a patch before and after, all on one axis from 0 to the slowest repeat."""
    sides = [side for scenario in proof.scenarios for side in (scenario.before, scenario.after)]
    longest = max((_SHORTEST_S, *(value for side in sides for value in (*side.seconds, side.median_s))))
    return [_pair(scenario, WIDTH / longest, longest) for scenario in proof.scenarios]


def _pair(scenario: ScenarioProof, scale: float, longest: float) -> Bars:
    figure = seconds_figure(scenario)
    runs = len(scenario.before.seconds)
    caption = f"after an edit of {scenario.touched}" if scenario.touched else figure.name
    return Bars(
        name=scenario.name,
        caption=f"{caption}, {runs} run{'s' if runs != 1 else ''} each",
        change=change_text(figure),
        better=figure.differs and not figure.worse,
        bars=(
            _bar("before", scenario.before, scale, "own" if figure.differs else "base"),
            _bar("after", scenario.after, scale, ("waste" if figure.worse else "gain") if figure.differs else "base"),
        ),
        end=human_seconds(longest),
    )


def _bar(label: str, side: Rebuilds, scale: float, style: str) -> Bar:
    """The bar ends at the median; the whisker goes from the fastest repeat to the slowest, with a tick at both ends."""
    runs = ", ".join(human_seconds(value) for value in side.seconds)
    title = f"{label}: {seconds_text(side)}\n{runs}"
    width = max(side.median_s * scale, _LEAST)
    found = [Box(x=0, y=0.1, width=width, height=0.8, text="", title=title, style=style)]
    if len(side.seconds) > 1:
        low, high = min(side.seconds) * scale, max(side.seconds) * scale
        found.append(_whisker(low, max(high - low, _LEAST), 0.46, 0.08, title))
        found += [_whisker(at - _LEAST, 2 * _LEAST, 0.25, 0.5, title) for at in (low, high)]
    return Bar(label=label, seconds=seconds_text(side), cached=cached_text(side), boxes=tuple(found))


def _whisker(x: float, width: float, y: float, height: float, title: str) -> Box:
    # Its ends are lines of some width, which may not stand over the sheet's edge.
    return Box(x=max(min(x, WIDTH - width), 0), y=y, width=width, height=height, text="", title=title, style="whisker")


def matrix(risks: Sequence[Risk]) -> list[list[Cell]]:
    """Rows by probability from 3 down to 1, columns by impact from 1 to 3."""
    from imgscan.risk.catalog import priority

    return [
        [
            Cell(
                probability=probability,
                impact=impact,
                band=priority(probability * impact).lower(),
                risks=tuple(r.id for r in risks if (r.probability, r.impact) == (probability, impact)),
            )
            for impact in (1, 2, 3)
        ]
        for probability in (3, 2, 1)
    ]


def fit(text: str, width: float) -> str:
    """As much of a text as fits into that many drawing units; nothing rather than less than three characters."""
    room = int((width - 8) / CHARACTER)
    return shorten(text, room) if room >= 3 else ""


def seen(width: float) -> float:
    """A box with a gap beside it, where there is room for one."""
    return max(width - 1, min(width, _LEAST))

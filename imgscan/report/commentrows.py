"""The figures of a comment on a pull request. In: two reports, or one and nothing to compare it with. Out: the words of
its headline and the rows of its table, as Markdown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from imgscan.delta import Delta, Figure, Unit, bytes_noise, compare
from imgscan.escape import markdown, shorten
from imgscan.model import Report, Severity, Verdict
from imgscan.report.compared import amount_text, share_text
from imgscan.report.summary import counts
from imgscan.units import human_bytes, human_seconds, percent

MOST_ROWS: Final = 6
_FIRST: Final = (
    "size-bytes",
    "seconds-touch-source",
    "seconds-touch-lockfile",
    "cached-touch-source",
    "reclaimable-bytes",
    "cached-touch-lockfile",
    "seconds-cold",
    "seconds-noop",
)
_CELL: Final = 60


def is_news(figure: Figure) -> bool:
    """Whether a figure changed beyond noise, bytes by more than builds of the same differ."""
    if not figure.differs or figure.base is None or figure.change is None:
        return False
    least = bytes_noise(figure.base) if figure.unit is Unit.BYTES else 0.0
    return abs(figure.change) > least


def is_worse(figure: Figure) -> bool:
    """Whether it is news, and bad news."""
    return is_news(figure) and figure.worse


def phrases(report: Report, delta: Delta | None) -> Iterator[str]:
    """What the headline says after the verdict, the worst first. Only words and figures of our own."""
    if report.build and report.build.failure:
        yield "the build failed"
        return
    if delta is None:
        found = counts_text(report)
        yield f"findings: {found}" if found != "none" else "no findings"
        return
    if delta.new:
        yield _new_text(delta)
    yield from (text for figure in _ordered(delta.figures) if is_worse(figure) and (text := _louder(figure)))
    if delta.fixed:
        yield f"{len(delta.fixed)} fixed"
    if delta.base_verdict is not delta.head_verdict:
        yield f"{delta.base_verdict.value} before"


def counts_text(report: Report) -> str:
    """How many open findings of each severity, `none` if there are none."""
    return counts([finding for finding in report.findings if finding.accepted is None])


def table(report: Report, base: Report | None, labels: tuple[str, str]) -> list[str]:
    """Header and rows, no line if there is no row: with a base only what does not look the same, at most
    `MOST_ROWS`."""
    if base is None:
        rows = [
            f"| {markdown(figure.name)} | {_value(figure, 1, report)} |"
            for figure in _shown(compare(report, report).figures)[:MOST_ROWS]
            if figure.head is not None
        ]
        return [f"| | {_label(labels[1])} |", "|:--|--:|", *rows] if rows else []
    changed = [
        figure
        for figure in compare(base, report).figures
        if is_news(figure) or _value(figure, 0, base) != _value(figure, 1, report)
    ]
    chosen = sorted(_shown(changed), key=lambda figure: (not is_worse(figure), not is_news(figure)))[:MOST_ROWS]
    rows = [
        f"| {markdown(shorten(figure.name, _CELL))} | {_value(figure, 0, base)} "
        f"| {_value(figure, 1, report)} | {_change(figure)} |"
        for figure in _ordered(chosen)
    ]
    return [f"| | {_label(labels[0])} | {_label(labels[1])} | change |", "|:--|--:|--:|--:|", *rows] if rows else []


def _label(text: str) -> str:
    return markdown(shorten(text, _CELL))


def _shown(figures: Sequence[Figure]) -> list[Figure]:
    """Findings are listed below the table one by one; efficiency says again what is wasted."""
    return _ordered([f for f in figures if not f.key.startswith("findings-") and f.key != "efficiency"])


def _ordered(figures: Sequence[Figure]) -> list[Figure]:
    return sorted(figures, key=lambda f: _FIRST.index(f.key) if f.key in _FIRST else len(_FIRST))


def _new_text(delta: Delta) -> str:
    found = [finding.severity for finding in delta.new]
    if len(set(found)) == 1:
        return f"{len(found)} new {found[0]} {'finding' if len(found) == 1 else 'findings'}"
    worst = [severity for severity in Severity if severity in found][:2]
    return f"{len(found)} new findings ({', '.join(f'{found.count(severity)} {severity}' for severity in worst)})"


def _louder(figure: Figure) -> str:
    """The headline's words for a figure that got worse; "" for one that the table is enough for."""
    if figure.base is None or figure.change is None:
        return ""
    if figure.key == "size-bytes":
        return f"{human_bytes(round(figure.change))} bigger"
    names = {"seconds-touch-source": "source rebuild", "seconds-touch-lockfile": "lockfile rebuild"}
    if figure.key not in names or figure.head is None:
        return ""
    if figure.base > 0 and figure.head / figure.base >= 1.5:
        return f"{names[figure.key]} {figure.head / figure.base:.1f}× slower"
    return f"{names[figure.key]} {human_seconds(figure.change)} slower"


def _value(figure: Figure, side: int, report: Report) -> str:
    """The figure before (0) or after (1), of the report of that side."""
    value = (figure.base, figure.head)[side]
    if value is None:
        return "–"
    match figure.unit:
        case Unit.BYTES:
            return human_bytes(round(value))
        case Unit.SECONDS:
            return f"{human_seconds(value)}{_spread(figure, report)}"
        case Unit.RATIO:
            return percent(value)
        case Unit.COUNT:
            whole = figure.of[side]
            return f"{value:.0f}" + (f" / {whole}" if whole is not None else "")


def _spread(figure: Figure, report: Report) -> str:
    """Half of what lies between the fastest and the slowest run."""
    for timing in report.build.scenarios if report.build else ():
        if figure.key == f"seconds-{timing.name}" and len(timing.seconds) > 1:
            return f" ± {human_seconds(timing.spread_s / 2)}"
    return ""


def _change(figure: Figure) -> str:
    """`~` for what is no news, else the difference; a triangle only where it is for the worse or the better."""
    if figure.base is None:
        return "new"
    if figure.change is None:
        return "not measured"
    if not is_news(figure):
        return "~"
    sign = "+" if figure.change > 0 else "−"
    text = f"{sign}{amount_text(figure.unit, abs(figure.change))}"
    if figure.unit is Unit.BYTES:
        text += share_text(figure, sign)
    arrow = "" if figure.unit is Unit.COUNT else " 🔺" if figure.change > 0 else " 🔽"
    return f"**{text}**{arrow}" if figure.worse else f"{text}{arrow}"


def sign(report: Report, delta: Delta | None) -> str:
    """One character for the headline: forbidden, allowed but worse, allowed with nothing to say against it."""
    if report.verdict is Verdict.NO_GO or (report.build and report.build.failure):
        return "🔴"
    if delta is None:
        return "✅" if counts_text(report) == "none" else "🟡"
    return "🟡" if delta.new or any(map(is_worse, delta.figures)) else "✅"

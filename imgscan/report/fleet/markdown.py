"""A run over a fleet as short Markdown: for a step summary, or a chat. JSON and the table have all of it.

Every cell and line goes through `escape.markdown` or `escape.markdown_code`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from imgscan.escape import markdown, markdown_code, shorten
from imgscan.fleets import FleetReport
from imgscan.report import Style
from imgscan.report.fleet import Load
from imgscan.report.fleet.overview import (
    Group,
    Told,
    base_age,
    base_name,
    by_told,
    failures,
    figure_lines,
    grave,
    groups,
    headline,
    mend_text,
    short_layer,
    team_totals,
    unfinished,
    worth_rebuilding,
)
from imgscan.report.markdown import CELL, MARK, bullets, table
from imgscan.report.summary import severity_counts

_ROWS: Final = 20
_NAMES: Final = 3


def render(report: FleetReport, load: Load, style: Style) -> str:
    """The run in short: lists are cut at 20 rows."""
    return "\n".join(_lines(report)) + "\n"


def _lines(report: FleetReport) -> Iterator[str]:
    word, counts = headline(report)
    found = by_told(report)
    yield f"## {_sign(report)} imgscan fleet: {word.lower()}"
    yield ""
    images, read = figure_lines(report)
    yield f"{markdown(counts).capitalize()}. {markdown(images)}; {markdown(read)}."
    if not report.complete:
        yield "\n**Incomplete:** not every image could be looked at as a whole."
    yield from _findings("New findings", groups(found[Told.NEW]))
    yield from _shared(report)
    yield from _bases(report)
    yield from _failed(report)
    yield from _findings("In images seen for the first time", grave(groups(found[Told.FIRST])))
    yield from _teams(report)
    yield from _findings("Fixed since the run before", groups(found[Told.FIXED]))
    yield from bullets([f"Note: {shorten(note, 4 * CELL)}" for note in report.notes])
    yield f"\n<sub>imgscan {markdown(report.version)}, run {report.run} of {markdown(report.started_at)}.</sub>"


def _sign(report: FleetReport) -> str:
    news = [finding.severity for finding in report.findings if finding.is_news]
    if news:
        return MARK[max(news, key=lambda severity: severity.rank)]
    return "🟢" if report.complete else "🟡"


def _findings(title: str, found: Sequence[Group]) -> Iterator[str]:
    if not found:
        return
    yield f"\n### {title} ({len(found):,})"
    rows = [
        (
            f"{MARK[group.severity]} {group.severity}",
            markdown(_cut([team or "–" for team in group.teams])),
            markdown_code(shorten(group.rule_id, CELL)),
            markdown(shorten(group.message, 2 * CELL)),
            _images(group.images),
        )
        for group in found[:_ROWS]
    ]
    yield from table(rows, ("Severity", "Team", "Rule", "What", "Images"))
    yield from _more(len(found))


def _cut(names: Sequence[str]) -> str:
    left = len(names) - _NAMES
    return ", ".join(shorten(name, CELL) for name in names[:_NAMES]) + (f" and {left:,} more" if left > 0 else "")


def _images(names: Sequence[str]) -> str:
    """How many, and the first of them by name."""
    shown = ", ".join(markdown_code(shorten(name, CELL)) for name in names[:_NAMES])
    left = len(names) - _NAMES
    return f"{f'{len(names):,}: ' if len(names) > 1 else ''}{shown}" + (f" and {left:,} more" if left > 0 else "")


def _shared(report: FleetReport) -> Iterator[str]:
    if not report.shared:
        return
    yield f"\n### Mend once ({len(report.shared):,} layers that leak into several images)"
    rows = [
        (
            severity_counts(severity for _, _, severity, _ in leak.findings),
            _images(leak.images),
            markdown(shorten(mend_text(leak, report), 2 * CELL)),
            markdown_code(short_layer(leak.layer))
            + (" " + markdown_code(leak.instruction) if leak.instruction else ""),
        )
        for leak in report.shared[:_ROWS]
    ]
    yield from table(rows, ("Secrets", "Images", "To do", "Layer"))
    yield from _more(len(report.shared))


def _bases(report: FleetReport) -> Iterator[str]:
    bases = worth_rebuilding(report)
    if not bases:
        return
    yield f"\n### Base images to rebuild ({len(bases):,})"
    rows = [
        (
            markdown_code(shorten(base_name(base), CELL)),
            f"{len(base.images):,}",
            severity_counts(severity for severity, count in base.findings for _ in range(count)),
            base_age(base, report) or "–",
        )
        for base in bases[:_ROWS]
    ]
    yield from table(rows, ("Base image", "Images on it", "Its layers ship", "Age"))
    yield from _more(len(bases))


def _failed(report: FleetReport) -> Iterator[str]:
    texts = [f"{image.name}: {image.error or 'no reason is known'}" for image in failures(report)]
    texts += [f"{image.name}: not wholly read" for image in unfinished(report)]
    texts += [f"not listed: {item.source}: {item.reason}" for item in report.not_listed]
    if not texts:
        return
    yield f"\n<details><summary>{len(texts):,} not looked at, or not wholly</summary>"
    yield from bullets([shorten(" ".join(text.split()), 4 * CELL) for text in texts[:_ROWS]])
    yield from _more(len(texts))
    yield "\n</details>"


def _teams(report: FleetReport) -> Iterator[str]:
    totals = [total for total in team_totals(report) if total.counts or total.failed]
    if not totals:
        return
    yield "\n### Open findings by team"
    rows = [
        (
            markdown(shorten(total.team or "–", CELL)),
            f"{total.images:,}" + (f" ({total.failed:,} failed)" if total.failed else ""),
            f"{total.new:,}",
            severity_counts(severity for severity, count in total.counts.items() for _ in range(count)),
        )
        for total in totals[:_ROWS]
    ]
    yield from table(rows, ("Team", "Images", "New", "Open"))
    yield from _more(len(totals))


def _more(count: int) -> Iterator[str]:
    if count > _ROWS:
        yield f"\n{count - _ROWS:,} more in the JSON report."

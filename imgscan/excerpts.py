"""The lines around what findings speak of. In: a report and the texts of the project's files. Out: the report with
them.

They are quoted whole, so each is redacted here: a line of a Dockerfile may hold a secret that no finding is about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Final

from imgscan.model import Finding, Place, Report
from imgscan.sourcetext import SourceExcerpt

AROUND: Final = 2
"""So many lines above and below."""
_MOST_LINES: Final = 2_000
_LONGEST: Final = 400
_QUOTED: Final = frozenset({Place.DOCKERFILE, Place.COMPOSE, Place.SCRIPT})


def with_excerpts(report: Report, text_of: Callable[[str], str | None], clean: Callable[[str], str]) -> Report:
    """The report with the lines that its findings speak of. `text_of` gives a file's text by the name that findings
    have for it, None where there is none; `clean` takes secrets out of a text."""
    wanted: dict[str, set[int]] = {}
    for finding in report.findings:
        for file, line in lines_of(finding):
            wanted.setdefault(file, set()).add(line)
    found: list[SourceExcerpt] = []
    left = _MOST_LINES
    for file in sorted(wanted):
        for excerpt in _of_file(file, wanted[file], text_of(file), clean):
            left -= len(excerpt.lines)
            if left < 0:
                return replace(report, excerpts=tuple(found))
            found.append(excerpt)
    return replace(report, excerpts=tuple(found))


def lines_of(finding: Finding) -> Iterator[tuple[str, int]]:
    """The lines of the project's files that a finding speaks of, the first one first."""
    for place in (finding.location, *finding.places):
        if place.dockerfile is not None:
            yield place.dockerfile.file, place.dockerfile.line
        elif place.place in _QUOTED and place.path and place.line:
            yield place.path, place.line


def _of_file(file: str, lines: set[int], text: str | None, clean: Callable[[str], str]) -> Iterator[SourceExcerpt]:
    if text is None:
        return
    # A key of several lines is recognised as a whole only; and a text of another length has other lines.
    cleaned = clean(text).split("\n")
    if len(cleaned) != text.count("\n") + 1:
        cleaned = [clean(line) for line in text.split("\n")]
    for first, last in _stretches(lines, len(cleaned)):
        quoted = tuple(line.rstrip("\r")[:_LONGEST] for line in cleaned[first - 1 : last])
        yield SourceExcerpt(file=file, line=first, lines=quoted)


def _stretches(lines: Iterable[int], count: int) -> Iterator[tuple[int, int]]:
    """First and last line of each stretch; those that touch are one."""
    around = sorted({at for line in lines for at in range(line - AROUND, line + AROUND + 1) if 1 <= at <= count})
    if not around:
        return
    first = around[0]
    for line, following in pairwise([*around, around[-1] + 2]):
        if following != line + 1:
            yield first, line
            first = following

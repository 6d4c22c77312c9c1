"""The page's rows: what a reader of the HTML report sees of findings, risks and figures. In: `Report`. Out: records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from imgscan.excerpts import AROUND, lines_of
from imgscan.frozen import frozen
from imgscan.model import Finding, Report, Risk
from imgscan.report.html.charts import Bars, bars
from imgscan.report.patches import PatchSection, patch_section
from imgscan.report.register import RiskSection, risk_row, risk_sections
from imgscan.report.summary import ordered, place_text, source_line, status_text
from imgscan.units import human_bytes, human_seconds, percent


@frozen
class Fact:
    """A figure at the top: name, value, a remark below."""

    name: str
    value: str
    remark: str = ""


@frozen
class QuotedLine:
    """A line of the project's files; `meant`: it is the one that the finding speaks of."""

    number: int
    text: str
    meant: bool


@frozen
class FindingRow:
    """A finding; `text` is what a search looks at, in lower case."""

    finding: Finding
    place: str
    line: str
    words: str
    text: str
    more: tuple[str, ...]
    source: tuple[QuotedLine, ...]


@frozen
class RiskRow:
    """A line of the register as text, with the findings behind it and what to do about it."""

    risk: Risk
    id: str
    inherent: str
    residual: str
    priority: str
    why: str
    findings: tuple[Finding, ...]
    section: RiskSection | None


@frozen
class DirectoryRow:
    """A directory with what is below it; `layers` says which ones ship how much of it."""

    path: str
    size: str
    vain: str
    layers: tuple[str, ...]


@frozen
class PatchRow:
    """A patch with its drawings."""

    section: PatchSection
    bars: tuple[Bars, ...]


_MORE: Final = 20
_DIRECTORIES: Final = 40


def facts(report: Report) -> list[Fact]:
    """The figures that matter, as far as they were measured."""
    return [*_sizes(report), *_times(report)]


def _sizes(report: Report) -> Iterator[Fact]:
    image = report.image
    if image is not None:
        yield Fact(name="Image", value=human_bytes(image.size_bytes), remark=f"{len(image.layers)} layers")
        wasted = f"efficiency {percent(image.efficiency)}"
        yield Fact(name="Wasted", value=human_bytes(image.reclaimable_bytes), remark=wasted)
    if report.coverage is not None:
        read = f"{report.coverage.entries} entries" + ("" if report.complete else ", not everything")
        yield Fact(name="Searched", value=human_bytes(report.coverage.bytes), remark=read)


def _times(report: Report) -> Iterator[Fact]:
    names = {"touch-source": "Rebuild after a source edit", "touch-lockfile": "Rebuild after a lockfile edit"}
    for timing in report.build.scenarios if report.build else ():
        if timing.name in names:
            cached = f"{timing.steps_cached} of {timing.steps_total} steps cached"
            yield Fact(name=names[timing.name], value=human_seconds(timing.median_s), remark=cached)


def directory_rows(report: Report) -> list[DirectoryRow]:
    """The largest directories, each followed by those in it."""
    found = [one for one in (report.image.directories if report.image else ()) if one.path != "/"]
    largest = sorted(found, key=lambda one: (-one.size_bytes, one.path))[:_DIRECTORIES]
    shown = {id(one) for one in largest}
    return [
        DirectoryRow(
            path=one.path,
            size=human_bytes(one.size_bytes),
            vain=human_bytes(one.reclaimable_bytes) if one.reclaimable_bytes else "",
            layers=tuple(f"{share.layer}: {human_bytes(share.size_bytes)}" for share in one.layers),
        )
        for one in found
        if id(one) in shown
    ]


def finding_rows(report: Report) -> list[FindingRow]:
    """Every finding, the worst first."""
    quoted = {
        (excerpt.file, excerpt.line + at): line for excerpt in report.excerpts for at, line in enumerate(excerpt.lines)
    }
    return [_finding(finding, quoted) for finding in ordered(report.findings)]


def _finding(finding: Finding, quoted: Mapping[tuple[str, int], str]) -> FindingRow:
    place, line = place_text(finding.location), source_line(finding.location.dockerfile)
    words = ", ".join(word for word in (status_text(finding), f"evidence {finding.evidence}") if word)
    more = [place_text(other) for other in finding.places if other != finding.location]
    shown = more[:_MORE] + ([f"and {len(more) - _MORE} more"] if len(more) > _MORE else [])
    text = " ".join((finding.rule_id, finding.message, place, line, finding.risk_id or "", *shown)).lower()
    return FindingRow(
        finding=finding,
        place=place,
        line="" if line == place else line,
        words=words,
        text=text,
        more=tuple(shown),
        source=tuple(_source(finding, quoted)),
    )


def _source(finding: Finding, quoted: Mapping[tuple[str, int], str]) -> Iterator[QuotedLine]:
    """The lines around the first one that a finding speaks of."""
    file, line = next(lines_of(finding), ("", 0))
    for number in range(line - AROUND, line + AROUND + 1):
        text = quoted.get((file, number))
        if text is not None:
            yield QuotedLine(number=number, text=text, meant=number == line)


def risk_rows(report: Report) -> list[RiskRow]:
    """Every risk with its findings, the worst of them first."""
    by_print = {finding.fingerprint: finding for finding in ordered(report.findings)}
    place = {fingerprint: at for at, fingerprint in enumerate(by_print)}
    sections = {section.risk.id: section for section in risk_sections(report)}
    rows = []
    for risk in report.risks:
        risk_id, inherent, residual, priority, why = risk_row(risk)
        known = sorted((mark for mark in risk.evidence if mark in by_print), key=place.__getitem__)
        rows.append(
            RiskRow(
                risk=risk,
                id=risk_id,
                inherent=inherent,
                residual=residual,
                priority=priority,
                why=why,
                findings=tuple(by_print[mark] for mark in known),
                section=sections.get(risk.id),
            )
        )
    return rows


def patch_rows(report: Report) -> list[PatchRow]:
    """Every patch that was proposed, in the order of the report."""
    return [PatchRow(section=patch_section(proof), bars=tuple(bars(proof))) for proof in report.proofs]

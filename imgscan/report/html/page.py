"""The page's rows: what a reader of the HTML report sees of findings, risks and figures. In: `Report`. Out: records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from imgscan.model import Finding, Report, Risk
from imgscan.report.summary import ordered, place_text, source_line, status_text
from imgscan.units import human_bytes, human_seconds, percent


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """A figure at the top: name, value, a remark below."""

    name: str
    value: str
    remark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingRow:
    """A finding; `text` is what a search looks at, in lower case."""

    finding: Finding
    place: str
    line: str
    words: str
    text: str
    more: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RiskRow:
    """A line of the register with the findings behind it."""

    risk: Risk
    findings: tuple[Finding, ...]


_MORE: Final = 20


def facts(report: Report) -> list[Fact]:
    """The figures that matter, as far as they were measured."""
    return [*_sizes(report), *_times(report)]


def _sizes(report: Report) -> Iterator[Fact]:
    image = report.image
    if image is not None:
        yield Fact(name="Image", value=human_bytes(image.size_bytes), remark=f"{len(image.layers)} layers")
        wasted = f"efficiency {percent(image.efficiency)}"
        yield Fact(name="Shipped in vain", value=human_bytes(image.reclaimable_bytes), remark=wasted)
    if report.coverage is not None:
        read = f"{report.coverage.entries} entries" + ("" if report.complete else ", not everything")
        yield Fact(name="Searched", value=human_bytes(report.coverage.bytes), remark=read)


def _times(report: Report) -> Iterator[Fact]:
    names = {"touch-source": "Rebuild after a source edit", "touch-lockfile": "Rebuild after a lockfile edit"}
    for timing in report.build.scenarios if report.build else ():
        if timing.name in names:
            cached = f"{timing.steps_cached} of {timing.steps_total} steps cached"
            yield Fact(name=names[timing.name], value=human_seconds(timing.median_s), remark=cached)


def finding_rows(report: Report) -> list[FindingRow]:
    """Every finding, the worst first."""
    return [_finding(finding) for finding in ordered(report.findings)]


def _finding(finding: Finding) -> FindingRow:
    place, line = place_text(finding.location), source_line(finding.location.dockerfile)
    words = ", ".join(word for word in (status_text(finding), f"evidence {finding.evidence}") if word)
    more = [place_text(other) for other in finding.places if other != finding.location]
    shown = more[:_MORE] + ([f"and {len(more) - _MORE} more"] if len(more) > _MORE else [])
    text = " ".join((finding.rule_id, finding.message, place, line, finding.risk_id or "", *shown)).lower()
    return FindingRow(
        finding=finding, place=place, line="" if line == place else line, words=words, text=text, more=tuple(shown)
    )


def risk_rows(report: Report) -> list[RiskRow]:
    """Every risk with its findings, the worst of them first."""
    by_print = {finding.fingerprint: finding for finding in ordered(report.findings)}
    place = {fingerprint: at for at, fingerprint in enumerate(by_print)}
    return [
        RiskRow(
            risk=risk,
            findings=tuple(by_print[f] for f in sorted(risk.evidence, key=lambda f: place.get(f, -1)) if f in by_print),
        )
        for risk in report.risks
    ]

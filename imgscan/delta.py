"""Two reports of the same thing, and what lies between them. In: `Report` before and after. Out: one `Delta`. Pure.

A finding is the same where its fingerprint is, wherever its lines moved. Seconds differ only beyond the spread of their
runs; everything else is exact.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Final, Protocol

from imgscan.acceptance import open_findings
from imgscan.directorychanges import DirectoryChange, directory_changes
from imgscan.frozen import frozen
from imgscan.model import Finding, ImageReport, Report, Risk, Severity, Target, Timing, Verdict

_LEAST_NOISE_S: Final = 0.2
_NOISE_SHARE: Final = 0.05
_LEAST_BYTES: Final = 10_000
_BYTES_SHARE: Final = 0.001
"""Two builds of the same are not the same to the byte: logs, times, compiled caches."""
_SINGLE_RUN_SHARE: Final = 0.25
_SINGLE_RUN_S: Final = 1.0
"""Of one run no spread is known: less than a quarter or a second more is no news."""


class Unit(StrEnum):
    """What a figure counts."""

    BYTES = "bytes"
    SECONDS = "seconds"
    COUNT = "count"
    RATIO = "ratio"


@frozen
class Figure:
    """A figure before and after; None where a report does not have it. `noise`: a difference of no more than that says
    nothing. `of` is what a count is out of (base, head). `less_is_better` is False for ratios and cached steps."""

    key: str
    name: str
    unit: Unit
    base: float | None
    head: float | None
    noise: float = 0.0
    less_is_better: bool = True
    of: tuple[int | None, int | None] = (None, None)

    @property
    def change(self) -> float | None:
        """After minus before, None if there is no before or no after."""
        return None if self.base is None or self.head is None else self.head - self.base

    @property
    def differs(self) -> bool:
        """Whether it changed, beyond noise."""
        return self.change is not None and abs(self.change) > self.noise

    @property
    def worse(self) -> bool:
        """Whether it changed for the worse, beyond noise."""
        return self.differs and ((self.change or 0.0) > 0) == self.less_is_better


@frozen
class Moved:
    """A finding that is in both, at another place."""

    base: Finding
    head: Finding


@frozen
class StepChange:
    """A step of a rebuild scenario that was cached before and is not now, or the other way round."""

    scenario: str
    instruction: str
    line: int | None
    cached_before: bool
    seconds: float


@frozen
class RiskChange:
    """A risk whose score changed; None: that report does not weigh it."""

    id: str
    description: str
    base: int | None
    head: int | None


@frozen
class FolderChange:
    """Bytes that are wasted below a folder, before and after."""

    folder: str
    base: int
    head: int


@frozen
class Delta:
    """What changed. Findings count if they are open; `new` and `fixed` are sorted, the worst first. `incomplete` says
    which of the two did not look at everything: what is "fixed" there may not be."""

    base: Target
    head: Target
    base_verdict: Verdict
    head_verdict: Verdict
    figures: tuple[Figure, ...]
    new: tuple[Finding, ...]
    fixed: tuple[Finding, ...]
    moved: tuple[Moved, ...]
    standing: int
    steps: tuple[StepChange, ...]
    risks: tuple[RiskChange, ...]
    folders: tuple[FolderChange, ...]
    directories: tuple[DirectoryChange, ...] = ()
    incomplete: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Nothing of it is news."""
        changed = any(figure.differs for figure in self.figures) or self.base_verdict is not self.head_verdict
        return not (changed or self.new or self.fixed or self.risks or self.steps or self.directories)


def compare(base: Report, head: Report) -> Delta:
    """What lies between two reports."""
    before, after = _by_fingerprint(base), _by_fingerprint(head)
    both = [Moved(base=before[key], head=after[key]) for key in after if key in before]
    return Delta(
        base=base.target,
        head=head.target,
        base_verdict=base.verdict,
        head_verdict=head.verdict,
        figures=tuple(_figures(base, head)),
        new=_sorted(finding for key, finding in after.items() if key not in before),
        fixed=_sorted(finding for key, finding in before.items() if key not in after),
        moved=tuple(pair for pair in both if pair.base.location != pair.head.location),
        standing=len(both),
        steps=tuple(_steps(base, head)),
        risks=tuple(_risks(base.risks, head.risks)),
        folders=tuple(_folders(base.image, head.image)),
        directories=directory_changes(base.image, head.image, bytes_noise(base.image.size_bytes if base.image else 0)),
        incomplete=tuple(name for name, report in (("base", base), ("head", head)) if not report.complete),
    )


def new_findings(delta: Delta, fail_on: Severity | None) -> tuple[Finding, ...]:
    """The new findings at or above a severity; every new one if None."""
    return tuple(f for f in delta.new if fail_on is None or f.severity.rank >= fail_on.rank)


def figures_of(report: Report) -> dict[str, float]:
    """The figures of one report by key, for those that it has; findings are counted for every severity."""
    found = {figure.key: figure.head for figure in _figures(report, report) if figure.head is not None}
    return {**{f"findings-{severity}": 0.0 for severity in Severity}, **found}


def _by_fingerprint(report: Report) -> dict[str, Finding]:
    return {finding.fingerprint: finding for finding in open_findings(report.findings)}


def _sorted(findings: Iterator[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(findings, key=lambda f: (-f.severity.rank, f.rule_id, f.fingerprint)))


def _figures(base: Report, head: Report) -> Iterator[Figure]:
    if base.image or head.image:
        yield from _sizes(base.image, head.image)
    before, after = _timings(base), _timings(head)
    for name in dict.fromkeys((*before, *after)):
        yield from _rebuild(name, before.get(name), after.get(name))
    for severity in Severity:
        counts = [sum(1 for f in open_findings(report.findings) if f.severity is severity) for report in (base, head)]
        if any(counts):
            yield Figure(
                key=f"findings-{severity}",
                name=f"Findings, {severity}",
                unit=Unit.COUNT,
                base=counts[0],
                head=counts[1],
            )


def _sizes(base: ImageReport | None, head: ImageReport | None) -> Iterator[Figure]:
    for key, name in (("size_bytes", "Image size"), ("reclaimable_bytes", "Wasted")):
        values = [None if image is None else float(getattr(image, key)) for image in (base, head)]
        yield Figure(key=key.replace("_", "-"), name=name, unit=Unit.BYTES, base=values[0], head=values[1])
    ratios = [None if image is None else image.efficiency for image in (base, head)]
    yield Figure(
        key="efficiency", name="Efficiency", unit=Unit.RATIO, base=ratios[0], head=ratios[1], less_is_better=False
    )


def _timings(report: Report) -> Mapping[str, Timing]:
    return {timing.name: timing for timing in report.build.scenarios} if report.build else {}


_NAMES: Final = {
    "cold": "Build from nothing",
    "noop": "Build with nothing changed",
    "touch-source": "Rebuild after a source edit",
    "touch-lockfile": "Rebuild after a lockfile edit",
}


def rebuild_name(scenario: str) -> str:
    """A rebuild scenario as people call it."""
    return _NAMES.get(scenario, f"Rebuild: {scenario}")


def _rebuild(name: str, base: Timing | None, head: Timing | None) -> Iterator[Figure]:
    yield Figure(
        key=f"seconds-{name}",
        name=rebuild_name(name),
        unit=Unit.SECONDS,
        base=base.median_s if base else None,
        head=head.median_s if head else None,
        noise=noise_of(base, head) if base and head else 0.0,
    )
    if name not in ("cold", "noop"):
        yield Figure(
            key=f"cached-{name}",
            name=f"Steps cached, {name}",
            unit=Unit.COUNT,
            base=base.steps_cached if base else None,
            head=head.steps_cached if head else None,
            less_is_better=False,
            of=(base.steps_total if base else None, head.steps_total if head else None),
        )


class Runs(Protocol):
    """The repeats of one build: their seconds, the median, the largest minus the smallest."""

    @property
    def seconds(self) -> Sequence[float]:
        """The seconds of every repeat."""

    @property
    def median_s(self) -> float:
        """Their median."""

    @property
    def spread_s(self) -> float:
        """The largest minus the smallest."""


def noise_of(base: Runs, head: Runs) -> float:
    """Seconds by which two medians may differ and still be the same: half of each spread, at least a twentieth."""
    if min(len(base.seconds), len(head.seconds)) < 2:
        return max(base.median_s * _SINGLE_RUN_SHARE, _SINGLE_RUN_S)
    return max((base.spread_s + head.spread_s) / 2, base.median_s * _NOISE_SHARE, _LEAST_NOISE_S)


def bytes_noise(base: float) -> float:
    """Bytes by which two builds of the same may differ, of what was `base` bytes before."""
    return max(_LEAST_BYTES, base * _BYTES_SHARE)


def _steps(base: Report, head: Report) -> Iterator[StepChange]:
    before = _timings(base)
    for name, timing in _timings(head).items():
        if name not in before or name == "cold":
            continue
        known = {(step.stage, step.instruction): step.cached for step in before[name].steps}
        for step in timing.steps:
            cached = known.get((step.stage, step.instruction))
            if cached is not None and cached != step.cached:
                yield StepChange(
                    scenario=name,
                    instruction=step.instruction,
                    line=step.line,
                    cached_before=cached,
                    seconds=step.seconds,
                )


def _risks(base: Sequence[Risk], head: Sequence[Risk]) -> Iterator[RiskChange]:
    before, after = ({risk.id: risk for risk in risks} for risks in (base, head))
    for risk_id in dict.fromkeys((*after, *before)):
        old, new = before.get(risk_id), after.get(risk_id)
        scores = (old.score if old else None, new.score if new else None)
        if scores[0] != scores[1]:
            shown = new or old
            assert shown is not None
            yield RiskChange(id=risk_id, description=shown.description, base=scores[0], head=scores[1])


def _folders(base: ImageReport | None, head: ImageReport | None) -> Iterator[FolderChange]:
    before, after = _wasted(base), _wasted(head)
    changes = [
        FolderChange(folder=folder, base=before.get(folder, 0), head=after.get(folder, 0))
        for folder in {**before, **after}
        if before.get(folder, 0) != after.get(folder, 0)
    ]
    yield from sorted(changes, key=lambda change: (-abs(change.head - change.base), change.folder))


def _wasted(image: ImageReport | None) -> dict[str, int]:
    """Bytes wasted by their two top folders."""
    sizes: dict[str, int] = {}
    for item in image.waste if image else ():
        if item.shadowed_by is not None:
            folder = "/" + "/".join(item.path.strip("/").split("/")[:-1][:2])
            sizes[folder] = sizes.get(folder, 0) + item.bytes
    return sizes

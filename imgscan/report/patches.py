"""Patches and what proving them showed, as people read it. In: `PatchProof` records. Out: plain, unescaped texts and
rows; the formats escape them at their sink."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from imgscan.acceptance import open_findings
from imgscan.delta import Figure, Unit, noise_of, rebuild_name
from imgscan.escape import shorten
from imgscan.frozen import frozen
from imgscan.model import PatchProof, Report
from imgscan.patches import ImageComparison, PatchChange, ProofCheck, ProofOutcome, Rebuilds, ScenarioProof
from imgscan.report.compared import change_text
from imgscan.report.summary import counts
from imgscan.units import human_seconds

HEADERS: Final = ("rebuild", "touched", "before", "after", "change", "steps cached")
_SHOWN: Final = 3
_LONGEST: Final = 60


@frozen
class PatchSection:
    """A patch as the formats show it: what became of it, what it does and where, the rows of its table under `HEADERS`,
    what of the images was compared, the checks, the diff. What there is nothing to say of is empty."""

    proved: bool
    outcome: str
    title: str
    reason: str
    changes: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    image: str
    checks: tuple[str, ...]
    patch: str


def patch_sections(report: Report) -> list[PatchSection]:
    """Every patch that was proposed, in the order of the report."""
    return [patch_section(proof) for proof in report.proofs]


def patch_section(proof: PatchProof) -> PatchSection:
    """One patch."""
    several = len(proof.changes) > 1
    return PatchSection(
        proved=proof.outcome is ProofOutcome.PROVED,
        outcome=proof.outcome.value,
        title=proof.title if several or not proof.changes else f"{proof.title} ({_place(proof.changes[0])})",
        reason=proof.reason or "",
        changes=tuple(f"{_place(one)}: {one.title}" for one in proof.changes) if several else (),
        rows=tuple(map(_row, proof.scenarios)),
        image=_image(proof.image) if proof.image else "",
        checks=tuple(map(_check, proof.checks)),
        patch=proof.patch or "",
    )


def patch_counts(proofs: Sequence[PatchProof]) -> str:
    """`1 proved, 2 not proved`."""
    counted = Counter(proof.outcome for proof in proofs)
    return ", ".join(f"{counted[outcome]} {outcome.value}" for outcome in ProofOutcome if counted[outcome])


def shown_counts(report: Report) -> tuple[str, str]:
    """What a report counts, and how many there are: its open findings, or patches where it is of patches alone."""
    if report.proofs and not report.findings:
        return "patches", patch_counts(report.proofs)
    return "findings", counts(open_findings(report.findings))


def seconds_figure(scenario: ScenarioProof) -> Figure:
    """The medians as a figure before and after, with the noise of their repeats."""
    before, after = scenario.before, scenario.after
    return Figure(
        key=f"seconds-{scenario.name}",
        name=rebuild_name(scenario.name),
        unit=Unit.SECONDS,
        base=before.median_s,
        head=after.median_s,
        noise=noise_of(before, after),
    )


def seconds_text(rebuilds: Rebuilds) -> str:
    """The median, with half of the spread if there are repeats: `8.4 s ± 0.50 s`."""
    spread = f" ± {human_seconds(rebuilds.spread_s / 2)}" if len(rebuilds.seconds) > 1 else ""
    return f"{human_seconds(rebuilds.median_s)}{spread}"


def cached_text(rebuilds: Rebuilds) -> str:
    """`2 / 4`: cached steps of all."""
    return f"{rebuilds.steps_cached} / {rebuilds.steps_total}"


def _place(change: PatchChange) -> str:
    return change.file if change.line is None else f"{change.file}:{change.line}"


def _row(scenario: ScenarioProof) -> tuple[str, ...]:
    before, after = scenario.before, scenario.after
    return (
        scenario.name,
        scenario.touched or "-",
        seconds_text(before),
        seconds_text(after),
        change_text(seconds_figure(scenario)),
        f"{cached_text(before)} → {cached_text(after)}",
    )


def _check(check: ProofCheck) -> str:
    word = "not looked at" if check.ok is None else "ok" if check.ok else "no"
    return f"{word}: {check.name}: {check.detail}"


def _image(image: ImageComparison) -> str:
    parts = [f"{image.paths} paths of the image were compared by type, mode, owner and content."]
    if image.nondeterministic_count:
        named = _named(image.nondeterministic, image.nondeterministic_count)
        parts.append(f"Left out, since two builds of the same differ there: {named}.")
    if image.left_out_count:
        parts.append(f"Kept out of the image on purpose: {_named(image.left_out, image.left_out_count)}.")
    return " ".join(parts)


def _named(paths: Sequence[str], count: int) -> str:
    shown = [shorten(path, _LONGEST) for path in paths[:_SHOWN]]
    more = f" and {count - len(shown)} more" if count > len(shown) else ""
    return ", ".join(shown) + more

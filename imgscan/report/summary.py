"""What a person reads first, computed once for every text format: the order of findings, the rows of the tables.
In: a `Report`. Out: plain, unescaped values; the formats escape them at their sink."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, Protocol, TypeVar

from imgscan.acceptance import accepted_findings, open_findings
from imgscan.coverage import Coverage, count_left_out
from imgscan.model import (
    Accepted,
    AcceptedBy,
    Budget,
    Evidence,
    Finding,
    ImageReport,
    LayerReport,
    Location,
    NotRead,
    Place,
    Report,
    Severity,
    Skipped,
    SourceLine,
    Status,
    Timing,
    Validity,
)
from imgscan.nestedpath import nested_path
from imgscan.units import human_bytes, human_seconds, percent

_MOST_KEPT: Final = 3
_EVIDENCE_RANK: Final = {evidence: index for index, evidence in enumerate(Evidence)}
_STATUS_TEXT: Final = {
    Status.VISIBLE: "visible",
    Status.OVERWRITTEN: "overwritten later, still in the image",
    Status.DELETED: "deleted later, still in the image",
}


def ordered(findings: Iterable[Finding]) -> list[Finding]:
    """The worst first; equal ones by evidence, rule, place: the same order in every run."""
    return sorted(
        findings,
        key=lambda f: (
            -f.severity.rank,
            -_EVIDENCE_RANK[f.evidence],
            f.rule_id,
            f.location.layer if f.location.layer is not None else -1,
            f.location.path or "",
            f.location.line or 0,
            f.fingerprint,
        ),
    )


def where(location: Location) -> str:
    """A place in words with its Dockerfile line: `layer 5 /app/.env:3 (Dockerfile:14)`."""
    place, line = place_text(location), source_line(location.dockerfile)
    return f"{place} ({line})" if place and line and place != line else place or line or location.place.value


def place_text(location: Location) -> str:
    """A place in words: `layer 5 /app/.env:3`, `history history[3]`, `backend/.env`, `Dockerfile:14`,
    `a.tgz → b.env:2`."""
    parts: list[str] = []
    if location.layer is not None:
        parts.append(f"layer {location.layer}")
    path = nested_path(location)
    if location.place not in (Place.FILE, Place.CONTEXT, Place.DOCKERFILE):
        parts.append(location.place.value)
    if path:
        parts.append(f"{path}:{location.line}" if location.line else path)
    return " ".join(parts) or source_line(location.dockerfile)


def source_line(line: SourceLine | None) -> str:
    """`Dockerfile:14`, or nothing."""
    return f"{line.file}:{line.line}" if line else ""


def status_text(finding: Finding) -> str:
    """What became of it and what the offline checks say, in a few words."""
    words = [finding.status.value] if finding.status else []
    if finding.validity in (Validity.VALID, Validity.INVALID):
        words.append("checksum ok" if finding.validity is Validity.VALID else "checksum wrong")
    return ", ".join(words)


def budget_row(budget: Budget) -> tuple[str, str, str, str, str]:
    """Key, limit with its side, what was measured, whether it holds, who asked for it."""
    state = "not measured" if budget.actual is None else "broken" if budget.broken else "kept"
    side = "at least" if budget.at_least else "at most"
    return budget.key, f"{side} {budget.limit}", budget.actual or "-", state, budget.source or "--budget"


def dive_line(image: ImageReport) -> str:
    """dive's three figures; they are comparable with dive's own output, not with ours."""
    dive = image.dive
    added = any(layer.size_bytes for layer in image.layers[1:])
    share = f", {percent(dive.user_wasted_percent)} of what the layers above the first add" if added else ""
    return f"by dive's formulas: {percent(dive.efficiency)} efficient, {human_bytes(dive.wasted_bytes)} wasted{share}"


def status_sentence(status: Status) -> str:
    """The status as a warning that deleting is not removing."""
    return _STATUS_TEXT[status]


def split_findings(report: Report) -> list[tuple[str, list[Finding]]]:
    """The findings that count, by the question they answer, in reading order, empty sections left out."""
    sections: dict[str, list[Finding]] = {title: [] for title, _ in SECTIONS}
    for finding in ordered(open_findings(report.findings)):
        sections[section_of(finding.rule_id)].append(finding)
    return [(title, found) for title, found in sections.items() if found]


def section_of(rule_id: str) -> str:
    """The title of the section that a rule's findings stand in."""
    family = rule_id.split("-", 1)[0]
    return next((title for title, families in SECTIONS if family in families), SECTIONS[-1][0])


class OfRule(Protocol):
    """Whatever a rule has found."""

    @property
    def rule_id(self) -> str:
        """The rule's id."""

    @property
    def severity(self) -> Severity:
        """How grave it is."""


Found = TypeVar("Found", bound=OfRule)


def collapse(findings: Sequence[Found], each: int) -> list[tuple[Found, int]]:
    """At most `each` findings of one rule and severity, in order; the last of them with how many more there are.

    A rule that is wrong a hundred times in one library must not bury what the others found.
    """
    kinds: dict[tuple[str, Severity], list[Found]] = {}
    for finding in findings:
        kinds.setdefault((finding.rule_id, finding.severity), []).append(finding)
    shown: list[tuple[Found, int]] = []
    for kind in kinds.values():
        shown.extend((finding, 0) for finding in kind[: each - 1])
        shown.extend((finding, len(kind) - each) for finding in kind[each - 1 : each])
    return shown


SECTIONS: Final = (
    ("Secrets", ("secret", "context")),
    ("Build cache", ("cache",)),
    ("Size and waste", ("layer",)),
    ("Image and project", ("config", "tech", "data", "ops", "env", "net", "backup")),
)


def scenario_row(timing: Timing) -> tuple[str, str, str, str, str]:
    """Name, what was touched, cached steps, median with spread, the instruction that everything re-ran from."""
    spread = f" ± {human_seconds(timing.spread_s / 2)}" if len(timing.seconds) > 1 else ""
    blamed = timing.busted_by
    return (
        timing.name,
        timing.touched or "-",
        f"{timing.steps_cached} / {timing.steps_total}",
        f"{human_seconds(timing.median_s)}{spread}",
        "-" if blamed is None else f"{blamed.line or '?'}: {blamed.instruction}",
    )


def rebuild_notes(timings: Sequence[Timing]) -> list[str]:
    """What of the table of rebuilds would look wrong: a build without a cache that has cached steps."""
    cold = next((timing for timing in timings if timing.name == "cold"), None)
    kept = [step.instruction for step in cold.steps if step.cached] if cold is not None and cold.steps_cached else []
    if not kept:
        return []
    named = ", ".join(dict.fromkeys(kept[:_MOST_KEPT])) + (", …" if len(kept) > _MOST_KEPT else "")
    return [f"cold: the builder takes what needs no work from its cache even in a build without one ({named})."]


def interesting_layers(layers: Sequence[LayerReport]) -> list[LayerReport]:
    """The user's own layers; of the base only what it weighs is of interest."""
    return [layer for layer in layers if not layer.from_base]


def layer_count(image: ImageReport) -> str:
    """`17 layers`."""
    return f"{len(image.layers)} {'layer' if len(image.layers) == 1 else 'layers'}"


def base_line(report: Report) -> str:
    """The base image in one line."""
    image = report.image
    if image is None or not image.base_layers:
        return ""
    size = sum(layer.size_bytes for layer in image.layers[: image.base_layers])
    noun = "layer" if image.base_layers == 1 else "layers"
    return f"{image.base_layers} base {noun}, {human_bytes(size)} ({image.base_method})"


def accepted_line(report: Report) -> str:
    """`3 accepted findings do not count: 2 by the baseline, 1 by a comment`; nothing if there are none."""
    accepted = [f.accepted.by for f in report.findings if f.accepted is not None]
    if not accepted:
        return ""
    ways = ", ".join(f"{accepted.count(by)} by {words}" for by, words in _ACCEPTED_BY.items() if by in accepted)
    noun = "finding does" if len(accepted) == 1 else "findings do"
    return f"{len(accepted)} accepted {noun} not count: {ways}"


def accepted_rows(report: Report) -> list[tuple[Severity, str, str, str]]:
    """Of each accepted finding: severity, rule, where, and why it is accepted."""
    found = ordered(accepted_findings(report.findings))
    return [(f.severity, f.rule_id, place_text(f.location), _accepted_text(f.accepted)) for f in found if f.accepted]


def _accepted_text(accepted: Accepted) -> str:
    until = f" (until {accepted.expires})" if accepted.expires else ""
    return f"{accepted.by}: {accepted.reason}{until}"


_ACCEPTED_BY: Final = {
    AcceptedBy.BASELINE: "the baseline",
    AcceptedBy.ALLOWLIST: "an allowlist",
    AcceptedBy.INLINE: "a comment",
}


def left_out_count(report: Report) -> int:
    """How many things could not be looked at, or not wholly."""
    return count_left_out(report.skipped, report.coverage)


def incomplete_line(report: Report) -> str:
    """`incomplete: 3 things could not be looked at`; "" if there is nothing like that."""
    count = left_out_count(report)
    return f"incomplete: {count} {'thing' if count == 1 else 'things'} could not be looked at" if count else ""


def left_out_texts(report: Report) -> list[str]:
    """Each of them that is listed: where it is, and why."""
    unread = report.coverage.not_read if report.coverage else ()
    return [f"skipped: {item.where}: {item.reason}" for item in report.skipped] + [
        f"not read: {unread_text(item)}" for item in unread
    ]


def read_line(coverage: Coverage, skipped: Sequence[Skipped]) -> str:
    """`12 entries, 3 MB; not read or not wholly: 3, 12 kB`, with how many of them are listed if that is not all; or
    `…; nothing left out`."""
    entries = f"{coverage.entries} {'entry' if coverage.entries == 1 else 'entries'}"
    parts = [f"{entries}, {human_bytes(coverage.bytes)}"]
    count = len(coverage.not_read) + coverage.not_listed
    if count:
        size = sum(item.bytes for item in coverage.not_read) + coverage.not_listed_bytes
        listed = f" (the first {len(coverage.not_read)} listed)" if coverage.not_listed else ""
        parts.append(f"not read or not wholly: {count}, {human_bytes(size)}{listed}")
    if skipped:
        parts.append(f"skipped: {sum(item.count for item in skipped)}")
    return "; ".join(parts if len(parts) > 1 else (*parts, "nothing left out"))


def unread_text(item: NotRead) -> str:
    """Where it is, why it was not read, and how much that is if it is known."""
    size = f", {human_bytes(item.bytes)} of it" if item.bytes else ""
    return f"{item.where}{size}: {item.reason}"


def counts(findings: Sequence[Finding]) -> str:
    """`2 critical, 3 high, 1 low`."""
    return severity_counts(finding.severity for finding in findings)


def severity_counts(severities: Iterable[Severity]) -> str:
    """`2 critical, 3 high, 1 low`, or `none`."""
    by_severity = Counter(severities)
    return ", ".join(f"{by_severity[each]:,} {each}" for each in Severity if by_severity[each]) or "none"


def installs_again(report: Report) -> bool:
    """Whether a measured rebuild showed an install that a source edit re-runs, be it accepted: a build that installs by
    the way is no install step, and the cache's figures do not have it."""
    return any(f.evidence is Evidence.PROVEN and f.rule_id == "cache-copy-before-install" for f in report.findings)

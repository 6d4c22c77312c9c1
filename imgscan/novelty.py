"""What was known before: a base report, or a baseline, against which only what is new counts (`--fail-on-new`).

In: a decoded report or baseline, and what a run found. Out: which findings are new, which risks stand as before. Pure.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence

from imgscan.acceptance import open_findings
from imgscan.frozen import frozen
from imgscan.model import Finding, Report, Risk, Severity
from imgscan.store.baseline import Baseline, is_expired


@frozen
class Known:
    """What a file knew. `fingerprints` are those of a report's open findings, `scores` those of the risks that applied
    there (a baseline has none); `complete`: nothing was left out there. `gates`: what it knew does not count."""

    name: str
    gates: bool
    fingerprints: frozenset[str] = frozenset()
    scores: Mapping[str, int] | None = None
    baseline: Baseline | None = None
    complete: bool = True

    def has(self, finding: Finding, today: datetime.date) -> bool:
        """Whether it knew a finding; an entry of a baseline that has expired is forgotten."""
        if self.baseline is None:
            return finding.fingerprint in self.fingerprints
        entry = self.baseline.find(finding)
        return entry is not None and not is_expired(entry, today)


@frozen
class News:
    """What is new: fingerprints of findings. `standing` are the risks that are no worse than before."""

    findings: frozenset[str]
    standing: frozenset[str]


def known_of_report(report: Report, name: str, *, gates: bool) -> Known:
    """What a base report knew."""
    return Known(
        name=name,
        gates=gates,
        fingerprints=frozenset(finding.fingerprint for finding in open_findings(report.findings)),
        scores={risk.id: risk.score for risk in report.risks if risk.applies},
        complete=report.complete,
    )


def news_of(
    known: Known, findings: Iterable[Finding], risks: Iterable[Risk], fail_on: Severity | None, today: datetime.date
) -> News:
    """What is new among open findings. A risk stands as before if no new finding that counts is evidence of it, and
    its score is not above that of the base report."""
    new = [finding for finding in findings if not known.has(finding, today)]
    counted = {f.fingerprint for f in new if fail_on is not None and f.severity.rank >= fail_on.rank}
    standing = {
        risk.id
        for risk in risks
        if counted.isdisjoint(risk.evidence)
        and (known.scores is None or fail_on is None or risk.score <= known.scores.get(risk.id, 0))
    }
    return News(findings=frozenset(finding.fingerprint for finding in new), standing=frozenset(standing))


def news_notes(known: Known, findings: Sequence[Finding], news: News) -> list[str]:
    """What is said of it in the report."""
    fresh = len(news.findings)
    old = len(findings) - fresh
    text = f"{fresh} {'finding is' if fresh == 1 else 'findings are'} new since {known.name}"
    if known.gates and old:
        text += f"; the other {old} {'does' if old == 1 else 'do'} not count (--fail-on-new)"
    notes = [text]
    if not known.complete:
        notes.append(
            f"{known.name} is of a run that did not look at everything: what is new may have been there before"
        )
    return notes

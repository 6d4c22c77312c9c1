"""Cases and what a scanner reported for them -> recall, false alarms and precision, by family."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.accuracy.cases import Case
from benchmarks.accuracy.tools import Report

ALL = "all"


@dataclass(slots=True, kw_only=True)
class Score:
    """Counts of cases. A positive is found when a report overlaps its secret (any report, if that is not given); a
    negative is a false alarm when anything is reported for it."""

    positives: int = 0
    found: int = 0
    negatives: int = 0
    alarms: int = 0

    @property
    def recall(self) -> float | None:
        """The share of positives that was found."""
        return self.found / self.positives if self.positives else None

    @property
    def false_alarms(self) -> float | None:
        """The share of negatives for which something was reported."""
        return self.alarms / self.negatives if self.negatives else None

    @property
    def precision(self) -> float | None:
        """The share of the cases reported that were positives."""
        reported = self.found + self.alarms
        return self.found / reported if reported else None


def by_case(reports: Iterable[Report], count: int) -> list[list[Report]]:
    """Reports on files `<number>/…`, by number."""
    cases: list[list[Report]] = [[] for _ in range(count)]
    for report in reports:
        number = report.file.partition("/")[0]
        if number.isdigit() and int(number) < count:
            cases[int(number)].append(report)
    return cases


def is_found(case: Case, reports: Sequence[Report]) -> bool:
    """Whether a report is about the case's secret: one text holds the other, or the case doesn't say what it is."""
    if not case.secret:
        return bool(reports)
    return any(
        report.text in case.secret or case.secret in report.text or _overlaps(case, report) for report in reports
    )


def _overlaps(case: Case, report: Report) -> bool:
    start, secret = case.text.find(report.text), case.text.find(case.secret)
    return start >= 0 and secret >= 0 and start < secret + len(case.secret) and secret < start + len(report.text)


def score(cases: Sequence[Case], reports: Sequence[Sequence[Report]]) -> Mapping[str, Score]:
    """Scores by family, and of ALL."""
    scores: dict[str, Score] = {}
    for case, found in zip(cases, reports, strict=True):
        for family in (case.family, ALL):
            counted = scores.setdefault(family, Score())
            if case.positive:
                counted.positives += 1
                counted.found += is_found(case, found)
            else:
                counted.negatives += 1
                counted.alarms += bool(found)
    return scores

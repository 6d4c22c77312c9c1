"""What to do first, computed once for every text format. In: a `Report`. Out: plain, unescaped values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from imgscan.acceptance import open_findings
from imgscan.frozen import frozen
from imgscan.model import Finding, Report, Severity
from imgscan.report.summary import ordered, section_of, severity_counts, where

TODO_LIMIT: Final = 8


@frozen
class Todo:
    """One thing to do: what is wrong, where it comes from, how to mend it, how many findings it settles."""

    severity: Severity
    headline: str
    where: tuple[str, ...]
    fix: str
    rule_id: str
    findings: int


@frozen
class Todos:
    """What to do first, and in words how much there is to do besides; "" if that is all."""

    shown: tuple[Todo, ...]
    more: str


def todos(report: Report, limit: int = TODO_LIMIT) -> Todos:
    """What to do first: the findings of one rule are one thing to do; only medium and above. None is left out for one
    that is less grave, and what is left out is counted."""
    groups: dict[str, list[Finding]] = {}
    failure = report.build.failure if report.build else None
    first = failure.rule_id if failure else None
    for finding in sorted(ordered(open_findings(report.findings)), key=lambda f: f.rule_id != first):
        if finding.severity.rank >= Severity.MEDIUM.rank:
            groups.setdefault(finding.rule_id, []).append(finding)
    kept = _chosen({rule_id: group[0].severity for rule_id, group in groups.items()}, first, limit)
    left = [group[0].severity for rule_id, group in groups.items() if rule_id not in kept]
    more = f"and {len(left)} more {'thing' if len(left) == 1 else 'things'} to do: {severity_counts(left)}"
    return Todos(
        shown=tuple(_todo(rule_id, group) for rule_id, group in groups.items() if rule_id in kept),
        more=more if left else "",
    )


def _chosen(severities: Mapping[str, Severity], first: str | None, limit: int) -> frozenset[str]:
    """The gravest rules. Of equally grave ones each section has its turn: six leaked tokens must not hide that every
    edit installs again."""
    turns: Counter[tuple[Severity, str]] = Counter()
    ranked: list[tuple[bool, int, int, str]] = []
    for rule_id, severity in severities.items():
        turn = turns[severity, section_of(rule_id)]
        turns[severity, section_of(rule_id)] += 1
        ranked.append((rule_id != first, -severity.rank, turn, rule_id))
    # Sorting is stable, and the rule's name does not count: they stand in reading order.
    return frozenset(rule_id for *_, rule_id in sorted(ranked, key=lambda each: each[:3])[:limit])


def _todo(rule_id: str, group: Sequence[Finding]) -> Todo:
    return Todo(
        severity=group[0].severity,
        headline=_todo_headline(group),
        where=tuple(dict.fromkeys(where(f.location) for f in group))[:3],
        fix=group[0].fix.text,
        rule_id=rule_id,
        findings=len(group),
    )


def _todo_headline(group: Sequence[Finding]) -> str:
    """The worst finding's message, and how many there are: of secrets each is another one to revoke."""
    message = group[0].message
    if len(group) == 1:
        return message
    if group[0].rule_id.startswith("secret-"):
        return f"{len(group)} different secrets, the first of them: {message}"
    return f"{message} (and {len(group) - 1} more)"

"""The report as JUnit XML, for CI servers that show nothing else: a suite each for what there
is of build, findings, risks and budgets, and of what could not be looked at.

What forbids the merge fails: a build that failed, findings that `--fail-on` counts, risks, broken budgets. Findings
that do not count, and accepted ones, are skipped with what they say, and so is what could not be looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from imgscan.escape import plain
from imgscan.model import Finding, Report
from imgscan.report import Style
from imgscan.report.summary import budget_row, incomplete_line, left_out_texts, ordered, where

_ATTRIBUTE: Final = {"\n": "&#10;", "\t": "&#9;", "\r": "&#13;"}
Case = tuple[str, str, str | None, str | None]
"""Class name, name, text of the failure, text of why it is skipped."""


def render(report: Report, style: Style | None = None) -> str:
    """Five suites, of which only that of the findings is there in any case."""
    suites = [
        ("build", [*_build(report)]),
        ("findings", [*_findings(report)]),
        ("risks", [*_risks(report)]),
        ("budgets", [*_budgets(report)]),
        ("coverage", [*_coverage(report)]),
    ]
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f"<testsuites name={_attribute(f'imgscan {report.target.ref}')}>",
    ]
    for name, cases in suites:
        if cases:
            lines += _suite(name, cases)
    return "\n".join((*lines, "</testsuites>", ""))


def _build(report: Report) -> Iterator[Case]:
    failure = report.build.failure if report.build else None
    if failure is not None:
        line = f"line {failure.line}: " if failure.line else ""
        first = "nothing was built" if failure.unreachable else "the image does not build"
        told = f"{first}\n{line}{failure.step}\n{failure.message}\n{failure.cause or ''}".rstrip()
        yield "imgscan.build", "the image builds", told, None


def _findings(report: Report) -> Iterator[Case]:
    counted = frozenset(report.forbidding)
    if not report.findings:
        yield "imgscan", "no findings", None, None
    for finding in ordered(report.findings):
        name = f"{finding.rule_id} {where(finding.location)} {finding.fingerprint}"
        if finding.accepted is not None:
            yield f"imgscan.{finding.rule_id}", name, None, f"accepted: {finding.accepted.reason}"
        elif finding.fingerprint in counted:
            yield f"imgscan.{finding.rule_id}", name, _failure(finding), None
        else:
            yield f"imgscan.{finding.rule_id}", name, None, f"does not count: {finding.severity}: {finding.message}"


def _failure(finding: Finding) -> str:
    return f"{finding.severity}: {finding.message}\n{finding.fix.text}\nimgscan explain {finding.rule_id}"


def _risks(report: Report) -> Iterator[Case]:
    for risk in report.risks:
        told = next((reason for reason in report.reasons if reason.startswith(f"{risk.id} ")), None)
        failure = f"{told}\n{risk.mitigation}" if told else None
        yield "imgscan.risk", f"{risk.id} {risk.description}", failure, None


def _budgets(report: Report) -> Iterator[Case]:
    for budget in report.budgets:
        key, limit, actual, _, _ = budget_row(budget)
        skipped = "not measured" if budget.actual is None else None
        yield "imgscan.budget", f"{key} {limit}", f"{actual}, {limit}" if budget.broken else None, skipped


def _coverage(report: Report) -> Iterator[Case]:
    if incomplete := incomplete_line(report):
        yield "imgscan.coverage", "everything was looked at", None, "; ".join((incomplete, *left_out_texts(report)))


def _suite(name: str, cases: Sequence[Case]) -> Iterator[str]:
    count: Callable[[int], int] = lambda at: sum(1 for case in cases if case[at] is not None)  # noqa: E731
    yield f'  <testsuite name="{name}" tests="{len(cases)}" failures="{count(2)}" skipped="{count(3)}" errors="0">'
    for class_name, title, failure, skipped in cases:
        head = f"    <testcase classname={_attribute(class_name)} name={_attribute(title)}"
        if failure is not None:
            first = failure.partition("\n")[0]
            yield f"{head}>\n      <failure message={_attribute(first)}>{_text(failure)}</failure>\n    </testcase>"
        elif skipped is not None:
            yield f"{head}>\n      <skipped message={_attribute(skipped)}/>\n    </testcase>"
        else:
            yield f"{head}/>"
    yield "  </testsuite>"


def _attribute(text: str) -> str:
    return quoteattr(_visible(text), _ATTRIBUTE)


def _text(text: str) -> str:
    return escape("\n".join(_visible(line) for line in text.split("\n")))


def _visible(text: str) -> str:
    """`plain` makes all that XML 1.0 forbids visible, but for two code points that are no characters."""
    return plain(text).replace("\ufffe", "\\ufffe").replace("\uffff", "\\uffff")
